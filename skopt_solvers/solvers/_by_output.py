"""L-BFGS where outputs are problems of their own: one start of all, then each that is not there yet alone."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base.typing import History
from .._base.words import compared
from ._base import (
    STOPPED,
    Result,
    pseudo_gradient,
    relative_bound,
    remedies,
    run_alone,
    unproven,
)
from ._starts import ascend, record_of

if TYPE_CHECKING:
    from ..objectives._interface import SeparableObjective
    from ..objectives._interface_points import Position

SHARED_EPOCHS = 3  # of all outputs: few are far from the optimum then, and these go on alone


def minimize_by_output(
    objective: "SeparableObjective",
    W: np.ndarray,
    begin: Callable[[Any, np.ndarray, dict[str, Any], float], Any],
    *,
    epochs: int,
    limits: tuple[int, float, float],
    callback: Callable[[np.ndarray, dict[str, Any]], Any] | None,
) -> Result:
    """Minimise the sum of problems that share the data alone.

    Parameters
    ----------
    objective : SeparableObjective
    W : ndarray of shape `objective.shape`
    begin : callable
        ``begin(objective, W, record, tol)`` is the fit of one output from W, whose history begins with a record.
    epochs : int
        Of dual ascent; 0 for none.
    limits : tuple of int and two floats
        The most iterations, the largest entry of the gradient at which an output is done, and the relative bound that
        the sum has to prove.
    callback : callable, optional
        As that of :meth:`Solver.minimize`; an iteration is one of every output that is not done.
    """
    # 1. a start that all share
    max_iter, tol, allowed = limits
    began = time.perf_counter()
    position, before, record = _started(objective, W, epochs)
    value, W = position.value, position.W
    steepest = np.abs(pseudo_gradient(objective, W, position.gradient)).max(axis=0)
    if not (np.isfinite(value) and np.isfinite(steepest).all()):
        raise FloatingPointError(
            f"LBFGS: the objective or its gradient is not finite in {W.dtype} where the fit begins; scale X"
        )
    del position  # the margins of all
    began += sum(one["seconds"] for one in before)
    record["seconds"] = time.perf_counter() - began
    outputs = _Outputs(objective, begin, W, steepest)
    outputs.go_on(tol, record)
    # 2. steps of each that is left, until their sum is proven to be near its minimum
    history: History = []
    bound, target = np.nan, tol
    while True:
        value -= outputs.look()
        record.update(iteration=len(history) + 1, objective=objective.scale * value)
        record.update(gradient_norm=float(outputs.norms.max()), seconds=time.perf_counter() - began)
        history.append(record)
        if callback is not None and callback(W, record):
            return Result(W, len(history), True, STOPPED, "", before + history, as_asked=True)
        if not outputs.failed:
            bound = relative_bound(objective, W)
            if bound > allowed and len(history) < max_iter:
                target *= min(0.5, max(0.1, 0.8 * (allowed / bound) ** 0.5))
                outputs.go_on(target, record)
                value -= outputs.look()
        if not outputs.left or len(history) >= max_iter:
            break
        began = time.perf_counter()
        record = dict(phase="lbfgs", learning_rate=outputs.step())
    failed = outputs.failed
    if failed and target < tol:
        bound = relative_bound(objective, W)
        left = f"{len(failed)} of {W.shape[1]} outputs had steps left to make"
        reason_at = lambda bound: f"{left}; {unproven(bound, allowed)}"  # noqa: E731
        end = bool(bound <= allowed), reason_at(bound), failed[0].advice
        return Result(W, len(history), *end, before + history, suboptimality=bound, reason_at=reason_at)
    if failed:
        reason = f"{len(failed)} of {W.shape[1]} outputs did not converge; in the first {failed[0].reason}"
        return Result(W, len(history), False, reason, failed[0].advice, before + history)
    reason = f"max|gradient| {compared(float(outputs.norms.max()), tol)} is at most tol={tol:g}"
    if bound > allowed:
        reason += f"; {unproven(bound, allowed)}"
        advice = remedies(objective, "raise max_iter or tol", lbfgs=False)
        return Result(W, len(history), False, reason, advice, before + history, suboptimality=bound)
    return Result(W, len(history), True, reason, "", before + history, suboptimality=bound)


def _started(objective: "SeparableObjective", W: np.ndarray, epochs: int) -> "tuple[Position, History, dict[str, Any]]":
    """Return where the iterations begin, the records before them, and the beginning of the record of the first.

    Where C |x|^2 is large the epochs may lead up; then they begin at W.
    """
    before: History = []
    if not epochs:
        return objective.balanced(W), before, dict(phase="lbfgs", learning_rate=None)
    most = objective.value(W) if W.any() else objective.value_at_zero()
    before.append(record_of("start", objective=objective.scale * most))
    W_start, _ = run_alone(ascend(objective, objective.ascent(), epochs, None, records=before))
    position = objective.balanced(W_start)
    if position.value <= most:
        return position, before, before.pop()
    return objective.balanced(W), before, dict(phase="lbfgs", learning_rate=None)


class _Outputs:
    """The fits of the outputs whose gradient is not small yet.

    Parameters
    ----------
    objective, begin :
        As of :func:`minimize_by_output`.
    W : ndarray, the weights of all outputs, which the steps change.
    norms : ndarray, the largest entry of the gradient of each.
    """

    def __init__(self, objective: Any, begin: Callable[..., Any], W: np.ndarray, norms: np.ndarray) -> None:
        self.objective, self.begin, self.W, self.norms = objective, begin, W, norms
        self.fits: dict[int, Any] = {}
        self.values: dict[int, float] = {}

    def go_on(self, tol: float, record: dict[str, Any]) -> None:
        """Begin, or take up again, the fits of the outputs whose gradient is above a tolerance."""
        for k in map(int, np.flatnonzero(self.norms > tol)):
            if k in self.fits:
                self.fits[k].go_on(tol)
            else:
                self.fits[k] = self.begin(self.objective.of_output(k), self.W[:, [k]], dict(record), tol)
                self.values[k] = self.fits[k].position.value

    def look(self) -> float:
        """Look where the fits are; return by how much the objective fell."""
        gained = 0.0
        for k, fit in self.fits.items():
            if not fit.ended:
                fit.look(None)
            self.W[:, k], self.norms[k] = fit.position.W[:, 0], fit.norm
            gained += self.values[k] - fit.position.value
            self.values[k] = fit.position.value
        return gained

    @property
    def left(self) -> list[Any]:
        """The fits that have not ended."""
        return [fit for fit in self.fits.values() if not fit.ended]

    @property
    def failed(self) -> list[Any]:
        """The fits that have not converged."""
        return [fit for fit in self.fits.values() if not fit.converged]

    def step(self) -> float:
        """Make a step of each that is left; return the longest."""
        left = self.left
        for fit in left:
            fit.step()
        return max(fit.history[-1]["learning_rate"] or 0.0 for fit in left)
