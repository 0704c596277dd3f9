"""Draw the convergence of fits: their objectives, or other values in their histories, by iteration or by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sklearn.base import clone

from .._base.inherited_docs import with_texts_of
from .._base.typing import History
from ._convergence_curves import (
    AXES,
    METRICS,
    Curve,
    check_named,
    check_options,
    checked_histories,
    course,
    curves_of,
    learning_rates,
    positive,
    relative,
)
from ._drawing import add_legend, draw_lines, last_step, require_matplotlib
from ._search_curves import Looks, search_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


class ConvergenceDisplay:
    r"""Curves of convergence: one for each fit, or the mean of several fits with a band.

    :meth:`from_estimators`, :meth:`from_history` and :meth:`from_search` make and draw it. The histories are kept, so
    that :meth:`plot` can show them in another way without another fit.

    Parameters
    ----------
    histories : dict of str to list of dict, or to list of list of dict
        For each name a `history_` (see :doc:`/convergence`), or a list of them, for example of folds or seeds.
    looks : Looks, default=None
        The colours, line styles and legend that :meth:`from_search` chooses.

    Attributes
    ----------
    ax_ : matplotlib Axes
    learning_rate_ax_ : matplotlib Axes or None
        The panel of the learning rates.
    figure_ : matplotlib Figure
    lines_ : list of Line2D
        In the order of `histories`.
    bands_ : list of PolyCollection or None
        The bands of these lines; None for that of a single fit.
    learning_rate_lines_ : list of Line2D or None

    See Also
    --------
    ScheduleDisplay : Learning rates before a fit.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.inspection import ConvergenceDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> solvers = ["lbfgs", "sdca", "adagrad"]
    >>> models = {solver: LogisticRegression(C=0.01, solver=solver, random_state=0) for solver in solvers}
    >>> display = ConvergenceDisplay.from_estimators(models, X / 16, y, metric="suboptimality")
    >>> display.ax_.get_ylabel(), [line.get_label() for line in display.lines_]
    ('Relative suboptimality', ['lbfgs', 'sdca', 'adagrad'])
    >>> display.plot(x="seconds").ax_.get_xlabel()
    'Seconds'
    """

    ax_: Axes
    learning_rate_ax_: Axes | None
    figure_: Figure
    lines_: list[Line2D]
    bands_: list[Any]
    learning_rate_lines_: list[Line2D] | None

    def __init__(self, histories: Mapping[str, History | Sequence[History]], looks: Looks | None = None) -> None:
        self.histories, self.looks = histories, Looks() if looks is None else looks

    def plot(
        self,
        ax: Any = None,
        *,
        metric: str = "objective",
        x: str = "iterations",
        optimum: float | None = None,
        learning_rate: bool = False,
        band: str | None = "range",
        line_kw: dict[str, Any] | None = None,
    ) -> ConvergenceDisplay:
        r"""Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, or a pair of them with `learning_rate`, default=None
            The axes to draw on; None makes a figure.
        metric : {"objective", "suboptimality", "validation_score", "gradient_norm", "duality_gap"}, default="objective"
            The values to draw. "suboptimality" is :math:`(P - P^*) / |P^*|`, for fits that minimise the same objective.
            Its axis, and those of "gradient_norm" and "duality_gap", are logarithmic: values that are not positive are
            left out, and so is the best point of all where `optimum` is None.
        x : {"iterations", "seconds"}, default="iterations"
            The horizontal axis. "iterations" counts iterations of L-BFGS and epochs of other solvers. "seconds" is the
            sum of the wall times of the iterations so far.
        optimum : float or None, default=None
            :math:`P^*`, not 0; None takes the least objective of all histories, or of all in the same fold.
        learning_rate : bool, default=False
            True adds a panel of the learning rates: of the last batch of an epoch, or L-BFGS's step lengths.
        band : {"range", "std"} or None, default="range"
            The band around the mean of several fits: from the least to the greatest, or a standard deviation to both
            sides. A fit that has ended keeps its last value.
        line_kw : dict or None, default=None
            Keyword arguments of all lines, for ``ax.plot``.

        Returns
        -------
        ConvergenceDisplay
            Itself.

        Raises
        ------
        ValueError
            For an unknown `metric` or `x`, or where a history does not have the values that are asked for.
        """
        require_matplotlib("ConvergenceDisplay.plot")
        check_options(ax, metric, x, optimum, learning_rate, band)
        histories = checked_histories(self.histories)
        curves = curves_of(histories, x, metric)
        if metric == "suboptimality":
            curves = relative(curves, optimum)
        if METRICS[metric][2]:
            curves = positive(curves)
        rates = learning_rates(histories, x) if learning_rate else {}

        own = ax is None
        self.ax_, self.learning_rate_ax_ = _axes(ax, learning_rate)
        self.figure_, self.learning_rate_lines_ = self.ax_.figure, None
        below, first = self.learning_rate_ax_, len(self.ax_.lines)
        self.lines_, self.bands_ = self._draw(self.ax_, curves, band, line_kw, first)
        self.ax_.set_ylabel(METRICS[metric][1])
        if METRICS[metric][2]:
            self.ax_.set_yscale("log")
        if learning_rate:
            self.learning_rate_lines_, _ = self._draw(below, rates, None, line_kw, first)
            for line, same in zip(self.learning_rate_lines_, self.lines_, strict=True):
                line.set_color(same.get_color())
            below.set_ylabel("Learning rate")
            below.set_yscale("log")
            self.ax_.tick_params(labelbottom=False)
        bottom = below if learning_rate else self.ax_
        bottom.set_xlabel(AXES[x][1])
        if x == "iterations":
            bottom.xaxis.get_major_locator().set_params(integer=True)
        for entry in self.looks.legend:
            self.ax_.plot([], [], **entry)
        add_legend(self.ax_, *([below] if learning_rate else []), resize=own)
        return self

    def _draw(
        self, ax: Any, curves: dict[str, list[Curve]], band: str | None, line_kw: dict[str, Any] | None, first: int
    ) -> tuple[list[Line2D], list[Any]]:
        """Draw the lines, and a band around each that is the mean of several fits."""
        courses = {name: course(given, band) for name, given in curves.items()}
        lines = draw_lines(ax, {name: line for name, (line, _) in courses.items()}, line_kw, first, self.looks.lines)
        bands: list[Any] = []
        for drawn, (line, edges) in zip(lines, courses.values(), strict=True):
            color = drawn.get_color()
            filled = None if edges is None else ax.fill_between(line[0], *edges, color=color, alpha=0.2, linewidth=0)
            bands.append(filled)
        return lines, bands

    @classmethod
    @with_texts_of(plot)
    def from_history(
        cls,
        histories: Mapping[str, History | Sequence[History]],
        *,
        ax: Any = None,
        metric: str = "objective",
        x: str = "iterations",
        optimum: float | None = None,
        learning_rate: bool = False,
        band: str | None = "range",
        line_kw: dict[str, Any] | None = None,
    ) -> ConvergenceDisplay:
        """Draw histories that were kept.

        Parameters
        ----------
        histories : dict of str to list of dict, or to list of list of dict
            For each name a `history_`, or a list of them.
        ax, metric, x, optimum, learning_rate, band, line_kw :
            As in :meth:`plot`.

        Returns
        -------
        ConvergenceDisplay

        Examples
        --------
        >>> from skopt_solvers.inspection import ConvergenceDisplay
        >>> history = [{"iteration": i, "objective": 1 + 0.5**i, "seconds": 0.1} for i in range(1, 6)]
        >>> display = ConvergenceDisplay.from_history({"halving": history}, metric="suboptimality", optimum=1.0)
        >>> display.lines_[0].get_ydata().tolist()
        [0.5, 0.25, 0.125, 0.0625, 0.03125]
        """
        options: dict[str, Any] = dict(ax=ax, metric=metric, x=x, optimum=optimum, band=band)
        return cls(histories).plot(**options, learning_rate=learning_rate, line_kw=line_kw)

    @classmethod
    @with_texts_of(plot)
    def from_estimators(
        cls,
        estimators: Mapping[str, Any],
        X: Any = None,
        y: Any = None,
        *,
        fit_params: dict[str, Any] | None = None,
        ax: Any = None,
        metric: str = "objective",
        x: str = "iterations",
        optimum: float | None = None,
        learning_rate: bool = False,
        line_kw: dict[str, Any] | None = None,
    ) -> ConvergenceDisplay:
        """Draw the histories of estimators; that of a pipeline is the one of its last step.

        Parameters
        ----------
        estimators : dict of str to estimator
            Fitted ones are read as they are. Of the others a clone is fitted.
        X, y : as `fit` takes them, default=None
            The training data. They are needed if an estimator is not fitted.
        fit_params : dict or None, default=None
            Further arguments of each `fit`, such as `sample_weight` or `X_val` and `y_val`.
        ax, metric, x, optimum, learning_rate, line_kw :
            As in :meth:`plot`.

        Returns
        -------
        ConvergenceDisplay

        Raises
        ------
        ValueError
            Where an estimator is not fitted and X or y are missing, and as in :meth:`plot`.
        TypeError
            Where an estimator has no `history_` after its fit.
        """
        require_matplotlib("ConvergenceDisplay.from_estimators")
        check_options(ax, metric, x, optimum, learning_rate)
        check_named(estimators, "estimators")
        for name, estimator in estimators.items():
            if not hasattr(last_step(estimator), "history_") and (X is None or y is None):
                raise ValueError(
                    f"X and y must be given: estimators[{name!r}] has no history_ yet, got {estimator!r}, not fitted"
                )
        histories = {}
        for name, estimator in estimators.items():
            if not hasattr(last_step(estimator), "history_"):
                estimator = clone(estimator).fit(X, y, **(fit_params or {}))
            last = last_step(estimator)
            if not hasattr(last, "history_"):
                raise TypeError(f"estimators[{name!r}] must keep a history_, and {type(last).__name__} does not")
            histories[name] = last.history_
        options: dict[str, Any] = dict(ax=ax, metric=metric, x=x, optimum=optimum)
        return cls(histories).plot(**options, learning_rate=learning_rate, line_kw=line_kw)

    @classmethod
    @with_texts_of(plot)
    def from_search(
        cls,
        search: Any,
        *,
        color_by: str | None = None,
        style_by: str | None = None,
        ax: Any = None,
        metric: str = "objective",
        x: str = "iterations",
        learning_rate: bool = False,
        band: str | None = "range",
        line_kw: dict[str, Any] | None = None,
    ) -> ConvergenceDisplay:
        """Draw the candidates of a search, each as the mean over its folds with a band.

        Parameters
        ----------
        search : GridSearchCV or RandomizedSearchCV
            Fitted, with ``keep_histories=True``.
        color_by, style_by : str or None, default=None
            The parameters whose values have a colour or a line style each, and the legend says which: as in the grid,
            or their last part. With both None each candidate has a line in the legend.
        metric : {"objective", "suboptimality", "validation_score", "gradient_norm", "duality_gap"}, default="objective"
            The values to draw. "suboptimality" is for candidates that minimise the same objective; in each fold it is
            the relative distance from the least objective of all candidates.
        ax, x, learning_rate, band, line_kw :
            As in :meth:`plot`.

        Returns
        -------
        ConvergenceDisplay

        Raises
        ------
        ValueError
            Where the search has kept no histories, or for a parameter that is not in the grid.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skopt_solvers import LogisticRegression
        >>> from skopt_solvers.inspection import ConvergenceDisplay
        >>> from skopt_solvers.model_selection import GridSearchCV
        >>> X, y = load_digits(return_X_y=True)
        >>> grid = {"solver": ["adagrad", "adam"], "solver__schedule": ["linear", "cosine"], "max_iter": [30]}
        >>> model = LogisticRegression(C=0.01, random_state=0)
        >>> search = GridSearchCV(model, grid, cv=3, keep_histories=True).fit(X / 16, y)
        >>> display = ConvergenceDisplay.from_search(search, color_by="solver", style_by="schedule")
        >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
        ['solver: adagrad', 'solver: adam', 'schedule: linear', 'schedule: cosine']
        """
        require_matplotlib("ConvergenceDisplay.from_search")
        check_options(ax, metric, x, None, learning_rate, band)
        options: dict[str, Any] = dict(ax=ax, metric=metric, x=x, learning_rate=learning_rate, band=band)
        return cls(*search_curves(search, color_by, style_by)).plot(**options, line_kw=line_kw)


def _axes(ax: Any, learning_rate: bool) -> tuple[Any, Any]:
    """Return the axes of the curves, and those of the learning rates or None."""
    if not learning_rate:
        if ax is not None:
            return ax, None
        from matplotlib import pyplot as plt

        return plt.subplots(layout="constrained")[1], None
    if ax is None:
        from matplotlib import pyplot as plt

        width, height = plt.rcParams["figure.figsize"]
        ax = plt.subplots(2, sharex=True, height_ratios=[3, 1], figsize=(width, 1.25 * height), layout="constrained")[1]
    else:
        ax[1].sharex(ax[0])
    return tuple(ax)
