"""Searches over solvers, schedules and penalties, for the three models in pipelines; and the threads of their fits."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn.linear_model
from joblib.parallel import ThreadingBackend
from scipy.stats import loguniform
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler
from threadpoolctl import threadpool_info

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers._base import threads as base_threads
from skopt_solvers._base.threads import effective_threads, one_blas_thread
from skopt_solvers.feature_extraction import TokenFeatures
from skopt_solvers.schedules import CosineDecay, StepDecay, Warmup
from skopt_solvers.solvers import LBFGS, AdaGrad, Adam, RMSProp, Solver

from ..chain_reference import tagging
from ..reference import text_like

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = text_like(n=120, d=40, n_classes=3, seed=2)
VECTORS, TAGS = tagging(45, n_features=8)
WORDS = [[f"w{int(8 * row[0] + 4 * row[1] + 2 * row[2] + row[3])}" for row in rows] for rows in VECTORS]
CORES = joblib.cpu_count()


def linear(model):
    return Pipeline([("scale", MaxAbsScaler()), ("model", model.set_params(max_iter=5, random_state=0))]), X, Y


def chain():
    model = LinearChainCRF(max_iter=5, random_state=0)
    return Pipeline([("features", TokenFeatures()), ("model", model)]), WORDS, TAGS


PROBLEMS = {"logistic": lambda: linear(LogisticRegression()), "svc": lambda: linear(LinearSVC()), "crf": chain}
GRID = [
    {
        "model__solver": ["adam", AdaGrad()],
        "model__solver__learning_rate": [0.05, 0.5],
        "model__solver__schedule": ["cosine", Warmup(CosineDecay(), epochs=1)],
    },
    {"model__solver": ["lbfgs", LBFGS(memory=3)], "model__C": [0.1, 1.0]},
]
DISTRIBUTIONS = [
    {
        "model__solver": ["adam", RMSProp()],
        "model__solver__learning_rate": loguniform(1e-3, 1),
        "model__solver__schedule": ["linear", CosineDecay()],
        "model__C": loguniform(0.1, 10),
    },
    {"model__solver": ["lbfgs"], "model__C": loguniform(0.1, 10)},
]
EPOCHS = dict(resource="model__max_iter", max_resources=12, factor=3)
SAMPLES = dict(min_resources=20, random_state=0, factor=2)
SEARCHES = {
    "grid": lambda model, **options: GridSearchCV(model, GRID, **options),
    "random": lambda model, **options: RandomizedSearchCV(model, DISTRIBUTIONS, n_iter=6, random_state=0, **options),
    "halving-epochs": lambda model, **options: HalvingGridSearchCV(model, GRID, **EPOCHS, **options),
    "halving-samples": lambda model, **options: HalvingGridSearchCV(model, GRID, **SAMPLES, **options),
}


@pytest.fixture(autouse=True)
def many_omp_threads(monkeypatch):
    """More than there are cores: what loky hands on to its workers as it is. One value, so that workers are reused."""
    monkeypatch.setenv("OMP_NUM_THREADS", str(4 * CORES))


def found(kind, problem, n_jobs=None, backend="loky"):
    model, data, labels = PROBLEMS[problem]()
    with joblib.parallel_config(backend):
        search = SEARCHES[kind](model, cv=2, n_jobs=n_jobs, error_score="raise").fit(data, labels)
    assert len(search.predict(data)) == len(labels)
    return search


# What a search finds


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("kind", SEARCHES)
def test_a_search_finds_the_same_alone_and_in_workers(kind, problem):
    alone = found(kind, problem)
    assert alone.cv_results_["mean_test_score"].std() > 0
    for backend in ("loky", "threading") if kind == "random" else ("threading",):
        beside = found(kind, problem, 2, backend)
        assert beside.cv_results_["params"] == alone.cv_results_["params"]
        np.testing.assert_array_equal(beside.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
        assert beside.best_params_ == alone.best_params_


def noisy(n=240, d=20):
    """Labels that a line gives, a fifth of them wrong."""
    rng = np.random.RandomState(0)
    data, wrong = rng.randn(n, d), rng.rand(n) < 0.2
    return data, (data[:, 0] - data[:, 1] > 0) ^ wrong


HALVING = dict(cv=3, factor=2, random_state=0, error_score="raise")


def test_halving_over_samples_chooses_as_with_scikit_learns_model():
    data, labels = noisy()
    grid = {"C": [1e-6, 1e-3, 0.03, 1.0]}
    searches = [
        HalvingGridSearchCV(model, grid, min_resources=60, scoring="neg_log_loss", **HALVING).fit(data, labels)
        for model in (LogisticRegression(tol=1e-6), sklearn.linear_model.LogisticRegression(tol=1e-6))
    ]
    ours, theirs = (search.cv_results_ for search in searches)
    assert ours["n_resources"].tolist() == theirs["n_resources"].tolist() and ours["params"] == theirs["params"]
    np.testing.assert_allclose(ours["mean_test_score"], theirs["mean_test_score"], rtol=1e-4)
    assert searches[0].best_params_ == searches[1].best_params_
    assert searches[0].best_params_["C"] > 1e-3


@pytest.mark.parametrize("Model", [LogisticRegression, LinearSVC])
def test_halving_over_epochs_chooses_a_rate_that_learns(Model):
    data, labels = noisy()
    model = Model(solver=Adam(schedule="linear"), C=0.1, random_state=0)
    grid = {"solver__learning_rate": [1e-9, 1e-7, 1e-5, 0.03]}
    halving = HalvingGridSearchCV(model, grid, resource="max_iter", max_resources=16, **HALVING).fit(data, labels)
    assert halving.best_params_ == {"solver__learning_rate": 0.03, "max_iter": halving.n_resources_[-1]}
    assert halving.n_candidates_[:2] == [4, 2] and halving.best_score_ > 0.7


def test_halving_over_sequences_chooses_a_penalty_that_learns():
    rng = np.random.RandomState(0)
    sequences = [[{"word": str(word)} for word in rng.randint(8, size=6)] for _ in range(60)]
    labels = [["even" if int(item["word"]) % 2 == 0 else "odd" for item in sequence] for sequence in sequences]
    model = LinearChainCRF(max_iter=50, tol=1e-2)
    grid, options = {"C": [1e-7, 1e-6, 1.0]}, HALVING | dict(scoring=likelihood)
    halving = HalvingGridSearchCV(model, grid, min_resources=15, **options).fit(sequences, labels)
    assert halving.best_params_ == {"C": 1.0} and halving.score(sequences, labels) > np.log(0.5)


def likelihood(model, X, y):
    """The mean of log p(y | x)."""
    return model.log_likelihood(X, y).mean()


@pytest.mark.parametrize("problem", ["logistic", "crf"])
def test_candidates_do_not_change_each_other_or_the_grid(problem):
    shared = Adam(schedule=StepDecay())
    grid = {
        "model__solver": [shared, "adam"],
        "model__solver__schedule": ["step", shared.schedule],
        "model__solver__schedule__factor": [0.25, 0.75],
    }
    model, data, labels = PROBLEMS[problem]()
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(data, labels)
    assert shared == Adam(schedule=StepDecay()) and len(search.cv_results_["params"]) == 8
    for params, score in zip(search.cv_results_["params"], search.cv_results_["split0_test_score"], strict=True):
        alone = GridSearchCV(model, {key: [value] for key, value in params.items()}, cv=2).fit(data, labels)
        assert alone.cv_results_["split0_test_score"][0] == score
        assert alone.best_estimator_[-1].solver.schedule.factor == params["model__solver__schedule__factor"]


@pytest.mark.parametrize("Model", [LogisticRegression, LinearSVC])
def test_no_rate_is_so_large_that_a_fit_counts_as_converged(Model):
    scoring = {"accuracy": "accuracy", "converged": lambda model, X, y: float(model.converged_)}
    rates = {"solver__learning_rate": [1.0, 1e10, 1e100]}
    for solver in ("adagrad", "rmsprop"):
        model = Model(solver=solver, C=0.1, random_state=0)
        search = GridSearchCV(model, rates, cv=2, scoring=scoring, refit="accuracy").fit(X, Y)
        assert (search.cv_results_["mean_test_converged"][1:] == 0).all()
        assert search.best_params_ == {"solver__learning_rate": 1.0}


@pytest.mark.parametrize("value", [Adam, None, abs])
def test_what_has_no_parameters_is_named(value):
    with pytest.raises(ValueError, match=r"solver=.* has no parameters; set solver to one of \['adagrad'"):
        LogisticRegression().set_params(solver=value, solver__learning_rate=0.1)
    with pytest.raises(ValueError, match=r"schedule=.* has no parameters; set schedule to one of \['constant'"):
        LogisticRegression(solver="adam").set_params(solver__schedule=value, solver__schedule__end=0.1)


def test_the_table_of_a_search_in_pandas():
    table = pd.DataFrame(found("grid", "logistic").cv_results_)
    ordered = table.sort_values(["param_model__solver", "mean_test_score"])
    solvers = ordered["param_model__solver"].map(str)
    assert solvers.is_monotonic_increasing and solvers.nunique() == 4
    by_solver = table.groupby("param_model__solver")["mean_test_score"]
    assert by_solver.size().to_dict() == {AdaGrad(): 4, LBFGS(memory=3): 2, "adam": 4, "lbfgs": 2}
    pivot = table.pivot_table(
        index="param_model__solver", columns="param_model__solver__schedule", values="mean_test_score"
    )
    assert pivot.index.tolist() == [AdaGrad(), "adam"]  # those without a schedule are left out
    assert pivot.columns.tolist() == [Warmup(CosineDecay(), epochs=1), "cosine"]
    best = table.loc[table["param_model__solver"] == AdaGrad(), "mean_test_score"].max()
    assert best == by_solver.max()[AdaGrad()]
    again = pd.DataFrame(found("grid", "logistic").cv_results_)  # objects that another search has made
    both = pd.concat([table, again]).groupby("param_model__solver")["mean_test_score"]
    assert both.size().to_dict() == {key: 2 * n for key, n in by_solver.size().items()}


# Threads


def recorder():
    """A solver that writes down its threads. A class of a function travels to workers by value."""

    class Recorder(Solver):
        def __init__(self, path=""):
            self.path = path

        def minimize(self, objective, W, **options):
            with open(self.path, "a") as file:
                record = dict(threads=objective.n_threads, worker=[os.getpid(), threading.get_ident()])
                file.write(json.dumps(record) + "\n")
            options.pop("state", None)
            return LBFGS().minimize(objective, W, **options)

    return Recorder


def recorded(path):
    records = [json.loads(line) for line in Path(path).read_text().splitlines()]
    return {tuple(record["worker"]) for record in records}, {record["threads"] for record in records}


@pytest.mark.parametrize("n_jobs", [None, -1])
@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.parametrize("wrap", [lambda model: model, OneVsRestClassifier], ids=["alone", "one-versus-rest"])
def test_threads_times_workers_are_no_more_than_the_cores(wrap, backend, n_jobs, tmp_path):
    path = str(tmp_path / "fits")
    model = wrap(LogisticRegression(solver=recorder()(path), n_jobs=n_jobs))
    (name,) = [key for key in model.get_params() if key in ("C", "estimator__C")]
    with joblib.parallel_config(backend):
        GridSearchCV(model, {name: [0.1, 1.0]}, cv=2, n_jobs=2, refit=False).fit(X, Y)
    workers, threads = recorded(path)
    assert 1 <= len(workers) <= 2 and (os.getpid(), threading.get_ident()) not in workers
    assert threads == {max(1, CORES // 2) if backend == "loky" else 1}


def test_refitting_has_all_cores_again(tmp_path):
    path = str(tmp_path / "fits")
    GridSearchCV(LogisticRegression(solver=recorder()(path)), {"C": [1.0]}, cv=2, n_jobs=2).fit(X, Y)
    assert json.loads(Path(path).read_text().splitlines()[-1])["threads"] == CORES


def test_what_a_process_is_left_by_joblib(monkeypatch):
    """Without starting one: in the main thread, nested, with joblib's variables set or not."""
    workers = ThreadingBackend(nesting_level=1)
    monkeypatch.setattr(base_threads, "get_active_backend", lambda: (workers, None))
    monkeypatch.setattr(base_threads, "_cores", lambda limit: 8)
    for name in workers.MAX_NUM_THREADS_VARS:
        monkeypatch.delenv(name, raising=False)
    assert effective_threads(None) == effective_threads(-1) == 1  # not a process of loky
    for name in workers.MAX_NUM_THREADS_VARS:
        monkeypatch.setenv(name, "4")
    assert [effective_threads(n) for n in (None, -1, -2, 3)] == [4, 4, 3, 3]
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    assert effective_threads(None) == 4
    monkeypatch.setattr(base_threads, "_cores", lambda limit: 2)
    assert effective_threads(None) == 2
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(effective_threads, None).result() == 1


def test_blas_gets_its_threads_back():
    threads = lambda: [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]  # noqa: E731
    before = threads()
    with one_blas_thread():
        with one_blas_thread():
            assert set(threads()) <= {1}
        assert set(threads()) <= {1}
    assert threads() == before


def test_threads_of_a_context(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for jobs, expected in ((1, 1), (2, min(2, CORES)), (-1, CORES), (10**6, CORES), (-(10**6), 1)):
        with joblib.parallel_config(n_jobs=jobs):
            assert effective_threads(None) == expected
            assert effective_threads(-1) == CORES and effective_threads(5) == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert effective_threads(None) == effective_threads(-1) == 1 and effective_threads(2) == 2


def test_no_threads_at_all_are_refused():
    for model in (LogisticRegression(n_jobs=0), LinearSVC(n_jobs=0)):
        with pytest.raises(ValueError, match="n_jobs must be None or an integer other than 0, got 0"):
            model.fit(X, Y)
    with pytest.raises(ValueError, match="n_jobs must be"):
        LinearChainCRF(n_jobs=0).fit(VECTORS, TAGS)


# The other tools of scikit-learn


@pytest.mark.parametrize("Model", [LogisticRegression, LinearSVC])
def test_curves(Model):
    model = Model(solver="adam", max_iter=5, random_state=0)
    solvers = ["lbfgs", "adagrad", RMSProp()]
    _, scores = validation_curve(model, X, Y, param_name="solver", param_range=solvers, cv=2, error_score="raise")
    rates = [0.01, 1.0]
    _, by_rate = validation_curve(model, X, Y, param_name="solver__learning_rate", param_range=rates, cv=2)
    assert np.isfinite(scores).all() and by_rate.std() > 0
    sizes, _, streamed = learning_curve(model, X, Y, cv=2, train_sizes=[0.5, 1.0], exploit_incremental_learning=True)
    assert sizes.tolist() == [30, 60] and np.isfinite(streamed).all()
    with pytest.raises(ValueError, match="partial_fit"):
        learning_curve(Model(), X, Y, cv=2, exploit_incremental_learning=True)


@pytest.mark.parametrize("Model", [LogisticRegression, LinearSVC])
def test_calibration_stacking_and_weights_that_are_routed(Model):
    weights = np.random.RandomState(0).rand(len(Y))
    with sklearn.config_context(enable_metadata_routing=True):
        model = Model(random_state=0).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"solver": ["lbfgs", "sdca"]}, cv=3, error_score="raise")
        search.fit(X, Y, sample_weight=weights)
        for i, (train, test) in enumerate(StratifiedKFold(3).split(X, Y)):
            by_hand = Model(random_state=0).fit(X[train], Y[train], sample_weight=weights[train])
            assert search.cv_results_[f"split{i}_test_score"][0] == by_hand.score(X[test], Y[test], weights[test])
        stacked = StackingClassifier([("one", model)], final_estimator=model, cv=3).fit(X, Y, sample_weight=weights)
        calibrated = CalibratedClassifierCV(model, cv=3).fit(X, Y, sample_weight=weights)
    assert stacked.score(X, Y) > 0.5
    np.testing.assert_allclose(calibrated.predict_proba(sp.csr_array(X)).sum(axis=1), 1.0)
