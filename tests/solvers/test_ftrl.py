"""FTRL-Proximal against algorithm 1 of its paper, its zeros in a stream, and where it ends."""

import numpy as np
import pytest
from scipy.special import expit

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.schedules import ExponentialDecay
from skopt_solvers.solvers import FTRL

from ..chain_reference import tagging
from ..estimator.test_fit import quiet
from ..reference import linear_objective, text_like, without_native


def algorithm_1(X, y, alpha, beta, l1, l2):
    """McMahan et al. (2013), line by line, a sample and then a coordinate at a time; the intercept has no lambda."""
    n_features = X.shape[1] + 1
    z, n, w = np.zeros(n_features), np.zeros(n_features), np.zeros(n_features)
    for t in range(X.shape[0]):
        x = X[t]
        touched = [*zip(x.indices, x.data, strict=True), (n_features - 1, 1.0)]
        for i, _ in touched:
            lambda_1, lambda_2 = (l1, l2) if i < n_features - 1 else (0.0, 0.0)
            w[i] = 0.0
            if abs(z[i]) > lambda_1:
                w[i] = -(z[i] - np.sign(z[i]) * lambda_1) / ((beta + np.sqrt(n[i])) / alpha + lambda_2)
        p = expit(sum(w[i] * value for i, value in touched))
        for i, value in touched:
            g = (p - y[t]) * value
            sigma = (np.sqrt(n[i] + g**2) - np.sqrt(n[i])) / alpha
            z[i] += g - sigma * w[i]
            n[i] += g**2
    # the weights that the next sample would find
    lambdas = np.r_[np.full(n_features - 1, 1.0), 0.0]
    return np.where(
        np.abs(z) > l1 * lambdas,
        -(z - np.sign(z) * l1 * lambdas) / ((beta + np.sqrt(n)) / alpha + l2 * lambdas),
        0.0,
    )


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("l1, l2", [(0.0, 0.0), (0.6, 0.0), (0.0, 0.5), (0.5, 0.3)])
def test_a_stream_is_algorithm_1(l1, l2, compiled):
    X, labels = text_like(n=200)
    solver = FTRL(0.5, beta=1.0, l1=l1, l2=l2, schedule="constant", batch_size=1)
    model = LogisticRegression(solver=solver if compiled else without_native(solver))
    for t in range(X.shape[0]):
        model.partial_fit(X[t], labels[t : t + 1], classes=[0, 1])
    expected = algorithm_1(X, labels, 0.5, 1.0, l1, l2)
    np.testing.assert_allclose(np.r_[model.coef_[0], model.intercept_], expected, rtol=1e-9, atol=1e-12)
    assert ((model.coef_[0] == 0) == (expected[:-1] == 0)).all()
    assert 3 < (expected == 0).sum() < 30 or not l1


def leader(objective, W, batches, rates, beta):
    """The argmin of all gradients, all proximal terms and all penalties so far, solved anew at each step in float64.

    The proximal terms are kept as a list; sigma is what the divisor of the present rate asks beyond the last one's.
    """
    linear, n, h, total = np.zeros_like(W), np.zeros_like(W), np.full_like(W, beta / rates[0]), np.zeros((len(W), 1))
    terms, w = [(h.copy(), W.copy())], W.copy()
    for batch, rate in zip(batches, rates, strict=True):
        gradient = objective.gradient(w, batch)
        rows = gradient.rows
        sigma = np.zeros_like(W)
        linear[rows] += gradient.values
        n[rows] += gradient.values**2
        total[rows] += gradient.share
        sigma[rows] = (beta + np.sqrt(n[rows])) / rate - h[rows]
        h += sigma
        terms.append((sigma, w.copy()))
        z = linear - sum(weight * center for weight, center in terms)
        l1, l2 = total * objective.l1, total * objective.l2
        moved = -np.sign(z) * np.maximum(np.abs(z) - l1, 0) / (h + l2)
        w[rows] = moved[rows]
    return w


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_a_schedule_weights_at_the_start_and_the_penalty_of_each_batch(l1_ratio, compiled):
    """A fit from weights that are not zero follows the leader of all terms, kept one by one."""
    X, labels = text_like(n=90)
    objective = linear_objective(X, labels, C=0.3, l1_ratio=l1_ratio)
    start = np.random.RandomState(0).randn(*objective.shape)
    batches, schedule = [], ExponentialDecay(0.5)

    class Watched(FTRL):
        def native(self, state, dtype):
            return super().native(state, dtype) if compiled else None

    solver = Watched(0.4, beta=0.3, schedule=schedule, batch_size=30)
    order_of = objective.order
    objective.order = lambda shuffle: batches.append(order_of(shuffle)) or batches[-1]
    result = solver.minimize(objective, start, max_iter=4, tol=0, rng=np.random.RandomState(0))
    batches = [order[b : b + 30] for order in batches for b in (0, 30, 60)]
    rates = 0.4 * schedule(np.arange(12) / 3)
    expected = leader(objective, start, batches, rates, 0.3)
    np.testing.assert_allclose(result.state["W"], expected, rtol=1e-8, atol=1e-11)
    assert (expected == 0).any() == (l1_ratio > 0)


def test_its_own_penalty_leaves_weights_at_the_start_where_there_is_no_gradient():
    """The closed form gives the first weights back: only gradients move them."""
    X, labels = text_like(n=60)
    objective = linear_objective(X, labels)
    gradient_of = objective.gradient

    def without_gradient(W, batch):
        gradient = gradient_of(W, batch)
        gradient.values[:] = 0
        return gradient

    objective.gradient = without_gradient
    start = np.random.RandomState(0).randn(*objective.shape)
    solver = without_native(FTRL(0.5, beta=1.0, l1=2.0, l2=3.0, schedule="constant"))
    result = solver.minimize(objective, start, max_iter=3, tol=0, rng=np.random.RandomState(0))
    np.testing.assert_allclose(result.W, start, rtol=1e-12)


def stream(model, chunks, **first):
    for chunk in chunks:
        model.partial_fit(*chunk, **first)
    return model


@pytest.mark.parametrize("kind", [LogisticRegression, LinearSVC])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zeros_of_a_stream_grow_with_l1(kind, dtype):
    X, labels = text_like(n=600, d=300, dtype=dtype)
    chunks = [(X[i : i + 100], labels[i : i + 100]) for i in range(0, 600, 100)]
    zeros = [
        np.mean(stream(kind(solver=FTRL(l1=l1)), chunks, classes=[0, 1]).coef_ == 0) for l1 in (0.0, 0.02, 0.1, 0.5)
    ]
    assert zeros == sorted(zeros) and zeros[0] < 0.5 < 0.8 < zeros[-1] < 1
    # with the estimator's L1, more of them than a proximal step for each batch leaves
    of_the_estimator = {
        solver: np.mean(stream(kind(C=0.5, l1_ratio=1.0, solver=solver), chunks, classes=[0, 1]).coef_ == 0)
        for solver in ("ftrl", "adagrad")
    }
    assert of_the_estimator["ftrl"] > of_the_estimator["adagrad"]


def test_a_crf_has_zeros_in_a_stream():
    X, y = tagging(n=60)[:2]
    sizes = []
    for l1 in (0.0, 0.05, 0.2):
        crf = LinearChainCRF(solver=FTRL(l1=l1), random_state=0)
        for i in range(0, 60, 20):
            crf.partial_fit(X[i : i + 20], y[i : i + 20], classes=sorted({label for labels in y for label in labels}))
        sizes.append(np.count_nonzero(crf.coef_))
        assert np.count_nonzero(crf.transition_coef_)
    assert sizes[0] > sizes[1] > sizes[2] > 0


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_the_bound_falls_with_the_epochs(l1_ratio):
    X, labels = text_like(n=600, d=100)
    bounds, optimum = [], LogisticRegression(C=1.0, l1_ratio=l1_ratio, tol=1e-8, max_iter=1000)
    quiet(optimum, X, labels)
    for max_iter in (2, 5, 20):  # the schedule ends there
        model = LogisticRegression(C=1.0, l1_ratio=l1_ratio, solver="ftrl", tol=0, max_iter=max_iter, random_state=0)
        quiet(model, X, labels)
        bounds.append(model.suboptimality_bound(X, labels) / model.history_[-1]["objective"])
    # with L1 the steps that end a fit have the rest
    assert bounds[0] > bounds[1] > bounds[2] if not l1_ratio else max(bounds) < 0.05
    assert model.history_[-1]["objective"] <= 1.01 * optimum.history_[-1]["objective"]


def test_with_a_penalty_of_its_own_no_bound_is_asked():
    X, labels = text_like()
    for solver in (FTRL(l1=0.0), FTRL(l2=0.0), FTRL(l1=0.1, l2=0.1)):
        model = LogisticRegression(solver=solver, random_state=0).fit(X, labels)
        assert model.converged_ == (model.suboptimality_ <= 0.01) and "no gap is asked" in model.stop_reason_
    assert "duality gap" in quiet(LogisticRegression(solver=FTRL(), random_state=0), X, labels).stop_reason_


@pytest.mark.parametrize(
    "parameters, message",
    [
        (dict(beta=0.0), r"FTRL: beta must be a number in \(0, inf\), got 0.0"),
        (dict(l1=-0.5), r"FTRL: l1 must be None or a number in \[0, inf\), got -0.5"),
        (dict(l2="much"), r"FTRL: l2 must be None or a number in \[0, inf\), got 'much'"),
        (dict(l1=np.nan), r"FTRL: l1 must be None or a number in \[0, inf\), got nan"),
        (dict(learning_rate=0), r"FTRL: learning_rate must be a number in \(0, inf\), got 0"),
    ],
)
def test_parameters_out_of_range(parameters, message):
    X, labels = text_like()
    for call in ("fit", "partial_fit"):
        model, first = LogisticRegression(solver=FTRL(**parameters)), {} if call == "fit" else {"classes": [0, 1]}
        with pytest.raises(ValueError, match=message):
            getattr(model, call)(X, labels, **first)
