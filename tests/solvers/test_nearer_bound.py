"""The bound that is sought where the weights alone prove too little: never below the distance, and near to it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from skopt_solvers import LinearChainCRF, LinearSVC
from skopt_solvers.objectives._planes import Planes, simplex_maximum
from skopt_solvers.solvers import LBFGS, SDCA, SOLVERS
from skopt_solvers.solvers._base import relative_bound
from skopt_solvers.solvers._nearer_bound import nearer_bound

from ..chain_reference import random_problem as random_chain
from ..chain_reference import tagging
from ..estimator.test_fit import quiet
from ..exact import random_problem
from ..reference import LOSSES, linear_objective, outputs, text_like


def reached(objective):
    """Return the optimum of an objective, to many digits."""
    zeros = np.zeros(objective.shape, objective.dtype)
    if objective.smooth:
        return LBFGS().minimize(objective, zeros, max_iter=5000, tol=1e-11).W
    fit = SDCA().minimize(objective, zeros, max_iter=3000, tol=1e-8, rng=np.random.RandomState(0))
    assert fit.converged
    return fit.W


def around(best, rng, size):
    """Return weights at a distance from others, relative to these."""
    return (best + size * np.abs(best).mean() * rng.randn(*best.shape)).astype(best.dtype)


CASES = [(name, 2 if name in ("logistic", "modified_huber") else 3, l1) for name in LOSSES for l1 in (0.0, 0.5)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name, n_classes, l1_ratio", CASES)
def test_it_is_between_the_distance_and_the_bound_of_the_weights(name, n_classes, l1_ratio, dtype):
    loss = LOSSES[name]
    if not loss.smooth and (l1_ratio or loss.dual_obstacle):
        pytest.skip("no solver here has the optimum")
    X, labels = text_like(n=150, d=60, n_classes=n_classes)
    options = dict(n_outputs=3 if name == "softmax" else outputs(n_classes), C=5.0, l1_ratio=l1_ratio, loss=loss)
    exact = linear_objective(X, labels, **options)
    best = reached(exact)
    least, rng = exact.value(best), np.random.RandomState(0)
    objective = linear_objective(X.astype(dtype), labels, **options)
    for size in (0.01, 0.1, 1.0):
        W = around(best.astype(dtype), rng, size)
        distance, bound = 1 - least / exact.value(W.astype(float)), relative_bound(objective, W)
        nearer = nearer_bound(objective, W, bound, 0.0)
        assert distance - 1e-6 <= nearer <= bound
        assert nearer_bound(objective, W, bound, 1.0) <= bound  # ends at once
        if loss.dual_obstacle is None:
            assert nearer <= max(3 * distance, distance + 0.02), (bound, nearer, distance)


@pytest.mark.parametrize("seed", range(30))
def test_hard_problems_with_their_exact_optimum(seed):
    problem = random_problem(seed)
    optimum = problem.optimum()
    if optimum is None:
        pytest.skip("the exact solver is not sure of its optimum")
    for solver in SOLVERS:
        model = problem.estimator(solver, max_iter=30)
        try:
            quiet(model, problem.X, problem.y)
        except ValueError:  # no method for this loss or penalty
            continue
        value = model.history_[-1]["objective"]
        distance = (value - optimum) / value
        assert distance <= model.suboptimality_ + 1e-6
        if not problem.l1_ratio and 0.01 < distance < 0.5:
            assert model.suboptimality_ <= (5 if problem.loss == "hinge" else 1.5) * distance, (solver, problem)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([0.05, 1.0, 50.0]),
    st.sampled_from([0.0, 0.1, 1.0, 10.0]),
    st.sampled_from([np.float32, np.float64]),
)
def test_planes_never_pass_the_optimum(seed, l1_ratio, C, size, dtype):
    problem = random_chain([3, 1, 4, 2, 3], 3, seed, l1_ratio=l1_ratio, C=C)
    exact = problem.objective()
    best = LBFGS().minimize(exact, np.zeros(exact.shape), max_iter=3000, tol=1e-10).W
    least, objective, rng = exact.value(best), problem.objective(dtype), np.random.RandomState(seed)
    planes, bounds = objective.planes(), []
    for _ in range(6):
        bounds.append(planes.add(objective.position(around(best.astype(dtype), rng, size))))
    rounding = 64 * float(np.finfo(dtype).eps) * least + 1e-9 * least
    assert max(bounds) <= least + rounding
    if not l1_ratio:
        assert all(after >= before - rounding for before, after in pairwise(bounds))


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
@pytest.mark.parametrize("solver", ["momentum", "adagrad", "adam"])
def test_the_bound_of_a_stochastic_crf_is_nearer_than_that_of_its_weights(solver, l1_ratio):
    X, y = tagging(n=120, n_features=30, longest=9)
    options = dict(C=5.0, l1_ratio=l1_ratio, random_state=0)
    least = quiet(LinearChainCRF(tol=1e-7, max_iter=2000, **options), X, y).history_[-1]["objective"]
    fit = quiet(LinearChainCRF(solver=solver, max_iter=8, **options), X, y)
    value = fit.history_[-1]["objective"]
    distance = 1 - least / value
    assert distance <= fit.suboptimality_ + 1e-6
    alone = quiet(LinearChainCRF(solver=solver, max_iter=8, **options, tol=0.0, n_iter_no_change=99), X, y)
    assert alone.history_[-1]["objective"] == value
    assert fit.suboptimality_ <= max(0.01, 0.98 * alone.suboptimality_)
    assert solver == "momentum" or fit.suboptimality_ < 0.7 * alone.suboptimality_


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_the_maximum_over_shares(seed, n):
    rng = np.random.RandomState(seed)
    c, A = rng.randn(n), rng.randn(n, 3)
    Q = A @ A.T
    shares = simplex_maximum(c, Q)
    assert shares.min() >= 0 and shares.sum() <= 1 + 1e-12
    negative = lambda x: x @ Q @ x / 2 - c @ x  # noqa: E731
    inside = dict(type="ineq", fun=lambda x: 1 - x.sum())
    expected = minimize(negative, np.full(n, 0.5 / n), bounds=[(0, 1)] * n, constraints=inside, tol=1e-12)
    assert negative(shares) <= expected.fun + 1e-3


def test_two_planes_are_better_than_one():
    objective = random_chain([3, 4, 2], 2, 1, C=10.0).objective()
    best = reached(objective)
    points = [objective.position(around(best, np.random.RandomState(seed), 0.5)) for seed in (0, 1)]
    alone = [Planes(objective).add(point) for point in points]
    planes = objective.planes()
    planes.add(points[0])
    assert planes.add(points[1]) > max(alone)


def test_what_is_told_is_the_bound_that_was_found():
    X, labels = text_like(n=400, d=100, length=20)
    model = LinearSVC(loss="hinge", solver="adagrad", random_state=0, C=1.0)
    fit = quiet(model, X, labels)
    value = fit.history_[-1]["objective"]
    assert fit.converged_ == (fit.suboptimality_ <= 0.01) and f"gap of {fit.suboptimality_:.2g} " in fit.stop_reason_
    # what is asked for alone is not sought with tol=0, where nothing would be enough
    loose = quiet(LinearSVC(loss="hinge", solver="adagrad", random_state=0, tol=0.0, n_iter_no_change=99), X, labels)
    assert loose.history_[-1]["objective"] == value and loose.suboptimality_ > 2 * fit.suboptimality_
    assert fit.suboptimality_bound(X, labels) == pytest.approx(fit.suboptimality_ * value, rel=0.05)
