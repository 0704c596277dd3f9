"""Fit several estimators to the same data: stochastic solvers read each batch once for all of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from .._base.parameters_alike import set_alike
from ..solvers import StochasticSolver
from ..solvers._together import minimise_together
from .base import SolverEstimator, resolved_solver
from .memory import free_bytes

MOST_OUTPUTS = 64  # side by side
# Parameters in which estimators that are fitted together may differ.
_OF_EACH = ("C", "l1_ratio", "solver", "max_iter", "tol", "n_iter_no_change", "verbose", "max_time", "callback")
_LEARNED = ("n_features_in_", "feature_names_in_")


def fit_each(estimators: Sequence[Any], X: Any, y: Any, weights: Sequence[Any]) -> list[Exception | None]:
    """Fit estimators in place, together where that is possible; return what the fit of each raised, or None.

    Parameters
    ----------
    estimators : sequence of estimators
    X, y : as their `fit` takes them
    weights : sequence of array-like or None
        The sample weights for each estimator.

    Returns
    -------
    list of Exception or None
    """
    errors: list[Exception | None] = [None] * len(estimators)
    for group in _groups(estimators, weights):
        members, own = [estimators[i] for i in group], weights[group[0]]
        found = _fit_together(members, X, y, own) if len(group) > 1 else None
        if found is None:
            found = [_fit_alone(estimator, X, y, own) for estimator in members]
        for i, error in zip(group, found, strict=True):
            errors[i] = error
    return errors


def _fit_alone(estimator: Any, X: Any, y: Any, weights: Any) -> Exception | None:
    try:
        estimator.fit(X, y, **({} if weights is None else {"sample_weight": weights}))
    except Exception as error:
        return error
    return None


def _groups(estimators: Sequence[Any], weights: Sequence[Any]) -> list[list[int]]:
    """Return the numbers of the estimators that are fitted together; most are alone."""
    groups: list[list[int]] = []
    keys: list[Any] = []
    for i, estimator in enumerate(estimators):
        key = _key(estimator, weights[i])
        place = None if key is None else next((k for k, other in enumerate(keys) if set_alike(key, other)), None)
        if place is None:
            groups.append([i])
            keys.append(key)
        else:
            groups[place].append(i)
    return groups


def _key(estimator: Any, weights: Any) -> tuple[Any, ...] | None:
    """Return what estimators that are fitted together have in common; None where one is fitted alone."""
    if not isinstance(estimator, SolverEstimator) or not estimator.__skopt_shares_epochs__:
        return None
    if estimator.warm_start or estimator.early_stopping or estimator.interrupt != "raise":
        return None
    if isinstance(estimator.random_state, np.random.RandomState) or hasattr(estimator, "_skl_callbacks"):
        return None
    try:
        solver = resolved_solver(estimator)
    except (TypeError, ValueError):  # its own fit says what is wrong
        return None
    if not isinstance(solver, StochasticSolver) or not solver.shares_epochs:
        return None
    common = {name: value for name, value in estimator.get_params(deep=False).items() if name not in _OF_EACH}
    tables = {name: table.shape for name, table in solver.init(np.zeros((1, 1))).items()}
    return type(estimator), common, type(solver), solver.batch_size, tables, weights


def _fit_together(estimators: Sequence[Any], X: Any, y: Any, weights: Any) -> list[Exception | None] | None:
    """Fit estimators of one group; None where the data or the parameters do not allow it, and nothing is fitted."""
    try:
        for estimator in estimators:
            estimator.__skopt_check__()
        reader = clone(estimators[0])
        problem = reader.__skopt_data__(X, y, weights).problem()
    except Exception:  # each fit says what is wrong
        return None
    seen = problem.amount, problem.mass
    problem = problem.on_few_columns()
    # without a seed the order of the samples is drawn once for all
    seed = estimators[0].random_state
    seed = check_random_state(None).randint(2**31) if seed is None else seed
    learned = {name: value for name, value in vars(reader).items() if name in _LEARNED}
    before = [vars(estimator).copy() for estimator in estimators]
    errors: list[Exception | None] = []
    try:
        size = _most_together(reader, problem)
        for begin in range(0, len(estimators), size):
            errors += _fit_part(estimators[begin : begin + size], problem, seed, seen, learned)
    except BaseException:
        for estimator, attributes in zip(estimators, before, strict=True):
            estimator.__dict__ = attributes
        raise
    for estimator, attributes, error in zip(estimators, before, errors, strict=True):
        if error is not None:
            estimator.__dict__ = attributes
    return errors


def _most_together(reader: Any, problem: Any) -> int:
    """Return how many fits go together: as many as the outputs and the memory allow."""
    run = reader.__skopt_run__(problem, check_random_state(0))
    # each has its own tables, and a part of those that are side by side
    each = 2 * run.solver.peak_bytes(run.objective)
    return max(1, min(MOST_OUTPUTS // run.objective.shape[1], int(free_bytes() // each)))


def _fit_part(
    estimators: Sequence[Any], problem: Any, seed: Any, seen: tuple[Any, Any], learned: dict[str, Any]
) -> list[Exception | None]:
    runs, errors = [], []
    for estimator in estimators:
        try:
            vars(estimator).update(learned)
            runs.append(estimator.__skopt_run__(problem, check_random_state(seed)))
            errors.append(None)
        except Exception as error:
            errors.append(error)
    with np.errstate(all="ignore"):  # what overflows shows in the results
        results = iter(minimise_together([run.epochs() for run in runs]))
    runs = iter(runs)
    for i, estimator in enumerate(estimators):
        if errors[i] is None:
            run, result = next(runs), next(results)
            try:
                if isinstance(result, Exception):
                    raise result
                estimator.__skopt_keep__(run, result, seen)
            except Exception as error:
                errors[i] = error
    return errors
