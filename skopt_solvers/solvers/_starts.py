"""Stochastic epochs before the first iteration of L-BFGS: where they pay, and making them."""

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, cast

import numpy as np

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
) -> "Generator[DualEpochs, None, tuple[Position, dict | None]]":
    """Return a position after some epochs, and their record; where they lead up, W itself and None.

    The caller makes the epochs of a dual.
    """
    began = time.perf_counter()
    rate = None
    if objective.dual_obstacle() is None:
        position = yield from _by_dual(cast("DualObjective", objective), W, epochs)
    else:
        position, rate = _by_adagrad(objective, W, epochs)
    if position is None:
        return objective.position(W), None
    record = dict(
        iteration=1,
        objective=objective.scale * position.value,
        learning_rate=rate,
        seconds=time.perf_counter() - began,
    )
    return position, record


def _by_dual(objective: "DualObjective", W: np.ndarray, epochs: int) -> "Generator[DualEpochs, None, Position | None]":
    # where C |x|^2 is large the epochs may lead up, and they start from 0 whatever W is
    most = objective.value(W) if W.any() else objective.value_at_zero()
    position = objective.position((yield from ascend(objective, objective.ascent(), epochs)))
    return position if position.value <= most else None


def _by_adagrad(objective: "SampledObjective", W: np.ndarray, epochs: int) -> "tuple[Position | None, float | None]":
    try:
        W_start, first_loss, rate = warm_up(objective, W, epochs, _BATCH_SIZE)
    except FloatingPointError:
        return None, None
    position = objective.position(W_start)
    # with a strong penalty the epochs may lead up: what the first of them saw tells
    return (position if position.value <= first_loss else None), rate


def ascend(
    objective: "DualObjective", ascent: "Ascent", epochs: int, enough: float = 3e-4, value: float = 0.0
) -> Generator[DualEpochs, None, np.ndarray]:
    """Return the weights after some epochs of dual ascent, the same for every call, which the caller makes.

    It ends early where an epoch gains less than a part `enough` of the dual, and goes on for as many again while each
    gains less than half of the one before, which tells that less than that is missing. The dual is `value` at first,
    and that is 0 where all dual variables are.
    """
    work, values = DualEpochs(objective, ascent), [value]
    for epoch in range(2 * epochs):
        if epoch or value:
            ascent.move_center()
        yield work.next(epoch << 8)
        values.append(ascent.value())
        gain, before = values[-1] - values[-2], values[-2] - values[max(epoch - 1, 0)]
        if abs(gain) <= enough * abs(values[-1]) or (epoch + 1 >= epochs and not gain < before / 2):
            break
    return ascent.W


def warm_up(
    objective: "SampledObjective", W: np.ndarray, epochs: int, batch_size: int
) -> tuple[np.ndarray, float, float]:
    """Make some epochs of AdaGrad at a constant rate, 1.5 `margin_step`, which knows no C; the same for every call.

    What is left at the end is mostly noise, which L-BFGS removes in a few iterations; a larger rate leaves less of the
    rest. Where the objective has compiled epochs, the last one is at a third of the rate, which removes it at once.

    Returns
    -------
    W : ndarray
    first_loss : float
        Mean loss of the batches of the first epoch, each before its step.
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
        return W, losses[0], rate
    for _ in range(epochs):
        result = solver.minimize(objective, W, max_iter=epochs, tol=0.0, rng=rng, state=state, streaming=True)
        state = result.state
        losses.append(state["objectives"][-1])
    return result.W, losses[0], rate
