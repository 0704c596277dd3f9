"""The way from dual ascent to L-BFGS: when the epochs will not suffice, and going on from where they have led."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._base import Result, relative_bound
from ._lbfgs import LBFGS

if TYPE_CHECKING:
    from ..objectives._interface import Objective

LEAST_EPOCHS = 6  # of which a rate is told
_MOST_EPOCHS = 100  # that may be missing: L-BFGS seldom takes as many iterations
_MARGIN = 1.25  # for rates that are told too low
_SMALL_BYTES = 2**26  # that no estimator compares with what is free

Seen = Sequence[tuple[int, float]]


def taker(objective: "Objective", least_bytes: int) -> LBFGS | None:
    """Return the solver that goes on where epochs will not suffice; None where it has no method, or no room.

    Its tables get what dual ascent takes besides W, `least_bytes`, or what is small: a fit of many columns may have
    been given to dual ascent because it has few tables.
    """
    solver = LBFGS(start_epochs=0)
    if not objective.smooth:
        return None
    # the dual variables and their weights stay until the end
    needed = solver.peak_bytes(objective) + 2 * objective.table_bytes + 2 * objective.margin_bytes
    return solver if needed <= max(least_bytes, _SMALL_BYTES) else None


def will_not_do(gaps: Seen, allowed: float, remaining: int) -> bool:
    """Return whether more epochs are missing than there are, or than L-BFGS would take."""
    return gaps[-1][0] >= LEAST_EPOCHS and epochs_left(gaps, allowed) > _MARGIN * min(remaining, _MOST_EPOCHS)


def epochs_left(gaps: Seen, allowed: float) -> float:
    """Return how many epochs are missing at the rate of the last half; infinite where the gap does not fall.

    The gap goes up and down, so that the rate is that of the line through its logarithms.

    Parameters
    ----------
    gaps : sequence of (int, float)
        The epochs with an evaluation, counted from 1, and the duality gap after each.
    allowed : float
        The gap at which the fit ends.
    """
    last = [(epoch, gap) for epoch, gap in gaps if 2 * epoch >= gaps[-1][0]]
    if len(last) < 2 or not min(gap for _, gap in last) > 0:
        return np.nan
    epochs, heights = np.array([epoch for epoch, _ in last], float), np.log([gap for _, gap in last])
    epochs -= epochs.mean()
    slope = float(epochs @ heights / (epochs @ epochs))
    above = float(heights.mean() + slope * epochs[-1] - np.log(allowed))
    return max(above, 0.0) / -slope if slope < 0 else np.inf


def go_on(
    solver: LBFGS, objective: Any, W: np.ndarray, done: int, told: Callable[..., Any] | None, **options: Any
) -> Result:
    """Return the result of L-BFGS from W, its records counted on from the epochs that are done.

    Parameters
    ----------
    solver : LBFGS
    objective, W :
        As of :meth:`Solver.minimize`.
    done : int
        The number of the last epoch.
    told : callable or None
        The callback of the fit.
    **options
        Others of :meth:`LBFGS.minimize`.
    """

    def count_on(W: np.ndarray, record: dict[str, Any]) -> Any:
        record.update(iteration=done + record["iteration"], phase="lbfgs")
        return told is not None and told(W, record)

    result = solver.minimize(objective, W, **options, callback=count_on)
    result.history = result.history[: result.n_iter]  # without that of a start that is the end
    if np.isnan(result.suboptimality):
        result.suboptimality = relative_bound(objective, result.W)
    return result
