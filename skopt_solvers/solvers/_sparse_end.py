"""The end of stochastic fits with L1: zeros are where a step of the whole objective has them."""

from typing import TYPE_CHECKING

import numpy as np

from .. import _kernels
from ._base import curvatures, pseudo_gradient, rounding_of
from ._line_search import backtrack
from ._pairs import Pairs

if TYPE_CHECKING:
    from ..objectives._interface import Objective
    from ..objectives._interface_points import Position

# Measured on rcv1, 20 newsgroups, sms and w8a: fewer steps leave more than 10 % too many weights.
_MOST_STEPS = 20
PAIRS = 4
_LITTLE = 3e-6  # of the objective: two steps in a row that lower it by less are the end
_MOST_HALVINGS = 30


def sparse_end(objective: "Objective", W: np.ndarray) -> tuple[np.ndarray, float]:
    """Return weights at which the objective is not above that at `W`, with few that are not 0, and the objective.

    The noise of batches brings weights back that L1 had set to 0. A proximal step of the whole objective takes them
    away, a few steps of OWL-QN those that are 0 at the optimum, and another proximal step those that lie on the way.
    """
    curvature, n = _metric(objective), objective.n_penalised
    if not objective.smooth:
        position = _proximal(objective, objective.position(W), curvature)
    else:
        # the first position is not kept: it has tables
        position = _quasi_newton(objective, _proximal(objective, objective.position(W), curvature), curvature)
        last = _proximal(objective, position, curvature)
        position = min(last, position, key=lambda end: np.count_nonzero(end.W[:n]))
    return position.W, position.value


def proximal_weights(objective: "Objective", W: np.ndarray) -> np.ndarray:
    """Return the weights after one proximal step of the whole objective, or `W` where none keeps it from rising."""
    return _proximal(objective, objective.position(W), _metric(objective)).W


def sparse_end_bytes(objective: "Objective") -> int:
    """Return the bytes that `sparse_end` takes besides `W`."""
    return (2 * PAIRS + 11) * objective.table_bytes + 2 * objective.position_bytes + objective.pass_bytes


def _metric(objective: "Objective") -> np.ndarray:
    """Return the curvatures as a column, in the type of the table."""
    return curvatures(objective)[:, None].astype(objective.dtype)


def _proximal(objective: "Objective", position: "Position", curvature: np.ndarray) -> "Position":
    """Return the position after a proximal step in the metric of `curvature`, halved until the objective falls.

    In this metric the step of a rare feature is as long as that of a frequent one, which tells the zeros of both.
    """
    W, n = position.W, objective.n_penalised
    step = 1 / curvature
    for _ in range(_MOST_HALVINGS):
        moved = W - step * position.gradient
        threshold = step[:n] * W.dtype.type(objective.l1)
        moved[:n] -= np.clip(moved[:n], -threshold, threshold)
        trial = objective.position(moved)
        if trial.value <= position.value:
            return trial
        step = step / 2
    return position


def _quasi_newton(objective: "Objective", position: "Position", curvature: np.ndarray) -> "Position":
    """Return the position after some steps of OWL-QN, each in the orthant in which it starts."""
    n, dtype = objective.n_penalised, objective.dtype
    scaling = lambda: np.repeat(1 / np.sqrt(curvature), objective.shape[1]).astype(dtype)  # noqa: E731
    pairs, waited = Pairs(PAIRS, position.W, scaling, objective.n_threads), 0
    noise = rounding_of(position.value, dtype)
    for _ in range(_MOST_STEPS):
        steepest = pseudo_gradient(objective, position.W, position.gradient)
        D = pairs.direction(steepest, position.value)
        D[:n][D[:n] * steepest[:n] >= 0] = 0
        if not _kernels.dot(steepest.ravel(), D.ravel()) < 0:
            break
        length, moved = backtrack(objective, position, D, steepest, pairs.first_step(), noise)
        if length is None:
            break
        waited = waited + 1 if position.value - moved.value < _LITTLE * abs(moved.value) else 0
        pairs.add(moved.W, position.W, moved.gradient, position.gradient)
        position = moved
        if waited == 2:
            break
    return position
