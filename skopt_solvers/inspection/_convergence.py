"""Draw the convergence of fits: their objectives, or other values in their histories, by iteration or by time."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from .._base.typing import History
from ._drawing import add_legend, draw_lines, last_step, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# metric: key of the history, label of the axis, whether its scale is logarithmic
METRICS = {
    "objective": ("objective", "Objective", False),
    "suboptimality": ("objective", "Relative suboptimality", True),
    "validation_score": ("validation_score", "Validation score", False),
    "gradient_norm": ("gradient_norm", "Gradient norm", True),
    "duality_gap": ("duality_gap", "Duality gap", True),
}
AXES = {"iterations": ("iteration", "Iterations or epochs"), "seconds": ("seconds", "Seconds")}
# The relative error of the objectives of float32 fits, about.
_ROUNDING = 1e-6


class ConvergenceDisplay:
    r"""Curves of convergence, one a fit.

    :meth:`from_estimators` and :meth:`from_history` make and draw it. The histories are kept, so that :meth:`plot` can
    show them in another way without another fit.

    Parameters
    ----------
    histories : dict of str to list of dict
        For each name a `history_`, see :doc:`/convergence`.

    Attributes
    ----------
    ax_ : matplotlib Axes
    learning_rate_ax_ : matplotlib Axes or None
        The panel of the learning rates.
    figure_ : matplotlib Figure
    lines_ : list of Line2D
        In the order of `histories`.
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
    learning_rate_lines_: list[Line2D] | None

    def __init__(self, histories: Mapping[str, History]) -> None:
        self.histories = histories

    def plot(
        self,
        ax: Any = None,
        *,
        metric: str = "objective",
        x: str = "iterations",
        optimum: float | None = None,
        learning_rate: bool = False,
        line_kw: dict[str, Any] | None = None,
    ) -> ConvergenceDisplay:
        r"""Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, or a pair of them with `learning_rate`, default=None
            The axes to draw on; None makes a figure.
        metric : {"objective", "suboptimality", "validation_score", "gradient_norm", "duality_gap"}, default="objective"
            "suboptimality" is :math:`(P - P^*) / |P^*|`, for fits that minimise the same objective. Its axis, and those
            of "gradient_norm" and "duality_gap", are logarithmic: values that are not positive are left out, and so is
            the best point of all where `optimum` is None.
        x : {"iterations", "seconds"}, default="iterations"
            "seconds" is the sum of the wall times of the iterations so far.
        optimum : float or None, default=None
            :math:`P^*`, not 0; None takes the least objective of all histories.
        learning_rate : bool, default=False
            True adds a panel of the learning rates: of the last batch of an epoch, or L-BFGS's step lengths.
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
        _check_options(ax, metric, x, optimum, learning_rate)
        _check_histories(self.histories)
        curves = _curves(self.histories, x, METRICS[metric][0])
        for name, (_, values) in curves.items():
            if not len(values):
                known = sorted({key for record in self.histories[name] for key in record} - {"iteration", "seconds"})
                raise ValueError(
                    f"metric={metric!r} needs {METRICS[metric][0]!r} in the records of each history, and that of "
                    f"{name!r} has {known}"
                )
        if metric == "suboptimality":
            curves = _relative(curves, optimum)
        if METRICS[metric][2]:
            curves = {name: (t[values > 0], values[values > 0]) for name, (t, values) in curves.items()}
        rates = _curves(self.histories, x, "learning_rate") if learning_rate else {}
        if learning_rate and not any(len(values) for _, values in rates.values()):
            raise ValueError("learning_rate=True needs a history with learning rates, and no record has one")

        own = ax is None
        self.ax_, self.learning_rate_ax_ = _axes(ax, learning_rate)
        self.figure_, self.learning_rate_lines_ = self.ax_.figure, None
        below, first = self.learning_rate_ax_, len(self.ax_.lines)
        self.lines_ = draw_lines(self.ax_, curves, line_kw, first)
        self.ax_.set_ylabel(METRICS[metric][1])
        if METRICS[metric][2]:
            self.ax_.set_yscale("log")
        if learning_rate:
            self.learning_rate_lines_ = draw_lines(below, rates, line_kw, first)
            for line, same in zip(self.learning_rate_lines_, self.lines_, strict=True):
                line.set_color(same.get_color())
            below.set_ylabel("Learning rate")
            below.set_yscale("log")
            self.ax_.tick_params(labelbottom=False)
        bottom = below if learning_rate else self.ax_
        bottom.set_xlabel(AXES[x][1])
        if x == "iterations":
            bottom.xaxis.get_major_locator().set_params(integer=True)
        add_legend(self.ax_, *([below] if learning_rate else []), resize=own)
        return self

    @classmethod
    def from_history(
        cls,
        histories: Mapping[str, History],
        *,
        ax: Any = None,
        metric: str = "objective",
        x: str = "iterations",
        optimum: float | None = None,
        learning_rate: bool = False,
        line_kw: dict[str, Any] | None = None,
    ) -> ConvergenceDisplay:
        """Draw histories that were kept.

        Parameters
        ----------
        histories : dict of str to list of dict
            For each name a `history_`.
        ax, metric, x, optimum, learning_rate, line_kw :
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
        options: dict[str, Any] = dict(ax=ax, metric=metric, x=x, optimum=optimum)
        return cls(histories).plot(**options, learning_rate=learning_rate, line_kw=line_kw)

    @classmethod
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
            Needed where an estimator is not fitted.
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
        _check_options(ax, metric, x, optimum, learning_rate)
        _check_named(estimators, "estimators")
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


def _check_named(values: Any, argument: str) -> None:
    if not isinstance(values, Mapping) or not values:
        raise TypeError(f"{argument} must be a dict of names that is not empty, got {values!r}")


def _check_options(ax: Any, metric: str, x: str, optimum: Any, learning_rate: bool) -> None:
    for argument, value, allowed in (("metric", metric, METRICS), ("x", x, AXES)):
        if value not in list(allowed):
            raise ValueError(f"{argument} must be one of {sorted(allowed)}, got {value!r}")
    if optimum is not None and metric != "suboptimality":
        raise ValueError(f"optimum={optimum!r} is for metric='suboptimality', got metric={metric!r}")
    number = isinstance(optimum, Real) and not isinstance(optimum, bool)
    if optimum is not None and not (number and np.isfinite(optimum) and optimum != 0):
        raise ValueError(f"optimum must be a finite number other than 0, got {optimum!r}")
    if ax is not None and np.size(ax) != (2 if learning_rate else 1):
        wanted = "a pair of Axes" if learning_rate else "one Axes"
        raise ValueError(f"ax must be {wanted} with learning_rate={learning_rate!r}, got {ax!r}")


def _check_histories(histories: Mapping[str, History]) -> None:
    _check_named(histories, "histories")
    for name, history in histories.items():
        records = isinstance(history, (list, tuple)) and all(isinstance(record, Mapping) for record in history)
        if not records:
            raise TypeError(
                f"histories[{name!r}] must be a list of dicts, as history_ is, got {type(history).__name__}"
            )
        if not history:
            raise ValueError(f"histories[{name!r}] is empty: that fit had no iteration to make")
        for key in ("iteration", "seconds"):
            if any(record.get(key) is None for record in history):
                raise ValueError(f"histories[{name!r}] must have {key!r} in each record")


def _curves(histories: Mapping[str, History], x: str, key: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return for each name the times and the values of the records that have `key`."""
    curves = {}
    for name, history in histories.items():
        t = np.array([record[AXES[x][0]] for record in history], dtype=float)
        if x == "seconds":
            t = np.cumsum(t)
        values = np.array([record.get(key) for record in history], dtype=float)  # None becomes NaN
        known = np.isfinite(values)
        curves[name] = t[known], values[known]
    return curves


def _relative(
    curves: dict[str, tuple[np.ndarray, np.ndarray]], optimum: float | None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    least = min(values.min() for _, values in curves.values())
    if optimum is None:
        optimum = least
        if optimum == 0:
            raise ValueError("metric='suboptimality' is relative, and the least objective is 0: use metric='objective'")
    elif least < optimum - _ROUNDING * abs(optimum):
        raise ValueError(f"optimum must not be above the least objective, {least:.8g}, got {optimum!r}")
    return {name: (t, (values - optimum) / abs(optimum)) for name, (t, values) in curves.items()}


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
