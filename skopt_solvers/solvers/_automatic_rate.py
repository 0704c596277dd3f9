"""The automatic learning rates and schedules: how far C lets margins go, and what each solver makes of it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..schedules import PolynomialDecay, Schedule, Warmup

if TYPE_CHECKING:
    from ._stochastic import StochasticSolver

_MOST_STRENGTH = 1e4  # that a rate knows of; C=inf is as this


def margin(objective: Any, most: float = _MOST_STRENGTH) -> float:
    """Return how far margins go at the optimum: about log(1 + q), as that of one row alone, and 1 with a hinge."""
    margin = float(np.log1p(min(objective.strength(), most)))
    return min(margin, 1.0) if objective.kinked_gradient else margin


def growth(objective: Any, factor: float, most_of_chains: float, most: float = 300.0, falls: bool = True) -> float:
    """Return the factor of a weight's unit by which an adaptive solver moves it at first, at least 1.

    `most` is the strength that counts most where the table has more rows than there are samples. With a larger one the
    factor stays, or `falls` as it has risen: the penalty does not bring a rare weight back that was thrown too far.
    """
    if objective.structured:
        return max(1.0, min(factor * margin(objective), most_of_chains))
    # where weights outnumber the rows, rare features have few steps, and larger ones throw them about
    most = min(_MOST_STRENGTH, most * max(1.0, objective.n_samples / max(objective.shape[0], 1)))
    if falls:
        most = min(most, most**2 / min(max(objective.strength(), most), _MOST_STRENGTH))
    return max(1.0, factor * margin(objective, most))


def one_batch(solver: "StochasticSolver", objective: Any) -> bool:
    """Tell that an epoch is one step: there is no noise, and a sample's weight shall be the same as its repetition."""
    return solver.effective_batch(objective) == objective.n_samples


def warmed(solver: "StochasticSolver", objective: Any, length: float) -> Schedule:
    """Return a linear rise in a tenth of the epochs, at least in one and at most in a third, and a linear fall.

    The rise is shorter where the penalty is strong enough to take a first step back: none up to log(1 + q) = 1, all of
    it from 3 on.
    """
    need = 0.0 if one_batch(solver, objective) else np.clip((np.log1p(objective.strength()) - 1) / 2, 0, 1)
    rise = float(need * min(max(1.0, length / 10), length / 3))
    return Warmup(PolynomialDecay(length - rise), epochs=rise) if rise else PolynomialDecay(length)


class MomentumRate:
    """The rate of stochastic gradient descent with momentum, from what is stable and what is quiet.

    Parameters
    ----------
    objective : SampledObjective
    batch : int
    momentum : float
    nesterov : bool
    """

    def __init__(self, objective: Any, batch: int, momentum: float, nesterov: bool) -> None:
        self.objective = objective
        curvature = objective.curvature * (objective.mean_square() or 1.0)
        # three quarters of the largest rate that is stable on a quadratic
        self.stable = 0.75 * 2 * (1 + momentum) / (1 + 2 * momentum if nesterov else 1) / curvature
        # a small batch is mostly noise: what one sample moves in the end, 1 / (1 - momentum) times its step, stays
        # below the rate that is stable for that sample alone
        losses = batch * objective.tokens_per_sample
        self.quiet = 0.45 * losses * (1 - momentum) / curvature if batch < objective.n_samples else np.inf

    def unit(self) -> float:
        """Return the rate for a curvature that does not fall."""
        return float(min(self.stable, self.quiet))

    def grown(self) -> float:
        """Return the rate for margins that grow, which leave less of the curvature."""
        if not np.isfinite(self.quiet):
            return self.unit()
        m = margin(self.objective)
        if self.objective.structured:
            # the trace bounds the curvature of a chain loosely, which does not loosen the bound on what a token moves
            return float(max(self.unit(), m * min(3 * self.stable, 0.5 * self.quiet)))
        if self.objective.n_samples > 2 * self.objective.shape[0]:
            # labels of noise cannot all be fitted (Cover 1965): margins, and with them the curvature, stay behind
            m = margin(self.objective, 500.0)
        return self.unit() * max(1.0, 0.1 * m**2)
