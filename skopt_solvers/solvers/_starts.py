"""Stochastic epochs before the first iteration of L-BFGS: where they pay, and making them."""

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .._base.typing import History
from ._dual_epochs import DualEpochs
from ._newton import FEW_MARGINS, n_margins
from ._rules import AdaGrad

if TYPE_CHECKING:
    from ..objectives._interface import DualObjective, Objective, SampledObjective, WarmedObjective
    from ..objectives._interface_points import Ascent, Position

# Epochs of the dual at most; from how many on they may be left to L-BFGS, and what falls slower than at this rate an
# epoch is. An iteration costs as much as three epochs where there are many outputs, and as one where there is one.
_MOST_EPOCHS, _LEAST_EPOCHS, _LEAST_EPOCHS_OF_ONE = 40, 3, 5
_RATE, _RATE_OF_ONE = 0.65, 0.3
_UNDERSTATED = 60.0  # times what the moves of an epoch tell to be missing, at most, on eight sets
_MANY_MARGINS = 5000  # up to which L-BFGS is fast anyway; FEW_MARGINS where it crosses kinks
_MANY_SEQUENCES = 500
_BATCH_SIZE = 16  # of AdaGrad

Goal = tuple[float, float]


def start_epochs(objective: "Objective") -> int:
    """Return how many stochastic epochs pay at most before L-BFGS begins at zeros."""
    if not objective.has_samples:
        return 0
    if objective.structured:
        if objective.n_samples < _MANY_SEQUENCES:
            return 0
        return 6 if objective.l1 else 4
    few = FEW_MARGINS if objective.kinked_gradient else _MANY_MARGINS
    return _MOST_EPOCHS if objective.dual_obstacle() is None and n_margins(objective) > few else 0


def started(
    objective: "SampledObjective", W: np.ndarray, epochs: int, goal: Goal
) -> "Generator[DualEpochs, None, tuple[Position, History]]":
    """Return a position after some epochs, W itself where they lead up, and the records of the epochs.

    The last record has the objective, and is that of the first iteration, unless they lead up.

    The caller makes the epochs of a dual, which end where the fit may have met its goal.
    """
    began = time.perf_counter()
    records: History = []
    if objective.dual_obstacle() is None:
        position = yield from _by_dual(cast("DualObjective", objective), W, epochs, goal, records)
    else:
        position = _by_adagrad(objective, W, epochs, records)
    if position is None:
        return objective.position(W), records
    spent = time.perf_counter() - began - sum(record["seconds"] for record in records[:-1])
    records[-1].update(iteration=1, objective=objective.scale * position.value, seconds=spent)
    return position, records


def _by_dual(
    objective: "DualObjective", W: np.ndarray, epochs: int, goal: Goal, records: History
) -> "Generator[DualEpochs, None, Position | None]":
    # where C |x|^2 is large the epochs may lead up, and they start from 0 whatever W is
    most = objective.value(W) if W.any() else objective.value_at_zero()
    records.append(record_of("start", objective=objective.scale * most))
    W, near = yield from ascend(objective, objective.ascent(), epochs, goal, records=records)
    # elsewhere another intercept leads to more iterations as often as to fewer
    position = objective.balanced(W) if near else objective.position(W)
    return position if position.value <= most else None


def _by_adagrad(objective: "SampledObjective", W: np.ndarray, epochs: int, records: History) -> "Position | None":
    began = time.perf_counter()
    try:
        W_start, losses, rate = warm_up(objective, W, epochs, _BATCH_SIZE)
    except FloatingPointError:
        return None
    seconds = (time.perf_counter() - began) / epochs  # one compiled call
    for loss in losses:
        records.append(record_of("adagrad", seconds, learning_rate=rate, batch_loss=objective.scale * loss))
    position = objective.position(W_start)
    # with a strong penalty the epochs may lead up: what the first of them saw tells
    return position if position.value <= losses[0] else None


def record_of(phase: str, seconds: float = 0.0, **known: float) -> dict[str, Any]:
    """Return a record of what comes before the first iteration, with what is known then."""
    return {"iteration": 0, "phase": phase, "objective": None, "learning_rate": None, "seconds": seconds, **known}


def ascend(
    objective: "DualObjective",
    ascent: "Ascent",
    epochs: int,
    goal: Goal | None,
    *,
    resumed: bool = False,
    records: History | None = None,
) -> Generator[DualEpochs, None, tuple[np.ndarray, bool]]:
    """Return the weights after some epochs of dual ascent, and whether they may be at the goal.

    They are the same for every call. The caller makes the epochs.

    Parameters
    ----------
    objective : DualObjective
    ascent : Ascent
    epochs : int
        Made at most; where there is no goal, all of them.
    goal : (tol, allowed) or None
        The largest entry of the gradient, and the relative bound, with which a fit by L-BFGS ends.
    resumed : bool
        Whether the ascent begins at another point than 0.
    records : list of dict, optional
        The history, to which the epochs are added. The last has the dual.
    """
    work, moves, records = DualEpochs(objective, ascent), [], [] if records is None else records
    near = False
    for epoch in range(epochs):
        began = time.perf_counter()
        if epoch or resumed:
            ascent.move_center()
        yield work.next(epoch << 8)
        moves.append(ascent.moved)
        slow, missing = _missing(moves, objective) if goal is not None else (False, np.inf)
        near = goal is not None and _may_be_met(goal, objective, ascent, missing)
        ends = slow or near or epoch + 1 == epochs
        known = dict(dual_objective=objective.scale * ascent.value()) if ends and goal is not None else {}
        records.append(record_of("dual", time.perf_counter() - began, **known))
        if ends:
            break
    return ascent.W, near


def _missing(moves: list[float], objective: "DualObjective") -> tuple[bool, float]:
    """Return whether epochs are slow, and what is missing after them, over `l2`.

    An epoch gains half of what it has moved at least. That falls by a factor `rate` an epoch, so that a part of
    ``rate / (1 - rate)`` is missing. The rate is the mean of two: with an intercept and with kinks, where rows rest in
    one epoch and move in the next, one epoch says little.
    """
    n, last = len(moves), moves[-1]
    if n < _LEAST_EPOCHS or not last:
        return False, np.inf if last else 0.0
    rate = float(np.sqrt(last / moves[-3])) if moves[-3] else np.inf
    of_last = rate if objective.kinked_gradient or not moves[-2] else last / moves[-2]
    missing = last / 2 * rate / (1 - rate) if rate < 1 else np.inf
    if objective.shape[1] > 1:
        return not of_last <= _RATE, missing
    if n >= _LEAST_EPOCHS_OF_ONE:
        return not of_last <= _RATE_OF_ONE, missing
    return objective.kinked_gradient and not of_last <= _RATE, missing


def _may_be_met(goal: Goal, objective: "DualObjective", ascent: "Ascent", missing: float) -> bool:
    """Return whether a fit may be at its goal where so much, over `l2`, is missing."""
    tol, allowed = goal
    missing *= _UNDERSTATED * objective.l2
    # the squared length of the gradient is at most 2 l2 times the gap, and the dual is about the minimum
    return missing <= tol**2 / (2 * objective.l2) and missing <= allowed * ascent.value()


def warm_up(
    objective: "SampledObjective", W: np.ndarray, epochs: int, batch_size: int
) -> tuple[np.ndarray, list[float], float]:
    """Make some epochs of AdaGrad at a constant rate, 1.5 `margin_step`, which knows no C; the same for every call.

    What is left at the end is mostly noise, which L-BFGS removes in a few iterations; a larger rate leaves less of the
    rest. Where the objective has compiled epochs, the last one is at a third of the rate, which removes it at once.

    Returns
    -------
    W : ndarray
    losses : list of float
        The mean loss of the batches of each epoch, each before its step.
    learning_rate : float
    """
    rate = 1.5 * objective.margin_step()
    solver = AdaGrad(rate, schedule="constant", batch_size=batch_size)
    rng, state, losses = np.random.RandomState(0), None, []
    if objective.has_adagrad_epochs:
        W = W.copy()
        shuffle = lambda samples, block: rng.permutation(samples)  # noqa: E731
        orders = np.stack([objective.order(shuffle) for _ in range(epochs)])
        warmed, rates = cast("WarmedObjective", objective), [rate] * (epochs - 1) + [rate / 3]
        losses = warmed.adagrad_epochs(W, orders, rates, batch_size, solver.epsilon)
        if not np.isfinite(losses[-1]):
            raise FloatingPointError("the epochs diverge")
        return W, [float(loss) for loss in losses], rate
    for _ in range(epochs):
        result = solver.minimize(objective, W, max_iter=epochs, tol=0.0, rng=rng, state=state, streaming=True)
        state = result.state
        losses.append(state["objectives"][-1])
    return result.W, losses, rate
