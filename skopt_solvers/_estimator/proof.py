"""The proof at the end of a fit: how far the weights may be from the optimum, whatever the solver was."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone

from .._base.memory import ALWAYS_FREE, free_bytes
from .._base.words import compared
from ..schedules import PolynomialDecay, ScheduleSequence
from ..solvers import LBFGS, Result, Solver, StochasticSolver
from ..solvers._base import allowed_suboptimality, relative_bound, remedies, unproven
from ..solvers._nearer_bound import nearer_bound, nearer_bytes

_MOST_IDLE = 10  # calls in a row without an iteration, each with a lower tolerance


def proven(objective: Any, result: Result, tol: float, goal: float | None = None) -> Result:
    """Give a result the bound that its solver has not made, and let it count.

    The bound costs one pass over the samples, and one that is nearer to the truth, which is sought where the first is
    above ``100 tol`` or a goal, as much as one or two epochs. A fit whose bound is above ``100 tol`` has not converged,
    whatever its solver says; where no bound exists, its solver's word stands.
    """
    allowed = allowed_suboptimality(tol)
    if np.isfinite(result.W).all():
        if np.isnan(result.suboptimality):
            result.suboptimality = relative_bound(objective, result.W)
        result.suboptimality = nearest_bound(objective, result.W, result.suboptimality, goal_of(tol, goal))
    if result.reason_at is not None:
        result.converged = result.suboptimality <= allowed
        result.stop_reason = result.reason_at(result.suboptimality)
        result.advice = "" if result.converged else result.advice
    if result.converged and result.suboptimality > allowed:
        result.converged = False
        if not result.as_asked:
            result.stop_reason += f"; {unproven(result.suboptimality, allowed)}"
            result.advice = result.advice or remedies(objective, f"set max_suboptimality={allowed:g} to go on")
    return result


def goal_of(tol: float, max_suboptimality: float | None) -> float:
    """Return the relative bound that is asked for: ``100 tol``, or what a user asks if that is less."""
    allowed = allowed_suboptimality(tol)
    return allowed if max_suboptimality is None else min(allowed, max_suboptimality)


def nearest_bound(objective: Any, W: np.ndarray, bound: float, allowed: float) -> float:
    """Return a relative bound that is at most a known one: a nearer one where that is above what is allowed.

    With nothing allowed (``tol=0``) none is sought, and none where its tables may not find room.
    """
    if not bound > allowed > 0:
        return bound
    need = nearer_bytes(objective)
    return bound if need > ALWAYS_FREE and need > free_bytes() else nearer_bound(objective, W, bound, allowed)


def check_provable(estimator: Any, solver: Solver, objective: Any) -> None:
    """Raise ValueError where `max_suboptimality` asks for a proof that no fit of this kind has."""
    if not solver.minimises_objective:
        reason = f"solver={estimator.solver!r} does not end at the minimum of the objective"
    elif not objective.convex:
        reason = "with missing labels the objective is not convex"
    elif not (objective.l1 or objective.l2):
        reason = f"without a penalty (C={estimator.C}) nothing bounds the distance from the minimum"
    else:
        return
    refuse_proof(estimator, reason)


def refuse_proof(estimator: Any, reason: str) -> None:
    """Raise ValueError where `max_suboptimality` is given to a fit that, for a reason, cannot go on until it is met."""
    if estimator.max_suboptimality is not None:
        raise ValueError(f"max_suboptimality must be None here, got {estimator.max_suboptimality!r}: {reason}")


def until_proven(
    fit: Callable[..., Result], problem: tuple[Solver, Any], result: Result, asked: float, options: dict
) -> Result:
    """Go on from a result until its bound is what is asked and what the tolerance allows, or no iterations are left.

    Parameters
    ----------
    fit : callable
        ``fit(solver, W, **options)`` returns a result with its bound.
    problem : tuple of Solver and Objective
    result : Result
        The result of the first call, made with `options`.
    asked : float
        The bound to reach.
    options : dict
        The arguments of :meth:`Solver.minimize` besides the objective and W.

    Returns
    -------
    Result
        Its history is that of all calls.
    """
    max_iter, tol, monitor = options["max_iter"], options["tol"], options["callback"]
    solver, objective = problem
    goal, ended = goal_of(tol, asked), lambda: result.as_asked or monitor.stopped is not None
    round_ = idle = 0
    while result.suboptimality > goal and not ended() and idle < _MOST_IDLE and result.n_iter < max_iter:
        round_, done = round_ + 1, result.n_iter
        # the bound falls as the square of the gradient
        tol *= min(0.5, max(0.1, 0.8 * (goal / result.suboptimality) ** 0.5))
        more = dict(options, tol=tol, max_iter=max_iter - done, callback=_counted_on(monitor, done))
        if "state" in options:
            more["state"] = result.state
        found = fit(_with_longer_decay(solver, round_, result, max_iter - done), result.W, **more)
        idle = 0 if found.n_iter else idle + 1
        steps = [record for record in found.history if record.get("iteration", 1)]
        result = replace(found, n_iter=done + found.n_iter, history=result.history + steps)
    bound = result.suboptimality
    if bound <= goal:
        result.converged, result.advice = True, ""
        result.stop_reason = (
            f"the objective is proven to be at most {compared(bound, goal)} of itself above its minimum"
        )
    elif not ended():
        result.converged = False
        by, name = ("max_suboptimality",) * 2 if goal == asked else ("100 tol", "tol")
        result.stop_reason = f"after {result.n_iter} iterations {unproven(bound, goal, by)}"
        way = f"raise max_iter or {name}" if result.n_iter >= max_iter else f"raise {name}"
        result.advice = remedies(objective, way, lbfgs=not isinstance(solver, LBFGS))
    return result


def _counted_on(callback: Callable[..., Any], done: int) -> Callable[..., Any]:
    """Return a callback whose records count on from the iterations that are done."""

    offset: list[int] = []  # 0 where the solver counts on itself

    def counted(W: np.ndarray, record: dict[str, Any]) -> Any:
        if not offset:
            offset.append(done if record["iteration"] <= done else 0)
        record["iteration"] += offset[0]
        return callback(W, record)

    return counted


def _with_longer_decay(solver: Solver, round_: int, result: Result, left: int) -> Solver:
    """Return a solver for one more round, whose own schedule comes to zero twice as late, or where none are left."""
    if not isinstance(solver, StochasticSolver) or solver.schedule != "auto" or result.state is None:
        return solver
    first = result.n_iter / (2**round_ - 1)
    decay = PolynomialDecay(min(first * 2**round_, left))
    return clone(solver).set_params(schedule=ScheduleSequence(["constant", decay], boundaries=[result.state["epoch"]]))
