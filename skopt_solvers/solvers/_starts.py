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
    from ..objectives._interface import Ascent, DualObjective, Objective, Position, SampledObjective, WarmedObjective

_DUAL_EPOCHS = 5  # give the first digits
_MANY_MARGINS = 5000  # up to which L-BFGS is fast anyway; FEW_MARGINS where it crosses kinks
_MANY_SEQUENCES = 500
_BATCH_SIZE = 16  # of AdaGrad


def start_epochs(objective: "Objective") -> int:
    """Return how many stochastic epochs pay before L-BFGS begins at zeros."""
    if not objective.has_samples:
        return 0
    if objective.structured:
        if objective.n_samples < _MANY_SEQUENCES:
            return 0
        return 6 if objective.l1 else 4
    few = FEW_MARGINS if objective.kinked_gradient else _MANY_MARGINS
    return _DUAL_EPOCHS if objective.dual_obstacle() is None and n_margins(objective) > few else 0


def started(
    objective: "SampledObjective", W: np.ndarray, epochs: int
) -> "Generator[DualEpochs, None, tuple[Position, History]]":
    """Return a position after some epochs, W itself where they lead up, and the records of the epochs.

    The last record has the objective, and is that of the first iteration, unless they lead up.

    The caller makes the epochs of a dual.
    """
    began = time.perf_counter()
    records: History = []
    if objective.dual_obstacle() is None:
        position = yield from _by_dual(cast("DualObjective", objective), W, epochs, records)
    else:
        position = _by_adagrad(objective, W, epochs, records)
    if position is None:
        return objective.position(W), records
    spent = time.perf_counter() - began - sum(record["seconds"] for record in records[:-1])
    records[-1].update(iteration=1, objective=objective.scale * position.value, seconds=spent)
    return position, records


def _by_dual(
    objective: "DualObjective", W: np.ndarray, epochs: int, records: History
) -> "Generator[DualEpochs, None, Position | None]":
    # where C |x|^2 is large the epochs may lead up, and they start from 0 whatever W is
    most = objective.value(W) if W.any() else objective.value_at_zero()
    records.append(record_of("start", objective=objective.scale * most))
    position = objective.position((yield from ascend(objective, objective.ascent(), epochs, records=records)))
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
    enough: float | None = 3e-4,
    value: float = 0.0,
    records: History | None = None,
) -> Generator[DualEpochs, None, np.ndarray]:
    """Return the weights after some epochs of dual ascent, the same for every call, which the caller makes.

    It ends early where an epoch gains less than a part `enough` of the dual, and goes on for as many again while each
    gains less than half of the one before, which tells that less than that is missing; where `enough` is None, the
    dual is not looked at. It is `value` at first, and that is 0 where all dual variables are. The epochs are added to
    `records`.
    """
    work, values, records = DualEpochs(objective, ascent), [value], [] if records is None else records
    for epoch in range(epochs if enough is None else 2 * epochs):
        began = time.perf_counter()
        if epoch or value:
            ascent.move_center()
        yield work.next(epoch << 8)
        if enough is None:
            records.append(record_of("dual", time.perf_counter() - began))
            continue
        values.append(ascent.value())
        known = objective.scale * values[-1]
        records.append(record_of("dual", time.perf_counter() - began, dual_objective=known))
        gain, before = values[-1] - values[-2], values[-2] - values[max(epoch - 1, 0)]
        if abs(gain) <= enough * abs(values[-1]) or (epoch + 1 >= epochs and not gain < before / 2):
            break
    return ascent.W


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
