"""The histories of a search's candidates, and the colours and line styles that tell their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from .._base.typing import History
from ._drawing import LINE_STYLES

_MOST_COLORS = 10  # of matplotlib's cycle


@dataclass
class Looks:
    """The looks of lines that differ by parameters.

    Attributes
    ----------
    lines : dict of str to dict
        For the names of lines arguments of ``ax.plot``.
    legend : list of dict
        Arguments of ``ax.plot`` for each entry of the legend; empty where lines have entries of their own.
    """

    lines: dict[str, dict[str, Any]] = field(default_factory=dict)
    legend: list[dict[str, Any]] = field(default_factory=list)


def search_curves(search: Any, color_by: str | None, style_by: str | None) -> tuple[dict[str, list[History]], Looks]:
    """Return the histories of the folds by the names of candidates, and their looks.

    Raises
    ------
    ValueError
        Where there are no histories, or a parameter is unknown.
    """
    if not hasattr(search, "histories_"):
        raise ValueError(f"search must be fitted with keep_histories=True, got {search!r}")
    kept = [
        (parameters, [history for history in folds if history])
        for parameters, folds in zip(search.cv_results_["params"], search.histories_, strict=True)
    ]
    kept = [(parameters, folds) for parameters, folds in kept if folds]
    if not kept:
        raise ValueError("search must have a candidate with a history_, and no fit of its last steps has kept one")
    candidates = [parameters for parameters, _ in kept]
    names = _names(candidates)
    histories = {name: folds for name, (_, folds) in zip(names, kept, strict=True)}
    if color_by is None and style_by is None:
        return histories, Looks()
    return histories, _looks(names, candidates, color_by, style_by)


def _looks(
    names: Sequence[str], candidates: Sequence[Mapping[str, Any]], color_by: str | None, style_by: str | None
) -> Looks:
    looks = Looks({name: dict(label="_" + name, marker="", color="C0", linestyle="-") for name in names})
    for argument, by in (("color", color_by), ("linestyle", style_by)):
        if by is None:
            continue
        key = _parameter(by, candidates, "color_by" if argument == "color" else "style_by")
        values = [str(parameters[key]) if key in parameters else "not set" for parameters in candidates]
        different = list(dict.fromkeys(values))
        if argument == "color":
            chosen = _colors(different, [parameters.get(key) for parameters in candidates])
        else:
            chosen = _line_styles(different, by)
        for name, value in zip(names, values, strict=True):
            looks.lines[name][argument] = chosen[value]
        plain = dict(color="black", linestyle="-", marker="")
        looks.legend += [{**plain, argument: chosen[v], "label": f"{_short(key)}: {v}"} for v in different]
    return looks


def _line_styles(different: Sequence[str], by: str) -> dict[str, Any]:
    if len(different) > len(LINE_STYLES):
        raise ValueError(
            f"style_by={by!r} has {len(different)} values, {', '.join(different)}, and there are {len(LINE_STYLES)} "
            "line styles: use color_by"
        )
    return dict(zip(different, LINE_STYLES, strict=False))


def _colors(different: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Return a colour for each value: numbers lie on a scale."""
    numbers = all(isinstance(value, Real) and not isinstance(value, bool) for value in values)
    if not numbers and len(different) <= _MOST_COLORS:
        return {value: f"C{i}" for i, value in enumerate(different)}
    from matplotlib import colormaps

    ordered = sorted(different, key=float) if numbers else different
    scale = colormaps["viridis"]
    return {value: scale(0.9 * i / max(1, len(ordered) - 1)) for i, value in enumerate(ordered)}


def _parameter(name: str, candidates: Sequence[Mapping[str, Any]], argument: str) -> str:
    """Return the parameter of the grid that a name means: itself, or the end of one."""
    known = list(dict.fromkeys(key for parameters in candidates for key in parameters))
    found = [key for key in known if key == name] or [key for key in known if key.endswith("__" + name)]
    if len(found) != 1:
        raise ValueError(f"{argument} must be one parameter of {known}, got {name!r}, which is {found or 'none'}")
    return found[0]


def _short(key: str) -> str:
    return key.rpartition("__")[2]


def _names(candidates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a name for each candidate, by the parameters in which they differ."""
    keys = list(dict.fromkeys(key for parameters in candidates for key in parameters))
    differ = [key for key in keys if len({str(parameters.get(key, "")) for parameters in candidates}) > 1] or keys
    short = [_short(key) for key in differ]
    shown = {key: key if short.count(_short(key)) > 1 else _short(key) for key in differ}
    names: list[str] = []
    for i, parameters in enumerate(candidates):
        name = ", ".join(f"{shown[key]}={parameters[key]}" for key in differ if key in parameters) or "search"
        names.append(name if name not in names else f"{name} ({i})")
    return names
