"""Document parameters by the text of another docstring: of scikit-learn's class, or of a class or function of ours."""

import inspect
import re
from collections.abc import Callable
from itertools import groupby
from typing import Any, TypeVar

_Class = TypeVar("_Class")
_Documented = TypeVar("_Documented")
_ENTRIES = re.compile(
    r"(?P<head>^(?P<title>Parameters|Attributes)\n-+\n)(?P<entries>.*?)(?=\n\n\S[^\n]*\n---|\Z)",
    re.MULTILINE | re.DOTALL,
)
_REFERENCE = re.compile(r"(as in|as of|see) :\w+:`[^`]+`\.?", re.IGNORECASE)


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


def with_texts_of(*sources: Any) -> Callable[[_Documented], _Documented]:
    """Put the texts of others in the place of entries that only refer to them, so that each parameter has its own.

    Such an entry is ``C, tol :`` with nothing but ``As in :class:`Other`.`` below or behind it. The code has one text
    for a parameter that several classes or methods share, and the reader finds it at each of them.
    """

    def decorate(member: _Documented) -> _Documented:
        if member.__doc__ and all(source.__doc__ for source in sources):  # Python may run without docstrings
            texts = {title: known for source in reversed(sources) for title, known in _texts(source).items()}
            member.__doc__ = _ENTRIES.sub(lambda found: _filled(found, texts), inspect.cleandoc(member.__doc__)) + "\n"
        return member

    return decorate


def _texts(source: Any) -> dict[tuple[str, str], str]:
    """Return the text of each parameter and attribute of a docstring, by the title of its section and its name."""
    texts = {}
    for found in _ENTRIES.finditer(inspect.cleandoc(source.__doc__)):
        for _, names, text in _split(found["entries"]):
            texts.update({(found["title"], name): text for name in names})
    return texts


def _split(entries: str) -> list[tuple[str, list[str], str]]:
    """Return each entry of a section, its names, and what stands behind them."""
    whole = re.split(r"\n(?=\S)", entries)
    parts = [entry.partition(" :") for entry in whole]
    return [(entry, names.split(", "), text) for entry, (names, _, text) in zip(whole, parts, strict=True)]


def _filled(found: re.Match[str], texts: dict[tuple[str, str], str]) -> str:
    """Return a section whose entries have their texts."""
    entries = []
    for entry, names, text in _split(found["entries"]):
        if not _REFERENCE.fullmatch(" ".join(text.split())):
            entries.append(entry)
            continue
        # neighbours that have one text stay together
        groups = groupby(names, key=lambda name: texts.get((found["title"], name), text))
        entries += [f"{', '.join(group)} :{own}" for own, group in groups]
    return found["head"] + "\n".join(entries)
