"""The bound that a fit by L-BFGS has of the gradients on its way: never below the distance, and a reason to end."""

import numpy as np
import pytest

from skopt_solvers import LinearChainCRF
from skopt_solvers.solvers import LBFGS
from skopt_solvers.solvers._base import relative_bound
from skopt_solvers.solvers._running_bound import RunningBound

from ..chain_reference import ChainProblem, random_problem, tagging
from ..reference import text_like


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.4])
@pytest.mark.parametrize("C", [0.5, 30.0])
def test_it_is_never_below_the_distance(C, l1_ratio, dtype, seed):
    problem = random_problem([3, 1, 4, 2, 5, 3], 3, seed, l1_ratio=l1_ratio, C=C)
    exact = problem.objective()
    best = LBFGS().minimize(exact, np.zeros(exact.shape), max_iter=3000, tol=1e-10, allowed=np.inf).W
    least, objective = exact.value(best), problem.objective(dtype)
    bound, seen, values = RunningBound(objective, 1e-4, 0.01), [], []

    def look(W, record):
        position = objective.position(W)
        values.append(position.value)
        bound.add(values, position)
        distance = 1 - least / exact.value(W.astype(float))
        assert distance <= bound.relative(position.value) + 1e-9
        seen.append((bound.relative(position.value), relative_bound(objective, W, position)))

    LBFGS().minimize(objective, np.zeros(exact.shape, dtype), max_iter=60, tol=1e-7, callback=look, allowed=np.inf)
    if len(values) > 20:  # it is begun where the objective falls slowly
        assert seen[-1][0] <= max(seen[-1][1], 2e-5)


@pytest.mark.parametrize("l1_ratio, times", [(0.0, 2.0), (0.3, 1.5)])
def test_it_is_nearer_than_that_of_the_weights(l1_ratio, times):
    """Half of the steps, those from where the objective falls slowly, have bounds that are so many times as near."""
    X, labels = text_like(n=1200, d=600, n_classes=4)
    problem = ChainProblem(X, np.full(120, 10), labels.astype(np.int32), np.ones(120), 4, l1_ratio=l1_ratio, C=10.0)
    objective = problem.objective()
    bound, values, nearer = RunningBound(objective, 1e-4, 0.01), [], []

    def look(W, record):
        position = objective.position(W)
        values.append(position.value)
        bound.add(values, position)
        nearer.append(relative_bound(objective, W, position) / bound.relative(position.value))

    solver = LBFGS(start_epochs=0)
    solver.minimize(objective, np.zeros(objective.shape), max_iter=80, tol=1e-5, callback=look, allowed=np.inf)
    assert np.median(nearer[len(nearer) // 2 :]) > times


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
@pytest.mark.parametrize("tol", [1e-3, 1e-4, 1e-5])
def test_a_fit_ends_where_enough_is_proven(tol, l1_ratio):
    X, y = tagging(n=150, n_features=40, longest=9)
    options = dict(C=2.0, l1_ratio=l1_ratio, max_iter=1000)
    model = LinearChainCRF(tol=tol, **options).fit(X, y)
    best = LinearChainCRF(tol=1e-8, **options).fit(X, y).history_[-1]["objective"]
    distance = 1 - best / model.history_[-1]["objective"]
    assert model.converged_ and distance <= model.suboptimality_ <= 100 * tol
    if not l1_ratio:
        assert model.suboptimality_ <= 20 * tol and "proven" in model.stop_reason_


def test_what_is_asked_is_proven_in_one_go():
    X, y = tagging(n=150, n_features=40, longest=9)
    model = LinearChainCRF(C=20.0, max_suboptimality=1e-6, max_iter=1000).fit(X, y)
    assert model.converged_ and model.suboptimality_ <= 1e-6
    phases = [record["phase"] for record in model.history_]
    assert set(phases) == {"lbfgs"} and [record["iteration"] for record in model.history_] == list(
        range(1, len(phases) + 1)
    )


def test_a_start_at_the_optimum_is_the_end():
    X, y = tagging(n=60)
    model = LinearChainCRF(C=5.0, tol=1e-7, max_iter=1000, warm_start=True).fit(X, y)
    weights = model.coef_.copy()
    model.set_params(tol=1e-4).fit(X, y)
    assert model.n_iter_ == 0 and model.converged_ and (model.coef_ == weights).all()


@pytest.mark.parametrize("change", [dict(C=np.inf), dict(missing=True)])
def test_without_a_proof_the_fall_of_the_objective_ends_a_fit(change):
    X, y = tagging(n=60, noise=3.0)
    if change.pop("missing", False):
        y = [[None if not s % 3 and not t else label for t, label in enumerate(labels)] for s, labels in enumerate(y)]
    model = LinearChainCRF(max_iter=5000, tol=1e-4, **change).fit(X, y)
    assert model.converged_ and np.isnan(model.suboptimality_) and "fell by less than tol" in model.stop_reason_


def test_no_planes_are_made_without_a_criterion():
    objective = random_problem([3, 2], 2, 0).objective()
    for tol, allowed in ((1e-4, np.inf), (0.0, 0.0)):
        bound = RunningBound(objective, tol, allowed)
        bound.add([1.0], objective.position(np.zeros(objective.shape)))
        assert not bound.enough and bound.relative(1.0) == np.inf
