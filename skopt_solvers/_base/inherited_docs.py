"""Document a class that stands for one of scikit-learn's by the parameters of that one."""

import re
from collections.abc import Callable
from typing import TypeVar

_Class = TypeVar("_Class")


def documented_like(
    theirs: type, example: str, parameters: str = "", attributes: str = ""
) -> Callable[[type[_Class]], type[_Class]]:
    """Give a class the parameters and attributes of scikit-learn's, those of its own after them, and an example."""

    def decorate(cls: type[_Class]) -> type[_Class]:
        # without roles, whose targets are in scikit-learn's own documentation
        text = re.sub(r":\w+:`~?([^`<]*?)(\s*<[^`]*>)?`", r"\1", theirs.__doc__ or "")
        if not cls.__doc__ or not text:  # Python runs without docstrings
            return cls
        sections = [cls.__doc__.rstrip()]
        for title, own in (("Parameters", parameters), ("Attributes", attributes)):
            entries = "\n\n    ".join(filter(None, (_section(text, title), own)))
            if entries:
                sections.append(f"    {title}\n    {'-' * len(title)}\n    {entries}")
        sections.append(f"    Examples\n    --------\n    {example}")
        cls.__doc__ = "\n\n".join(sections) + "\n    "
        return cls

    return decorate


def _section(text: str, title: str) -> str:
    """Return the entries of a section of a numpydoc text."""
    found = re.search(rf"    {title}\n    -+\n    (.*?)\n\n    (?=\w+( \w+)?\n    --)", text, re.DOTALL)
    return found[1].rstrip() if found else ""
