"""Step lengths: the strong Wolfe conditions on any smooth function, and backtracking within an orthant."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from skopt_solvers import LinearChainCRF
from skopt_solvers.objectives._chain import ChainObjective
from skopt_solvers.solvers._base import pseudo_gradient
from skopt_solvers.solvers._line_search import (
    _CURVATURE,
    _SUFFICIENT,
    MAX_TRIALS,
    SeenRounding,
    backtrack,
    strong_wolfe,
)

from ..chain_reference import objective as reference_objective
from ..estimator.test_fit import quiet
from ..reference import LOSSES, linear_objective, outputs, penalised, text_like

UNIT = st.floats(0.01, 1.0)
STEPS = st.floats(1e-4, 1e4)
EXAMPLES = settings(max_examples=100)


class Counted:
    """A function of t that keeps its trials."""

    def __init__(self, function):
        self.function, self.trials = function, []

    def __call__(self, t):
        self.trials.append(t)
        return self.function(t)


def search(function, noise=0.0, **options):
    """The step, with what holds for any function checked: it was tried, it is > 0 and it does not raise phi."""
    phi = Counted(function)
    with np.errstate(all="ignore"):
        value, slope = function(0.0)
        step = strong_wolfe(phi, value, slope, noise=noise, **options)
    assert len(phi.trials) <= 25 and all(t > 0 for t in phi.trials)
    if step is not None:
        assert step in phi.trials
        assert function(step)[0] <= value + noise
    return step


def assert_strong_wolfe(function, step):
    (value, slope), (f, s) = function(0.0), function(step)
    assert f <= value + _SUFFICIENT * step * slope
    assert abs(s) <= _CURVATURE * abs(slope)


def softplus_sum(points, weights, ridge):
    """``sum a log(1 + exp(t - c)) - b t + ridge/2 t^2``: a logistic regression on a line, falling at 0."""
    c, a = np.array(points), np.array(weights)
    b = (a / (1 + np.exp(c))).sum() + 0.3 * a.sum()

    def phi(t):
        sigmoid = 1 / (1 + np.exp(np.clip(c - t, -700, 700)))
        return float((a * np.logaddexp(0, t - c)).sum() - b * t + ridge / 2 * t * t), float(
            (a * sigmoid).sum() - b + ridge * t
        )

    return phi


@EXAMPLES
@given(st.lists(st.tuples(st.floats(-20, 20), UNIT), min_size=1, max_size=6), st.floats(1e-3, 10), STEPS)
def test_conditions_hold_on_convex_functions(points, ridge, first):
    function = softplus_sum(*zip(*points, strict=True), ridge)
    step = search(function, step=first)
    assert_strong_wolfe(function, step)


@EXAMPLES
@given(UNIT, UNIT, UNIT, st.floats(0.5, 3.0), STEPS)
def test_conditions_hold_on_functions_with_many_minima(slope, height, width, frequency, first):
    """A falling line, waves on it, and a quartic that turns it up in the end."""

    def function(t):
        waves = height * np.sin(frequency * t)
        value = -slope * t + waves + (width * t / 10) ** 4
        return value, -slope + height * frequency * np.cos(frequency * t) + 4 * (width / 10) ** 4 * t**3

    assume(function(0.0)[1] < -1e-3)
    assert_strong_wolfe(function, search(function, step=first))


@EXAMPLES
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.floats(-6, 2), STEPS)
def test_conditions_hold_on_random_quartics(coefficients, magnitude, first):
    unit = 10.0**magnitude
    polynomial = np.polynomial.Polynomial([0.0, -1.0, *coefficients[:2], 0.5 + abs(coefficients[2])])
    derivative = polynomial.deriv()

    def function(t):
        return 7.0 + unit * float(polynomial(t)), unit * float(derivative(t))

    # differences of the function that are rounding errors of 7 decide nothing
    step = search(function, noise=1e-15 * 28, step=first)
    assert abs(function(step)[1]) <= _CURVATURE * unit


# phi of the papers: Moré & Thuente (1994), eq. 5.1 to 5.3
MORE_THUENTE = {
    "5.1": lambda t: (-t / (t**2 + 2), (t**2 - 2) / (t**2 + 2) ** 2),
    "5.2": lambda t: ((t + 0.004) ** 5 - 2 * (t + 0.004) ** 4, 5 * (t + 0.004) ** 4 - 8 * (t + 0.004) ** 3),
    "exponential": lambda t: (np.exp(t) - 5 * t, np.exp(t) - 5),
    "narrow": lambda t: (1e6 * (t - 1e-3) ** 2, 2e6 * (t - 1e-3)),
    "flat": lambda t: ((1e-6 * t - 1) ** 4, 4e-6 * (1e-6 * t - 1) ** 3),
}


@pytest.mark.parametrize("name", MORE_THUENTE)
@pytest.mark.parametrize("first", [1e-3, 1e-1, 1.0, 10.0, 1e3])
def test_conditions_hold_on_known_hard_functions(name, first):
    function = MORE_THUENTE[name]
    assert_strong_wolfe(function, search(function, step=first))


def test_a_first_step_that_is_good_is_taken_without_another_trial():
    phi = Counted(lambda t: ((t - 1) ** 2, 2 * (t - 1)))
    assert strong_wolfe(phi, 1.0, -2.0, step=1.0) == 1.0
    assert phi.trials == [1.0]


# Functions that are not finite everywhere


@EXAMPLES
@given(st.floats(1e-3, 1e3), st.sampled_from([np.inf, np.nan, -np.inf]), st.booleans(), STEPS)
def test_regions_without_a_value_are_left(wall, bad, bad_slope_only, first):
    """A barrier: -log(wall - t) falls nowhere, so a line is added that makes its minimum half way to the wall."""

    def function(t):
        if t >= wall:
            return (0.0, bad) if bad_slope_only else (bad, bad)
        return -np.log(wall - t) - 2 * t / wall, 1 / (wall - t) - 2 / wall

    step = search(function, step=first)
    assert step is not None and step < wall
    assert_strong_wolfe(function, step)


def test_overflow_is_left():
    step = search(lambda t: (np.exp(np.float64(t)) - 2 * t, np.exp(np.float64(t)) - 2), step=1e6)
    assert 0 < step < 1.3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_there_is_no_step_where_the_function_is_nowhere_finite(bad):
    assert strong_wolfe(lambda t: (bad, bad), 1.0, -1.0) is None


# No step, and noise


def test_there_is_no_step_where_the_function_only_rises():
    """As a wrong gradient would make it look."""
    assert search(lambda t: (t, -1.0 if t == 0 else 1.0)) is None


@EXAMPLES
@given(st.integers(0, 2**32 - 1), st.floats(0, 3), STEPS)
def test_no_step_raises_the_function_beyond_the_noise(seed, roughness, first):
    """Whatever the function is: here it is rough, and its derivative has nothing to do with it."""
    rng = np.random.RandomState(seed)
    known = {0.0: (1.0, -1.0)}

    def function(t):
        if t not in known:
            known[t] = (1.0 + roughness * rng.randn() * rng.rand() ** 8, rng.randn())
        return known[t]

    search(function, noise=1e-3, step=first)
    search(function, noise=0.0, step=first)


@EXAMPLES
@given(st.floats(1e-9, 1e-3), st.floats(0.1, 10), st.integers(0, 2**32 - 1))
def test_near_the_minimum_the_slope_decides(distance, curvature, seed):
    """Values are rounded more coarsely than they differ; slopes are not: a step is found all the same."""
    rng, eps = np.random.RandomState(seed), 1e-5
    known = {}

    def function(t):
        if t not in known:
            exact = curvature / 2 * (t - distance) ** 2
            known[t] = 1.0 + exact + (eps * rng.uniform(-0.2, 0.2) if t else 0.0), curvature * (t - distance)
        return known[t]

    step = search(function, noise=eps, step=distance)
    assert step is not None and abs(function(step)[1]) <= _CURVATURE * curvature * distance * (1 + 1e-9)


def rough(seed, curvature, rounding):
    """Return a parabola of minimum 1 at 1, whose values are rounded more coarsely than they differ."""
    rng, known = np.random.RandomState(seed), {}

    def function(t):
        if t not in known:
            error = rounding * rng.uniform(-1, 1)
            known[t] = 1.0 + curvature / 2 * (t - 1) ** 2 + error, curvature * (t - 1)
        return known[t]

    return Counted(function)


@pytest.mark.parametrize("first", [0.02, 0.3, 1.0, 1.5, 5.0])
def test_a_search_learns_what_convexity_tells_of_the_rounding(first):
    """It takes few trials, where a search that takes values as they are tries on to the last one."""
    n_learned = n_rough = 0
    for seed in range(50):
        phi, seen = rough(seed, 1e-6, 1e-6), SeenRounding(np.float32)
        value, slope = phi(0.0)
        step = strong_wolfe(seen.watched(phi, value, slope), value, slope, step=first, noise=1e-8)
        assert step is not None and 0 < step < 2 and seen.most <= 2e-6
        n_learned += len(phi.trials) - 1
        raw = rough(seed, 1e-6, 1e-6)
        strong_wolfe(raw, *raw(0.0), step=first, noise=1e-8)
        n_rough += len(raw.trials) - 1
    assert n_learned < 50 * 7 and n_learned < 0.7 * n_rough


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_that_are_right_are_left_alone(dtype):
    function, seen = softplus_sum([0.5, -1.0], [1.0, 2.0], 0.1), SeenRounding(dtype)
    watched = seen.watched(function, *function(0.0))
    for step in (1e-6, 1e-5, 1e-4, 1e-3, 0.1, 1.0, 10.0):
        f, s = watched(step)
        assert s == function(step)[1] and abs(f - function(step)[0]) < 1e-14
    assert seen.most < 1e-14


def test_a_long_step_says_nothing_of_rounding():
    """Its slope is rounded too, and values that are not finite are left to the search."""
    seen = SeenRounding(np.float32)
    watched = seen.watched(lambda t: (2.0, -1.0) if t < 1 else (np.inf, np.nan), 1.0, -1.0)
    assert watched(0.5) == (2.0, -1.0) and watched(1.0)[0] == np.inf and seen.most == 0


def test_falling_forever_ends_with_the_longest_step_tried():
    phi = Counted(lambda t: (-t, -1.0))
    assert strong_wolfe(phi, 0.0, -1.0) == max(phi.trials) == 4.0 ** (MAX_TRIALS - 1)
    assert len(phi.trials) == MAX_TRIALS


# Backtracking for L1


def start(n_classes, seed, l1_ratio=0.7, C=2.0, density=0.5):
    """An objective with L1, a point with zeros, the position there, and the steepest descent."""
    X, labels = text_like(n_classes=n_classes)
    model = dict(C=C, l1_ratio=l1_ratio, fit_intercept=True, loss=LOSSES["logistic" if n_classes == 2 else "softmax"])
    objective = linear_objective(X, labels, n_outputs=outputs(n_classes), **model)
    rng = np.random.RandomState(seed)
    W = rng.randn(*objective.shape) * (rng.rand(*objective.shape) < density)
    position = objective.position(W)

    def F(V):
        return penalised(V, X, labels, np.ones(len(labels)), **model) / objective.scale

    return objective, F, position, pseudo_gradient(objective, W, position.gradient)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("first", [1e-2, 1.0, 100.0])
def test_backtracking_stays_in_the_orthant_and_lowers_the_objective(n_classes, seed, first):
    objective, F, position, steepest = start(n_classes, seed)
    W, n = position.W.copy(), objective.n_penalised
    scaling = 0.1 + np.random.RandomState(seed).rand(*W.shape)
    step, moved = backtrack(objective, position, -scaling * steepest, steepest, first, 0.0)
    assert 0 < step <= first and np.log2(first / step) == pytest.approx(round(np.log2(first / step)))
    orthant = np.where(W[:n] != 0, np.sign(W[:n]), -np.sign(steepest[:n]))
    assert (moved.W[:n] * orthant >= 0).all()
    assert not moved.W[:n][orthant == 0].any()
    leaves_zero = (W[:n] == 0) & (steepest[:n] != 0)
    assert leaves_zero.any() and moved.W[:n][leaves_zero].all()
    assert F(moved.W) <= F(W) + _SUFFICIENT * np.vdot(steepest, moved.W - W) + 1e-14
    assert np.vdot(steepest, moved.W - W) < 0
    np.testing.assert_allclose(moved.value, F(moved.W), rtol=1e-12)
    np.testing.assert_array_equal(position.W, W)


def test_backtracking_puts_weights_that_would_cross_zero_on_it():
    objective, _, position, steepest = start(2, seed=0)
    _, moved = backtrack(objective, position, -steepest, steepest, 1e3, 0.0)
    n = objective.n_penalised
    free = position.W[:n] - 1e3 * steepest[:n]
    assert ((moved.W[:n] == 0) & (position.W[:n] != 0) & (np.sign(free) != np.sign(position.W[:n]))).any()


def test_backtracking_finds_nothing_uphill_or_at_the_same_point():
    objective, _, position, steepest = start(2, seed=0)
    for D in (steepest, np.zeros_like(steepest)):
        step, same = backtrack(objective, position, D, steepest, 1.0, 0.0)
        assert step is None and same is position


@pytest.mark.parametrize("seed", range(5))
def test_pseudo_gradient_is_the_least_subgradient(seed):
    """Its entries are the one-sided derivative where that is downhill, else 0; the intercept has no L1."""
    _, F, position, steepest = start(2, seed)
    W, h = position.W, 1e-7
    for i in range(len(W)):
        move = np.zeros_like(W)
        move[i] = h
        right, left = (F(W + move) - F(W)) / h, (F(W) - F(W - move)) / h
        expected = right if right < 0 else left if left > 0 else 0.0
        np.testing.assert_allclose(steepest[i, 0], expected, atol=1e-6)


@pytest.mark.parametrize("C", [1.0, 100.0])
def test_rounding_costs_a_crf_no_evaluations(monkeypatch, C):
    """In float32 it took three to six an iteration here, where the line search took rounding for a rise."""
    rng = np.random.RandomState(0)
    rows = [rng.rand(8, 30).astype(np.float32) for _ in range(150)]
    labels = [[int(x[:3].argmax()) if rng.rand() < 0.8 else 1 for x in X] for X in rows]
    evaluate, n_evaluations = ChainObjective.value_and_gradient, []
    monkeypatch.setattr(
        ChainObjective, "value_and_gradient", lambda self, W: n_evaluations.append(1) or evaluate(self, W)
    )
    model = LinearChainCRF(C=C, tol=0, max_iter=200, random_state=0)
    quiet(model, rows, labels)
    assert 30 < model.n_iter_ < 200 and len(n_evaluations) < 1.5 * model.n_iter_
    rows = [X.astype(np.float64) for X in rows]
    exact = quiet(LinearChainCRF(C=C, tol=1e-9, max_iter=500, random_state=0), rows, labels)
    reached, least = (reference_objective(fitted, rows, labels) for fitted in (model, exact))
    assert reached < (1 + 1e-7) * least
