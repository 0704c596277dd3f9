"""What a point of the dual proves, and that no small problem breaks it."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from skopt_solvers import LinearSVC
from skopt_solvers.solvers import LBFGS, SDCA, AdaGrad

from ..estimator.test_fit import quiet
from ..reference import LOSSES, linear_objective, losses, outputs, penalised, text_like
from .test_dual import MODELS, WITH_DUAL, problem


@pytest.mark.parametrize("name, n_classes", MODELS)
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("C", [0.1, 5.0])
def test_the_lower_bound_holds_and_meets_the_optimum(name, n_classes, fit_intercept, C):
    objective = problem(name, n_classes, C=C, fit_intercept=fit_intercept)
    zeros, rng = np.zeros(objective.shape), np.random.RandomState(0)
    if objective.smooth:
        best = LBFGS().minimize(objective, zeros, max_iter=3000, tol=1e-10).W
    else:
        solver = AdaGrad(schedule="linear", average=True)
        best = solver.minimize(objective, zeros, max_iter=300, tol=0.0, rng=rng, n_iter_no_change=300).W
    reached, ascent = objective.value(best), objective.ascent()
    for epoch in range(2000):
        if epoch:
            ascent.move_center()
        ascent.epoch(epoch << 8)
        bound, value = ascent.lower_bound(), objective.value(ascent.W)
        assert bound <= reached + 1e-12 and bound <= value + 1e-12
        if value - bound <= 1e-7 * value:
            break
    assert value - bound <= 1e-7 * value and value <= reached * (1 + 1e-7)
    model = dict(C=C, l1_ratio=0.0, fit_intercept=fit_intercept, loss=LOSSES[name])
    expected = penalised(ascent.W, objective.X, objective.labels, objective.weights, **model)
    np.testing.assert_allclose(objective.scale * value, expected, rtol=1e-12)
    if objective.smooth:  # the other certificate, which makes its dual point of W alone, is loose for the hinge
        assert objective.suboptimality_bound(ascent.W) <= 1e-3 * objective.scale * value


def test_shares_are_the_derivatives_of_the_losses():
    objective = problem("logistic", 2, fit_intercept=False)
    result = SDCA().minimize(
        objective, np.zeros(objective.shape), max_iter=1000, tol=1e-12, rng=np.random.RandomState(0)
    )
    assert result.converged
    # shares are as far off as the root of the gap, so some epochs more
    result = SDCA().minimize(objective, result.W, max_iter=5, tol=0.0, rng=np.random.RandomState(0), state=result.state)
    margins, labels, h = objective.X @ result.state["W"], objective.labels, 1e-6
    ahead, behind = (losses(margins + step, labels, LOSSES["logistic"]) for step in (h, -h))
    seen = objective.weights > 0
    np.testing.assert_allclose(result.state["shares"][seen, 0], -(ahead - behind)[seen] / (2 * h), atol=1e-5)
    assert not result.state["shares"][~seen].any()


@pytest.mark.parametrize("name", ["logistic", "hinge"])
def test_shares_start_another_penalty(name):
    objective, other = (problem(name, 2, C=C) for C in (1.0, 1.3))
    cold, warm = other.ascent(), objective.ascent()
    for epoch in range(200):
        warm.epoch(epoch << 8)
        warm.move_center()
    warm = other.ascent(warm.shares, warm.W[-1:])
    for ascent in (cold, warm):
        ascent.epoch(1)
    assert other.value(warm.W) < other.value(cold.W)


@pytest.mark.parametrize("name", ["logistic", "squared_hinge"])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("C", [0.01, 1.0])
def test_the_scale_of_the_data_does_not_change_the_course(name, n_classes, C):
    """With C to the opposite it is the same problem, also for the intercept's step."""
    X, labels = text_like(n=100, n_classes=n_classes)
    gaps = []
    for scale in (1.0, 0.125, 16.0):
        options = dict(C=C / scale**2, n_outputs=outputs(n_classes), loss=LOSSES[name])
        objective = linear_objective(X * scale, labels, **options)
        ascent = objective.ascent()
        for epoch in range(20):
            ascent.epoch(epoch << 8)
            ascent.move_center()
        gaps.append(1 - ascent.lower_bound() / objective.value(ascent.W))
    assert max(gaps) < 1e-3


@pytest.mark.parametrize("name", WITH_DUAL)
def test_weights_below_the_range_of_the_type_are_no_weights(name):
    X, labels = text_like(n=60, n_classes=3, dtype=np.float32)
    weights = np.where(np.arange(60) % 5, 1.0, 0.0)
    runs = []
    for least in (0.0, 1e-60, 1e-42):
        objective = linear_objective(X, labels, np.maximum(weights, least), n_outputs=3, loss=LOSSES[name])
        ascent = objective.ascent()
        ascent.epoch(0)
        runs.append(ascent)
        assert (
            np.isfinite(ascent.A).all() and not ascent.A[weights == 0].any() and not ascent.shares[weights == 0].any()
        )
        assert ascent.lower_bound() <= objective.value(ascent.W)
    np.testing.assert_array_equal(runs[1].W, runs[0].W)


FLAT = [
    # classes that no sample has: the loss is straight along their intercepts
    ("narrow_hinge", 4, [0, 1], 1e5),
    ("softmax", 3, [1, 2], 1e-6),
    # one class: the best intercept is infinite
    ("logistic", 1, [1, 1], 1.0),
    ("logistic", 1, [0, 0], 1.0),
]


@pytest.mark.parametrize("name, n_outputs, labels, C", FLAT)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_directions_without_curvature(name, n_outputs, labels, C, dtype):
    X, labels = sp.csr_matrix(np.array([[-1.0], [0.5]], dtype)), np.array(labels, np.int32)
    objective = linear_objective(X, labels, n_outputs=n_outputs, C=C, loss=LOSSES[name])
    zeros = np.zeros(objective.shape, dtype)
    with np.errstate(all="raise", under="ignore"):
        result = SDCA().minimize(objective, zeros, max_iter=50, tol=1e-3, rng=np.random.RandomState(0))
        bound = objective.suboptimality_bound(result.W)
    assert np.isfinite(result.W).all()
    if dtype == np.float64:
        assert bound <= 2e-3 * objective.scale * objective.value(result.W) + 1e-9
        assert result.converged == (name != "logistic")  # there the infimum is 0 and not reached


VALUES = st.sampled_from([0.0, 0.0, 1.0, -1.0, 0.5, 1e-3, -30.0, 1e3])


@st.composite
def problems(draw):
    n, d, n_classes = draw(st.integers(2, 7)), draw(st.integers(1, 4)), draw(st.integers(2, 4))
    dense = np.array(draw(st.lists(VALUES, min_size=n * d, max_size=n * d))).reshape(n, d)
    labels = np.array(draw(st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n)), np.int32)
    weights = np.array(draw(st.lists(st.sampled_from([0.0, 1.0, 1.0, 2.5, 1e-3]), min_size=n, max_size=n)))
    weights[0] = 1.0
    X = sp.csr_matrix(dense.astype(draw(st.sampled_from([np.float32, np.float64]))))
    name = draw(st.sampled_from([name for name in WITH_DUAL if n_classes > 2 or name != "softmax"]))
    options = dict(C=10.0 ** draw(st.integers(-6, 6)), fit_intercept=draw(st.booleans()), loss=LOSSES[name])
    return linear_objective(X, labels, weights, n_outputs=outputs(n_classes), **options)


@given(problems(), st.integers(0, 2**31))
@settings(max_examples=100)
def test_any_small_problem_stays_finite_and_proves_what_is_true(objective, seed):
    """Empty rows and columns, classes of one sample or none, any C: no NaN, and no bound above the value."""
    ascent, eps = objective.ascent(), 256 * float(np.finfo(objective.dtype).eps)
    zero = objective.value(np.zeros_like(ascent.W))
    for epoch in range(6):
        if epoch:
            ascent.move_center()
        ascent.epoch(seed + (epoch << 8))
        value, bound = objective.value(ascent.W), ascent.lower_bound()
        assert np.isfinite(ascent.A).all() and np.isfinite(ascent.W).all() and np.isfinite(ascent.shares).all()
        assert np.isfinite([value, bound, ascent.value()]).all()
        # the dual is a difference of what it gains and |W|^2 / 2, each of which is rounded
        rows = np.abs(objective.X).T @ np.abs(ascent.A)
        noise = eps * (zero + value + objective.l2 * float((rows**2).sum()))
        assert bound <= min(value, zero) + noise


@given(problems(), st.integers(0, 1000))
@settings(max_examples=100)
def test_any_small_fit_is_told_the_truth(objective, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rng, zeros = np.random.RandomState(seed), np.zeros(objective.shape, objective.dtype)
        result = SDCA().minimize(objective, zeros, max_iter=20, tol=1e-3, rng=rng)
    assert np.isfinite(result.W).all() and result.W.dtype == objective.dtype and result.stop_reason
    value = objective.scale * objective.value(result.W)
    rounding = 1e-13 * objective.scale * objective.value_at_zero()
    assert result.history[-1]["objective"] == pytest.approx(value, rel=1e-5, abs=rounding)
    if result.converged and objective.smooth and objective.dtype == np.float64:
        best = LBFGS(start_epochs=0).minimize(objective, zeros, max_iter=200, tol=1e-8).W
        assert value <= objective.scale * objective.value(best) * (1 + 1.1e-3) + 1e-9


def test_a_bound_that_overflows_is_infinite():
    X, y = text_like(n=24, d=5)
    model = LinearSVC(loss="hinge", l1_ratio=0.5, solver="momentum", class_weight={0: 1e300, 1: 1e300}, max_iter=1)
    quiet(model.set_params(random_state=0), X, y)
    assert model.suboptimality_bound(X, y) > 0
