"""What the displays share: matplotlib where it is needed, lines that differ without colour, a legend, last steps."""

import numpy as np
from sklearn.pipeline import Pipeline

# 4 and 7 have no common factor: 28 lines differ even where colours are printed in grey
LINE_STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# A legend of more lines than this would cover some of them.
_MOST_INSIDE = 4
_SMALLEST_FONT = 4.0
# The part of given axes that a legend may take.
_WIDEST = 0.4


def require_matplotlib(caller):
    """ImportError that names the extra where matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{caller} needs matplotlib: pip install 'skopt_solvers[plot]'") from error


def last_step(estimator):
    """The estimator at the end of a pipeline, or itself."""
    while isinstance(estimator, Pipeline):
        estimator = estimator[-1]
    return estimator


def points(pixels, figure):
    """A length on the screen in points, the unit of font sizes."""
    return pixels * 72 / figure.dpi


def draw_lines(ax, curves, line_kw=None, first=0):
    """Draw each curve in a style of its own.

    Parameters
    ----------
    ax : matplotlib Axes
    curves : dict of name to (x, y)
    line_kw : dict or None
        For ``ax.plot``, over the styles chosen here.
    first : int
        The place of the first style: the number of lines that were there before.

    Returns
    -------
    list of Line2D
    """
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    given = normalize_kwargs(line_kw, Line2D)
    # lines and markers of the usual weight would fill small axes
    weight = float(np.clip(points(np.sqrt(ax.bbox.width * ax.bbox.height), ax.figure) / 250, 0.5, 1))
    lines = []
    for i, (name, (x, y)) in enumerate(curves.items(), first):
        style = dict(
            label=str(name),
            linestyle=LINE_STYLES[i % len(LINE_STYLES)],
            linewidth=1.5 * weight,
            marker=MARKERS[i % len(MARKERS)],
            markersize=4.5 * weight,
            # at distances on the screen, and elsewhere on each line, so that markers of close lines do not coincide
            markevery=(0.02 * (i % 5), 0.1) if len(x) else None,
        )
        lines += ax.plot(x, y, **{**style, **given})
    return lines


def add_legend(ax, *below, resize=False):
    """The legend of the lines of `ax`: inside where they are few, beside where it would cover them.

    Parameters
    ----------
    ax : matplotlib Axes
    below : matplotlib Axes
        Panels that are to stay as wide as `ax`.
    resize : bool
        Whether the figure is the caller's own, to be made wider by what stands beside.
    """
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    figure, n_lines = ax.figure, len(ax.get_legend_handles_labels()[0])
    size = 0.9 * FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
    size = float(np.clip(points(ax.bbox.height, figure) / (1.4 * n_lines + 1), _SMALLEST_FONT, size))
    style = dict(handlelength=3.2, labelspacing=0.3)
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
        # nothing else would keep the legend inside what was the place of `ax`
        for panel in (ax, *below):
            box = panel.get_position()
            room = max(box.width - width / figure.bbox.width - 0.01, box.width / 3)
            panel.set_position([box.x0, box.y0, room, box.height])
