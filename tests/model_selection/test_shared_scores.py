"""Scores of candidates that were fitted together come from one product, with the bits that each model's own gives."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import model_selection as sklearn_search
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.metrics import make_scorer
from sklearn.pipeline import Pipeline

from skopt_solvers import LinearSVC, LogisticRegression
from skopt_solvers._estimator.shared_scores import SharedProducts, products_by
from skopt_solvers.linear_model import _classifier
from skopt_solvers.model_selection import GridSearchCV, fit_many

X, Y = make_classification(240, 12, n_informative=8, n_classes=3, random_state=0)
X = sp.csr_matrix(np.where(np.abs(X) > 0.5, X, 0))
MODEL = LogisticRegression(solver="adagrad", max_iter=3, tol=0, random_state=0, n_jobs=1)

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:One or more of the test scores"
)


@pytest.fixture
def products(monkeypatch):
    """The shapes of the weights of all products."""
    shapes, product = [], _classifier.dense_product

    def counted(A, B):
        shapes.append(B.shape)
        return product(A, B)

    monkeypatch.setattr(_classifier, "dense_product", counted)
    return shapes


def fitted(n_classes, dtype=np.float64, kind=LogisticRegression, n=5):
    y = make_multilabel_classification(240, n_classes=4, random_state=0)[1] if n_classes == "labels" else Y % n_classes
    models = [kind(C=10.0**i, solver="adagrad", max_iter=3, random_state=0) for i in range(n)]
    return fit_many(models, X.astype(dtype), y)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", [LogisticRegression, LinearSVC])
@pytest.mark.parametrize("n_classes", [2, 3, "labels"])
def test_bits_are_those_of_a_product_alone(n_classes, kind, dtype, products):
    models, rows = fitted(n_classes, dtype, kind), X[:90].astype(dtype)
    expected = [model.decision_function(rows) for model in models]
    products.clear()
    with products_by(SharedProducts([models], lambda rows: True)):
        scores = [model.decision_function(rows) for model in models for _ in range(2)][::2]
        classes = [model.predict(rows) for model in models]
    assert products == [(12, 5 * len(models[0].coef_))]
    for model, own, common, y in zip(models, expected, scores, classes, strict=True):
        assert common.dtype == own.dtype and common.flags.c_contiguous
        np.testing.assert_array_equal(common, own)
        common[:] = np.nan  # it is the caller's
        np.testing.assert_array_equal(y, model.predict(rows))


def test_others_make_their_own_product(products):
    models, rows = fitted(2), X[:90]
    alone = LogisticRegression().fit(X, Y)
    with products_by(SharedProducts([models], lambda rows: rows.shape[0] == 90)):
        for model, given in ((alone, rows), (models[0], X), (models[1], rows.toarray()), (models[2], rows[:1])):
            products.clear()
            model.decision_function(given)
            assert products == [model.coef_.T.shape]
        with pytest.raises(NotFittedError):
            LogisticRegression().decision_function(rows)
        with pytest.raises(ValueError, match="has 11 features"):
            models[0].decision_function(rows[:, :11])
        models[3].coef_ = -models[3].coef_
        np.testing.assert_array_equal(
            models[3].decision_function(rows), rows @ models[3].coef_[0] + models[3].intercept_
        )


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("scoring", ["accuracy", ["accuracy", "roc_auc_ovr", "neg_log_loss"], None])
def test_a_search_makes_one_product_a_fold(scoring, train, products):
    options = dict(cv=4, scoring=scoring, return_train_score=train, refit=False, n_jobs=1)
    model, grid = Pipeline([("model", MODEL)]), {"model__C": [0.1, 1.0, 10.0, 100.0]}
    search = GridSearchCV(model, grid, **options).fit(X, Y)
    assert products == [(12, 12)] * 4 * (1 + train)
    theirs = sklearn_search.GridSearchCV(model, grid, **options).fit(X, Y)
    for name in theirs.cv_results_:
        if "_score" in name and "time" not in name and not name.startswith("rank"):
            np.testing.assert_allclose(search.cv_results_[name], theirs.cv_results_[name], rtol=1e-9)


def test_rows_of_a_scorer_of_ones_own_are_its_own(products):
    def own(model, X, y):
        X.data[:] = -X.data
        return model.score(X, y)

    grid = {"C": [0.1, 1.0, 10.0]}
    search, theirs = (
        kind(MODEL, grid, cv=3, scoring=own, refit=False, n_jobs=1).fit(X, Y)
        for kind in (GridSearchCV, sklearn_search.GridSearchCV)
    )
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])
    assert set(products) == {(12, 3)}


def test_a_candidate_that_fails_has_no_product():
    scoring = make_scorer(lambda y, scores: np.abs(scores).mean(), response_method="decision_function")
    grid = {"C": [-1.0, 0.1, 1.0], "solver__schedule": [lambda t: -1.0, "linear"]}
    with pytest.warns(FitFailedWarning, match="12 fits failed"):
        search = GridSearchCV(MODEL, grid, cv=3, scoring=scoring, refit=False, n_jobs=1).fit(X, Y)
    with pytest.warns(FitFailedWarning, match="12 fits failed"):
        theirs = sklearn_search.GridSearchCV(MODEL, grid, cv=3, scoring=scoring, refit=False).fit(X, Y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).sum() == 2
    np.testing.assert_allclose(scores, theirs.cv_results_["mean_test_score"], rtol=1e-9)
