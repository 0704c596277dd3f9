"""The common parts of displays: asking for matplotlib, lines that differ without colour, legends, last steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline

from .._base.optional_package import needed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

# 4 and 7 have no common factor: 28 lines differ even where colours are printed in grey
LINE_STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# A legend of more lines than this would cover some of them.
_MOST_INSIDE = 4
_SMALLEST_FONT = 4.0
# The part of given axes that a legend may take.
_WIDEST = 0.4


def require_matplotlib(caller: str) -> None:
    """Raise an ImportError that names the extra where matplotlib is missing."""
    needed("matplotlib", caller, "plot")


def last_step(estimator: Any) -> Any:
    """Return the estimator at the end of a pipeline, or the estimator itself."""
    while isinstance(estimator, Pipeline):
        estimator = estimator[-1]
    return estimator


def points(pixels: float, figure: Any) -> float:
    """Convert a length on the screen to points, the unit of font sizes."""
    return pixels * 72 / figure.dpi


def draw_lines(
    ax: Axes,
    curves: Mapping[str, tuple[Any, Any]],
    line_kw: dict[str, Any] | None = None,
    first: int = 0,
    looks: Mapping[str, dict[str, Any]] | None = None,
) -> list[Line2D]:
    """Draw each curve in a style of its own.

    Parameters
    ----------
    ax : matplotlib Axes
    curves : dict of name to (x, y)
    line_kw : dict or None
        Arguments for ``ax.plot``, which take the place of the styles chosen here.
    first : int
        The number of the first style, which is that of the lines on the axes before.
    looks : dict of name to dict or None
        Arguments for ``ax.plot`` by the names of curves, which take the place of the styles chosen here.

    Returns
    -------
    list of Line2D
    """
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    given = normalize_kwargs(line_kw, Line2D)
    # lines and markers of the usual weight would fill small axes
    weight = float(np.clip(points(np.sqrt(ax.bbox.width * ax.bbox.height), ax.figure) / 250, 0.5, 1))
    lines: list[Line2D] = []
    for i, (name, (x, y)) in enumerate(curves.items(), first):
        style: dict[str, Any] = dict(
            label=str(name),
            linestyle=LINE_STYLES[i % len(LINE_STYLES)],
            linewidth=1.5 * weight,
            marker=MARKERS[i % len(MARKERS)],
            markersize=4.5 * weight,
            # at distances on the screen that begin elsewhere on each line, so that markers of close lines stay apart
            markevery=(0.02 * (i % 5), 0.1) if len(x) else None,
        )
        lines += ax.plot(x, y, **{**style, **(looks or {}).get(name, {}), **given})
    return lines


def add_legend(ax: Axes, *below: Axes, resize: bool = False) -> None:
    """Draw the legend of the lines of `ax`, inside where they are few, beside where it would cover them.

    Parameters
    ----------
    ax : matplotlib Axes
    below : matplotlib Axes
        Panels that stay as wide as `ax`.
    resize : bool
        True makes the figure wider by the legend, for a figure that the caller has made.
    """
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    figure: Any = ax.figure
    n_lines = len(ax.get_legend_handles_labels()[0])
    size = 0.9 * FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
    size = float(np.clip(points(ax.bbox.height, figure) / (1.4 * n_lines + 1), _SMALLEST_FONT, size))
    style: dict[str, Any] = dict(handlelength=3.2, labelspacing=0.3)
    if n_lines <= _MOST_INSIDE:
        ax.legend(loc="best", fontsize=size, **style)
        return
    style.update(loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)
    again = ax.get_legend() is not None
    width = ax.legend(fontsize=size, **style).get_window_extent().width
    if resize:
        figure.set_figwidth(figure.get_figwidth() * (1 + width / figure.bbox.width))
        return
    if width > _WIDEST * ax.bbox.width:
        size = max(_SMALLEST_FONT, size * _WIDEST * ax.bbox.width / width)
        width = ax.legend(fontsize=size, **style).get_window_extent().width
    if figure.get_layout_engine() is None and not again:
        # without a layout engine nothing keeps the legend inside the former place of `ax`
        for panel in (ax, *below):
            box = panel.get_position()
            room = max(box.width - width / figure.bbox.width - 0.01, box.width / 3)
            panel.set_position([box.x0, box.y0, room, box.height])
