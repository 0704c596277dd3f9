"""Newton's method, for problems whose Hessian is cheap."""

import numpy as np

from .. import _kernels
from ._line_search import strong_wolfe

_MOST_STEPS = 20
POLISHED = 1e-12  # max|gradient| at which a polish ends


def can_polish(objective):
    """Whether Newton steps lead to the last digit."""
    return objective.newton is not None and objective.l2 > 0 and objective.dtype == np.float64


def polished(objective, W):
    """The optimum to rounding, from a W near to it."""
    position = objective.position(W)
    for _ in range(_MOST_STEPS):
        if float(np.abs(position.gradient).max()) <= POLISHED or newton_step(position) is None:
            break
    return position


def newton_step(position):
    """One step of Newton's method (Nocedal & Wright 2006, algorithm 3.2, or 7.1 by conjugate gradients), in place.

    For the piecewise quadratic losses it ends after finitely many steps, at the optimum to rounding (Mangasarian 2002);
    L-BFGS crosses many kinks on its way, and where it stops depends on the order in which sums are formed.

    Returns
    -------
    float or None
        The step length; None where nothing is gained any more.
    """
    g = position.gradient
    d = position.newton_direction()
    slope = _dot(g, d)
    if not (slope < 0 and np.isfinite(slope)):
        d, slope = -g, -_dot(g, g)
        if not slope < 0:
            return None
    noise = (50.0 if d.dtype == np.float64 else 0.2) * float(np.finfo(d.dtype).eps) * abs(position.value)
    step = strong_wolfe(position.along(d), position.value, slope, noise=noise)
    if step is not None:
        position.move(step)
    return step


def _dot(a, b):
    """Not BLAS, which wakes all its threads for it: on a busy machine a small fit took six times as long."""
    return _kernels.dot(a.ravel(), b.ravel())
