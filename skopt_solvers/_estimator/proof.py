"""The proof at the end of a fit: how far the weights may be from the optimum, whatever the solver was."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone

from .._base.words import compared
from ..schedules import PolynomialDecay, ScheduleSequence
from ..solvers import Result, Solver, StochasticSolver
from ..solvers._base import allowed_suboptimality, relative_bound, unproven

_MOST_IDLE = 10  # calls in a row without an iteration, each with a lower tolerance
_ADVICE = "Raise max_iter, lower tol, scale the features, lower C, or use solver='lbfgs'."


def proven(objective: Any, result: Result, tol: float) -> Result:
    """Give a result the bound that its solver has not made, and let it count.

    The bound costs one pass over the samples. A fit whose bound is above ``100 tol`` has not converged, whatever its
    solver says; where no bound exists, its solver's word stands.
    """
    if np.isnan(result.suboptimality) and np.isfinite(result.W).all():
        result.suboptimality = relative_bound(objective, result.W)
    allowed = allowed_suboptimality(tol)
    if result.converged and result.suboptimality > allowed:
        result.converged = False
        if not result.as_asked:
            result.stop_reason += f"; {unproven(result.suboptimality, allowed)}"
            result.advice = result.advice or _ADVICE
    return result


def check_provable(estimator: Any, solver: Solver, objective: Any) -> None:
    """Raise ValueError where `max_suboptimality` asks for a proof that no fit of this kind has."""
    if estimator.max_suboptimality is None:
        return
    if not solver.minimises_objective:
        reason = f"solver={estimator.solver!r} does not end at the minimum of the objective"
    elif not objective.convex:
        reason = "with missing labels the objective is not convex"
    elif not (objective.l1 or objective.l2):
        reason = f"without a penalty (C={estimator.C}) nothing bounds the distance from the minimum"
    else:
        return
    raise ValueError(f"max_suboptimality must be None here, got {estimator.max_suboptimality!r}: {reason}")


def until_proven(fit: Callable[..., Result], solver: Solver, result: Result, goal: float, options: dict) -> Result:
    """Go on from a result until its bound is at most a goal, or no iterations are left.

    Parameters
    ----------
    fit : callable
        ``fit(solver, W, **options)`` returns a result with its bound.
    solver : Solver
    result : Result
        The result of the first call, made with `options`.
    goal : float
        The bound to reach.
    options : dict
        The arguments of :meth:`Solver.minimize` besides the objective and W.

    Returns
    -------
    Result
        Its history is that of all calls.
    """
    max_iter, tol, told = options["max_iter"], options["tol"], options["callback"]
    round_ = idle = 0
    while result.suboptimality > goal and not result.as_asked and idle < _MOST_IDLE and result.n_iter < max_iter:
        round_, done = round_ + 1, result.n_iter
        # the bound falls as the square of the gradient
        tol *= min(0.5, max(0.1, 0.8 * (goal / result.suboptimality) ** 0.5))
        more = dict(options, tol=tol, max_iter=max_iter - done, callback=_counted_on(told, done))
        if "state" in options:
            more["state"] = result.state
        found = fit(_with_longer_decay(solver, round_, result, max_iter - done), result.W, **more)
        idle = 0 if found.n_iter else idle + 1
        result = replace(found, n_iter=done + found.n_iter, history=result.history + found.history[: found.n_iter])
    bound = result.suboptimality
    if bound <= goal:
        result.converged, result.advice = True, ""
        result.stop_reason = (
            f"the objective is proven to be at most {compared(bound, goal)} of itself above its minimum"
        )
    elif not result.as_asked:
        result.converged = False
        result.stop_reason = f"after {result.n_iter} iterations the objective may be {compared(bound, goal)} of itself "
        result.stop_reason += f"above its minimum, and max_suboptimality={goal:g} is asked"
        result.advice = result.advice or _ADVICE
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
