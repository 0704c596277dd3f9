"""C_path: what a search over C finds, from one X and warm starts."""

import threading
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction import text as sklearn_text
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, LeaveOneGroupOut, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.utils.fixes import parse_version

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers._estimator.fit_run import FitRun
from skopt_solvers.feature_extraction import DictFeatures
from skopt_solvers.feature_extraction._shared_counts import SharedCounts
from skopt_solvers.feature_extraction.text import TfidfVectorizer
from skopt_solvers.model_selection import C_path
from skopt_solvers.objectives import LinearObjective

from ..solvers.test_optimum import objective, text_like

X, Y = text_like(n=200, d=60, seed=3)
X3, Y3 = text_like(n=200, d=60, n_classes=3, seed=4)
CS = [10.0, 0.01, 1.0, 0.1]  # in no order
TIGHT = dict(tol=1e-9, max_iter=2000)

MODELS = {
    "logistic": (LogisticRegression(**TIGHT), X, Y),
    "softmax": (LogisticRegression(**TIGHT), X3, Y3),
    "balanced": (LogisticRegression(class_weight="balanced", fit_intercept=False, **TIGHT), X3, Y3),
    "sdca": (LogisticRegression(solver="sdca", random_state=0, **TIGHT), X, Y),
    "svc": (LinearSVC(**TIGHT), X3, Y3),
    "hinge": (LinearSVC(loss="hinge", solver="sdca", random_state=0, max_iter=5000, tol=1e-6), X, Y),
    "l1": (LogisticRegression(l1_ratio=1.0, tol=1e-6, max_iter=2000), X, Y),
    "elastic": (LinearSVC(loss="smoothed_hinge", l1_ratio=0.5, tol=1e-6, max_iter=2000), X3, Y3),
}


def names_of(y):
    return np.array(["news", "sport", "art"])[y]


@pytest.mark.parametrize("name", MODELS)
def test_finds_what_a_grid_search_finds(name):
    model, X, y = MODELS[name]
    y = names_of(y)
    path = C_path(model, X, y, CS)
    search = GridSearchCV(model, {"C": CS}, cv=5).fit(X, y)
    splits = [search.cv_results_[f"split{fold}_test_score"] for fold in range(5)]
    np.testing.assert_allclose(path.scores, np.transpose(splits), atol=1e-12)
    np.testing.assert_allclose(path.mean_scores, search.cv_results_["mean_test_score"])
    np.testing.assert_allclose(path.std_scores, search.cv_results_["std_test_score"])
    assert (path.best_index, path.best_C) == (search.best_index_, search.best_params_["C"])
    assert path.converged.all() and path.n_iter.shape == (4, 5) and path.seconds > 0
    np.testing.assert_array_equal(path.best_estimator.predict(X), search.predict(X))
    assert path.best_estimator.get_params() == search.best_estimator_.get_params()


@pytest.mark.parametrize("name", MODELS)
def test_the_fits_to_all_data_are_independent_fits(name):
    model, X, y = MODELS[name]
    path = C_path(model, X, y, CS, cv=2)
    for C, coef, intercept in zip(CS, path.coefs, path.intercepts, strict=True):
        alone = clone(model).set_params(C=C).fit(X, y)
        if model.l1_ratio:
            assert sp.issparse(coef) and coef.format == "csr" and coef.nnz < alone.coef_.size
            coef = coef.toarray()
        if getattr(model, "loss", "") != "hinge":  # whose optimum many weights are near to
            np.testing.assert_allclose(coef, alone.coef_, atol=1e-2 if model.l1_ratio else 2e-5 * max(1, C))
        terms = X, y, C, model.l1_ratio, getattr(model, "loss", "logistic")
        least = objective(alone, *terms)
        alone.coef_, alone.intercept_ = coef, intercept
        assert abs(objective(alone, *terms) - least) <= 1e-5 * least
    best = path.best_estimator
    np.testing.assert_array_equal(best.coef_, np.asarray(sp.csr_matrix(path.coefs[path.best_index]).todense()))
    assert best.C == path.best_C and best.n_features_in_ == X.shape[1]


@pytest.mark.parametrize("name", ["logistic", "softmax", "sdca", "l1"])
def test_threads_change_no_bit(name):
    model, X, y = MODELS[name]
    one, two = (C_path(model, X, y, CS, n_jobs=n) for n in (1, 2))
    np.testing.assert_array_equal(one.scores, two.scores)
    np.testing.assert_array_equal(one.n_iter, two.n_iter)
    for a, b in zip(one.coefs, two.coefs, strict=True):
        assert (a != b).sum() == 0


def test_no_more_threads_than_asked_for(monkeypatch):
    seen, made = set(), LinearObjective.__init__

    def watched(self, *args, n_threads=1, **kwargs):
        seen.add((n_threads, threading.get_ident()))
        made(self, *args, n_threads=n_threads, **kwargs)

    monkeypatch.setattr(LinearObjective, "__init__", watched)
    for n_jobs, cv, threads, inside in [(1, 3, 1, 1), (2, 3, 2, 1), (7, 2, 3, 2)]:
        seen.clear()
        C_path(LogisticRegression(), X, Y, [1.0, 2.0], cv=cv, n_jobs=n_jobs)
        assert {inner for inner, _ in seen} == {inside}
        assert len({ident for _, ident in seen} - {threading.get_ident()}) <= threads
    seen.clear()
    path = C_path(LogisticRegression(n_jobs=1), X, Y, [1.0, 2.0])
    assert len(seen) == 1 and path.best_estimator.n_jobs == 1


def test_every_fold_reads_the_memory_of_X(monkeypatch):
    matrices, made = [], LinearObjective.__init__

    def watched(self, X, *args, **kwargs):
        matrices.append(X)
        made(self, X, *args, **kwargs)

    monkeypatch.setattr(LinearObjective, "__init__", watched)
    C_path(LogisticRegression(), X, Y, CS, n_jobs=2)
    assert len(matrices) >= 6 * len(CS)
    assert all(np.shares_memory(m.data, X.data) and np.shares_memory(m.indices, X.indices) for m in matrices)


def test_memory_is_a_fold_of_test_rows_and_no_copy_of_X():
    n, d = 3000, 300
    wide = sp.random(n, d, density=0.5, format="csr", random_state=0)
    labels = (wide @ np.linspace(-1, 1, d) > 0).astype(int)
    size = wide.data.nbytes + wide.indices.nbytes
    C_path(LogisticRegression(), X, Y, CS, n_jobs=1)  # imports
    tracemalloc.start()
    try:
        C_path(LogisticRegression(), wide, labels, [0.1, 1.0], cv=10, n_jobs=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.6 * size


def test_read_only_memory_maps(tmp_path):
    arrays = []
    for name in ("data", "indices", "indptr"):
        np.save(tmp_path / f"{name}.npy", getattr(X, name))
        arrays.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    mapped = sp.csr_matrix(tuple(arrays), shape=X.shape)
    np.testing.assert_array_equal(
        C_path(LogisticRegression(), mapped, Y, CS).scores, C_path(LogisticRegression(), X, Y, CS).scores
    )


def _weighted_score(model, X, y, sample_weight=None):
    return model.score(X, y, sample_weight)


def test_sample_weights_are_repetitions():
    counts = np.random.RandomState(0).randint(0, 3, len(Y))
    cv = KFold(3)
    weighted = C_path(MODELS["balanced"][0], X3, Y3, [0.1, 1.0], cv=cv, sample_weight=counts)
    rows = np.repeat(np.arange(len(Y)), counts)
    places = np.split(np.arange(len(rows)), np.cumsum(counts)[:-1])
    splits = [tuple(np.concatenate([places[i] for i in part]) for part in split) for split in cv.split(X3)]
    repeated = C_path(MODELS["balanced"][0], X3[rows], Y3[rows], [0.1, 1.0], cv=splits)
    for a, b in zip(weighted.coefs, repeated.coefs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    for scoring in (None, "neg_log_loss", _weighted_score):
        path = C_path(MODELS["balanced"][0], X3, Y3, [0.1, 1.0], cv=cv, sample_weight=counts, scoring=scoring)
        search = GridSearchCV(MODELS["balanced"][0], {"C": [0.1, 1.0]}, cv=cv, scoring=scoring)
        search.fit(X3, Y3, sample_weight=counts)
        if parse_version(sklearn.__version__) >= parse_version("1.7"):  # whose searches weigh scores
            np.testing.assert_allclose(path.mean_scores, search.cv_results_["mean_test_score"])


def test_a_train_index_given_twice_counts_twice():
    train, test = np.arange(0, 150), np.arange(150, 200)
    twice = C_path(MODELS["logistic"][0], X, Y, [1.0], cv=[(np.r_[train, train], test)], scoring="neg_log_loss")
    alone = clone(MODELS["logistic"][0]).fit(X[np.r_[train, train]], Y[np.r_[train, train]])
    np.testing.assert_allclose(twice.scores[0, 0], -log_loss(Y[test], alone.predict_proba(X[test])), rtol=1e-6)


@pytest.mark.parametrize("scoring", ["roc_auc", "neg_log_loss", lambda model, X, y: float(model.predict(X).mean())])
def test_scoring_is_that_of_a_grid_search(scoring):
    model = MODELS["logistic"][0]
    path = C_path(model, X, Y, CS, scoring=scoring)
    search = GridSearchCV(model, {"C": CS}, scoring=scoring).fit(X, Y)
    np.testing.assert_allclose(path.mean_scores, search.cv_results_["mean_test_score"], atol=1e-7)


def test_groups_and_splits_of_any_kind():
    groups, model = np.arange(len(Y)) % 4, MODELS["logistic"][0]
    for cv in (GroupKFold(4), LeaveOneGroupOut()):
        path = C_path(model, X, Y, CS, cv=cv, groups=groups)
        search = GridSearchCV(model, {"C": CS}, cv=cv).fit(X, Y, groups=groups)
        np.testing.assert_allclose(path.mean_scores, search.cv_results_["mean_test_score"])
    masks = [(groups != g, groups == g) for g in range(4)]
    np.testing.assert_array_equal(C_path(model, X, Y, CS, cv=masks).scores.mean(axis=0), path.scores.mean(axis=0))


def test_a_fold_without_a_class_learns_the_others():
    y = Y3.copy()
    y[:40] = 2
    y[40:] = Y3[40:] % 2
    model = MODELS["softmax"][0]
    path = C_path(model, X3, y, CS, cv=KFold(5))
    search = GridSearchCV(model, {"C": CS}, cv=KFold(5)).fit(X3, y)
    np.testing.assert_allclose(path.mean_scores, search.cv_results_["mean_test_score"])
    with pytest.raises(ValueError, match="cv: the training rows of fold 0 must have 2 classes"):
        C_path(model, X, np.r_[np.zeros(100), np.ones(100)], CS, cv=[(np.arange(50), np.arange(100, 200))])


def test_input_of_every_form_and_feature_names():
    frame = pd.DataFrame(X.toarray(), columns=[f"word{j}" for j in range(X.shape[1])])
    model = MODELS["logistic"][0]
    sparse = C_path(model, X, Y, [0.1, 1.0])
    for same in (X.toarray(), frame, X.tocsc(), X.tocoo()):
        path = C_path(model, same, Y.tolist(), [0.1, 1.0])
        np.testing.assert_allclose(path.scores, sparse.scores)
    path = C_path(model, frame, pd.Series(Y), [0.1, 1.0], scoring="accuracy")
    assert list(path.best_estimator.feature_names_in_) == list(frame)
    assert C_path(LogisticRegression(), X.astype(np.float32), Y, [0.1, 1.0]).coefs.dtype == np.float32


def test_no_penalty_and_one_C():
    model = LogisticRegression(**TIGHT)
    path = C_path(model, X, Y, [0.1, 1e-3, 0.01], cv=2)
    assert np.argsort([np.abs(coef).sum() for coef in path.coefs]).tolist() == [1, 2, 0]
    rng = np.random.RandomState(0)
    A, b = rng.randn(200, 3), rng.randint(2, size=200)
    free = C_path(model, A, b, [np.inf, 1.0], cv=2)
    np.testing.assert_allclose(free.coefs[0], clone(model).set_params(C=np.inf).fit(A, b).coef_, atol=1e-6)
    assert C_path(model, X, Y, np.array([1]), cv=2).scores.shape == (1, 2)


def test_without_coefs_the_best_is_an_ordinary_fit():
    model = LogisticRegression(n_jobs=1)
    path = C_path(model, X, Y, CS, return_coefs=False)
    assert path.coefs is None and path.intercepts is None
    np.testing.assert_array_equal(path.best_estimator.coef_, clone(model).set_params(C=path.best_C).fit(X, Y).coef_)


def test_a_stochastic_solver_learns_at_every_C():
    model = LogisticRegression(solver="adagrad", random_state=0, max_iter=60)
    path = C_path(model, X, Y, [0.1, 1.0, 10.0], cv=3)
    for C, coef, intercept in zip(path.Cs, path.coefs, path.intercepts, strict=True):
        alone = clone(model).set_params(C=C, solver="lbfgs", tol=1e-8).fit(X, Y)
        least = alone.history_[-1]["objective"]
        alone.coef_, alone.intercept_ = coef, intercept
        assert alone.suboptimality_bound(X, Y) < 0.01 * least


def test_frame_and_repr():
    path = C_path(LogisticRegression(), X, Y, CS, cv=3)
    frame = path.to_frame()
    assert list(frame) == ["C", "mean_score", "std_score", "mean_n_iter", "mean_converged", "fold0", "fold1", "fold2"]
    assert frame["C"].tolist() == CS and frame["mean_score"].idxmax() == path.best_index
    np.testing.assert_allclose(frame[["fold0", "fold1", "fold2"]], path.scores)
    assert repr(path).startswith("CPath(4 Cs, 3 folds, best_C=")


def test_one_warning_for_all_fits():
    with pytest.warns(ConvergenceWarning, match="C_path: .* of 8 fits, at C = ") as caught:
        path = C_path(LogisticRegression(max_iter=1, tol=1e-12), X, Y, CS, cv=2)
    assert len(caught) == 1 and caught[0].filename == __file__ and not path.converged.any()


def test_the_estimator_is_left_as_it_was():
    model = LogisticRegression(C=3.0, random_state=np.random.RandomState(0), solver="sdca")
    before = model.get_params(), model.random_state.get_state()[1].copy()
    C_path(model, X, Y, CS)
    assert model.get_params() == before[0] and not hasattr(model, "coef_")
    np.testing.assert_array_equal(model.random_state.get_state()[1], before[1])


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        (
            dict(estimator=make_pipeline(LogisticRegression(), MaxAbsScaler())),
            TypeError,
            "last step of a Pipeline, got Max",
        ),
        (dict(estimator=MaxAbsScaler()), TypeError, "estimator must be .*, got MaxAbsScaler"),
        (dict(estimator=LogisticRegression(early_stopping=True)), ValueError, "early_stopping=False"),
        (dict(estimator=LogisticRegression(tol=-1)), ValueError, "'tol'"),
        (dict(estimator=LinearSVC(loss="hinge")), ValueError, "solver='lbfgs' needs"),
        (dict(estimator=LogisticRegression(solver="sdca"), Cs=[1.0, np.inf]), ValueError, "no penalty"),
        (dict(Cs=[]), ValueError, "Cs must be"),
        (dict(Cs=[0.0, 1.0]), ValueError, "Cs must be"),
        (dict(Cs=[np.nan]), ValueError, "Cs must be"),
        (dict(Cs=1.0), ValueError, "Cs must be"),
        (dict(Cs=[1.0, 1.0]), ValueError, "Cs must have each value once"),
        (dict(scoring=["accuracy", "f1"]), TypeError, "scoring must be one scorer"),
        (dict(scoring="no such"), ValueError, "scoring"),
        (dict(cv=1), ValueError, "n_splits"),
        (dict(cv=[([0, 1], [200])]), ValueError, "cv must give indices of the 200 samples"),
        (dict(cv=[([0, -1], [2])]), ValueError, "cv must give indices of the 200 samples"),
        (dict(cv=[([0.5], [2])]), ValueError, "cv must give indices of the 200 samples"),
        (dict(y=Y[:-1]), ValueError, "inconsistent numbers of samples"),
        (dict(y=np.zeros(len(Y))), ValueError, "2 classes"),
        (dict(sample_weight=-np.ones(len(Y))), ValueError, "[Nn]egative"),
        (dict(n_jobs="two"), TypeError, "n_jobs"),
    ],
)
def test_bad_input_is_named_before_any_fit(changed, error, message, monkeypatch):
    monkeypatch.setattr(FitRun, "minimise", None)
    arguments = dict(estimator=LogisticRegression(), X=X, y=Y, Cs=CS) | changed
    with pytest.raises(error, match=message), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        C_path(**arguments)


def test_an_error_in_a_fold_ends_all():
    def scoring(model, X, y):
        raise RuntimeError("no score")

    for n_jobs in (1, 2):
        with pytest.raises(RuntimeError, match="no score"):
            C_path(LogisticRegression(), X, Y, CS, scoring=scoring, n_jobs=n_jobs)


# Sequences


def sentences(n=40):
    rng = np.random.RandomState(0)
    X, y = [], []
    for _ in range(n):
        labels = rng.choice(["D", "N", "V"], rng.randint(1, 7))
        X.append([{"word": f"{label}{rng.randint(4)}" if rng.rand() < 0.7 else "other"} for label in labels])
        y.append(labels)
    return X, y


@pytest.mark.parametrize("options", [{}, dict(state_features="observed", l1_ratio=0.5), dict(input="sequences")])
def test_sequences(options):
    X, y = sentences()
    model = LinearChainCRF(tol=1e-8, max_iter=1000, **options)
    path = C_path(model, X, y, [1.0, 0.1, 10.0], cv=3, n_jobs=2)
    search = GridSearchCV(model, {"C": [1.0, 0.1, 10.0]}, cv=KFold(3)).fit(X, y)
    np.testing.assert_allclose(path.mean_scores, search.cv_results_["mean_test_score"], atol=1e-9)
    assert path.best_C == search.best_params_["C"] and path.intercepts is None
    alone = clone(model).set_params(C=0.1).fit(X, y)
    coefs = [coef.toarray() if sp.issparse(coef) else coef for coef in (path.coefs[1], alone.coef_)]
    np.testing.assert_allclose(*coefs, atol=1e-4)
    assert path.best_estimator.predict(X)[0] == search.predict(X)[0]


def test_tokens_without_sequences_are_refused():
    with pytest.raises(ValueError, match="X of a LinearChainCRF must be a list of sequences"):
        C_path(LinearChainCRF(), X, Y, CS)


def test_stratified_folds_by_default():
    model = MODELS["logistic"][0]
    given = C_path(model, X, Y, CS, cv=StratifiedKFold(4))
    np.testing.assert_array_equal(C_path(model, X, Y, CS, cv=4).scores, given.scores)


# Pipelines

WORDS = ["good", "bad", "film", "actors", "plot", "a", "the", "music", "story", "scene"]
TEXTS = [" ".join(np.random.RandomState(seed).choice(WORDS, 12)) for seed in range(90)]
TEXT_LABELS = np.array([text.count("good") + text.count("film") > text.count("bad") for text in TEXTS]).astype(int)
TEXT_LABELS3 = TEXT_LABELS + np.array(["music story" in text for text in TEXTS])
LINEAR = LogisticRegression(**TIGHT)


def text_pipeline(vectorizer, model=LINEAR):
    return Pipeline([("text", vectorizer), ("model", model)])


@pytest.mark.parametrize("vectorizer", [TfidfVectorizer, sklearn_text.TfidfVectorizer], ids=["ours", "scikit-learn's"])
@pytest.mark.parametrize("labels", [TEXT_LABELS, TEXT_LABELS3], ids=["two", "three"])
@pytest.mark.parametrize("scoring", [None, "neg_log_loss", lambda model, X, y: model.score(X, y) + len(model.steps)],
                         ids=["default", "log loss", "callable"])  # fmt: skip
def test_a_pipeline_finds_what_a_grid_search_finds(vectorizer, labels, scoring):
    model = text_pipeline(vectorizer(min_df=2, ngram_range=(1, 2)))
    path = C_path(model, TEXTS, labels, CS, cv=3, scoring=scoring)
    search = GridSearchCV(model, {"model__C": CS}, cv=3, scoring=scoring).fit(TEXTS, labels)
    splits = [search.cv_results_[f"split{fold}_test_score"] for fold in range(3)]
    np.testing.assert_allclose(path.scores, np.transpose(splits), atol=1e-6)
    assert path.best_C == search.best_params_["model__C"]
    best, expected = path.best_estimator, search.best_estimator_
    assert type(best["text"]) is vectorizer and best["text"].vocabulary_ == expected["text"].vocabulary_
    np.testing.assert_allclose(best.predict_proba(TEXTS), expected.predict_proba(TEXTS), atol=1e-6)
    assert repr(best.get_params()) == repr(expected.get_params())
    assert path.coefs.shape == (4, len(np.unique(labels)) if labels.max() > 1 else 1, len(best["text"].vocabulary_))
    without = C_path(model, TEXTS, labels, CS, cv=3, scoring=scoring, return_coefs=False, n_jobs=2)
    np.testing.assert_array_equal(without.scores, path.scores)
    np.testing.assert_allclose(without.best_estimator["model"].coef_, best["model"].coef_, atol=1e-6)


def test_transformers_of_a_pipeline_do_not_see_the_test_rows():
    seen = []

    class Watching(MaxAbsScaler):
        def fit(self, X, y=None):
            seen.append(X.shape[0])
            return super().fit(X, y)

    C_path(make_pipeline(Watching(), LINEAR), X, Y, CS, cv=4, n_jobs=1)
    assert sorted(seen) == [150] * 4 + [200]


def test_text_of_a_pipeline_is_counted_once(monkeypatch):
    counted, close = [], SharedCounts.close

    def watched(self):
        counted.append((self.n_counts, self.n_shared))
        close(self)

    monkeypatch.setattr(SharedCounts, "close", watched)
    C_path(text_pipeline(TfidfVectorizer()), TEXTS, TEXT_LABELS, CS, cv=3, n_jobs=1)
    assert counted == [(1, 6)]


def test_weights_of_a_pipeline():
    weights = np.random.RandomState(0).randint(0, 3, len(Y)).astype(float)
    alone = C_path(LINEAR, X, Y, CS, cv=3, sample_weight=weights)
    piped = C_path(make_pipeline("passthrough", LINEAR), X, Y, CS, cv=3, sample_weight=weights)
    single = C_path(Pipeline([("model", LINEAR)]), X, Y, CS, cv=3, sample_weight=weights)
    for path in (piped, single):
        np.testing.assert_allclose(path.scores, alone.scores)
        np.testing.assert_allclose(path.coefs, alone.coefs, atol=1e-6)


def test_a_pipeline_of_sequences():
    X, y = sentences()
    model = make_pipeline(DictFeatures(), LinearChainCRF(tol=1e-8, max_iter=1000, input="sequences"))
    path = C_path(model, X, y, [1.0, 0.1], cv=3)
    search = GridSearchCV(model, {"linearchaincrf__C": [1.0, 0.1]}, cv=KFold(3)).fit(X, y)
    np.testing.assert_allclose(path.mean_scores, search.cv_results_["mean_test_score"], atol=1e-9)


@pytest.mark.parametrize("n_folds", [2, 3])
def test_a_fold_of_a_pipeline_with_too_few_classes(n_folds):
    labels = np.zeros(len(TEXTS), int)
    labels[:3] = 1
    folds = [(np.arange(10, 60), np.arange(60, 90))] * n_folds
    with pytest.raises(ValueError, match="cv: the training rows of fold 0 must have 2 classes"):
        C_path(text_pipeline(TfidfVectorizer()), TEXTS, labels, CS, cv=folds)


# Many margins: L-BFGS begins with dual epochs

MANY = text_like(n=2500, d=300, n_classes=4, seed=5)


@pytest.mark.parametrize("multi_class", ["softmax", "ovr"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_several_classes_along_the_dual(multi_class, fit_intercept):
    X, y = MANY
    model = LogisticRegression(tol=1e-6, max_iter=1000, multi_class=multi_class, fit_intercept=fit_intercept)
    Cs = np.logspace(-3, 3, 7)
    path = C_path(model, X, y, Cs, cv=2)
    assert path.converged.all()
    for C, coef in zip(Cs, path.coefs, strict=True):
        alone = clone(model).set_params(C=C).fit(X, y)
        np.testing.assert_allclose(coef, alone.coef_, atol=2e-3 * max(1, C) * np.abs(alone.coef_).max())
