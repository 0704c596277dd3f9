"""The schedule that falls where the objective does not."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ._base import Factor, Schedule


class ReduceOnPlateau(Schedule):
    """Drop where the objective no longer falls: ``factor ** (number of plateaus so far)``.

    A plateau is `patience` epochs in a row whose objective is not below ``(1 - threshold)`` times the best so far. The
    schedule counts plateaus in the objectives of the epochs done. A resumed fit keeps these, so there is no hidden
    state.

    Parameters
    ----------
    factor : float, default=0.5
        Multiplies the rate at each plateau.
    patience : int, default=2
        Epochs without progress that make a plateau.
    threshold : float, default=1e-3
        The fall of the objective, relative to the best so far, that counts as progress.
    end : float, default=0.0
        The least factor.

    Examples
    --------
    >>> from skopt_solvers.schedules import ReduceOnPlateau
    >>> schedule = ReduceOnPlateau(factor=0.1, patience=2)
    >>> float(schedule.bound(100, objectives=[5.0, 4.0, 4.0])(3.0))
    1.0
    >>> float(schedule.bound(100, objectives=[5.0, 4.0, 4.0, 4.0])(4.0))
    0.1
    """

    def __init__(self, factor: float = 0.5, patience: int = 2, threshold: float = 1e-3, end: float = 0.0) -> None:
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.end = end

    def bound(self, length: float, objectives: Sequence[float] = ()) -> Schedule:
        return _OnPlateau(self, objectives)

    def __call__(self, t: ArrayLike) -> Factor:
        return np.ones_like(np.asarray(t, dtype=float))


class _OnPlateau(Schedule):
    """A :class:`ReduceOnPlateau` that counts in a list of objectives, which may grow."""

    def __init__(self, plateau: "ReduceOnPlateau", objectives: Sequence[float]) -> None:
        self.plateau = plateau
        self.objectives = objectives

    def __call__(self, t: ArrayLike) -> Factor:
        plateau, best, waited, count = self.plateau, np.inf, 0, 0
        for objective in self.objectives:
            if objective < best - plateau.threshold * abs(best) or best == np.inf:
                best, waited = objective, 0
            else:
                waited += 1
                if waited >= plateau.patience:
                    count, waited = count + 1, 0
        return max(plateau.factor**count, plateau.end) * plateau(t)
