"""The objective of linear models: full passes, lines, minibatches, threads, and the proximal step."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize_scalar

from skopt_solvers.objectives import RowGradient

from ..reference import JOINT, LOSSES, SMOOTH, linear_objective, numerical_gradient, outputs, penalised, text_like

PENALTIES = {
    "l2": dict(C=0.7, l1_ratio=0.0),
    "l1": dict(C=0.7, l1_ratio=1.0),
    "elastic": dict(C=3.0, l1_ratio=0.3),
    "none": dict(C=np.inf, l1_ratio=0.0),
    "none, ratio ignored": dict(C=np.inf, l1_ratio=0.5),
}
# a loss and its number of classes
MODELS = [(name, K) for name in sorted(SMOOTH) for K in (2, 3, 5) if K > 2 or name not in JOINT]


def problem(n_classes=2, seed=0, weighted=True, **options):
    """Data, labels, weights with zeros among them."""
    X, labels = text_like(n_classes=n_classes, seed=seed, **options)
    weights = np.random.RandomState(seed + 1).randint(4, size=len(labels)) / 2 if weighted else np.ones(len(labels))
    return X, labels, weights


def table(objective, seed=0, scale=1.0):
    """Random weights, some of them 0."""
    rng = np.random.RandomState(seed)
    W = scale * rng.randn(*objective.shape) * (rng.rand(*objective.shape) < 0.8)
    return W.astype(objective.dtype)


# Full passes


@pytest.mark.parametrize("name, n_classes", MODELS)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_value_and_gradient_are_those_of_the_formula(name, n_classes, penalty, fit_intercept):
    X, labels, weights = problem(n_classes, n=30, d=12)
    model = dict(PENALTIES[penalty], fit_intercept=fit_intercept, loss=LOSSES[name])
    objective = linear_objective(X, labels, weights, n_outputs=outputs(n_classes), **model)
    W = table(objective)
    before = W.copy()
    value, gradient = objective.value_and_gradient(W)
    expected = penalised(W, X, labels, weights, **model)
    np.testing.assert_allclose(objective.scale * value, expected, rtol=1e-12)
    np.testing.assert_allclose(objective.scale * objective.value(W), expected, rtol=1e-12)
    smooth = numerical_gradient(lambda V: penalised(V, X, labels, weights, smooth_part=True, **model), W)
    np.testing.assert_allclose(objective.scale * gradient, smooth, atol=2e-6 * max(1.0, np.abs(smooth).max()))
    np.testing.assert_array_equal(W, before)


@pytest.mark.parametrize("name, n_classes", MODELS)
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_float32_is_float64_to_rounding(name, n_classes, index):
    X, labels, weights = problem(n_classes)
    model = dict(n_outputs=outputs(n_classes), l1_ratio=0.3, loss=LOSSES[name])
    narrow = text_like(n_classes=n_classes, dtype=np.float32, index=index)[0]
    wide_objective = linear_objective(X, labels, weights, **model)
    objective = linear_objective(narrow, labels, weights, **model)
    W = table(objective)
    assert W.dtype == np.float32
    value, gradient = objective.value_and_gradient(W)
    expected_value, expected_gradient = wide_objective.value_and_gradient(W.astype(float))
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(value, expected_value, rtol=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, atol=5e-6 * np.abs(expected_gradient).max())
    batch = wide_objective.samples[:20]
    ours, theirs = objective.gradient(W, batch), wide_objective.gradient(W.astype(float), batch)
    assert ours.values.dtype == ours.share.dtype == np.float32
    np.testing.assert_array_equal(ours.rows, theirs.rows)
    np.testing.assert_allclose(ours.values, theirs.values, atol=5e-6 * np.abs(theirs.values).max())
    np.testing.assert_allclose(ours.share, theirs.share, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_index_types_give_the_same(dtype, n_classes):
    answers = []
    for index in (np.int32, np.int64):
        X, labels, weights = problem(n_classes, dtype=dtype, index=index)
        assert X.indices.dtype == index
        objective = linear_objective(X, labels, weights, n_outputs=outputs(n_classes), l1_ratio=0.3)
        W = table(objective)
        batch = objective.gradient(W, objective.samples[10:40])
        answers.append([*objective.value_and_gradient(W), batch.loss, batch.rows, batch.values, batch.share])
    # the two are compiled apart, so that a sum may be rounded otherwise
    rounding = 8 * np.finfo(dtype).eps
    for ours, theirs in zip(*answers, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rounding, atol=rounding * np.abs(theirs).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 6])
@pytest.mark.parametrize("in_order", [True, False])
def test_threads_do_not_change_the_answer(dtype, n_classes, in_order):
    """The same bits for the same number, with several outputs for every number; there is work enough for all."""
    rng = np.random.RandomState(0)
    n, d, length = 6000, 3000, 130 if n_classes == 2 else 40
    columns = np.concatenate([rng.permutation(d)[:length] for _ in range(n)])
    X = sp.csr_matrix((rng.rand(n * length).astype(dtype), columns, np.arange(0, n * length + 1, length)), shape=(n, d))
    if in_order:
        X.sort_indices()
    labels, weights = rng.randint(n_classes, size=n).astype(np.int32), rng.randint(3, size=n).astype(float)
    answers = []
    for n_threads in (1, 2, 2, 3, 3, 7, 7):
        loss = LOSSES["logistic" if n_classes == 2 else "softmax"]
        objective = linear_objective(X, labels, weights, n_outputs=outputs(n_classes), n_threads=n_threads, loss=loss)
        W, D = table(objective, scale=0.1), table(objective, seed=1, scale=0.1)
        position = objective.position(W)
        answer = [position.value, position.gradient, objective.value(W), *position.along(D)(0.3)]
        position.move(0.3)
        answers.append([*answer, position.value, position.gradient])
    for same, again in zip(answers[1::2], answers[2::2], strict=True):
        for ours, theirs in zip(same, again, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    rounding = 0 if n_classes > 2 else 200 * np.finfo(dtype).eps
    for answer in answers[1:]:
        for ours, theirs in zip(answer, answers[0], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=rounding, atol=rounding * np.abs(theirs).max())


def test_samples_of_weight_zero_are_as_if_they_were_not_there():
    X, labels, weights = problem(3)
    kept = np.flatnonzero(weights)
    model = dict(n_outputs=3, l1_ratio=0.3, loss=LOSSES["softmax"])
    with_zeros = linear_objective(X, labels, weights, **model)
    without = linear_objective(X[kept], labels[kept], weights[kept], **model)
    W = table(with_zeros)
    np.testing.assert_array_equal(with_zeros.samples, kept)
    assert with_zeros.n_samples == without.n_samples == len(kept)
    for ours, theirs in zip(with_zeros.value_and_gradient(W), without.value_and_gradient(W), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-16)
    np.testing.assert_allclose(with_zeros.squared_norms(), without.squared_norms(), rtol=1e-13)
    mine, theirs = with_zeros.gradient(W, kept[5:25]), without.gradient(W, np.arange(5, 25))
    for attribute in ("rows", "values", "share", "loss"):
        np.testing.assert_allclose(getattr(mine, attribute), getattr(theirs, attribute), rtol=1e-12, atol=1e-16)


def test_squared_norms_are_weighted_means():
    X, labels, weights = problem()
    expected = weights @ X.toarray() ** 2 / weights.sum()
    np.testing.assert_allclose(linear_objective(X, labels, weights).squared_norms(), [*expected, 1.0], rtol=1e-13)
    np.testing.assert_allclose(
        linear_objective(X, labels, weights, fit_intercept=False).squared_norms(), expected, rtol=1e-13
    )


# Lines


@pytest.mark.parametrize("name, n_classes", MODELS)
@pytest.mark.parametrize("C", [0.5, np.inf])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_along_is_the_objective_on_the_line(name, n_classes, C, fit_intercept):
    X, labels, weights = problem(n_classes)
    model = dict(n_outputs=outputs(n_classes), C=C, fit_intercept=fit_intercept, loss=LOSSES[name])
    objective = linear_objective(X, labels, weights, **model)
    W, D = table(objective), table(objective, seed=1)
    trial = objective.position(W).along(D)
    for step in (0.0, 0.5, -0.3, 2.0, 0.5):
        value, slope = trial(step)
        np.testing.assert_allclose(value, objective.value(W + step * D), rtol=1e-12)
        np.testing.assert_allclose(slope, np.vdot(objective.value_and_gradient(W + step * D)[1], D), rtol=1e-10)
        ahead, behind = (objective.value(W + (step + h) * D) for h in (1e-6, -1e-6))
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-6, atol=1e-6 * max(1.0, abs(slope)))


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_move_goes_to_the_point_and_stays_exact_over_many_moves(dtype, rtol, n_classes):
    X, labels, weights = problem(n_classes, dtype=dtype)
    loss = LOSSES["logistic" if n_classes == 2 else "softmax"]
    objective = linear_objective(X, labels, weights, n_outputs=outputs(n_classes), loss=loss)
    W = table(objective)
    start = W.copy()
    position = objective.position(W)
    for i in range(70):
        D, step = table(objective, seed=i, scale=0.3), 0.1 + i / 100
        before = position.gradient
        kept = before.copy()
        trial = position.along(D)
        for t in (2 * step, step, 0.7 * step)[: 1 + i % 3]:
            trial(t)
        expected = position.W + dtype(step) * D
        position.move(step)
        np.testing.assert_array_equal(position.W, expected)
        value, gradient = objective.value_and_gradient(position.W)
        np.testing.assert_allclose(position.value, value, rtol=rtol)
        np.testing.assert_allclose(position.gradient, gradient, atol=rtol * np.abs(gradient).max())
        np.testing.assert_array_equal(before, kept, "the gradient that a caller holds must not change")
    np.testing.assert_array_equal(W, start)


def test_move_along_a_new_direction_needs_no_trial():
    """A step of the same length as the last one along another direction is another step."""
    X, labels, weights = problem()
    objective = linear_objective(X, labels, weights)
    position = objective.position(table(objective))
    position.along(table(objective, seed=1))(1.0)
    position.move(1.0)
    position.along(table(objective, seed=2))
    position.move(1.0)
    np.testing.assert_allclose(position.value, objective.value(position.W), rtol=1e-12)


# Minibatches


def partition(objective, batch_size, seed=0):
    order = np.random.RandomState(seed).permutation(objective.samples)
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


@pytest.mark.parametrize("name, n_classes", [*MODELS, ("hinge", 2), ("hinge", 3), ("crammer_singer", 3)])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("batch_size", [1, 16, 1000])
def test_minibatches_average_to_the_full_gradient_and_to_the_whole_penalty(name, n_classes, fit_intercept, batch_size):
    X, labels, weights = problem(n_classes)
    model = dict(n_outputs=outputs(n_classes), fit_intercept=fit_intercept, loss=LOSSES[name])
    objective = linear_objective(X, labels, weights, C=2.0, l1_ratio=0.25, **model)
    unpenalised = linear_objective(X, labels, weights, C=np.inf, **model)
    W = table(objective)
    batches = partition(objective, batch_size)
    assert batch_size != 16 or len(batches[-1]) < batch_size
    loss, gradient, share = 0.0, np.zeros(objective.shape), np.zeros((objective.shape[0], 1))
    for batch in batches:
        part, weight = objective.gradient(W, batch), len(batch) / objective.n_samples
        loss += weight * part.loss
        gradient[part.rows] += weight * part.values
        share[part.rows] += weight * part.share
        assert (part.l1, part.l2) == (objective.l1, objective.l2)
    expected_loss, expected_gradient = unpenalised.value_and_gradient(W)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-13)
    present = np.flatnonzero(np.bincount(X[objective.samples].indices, minlength=X.shape[1]))
    assert len(present) < X.shape[1]
    expected_share = np.zeros_like(share)
    expected_share[present] = 1
    np.testing.assert_allclose(share, expected_share, rtol=1e-12)


def test_a_minibatch_gradient_is_that_of_its_mean_loss():
    X, labels, weights = problem(3, weighted=False)
    objective = linear_objective(X, labels, weights, n_outputs=3, C=np.inf, loss=LOSSES["softmax"])
    W, batch = table(objective), np.array([3, 17, 40, 41, 99])
    alone = linear_objective(X[batch], labels[batch], n_outputs=3, C=np.inf, loss=LOSSES["softmax"])
    part = objective.gradient(W, batch)
    value, gradient = alone.value_and_gradient(W)
    np.testing.assert_allclose(part.loss, value, rtol=1e-13)
    np.testing.assert_allclose(part.values, gradient[part.rows], atol=1e-15)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_minibatch_touches_the_rows_where_it_has_a_non_zero(fit_intercept, n_classes):
    X, labels, weights = problem(n_classes)
    K = outputs(n_classes)
    objective = linear_objective(X, labels, weights, n_outputs=K, fit_intercept=fit_intercept)
    W, counts = table(objective), np.bincount(X[objective.samples].indices, minlength=X.shape[1])
    for batch in partition(objective, 7):
        part = objective.gradient(W, batch)
        touched = np.bincount(X[batch].indices, minlength=X.shape[1])
        expected = [*np.flatnonzero(touched), *([X.shape[1]] if fit_intercept else [])]
        np.testing.assert_array_equal(np.sort(part.rows), expected)
        assert part.rows.dtype == np.int64
        assert part.values.shape == (len(expected), K) and part.share.shape == (len(expected), 1)
        features = part.rows[part.rows < X.shape[1]]
        share = objective.n_samples / len(batch) * touched[features] / counts[features]
        np.testing.assert_allclose(part.share[: len(features), 0], share, rtol=1e-13)
        if fit_intercept:
            assert part.rows[-1] == X.shape[1] and part.share[-1, 0] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_minibatch_without_non_zeros_touches_the_intercept_alone(dtype):
    X, labels = text_like(dtype=dtype)
    empty = np.flatnonzero(np.diff(X.indptr) == 0).astype(np.int64)
    assert len(empty)
    with_intercept = linear_objective(X, labels, n_outputs=3, fit_intercept=True)
    part = with_intercept.gradient(table(with_intercept), empty)
    assert part.rows.tolist() == [X.shape[1]] and part.values.any()
    without = linear_objective(X, labels, n_outputs=3, fit_intercept=False)
    part = without.gradient(table(without), empty)
    assert part.rows.size == 0 and part.values.shape == (0, 3) and part.share.shape == (0, 1)


def test_a_minibatch_gradient_is_its_own_copy():
    X, labels, weights = problem()
    objective = linear_objective(X, labels, weights)
    W = table(objective)
    first = objective.gradient(W, objective.samples[:10])
    kept = first.values.copy()
    objective.gradient(W, objective.samples[10:40])
    np.testing.assert_array_equal(first.values, kept)


@pytest.mark.parametrize("batch", [[-1], [120], [0, 10**12]])
def test_a_minibatch_of_samples_that_are_not_there_is_refused(batch):
    X, labels, weights = problem()
    objective = linear_objective(X, labels, weights)
    with pytest.raises(ValueError, match="batch must index samples"):
        objective.gradient(table(objective), np.array(batch))


# The proximal step


@pytest.mark.parametrize("l1, l2", [(0.0, 0.0), (0.0, 0.8), (0.5, 0.0), (0.4, 0.3)])
@pytest.mark.parametrize("step", [1e-3, 0.5, 30.0])
def test_proximal_step_is_the_minimum(l1, l2, step):
    """Of ``direction u + (u - w)^2 / (2 step) + share (l2/2 u^2 + l1 |u|)``, entry by entry."""
    rng = np.random.RandomState(0)
    w, direction, share = rng.randn(8, 3), rng.randn(8, 3), np.array([[0.0], [0.3], [1.0], [4.0]] * 2)
    steps = step * (0.5 + rng.rand(8, 3))
    gradient = RowGradient(np.arange(8), direction, share, l1, l2, 0.0)
    found = gradient.proximal_step(w, direction, steps)
    for i, k in np.ndindex(w.shape):

        def model(u, i=i, k=k):
            penalty = share[i, 0] * (l2 / 2 * u**2 + l1 * abs(u))
            return direction[i, k] * u + (u - w[i, k]) ** 2 / (2 * steps[i, k]) + penalty

        best = minimize_scalar(model, bracket=(-1.0, 1.0), tol=1e-12)
        np.testing.assert_allclose(found[i, k], best.x, atol=1e-6 * max(1.0, abs(best.x)))
        assert model(found[i, k]) <= best.fun + 1e-12 * max(1.0, abs(best.fun))
    scalar = gradient.proximal_step(w, direction, step)
    np.testing.assert_array_equal(scalar, gradient.proximal_step(w, direction, np.full_like(w, step)))


def test_proximal_step_of_l1_gives_exact_zeros():
    share = np.ones((3, 1))
    gradient = RowGradient(np.arange(3), np.zeros((3, 1)), share, l1=1.0, l2=0.0, loss=0.0)
    w = np.array([[0.2], [-0.2], [2.0]])
    moved = gradient.proximal_step(w, np.array([[0.1], [-0.1], [0.1]]), 0.5)
    np.testing.assert_allclose(moved, [[0.0], [0.0], [1.45]], rtol=1e-15)
    assert moved[0, 0] == moved[1, 0] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_proximal_step_stays_stable_for_every_step(dtype):
    w = np.array([[1.0], [-3.0]], dtype)
    gradient = RowGradient(np.arange(2), np.zeros_like(w), np.full((2, 1), 1e3, dtype), l1=0.0, l2=1e6, loss=0.0)
    moved = gradient.proximal_step(w, gradient.values, 1e9)
    assert (np.sign(moved) == np.sign(w)).all() and (np.abs(moved) < 1e-15).all()
