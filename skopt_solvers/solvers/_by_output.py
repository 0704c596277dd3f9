"""L-BFGS where outputs are problems of their own: one start of all, then each that is not there yet alone."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ._base import Result, pseudo_gradient

if TYPE_CHECKING:
    from ..objectives._interface import SeparableObjective

SHARED_EPOCHS = 3  # of all outputs: few are far from the optimum then, and these go on alone


def minimize_by_output(
    objective: "SeparableObjective",
    W: np.ndarray,
    begin: Callable[[Any, np.ndarray, dict[str, Any]], Any],
    *,
    epochs: int,
    tol: float,
    callback: Callable[[np.ndarray, dict[str, Any]], Any] | None,
) -> Result:
    """Minimise the sum of problems that share the data alone.

    Parameters
    ----------
    objective : SeparableObjective
    W : ndarray of shape `objective.shape`
    begin : callable
        ``begin(objective, W, record)`` is the fit of one output from W, whose history begins with a record.
    epochs : int
        Of dual ascent; 0 for none.
    tol : float
        The largest entry of the gradient at which an output is done.
    callback : callable, optional
        As that of :meth:`Solver.minimize`; an iteration is one of every output that is not done.
    """
    # 1. a start that all share
    began = time.perf_counter()
    position = objective.balanced(_ascended(objective, epochs) if epochs else W)
    if epochs and position.value > (objective.value(W) if W.any() else objective.value_at_zero()):
        position = objective.balanced(W)  # where C |x|^2 is large the epochs may lead up
    value, W = position.value, position.W
    steepest = np.abs(pseudo_gradient(objective, W, position.gradient)).max(axis=0)
    if not (np.isfinite(value) and np.isfinite(steepest).all()):
        raise FloatingPointError(
            f"LBFGS: the objective or its gradient is not finite in {W.dtype} where the fit begins; scale X"
        )
    del position  # the margins of all
    first = dict(learning_rate=None, seconds=time.perf_counter() - began)
    fits = {int(k): begin(objective.of_output(k), W[:, [k]], dict(first)) for k in np.flatnonzero(steepest > tol)}
    before = {k: fit.position.value for k, fit in fits.items()}
    history: list[dict[str, Any]] = []
    # 2. steps of each that is left
    while True:
        norms = steepest.copy()
        for k, fit in fits.items():
            if not fit.ended:
                fit.look(None)
            W[:, k], norms[k] = fit.position.W[:, 0], fit.norm
        gained = sum(before[k] - fit.position.value for k, fit in fits.items())
        record = dict(iteration=len(history) + 1, objective=objective.scale * (value - gained), **first)
        record.update(gradient_norm=float(norms.max()), seconds=time.perf_counter() - began)
        history.append(record)
        if callback is not None and callback(W, record):
            return Result(W, len(history), True, "the callback asked to stop", "", history)
        left = [fit for fit in fits.values() if not fit.ended]
        if not left:
            break
        began = time.perf_counter()
        for fit in left:
            fit.step()
        first = dict(learning_rate=max(fit.history[-1]["learning_rate"] or 0.0 for fit in left))
    failed = [fit for fit in fits.values() if not fit.converged]
    if failed:
        reason = f"{len(failed)} of {W.shape[1]} outputs did not converge; in the first {failed[0].reason}"
        return Result(W, len(history), False, reason, failed[0].advice, history)
    return Result(W, len(history), True, f"max|gradient| {norms.max():.3g} is at most tol={tol:g}", "", history)


def _ascended(objective: "SeparableObjective", epochs: int) -> np.ndarray:
    """Return the weights after some epochs of dual ascent, the same for every call."""
    ascent = objective.ascent()
    for epoch in range(epochs):
        if epoch:
            ascent.move_center()
        ascent.epoch(epoch << 8)
    return ascent.W
