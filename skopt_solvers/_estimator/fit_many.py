"""Fit several estimators to the same data: each batch, or row of an epoch of the dual, is read once for all of them."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.utils import check_random_state

from .._base.memory import free_bytes
from .._base.parameters_alike import set_alike
from .._base.rollback import unchanged_on_failure
from ..solvers._together import TimeIsOver, minimise_together
from .base import SolverEstimator, resolved_solver
from .known_chunks import record_of_fit
from .shared_fits import fits_by
from .unconverged import tell_unconverged, unconverged_told_to

MOST_OUTPUTS = 64  # side by side
# Parameters in which estimators that are fitted together may differ.
_OF_EACH = ("C", "l1_ratio", "solver", "max_iter", "tol", "n_iter_no_change", "verbose", "max_time", "callback")
_OF_EACH_SOLVER = ("learning_rate", "schedule")
_LEARNED = ("n_features_in_", "feature_names_in_")


def fit_each(
    estimators: Sequence[Any], X: Any, y: Any, weights: Sequence[Any], until: Sequence[float] | None = None
) -> list[BaseException | None]:
    """Fit estimators in place, together where that is possible; return what the fit of each raised, or None.

    Parameters
    ----------
    estimators : sequence of estimators
    X, y : as their `fit` takes them
    weights : sequence of array-like or None
        The sample weights for each estimator.
    until : sequence of float, optional
        The ``time.time()`` after which those that are fitted together are given up, each by a TimeIsOver.

    Returns
    -------
    list of Exception, TimeIsOver or None
    """
    errors: list[BaseException | None] = [None] * len(estimators)
    for group in fitted_together(estimators, weights):
        limits = None if until is None else [until[i] for i in group]
        found = _fit_group([estimators[i] for i in group], X, y, weights[group[0]], limits)
        for i, error in zip(group, found, strict=True):
            errors[i] = error
    return errors


class ExpectedFits:
    """The fits of some estimators to the same data, which are made together when the first is asked for.

    Parameters
    ----------
    estimators : sequence of estimators
        As they will be when they are fitted; they are fitted themselves, and others take their attributes. Those that
        share nothing are left out.
    until : sequence of float, optional
        As :func:`fit_each` takes it.

    Attributes
    ----------
    n_passes, n_fits : int
        How often fits were made together, and how many they were in all.
    """

    def __init__(self, estimators: Sequence[Any], until: Sequence[float] | None = None) -> None:
        groups = fitted_together(estimators, [None] * len(estimators))
        self.groups = [[estimators[i] for i in group] for group in groups if len(group) > 1]
        self.until = [[until[i] if until else np.inf for i in group] for group in groups if len(group) > 1]
        self.parameters = [[estimator.get_params(deep=False) for estimator in group] for group in self.groups]
        self.data: dict[int, tuple[Any, ...]] = {}
        self.errors: dict[int, Sequence[BaseException | None]] = {}
        self.texts: dict[int, Sequence[str | None]] = {}
        self.n_passes = self.n_fits = 0

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any) -> bool:
        """Return whether the estimator has been given the attributes of such a fit; raise what that has raised."""
        parameters = estimator.get_params(deep=False)
        for number, group in enumerate(self.groups):
            if type(group[0]) is not type(estimator):
                continue
            place = next((i for i, own in enumerate(self.parameters[number]) if set_alike(own, parameters)), None)
            if place is not None:
                return self._taken(number, place, estimator, (X, y, sample_weight))
        return False

    def _taken(self, number: int, place: int, estimator: Any, data: tuple[Any, ...]) -> bool:
        group = self.groups[number]
        if number not in self.data:
            texts: list[tuple[Any, str]] = []
            with fits_by(None), unconverged_told_to(lambda *told: texts.append(told)):
                self.errors[number] = _fit_group(group, *data, self.until[number])
            self.texts[number] = [next((text for one, text in texts if one is fit), None) for fit in group]
            self.data[number] = data
            self.n_passes, self.n_fits = self.n_passes + 1, self.n_fits + len(group)
        elif not all(map(same_data, data, self.data[number])):
            return False
        error = self.errors[number][place]
        if error is not None:
            raise error
        vars(estimator).update(vars(group[place]))
        text = self.texts[number][place]
        if text is not None:
            tell_unconverged(estimator, text)
        return True


def same_data(a: Any, b: Any) -> bool:
    """Return whether two X, y or weights are the same objects or equal arrays."""
    if a is not b and sp.issparse(a) and sp.issparse(b):
        if a.format != "csr" or b.format != "csr" or a.shape != b.shape or a.dtype != b.dtype:
            return False
        return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("indptr", "indices", "data"))
    return set_alike(a, b)


def _fit_group(
    estimators: Sequence[Any], X: Any, y: Any, weights: Any, until: Sequence[float] | None
) -> Sequence[BaseException | None]:
    """Fit estimators that :func:`fitted_together` has put together."""
    found = _fit_together(estimators, X, y, weights, until) if len(estimators) > 1 else None
    return [_fit_alone(estimator, X, y, weights) for estimator in estimators] if found is None else found


def _fit_alone(estimator: Any, X: Any, y: Any, weights: Any) -> Exception | None:
    try:
        estimator.fit(X, y, **({} if weights is None else {"sample_weight": weights}))
    except Exception as error:
        return error
    return None


def fitted_together(estimators: Sequence[Any], weights: Sequence[Any]) -> list[list[int]]:
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
    if estimator.max_suboptimality is not None:
        return None
    if isinstance(estimator.random_state, np.random.RandomState) or hasattr(estimator, "_skl_callbacks"):
        return None
    try:
        estimator.__skopt_check__()
        solver = resolved_solver(estimator)
    except (TypeError, ValueError):  # its own fit says what is wrong
        return None
    if not solver.shares_epochs:
        return None
    common = {name: value for name, value in estimator.get_params(deep=False).items() if name not in _OF_EACH}
    constants = {name: value for name, value in solver.get_params(deep=False).items() if name not in _OF_EACH_SOLVER}
    return type(estimator), common, type(solver), constants, weights


def _fit_together(
    estimators: Sequence[Any], X: Any, y: Any, weights: Any, until: Sequence[float] | None
) -> list[BaseException | None] | None:
    """Fit estimators of one group; None where the data do not allow it, and nothing is fitted."""
    try:
        reader = clone(estimators[0])
        data = reader.__skopt_data__(X, y, weights)
        problem = data.problem()
        seen = problem.amount, problem.mass, record_of_fit(resolved_solver(reader), data, problem)
        del data  # X in another form
        problem = problem.on_few_columns()
        size = _most_together(reader, problem)
    except Exception:  # each fit says what is wrong
        return None
    # without a seed the order of the samples is drawn once for all
    seed = estimators[0].random_state
    seed = check_random_state(None).randint(2**31) if seed is None else seed
    learned = {name: value for name, value in vars(reader).items() if name in _LEARNED}
    before = [vars(estimator).copy() for estimator in estimators]
    errors: list[BaseException | None] = []
    with ExitStack() as stack:
        for estimator in estimators:
            stack.enter_context(unchanged_on_failure(estimator))
        for begin in range(0, len(estimators), size):
            limits = None if until is None else until[begin : begin + size]
            errors += _fit_part(estimators[begin : begin + size], problem, seed, (seen, learned), limits)
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
    estimators: Sequence[Any],
    problem: Any,
    seed: Any,
    facts: tuple[tuple[Any, Any, bytes], dict[str, Any]],
    until: Sequence[float] | None,
) -> list[BaseException | None]:
    runs, errors, limits, (seen, learned) = [], [], [], facts
    for i, estimator in enumerate(estimators):
        try:
            vars(estimator).update(learned)
            runs.append(estimator.__skopt_run__(problem, check_random_state(seed)))
            runs[-1].objective.facts = runs[0].objective.facts
            limits.append(np.inf if until is None else until[i])
            errors.append(None)
        except Exception as error:
            errors.append(error)
    with np.errstate(all="ignore"):  # what overflows shows in the results
        results = iter(minimise_together([run.epochs() for run in runs], limits))
    runs = iter(runs)
    for i, estimator in enumerate(estimators):
        if errors[i] is None:
            run, result = next(runs), next(results)
            try:
                if isinstance(result, BaseException):
                    raise result
                estimator.__skopt_keep__(run, result, seen)
            except (Exception, TimeIsOver) as error:
                errors[i] = error
    return errors
