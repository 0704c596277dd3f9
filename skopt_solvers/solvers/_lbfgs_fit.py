"""The state of a fit by L-BFGS: its steps, its criterion and its proof."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .. import _kernels
from .._base.words import compared
from ._base import STOPPED, least_fall, pseudo_gradient, relative_bound, remedies, rounding_of, unproven
from ._line_search import SeenRounding, backtrack, backtrack_model, strong_wolfe
from ._newton import newton_step
from ._pairs import Pairs
from ._proximal_pairs import ProximalPairs
from ._running_bound import RunningBound

if TYPE_CHECKING:
    from ..objectives._interface import Objective
    from ..objectives._interface_points import NewtonWay, Position

_STALLED = 10  # iterations in which neither the objective nor the gradient falls: what is left is rounding


@dataclass
class LBFGSFit:
    """The state of one fit: the problem, the position, and what was seen on the way to it.

    Attributes
    ----------
    way : str or None, that of Newton's steps; without one they are made of `pairs`.
    values : list of float, the objective at every position.
    steepest : ndarray, the (pseudo-)gradient at the position; `norm` is its largest entry.
    best : the least objective and the least norm so far.
    waited : int, iterations since one of these two fell.
    rounding : what the trials have shown of the rounding of the objective.
    bound : the bound of the suboptimality that the gradients on the way give together.
    proven : the last relative bound of the suboptimality, and the number of values then.
    next_proof : the norm at which the next proof is tried, or the number of values.
    reason : str or None, why the fit has ended, or may end once it is proven.
    reason_at : callable or None, the reason at a bound of a fit that has converged but for its proof.
    """

    objective: "Objective"
    position: "Position"
    way: "NewtonWay | None"
    pairs: Pairs | ProximalPairs | None
    max_iter: int
    tol: float
    allowed: float
    history: list
    values: list = field(default_factory=list)
    steepest: np.ndarray | None = None
    norm: float = np.inf
    best: tuple = (np.inf, np.inf)
    waited: int = 0
    proven: tuple = (np.nan, -1)
    next_proof: tuple = (np.inf, 0)
    reason: str | None = None
    reason_at: Callable[[float], str] | None = None
    advice: str = ""
    converged: bool = False
    ended: bool = False
    rounding: SeenRounding = field(init=False)
    bound: RunningBound = field(init=False)

    def __post_init__(self):
        self.rounding = SeenRounding(self.objective.dtype)
        self.bound = RunningBound(self.objective, self.tol, self.allowed)

    @property
    def phase(self):
        """The kind of steps, as the history names it."""
        return "lbfgs" if self.way is None else "newton"

    def look(self, callback):
        """Take the gradient at the position, tell the callback, and end the fit where it is time."""
        # 1. the gradient, which completes the record of the step before
        began = time.perf_counter()
        self.values.append(self.position.value)
        self.steepest = pseudo_gradient(self.objective, self.position.W, self.position.gradient)
        self.norm = float(np.abs(self.steepest).max())
        self.bound.add(self.values, self.position)
        if self.history:
            record = self.history[-1]
            record["gradient_norm"] = self.norm
            record["seconds"] += time.perf_counter() - began
            if callback is not None and callback(self.position.W, record):
                self.reason, self.converged, self.ended = STOPPED, True, True
                return
        # 2. the criterion, once met, stays met
        if not self.converged:
            self.reason = self._criterion()
            self.converged = self.reason is not None and self._proves()
        # 3. the end
        if self.converged:
            self.reason, self.ended = self._criterion() or self.reason, True
            return
        self._wait()
        if len(self.history) >= self.max_iter:
            advice = remedies(self.objective, "raise max_iter or tol", lbfgs=False)
            self._fail(f"max_iter={self.max_iter} was reached", advice)

    def step(self):
        """Make a step and record it, or end the fit where none leads down."""
        began = time.perf_counter()
        length = None if self.waited >= _STALLED else self._moved()
        if length is None:
            dtype, advice = self.position.W.dtype, "Raise tol" if self.way is None else "Scale the features"
            advice += "." if dtype == np.float64 else ", or give X in float64."
            self._fail(f"no step lowers the objective any more in {dtype}", advice)
            return
        record = dict(
            iteration=len(self.history) + 1,
            phase=self.phase,
            objective=self.objective.scale * self.position.value,
            learning_rate=length,
            seconds=time.perf_counter() - began,
        )
        self.history.append(record)

    def _criterion(self):
        """Return why the fit may end here, or None."""
        values, tol = self.values, self.tol
        norm, window = self.norm * self.objective.gradient_unit, self.objective.decrease_window
        if norm <= tol:
            return f"max|gradient| {compared(norm, tol)} is at most tol={tol:g}"
        if self.bound.relative(values[-1]) <= self.bound.enough:
            bound = compared(self.suboptimality(), self.bound.enough)
            return f"the objective is proven to be at most {bound} of itself above its minimum"
        if window and len(values) > window and values[-1 - window] - values[-1] <= tol * abs(values[-1]):
            fall = least_fall(tol, self.objective.dtype)
            return f"the objective fell by less than {fall} of itself in {window} iterations"
        return None

    def go_on(self, tol):
        """Take up a fit that has converged, at a lower tolerance."""
        self.tol, self.converged, self.ended = tol, False, False

    def _missing(self):
        """Return in words what the criterion has compared with `tol`, in its units; it is not met."""
        values, tol, window = self.values, self.tol, self.objective.decrease_window
        text = f" with max|gradient| {compared(self.norm * self.objective.gradient_unit, tol)} above tol={tol:g}"
        if window and len(values) > window and values[-1]:
            fall = (values[-1 - window] - values[-1]) / abs(values[-1])
            text += f", and the objective fell by {compared(fall, tol)} of itself in {window} iterations"
        return text

    def suboptimality(self):
        """Return the relative bound at the position, NaN where there is none."""
        if self.proven[1] != len(self.values) and np.isfinite(self.allowed):
            own, running = relative_bound(self.objective, self.position.W, self.position), self.bound
            bound = np.fmin(own, running.relative(self.position.value)) if running.enough else own
            self.proven = float(bound), len(self.values)
        return self.proven[0]

    def _proves(self):
        """Return whether the bound is small enough, or there is none; it is tried where that can succeed."""
        norm, number = self.next_proof
        if self.norm > norm and len(self.values) < number:
            return False
        bound = self.suboptimality()
        if not bound > self.allowed:
            return True
        # the bound falls as the square of the gradient
        self.next_proof = self.norm * max(0.1, 0.8 * (self.allowed / bound) ** 0.5), len(self.values) + _STALLED
        return False

    def _wait(self):
        """Count the iterations without a lower objective or gradient."""
        value, (least, smallest) = self.position.value, self.best
        self.waited = 0 if value < least or self.norm < smallest else self.waited + 1
        self.best = (min(value, least), min(self.norm, smallest))

    def _fail(self, reason, advice):
        """End the fit, which has converged where it had before, or where only a proof was missing."""
        self.ended, met = True, self._criterion()
        if self.converged:
            self.reason = met or self.reason
        elif met is None:
            self.reason, self.advice = f"{reason}{self._missing()}", advice
        elif not self.suboptimality() > self.allowed:
            self.reason, self.converged = met, True
        else:  # as on separable data, where the penalty alone holds the weights
            allowed = self.allowed
            self.reason_at = lambda bound: f"{reason}; {unproven(bound, allowed)}"
            self.reason = self.reason_at(self.suboptimality())
            self.advice = f"{advice[:-1]}; give C=np.inf where no penalty is meant."

    def _moved(self):
        """Return the length of the step to the next position; None where there is none."""
        if self.way is not None:
            return newton_step(self.position, self.way)
        before, gradient = self.position.W.copy(), self.position.gradient
        length = self._proximal_step() if isinstance(self.pairs, ProximalPairs) else self._quasi_newton_step()
        if length is not None:
            self.pairs.add(self.position.W, before, self.position.gradient, gradient)
        return length

    def _quasi_newton_step(self):
        """Return the length of a step along the recursion's direction, or along the gradient; None where none pays."""
        objective, value = self.objective, self.position.value
        noise = max(rounding_of(value, objective.dtype), self.rounding.most)
        while True:
            D = self.pairs.direction(self.steepest, value)
            if objective.l1:
                n = objective.n_penalised
                D[:n][D[:n] * self.steepest[:n] >= 0] = 0
            slope = _kernels.dot(self.steepest.ravel(), D.ravel())
            if np.isfinite(slope) and slope < 0:
                length = (self._within_orthant if objective.l1 else self._along)(D, slope, noise)
                if length is not None:
                    return length
            if not self.pairs.forget():
                return None

    def _proximal_step(self):
        """Return the length of a step to where the model of the objective is least with L1; None where none pays."""
        noise = rounding_of(self.position.value, self.objective.dtype)
        while True:
            D, change = self.pairs.direction(self.position.W, self.position.gradient)
            if np.isfinite(change) and change < 0:
                length, self.position = backtrack_model(self.objective, self.position, D, change, noise)
                if length is not None:
                    return length
            if not self.pairs.forget():
                return None

    def _within_orthant(self, D, slope, noise):
        length, self.position = backtrack(
            self.objective, self.position, D, self.steepest, self.pairs.first_step(), noise
        )
        return length

    def _along(self, D, slope, noise):
        position, phi = self.position, self.position.along(D)
        if self.objective.convex and not position.cheap_trials:
            phi = self.rounding.watched(phi, position.value, slope)
        options = dict(step=self.pairs.first_step(), noise=noise, cheap_trials=position.cheap_trials)
        length = strong_wolfe(phi, position.value, slope, **options)
        if length is not None:
            position.move(length)
        return length
