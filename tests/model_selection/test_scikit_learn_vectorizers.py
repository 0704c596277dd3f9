"""Searches over scikit-learn's own vectorizers share one count of the text, and give scikit-learn's results."""

import pickle
import zlib

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn import linear_model
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from skopt_solvers import LogisticRegression
from skopt_solvers.feature_extraction import text as our_text
from skopt_solvers.feature_extraction._shared_vectorizers import hand_back
from skopt_solvers.model_selection import GridSearchCV

from .test_shared_search import GRIDS, LABELS, TEXTS, both


class Digest(ClassifierMixin, BaseEstimator):
    """A model whose scores are numbers of the bits of its X, the order within rows included."""

    def __init__(self, C=1.0):
        self.C = C

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.digest_ = digest(X)
        return self

    def predict(self, X):
        return np.full(X.shape[0], self.classes_[0])

    def score(self, X, y):
        return float(self.digest_ ^ digest(X))


def digest(X):
    assert X.format == "csr"
    form = f"{type(X).__name__} {X.shape} {X.dtype} {X.indices.dtype} {X.indptr.dtype}".encode()
    return zlib.crc32(b"".join([form, X.data.tobytes(), X.indices.tobytes(), X.indptr.tobytes()]))


def pipeline(vectorizer=None, model=None):
    return Pipeline([("text", vectorizer or TfidfVectorizer()), ("model", model or Digest())])


def state(vectorizer):
    """Return all that a fitted vectorizer has, in a form that can be compared."""
    attributes = {name: value for name, value in vars(vectorizer).items() if name != "_tfidf"}
    words = attributes.pop("vocabulary_", None)
    weights = vars(vectorizer._tfidf) if hasattr(vectorizer, "_tfidf") else {}
    vocabulary = None if words is None else [(term, column, type(column)) for term, column in words.items()]
    return repr(attributes), repr({k: np.asarray(v).tolist() for k, v in weights.items()}), vocabulary


def assert_as_scikit_learn(ours, theirs):
    """Require that what is left is scikit-learn's own, in its own class."""
    assert type(ours) is type(theirs) and type(ours).__module__ == "sklearn.feature_extraction.text"
    assert state(ours) == state(theirs)
    assert b"skopt_solvers" not in pickle.dumps(ours)


TEXT_GRIDS = {
    **{name: grid for name, grid in GRIDS.items() if all(key.startswith("text__") for key in dict(grid))},
    "more weights": {"text__stop_words": [None, ["film"], "english"], "text__dtype": [np.float32, np.float64]},
    "fixed": {"text__vocabulary": [None, ["film", "gut", "words"], {"ok": 1, "été": 0}], "text__norm": ["l1", None]},
    "accents": {"text__strip_accents": [None, "ascii", "unicode"], "text__lowercase": [True, False]},
    "characters with features": {
        "text__analyzer": ["char", "char_wb"], "text__max_features": [None, 30], "text__ngram_range": [(1, 2), (1, 3)],
    },
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.parametrize("name", TEXT_GRIDS)
def test_same_bits_in_the_same_order(name):
    ours, theirs = both(pipeline(), TEXT_GRIDS[name], cv=StratifiedKFold(3), return_train_score=True)
    assert_as_scikit_learn(ours.best_estimator_["text"], theirs.best_estimator_["text"])
    assert ours.best_estimator_["model"].digest_ == theirs.best_estimator_["model"].digest_
    assert ours.memory_["text_counts_shared"] > 0


MODELS = {
    "ours": LogisticRegression(),
    "ours, stochastic": LogisticRegression(solver="adagrad", max_iter=3, random_state=0, n_jobs=1),
    "scikit-learn's": linear_model.LogisticRegression(tol=1e-2),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", MODELS)
def test_models_have_the_same_scores(name):
    grid = {"text__min_df": [1, 2], "text__ngram_range": [(1, 1), (1, 2)], "model__C": [0.1, 1.0]}
    rtol = 1e-6 if "stochastic" in name else 0
    ours, theirs = both(pipeline(model=MODELS[name]), grid, cv=3, scoring="neg_log_loss", rtol=rtol)
    best, expected = ours.best_estimator_, theirs.best_estimator_
    assert_as_scikit_learn(best["text"], expected["text"])
    assert (best.predict_proba(TEXTS) == expected.predict_proba(TEXTS)).all()
    assert (best.predict(["gut film", "ok"]) == expected.predict(["gut film", "ok"])).all()


def test_work_is_done_once():
    grid = {"text__min_df": [1, 2], "text__ngram_range": [(1, 1), (1, 2)], "model__C": [1, 2, 3]}
    search = GridSearchCV(pipeline(), grid, cv=KFold(4), n_jobs=1).fit(TEXTS, LABELS)
    assert search.memory_["text_counts"] == 2
    assert search.memory_["text_counts_shared"] == 4 * 4 * 2 + 1 - 2


def test_vectorizers_of_the_user_stay_as_they_are():
    vectorizer, other = TfidfVectorizer(), CountVectorizer()
    model = pipeline(vectorizer)
    grid = {"text": [vectorizer, other], "model__C": [1.0, 2.0]}
    search = GridSearchCV(model, grid, cv=3).fit(TEXTS, LABELS)
    assert model["text"] is vectorizer and vars(vectorizer).keys() == vars(TfidfVectorizer()).keys()
    assert type(vectorizer) is TfidfVectorizer and type(other) is CountVectorizer
    assert {type(value) for value in search.cv_results_["param_text"]} == {TfidfVectorizer, CountVectorizer}
    both(model, grid, cv=3)


def test_unions_and_columns():
    union = FeatureUnion([("words", TfidfVectorizer()), ("chars", CountVectorizer(analyzer="char"))])
    grid = {"text__words__min_df": [1, 2], "text__chars__ngram_range": [(1, 1), (1, 2)]}
    ours, theirs = both(pipeline(union), grid, cv=3)
    assert ours.memory_["text_counts"] == 4
    for (_, mine), (_, other) in zip(
        *(s.best_estimator_["text"].transformer_list for s in (ours, theirs)), strict=True
    ):
        assert_as_scikit_learn(mine, other)
    frame = pd.DataFrame({"title": TEXTS, "body": TEXTS[::-1], "n": np.arange(len(TEXTS))})
    chain = make_pipeline(CountVectorizer(), TfidfTransformer())
    columns = ColumnTransformer(
        [("title", TfidfVectorizer(), "title"), ("body", chain, "body"), ("rest", "passthrough", ["n"])],
        sparse_threshold=1,
    )
    ours, theirs = both(pipeline(columns), {"text__title__min_df": [1, 2]}, frame, cv=3)
    assert ours.memory_["text_counts"] == 2
    fitted, expected = (search.best_estimator_["text"] for search in (ours, theirs))
    assert_as_scikit_learn(fitted.named_transformers_["title"], expected.named_transformers_["title"])
    assert_as_scikit_learn(fitted.named_transformers_["body"][0], expected.named_transformers_["body"][0])
    assert type(fitted.transformers[0][1]) is TfidfVectorizer
    assert b"skopt_solvers" not in pickle.dumps(fitted)


class Subclass(TfidfVectorizer):
    pass


class Meta(CountVectorizer):
    def build_analyzer(self):
        return str.split


@pytest.mark.parametrize("vectorizer", [Subclass(), Meta()], ids=["Subclass", "Meta"])
def test_subclasses_are_left_alone(vectorizer):
    ours, theirs = both(pipeline(vectorizer), {"text__min_df": [1, 2]}, cv=3)
    assert ours.memory_["text_counts"] == 0
    assert state(ours.best_estimator_["text"]) == state(theirs.best_estimator_["text"])


class Callable:
    def __call__(self, document):
        return document.split()


@pytest.mark.filterwarnings("ignore:The parameter 'token_pattern'")
@pytest.mark.parametrize("name", ["tokenizer", "analyzer"])
def test_callables_that_cannot_be_compared_share_nothing(name):
    ours, theirs = both(pipeline(TfidfVectorizer(**{name: Callable()})), {"text__min_df": [1, 2]}, cv=3)
    assert ours.memory_["text_counts"] == 0
    assert [*ours.best_estimator_["text"].vocabulary_] == [*theirs.best_estimator_["text"].vocabulary_]
    assert type(ours.best_estimator_["text"]) is TfidfVectorizer


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_errors_are_scikit_learns():
    grid = {"text__max_df": [1.0, 2], "text__min_df": [1, 3]}
    with pytest.warns(FitFailedWarning) as warned:
        both(pipeline(), grid, cv=3)
    one, other = (str(w.message) for w in warned if w.category is FitFailedWarning)
    last = [sorted(line for line in text.splitlines() if "Error:" in line) for text in (one, other)]
    assert last[0] == last[1]
    assert "ValueError: max_df corresponds to < documents than min_df" in last[0]
    empty = pipeline(TfidfVectorizer(stop_words=["good", "film"]))
    with pytest.raises(ValueError, match="empty vocabulary; perhaps the documents only contain stop words"):
        GridSearchCV(empty, {"model__C": [1]}, cv=2, error_score="raise").fit(["good", "film"] * 4, [0, 1] * 4)


def test_a_refit_that_fails_leaves_no_class_of_ours(monkeypatch):
    handed_back = []

    def spy(estimator):
        hand_back(estimator)
        handed_back.append(estimator["text"])

    monkeypatch.setattr("skopt_solvers.model_selection._shared_work.hand_back", spy)

    class FailsLater(Digest):
        def fit(self, X, y):
            if X.shape[0] == len(TEXTS):
                raise RuntimeError("fails by wish")
            return super().fit(X, y)

    search = GridSearchCV(pipeline(model=FailsLater()), {"model__C": [1]}, cv=3)
    with pytest.raises(RuntimeError, match="fails by wish"):
        search.fit(TEXTS, LABELS)
    assert not hasattr(search, "best_estimator_")
    (refitted,) = handed_back
    assert type(refitted) is TfidfVectorizer and refitted.vocabulary_


@pytest.mark.parametrize("name", ["ours", "scikit-learn's"])
def test_workers(name):
    grid = {"text__min_df": [1, 2], "model__C": [0.1, 1.0]}
    ours, theirs = both(pipeline(model=MODELS[name]), grid, cv=2, n_jobs=2)
    assert_as_scikit_learn(ours.best_estimator_["text"], theirs.best_estimator_["text"])


def test_a_vectorizer_of_ours_has_sorted_rows():
    ours, theirs = (module().fit_transform(TEXTS) for module in (our_text.TfidfVectorizer, TfidfVectorizer))
    assert ours.has_sorted_indices and not theirs.has_sorted_indices
    assert (ours != sp.csr_matrix(theirs)).nnz == 0
