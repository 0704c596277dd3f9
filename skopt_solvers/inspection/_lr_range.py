"""Draw the learning-rate range test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .._base.inherited_docs import with_texts_of
from .._base.typing import Matrix, Sequences
from .._estimator.lr_range import LearningRateRange, lr_range_test
from ._drawing import add_legend, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


class LearningRateRangeDisplay:
    """Curve of the losses of a learning-rate range test (a learning rate finder), by the rate.

    :meth:`from_estimator` makes and draws it; ``LearningRateRangeDisplay(result).plot()`` draws a result that is there.

    Parameters
    ----------
    result : LearningRateRange
        The result of :func:`~skopt_solvers.model_selection.lr_range_test`.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : Line2D
        The smoothed losses.
    losses_line_ : Line2D
        The loss of each step.
    suggestion_line_ : Line2D
        The vertical line at the suggested rate.

    See Also
    --------
    ScheduleDisplay : Learning rates of a schedule.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.inspection import LearningRateRangeDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> display = LearningRateRangeDisplay.from_estimator(LogisticRegression(solver="adam", random_state=0), X / 16, y)
    >>> display.ax_.get_xlabel(), display.ax_.get_xscale()
    ('Learning rate', 'log')
    """

    ax_: Axes
    figure_: Figure
    line_: Line2D
    losses_line_: Line2D
    suggestion_line_: Line2D

    def __init__(self, result: LearningRateRange) -> None:
        self.result = result

    def plot(self, ax: Axes | None = None, *, line_kw: dict[str, Any] | None = None) -> LearningRateRangeDisplay:
        """Draw the losses and the suggestion.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on; None makes a figure.
        line_kw : dict or None, default=None
            Keyword arguments of the line of smoothed losses, for ``ax.plot``.

        Returns
        -------
        LearningRateRangeDisplay
            Itself.
        """
        require_matplotlib("LearningRateRangeDisplay.plot")
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.lines import Line2D

        own = ax is None
        if ax is None:
            from matplotlib import pyplot as plt

            ax = plt.subplots(layout="constrained")[1]
        self.ax_, self.figure_ = ax, cast("Figure", ax.figure)
        result, rates = self.result, self.result.learning_rates
        given = normalize_kwargs(line_kw, Line2D)
        (self.line_,) = ax.plot(rates, result.smoothed_losses, **{"label": "smoothed", "zorder": 3, **given})
        colour = self.line_.get_color()
        (self.losses_line_,) = ax.plot(rates, result.losses, ".", color=colour, alpha=0.35, markersize=3, label="steps")
        label = f"suggestion {result.suggestion:.2g}"
        self.suggestion_line_ = ax.axvline(result.suggestion, color=colour, linestyle="--", linewidth=1, label=label)
        ax.set_xscale("log")
        # the last steps before the end are far above all others
        ax.set_ylim(0, 1.5 * float(np.max(result.smoothed_losses[: max(1, len(rates) // 2)])))
        ax.set_xlabel("Learning rate")
        ax.set_ylabel("Loss of a batch")
        add_legend(ax, resize=own)
        return self

    @classmethod
    @with_texts_of(plot, lr_range_test)
    def from_estimator(
        cls,
        estimator: Any,
        X: Matrix | Sequences,
        y: Any,
        sample_weight: Any = None,
        *,
        min_lr: float | None = None,
        max_lr: float | None = None,
        n_steps: int = 200,
        smoothing: float = 0.9,
        stop_factor: float = 4.0,
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> LearningRateRangeDisplay:
        """Make the test of an estimator, and draw it.

        Parameters
        ----------
        estimator, X, y, sample_weight, min_lr, max_lr, n_steps, smoothing, stop_factor :
            As of :func:`~skopt_solvers.model_selection.lr_range_test`.
        ax, line_kw :
            As in :meth:`plot`.

        Returns
        -------
        LearningRateRangeDisplay

        Raises
        ------
        TypeError, ValueError
            As by the test.
        """
        require_matplotlib("LearningRateRangeDisplay.from_estimator")
        bounds: dict[str, Any] = dict(min_lr=min_lr, max_lr=max_lr, n_steps=n_steps)
        result = lr_range_test(estimator, X, y, sample_weight, **bounds, smoothing=smoothing, stop_factor=stop_factor)
        return cls(result).plot(ax, line_kw=line_kw)
