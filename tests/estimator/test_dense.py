"""Dense X is read where it lies, in any order of memory, and gives the fit of the CSR matrix with the same zeros."""

import os
import subprocess
import sys
import tracemalloc

import array_api_strict
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.model_selection import GridSearchCV

from skopt_solvers import LinearSVC, LogisticRegression, _kernels
from skopt_solvers._base import dense
from skopt_solvers.model_selection import C_path
from skopt_solvers.objectives import LinearObjective

from ..reference import EVERY, JOINT, LOSSES, SMOOTH
from .test_fit import quiet

RNG = np.random.RandomState(0)
FULL = RNG.randn(90, 7)
HOLEY = np.where(RNG.rand(90, 7) < 0.5, FULL, 0.0) * (np.arange(7) != 3)  # one column has nothing
LABELS = (FULL @ RNG.randn(7, 3) + 0.3 * RNG.randn(90, 3)).argmax(axis=1)


def in_wider_rows(X):
    wider = np.full((X.shape[0], X.shape[1] + 5), np.nan, X.dtype)
    wider[:, 2:-3] = X
    return wider[:, 2:-3]


LAYOUTS = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "part of wider rows": in_wider_rows,
    "part of longer columns": lambda X: in_wider_rows(X.T).T,
    "backwards": lambda X: np.ascontiguousarray(X[::-1])[::-1],
    "every second column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
}


def unaligned(X):
    """The same values at odd bytes."""
    bytes_ = np.empty(X.nbytes + 1, np.uint8)
    moved = bytes_[1:].view(X.dtype).reshape(X.shape)
    moved[:] = X
    return moved


def objective_of(X, loss, K, **options):
    options = {"C": 2.0, "l1_ratio": 0.0, "fit_intercept": True, **options}
    weights = RNG.rand(len(LABELS)) * (np.arange(len(LABELS)) % 7 != 0)
    return LinearObjective(X, (LABELS % max(K, 2)).astype(np.int32), weights, n_outputs=K, loss=LOSSES[loss], **options)


@pytest.mark.parametrize("K", [1, 9])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype, n_threads", [(np.float32, 1), (np.float64, 3)])
@pytest.mark.parametrize("many", [0, np.inf])
def test_an_objective_is_that_of_csr(kernels, K, layout, dtype, n_threads, many, monkeypatch):
    monkeypatch.setattr(dense, "_MANY", many)  # BLAS for all products, and the kernels
    rng, close = np.random.RandomState(K), dict(rtol=1e-4 if dtype == np.float32 else 1e-11, atol=1e-5)
    wide = np.tile(HOLEY, (1, 40 // K + 1)).astype(dtype)  # enough for threads
    W, batch = rng.randn(wide.shape[1] + 1, K).astype(dtype), rng.permutation(90)[:20].astype(np.int64)
    state = np.random.RandomState(1)
    found = []
    for X in (LAYOUTS[layout](wide), sp.csr_matrix(wide)):
        RNG.set_state(state.get_state())
        objective = objective_of(X, "logistic", K, n_threads=n_threads)
        position = objective.position(W)
        trial = position.along(W[::-1].copy())(0.25)
        position.move(0.25)
        square = objective.squared_norms()
        found.append([position.value, position.gradient, position.W, trial, square, objective.counts()])
        found[-1] += [objective.untouched(), objective.suboptimality_bound(W), objective.margins(W)]
        gradient = objective.gradient(W, batch)
        order = np.argsort(gradient.rows)
        found[-1] += [gradient.rows[order], gradient.values[order], gradient.share[order], gradient.loss]
        ascent = objective.ascent()
        for seed in range(3):
            ascent.epoch(seed)
            ascent.move_center()
        found[-1] += [ascent.A, ascent.W, ascent.lower_bound()]
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, **close)


@pytest.mark.parametrize("loss", sorted(SMOOTH))
@pytest.mark.parametrize("way", ["direct", "kernel"])
def test_directions_of_newton_are_those_of_csr(kernels, loss, way):
    K = 3 if loss in JOINT else 1
    W = np.random.RandomState(2).randn(8, K)
    found = []
    for X in (LAYOUTS["columns"](HOLEY), HOLEY, sp.csr_matrix(HOLEY)):
        RNG.set_state(np.random.RandomState(3).get_state())
        found.append(objective_of(X, loss, K).position(W).newton_direction(way))
    for direction in found[:2]:
        np.testing.assert_allclose(direction, found[2], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("layout", ["rows", "part of longer columns"])
@pytest.mark.parametrize("dtype, classes", [(np.float32, 3), (np.float64, 2)])
def test_a_fit_is_that_of_csr(name, layout, dtype, classes):
    y, close = LABELS % classes, dict(rtol=5e-3, atol=5e-4) if dtype == np.float32 else dict(rtol=1e-6, atol=1e-8)
    models = [
        quiet(LogisticRegression(solver=EVERY[name], max_iter=30, random_state=0, n_jobs=1), X.astype(dtype), y)
        for X in (LAYOUTS[layout](HOLEY), sp.csr_matrix(HOLEY))
    ]
    assert models[0].coef_.dtype == dtype
    np.testing.assert_allclose(models[0].coef_, models[1].coef_, **close)
    np.testing.assert_allclose(models[0].intercept_, models[1].intercept_, **close)


@pytest.mark.parametrize("layout", [*LAYOUTS, "unaligned"])
def test_a_given_x_stays_as_it_is(layout):
    X = unaligned(FULL) if layout == "unaligned" else LAYOUTS[layout](FULL)
    X.flags.writeable = False
    model = LinearSVC().fit(X, LABELS)
    np.testing.assert_allclose(model.coef_, LinearSVC().fit(FULL, LABELS).coef_, rtol=1e-6)
    np.testing.assert_array_equal(X, FULL)


@pytest.mark.parametrize("name", ["lbfgs", "sdca", "adagrad", "momentum"])
@pytest.mark.parametrize("layout", ["rows", "columns", "part of wider rows", "memmap"])
@pytest.mark.parametrize("classes", [2, 3])
def test_no_more_than_one_copy_of_x_is_made(name, layout, classes, tmp_path):
    rng = np.random.RandomState(0)
    X = rng.randn(4000, 200)
    y = X[:, :classes].argmax(axis=1)
    if layout == "memmap":
        np.save(tmp_path / "X.npy", X)
        X = np.load(tmp_path / "X.npy", mmap_mode="r")
    else:
        X = LAYOUTS[layout](X)
    model = LogisticRegression(solver=name, max_iter=3, random_state=0, n_jobs=1)
    quiet(model, X[:50], y[:50])
    tracemalloc.start()
    try:
        quiet(model, X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    copies = layout == "columns"  # which are laid out in rows once, unless memory is short
    assert copies * X.nbytes <= peak < (copies + 0.25) * X.nbytes


def test_columns_without_a_place_for_a_copy_are_read_in_place(monkeypatch):
    X = np.asfortranarray(FULL)
    assert dense.readable(X).flags.c_contiguous
    monkeypatch.setattr(dense, "ALWAYS_FREE", 0)
    monkeypatch.setattr(dense, "free_bytes", lambda: X.nbytes)
    assert dense.readable(X) is X
    for name in ("adagrad", "sdca", "lbfgs"):
        models = [quiet(LogisticRegression(solver=name, random_state=0), x, LABELS) for x in (X, FULL)]
        np.testing.assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-6)


def test_a_matrix_on_disk_is_visited_in_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("skopt_solvers._base.memmap.BLOCK_BYTES", 2048)
    np.save(tmp_path / "X.npy", FULL)
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert len(objective_of(X, "logistic", 1).runs) > 1
    for name in ("adagrad", "sdca", "lbfgs"):
        model = LogisticRegression(solver=name, max_iter=100, tol=1e-3, random_state=0)
        assert quiet(model, X, LABELS).suboptimality_bound(X, LABELS) < 2


def test_streams_searches_and_paths_read_dense_rows():
    models = []
    for X in (HOLEY, sp.csr_matrix(HOLEY)):
        stream = LogisticRegression(solver="adagrad", random_state=0)
        for chunk in np.split(np.arange(90), 3):
            stream.partial_fit(X[chunk], LABELS[chunk], classes=range(3))
        early = LogisticRegression(solver="adam", early_stopping=True, random_state=0)
        search = GridSearchCV(LogisticRegression(solver="sdca", random_state=0, max_iter=300), {"C": [0.1, 1]}, cv=3)
        coefs = C_path(LogisticRegression(), X, LABELS, Cs=[0.1, 1.0], cv=3).coefs
        models.append([stream.coef_, quiet(early, X, LABELS).coef_, search.fit(X, LABELS).best_estimator_.coef_, coefs])
    for one, other in zip(*models, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tensors_keep_their_type(dtype):
    X, y = array_api_strict.asarray(FULL.astype(dtype)), array_api_strict.asarray(LABELS)
    model = LogisticRegression().fit(X, y)
    assert model.coef_.dtype == dtype
    expected = LogisticRegression().fit(FULL.astype(dtype), LABELS)
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    np.testing.assert_array_equal(model.predict(X), expected.predict(FULL.astype(dtype)))


DISPATCHED = """
import array_api_strict as xp, sklearn
from skopt_solvers import LogisticRegression
X, y = xp.asarray([[0.0, 1.0], [1.0, 0.0], [1.0, 2.0]], dtype=xp.float32), xp.asarray([0, 1, 0])
sklearn.set_config(array_api_dispatch=True)
model = LogisticRegression(C=10).fit(X, y)
print(model.coef_.dtype, model.predict(X), model.score(X, y))
"""


def test_tensors_are_taken_where_scikit_learn_dispatches():
    # scipy asks for the variable when it is imported
    options = dict(env={**os.environ, "SCIPY_ARRAY_API": "1"}, capture_output=True, text=True)
    run = subprocess.run([sys.executable, "-c", DISPATCHED], **options)
    assert run.stdout == "float32 [0 1 0] 1.0\n", run.stderr


@pytest.mark.parametrize("kind", ["linear", "dual"])
def test_kernels_take_arrays_of_two_dimensions_alone(kind):
    labels, ones = np.zeros(90, np.int32), np.ones(90)
    given = (labels, ones, np.arange(90), 1) if kind == "linear" else (labels, ones, 1)
    penalty = (0.0, 0.0) if kind == "linear" else ()
    make = getattr(_kernels, kind)
    make(FULL, *given, True, "logistic", 0.0, False, *penalty, n_threads=1)
    with pytest.raises(TypeError):
        make(FULL[0], *given, True, "logistic", 0.0, False, *penalty, n_threads=1)
    with pytest.raises(ValueError, match="one entry a row"):
        make(FULL[:5], *given, True, "logistic", 0.0, False, *penalty, n_threads=1)
