"""Names for the things of a list, which users give with or without names."""

from collections.abc import Mapping
from typing import Any


def named(values: Any, argument: str) -> dict[Any, Any]:
    """Return values as a dict of names: of those in a list a string is its own, a function has one, others are printed.

    Parameters
    ----------
    values : dict, list, tuple or a single value
        The names of equal ones in a list are numbered.
    argument : str
        The name of the argument, for the error.

    Raises
    ------
    ValueError
        Where there are none.
    """
    if isinstance(values, Mapping):
        found = dict(values)
    else:
        found = {}
        for value in values if isinstance(values, (list, tuple)) else [values]:
            name = value if isinstance(value, str) else getattr(value, "__name__", repr(value))
            same = sum(other == name or other.startswith(f"{name} (") for other in found)
            found[f"{name} ({same + 1})" if same else name] = value
    if not found:
        raise ValueError(f"{argument} must not be empty, got {values!r}")
    return found
