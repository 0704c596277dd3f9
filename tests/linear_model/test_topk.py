"""The k best classes: against all scores, sorted; whatever the weights' and X's form, ties included."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from skopt_solvers import LinearSVC, LogisticRegression
from skopt_solvers.linear_model import _topk

from ..solvers.test_optimum import text_like


def model_of(coef, intercept, n_jobs=1):
    """A fitted model of given weights, a class an output."""
    model = LinearSVC(n_jobs=n_jobs)
    model.coef_, model.intercept_ = coef, intercept
    model.classes_ = np.arange(max(2, coef.shape[0])) * 10
    model.n_features_in_ = coef.shape[1]
    return model


def by_sorting(model, X, k):
    Z = model.decision_function(X)
    Z = np.stack([-Z, Z], axis=1) if Z.ndim == 1 else Z
    order = np.argsort(-Z, axis=1, kind="stable")[:, :k]
    return model.classes_[order], np.take_along_axis(Z, order, axis=1)


def weights(rng, n_classes, n_features, density, dtype=np.float64):
    coef = sp.random(n_classes, n_features, density=density, format="csr", random_state=rng, dtype=dtype)
    coef.data[:] = rng.randn(coef.nnz)
    return coef


@st.composite
def problems(draw):
    """Small whole numbers, so that sums are exact and many are equal; rows and weights that are empty."""
    rng = np.random.RandomState(draw(st.integers(0, 2**31 - 1)))
    n_classes, n_features, n = draw(st.integers(2, 40)), draw(st.integers(1, 12)), draw(st.integers(1, 9))
    low, high = draw(st.sampled_from([(-2, 3), (-3, 0), (0, 3), (-1000, 1000)]))
    density = draw(st.sampled_from([0.0, 0.02, 0.05, 0.3, 1.0]))
    coef = rng.randint(low, high, (n_classes if n_classes > 2 else 1, n_features)).astype(float)
    coef *= rng.uniform(size=coef.shape) < density
    intercept = rng.randint(low, high, len(coef)) * float(draw(st.booleans()))
    X = rng.randint(0, 3, (n, n_features)) * (rng.uniform(size=(n, n_features)) < 0.5)
    return X.astype(float), coef, intercept, draw(st.integers(1, n_classes))


@given(problems(), st.sampled_from([np.float32, np.float64]), st.booleans(), st.booleans(), st.sampled_from([1, 2]))
def test_the_best_classes_are_the_first_of_all_sorted_scores(problem, dtype, sparse_X, sparsified, n_jobs):
    X, coef, intercept, k = problem
    X, coef, intercept = X.astype(dtype), coef.astype(dtype), intercept.astype(dtype)
    model = model_of(coef, intercept, n_jobs)
    labels, scores = by_sorting(model, X, k)
    if sparsified:
        model.sparsify()
    top = model.predict_topk(sp.csr_matrix(X) if sparse_X else X, k)
    np.testing.assert_array_equal(top.scores, scores)
    np.testing.assert_array_equal(top.labels, labels)
    assert top.scores.dtype == dtype
    np.testing.assert_array_equal(top.labels[:, 0], model.predict(X))


@given(problems(), st.sampled_from([np.float32, np.float64]), st.sampled_from([1, 2]))
def test_picked_products_and_intercepts_give_the_same(problem, dtype, n_threads):
    X, coef, intercept, k = problem
    coef = np.vstack([coef] * 3 + [np.zeros((20, coef.shape[1]))])
    intercept = np.append(np.concatenate([intercept, intercept + 1, intercept - 9]), np.zeros(20))
    k = min(k, (len(coef) - 12) // 5)
    X, coef, intercept = X.astype(dtype), coef.astype(dtype), intercept.astype(dtype)
    labels, scores = by_sorting(model_of(coef, intercept), X, k)
    found = _topk._by_largest_products(sp.csr_matrix(X), sp.csr_matrix(coef.T), intercept, k, n_threads)
    np.testing.assert_array_equal(found[0] * 10, labels)
    np.testing.assert_array_equal(found[1], scores)


@given(problems(), st.integers(1, 5))
def test_chunks_of_classes_are_merged(problem, n_classes):
    X, coef, intercept, k = problem
    model = model_of(coef, intercept)
    labels, scores = by_sorting(model, X, k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_topk, "_LEAST_CLASSES", n_classes)
        patch.setattr(_topk, "_STORED", 1)
        top = model.sparsify().predict_topk(X, k)
    np.testing.assert_array_equal(top.scores, scores)
    np.testing.assert_array_equal(top.labels, labels)


@pytest.fixture
def used(monkeypatch):
    """What scores were found by, and for how many rows."""
    calls = []
    for name in ("_by_largest_products", "_by_blocks"):
        whole = getattr(_topk, name)

        def noted(X, W, *rest, whole=whole, name=name):
            calls.append((name, X.shape[0], sp.issparse(W)))
            return whole(X, W, *rest)

        monkeypatch.setattr(_topk, name, noted)
    return calls


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("shift", [0.0, -1e3], ids=["any-sign", "all-negative"])
@pytest.mark.parametrize("k", [1, 7, 300])
def test_random_sparse_weights(dtype, index, shift, k):
    rng = np.random.RandomState(0)
    coef = weights(rng, 300, 500, 0.03, dtype)
    n = 4200 if k < 300 else 200
    X = sp.random(n, 500, density=0.02, format="csr", random_state=rng, dtype=dtype)
    X.data[: X.indptr[100]] = 0  # stored zeros
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    model = model_of(coef, (rng.randn(300) + shift).astype(dtype), n_jobs=2)
    labels, scores = by_sorting(model, X, k)
    top = model.predict_topk(X, k)
    np.testing.assert_allclose(top.scores, scores, rtol=1e-6 if dtype == np.float32 else 1e-13, atol=1e-6)
    assert (top.labels == labels).mean() > 0.9999
    assert top.labels.shape == top.scores.shape == (n, k)
    assert (scores.max() < 0) == (shift < 0)


def test_the_density_of_products_chooses_how(used):
    rng = np.random.RandomState(0)
    coef = weights(rng, 6000, 200, 0.002).tolil()
    coef[:, 0] = 1.0
    # intercepts that differ by little against the products: proven at once
    model = model_of(coef.tocsr().toarray(), 1e-3 * rng.randn(6000))
    few, many = sp.csr_matrix(np.eye(200)[1:]), sp.csr_matrix(np.eye(200)[:1])
    for form in (lambda model: model, LinearSVC.sparsify):
        form(model).predict_topk(few, 3)
        model.predict_topk(many, 3)
        model.predict_topk(few, 400)
        assert [name for name, *_ in used] == ["_by_largest_products", "_by_blocks", "_by_blocks"]
        assert all(sparse for *_, sparse in used)
        used.clear()
    model_of(rng.randn(60, 20), np.zeros(60)).predict_topk(few[:, :20], 3)
    assert used == [("_by_blocks", 199, False)]


@pytest.mark.parametrize("spread", [1e-3, 10.0])
def test_only_rows_without_a_proof_are_done_again(spread, used):
    rng = np.random.RandomState(0)
    coef = weights(rng, 6000, 300, 0.003)
    X = sp.random(2500, 300, density=0.01, format="csr", random_state=rng)
    model = model_of(coef, spread * rng.randn(6000), n_jobs=2)
    top = model.predict_topk(X, 4)
    labels, scores = by_sorting(model, X, 4)
    np.testing.assert_array_equal(top.labels, labels)
    np.testing.assert_allclose(top.scores, scores, rtol=1e-12)
    (first, n, _), *again = used
    assert (first, n) == ("_by_largest_products", 2500)
    assert sum(rows for _, rows, _ in again) < 500 if spread < 1 else again == [("_by_blocks", 2500, True)]


@pytest.mark.parametrize("density", [0.05, 0.9])
@pytest.mark.parametrize("sparsified", [False, True])
def test_a_threshold_leaves_small_weights_out(density, sparsified):
    rng = np.random.RandomState(1)
    coef = weights(rng, 60, 80, density).toarray()
    X = sp.random(40, 80, density=0.2, format="csr", random_state=rng)
    model = model_of(coef.copy(), rng.randn(60))
    labels, scores = by_sorting(model_of(np.where(np.abs(coef) < 0.5, 0, coef), model.intercept_), X, 4)
    if sparsified:
        model.sparsify()
    top = model.predict_topk(X, 4, coef_threshold=0.5)
    np.testing.assert_array_equal(top.labels, labels)
    np.testing.assert_allclose(top.scores, scores)
    kept = model.coef_.toarray() if sparsified else model.coef_
    np.testing.assert_array_equal(kept, coef)


@pytest.mark.parametrize("X_dtype, coef_dtype", [(np.float32, np.float64), (np.float64, np.float32)])
@pytest.mark.parametrize("density", [0.02, 0.9])
def test_scores_have_the_wider_type(X_dtype, coef_dtype, density):
    rng = np.random.RandomState(2)
    model = model_of(weights(rng, 50, 60, density, coef_dtype), rng.randn(50).astype(coef_dtype))
    X = sp.random(30, 60, density=0.1, format="csr", random_state=rng, dtype=X_dtype)
    top = model.predict_topk(X, 3)
    assert top.scores.dtype == np.float64
    wide = model_of(model.coef_.astype(float), model.intercept_.astype(float))
    np.testing.assert_allclose(top.scores, by_sorting(wide, X.astype(float), 3)[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("Model", [LogisticRegression, LinearSVC])
def test_of_fitted_models(Model):
    X, y = text_like(n=300, d=60, n_classes=12, seed=0)
    names = np.array([f"class {j:02}" for j in range(12)])
    model = Model(l1_ratio=1.0, C=0.3, tol=1e-3, max_iter=300).fit(X, names[y])
    top = model.predict_topk(X, 4)
    labels, scores = by_sorting(model, X, 4)
    np.testing.assert_array_equal(top.labels, labels)
    np.testing.assert_allclose(top.scores, scores)
    binary = Model().fit(X, y > 5)
    np.testing.assert_array_equal(binary.predict_topk(X, 1).labels[:, 0], binary.predict(X))
    two = binary.predict_topk(X, 2).scores
    np.testing.assert_array_equal(two[:, 0], np.abs(binary.decision_function(X)))
    np.testing.assert_array_equal(two[:, 1], -two[:, 0])


def test_all_scores_are_never_held():
    """1,000 samples and 20,000 classes: a matrix of all scores would take 160 MB."""
    import tracemalloc

    rng = np.random.RandomState(0)
    for density, most in ((1e-3, 12e6), (0.2, 60e6)):
        model = model_of(weights(rng, 20_000, 50, density), rng.randn(20_000))
        X = sp.random(1000, 50, density=0.1, format="csr", random_state=rng)
        model.predict_topk(X[:2], 3)
        tracemalloc.start()
        model.predict_topk(X, 3)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most


def test_what_is_refused():
    X, y = text_like(n=60, d=20, n_classes=3, seed=0)
    with pytest.raises(NotFittedError):
        LinearSVC().predict_topk(X, 1)
    model = LinearSVC(tol=1e-2).fit(X, y)
    for k in (0, 4, 1.5, True, "1"):
        with pytest.raises(ValueError, match="k must be an integer from 1 to the number of classes, 3, got"):
            model.predict_topk(X, k)
    for threshold in (-1, np.inf, np.nan, "0", True):
        with pytest.raises(ValueError, match="coef_threshold must be a finite number >= 0, got"):
            model.predict_topk(X, 1, coef_threshold=threshold)
    with pytest.raises(ValueError, match="19 features"):
        model.predict_topk(X[:, :19], 1)
    broken = sp.csr_matrix(X, copy=True)
    broken.indices[3] = 2**30
    with pytest.raises(ValueError, match="not a valid CSR"):
        model.predict_topk(broken, 1)
