"""Estimators of scikit-learn made of fitted ones of ours predict the same, and hold nothing of this package."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression as TheirLogistic
from sklearn.model_selection import GridSearchCV as TheirSearch
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.svm import LinearSVC as TheirSVC

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from skopt_solvers.model_selection import GridSearchCV
from skopt_solvers.persistence import to_sklearn

from ..solvers.test_optimum import text_like

X, Y = text_like(n=120, d=40, n_classes=3, seed=5)
LABELS = np.column_stack([Y == 0, Y > 0, X.getnnz(axis=1) % 2]).astype(int)
TARGETS = {
    "two": np.array(["no", "yes"])[(Y > 0).astype(int)],
    "three": np.array(["a", "b", "c"])[Y],
    "labels": LABELS,
    "sparse labels": sp.csr_matrix(LABELS),
}
MODELS = {
    "softmax": LogisticRegression(max_iter=400),
    "ovr": LogisticRegression(multi_class="ovr", max_iter=400),
    "l1": LogisticRegression(l1_ratio=1.0, C=5, max_iter=400),
    "no intercept": LogisticRegression(fit_intercept=False, max_iter=400),
    "squared_hinge": LinearSVC(max_iter=400),
    "hinge": LinearSVC(loss="hinge", solver="sdca", max_iter=4000, random_state=0),
    "modified_huber": LinearSVC(loss="modified_huber", max_iter=400),
    "smoothed_hinge": LinearSVC(loss="smoothed_hinge", multi_class="crammer_singer", max_iter=400),
}
TEXTS = ["good and cheap", "cheap but good", "bad, and dear", "dear, too", "Zürich is dear", "good, good, GOOD"]
VERDICTS = [1, 1, 0, 0, 0, 1]


def dense(labels):
    return labels.toarray() if sp.issparse(labels) else labels


def assert_alike(ours, theirs, X, atol=1e-15):
    predicted, again = ours.predict(X), theirs.predict(X)
    assert sp.issparse(predicted) == sp.issparse(again)
    assert np.array_equal(dense(predicted), dense(again))
    for method in ("decision_function", "predict_proba"):
        if hasattr(ours, method) and hasattr(theirs, method):
            values = getattr(ours, method)(X)
            scale = max(1.0, np.abs(values).max())
            np.testing.assert_allclose(getattr(theirs, method)(X), values, rtol=0, atol=atol * scale)


def mentions_us(model):
    return b"skopt_solvers" in pickle.dumps(model)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", MODELS)
def test_a_linear_model_predicts_the_same(name, target):
    ours = clone(MODELS[name]).fit(X, TARGETS[target])
    theirs = ours.to_sklearn()
    several = "labels" in target or (name == "ovr" and target == "three")
    kind = TheirLogistic if isinstance(ours, LogisticRegression) else TheirSVC
    assert type(theirs) is (OneVsRestClassifier if several else kind)
    assert not mentions_us(theirs)
    assert_alike(ours, theirs, X, atol=2e-15)
    assert_alike(ours, theirs, X.toarray()[:7], atol=2e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_keep_their_type_and_are_copies(dtype):
    ours = LogisticRegression().fit(X.astype(dtype), Y)
    theirs, before = ours.to_sklearn(), ours.coef_.copy()
    assert theirs.coef_.dtype == dtype
    assert np.array_equal(theirs.predict_proba(X.astype(dtype)), ours.predict_proba(X.astype(dtype)))
    theirs.coef_[:] = 0
    assert np.array_equal(ours.coef_, before)


def test_names_of_columns_and_sparse_weights_go_along():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X.toarray()).rename(columns=str)
    ours = LogisticRegression(multi_class="ovr").fit(frame, Y)
    assert_alike(ours, ours.to_sklearn(), frame)
    with pytest.raises(ValueError, match="feature names"):
        ours.to_sklearn().predict(frame.rename(columns=lambda name: name + "x"))
    sparse = LogisticRegression().fit(X, Y).sparsify()
    assert_alike(sparse, sparse.to_sklearn(), X)


def test_a_further_fit_has_the_same_optimum():
    for ours in (LogisticRegression(C=3, tol=1e-8, max_iter=1000), LinearSVC(C=0.5, tol=1e-8, max_iter=2000)):
        ours.set_params(fit_intercept=False).fit(X, TARGETS["two"])
        theirs = ours.to_sklearn().set_params(max_iter=100000).fit(X, TARGETS["two"])
        np.testing.assert_allclose(theirs.coef_, ours.coef_, atol=1e-4)


@pytest.mark.parametrize(
    "ours",
    [
        CountVectorizer(ngram_range=(1, 2), min_df=2),
        CountVectorizer(vocabulary=["good", "dear"]),
        TfidfVectorizer(sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3), dtype=np.float32),
        TfidfVectorizer(use_idf=False, stop_words="english"),
        HashingVectorizer(n_features=64),
    ],
    ids=["counts", "given", "tfidf", "characters", "no idf", "hashes"],
)
def test_a_vectorizer_gives_the_same_rows(ours):
    theirs = ours.fit(TEXTS).to_sklearn()
    assert type(theirs).__module__ == "sklearn.feature_extraction.text" and not mentions_us(theirs)
    rows, again = ours.transform(TEXTS), theirs.transform(TEXTS)
    assert rows.dtype == again.dtype and np.array_equal(rows.toarray(), again.toarray())
    if hasattr(ours, "vocabulary_"):
        assert theirs.vocabulary_ == ours.vocabulary_ and theirs.vocabulary_ is not ours.vocabulary_


def pipelines():
    words = TfidfVectorizer()
    union = FeatureUnion([("words", words), ("letters", CountVectorizer(analyzer="char"))])
    columns = ColumnTransformer([("text", TfidfVectorizer(), 0), ("other", HashingVectorizer(n_features=16), 1)])
    model = LogisticRegression(C=10, max_iter=400)
    return {
        "pipeline": (make_pipeline(words, model), TEXTS),
        "union": (make_pipeline(union, LinearSVC()), TEXTS),
        "columns": (make_pipeline(columns, model), np.array([TEXTS, TEXTS[::-1]], dtype=object).T),
        "calibrated": (make_pipeline(words, CalibratedClassifierCV(LinearSVC(), cv=2)), TEXTS),
        "their search": (TheirSearch(make_pipeline(words, model), {"logisticregression__C": [1, 10]}, cv=2), TEXTS),
        "our search": (GridSearchCV(make_pipeline(words, model), {"logisticregression__C": [1, 10]}, cv=2), TEXTS),
    }


@pytest.mark.parametrize("name", pipelines())
def test_what_holds_our_estimators_holds_none_afterwards(name):
    ours, documents = pipelines()[name]
    theirs = to_sklearn(ours.fit(documents, VERDICTS))
    assert not mentions_us(theirs)
    assert mentions_us(ours)
    assert_alike(ours, theirs, documents)


def test_what_has_no_counterpart_or_no_fit_is_refused():
    crf = LinearChainCRF().fit([[["a"], ["b"]]], [["A", "B"]])
    with pytest.raises(TypeError, match=r"model must be .* LinearChainCRF"):
        to_sklearn(crf)
    with pytest.raises(TypeError, match="model must be an estimator, got str"):
        to_sklearn("a")
    search = GridSearchCV(LogisticRegression(), {"C": [1]}, cv=2, refit=False).fit(X, Y)
    for unfitted in (LogisticRegression(), make_pipeline(CountVectorizer(), LinearSVC()), search):
        with pytest.raises(NotFittedError):
            to_sklearn(unfitted)
    for vectorizer in (CountVectorizer(), TfidfVectorizer(vocabulary=["a"])):
        with pytest.raises(NotFittedError):
            vectorizer.to_sklearn()
