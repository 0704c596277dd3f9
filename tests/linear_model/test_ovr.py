"""Logistic regression one-versus-rest, inside the estimator and by scikit-learn's wrapper over one X."""

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import expit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression as Reference
from sklearn.multiclass import OneVsRestClassifier

from skopt_solvers import LinearSVC, LogisticRegression
from skopt_solvers.linear_model import _problem
from skopt_solvers.objectives import LinearObjective
from skopt_solvers.solvers import AdamW

from ..estimator.test_fit import quiet
from ..reference import EXACT_NAMES, L1_NAMES, NAMES
from ..solvers.test_optimum import text_like

X, Y = text_like(n=240, d=60, n_classes=4, seed=3)


def model_of(solver, **options):
    model = LogisticRegression(multi_class="ovr", solver=solver, tol=1e-6, max_iter=1000, random_state=0, **options)
    return model


@pytest.mark.parametrize("solver", EXACT_NAMES)
@pytest.mark.parametrize("l1_ratio", [0.0, 0.6])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_equals_one_binary_fit_a_class(solver, l1_ratio, fit_intercept):
    if l1_ratio and solver not in L1_NAMES:
        with pytest.raises(ValueError, match="L1"):
            model_of(solver, l1_ratio=l1_ratio).fit(X, Y)
        return
    model = quiet(model_of(solver, l1_ratio=l1_ratio, fit_intercept=fit_intercept), X, Y)
    best = LogisticRegression(l1_ratio=l1_ratio, fit_intercept=fit_intercept, tol=1e-9, max_iter=3000)
    bound = model.suboptimality_bound(X, Y)
    for j in range(4):
        one = clone(best).fit(X, Y == j)
        # F is 1-strongly convex in the coefficients by its L2 part, so a gap bounds their distance
        far = np.linalg.norm(model.coef_[j] - one.coef_[0])
        assert far <= np.sqrt(2 * bound / (1 - l1_ratio)) + 1e-4
    assert bound < 1e-2 * model.history_[-1]["objective"]


@pytest.mark.parametrize("solver", NAMES)
def test_the_classes_do_not_meet(solver):
    """In full batches, where sums over samples are formed alike, each output is fitted as if it were alone."""
    stochastic = solver not in ("lbfgs", "sdca")
    options = dict(solver__batch_size=240, solver__learning_rate=0.1) if stochastic else {}
    model = model_of(solver).set_params(max_iter=50 if stochastic else 1000, tol=1e-9, **options)
    whole = quiet(clone(model), X, Y)
    for j in range(4):
        one = quiet(clone(model), X, Y == j)
        np.testing.assert_allclose(whole.coef_[j], one.coef_[0], atol=2e-5)
        np.testing.assert_allclose(whole.intercept_[j], one.intercept_[0], atol=2e-5)


@pytest.mark.parametrize("solver", ["lbfgs", "sdca"])
@pytest.mark.parametrize("weighted", [False, True])
def test_agrees_with_scikit_learn(solver, weighted):
    weights = np.random.RandomState(0).randint(0, 4, len(Y)) if weighted else np.ones(len(Y))
    ours = model_of(solver, C=2.0).set_params(tol=1e-9).fit(X, Y, sample_weight=weights)
    # the wrapper takes no sample weights
    rows = np.repeat(np.arange(len(Y)), weights.astype(int))
    theirs = OneVsRestClassifier(Reference(C=2.0, tol=1e-9, max_iter=5000)).fit(X[rows], Y[rows])
    coef = np.vstack([one.coef_ for one in theirs.estimators_])
    np.testing.assert_allclose(ours.coef_, coef, atol=2e-5)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(np.exp(ours.predict_log_proba(X)), ours.predict_proba(X), rtol=1e-12)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_probabilities_where_every_class_is_out_of_reach():
    model = model_of("lbfgs").fit(X, Y)
    Z = model.decision_function(X)
    np.testing.assert_allclose(model.predict_proba(X), expit(Z) / expit(Z).sum(axis=1, keepdims=True), rtol=1e-12)
    model.intercept_ -= 1e4
    P = model.predict_proba(X)
    np.testing.assert_allclose(P.sum(axis=1), 1)
    np.testing.assert_array_equal(P.argmax(axis=1), Z.argmax(axis=1))


def test_two_classes_are_one_problem_whatever_multi_class_says():
    fits = [LogisticRegression(multi_class=m, tol=1e-8).fit(X, Y > 1) for m in ("softmax", "ovr")]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
    np.testing.assert_array_equal(fits[0].predict_proba(X), fits[1].predict_proba(X))
    with pytest.raises(ValueError, match="multi_class"):
        LogisticRegression(multi_class="multinomial").fit(X, Y)


def test_streams_and_resumes():
    stream = LogisticRegression(multi_class="ovr", solver="adagrad", random_state=0)
    for _ in range(5):
        stream.partial_fit(X, Y, classes=np.arange(4))
    assert stream.score(X, Y) > 0.6
    whole = quiet(model_of("sdca", C=10.0).set_params(max_iter=6, tol=0), X, Y)
    half = model_of("sdca", C=10.0, warm_start=True).set_params(max_iter=3, tol=0)
    quiet(quiet(half, X, Y), X, Y)
    np.testing.assert_allclose(half.coef_, whole.coef_, atol=1e-3)


@pytest.mark.parametrize("first, then", [("ovr", "softmax"), ("softmax", "ovr")])
def test_a_warm_start_from_the_other_model_ends_where_a_fresh_one_does(first, then):
    model = model_of("sdca", warm_start=True).set_params(multi_class=first, tol=1e-8).fit(X, Y)
    model.set_params(multi_class=then).fit(X, Y)
    fresh = LogisticRegression(multi_class=then, tol=1e-9, max_iter=3000).fit(X, Y)
    np.testing.assert_allclose(model.coef_, fresh.coef_, atol=1e-3)


def test_adamw_has_the_fixed_point_of_one_class():
    # its own decay, which no objective has
    solver = AdamW(weight_decay=0.01, batch_size=240, learning_rate=0.05)
    whole = quiet(model_of(solver), X, Y)
    np.testing.assert_allclose(whole.coef_[1], quiet(model_of(solver), X, Y == 1).coef_[0], atol=1e-4)


# Multi-label: scikit-learn's OneVsRestClassifier over our estimators

LABELS = np.column_stack([Y == 0, Y <= 1, Y == 3, (Y == 1) | (Y == 3)]).astype(int)


@pytest.fixture
def data_buffers(monkeypatch):
    """Where the values and indices of X lie in each fit."""
    seen = []

    class Watched(LinearObjective):
        def __init__(self, X, *args, **options):
            seen.append((X.data.__array_interface__["data"][0], X.indices.__array_interface__["data"][0]))
            super().__init__(X, *args, **options)

    monkeypatch.setattr(_problem, "LinearObjective", Watched)
    return seen


@pytest.mark.parametrize(
    "model", [LogisticRegression(solver="sdca"), LinearSVC(), LogisticRegression(solver="adagrad")]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sparse_labels", [False, True])
def test_an_indicator_matrix_is_fitted_column_by_column_over_one_x(model, dtype, sparse_labels, data_buffers):
    data = X.astype(dtype)
    model = clone(model).set_params(random_state=0, tol=1e-3)
    labels = sp.csr_matrix(LABELS) if sparse_labels else LABELS
    with joblib.parallel_config("threading"):
        many = OneVsRestClassifier(model, n_jobs=2).fit(data, labels)
    own = (data.data.__array_interface__["data"][0], data.indices.__array_interface__["data"][0])
    assert data_buffers == [own] * 4
    for j, one in enumerate(many.estimators_):
        alone = clone(model).set_params(n_jobs=1).fit(data, LABELS[:, j])
        np.testing.assert_allclose(one.coef_, alone.coef_, atol=1e-6)
        assert one.coef_.dtype == dtype
    predicted = many.predict(data)
    assert (predicted != labels).mean() < 0.2
    if isinstance(model, LogisticRegression):
        P = many.predict_proba(data)
        np.testing.assert_array_equal(np.asarray(predicted.todense() if sparse_labels else predicted), P > 0.5)


def test_the_wrapper_agrees_with_scikit_learns_estimator():
    with joblib.parallel_config("threading"):
        ours = OneVsRestClassifier(LogisticRegression(tol=1e-8), n_jobs=2).fit(X, LABELS)
    theirs = OneVsRestClassifier(Reference(tol=1e-8, max_iter=1000)).fit(X, LABELS)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)
