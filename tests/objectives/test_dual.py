"""Dual coordinate ascent: the step of each loss, and epochs against numpy."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize, minimize_scalar
from scipy.special import softmax

from skopt_solvers import _kernels

from ..reference import (
    LOSSES,
    dual_gain,
    dual_step,
    hinge_dual,
    linear_objective,
    outputs,
    sdca_epoch,
    signs,
    text_like,
)

WITH_DUAL = [name for name, loss in LOSSES.items() if loss.dual_obstacle is None]
# a loss and its number of outputs; a loss and its number of classes
STEPS = [(name, K) for name in WITH_DUAL for K in (1, 3, 20) if K > 1 or name != "softmax"]
MODELS = [(name, n) for name in WITH_DUAL for n in (2, 4) if n > 2 or name != "softmax"]


def compiled(X, labels, c, K, name, intercept=False, n_threads=1):
    loss = LOSSES[name].kernel
    return _kernels.dual(X, labels.astype(np.int32), c.astype(X.dtype), K, intercept, **loss, n_threads=n_threads)


def feasible(rng, label, K, c, name):
    """Dual variables of a row at which the gain is finite."""
    if name == "softmax":
        return c * ((np.arange(K) == label) - softmax(3 * rng.randn(K)))
    return c * rng.rand(K) * signs(np.array([label]), K)[0]


def row_value(new, z, a, label, q, c, name):
    return dual_gain(new, label, c, loss=LOSSES[name]) - z @ (new - a) - q / 2 * ((new - a) ** 2).sum()


def row_problems(name, K, n, dtype=np.float64, seed=0):
    """Random margins, dual variables, squared norms and weights of a row."""
    rng = np.random.RandomState(seed)
    for i in range(n):
        c, x = 10 ** rng.uniform(-3, 3), dtype(10 ** rng.uniform(-1.5, 1.5))
        label, z = rng.randint(max(K, 2)), rng.randn(K) * 10 ** rng.uniform(-1, 1 + i % 3)
        a = feasible(rng, label, K, c, name) if i % 2 else np.zeros(K)
        yield z.astype(dtype), a.astype(dtype), label, x, dtype(c)


def visit(z, a, label, x, c, name):
    """A visit of the one row of X, which is x, at margins z: the new dual variables, and those that moved W."""
    K, X = len(z), sp.csr_matrix(np.array([[x]]))
    A, W = a.copy(), z / x
    before = W.copy()
    compiled(X, np.array([label]), np.array([c]), K, name).epoch(np.array([0]), 0, A, W)
    return A, a + (W - before) / x


# The step of a row


@pytest.mark.parametrize("name, K", [case for case in STEPS if case[1] < 20])
def test_the_reference_step_is_what_scipy_finds(name, K):
    for z, a, label, x, c in row_problems(name, K, 20):
        q = x * x
        best = row_value(dual_step(z, a, label, q, c, loss=LOSSES[name]), z, a, label, q, c, name)
        assert best >= row_value(a, z, a, label, q, c, name)
        if name == "softmax":
            y = np.arange(K) == label
            negative = lambda u: -row_value(c * (y - softmax(u)), z, a, label, q, c, name)  # noqa: B023, E731
            found = -min(minimize(negative, start, method="Nelder-Mead").fun for start in (z, 5.0 * y))
        else:
            found, s = 0.0, signs(np.array([label]), K)[0]
            most = c if name == "logistic" else hinge_dual(c, LOSSES[name])[1]
            most = min(most, 2 * c * max(2.0, (1 - s * z + q * s * a).max()))
            for k in range(K):
                one = signs(np.array([label]), K)[0][k] > 0  # the label of the output alone

                def negative(b, k=k, one=one):
                    return -row_value(np.array([b]) * s[k], z[[k]], a[[k]], int(one), q, c, name)  # noqa: B023

                found -= minimize_scalar(negative, bounds=(0, most), method="bounded", options=dict(xatol=1e-12)).fun
        assert best >= found - 1e-9 * max(abs(found), c)


@pytest.mark.parametrize("name, K", STEPS)
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-6), (np.float32, 3e-3)])
def test_a_visit_finds_the_maximum_of_its_row(kernels, name, K, dtype, tolerance):
    for z, a, label, x, c in row_problems(name, K, 60, dtype):
        A, moved = visit(z, a, label, x, c, name)
        # the margins as the kernel sees them
        z, a, q, c = (z / x * x).astype(float), a.astype(float), float(x * x), float(c)
        best = dual_step(z, a, label, q, c, loss=LOSSES[name])
        size = max(c, np.abs(best).max())
        np.testing.assert_allclose(A, best, atol=tolerance * size)
        np.testing.assert_allclose(
            moved, A, atol=1e-5 * (size + np.abs(z / q).max()) * (1 if dtype == np.float32 else 1e-8)
        )
        if dtype == np.float64:
            highest = row_value(best, z, a, label, q, c, name)
            assert row_value(A, z, a, label, q, c, name) >= highest - 1e-9 * max(abs(highest), c)
            again, _ = visit(z + q * (A - a), A, label, x, c, name)
            np.testing.assert_allclose(again, A, atol=tolerance * size)


@pytest.mark.parametrize("name", ["logistic", "softmax"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("c", [1e3, 1e6, 1e9])
@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6])
def test_a_step_is_safe_for_large_weights_and_margins(kernels, name, dtype, c, scale):
    rng, K = np.random.RandomState(0), 5
    for label in range(K):
        z, a = (scale * rng.randn(K)).astype(dtype), feasible(rng, label, K, c, name).astype(dtype)
        A, _ = visit(z, a, label, dtype(1), dtype(c), name)
        assert np.isfinite(A).all()
        p = (np.arange(K) == label) - A / c if name == "softmax" else A * signs(np.array([label]), K)[0] / c
        assert (p >= -1e-6).all() and (p <= 1 + 1e-6).all()
        if dtype == np.float64:
            A = c * ((np.arange(K) == label) - np.maximum(p, 0)) if name == "softmax" else A
            values = [row_value(x, z, a, label, 1.0, c, name) for x in (a, A)]
            assert values[1] >= values[0] - 1e-9 * abs(values[0])


# Epochs


@pytest.mark.parametrize("n, run", [(0, 4), (1, 4), (40, 1), (40, 4), (43, 4), (3, 4)])
def test_a_random_order_of_runs(n, run):
    values = 3 * np.arange(n)
    order = _kernels.shuffled(values, 7, run=run)
    np.testing.assert_array_equal(np.sort(order), values)
    runs = order // (3 * run)
    assert (np.diff(runs) != 0).sum() == max(0, -(-n // run) - 1), "a run lies together"
    if n == 40:
        assert (np.diff(runs) < 0).any() and (order != _kernels.shuffled(values, 8, run=run)).any()
        assert run == 1 or (np.diff(order.reshape(-1, run), axis=1) < 0).any(), "and is in no order"


def problem(name, n_classes, n=120, dtype=np.float64, index=np.int32, weighted=True, **options):
    X, labels = text_like(n=n, n_classes=n_classes, dtype=dtype, index=index)
    weights = np.random.RandomState(1).randint(4, size=n) / 2 if weighted else np.ones(n)
    return linear_objective(X, labels, weights, n_outputs=outputs(n_classes), loss=LOSSES[name], **options)


@pytest.mark.parametrize("name, n_classes", MODELS)
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_an_epoch_is_that_of_the_reference(kernels, name, n_classes, intercept, index):
    X, labels = text_like(n=40, n_classes=n_classes, index=index)
    K, c = outputs(n_classes), np.random.RandomState(1).randint(4, size=40) / 2
    rows = np.flatnonzero(c)
    squares = np.asarray(X.multiply(X).sum(axis=1)).ravel()
    step = max(0.05 * c @ squares, 20 * K) / c.sum() if intercept else None
    ours = compiled(X, labels, c, K, name, intercept)
    A, W = np.zeros((40, K)), np.zeros((X.shape[1] + intercept, K))
    expected_A, expected_W, rests = A.copy(), W.copy(), np.zeros((40, 2), int)
    for seed in (3, 2**40, 2**63):
        ours.epoch(rows, seed, A.ravel(), W.ravel())
        sdca_epoch(X, labels, c, rows, seed, expected_A, expected_W, rests, step, loss=LOSSES[name])
        np.testing.assert_allclose(A, expected_A, atol=1e-6)
        np.testing.assert_allclose(W, expected_W, atol=1e-5)
        ours.move_center(A.ravel(), W.ravel())
        if intercept:
            expected_W[-1] += step * expected_A.sum(axis=0)
        np.testing.assert_allclose(W, expected_W, atol=1e-5)
        # so that what is within the tolerance does not grow
        expected_A[:], expected_W[:] = A, W
    assert not A[c == 0].any()


def test_in_an_epoch_of_much_data_some_rows_stay_together(kernels):
    X, labels = text_like(n=4000, d=400, length=80)
    assert X.nnz > 2**17
    c, rows, rests = np.ones(4000), np.setdiff1d(np.arange(4000), [5, 1000]), np.zeros((4000, 2), int)
    ours = compiled(X, labels, c, 1, "squared_hinge")
    A, W, expected_A, expected_W = np.zeros(4000), np.zeros(400), np.zeros((4000, 1)), np.zeros((400, 1))
    for seed in (3, 2**40):
        ours.epoch(rows, seed, A, W)
        sdca_epoch(X, labels, c, rows, seed, expected_A, expected_W, rests, loss=LOSSES["squared_hinge"])
        np.testing.assert_allclose(A, expected_A[:, 0], atol=1e-9)


@pytest.mark.parametrize("name", ["logistic", "softmax", "hinge"])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_both_dtypes_take_the_same_steps(kernels, name, index):
    runs = []
    for dtype in (np.float64, np.float32):
        ascent = problem(name, 4, dtype=dtype, index=index).ascent()
        ascent.epoch(1)
        assert ascent.A.dtype == ascent.W.dtype == dtype
        runs.append(ascent)
    np.testing.assert_allclose(runs[1].A, runs[0].A, atol=2e-5)
    np.testing.assert_allclose(runs[1].W, runs[0].W, atol=2e-4)


@pytest.mark.parametrize("name, n_classes", MODELS)
@pytest.mark.parametrize("C", [0.1, 10.0])
@pytest.mark.parametrize("dtype, eps", [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_the_dual_never_falls_and_w_belongs_to_a(kernels, name, n_classes, C, dtype, eps):
    ascent = problem(name, n_classes, C=C, dtype=dtype, fit_intercept=False).ascent()
    values = [ascent.value()]
    for epoch in range(15):
        ascent.epoch(epoch << 8)
        values.append(ascent.value())
        gained = (values[-1] - values[-2]) / ascent.objective.l2
        assert gained >= ascent.moved / 2 - 10 * eps * max(1.0, abs(values[-1]) / ascent.objective.l2)
        if not epoch:  # the first visits every row once
            squares = (ascent.objective.X.toarray() ** 2).sum(axis=1)
            assert ascent.moved == pytest.approx(squares @ (ascent.A.astype(float) ** 2).sum(axis=1), rel=1e-4)
        W = ascent.objective.X.T @ ascent.A
        np.testing.assert_allclose(ascent.W, W, atol=50 * eps * max(1.0, np.abs(W).max()))
        assert ascent.objective.value(ascent.W) >= ascent.lower_bound() - eps
    assert values[0] == 0 and values[1] > 0.01
    assert min(np.diff(values)) >= -eps * values[-1]


@pytest.mark.parametrize("name, n_classes", MODELS)
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-11), (np.float32, 1e-3)])
@pytest.mark.parametrize("n_models", [2, 5, 19])
def test_models_side_by_side_are_each_as_alone(kernels, name, n_classes, intercept, dtype, tolerance, n_models):
    objectives = [
        problem(name, n_classes, C=C, dtype=dtype, fit_intercept=intercept) for C in np.geomspace(0.01, 100, n_models)
    ]
    alone, many = ([objective.ascent() for objective in objectives] for _ in range(2))
    shared = objectives[0].ascents_of(many)

    def run(epochs, members):
        for epoch in epochs:
            for m in members:
                alone[m].move_center()
                many[m].move_center()
                alone[m].epoch(epoch << 8)
            shared.epoch(epoch << 8, [many[m] for m in members])
        for a, b, objective in zip(alone, many, objectives, strict=True):
            scale = np.abs(a.W).max()
            np.testing.assert_allclose(b.A, a.A, atol=tolerance * np.abs(a.A).max())
            np.testing.assert_allclose(b.W, a.W, atol=tolerance * scale)
            np.testing.assert_allclose(b.value(), a.value(), rtol=10 * tolerance)
            np.testing.assert_allclose(b.moved, a.moved, rtol=10 * tolerance, atol=tolerance * scale**2)
            assert b.A.dtype == b.W.dtype == dtype and b.W.shape == objective.shape

    run(range(4), range(n_models))
    np.testing.assert_allclose(
        shared.values(), [o.value(a.W) for o, a in zip(objectives, alone, strict=True)], rtol=tolerance
    )
    run(range(4, 6), range(0, n_models, 2))
    shared.keep([many[m] for m in range(0, n_models, 2)])  # rows that rest go on resting
    run(range(6, 9), range(0, n_models, 2))


@pytest.mark.parametrize("name", ["logistic", "hinge"])
@pytest.mark.parametrize("n_classes", [20, 150])
def test_blocks_of_outputs_are_problems_of_their_own(kernels, name, n_classes):
    """Many outputs at once, by one thread or more, are as many single ones, but for the rows that rest together."""
    X, labels = text_like(n=1500, d=200, length=30, n_classes=n_classes)
    labels, c, rows = labels.astype(np.int32), np.ones(1500), np.arange(1500)
    whole = []
    for n_threads in (1, 2, 2, 3):
        A, W = np.zeros((1500, n_classes)), np.zeros((200, n_classes))
        dual = compiled(X, labels, c, n_classes, name, n_threads=n_threads)
        dual.epoch(rows, 7, A.ravel(), W.ravel())
        whole.append(A)
    np.testing.assert_array_equal(whole[1], whole[2])
    if name == "hinge":  # rounds after the first depend on the block
        return
    for A in whole[1:]:
        np.testing.assert_allclose(A, whole[0], atol=1e-12)
    for k in (0, 7, n_classes - 1):
        A, W = np.zeros(1500), np.zeros(200)
        compiled(X, (labels == k).astype(np.int32), c, 1, name).epoch(rows, 7, A, W)
        np.testing.assert_allclose(whole[0][:, k], A, atol=1e-12)


def test_rows_that_rest_are_visited_again(kernels):
    """A and W are the caller's: at zeros every row has to move, though all of them rest."""
    X, labels = text_like(n=200)
    c, rows = np.ones(200), np.arange(200)
    ours, other = (compiled(X, labels, c, 1, "hinge") for _ in range(2))
    A, W = np.zeros(200), np.zeros(X.shape[1])
    for seed in range(60):
        ours.epoch(rows, seed << 8, A, W)
    at_bounds = (A == 0) | (np.abs(A) == 1)
    assert 0.3 < at_bounds.mean() < 1
    best = ours.gain(A) - W @ W / 2
    A[:], W[:] = 0, 0
    ours.epoch(rows, 1 << 20, A, W)
    first, first_W = np.zeros(200), np.zeros(X.shape[1])
    other.epoch(rows, 1 << 20, first, first_W)
    assert ours.gain(A) - W @ W / 2 > 0.5 * (other.gain(first) - first_W @ first_W / 2)
    for seed in range(100):
        ours.epoch(rows, seed << 8, A, W)
    assert ours.gain(A) - W @ W / 2 == pytest.approx(best, rel=1e-4)
    # wherever the rounds have led, no row is left that could be moved
    s = np.where(labels == 1, 1, -1)
    slope = 1 - s * (X @ W)
    assert np.where(s * A < 1e-9, slope, np.where(s * A > 1 - 1e-9, -slope, np.abs(slope))).max() < 0.1


# Arguments


def arguments(**changes):
    X = sp.csr_matrix(np.eye(3))
    given = dict(
        indptr=X.indptr,
        indices=X.indices,
        data=X.data,
        n_columns=3,
        labels=np.array([0, 1, 2], np.int32),
        c=np.ones(3),
        n_outputs=3,
        intercept=True,
        loss="logistic",
        gamma=0.0,
        squared=False,
        n_threads=1,
    )
    return {**given, **changes}


@pytest.mark.parametrize("changes, message", [
    (dict(labels=np.array([0, 1], np.int32)), "labels must have one entry a row, and c one a row and model"),
    (dict(c=np.ones(4)), "labels must have one entry a row, and c one a row and model"),
    (dict(c=np.ones(4), n_models=3), "labels must have one entry a row, and c one a row and model"),
    (dict(n_outputs=0), "n_outputs must be that of each of 1 to 64 models"),
    (dict(n_models=0), "n_outputs must be that of each of 1 to 64 models"),
    (dict(n_models=2), "n_outputs must be that of each of 1 to 64 models"),
    (dict(n_models=65, n_outputs=65), "n_outputs must be that of each of 1 to 64 models"),
    (dict(labels=np.array([0, 1, 3], np.int32)), "labels must index outputs"),
    (dict(labels=np.array([0, -1, 2], np.int32)), "labels must index outputs"),
    (dict(loss="crammer_singer"), "'crammer_singer' has no step"),
    (dict(loss="hinge", gamma=0.3, squared=True), "'hinge' has no step"),
    (dict(loss="none"), "'none' has no step"),
])  # fmt: skip
def test_arguments_that_do_not_fit_are_refused(kernels, changes, message):
    kernels.DualF64I32(**arguments())
    with pytest.raises(ValueError, match=message):
        kernels.DualF64I32(**arguments(**changes))


@pytest.mark.parametrize(
    "changes",
    [dict(c=np.ones(3, np.float32)), dict(labels=np.arange(3)), dict(data=np.ones((3, 1))), dict(indptr=[0, 1, 2, 3])],
)
def test_arrays_of_another_type_are_not_converted(kernels, changes):
    with pytest.raises(TypeError):
        kernels.DualF64I32(**arguments(**changes))


@pytest.mark.parametrize("rows, A, W, message", [
    ([0, 3], 9, 12, "rows must index X"),
    ([-1], 9, 12, "rows must index X"),
    ([0], 8, 12, "A or W has the wrong size"),
    ([0], 9, 9, "A or W has the wrong size"),
])  # fmt: skip
def test_an_epoch_of_arrays_that_do_not_fit_is_refused(kernels, rows, A, W, message):
    dual, A, W = kernels.DualF64I32(**arguments()), np.zeros(A), np.zeros(W)
    with pytest.raises(ValueError, match=message):
        dual.epoch(np.array(rows), 0, A, W)
    if "rows" not in message:
        with pytest.raises(ValueError, match=message):
            dual.move_center(A, W)
        if len(A) == 8:
            with pytest.raises(ValueError, match="A has the wrong size"):
                dual.gain(A)
    A.flags.writeable = False
    with pytest.raises(TypeError):
        dual.epoch(np.array([0]), 0, A, W)


def test_no_rows_are_no_visit(kernels):
    dual, A, W = kernels.DualF64I32(**arguments()), np.zeros(9), np.zeros(12)
    dual.epoch(np.empty(0, np.int64), 0, A, W)
    assert not A.any() and not W.any()
