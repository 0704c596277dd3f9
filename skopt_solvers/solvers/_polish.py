"""Newton steps by conjugate gradients, for small problems to the last digit."""

import numpy as np

from .. import _kernels
from ._line_search import strong_wolfe

_MOST_STEPS = 20
_FLAT = 1e-15  # of the largest curvature: none
MAX_MARGINS = 500  # n_samples * n_outputs, beyond which a Newton step costs more than all iterations of L-BFGS
POLISHED = 1e-12  # max|gradient| at which a polish ends


def can_polish(objective):
    """Whether the problem is small and has a Hessian almost everywhere."""
    return (
        objective.smooth
        and not objective.l1
        and objective.l2 > 0
        and objective.dtype == np.float64
        and objective.n_samples * objective.shape[1] <= MAX_MARGINS
    )


def wants_newton(objective):
    """Whether L-BFGS alone would leave digits that depend on rounding: a kinked gradient, on a small problem."""
    return getattr(objective, "kinked_gradient", False) and can_polish(objective)


def polished(objective, W):
    """The optimum to rounding, from a W near to it."""
    position = objective.position(W)
    for _ in range(_MOST_STEPS):
        if float(np.abs(position.gradient).max()) <= POLISHED or newton_step(position) is None:
            break
    return position


def newton_step(position):
    """One step of Newton-CG (Nocedal & Wright 2006, algorithm 7.1) from `position`, in place.

    For the piecewise quadratic losses it ends after finitely many steps, at the optimum to rounding (Mangasarian 2002);
    L-BFGS crosses many kinks on its way, and where it stops depends on the order in which sums are formed.

    Returns
    -------
    float or None
        The step length; None where nothing is gained any more.
    """
    g = position.gradient
    d, r = np.zeros_like(g), -g
    p, rr = r.copy(), _dot(g, g)
    sharpest = 0.0
    # far from the optimum the pieces change anyway (Nocedal & Wright 2006, section 7.1)
    target = max(1e-20, min(1e-2, float(np.abs(g).max())) ** 2) * rr
    for _ in range(2 * g.size):
        Hp = position.hessian_vector(p)
        curvature, length = _dot(p, Hp), _dot(p, p)
        sharpest = max(sharpest, curvature / length)
        # along the intercepts of flat losses there is none, and what is computed is rounding
        if curvature <= _FLAT * sharpest * length:
            break
        alpha = rr / curvature
        d += alpha * p
        r -= alpha * Hp
        rr, before = _dot(r, r), rr
        if rr <= target:
            break
        p = r + (rr / before) * p
    if not d.any():
        d = -g
    slope = _dot(g, d)
    if not slope < 0:
        return None
    step = strong_wolfe(position.along(d), position.value, slope, noise=1e-14 * abs(position.value))
    if step is not None:
        position.move(step)
    return step


def _dot(a, b):
    """Not BLAS, which wakes all its threads for it: on a busy machine a small fit took six times as long."""
    return _kernels.dot(a.ravel(), b.ravel())
