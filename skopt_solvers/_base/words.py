"""Numbers in messages."""


def compared(value: float, limit: float, digits: int = 3) -> str:
    """Return a number as text, with so many digits that it is above or below a limit as the number itself is."""
    for shown in range(digits, 18):
        text = f"{value:.{shown}g}"
        if (float(text) > limit) == (value > limit) and (float(text) == limit) == (value == limit):
            return text
    return repr(value)
