"""Searches that end early: by `max_time`, and by Ctrl-C."""

import os
import pickle
import signal
import threading
import time

import joblib
import numpy as np
import pytest
from sklearn import model_selection as sklearn_search
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline

from skopt_solvers import LogisticRegression
from skopt_solvers.feature_extraction.text import TfidfVectorizer
from skopt_solvers.model_selection import GridSearchCV, RandomizedSearchCV
from skopt_solvers.solvers import Adam

from ..names import name_of

X, Y = make_classification(90, 8, random_state=0)
TEXTS = ["a good film", "a bad film", "good actors", "bad actors", "so good", "so bad"] * 8
LABELS = np.array([1, 0] * 24)
FOLDS = KFold(3)
GRID = {"C": [0.01, 0.1, 1.0, 10.0]}
MODEL = LogisticRegression(n_jobs=1, random_state=0)
ALONE = LogisticRegression(n_jobs=1, random_state=0, warm_start=True)  # is never fitted together with others
RIDGE = RidgeClassifier()
TEXT = Pipeline([("text", TfidfVectorizer()), ("model", MODEL)])


class Clock:
    """A scorer that counts the fits, and does something after one of them."""

    def __init__(self, at, act):
        self.at, self.act, self.n = at, act, 0
        self.lock = threading.Lock()

    def __call__(self, estimator, X, y):
        with self.lock:
            self.n += 1
            now = self.n == self.at
        if now:
            self.act()
        return estimator.score(X, y)


def interrupt():
    raise KeyboardInterrupt


def first_candidates(search, n, X=X, y=Y):
    """Require the results of the first candidates of the whole search, and the best of these."""
    parameters = search.get_params(deep=False)
    whole = type(search)(**{**parameters, "scoring": None, "max_time": None, "interrupt": "raise"}).fit(X, y)
    for name, values in search.cv_results_.items():
        if "time" not in name and not name.startswith("rank"):
            expected = whole.cv_results_[name][:n]
            assert [repr(value) for value in values] == [repr(value) for value in expected], name
    best = np.argmax(search.cv_results_["mean_test_score"])
    assert search.best_index_ == best and search.best_params_ == search.cv_results_["params"][best]
    found = clone(search.estimator).set_params(**search.best_params_).fit(X, y)
    assert (search.predict(X) == found.predict(X)).all()


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("model, grid", [(MODEL, GRID), (RIDGE, {"alpha": [1, 2, 3]})], ids=name_of)
def test_max_time_that_is_over_at_once(model, grid, n_jobs):
    clock = Clock(0, None)
    search = GridSearchCV(model, grid, cv=FOLDS, max_time=1e-9, scoring=clock, n_jobs=n_jobs)
    with joblib.parallel_config("threading"), pytest.warns(UserWarning, match=r"GridSearchCV: max_time=1e-09 seconds"):
        search.fit(X, Y)
    n = len(next(iter(grid.values())))
    assert search.stop_reason_ == f"max_time=1e-09 seconds were over after 1 of {n} candidates"
    assert clock.n == 3
    first_candidates(search, 1)


def test_max_time_ends_after_the_candidates_that_are_finished(monkeypatch):
    now, real = [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: now[0] or real())
    now[0] = real()

    def pass_by():
        now[0] += 100

    clock = Clock(8, pass_by)  # in the second fold of the third candidate
    search = GridSearchCV(ALONE, GRID, cv=FOLDS, max_time=50, scoring=clock)
    with pytest.warns(UserWarning, match="after 2 of 4 candidates, and cv_results_ has those alone"):
        search.fit(X, Y)
    assert clock.n == 8
    first_candidates(search, 2)


def test_no_warning_where_the_time_suffices():
    search = GridSearchCV(MODEL, GRID, cv=FOLDS, max_time=1e6).fit(X, Y)
    assert search.stop_reason_ == "all 4 candidates are finished"
    first_candidates(search, 4)


STOCHASTIC = {"solver": ["adagrad", "adam"], "solver__schedule": ["cosine", "linear"], "C": [0.5, 5.0], "max_iter": [4]}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_jobs, backend", [(None, None), (2, "threading"), (5, "threading"), (2, "loky")])
def test_work_is_shared_as_without_limits(n_jobs, backend):
    grid = {"text__min_df": [1, 2], **{"model__" + name: values for name, values in STOCHASTIC.items()}}
    searches = [GridSearchCV(TEXT, grid, cv=FOLDS, n_jobs=n_jobs, **limits) for limits in ({}, {"max_time": 1e6})]
    with joblib.parallel_config(backend) if backend else joblib.parallel_config():
        whole, limited = (search.fit(TEXTS, LABELS) for search in searches)
    for name, expected in whole.cv_results_.items():
        if "time" not in name and not name.startswith("param"):
            np.testing.assert_allclose(limited.cv_results_[name], expected, rtol=1e-6, err_msg=name)
    if backend is None:
        assert limited.memory_ == whole.memory_
        assert (limited.memory_["passes"], limited.memory_["fits_in_passes"]) == (12, 48)
    if backend != "loky":
        assert limited.memory_["text_counts"] == 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fits_that_are_made_together_are_finished_together():
    clock = Clock(12 + 5, interrupt)  # in the second fold of the second four
    search = GridSearchCV(MODEL, STOCHASTIC, cv=FOLDS, scoring=clock, interrupt="keep")
    with pytest.warns(UserWarning, match="after 4 of 8 candidates"):
        search.fit(X, Y)
    assert {candidate["solver"] for candidate in search.cv_results_["params"]} == {"adagrad"}
    assert search.memory_["passes"] == 3 + 2


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fits_that_are_made_together_are_given_up_when_the_time_is_over(monkeypatch):
    now, calls = [time.time()], []
    monkeypatch.setattr(time, "time", lambda: now[0])

    def schedule(t):
        now[0] += 1
        calls.append(t)
        return 1.0

    model = LogisticRegression(solver=Adam(0.01, schedule=schedule), tol=0.0, max_iter=50, random_state=0, n_jobs=1)
    clock = Clock(0, None)
    search = GridSearchCV(model, GRID, cv=FOLDS, scoring=clock, max_time=40, refit=False)
    with pytest.warns(UserWarning, match="max_time=40 seconds were over after 1 of 4 candidates"):
        search.fit(X, Y)
    made, calls[:] = len(calls), []
    whole = GridSearchCV(model, GRID, cv=FOLDS, scoring=clock, refit=False).fit(X, Y)
    assert clock.n == 3 + 12 and made < len(calls) / 3
    assert search.cv_results_["params"] == [{"C": 0.01}]
    for name in ("mean_test_score", "mean_n_iter", "mean_suboptimality"):
        np.testing.assert_allclose(search.cv_results_[name], whole.cv_results_[name][:1], rtol=1e-6)


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("model, grid", [(ALONE, GRID), (RIDGE, {"alpha": [1, 2, 3, 4]})], ids=name_of)
def test_ctrl_c_keeps_finished_candidates(model, grid, n_jobs):
    search = GridSearchCV(model, grid, cv=FOLDS, interrupt="keep", scoring=Clock(8, interrupt), n_jobs=n_jobs)
    with joblib.parallel_config("threading"), pytest.warns(UserWarning, match="it was interrupted after") as found:
        search.fit(X, Y)
    assert [warning.filename for warning in found] == [__file__]
    n = len(search.cv_results_["params"])
    assert n == 2 if n_jobs is None else 1 <= n <= 3
    assert search.stop_reason_ == f"it was interrupted after {n} of 4 candidates"
    first_candidates(search, n)


def test_ctrl_c_before_a_candidate_is_finished():
    search = GridSearchCV(MODEL, GRID, cv=FOLDS, interrupt="keep").fit(X, Y)
    before = vars(search).copy()
    search.scoring = Clock(2, interrupt)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    assert vars(search) == {**before, "scoring": search.scoring}


@pytest.mark.parametrize("at", [1, 8, 12])
def test_ctrl_c_leaves_a_fitted_search_as_it_was(at):
    search = GridSearchCV(MODEL, GRID, cv=FOLDS).fit(X, Y)
    search.scoring = Clock(at, interrupt)
    before = vars(search).copy()
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    assert vars(search) == before


@pytest.mark.parametrize("scoring", [None, ["accuracy", "roc_auc"]])
def test_ctrl_c_in_the_last_fit(scoring):
    def callback(info):
        if info.estimator.n_features_in_ and len(rows) > 12:
            raise KeyboardInterrupt
        return True

    rows = []

    class Model(LogisticRegression):
        def fit(self, X, y):
            rows.append(len(X))
            return super().fit(X, y)

    search = GridSearchCV(Model(callback=callback), GRID, cv=FOLDS, scoring=scoring,
                          refit="accuracy" if scoring else True)  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    assert not hasattr(search, "cv_results_")
    rows.clear()
    with pytest.warns(UserWarning, match="in the fit of the best candidate .* there is no best_estimator_"):
        search.set_params(interrupt="keep").fit(X, Y)
    assert len(search.cv_results_["params"]) == 4 and not hasattr(search, "best_estimator_")
    expected = sklearn_search.GridSearchCV(Model(callback=lambda info: True), GRID, cv=FOLDS, scoring=scoring,
                                           refit=search.refit).fit(X, Y)  # fmt: skip
    assert search.best_params_ == expected.best_params_ and type(search.scorer_) is type(expected.scorer_)


class SlowModel(LogisticRegression):
    """A model with fits that never end, one of which interrupts the process that `max_iter` names."""

    def fit(self, X, y):
        if self.C > 1:
            time.sleep(4)
            if len(X) == 61:  # of one fold
                os.kill(self.max_iter, signal.SIGINT)
            time.sleep(60)
        return super().fit(X, y)


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends a process there")
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_a_signal_ends_a_search_in_workers(backend):
    folds, grid = [(np.arange(61), np.arange(61, 90)), (np.arange(60), np.arange(60, 90))], {"C": [0.1, 0.5, 5.0]}
    model = SlowModel(max_iter=os.getpid(), warm_start=True)  # so that candidates are fitted one by one
    search = GridSearchCV(model, grid, cv=folds, n_jobs=2, interrupt="keep")
    began = time.perf_counter()
    with joblib.parallel_config(backend), pytest.warns(UserWarning, match="interrupted after 2 of 3 candidates"):
        search.fit(X, Y)
    assert time.perf_counter() - began < 60
    first_candidates(search.set_params(param_grid={"C": [0.1, 0.5]}), 2)


def test_parameters():
    for name, value in (
        ("max_time", 0),
        ("max_time", -1.0),
        ("max_time", "1"),
        ("interrupt", "stop"),
        ("keep_histories", 2),
    ):
        with pytest.raises(ValueError, match=f"The '{name}' parameter"):
            GridSearchCV(MODEL, GRID).set_params(**{name: value}).fit(X, Y)
    for ours in (GridSearchCV, RandomizedSearchCV):
        theirs = getattr(sklearn_search, ours.__name__)
        search = ours(MODEL, GRID, max_time=5.0, interrupt="keep")
        again = pickle.loads(pickle.dumps(clone(search)))
        assert (again.max_time, again.interrupt) == (5.0, "keep")
        own = ours(MODEL, GRID).get_params(deep=False)
        assert own.keys() - theirs(MODEL, GRID).get_params().keys() == {"max_time", "interrupt", "keep_histories"}
        assert repr({**own, **theirs(MODEL, GRID).get_params(deep=False)}) == repr(own)


def test_a_randomized_search_with_max_time():
    search = RandomizedSearchCV(MODEL, GRID, n_iter=3, cv=FOLDS, random_state=0, max_time=1e-9)
    with pytest.warns(UserWarning, match="after 1 of 3 candidates"):
        search.fit(X, Y)
    first_candidates(search, 1)
    pickle.loads(pickle.dumps(search)).predict(X)
