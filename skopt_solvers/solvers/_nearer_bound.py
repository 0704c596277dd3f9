"""A bound of the distance from the optimum that is nearer to it than that of the weights alone."""

from typing import TYPE_CHECKING

import numpy as np

from ._base import rounding_of_bounds
from ._lbfgs import LBFGS
from ._newton import newton_way

if TYPE_CHECKING:
    from ..objectives._interface import Objective
    from ..objectives._interface_points import Ascent, Position

_EPOCHS, _MOST_EPOCHS = 2, 4  # of dual ascent; more than the first while each halves the bound
_STEPS, _PAIRS = 3, 4  # of L-BFGS
_NEWTON_STEPS = 15
_FEW_COEFFICIENTS = 20  # of which a Newton step costs a few passes
_WIDTH = 0.01  # of smoothed kinks
_LITTLE = 0.1  # a part of the bound that is not worth another step


def nearer_bound(objective: "Objective", W: np.ndarray, bound: float, allowed: float) -> float:
    """Return a relative bound of ``F(W) - min F`` that is at most a known one, by a few steps from W.

    What is sought is a larger lower bound of min F. With few coefficients Newton's method goes to a point whose own
    bound is small; else the dual is ascended from the point that W has, two to four epochs; where there is no such
    ascent and no kink, a few steps of L-BFGS are made and their gradients combined. With L1 alone no such steps pay.

    Parameters
    ----------
    objective, W : as of `Solver.minimize`
    bound : float
        A relative bound at W; it is finite.
    allowed : float
        The bound that is enough.
    """
    if not objective.l2 or not objective.convex:
        return bound
    rounding = rounding_of_bounds(objective.dtype)
    try:
        with np.errstate(all="ignore"):
            lower = _lower_bound(objective, W, 1 - allowed + 2 * rounding)
    except FloatingPointError:  # squares of X overflow
        return bound
    found = 1 - lower + rounding
    return min(max(found, rounding), bound) if np.isfinite(found) else bound


def nearer_bytes(objective: "Objective") -> int:
    """Return the bytes that `nearer_bound` takes at most."""
    steps = LBFGS(memory=_PAIRS, newton=False).peak_bytes(objective) + 3 * objective.table_bytes
    ascent = 3 * objective.table_bytes + 8 * objective.margin_bytes + objective.pass_bytes + objective.bound_bytes
    return max(steps, ascent)


def _lower_bound(objective: "Objective", W: np.ndarray, enough: float) -> float:
    """Return a lower bound of min F over F(W); what is `enough` ends the search."""
    smooth = objective if objective.smooth else objective.smoothed(_WIDTH)
    if _is_cheap_for_newton(smooth):
        position = objective.position(W)
        value = position.value
        return _by_steps(smooth, position if smooth is objective else smooth.position(W), LBFGS(), value, enough)
    ascent = objective.ascent_from(W)
    if ascent is not None:
        return _by_ascent(ascent, objective.value(W), enough)
    if not objective.smooth:
        return -np.inf
    position = objective.position(W)
    return _by_steps(objective, position, LBFGS(memory=_PAIRS, newton=False), position.value, enough)


def _is_cheap_for_newton(objective: "Objective") -> bool:
    """Return whether steps of Newton's method cost a few passes, and are better than others."""
    n_rows, n_outputs = objective.shape
    few = n_rows * (n_outputs if objective.joint else 1) <= _FEW_COEFFICIENTS
    return few and newton_way(objective) == "direct"


def _by_ascent(ascent: "Ascent", value: float, enough: float) -> float:
    """Return the best lower bound in some epochs, over F(W) = `value`."""
    best = -np.inf
    for epoch in range(_MOST_EPOCHS):
        if epoch:
            ascent.move_center()
        ascent.epoch(epoch << 8)
        before, best = best, max(best, ascent.lower_bound() / value)
        if best >= enough or (epoch + 1 >= _EPOCHS and 1 - best > (1 - before) / 2):
            break
    return best


def _by_steps(objective: "Objective", start: "Position", solver: LBFGS, value: float, enough: float) -> float:
    """Return the best lower bound at the positions of a fit, and of their gradients together, over a `value`.

    That is F(W) of an objective that is nowhere below this one.
    """
    newton = solver.newton == "auto"
    n_steps = _NEWTON_STEPS if newton else _STEPS
    fit = solver.fit_from(objective, start, (n_steps + 1, 0.0, np.inf), [])
    planes, best = objective.planes(), -np.inf
    for step in range(n_steps + 1):
        position = fit.position
        if planes is not None:
            best = max(best, planes.add(position) / value)
        elif newton or step == n_steps:  # the intercepts of many outputs cost more than a step
            own = position.value - objective.suboptimality_bound_at(position) / objective.scale
            best = max(best, own / value)
        # no lower bound is above the objective
        if best >= enough or 0 <= position.value / value - best <= _LITTLE * (1 - best) < np.inf:
            break
        fit.look(None)
        if not fit.ended:
            fit.step()
        if fit.ended:
            break
    return best
