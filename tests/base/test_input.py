"""What goes in: containers, dtypes and index types give one answer; bad input is refused before any work starts."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.objectives import LinearObjective
from skopt_solvers.schedules import StepDecay
from skopt_solvers.solvers import LBFGS, SOLVERS, Adam, Momentum

from ..estimator.test_fit import quiet
from ..reference import L1_NAMES, NAMES, STOCHASTIC_NAMES

RNG = np.random.RandomState(0)
DENSE = np.where(RNG.rand(150, 12) < 0.4, RNG.rand(150, 12), 0.0)
Y = (DENSE @ RNG.randn(12) + 0.3 * RNG.randn(150) > 0).astype(int)
SPARSE = sp.csr_matrix(DENSE)


def fit(X, solver="lbfgs", **params):
    return LogisticRegression(solver=solver, random_state=0, max_iter=60, **params).fit(X, Y)


def unsorted_with_duplicates_and_zeros():
    """The same matrix as stored by a careless program."""
    X = sp.coo_matrix(DENSE)
    order = np.random.RandomState(1).permutation(X.nnz)
    data = np.concatenate([X.data[order] / 2, X.data[order] / 2, np.zeros(20)])
    row = np.concatenate([X.row[order]] * 2 + [np.arange(20)])
    column = np.concatenate([X.col[order]] * 2 + [np.zeros(20, int)])
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=X.shape[0]))])
    by_row = np.argsort(row, kind="stable")
    return sp.csr_matrix((data[by_row], column[by_row], indptr), shape=X.shape)


CONTAINERS = [
    *(
        sp.csr_array,
        sp.csc_matrix,
        sp.csc_array,
        sp.coo_matrix,
        sp.coo_array,
        sp.lil_matrix,
        sp.dok_array,
        sp.bsr_matrix,
    ),
    *(sp.dia_array, np.asfortranarray, np.ndarray.tolist, pd.DataFrame),
    lambda X: pl.DataFrame(X, schema=[str(i) for i in range(12)]),
    lambda X: unsorted_with_duplicates_and_zeros(),
]


@pytest.mark.parametrize("solver", NAMES)
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning")
def test_every_container_gives_the_same_fit(solver, container):
    X = container(DENSE)
    expected = fit(SPARSE, solver)
    got = fit(X, solver)
    np.testing.assert_allclose(got.coef_, expected.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(got.predict_proba(X), expected.predict_proba(SPARSE), atol=1e-8)


@pytest.mark.parametrize("solver", NAMES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_index_types_give_the_same_fit(solver):
    wide = SPARSE.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    mixed = SPARSE.copy()
    mixed.indices = mixed.indices.astype(np.int64)
    expected = fit(SPARSE, solver).coef_
    # the compiler may contract multiplications and additions of the two kernels in other places
    np.testing.assert_allclose(fit(wide, solver).coef_, expected, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(fit(mixed, solver).coef_, expected, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("solver, l1_ratio", [*((s, 0.0) for s in NAMES), *((s, 0.5) for s in L1_NAMES)])
def test_float32_stays_float32(solver, l1_ratio):
    X = SPARSE.astype(np.float32)
    tol = 1e-5 if solver == "sdca" else 1e-3  # in float64 it goes on to the last digit
    model = fit(X, solver, l1_ratio=l1_ratio, warm_start=True, tol=tol)
    for value in (model.coef_, model.intercept_, model.decision_function(X), model.predict_proba(X)):
        assert value.dtype == np.float32
    state = getattr(model, "_resume", {"state": {}})["state"]
    tables = {**state.get("tables", {}), **{name: state[name] for name in ("W", "shares") if name in state}}
    if solver == "ftrl":
        assert tables.pop("shares").dtype == np.float64  # sums of a stream of any length
    assert all(table.dtype in (np.float32, np.int64) for table in tables.values())
    np.testing.assert_allclose(model.coef_, fit(SPARSE, solver, l1_ratio=l1_ratio, tol=tol).coef_, atol=2e-2)


@pytest.mark.parametrize("dtype", [np.int32, bool, np.uint8, ">f8", np.float16])
def test_other_dtypes_become_float64(dtype):
    X = (DENSE > 0.3).astype(dtype)
    model = fit(X)
    assert model.coef_.dtype == np.float64
    np.testing.assert_array_equal(model.coef_, fit((DENSE > 0.3).astype(float)).coef_)


@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sdca"])
def test_read_only_memory_maps(tmp_path, solver):
    arrays = []
    for name in ("data", "indices", "indptr"):
        np.save(tmp_path / f"{name}.npy", getattr(SPARSE, name))
        arrays.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    X = sp.csr_matrix(tuple(arrays), shape=SPARSE.shape, copy=False)
    np.testing.assert_array_equal(fit(X, solver).coef_, fit(SPARSE, solver).coef_)
    dense = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", shape=DENSE.shape)
    dense[:] = DENSE
    read_only = np.load(tmp_path / "X.npy", mmap_mode="r")
    np.testing.assert_array_equal(fit(read_only, solver).coef_, fit(DENSE, solver).coef_)


def test_input_is_never_changed():
    X = unsorted_with_duplicates_and_zeros()
    before = X.data.copy(), X.indices.copy(), X.indptr.copy()
    fit(X)
    for a, b in zip(before, (X.data, X.indices, X.indptr), strict=True):
        np.testing.assert_array_equal(a, b)


def test_unsorted_rows_are_not_copied(monkeypatch):
    """A vectorizer's rows are unsorted; the fit reads them where they are."""
    X = SPARSE.copy()
    for i in range(X.shape[0]):
        part = slice(X.indptr[i], X.indptr[i + 1])
        X.indices[part], X.data[part] = X.indices[part][::-1].copy(), X.data[part][::-1].copy()
    X.has_sorted_indices = False
    monkeypatch.setattr(sp.csr_matrix, "copy", lambda self: pytest.fail("X was copied"))
    model = fit(X)
    np.testing.assert_allclose(model.coef_, fit(SPARSE).coef_, rtol=1e-9)


def test_feature_names_and_string_labels():
    frame = pd.DataFrame(DENSE, columns=[f"f{i}" for i in range(12)])
    model = LogisticRegression().fit(frame, np.array(["no", "yes"])[Y])
    assert list(model.feature_names_in_) == list(frame.columns)
    assert set(model.predict(frame)) == {"no", "yes"}
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[frame.columns[::-1]])


# Bad input


def broken(**changes):
    X = SPARSE.copy()
    for name, change in changes.items():
        array = getattr(X, name).copy()
        change(array)
        setattr(X, name, array)
    return X


def put(index, value):
    def change(array):
        array[index] = value

    return change


@pytest.mark.parametrize("index_type", [np.int32, np.int64])
@pytest.mark.parametrize("changes, message", [
    (dict(indices=put(5, 12)), "indices must be between 0"),
    (dict(indices=put(5, -1)), "indices must be between 0"),
    (dict(indices=put(7, 2**31 - 1)), "indices must be between 0"),
    (dict(indptr=put(3, 10**6)), "indptr must not decrease|shorter"),
    (dict(indptr=put(4, 0)), "indptr must not decrease"),
    (dict(indptr=put(0, 1)), "indptr must start at 0"),
    (dict(indptr=put(-1, 10**8)), "shorter than indptr says"),
])  # fmt: skip
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_malformed_csr_is_refused(index_type, changes, message, method):
    X = broken(**changes)
    X.indices, X.indptr = X.indices.astype(index_type), X.indptr.astype(index_type)
    model = LogisticRegression(solver="adam")
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(X, Y, **(dict(classes=[0, 1]) if method == "partial_fit" else {}))
    assert not hasattr(model, "n_features_in_")


def test_malformed_csc_is_refused():
    X = sp.csc_matrix(DENSE)
    X.indices[3] = 10**6
    with pytest.raises(ValueError, match="CSC"):
        LogisticRegression().fit(X, Y)


@pytest.mark.parametrize("X, y, message", [
    (np.where(DENSE > 0.9, np.nan, DENSE), Y, "NaN"),
    (np.where(DENSE > 0.9, np.inf, DENSE), Y, "infinity"),
    (sp.csr_matrix(np.where(DENSE > 0.9, np.nan, DENSE)), Y, "NaN"),
    (DENSE, Y[:-1], "inconsistent numbers of samples"),
    (DENSE[:0], Y[:0], "0 sample"),
    (DENSE[:, :0], Y, "0 feature"),
    (DENSE[:, 0], Y, "1D array"),
    (DENSE, np.zeros(150, int), "at least 2 classes"),
    (DENSE, np.where(Y == 1, np.nan, 0.0), "NaN"),
    (DENSE, RNG.rand(150), "continuous"),
    (DENSE, None, "requires y"),
])  # fmt: skip
def test_bad_data_is_refused(X, y, message):
    with pytest.raises(ValueError, match=message):
        LogisticRegression().fit(X, y)


@pytest.mark.parametrize("params, message", [
    (dict(C=0), "'C' parameter"),
    (dict(C=-1.0), "'C' parameter"),
    (dict(l1_ratio=1.5), "'l1_ratio' parameter"),
    (dict(solver="sgd"), "(?=.*adagrad)(?=.*lbfgs)"),
    (dict(solver=None), "'solver' parameter"),
    (dict(max_iter=0), "'max_iter' parameter"),
    (dict(tol=-1.0), "'tol' parameter"),
    (dict(class_weight="even"), "'class_weight' parameter"),
    (dict(validation_fraction=1.0), "'validation_fraction' parameter"),
    (dict(solver=Adam(learning_rate=-1.0)), "Adam: learning_rate must be a number in \\(0"),
    (dict(solver=Adam(beta1=1.0)), "Adam: beta1 must be a number in \\[0, 1\\)"),
    (dict(solver=Adam(batch_size=0)), "Adam: batch_size must be an integer >= 1"),
    (dict(solver=Adam(schedule="fast")), "schedule must be one of .*cosine"),
    (dict(solver=Momentum(momentum=-0.1)), "Momentum: momentum must be"),
    (dict(solver=Momentum(clip_norm=0)), "Momentum: clip_norm must be"),
    (dict(solver=Adam(schedule=StepDecay(every=0))), "StepDecay.*must give factors"),
    (dict(solver=Adam(schedule=lambda t: -1.0)), "must give factors that are finite and >= 0, got -1"),
    (dict(n_jobs="2"), "'n_jobs' parameter"),
])  # fmt: skip
def test_bad_parameters_are_refused_by_name(params, message):
    with pytest.raises(ValueError, match=message):
        LogisticRegression(**params).fit(DENSE, Y)


@pytest.mark.parametrize("weights, message", [
    (-np.ones(150), "[Nn]egative"),
    (np.zeros(150), "[Ss]ample.weight"),
    (np.ones(149), "sample_weight"),
    (np.full(150, np.nan), "NaN"),
])  # fmt: skip
def test_bad_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        LogisticRegression().fit(DENSE, Y, sample_weight=weights)


def test_lbfgs_refuses_losses_with_kinks_and_names_what_works():
    three = np.arange(150) % 3
    for params in (dict(loss="hinge"), dict(loss="squared_hinge", multi_class="crammer_singer")):
        with pytest.raises(ValueError, match=r"squared_hinge.*smoothed_hinge.*adagrad.*adam"):
            LinearSVC(**params).fit(DENSE, three)


def test_a_loss_that_is_for_one_versus_rest_says_so():
    model = LinearSVC(loss="modified_huber", multi_class="crammer_singer")
    with pytest.raises(ValueError, match=r"loss must be one of 'squared_hinge', .* where multi_class='crammer_singer'"):
        model.fit(DENSE, np.arange(150) % 3)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize("params, obstacle", [
    (dict(l1_ratio=0.5), r"L1 \(l1_ratio > 0\)"),
    (dict(l1_ratio=1.0), r"L1 \(l1_ratio > 0\)"),
    (dict(C=np.inf), r"no penalty \(C=inf\)"),
    (dict(loss="smoothed_hinge", multi_class="crammer_singer"), "multi_class='crammer_singer'"),
])  # fmt: skip
def test_sdca_refuses_what_has_no_such_dual_and_names_what_works(params, obstacle, monkeypatch):
    monkeypatch.setattr(LinearObjective, "ascent", lambda *_: pytest.fail("work has started"))
    model = LinearSVC(solver="sdca", **params)
    with pytest.raises(ValueError, match=rf"solver='sdca'.*L2.*this one has {obstacle}.*lbfgs.*adagrad.*adamw"):
        model.fit(DENSE, np.arange(150) % 3)
    assert not hasattr(model, "n_features_in_")


def test_a_loss_that_compares_two_classes_is_no_obstacle_to_sdca():
    model = LinearSVC(solver="sdca", multi_class="crammer_singer").fit(DENSE, Y)
    assert model.converged_ and model.coef_.shape == (1, 12)


@pytest.mark.parametrize("solver", STOCHASTIC_NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("C", [1.0, np.inf])
def test_a_diverging_learning_rate_is_told_and_leaves_no_nan(solver, dtype, C):
    model = LinearSVC(C=C, solver=SOLVERS[solver](learning_rate=1e10, schedule="constant"), random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit((DENSE * 100).astype(dtype), Y)
        except FloatingPointError as error:
            assert "learning_rate" in str(error) and not hasattr(model, "coef_")
            return
    assert np.isfinite(model.coef_).all()
    assert any("learning_rate" in str(w.message) or "max_iter" in str(w.message) for w in caught)


def test_a_failed_fit_leaves_the_estimator_as_it_was():
    model = LogisticRegression(warm_start=True, solver="adam", random_state=0).fit(SPARSE, Y)
    before = {k: v for k, v in vars(model).items()}
    coef = model.coef_.copy()
    for X, y in ((np.full_like(DENSE, np.nan), Y), (DENSE[:, :3], Y), (DENSE, np.zeros(150, int))):
        with pytest.raises(ValueError):
            model.fit(X, y)
        assert vars(model).keys() == before.keys()
        assert all(vars(model)[k] is before[k] for k in before)
    model.set_params(solver=Momentum(learning_rate=1.0))
    with pytest.raises(FloatingPointError, match="learning_rate"):
        model.fit(SPARSE * 1e200, Y)
    np.testing.assert_array_equal(model.coef_, coef)


def test_a_failed_partial_fit_leaves_the_estimator_as_it_was():
    model = LinearSVC(solver=Momentum(average=True), random_state=0)
    for _ in range(3):
        model.partial_fit(SPARSE, Y, classes=[0, 1])
    coef, W = model.coef_.copy(), model._resume["state"]["W"].copy()
    tables = {k: v.copy() for k, v in model._resume["state"]["tables"].items()}
    bad = SPARSE * 1e200
    with pytest.raises(FloatingPointError, match="learning_rate"):
        model.partial_fit(bad, Y)
    np.testing.assert_array_equal(model.coef_, coef)
    np.testing.assert_array_equal(model._resume["state"]["W"], W)
    for name, table in tables.items():
        np.testing.assert_array_equal(model._resume["state"]["tables"][name], table)
    model.partial_fit(SPARSE, Y)


def test_a_sparse_model_of_float64_scores_sparse_float32():
    model = fit(SPARSE, l1_ratio=1.0).sparsify()
    scores = model.decision_function(SPARSE.astype(np.float32))
    np.testing.assert_allclose(scores, model.decision_function(SPARSE), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("form", [sp.coo_matrix, sp.bsr_matrix, sp.dia_matrix, sp.lil_matrix, sp.csc_matrix])
@pytest.mark.parametrize("model", [LogisticRegression, LinearSVC, LinearChainCRF])
def test_other_malformed_matrices_are_refused(form, model):
    """scipy converts them without a look, and writes beyond its arrays."""
    X = sp.dia_matrix(DENSE[:12]) if form is sp.dia_matrix else form(DENSE)
    y = Y[: X.shape[0]]
    if form is sp.lil_matrix:
        X.rows[3] = [1, 2, 3]
        X.data[3] = [1.0] * 1000
    else:
        indices = dict(coo_matrix="col", dia_matrix="offsets").get(form.__name__, "indices")
        getattr(X, indices)[1] = 10**6
    fitted = model(max_iter=2, tol=1).fit(DENSE, Y)
    for call in (model().fit, fitted.score):
        with pytest.raises(ValueError, match=f"X is not a valid {X.format.upper()} matrix of shape"):
            call(X, y)
    with pytest.raises(ValueError, match=r"X\[1\] is not a valid"):
        LinearChainCRF().fit([DENSE, X], [Y, y])


def test_arrays_that_are_longer_than_indptr_says():
    X = SPARSE.copy()
    X.indices, X.data = np.append(X.indices, [10**6, -3]).astype(np.int32), np.append(X.data, [1.0, 2.0])
    for solver in ("lbfgs", "adam"):
        np.testing.assert_array_equal(fit(X, solver).coef_, fit(SPARSE, solver).coef_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_flags_that_lie():
    """scipy believes what it was told of the order and of duplicates."""
    X = unsorted_with_duplicates_and_zeros()
    X.has_sorted_indices = X.has_canonical_format = True
    np.testing.assert_allclose(fit(X).coef_, fit(SPARSE).coef_, rtol=1e-6, atol=1e-9)
    tokens = SPARSE[:, ::-1].tocsr()
    tokens.sort_indices()
    reversed_rows = tokens[:, ::-1].tocsr()
    reversed_rows.has_sorted_indices = True
    crf = [LinearChainCRF(max_iter=5, tol=1e-9).fit(x, Y) for x in (reversed_rows, SPARSE)]
    np.testing.assert_array_equal(crf[0].coef_, crf[1].coef_)


@pytest.mark.parametrize("dtype, scale", [(np.float32, 1e30), (np.float64, 1e200)])
@pytest.mark.parametrize("solver", NAMES)
def test_features_whose_squares_overflow(solver, dtype, scale):
    if solver == "lbfgs":
        if dtype == np.float32:  # Newton's method has them in float64
            X = SPARSE.astype(dtype)
            scaled, free = (quiet(LogisticRegression(C=C), x, Y) for C, x in ((1, X * dtype(scale)), (np.inf, X)))
            np.testing.assert_array_equal(scaled.predict(X * dtype(scale)), free.predict(X))
        solver = LBFGS(newton=False)
        with pytest.raises(FloatingPointError, match="scale"):
            LogisticRegression().fit(SPARSE * 1e200, Y)
    with pytest.raises(FloatingPointError, match="scale"):
        LogisticRegression(solver=solver, random_state=0).fit((SPARSE * scale).astype(dtype), Y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", NAMES)
def test_features_that_are_all_zero(solver):
    for X in (np.zeros((150, 3)), np.full((150, 3), 1e-200)):
        model = LogisticRegression(solver=solver, fit_intercept=False, random_state=0).fit(X, Y)
        assert np.isfinite(model.coef_).all()
        if hasattr(model, "partial_fit"):
            model.partial_fit(X, Y).partial_fit(X, Y)


def test_scores_that_overflow():
    model = LogisticRegression().fit(DENSE, Y)
    for call in (model.predict, model.predict_proba, lambda X: model.predict_topk(X, k=1)):
        with pytest.raises(FloatingPointError, match="scores of X overflow"):
            call(np.where(DENSE > 0, 1.7e308, -1.7e308))


@pytest.mark.parametrize("C, weight", [(1e-300, 1.0), (1e300, 1e10), (1.0, 1e-310), (1e-30, 1e-5)])
def test_objectives_that_the_type_cannot_hold(C, weight):
    X = SPARSE.astype(np.float32)
    with pytest.raises(ValueError, match="sample_weight"):
        LogisticRegression(C=C).fit(X, Y, sample_weight=np.full(150, weight))


def short_of_its_indptr():
    X = SPARSE.copy()
    X.data, X.indices = (np.append(a, a[:1]) for a in (X.data, X.indices))
    return X


NOT_A_NUMBER = np.where(np.arange(12) == 3, np.nan, DENSE)
ASKED = {
    **{f"array {dtype}": DENSE.astype(dtype) for dtype in ("f4", "f8", "f2", "i8", "?")},
    **{f"{kind.__name__} {dtype}": kind(DENSE.astype(dtype)) for kind in (sp.csr_matrix, sp.csr_array)
       for dtype in ("f4", "f8", "i8", "?")},
    "list": DENSE.tolist(), "frame": pd.DataFrame(DENSE), "csc": sp.csc_matrix(DENSE),
    "a row": DENSE[0], "no rows": DENSE[:0], "no sparse rows": SPARSE[:0], "few columns": DENSE[:, :5],
    "few sparse columns": SPARSE[:, :5], "three dimensions": DENSE[None], "nan": NOT_A_NUMBER,
    "sparse nan": sp.csr_matrix(NOT_A_NUMBER), "inf": np.full((1, 12), np.inf), "large": np.full((1, 12), 1e308),
    "large in float32": np.full((1, 12), 3e38, np.float32), "named": pd.DataFrame(DENSE, columns=list("abcdefghijkl")),
    "more data than rows": short_of_its_indptr(), "strings": np.array([["a"] * 12]),
    "masked": np.ma.masked_array(DENSE),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("method", ["predict", "decision_function", "predict_proba"])
def test_predictions_are_those_of_validated_rows(name, named, method, monkeypatch):
    model = fit(pd.DataFrame(DENSE, columns=list("abcdefghijkl")) if named else DENSE)

    def outcome():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = getattr(model, method)(ASKED[name])
            except Exception as error:
                result = type(error), str(error)
        return result, [str(warning.message) for warning in caught]

    lean = outcome()
    monkeypatch.setattr("skopt_solvers.linear_model._classifier.is_plain", lambda *_: False)
    np.testing.assert_equal(lean, outcome())
