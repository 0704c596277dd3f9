"""GridSearchCV and RandomizedSearchCV: scikit-learn's results, of which the common work is done once."""

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import model_selection as sklearn_search
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler

from skopt_solvers import LogisticRegression, model_selection
from skopt_solvers.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from skopt_solvers.model_selection import GridSearchCV, RandomizedSearchCV
from skopt_solvers.model_selection._fit_reports import COLUMNS

RNG = np.random.default_rng(0)
WORDS = [
    "gut",
    "schlecht",
    "film",
    "Ärger",
    "straße",
    "d'accord",
    "I",
    "x",
    "été",
    "ok",
    "日本語",
    "word",
    "words",
    "a b",
]
TEXTS = [" ".join(RNG.choice(WORDS, RNG.integers(0, 12))) for _ in range(60)] + ["good", "good"] * 5
LABELS = np.array(["no", "yes", "maybe"])[RNG.integers(0, 3, len(TEXTS))]


def pipeline(vectorizer=None, model=None):
    return Pipeline([("text", vectorizer or TfidfVectorizer()), ("model", model or RidgeClassifier())])


def assert_same(ours, theirs, rtol=0):
    """Require the same results, but for times and the columns that only ours have."""
    more = ours.cv_results_.keys() - theirs.cv_results_.keys()
    assert ours.cv_results_.keys() - more == theirs.cv_results_.keys()
    assert {name.partition("_")[2] for name in more} <= set(COLUMNS)
    for name, expected in theirs.cv_results_.items():
        if "time" in name:
            continue
        if name == "params":
            assert [repr(p) for p in ours.cv_results_[name]] == [repr(p) for p in expected]
        elif np.asarray(expected).dtype == object:
            assert [repr(value) for value in ours.cv_results_[name]] == [repr(value) for value in expected]
        else:
            np.testing.assert_allclose(ours.cv_results_[name], expected, rtol=rtol, atol=0, err_msg=name)
    for name in ("best_index_", "best_score_", "n_splits_", "multimetric_"):
        assert getattr(ours, name, None) == getattr(theirs, name, None), name


def both(estimator, grid, X=TEXTS, y=LABELS, fit_params=None, rtol=0, **parameters):
    """Return our search and scikit-learn's, fitted, after a comparison."""
    ours, theirs = (
        module.GridSearchCV(clone(estimator), grid, **parameters).fit(X, y, **(fit_params or {}))
        for module in (model_selection, sklearn_search)
    )
    assert_same(ours, theirs, rtol)
    return ours, theirs


GRIDS = {
    "model": {"model__alpha": [0.1, 1, 10]},
    "frequencies": {"text__min_df": [1, 2, 0.1], "text__max_df": [0.5, 1.0], "text__max_features": [None, 5]},
    "weights": {
        "text__use_idf": [True, False],
        "text__smooth_idf": [True, False],
        "text__sublinear_tf": [True, False],
        "text__norm": ["l1", "l2", None],
        "text__binary": [False, True],
    },
    "n-grams": {"text__ngram_range": [(1, 1), (1, 3), (2, 2), (2, 3), (1, 2)], "text__min_df": [1, 2]},
    "characters": {"text__analyzer": ["char"], "text__ngram_range": [(1, 1), (2, 4), (1, 4), (3, 3)]},
    "words of characters": {
        "text__analyzer": ["char_wb"],
        "text__ngram_range": [(1, 1), (2, 5), (3, 4), (4, 5), (5, 6)],
    },
    "joined": {"text__token_pattern": [r"[a-z ]+"], "text__ngram_range": [(1, 1), (1, 2), (2, 2)]},
    "steps": {"text": [CountVectorizer(), TfidfVectorizer(dtype=np.float32), HashingVectorizer(n_features=32)]},
    "lists": [
        {"text__lowercase": [True, False], "text__strip_accents": [None, "unicode"]},
        {"text__stop_words": [None, ["film", "gut"]], "model": [RidgeClassifier(), LogisticRegression(n_jobs=1)]},
    ],
    "functions": {"text__tokenizer": [str.split, None], "text__token_pattern": [None, r"\w+"]},
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.parametrize("name", GRIDS)
def test_same_results_as_scikit_learn(name):
    ours, theirs = both(pipeline(), GRIDS[name], cv=StratifiedKFold(3), return_train_score=True)
    best, expected = ours.best_estimator_, theirs.best_estimator_
    if hasattr(best["text"], "vocabulary_"):
        assert list(best["text"].vocabulary_.items()) == list(expected["text"].vocabulary_.items())
    assert (best.decision_function(TEXTS) == expected.decision_function(TEXTS)).all()
    assert best.memory is None
    pickle.loads(pickle.dumps(ours)).predict(TEXTS)


def fitted_in_folds(grid, **parameters):
    """Return the fitted pipelines of all candidates and folds of a search, by the order of scikit-learn's."""
    seen = {}

    def scorer(estimator, X, y):
        seen[repr(estimator["text"].get_params()), len(X), tuple(X)] = estimator
        return 0.0

    GridSearchCV(pipeline(), grid, cv=KFold(3), scoring=scorer, refit=False, **parameters).fit(TEXTS, LABELS)
    return seen


@pytest.mark.parametrize("name", ["frequencies", "weights", "n-grams", "characters", "words of characters"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_vectorizers_of_folds_are_as_fitted_there(name):
    for (_, _, test), estimator in fitted_in_folds(GRIDS[name], error_score=0).items():
        train = next(
            [TEXTS[i] for i in fold] for fold, held in KFold(3).split(TEXTS) if tuple(TEXTS[i] for i in held) == test
        )
        shared = estimator["text"]
        fresh = clone(shared)
        expected = fresh.fit_transform(train)
        assert list(shared.vocabulary_.items()) == list(fresh.vocabulary_.items())
        assert shared.get_feature_names_out().tolist() == fresh.get_feature_names_out().tolist()
        for rows in (test, train):
            a, b = shared.transform(rows), fresh.transform(rows)
            assert (a.data == b.data).all() and (a.indices == b.indices).all() and (a.indptr == b.indptr).all()
        assert expected.shape[1] == len(shared.vocabulary_)


def test_work_is_done_once():
    grid = {"text__min_df": [1, 2], "text__ngram_range": [(1, 1), (1, 2)], "model__alpha": [1, 2, 3]}
    search = GridSearchCV(pipeline(), grid, cv=KFold(4), n_jobs=1).fit(TEXTS, LABELS)
    assert search.memory_ == {
        "text_counts": 2,  # the training rows of the first fold, and its other rows
        "text_counts_shared": 4 * 4 * 2 + 1 - 2,  # of each fold and setting, and the refit
        "transformers_fitted": 4 * 4,
        "transformers_shared": 4 * 4 * 2,
        "passes": 0,
        "fits_in_passes": 0,
    }


class Counting(TransformerMixin, BaseEstimator):
    """Counts its own fits and transforms."""

    calls = []

    def __init__(self, shift=0, fails=False):
        self.shift, self.fails = shift, fails

    def fit(self, X, y=None):
        self.calls.append("fit")
        if self.fails:
            raise ValueError("fails by wish")
        self.fitted_ = True
        return self

    def transform(self, X):
        self.calls.append("transform")
        return X + self.shift


@pytest.fixture
def calls():
    Counting.calls.clear()
    return Counting.calls


X = RNG.normal(size=(60, 4))
Y = (X[:, 0] + 0.3 * RNG.normal(size=60) > 0).astype(int)
CHAIN = Pipeline(
    [("first", Counting()), ("second", MaxAbsScaler()), ("third", Counting()), ("model", RidgeClassifier())]
)


def test_chains_share_their_beginnings(calls):
    grid = {"first__shift": [0, 1], "third__shift": [0, 1, 2], "model__alpha": [1, 2]}
    ours, _ = both(CHAIN, grid, X, Y, cv=3, refit=False)
    assert ours.memory_["transformers_fitted"] == 3 * (2 + 2 + 6)
    assert ours.memory_["transformers_shared"] == 3 * 12 * 3 - 3 * 10
    theirs = 3 * 12 * 2
    assert calls.count("fit") - theirs == 3 * (2 + 6)
    assert calls.count("transform") - 2 * theirs == 2 * 3 * (2 + 6)


@pytest.mark.parametrize("scoring", [None, "f1", ["accuracy", "neg_log_loss", "roc_auc"], "callable"])
def test_scorers(scoring):
    if scoring == "callable":
        scoring = lambda estimator, X, y: float(np.mean(estimator.predict(X) == y) + len(estimator.steps))  # noqa: E731
    model = Pipeline([("first", Counting()), ("model", LogisticRegression(n_jobs=1))])
    refit = "roc_auc" if isinstance(scoring, list) else True
    both(
        model, {"first__shift": [0, 1], "model__C": [0.1, 1]}, X, Y,
        cv=3, scoring=scoring, refit=refit, return_train_score=True,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_transformer_that_raises(calls):
    grid = {"third__fails": [False, True], "model__alpha": [1, 2, 3]}
    with pytest.warns(FitFailedWarning, match="9 fits failed with the following error") as ours:
        search = GridSearchCV(CHAIN, grid, cv=3).fit(X, Y)
    assert search.memory_["transformers_fitted"] == 3 * (1 + 1 + 2)
    with pytest.warns(FitFailedWarning):
        theirs = sklearn_search.GridSearchCV(CHAIN, grid, cv=3).fit(X, Y)
    assert_same(search, theirs)
    assert len([w for w in ours if w.category is FitFailedWarning]) == 1
    with pytest.raises(ValueError, match="fails by wish"):
        GridSearchCV(CHAIN, grid, cv=3, error_score="raise").fit(X, Y)


def test_a_failed_search_leaves_the_one_before():
    search = GridSearchCV(CHAIN, {"model__alpha": [1, 2]}, cv=3).fit(X, Y)
    before = vars(search).copy()
    with pytest.raises(ValueError):
        search.fit(X, Y[:-1])
    assert vars(search) == before


def test_fit_params_and_groups():
    weights, groups = RNG.uniform(0.5, 2, 60), np.arange(60) // 6
    ours, theirs = both(
        CHAIN, {"model__alpha": [0.1, 10]}, X, Y, cv=GroupKFold(3),
        fit_params={"model__sample_weight": weights, "groups": groups},
    )  # fmt: skip
    assert (ours.best_estimator_["model"].coef_ == theirs.best_estimator_["model"].coef_).all()


def test_metadata_of_a_transformer_is_not_shared(calls):
    class Takes(Counting):
        def fit(self, X, y=None, by=None):
            self.by = by
            return super().fit(X, y)

    model = Pipeline([("first", Takes()), ("second", Counting()), ("model", RidgeClassifier())])
    both(model, {"model__alpha": [1, 2]}, X, Y, cv=3, fit_params={"first__by": np.ones(60)})
    assert calls.count("fit") == 2 * 2 * (2 * 3 + 1)


def test_a_memory_of_the_user_is_used(tmp_path):
    model = clone(CHAIN).set_params(memory=joblib.Memory(tmp_path, verbose=0))
    ours, _ = both(model, {"model__alpha": [1, 2]}, X, Y, cv=3)
    assert ours.memory_["transformers_fitted"] == 0
    assert ours.best_estimator_.memory is not None


@pytest.mark.parametrize("documents", [np.array(TEXTS, dtype=object), np.array(TEXTS), pd.Series(TEXTS), tuple(TEXTS)])
def test_containers_of_documents(documents):
    ours, _ = both(pipeline(), {"model__alpha": [1, 2]}, documents, cv=3)
    assert ours.memory_["text_counts"] == 2


def test_unions_and_columns_share_counts():
    union = FeatureUnion([("words", TfidfVectorizer()), ("chars", CountVectorizer(analyzer="char"))])
    grid = {"text__words__min_df": [1, 2], "text__chars__ngram_range": [(1, 1), (1, 2)]}
    ours, _ = both(pipeline(union), grid, cv=3)
    assert ours.memory_["text_counts"] == 4
    frame = pd.DataFrame({"title": TEXTS, "body": TEXTS[::-1], "n": np.arange(len(TEXTS))})
    columns = ColumnTransformer(
        [("title", TfidfVectorizer(), "title"), ("body", TfidfVectorizer(), "body"), ("rest", "passthrough", ["n"])]
    )
    ours, _ = both(pipeline(columns), {"text__title__min_df": [1, 2]}, frame, cv=3)
    assert ours.memory_["text_counts"] == 2  # both columns have the same texts


@pytest.mark.parametrize("backend", [None, "threading", "loky"])
def test_workers(backend):
    grid = {"text__min_df": [1, 2], "model__C": [0.1, 1.0, 10.0]}
    model = pipeline(model=LogisticRegression())
    with joblib.parallel_config(backend=backend) if backend else joblib.parallel_config():
        ours = GridSearchCV(model, grid, cv=3, n_jobs=2).fit(TEXTS, LABELS)
        many = GridSearchCV(model, grid, cv=2, n_jobs=5).fit(TEXTS, LABELS)
    assert_same(ours, sklearn_search.GridSearchCV(model, grid, cv=3, n_jobs=1).fit(TEXTS, LABELS))
    assert_same(many, sklearn_search.GridSearchCV(model, grid, cv=2, n_jobs=1).fit(TEXTS, LABELS))
    assert ours.memory_["transformers_fitted"] == 6


def test_randomized_search():
    distributions = {"text__min_df": [1, 2, 3], "text__norm": ["l1", "l2"], "model__alpha": [0.1, 1, 10]}
    searches = [
        module.RandomizedSearchCV(pipeline(), distributions, n_iter=7, random_state=3, cv=3).fit(TEXTS, LABELS)
        for module in (sklearn_search, model_selection)
    ]
    assert isinstance(searches[1], RandomizedSearchCV)
    assert_same(searches[1], searches[0])


def test_random_transformers_with_a_seed():
    model = make_pipeline(TfidfVectorizer(), TruncatedSVD(2, random_state=0), SelectKBest(k=1), RidgeClassifier())
    both(model, {"ridgeclassifier__alpha": [1, 2], "truncatedsvd__n_components": [2, 3]}, cv=3)


def test_steps_that_pass_through():
    model = Pipeline([("nothing", "passthrough"), ("same", FunctionTransformer()), ("text", TfidfVectorizer()),
                      ("also", FunctionTransformer()), ("model", RidgeClassifier())])  # fmt: skip
    both(model, {"also": ["passthrough", FunctionTransformer()], "model__alpha": [1, 2]}, cv=3)


def test_what_is_no_pipeline_is_left_to_scikit_learn():
    ours, _ = both(RidgeClassifier(), {"alpha": [1, 2]}, X, Y, cv=3)
    assert ours.memory_["transformers_fitted"] == ours.memory_["transformers_shared"] == 0


def test_documents_that_are_no_strings():
    texts = [text.encode() for text in TEXTS]
    ours, _ = both(pipeline(), {"model__alpha": [1, 2]}, texts, cv=3)
    assert ours.memory_["text_counts"] == 0
    with pytest.raises(ValueError, match="All the 6 fits failed"):
        GridSearchCV(pipeline(), {"model__alpha": [1, 2]}, cv=3).fit([None] * len(TEXTS), LABELS)


def test_ctrl_c_leaves_nothing_behind():
    calls = []

    def interrupted(document):
        calls.append(document)
        if len(calls) == 30:
            raise KeyboardInterrupt
        return document.split()

    vectorizer = TfidfVectorizer(tokenizer=interrupted, token_pattern=None)
    search = GridSearchCV(pipeline(vectorizer), {"model__alpha": [1]}, cv=3)
    with pytest.raises(KeyboardInterrupt):
        search.fit(TEXTS, LABELS)
    assert not hasattr(search, "cv_results_")
    expected = sklearn_search.GridSearchCV(pipeline(vectorizer), {"model__alpha": [1]}, cv=3)
    assert_same(search.fit(TEXTS, LABELS), expected.fit(TEXTS, LABELS))


STOCHASTIC = [
    {
        "model__solver": ["adagrad", "adam"],
        "model__solver__schedule": ["cosine", "linear"],
        "model__solver__learning_rate": ["auto", 0.1],
        "model__C": [0.5, 5.0],
    },
    {"model__solver": ["lbfgs", "sdca"], "model__C": [0.5, 5.0]},
]
MODEL = LogisticRegression(max_iter=6, random_state=0, n_jobs=1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_stochastic_candidates_share_passes():
    ours, theirs = both(
        pipeline(model=MODEL), STOCHASTIC, cv=3, scoring=["accuracy", "neg_log_loss"], refit="accuracy", rtol=1e-6
    )
    assert (ours.memory_["passes"], ours.memory_["fits_in_passes"]) == (3 * 4, 3 * 20)
    coefs = [search.best_estimator_["model"].coef_ for search in (ours, theirs)]
    np.testing.assert_allclose(*coefs, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("container", [np.asarray, sp.csr_matrix, pd.DataFrame])
def test_models_without_a_pipeline_share_passes(container):
    grid = [{key.removeprefix("model__"): values for key, values in part.items()} for part in STOCHASTIC]
    weights = RNG.uniform(0.5, 2, 60)
    ours, _ = both(MODEL, grid, container(X), Y, cv=3, rtol=1e-6, scoring="neg_log_loss")
    assert ours.memory_["passes"] == 3 * 4
    both(MODEL, grid, container(X), Y, cv=3, rtol=1e-6, fit_params={"sample_weight": weights})


class CountsSelections(sp.csr_matrix):
    """Counts how often rows of the whole matrix are selected."""

    n_selections = 0

    def __getitem__(self, key):
        if self.shape == X.shape:
            type(self).n_selections += 1
        return super().__getitem__(key)


def own_accuracy(model, X, y):
    return model.score(X, y)


@pytest.mark.parametrize("scoring, train, expected", [
    ("accuracy", True, 3 * 2), (["accuracy", "roc_auc"], False, 3 * 2), (None, True, 3 * 2),
    (own_accuracy, False, 3 * (1 + 4)), (own_accuracy, True, 3 * 2 * 4),
])  # fmt: skip
@pytest.mark.parametrize("model", [MODEL, Pipeline([("model", MODEL)])], ids=["model", "pipeline"])
def test_rows_are_cut_out_once_a_fold(model, scoring, train, expected):
    prefix = "model__" if isinstance(model, Pipeline) else ""
    grid = {prefix + "C": [0.5, 5.0], prefix + "solver": ["lbfgs", "sdca"]}
    CountsSelections.n_selections = 0
    options = dict(cv=3, scoring=scoring, return_train_score=train, refit=False, n_jobs=1)
    search = GridSearchCV(model, grid, **options).fit(CountsSelections(X), Y)
    assert CountsSelections.n_selections == expected
    assert_same(search, sklearn_search.GridSearchCV(model, grid, **options).fit(CountsSelections(X), Y), rtol=1e-9)


def scores_and_clears(model, X, y):
    score = model.decision_function(X).mean()
    X[:] = 0
    return score


@pytest.mark.parametrize("own", ["scorer", "transformer", "model"])
def test_those_who_write_into_rows_have_them_alone(own):
    model, scoring, grid = Pipeline([("model", MODEL)]), "neg_log_loss", {"model__C": [0.1, 1.0, 10.0]}
    if own == "scorer":
        scoring = scores_and_clears
    elif own == "transformer":
        model = Pipeline([("scale", MaxAbsScaler(copy=False)), ("model", MODEL)])
        grid["scale"] = [MaxAbsScaler(copy=False), FunctionTransformer(np.cbrt)]
    else:
        grid["model"] = [MODEL, LogisticRegressionThatScales(max_iter=6, n_jobs=1)]
    both(model, grid, X, Y, cv=3, scoring=scoring, return_train_score=True, rtol=1e-9)


class LogisticRegressionThatScales(LogisticRegression):
    """Writes into the rows that it is fitted to."""

    def fit(self, X, y):
        X /= np.abs(X).max(axis=0)
        return super().fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_candidate_that_fails_in_a_pass():
    grid = {"solver": ["adagrad"], "solver__schedule": ["linear", lambda t: -1.0], "C": [1.0, -1.0, 2.0]}
    with pytest.warns(FitFailedWarning, match="6 fits failed"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="One or more of the test scores")
        search = GridSearchCV(MODEL, grid, cv=3).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).sum() == 2
    assert search.memory_["fits_in_passes"] == 3 * 4
    with pytest.raises(ValueError, match=r"finite and >= 0, got -1\.0"):
        GridSearchCV(MODEL, grid, cv=3, error_score="raise").fit(X, Y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fits_inside_others_are_their_own():
    grid = {"estimator__C": [0.5, 5.0], "estimator__solver": ["adagrad"]}
    three = np.digitize(X[:, 0], [-0.5, 0.5])
    both(OneVsRestClassifier(MODEL), grid, X, three, cv=3)
    inner = sklearn_search.GridSearchCV(MODEL, {"C": [0.5, 5.0]}, cv=2)
    both(inner, {"estimator__solver": ["adagrad", "lbfgs"]}, X, Y, cv=3)
    ours = GridSearchCV(GridSearchCV(MODEL, {"C": [0.5, 5.0]}, cv=2), {"estimator__solver": ["adagrad", "adam"]}, cv=3)
    theirs = sklearn_search.GridSearchCV(inner, {"estimator__solver": ["adagrad", "adam"]}, cv=3)
    assert_same(ours.fit(X, Y), theirs.fit(X, Y))


PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "text__analyzer": st.lists(st.sampled_from(["word", "char", "char_wb"]), min_size=1, max_size=2, unique=True),
        "text__ngram_range": st.lists(
            st.tuples(st.integers(1, 3), st.integers(0, 2)).map(lambda r: (r[0], r[0] + r[1])),
            min_size=1, max_size=3, unique=True,
        ),
        "text__min_df": st.lists(st.sampled_from([1, 2, 3, 0.05]), min_size=1, max_size=2, unique=True),
        "text__max_df": st.lists(st.sampled_from([1.0, 0.4, 30]), min_size=1, max_size=2, unique=True),
        "text__max_features": st.lists(st.sampled_from([None, 3, 40]), min_size=1, max_size=2, unique=True),
        "text__lowercase": st.lists(st.booleans(), min_size=1, max_size=2, unique=True),
        "text__sublinear_tf": st.lists(st.booleans(), min_size=1, max_size=2, unique=True),
        "text__stop_words": st.just([None, ["film"]]),
        "model__alpha": st.just([0.1, 1.0]),
    },
)  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=6, deadline=None)
@given(PARAMETERS, st.integers(2, 4), st.integers(0, 99))
def test_any_grid(grid, n_folds, seed):
    texts = np.random.default_rng(seed).permutation(TEXTS).tolist()
    both(pipeline(), grid, texts, cv=KFold(n_folds), error_score=-1.0)
