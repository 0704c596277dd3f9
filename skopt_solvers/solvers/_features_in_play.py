"""The steps of a fit; under L1, on the features alone that are in play, whose weight is not 0 or would leave it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ._base import STOPPED
from ._lbfgs_fit import LBFGSFit

if TYPE_CHECKING:
    from ..objectives._interface import NarrowedObjective

_SMALLER = 0.5  # of the rows of the table: up to there a copy of their features pays
_CLOSER = 0.1  # of the gradient's norm, after which all features are looked at again

Callback = Callable[[np.ndarray, dict[str, Any]], Any]


def make_steps(fit: LBFGSFit, begin: Callable[..., LBFGSFit], callback: Callback | None) -> None:
    """Make the steps of a fit until it ends.

    Parameters
    ----------
    fit : LBFGSFit
    begin : callable, (objective, position, limits, history) -> LBFGSFit
    callback : callable or None
    """
    part = FeaturesInPlay(fit, begin) if fit.objective.l1 and fit.objective.narrowed_bytes else None
    seen = False
    while not fit.ended:
        fit.look(None if seen else callback)
        if not fit.ended:
            seen = part is not None and part.advance(callback)
            if not seen:
                fit.step()


class FeaturesInPlay:
    """The steps that leave out the features that are not in play, a working set.

    The weights of all others are 0, and their gradients keep them there. All features are looked at again whenever the
    gradient of those in play has fallen to a tenth, and before the fit ends.
    """

    def __init__(self, fit: LBFGSFit, begin: Callable[..., LBFGSFit]) -> None:
        self.fit, self.begin = fit, begin
        self.rows = np.empty(0, np.int64)  # of the table, that are in play
        self.part: LBFGSFit | None = None

    def advance(self, callback: Callback | None) -> bool:
        """Make steps on the features in play, which the callback sees; return whether there were any."""
        fit, n_before = self.fit, len(self.fit.history)
        rows = self._in_play()
        if len(rows) > _SMALLER * fit.objective.shape[0]:
            return False
        fit.pairs.clear()
        part = self._part_of(rows)
        told = None if callback is None else lambda W, record: callback(self._whole(W), record)
        part.look(None)
        while not part.ended:
            part.step()
            if not part.ended:
                part.look(told)
        if len(fit.history) == n_before:
            return False
        fit.position = fit.objective.position(self._whole(part.position.W))
        if part.reason is STOPPED:
            fit.reason, fit.converged, fit.ended = STOPPED, True, True
        return True

    def _in_play(self) -> np.ndarray:
        """Return the rows of the table whose weights are not 0, or have a gradient; those without a penalty too."""
        fit = self.fit
        moves = (fit.position.W != 0) | (fit.steepest != 0)
        moves[fit.objective.n_penalised :] = True
        return np.flatnonzero(moves.any(axis=1))

    def _whole(self, W: np.ndarray) -> np.ndarray:
        """Return the table whose rows in play are `W`."""
        table = np.zeros(self.fit.objective.shape, W.dtype)
        table[self.rows] = W
        return table

    def _part_of(self, rows: np.ndarray) -> LBFGSFit:
        """Return a fit of these rows from the position of the whole, which ends where their gradient is closer to 0."""
        fit, objective = self.fit, self.fit.objective
        norm = fit.norm * objective.gradient_unit
        goal = _CLOSER * norm if norm <= fit.tol else max(_CLOSER * norm, fit.tol)
        W, part = fit.position.W, self.part
        # steps of the whole fit lie between where the part has other weights
        if part is not None and np.isin(rows, self.rows).all() and np.array_equal(part.position.W, W[self.rows]):
            part.go_on(goal)
            return part
        pairs = None if self.part is None else self.part.pairs
        self.part = None  # and its copy of columns
        few = cast("NarrowedObjective", objective).of_features(rows[rows < objective.n_penalised])
        position, limits = few.position(fit.position.W[rows]), (fit.max_iter, goal, np.inf)
        part = self.begin(few, position, limits, fit.history)
        if pairs is not None:
            known = np.isin(rows, self.rows)
            part.pairs.take(pairs, known, np.searchsorted(self.rows, rows[known]))
        self.rows, self.part = rows, part
        return part
