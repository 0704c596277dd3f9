"""Draw learning-rate schedules as curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .._base.inherited_docs import with_texts_of
from .._base.named import named
from ..schedules import ScheduleLike, bind
from ._drawing import add_legend, draw_lines, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# so many points make a smooth curve over the width of a figure
_POINTS = 1000


class ScheduleDisplay:
    """Curves of learning rates over the epochs of a fit.

    :meth:`from_schedules` makes and draws it.

    Parameters
    ----------
    times : ndarray of shape (n_times,)
        Epochs done, with fractions.
    factors : dict of str to ndarray of shape (n_times,)
        For each name the factors at these times.
    learning_rate : float, default=1.0
        The learning rate that the factors multiply.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of Line2D
        In the order of `factors`.

    See Also
    --------
    ConvergenceDisplay : Its panel `learning_rate` has the rates of fits.

    Examples
    --------
    >>> from skopt_solvers.inspection import ScheduleDisplay
    >>> from skopt_solvers.schedules import CosineDecay, Warmup
    >>> schedules = ["linear", "one_cycle", Warmup(CosineDecay(), epochs=3)]
    >>> display = ScheduleDisplay.from_schedules(schedules, epochs=20)
    >>> list(display.factors)
    ['linear', 'one_cycle', 'Warmup(epochs=3, schedule=CosineDecay())']
    """

    ax_: Axes
    figure_: Figure
    lines_: list[Line2D]

    def __init__(self, times: np.ndarray, factors: Mapping[str, np.ndarray], learning_rate: float = 1.0) -> None:
        self.times = times
        self.factors = factors
        self.learning_rate = learning_rate

    def plot(self, ax: Axes | None = None, *, line_kw: dict[str, Any] | None = None) -> ScheduleDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on; None makes a figure.
        line_kw : dict or None, default=None
            Keyword arguments of all lines, for ``ax.plot``.

        Returns
        -------
        ScheduleDisplay
            Itself.
        """
        require_matplotlib("ScheduleDisplay.plot")
        own = ax is None
        if ax is None:
            from matplotlib import pyplot as plt

            ax = plt.subplots(layout="constrained")[1]
        self.ax_, self.figure_ = ax, cast("Figure", ax.figure)
        curves = {name: (self.times, self.learning_rate * factor) for name, factor in self.factors.items()}
        self.lines_ = draw_lines(ax, curves, line_kw, len(ax.lines))
        ax.set_xlabel("Epochs")
        cast(Any, ax.xaxis.get_major_locator()).set_params(integer=True)
        ax.set_ylabel("Factor on the learning rate" if self.learning_rate == 1 else "Learning rate")
        add_legend(ax, resize=own)
        return self

    @classmethod
    @with_texts_of(plot)
    def from_schedules(
        cls,
        schedules: ScheduleLike | Sequence[ScheduleLike] | Mapping[str, ScheduleLike],
        *,
        epochs: float = 100,
        learning_rate: float = 1.0,
        objectives: Sequence[float] = (),
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> ScheduleDisplay:
        """Draw schedules.

        Parameters
        ----------
        schedules : Schedule, name or callable, or a list or dict of them
            The label of a schedule in a list is its name, its class and parameters, or its function's name.
        epochs : float, default=100
            The `max_iter` of the fit, > 0. The curves end there, and a schedule without a length of its own takes it.
        learning_rate : float, default=1.0
            The rate that multiplies the factors, > 0.
        objectives : sequence of float, default=()
            The objective after each epoch, as a `history_` has it, for schedules that react to it: without it
            :class:`~skopt_solvers.schedules.ReduceOnPlateau` sees no plateau.
        ax, line_kw :
            As in :meth:`plot`.

        Returns
        -------
        ScheduleDisplay

        Raises
        ------
        ValueError
            For a number out of range, an unknown name, or a factor that is negative or not finite.
        """
        require_matplotlib("ScheduleDisplay.from_schedules")
        for argument, value in (("epochs", epochs), ("learning_rate", learning_rate)):
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not (number and 0 < value < np.inf):
                raise ValueError(f"{argument} must be a finite number > 0, got {value!r}")
        by_name = named(schedules, "schedules")
        for schedule in by_name.values():
            bind(schedule, epochs)
        begins = np.arange(np.ceil(epochs))
        steps = int(np.ceil(_POINTS / len(begins))) + 1
        # an epoch's last time is just before the next, so that a jump between them is upright
        times = [np.linspace(begin, np.minimum(begin + 1, epochs) * (1 - 1e-9), steps) for begin in begins]
        factors = {name: _factors(name, schedule, times, epochs, objectives) for name, schedule in by_name.items()}
        return cls(np.concatenate(times), factors, learning_rate).plot(ax, line_kw=line_kw)


def _factors(
    name: str, schedule: ScheduleLike, times: list[np.ndarray], epochs: float, objectives: Sequence[float]
) -> np.ndarray:
    """Return the factors at the times of each epoch, with the objectives of the epochs before it, as in a fit."""
    parts = []
    for epoch, t in enumerate(times):
        factor = np.asarray(bind(schedule, epochs, list(objectives[:epoch]))(t), dtype=float)
        parts.append(np.broadcast_to(factor, t.shape))
    factors = np.concatenate(parts)
    if not (np.isfinite(factors) & (factors >= 0)).all():
        bad = ~(np.isfinite(factors) & (factors >= 0))
        at = np.concatenate(times)[bad][0]
        raise ValueError(
            f"schedule {name!r} must give factors that are finite and >= 0, got {factors[bad][0]} at t={at:g} epochs"
        )
    return factors
