"""Draw the comparison of solvers: a curve for each solver and schedule, and a band over the seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .._base.inherited_docs import with_texts_of
from ._drawing import LINE_STYLES, MARKERS, add_legend, require_matplotlib

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.collections import FillBetweenPolyCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# column: label of the axis, whether its scale is logarithmic
METRICS = {
    "suboptimality": ("Relative suboptimality", True),
    "objective": ("Objective", False),
    "validation_score": ("Validation score", False),
}
AXES = {"epoch": "Epochs", "seconds": "Seconds"}
_COLUMNS = ("solver", "schedule", "seed", "epoch", "outcome")


class SolverComparisonDisplay:
    """Curves of solvers and schedules on the same data: each solver has a colour, and each schedule a line style.

    :meth:`from_frame` makes and draws it. A curve is the median over the seeds, and the band reaches from the least to
    the largest value. A fit that has ended goes on with its last value. A fit that has diverged does not, and the label
    says so. If all fits of a curve have diverged, it ends with a cross. By time, a point is at the mean time of its
    epoch over the seeds.

    Parameters
    ----------
    frame : DataFrame
        The result of :func:`~skopt_solvers.model_selection.compare_solvers`, or some rows of it.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : dict of (solver, schedule) to Line2D
    bands_ : dict of (solver, schedule) to PolyCollection
        The bands of the curves with several seeds.

    See Also
    --------
    ConvergenceDisplay : Curves of fits that have been made.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.inspection import SolverComparisonDisplay
    >>> from skopt_solvers.model_selection import compare_solvers
    >>> X, y = load_digits(return_X_y=True)
    >>> options = dict(solvers=["sdca", "adam"], seeds=[0, 1, 2], max_iter=8)
    >>> frame = compare_solvers(LogisticRegression(C=0.1), X / 16, y, **options)
    >>> display = SolverComparisonDisplay.from_frame(frame, x="seconds")
    >>> display.ax_.get_ylabel(), display.ax_.get_yscale(), list(display.lines_)
    ('Relative suboptimality', 'log', [('sdca', 'none'), ('adam', 'auto')])
    """

    ax_: Axes
    figure_: Figure
    lines_: dict[tuple[str, str], Line2D]
    bands_: dict[tuple[str, str], FillBetweenPolyCollection]

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def plot(
        self,
        ax: Axes | None = None,
        *,
        metric: str = "suboptimality",
        x: str = "epoch",
        line_kw: dict[str, Any] | None = None,
    ) -> SolverComparisonDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on; None makes a figure.
        metric : {"suboptimality", "objective", "validation_score"}, default="suboptimality"
            The column to draw. The axis of "suboptimality" is logarithmic, and values that are not positive are left
            out.
        x : {"epoch", "seconds"}, default="epoch"
            The horizontal axis: the number of epochs, or the wall time of the epochs so far.
        line_kw : dict or None, default=None
            Keyword arguments of all lines, for ``ax.plot``.

        Returns
        -------
        SolverComparisonDisplay
            Itself.

        Raises
        ------
        ValueError
            For an unknown `metric` or `x`, or where the frame has no values of it.
        """
        require_matplotlib("SolverComparisonDisplay.plot")
        _check(self.frame, metric, x)
        own = ax is None
        if ax is None:
            from matplotlib import pyplot as plt

            ax = plt.subplots(layout="constrained")[1]
        self.ax_, self.figure_, self.lines_, self.bands_ = ax, cast("Figure", ax.figure), {}, {}
        styles = _styles(self.frame)
        for key, part in self.frame.groupby(["solver", "schedule"], sort=False):
            self._draw(key, part, metric, x, {**styles[key], **(line_kw or {})})
        ax.set_xlabel(AXES[x])
        ax.set_ylabel(METRICS[metric][0])
        if METRICS[metric][1]:
            ax.set_yscale("log")
        if x == "epoch":
            cast(Any, ax.xaxis.get_major_locator()).set_params(integer=True)
        add_legend(ax, resize=own)
        return self

    def _draw(self, key: tuple[str, str], part: pd.DataFrame, metric: str, x: str, style: dict[str, Any]) -> None:
        """Draw one curve and its band."""
        ends = part.groupby("seed")["outcome"].last()
        diverged = ends.index[ends == "diverged"]
        times, values = _curves(part, metric, x, diverged)
        middle, low, high = (np.array(values.agg(how, axis=1)) for how in ("median", "min", "max"))
        if METRICS[metric][1]:
            kept = middle > 0
            times, middle, low, high = (array[kept] for array in (times, middle, low, high))
            low = np.where(low > 0, low, middle)
        if len(diverged):
            some = "" if len(diverged) == len(ends) else f"{len(diverged)} of {len(ends)} "
            style = {**style, "label": f"{style['label']} ({some}diverged)"}
        if len(diverged) == len(ends):
            style.update(marker="x", markevery=[-1])
        if not len(times):
            style.pop("markevery", None)
        (line,) = self.ax_.plot(times, middle, **style)
        self.lines_[key] = line
        if len(ends) > 1:
            options: dict[str, Any] = dict(color=line.get_color(), alpha=0.2, linewidth=0)
            self.bands_[key] = self.ax_.fill_between(times, low, high, **options)

    @classmethod
    @with_texts_of(plot)
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        ax: Axes | None = None,
        metric: str = "suboptimality",
        x: str = "epoch",
        line_kw: dict[str, Any] | None = None,
    ) -> SolverComparisonDisplay:
        """Draw a comparison.

        Parameters
        ----------
        frame : DataFrame
            The result of :func:`~skopt_solvers.model_selection.compare_solvers`, or some rows of it.
        ax, metric, x, line_kw :
            As in :meth:`plot`.

        Returns
        -------
        SolverComparisonDisplay

        Raises
        ------
        ValueError
            As by :meth:`plot`.
        """
        return cls(frame).plot(ax, metric=metric, x=x, line_kw=line_kw)


def _check(frame: pd.DataFrame, metric: str, x: str) -> None:
    for argument, value, allowed in (("metric", metric, METRICS), ("x", x, AXES)):
        if value not in list(allowed):
            raise ValueError(f"{argument} must be one of {sorted(allowed)}, got {value!r}")
    missing = [column for column in (*_COLUMNS, metric, x) if column not in frame]
    if missing:
        raise ValueError(f"frame must have the columns of compare_solvers, and {missing} are missing")
    if not frame[metric].notna().any():
        raise ValueError(f"metric={metric!r} needs values in that column of the frame, and all are NaN")
    if not frame[x].notna().any():
        raise ValueError(f"x={x!r} needs values in that column of the frame: compare_solvers(share=False) has times")


def _styles(frame: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the colour, the line style and the label of each curve."""
    pairs = list(dict.fromkeys(zip(frame["solver"], frame["schedule"], strict=True)))
    solvers = list(dict.fromkeys(solver for solver, _ in pairs))
    schedules = list(dict.fromkeys(schedule for _, schedule in pairs if schedule != "none"))
    styles = {}
    for solver, schedule in pairs:
        number, style = solvers.index(solver), schedules.index(schedule) if schedule in schedules else 0
        styles[solver, schedule] = dict(
            label=f"{solver}, {schedule}" if schedule in schedules and len(schedules) > 1 else solver,
            color=f"C{number}",
            linestyle=LINE_STYLES[style % len(LINE_STYLES)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=4,
            markevery=(0.02 * (number % 5), 0.1),
        )
    return styles


def _curves(part: pd.DataFrame, metric: str, x: str, diverged: Any) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the times, and for each the values of the seeds."""
    known = part.dropna(subset=[metric, x])
    values = known.pivot(index="epoch", columns="seed", values=metric)
    going = values.notna()[::-1].cummax()[::-1]  # until the last epoch of each seed
    counted = values.ffill()
    for seed in diverged.intersection(counted.columns):
        counted[seed] = counted[seed].where(going[seed])
    counted = counted.dropna(how="all")
    if x == "epoch":
        return np.array(counted.index, dtype=float), counted
    times = known.pivot(index="epoch", columns="seed", values=x).ffill()
    return np.array(times.mean(axis=1).loc[counted.index]), counted
