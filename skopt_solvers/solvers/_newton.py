"""Newton's method: on which problems it is worth its time, by which way, and a step of it."""

from typing import TYPE_CHECKING, cast

import numpy as np

from .. import _kernels
from ._line_search import strong_wolfe

if TYPE_CHECKING:
    from ..objectives._interface import NewtonObjective, Objective
    from ..objectives._interface_points import NewtonPosition, NewtonWay

_FEW_COEFFICIENTS = 100  # of an output, or of all together where the loss compares them: up to there it always pays
# Nanoseconds of a product of two entries in the Hessian, of a multiply-add of Cholesky's decomposition and of a product
# with X, and of what an iteration of L-BFGS does with a margin. So many iterations a step of Newton's method is worth.
_ENTRIES, _CHOLESKY, _PRODUCT, _MARGIN = 2.0, 1.0, 1.2, 60.0
_ITERATIONS = 6.0
_CHEAP = 2.5  # iterations that a step costs where epochs of the dual before it cost more than the steps that they save
_HESSIAN = 2**20  # numbers in all blocks of the Hessian
# Margins beyond which the kernel matrix costs more than all iterations of L-BFGS: with kinks, and without.
FEW_MARGINS, _FEWER_MARGINS = 500, 150
_MOST_STEPS = 20
_POLISHED = 1e-12  # max|gradient| at which a polish ends


def n_margins(objective: "Objective") -> int:
    """Return the number of margins of a linear model: samples times outputs."""
    return objective.n_samples * objective.shape[1]


def newton_way(objective: "Objective") -> "NewtonWay | None":
    """Return how a step of Newton's method is cheap for an objective.

    "direct" is with the Hessian of few coefficients, "kernel" is with the kernel matrix of few samples; None is not at
    all.
    """
    if not (objective.has_newton and objective.smooth) or objective.l1:
        return None
    n_rows, n_outputs = objective.shape
    size = objective.n_penalised * (n_outputs if objective.joint else 1)
    few = size <= _FEW_COEFFICIENTS and size * n_rows * n_outputs <= _HESSIAN
    if few and (objective.l2 or not objective.joint):
        return "direct"
    if objective.l2 and objective.dtype == np.float64 and n_margins(objective) <= FEW_MARGINS:
        return "kernel"
    return None


def preferred_way(objective: "Objective") -> "NewtonWay | None":
    """Return the way by which steps of Newton's method are better than those of L-BFGS, or None."""
    way = newton_way(objective)
    if way is None and _step_in_iterations(objective) <= _ITERATIONS:
        return "direct"
    few = FEW_MARGINS if objective.kinked_gradient else _FEWER_MARGINS
    return None if way == "kernel" and n_margins(objective) > few else way


def steps_are_cheap(objective: "Objective") -> bool:
    """Return whether the preferred steps are Newton's, and so cheap that no epochs pay before them."""
    if newton_way(objective) is not None:
        return preferred_way(objective) is not None
    return _step_in_iterations(objective) <= _CHEAP


def _step_in_iterations(objective: "Objective") -> float:
    """Return how many iterations of L-BFGS a step costs that forms the Hessian of few non-zeros; else infinity."""
    if not (objective.has_newton and objective.smooth and objective.l2) or objective.l1:
        return np.inf
    n_rows, n_outputs = objective.shape
    joint = n_outputs if objective.joint else 1  # outputs of a matrix
    if n_rows * joint * n_rows * n_outputs > _HESSIAN:
        return np.inf
    products, entries = cast("NewtonObjective", objective).products()
    if 8 * products > objective.n_samples * n_rows**2:
        return np.inf
    hessian = _ENTRIES * products * n_outputs * (joint + 1) / 4
    decomposition = _CHOLESKY * n_outputs / joint * (n_rows * joint) ** 3 / 6
    iteration = n_outputs * (2 * _PRODUCT * entries + _MARGIN * objective.n_samples)
    return (hessian + decomposition) / iteration


def newton_bytes(objective: "Objective", way: "NewtonWay") -> int:
    """Return the bytes that the search for a direction takes at most."""
    if way == "direct":
        return 4 * 8 * _HESSIAN
    return 8 * objective.table_bytes + 4 * 8 * FEW_MARGINS**2


def polishing_way(objective: "Objective") -> "NewtonWay | None":
    """Return the way by which steps of Newton's method lead to the last digit, or None."""
    return newton_way(objective) if objective.l2 > 0 and objective.dtype == np.float64 else None


def polished(objective: "Objective", W: np.ndarray, way: "NewtonWay") -> "NewtonPosition":
    """Return the optimum to rounding, from a W near to it."""
    position = cast("NewtonPosition", objective.position(W))
    for _ in range(_MOST_STEPS):
        if float(np.abs(position.gradient).max()) <= _POLISHED or newton_step(position, way) is None:
            break
    return position


def newton_step(position: "NewtonPosition", way: "NewtonWay") -> float | None:
    """Make one step of Newton's method in place (Nocedal & Wright 2006, algorithm 3.2).

    For the piecewise quadratic losses it ends after finitely many steps, at the optimum to rounding (Mangasarian 2002);
    L-BFGS crosses many kinks on its way, and where it stops depends on the order in which sums are formed.

    Returns
    -------
    float or None
        The step length; None where nothing is gained any more.
    """
    g = position.gradient
    d = position.newton_direction(way)
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


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """Return the inner product; not by BLAS, which wakes all its threads: a small fit took six times as long."""
    return _kernels.dot(a.ravel(), b.ravel())
