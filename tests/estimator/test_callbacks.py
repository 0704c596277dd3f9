"""Callbacks, the clock and Ctrl-C, for every solver of every model."""

import copy
import os
import pickle
import signal
import threading
import time
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression, _kernels
from skopt_solvers.model_selection import C_path, compare_solvers, fit_many
from skopt_solvers.model_selection import GridSearchCV as GridSearch
from skopt_solvers.solvers import AdaGrad

from ..reference import CHAIN_NAMES, LOSSES, NAMES, linear_objective, text_like


def sequences(n=30, seed=0):
    rng = np.random.RandomState(seed)
    X = [rng.randn(rng.randint(1, 8), 5) for _ in range(n)]
    return X, [(x[:, 0] > 0).astype(int) + (x[:, 1] > 0) for x in X]


def problem(model):
    if model is LinearChainCRF:
        return sequences()
    X, y = text_like(n=200, n_classes=3)
    return X, y


def quiet(estimator, *data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(*data)


MODELS = [
    *[(LogisticRegression, name) for name in NAMES],
    (LinearSVC, "lbfgs"),
    (LinearSVC, "adagrad"),
    *[(LinearChainCRF, name) for name in CHAIN_NAMES],
]


def options(name):
    return dict(solver=name, max_iter=8, tol=0.0, random_state=0)


@pytest.mark.parametrize("model, solver", MODELS)
def test_a_callback_sees_every_iteration_and_can_stop(model, solver):
    X, y = problem(model)
    seen = []
    estimator = quiet(model(**options(solver), callback=lambda info: seen.append(info)), X, y)
    assert [info.iteration for info in seen] == list(range(1, estimator.n_iter_ + 1))
    assert [info.record for info in seen] == estimator.history_ and seen[0].estimator is estimator
    if solver != "sdca":  # whose last record tells what Newton's method made of the weights
        assert [info.objective for info in seen] == [record["objective"] for record in estimator.history_]
    assert 0 < seen[0].seconds <= seen[-1].seconds
    stopped = quiet(model(**options(solver), callback=lambda info: info.iteration == 3), X, y)
    assert stopped.n_iter_ == 3 and stopped.stop_reason_ == "the callback asked to stop"
    assert stopped.history_[-1]["objective"] == estimator.history_[2]["objective"]


@pytest.mark.parametrize("model, solver", MODELS)
def test_what_a_callback_calls_fitted_is_the_fit_that_ends_there(model, solver):
    X, y = problem(model)
    kept = []
    quiet(model(**options(solver), callback=lambda info: kept.append(info.fitted())), X, y)
    stopped = quiet(model(**options(solver), callback=lambda info: info.iteration == 4), X, y)
    assert kept[3].n_iter_ == 4 and kept[3].score(X, y) == stopped.score(X, y)
    if solver != "sdca":  # ends small problems with Newton's method
        np.testing.assert_array_equal(kept[3].coef_, stopped.coef_)
    assert not np.shares_memory(kept[3].coef_, kept[4].coef_)


@pytest.mark.parametrize("model", [LogisticRegression, LinearChainCRF])
def test_a_callback_that_fails_leaves_a_fitted_estimator_as_it_was(model):
    X, y = problem(model)

    def fails(info):
        raise RuntimeError("broken")

    estimator = quiet(model(**options("adagrad")), X, y)
    before = estimator.coef_.copy()
    with pytest.raises(RuntimeError, match="broken"):
        estimator.set_params(callback=fails, C=3).fit(X, y)
    np.testing.assert_array_equal(estimator.coef_, before)


def test_partial_fit_calls_back_after_its_epoch():
    X, y = text_like(n=100)
    seen = []
    model = LogisticRegression(solver="adam", callback=lambda info: seen.append(info.iteration))
    model.partial_fit(X, y, classes=[0, 1]).partial_fit(X, y)
    assert seen == [1, 2] and model.n_iter_ == 2


@pytest.mark.parametrize("model, solver", MODELS)
def test_max_time_ends_with_the_best_weights(model, solver):
    X, y = problem(model)
    values = []

    def slow(info):
        values.append(info.objective)
        time.sleep(0.02)

    estimator = model(**options(solver), max_time=0.03, callback=slow)
    with pytest.warns(ConvergenceWarning, match=r"max_time=0.03 seconds were over after iteration \d. Raise max_time"):
        estimator.fit(X, y)
    assert 1 <= estimator.n_iter_ <= 3 and not estimator.converged_
    if solver != "adamw":  # which has an end of its own
        best = int(np.argmin(values))
        expected = quiet(model(**options(solver), callback=lambda info: info.iteration == best + 1), X, y)
        if solver != "sdca":
            np.testing.assert_array_equal(estimator.coef_, expected.coef_)


def test_max_time_that_is_not_reached_changes_nothing():
    X, y = text_like(n=100)
    for solver in ("adagrad", "lbfgs", "sdca"):
        fits = [LogisticRegression(solver=solver, max_time=t, random_state=0).fit(X, y) for t in (None, 1000)]
        np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
        assert fits[0].stop_reason_ == fits[1].stop_reason_


def interrupts_at(iteration):
    """A callback that is as Ctrl-C in an iteration."""

    def callback(info):
        if info.iteration == iteration:
            raise KeyboardInterrupt

    return callback


@pytest.mark.parametrize("model, solver", MODELS)
def test_interrupt_keeps_the_best_weights(model, solver):
    X, y = problem(model)
    estimator = model(**options(solver), interrupt="keep", callback=interrupts_at(4))
    with pytest.warns(ConvergenceWarning, match="interrupted after 4 finished iterations"):
        estimator.fit(X, y)
    assert not estimator.converged_ and estimator.n_iter_ == len(estimator.history_) == 4
    values = [record["objective"] for record in estimator.history_]
    best = 4 if solver == "adamw" else 1 + int(np.argmin(values))
    if solver != "sdca":
        expected = quiet(model(**options(solver), callback=lambda info: info.iteration == best), X, y)
        np.testing.assert_array_equal(estimator.coef_, expected.coef_)
    estimator.predict(X)


@pytest.mark.parametrize("model", [LogisticRegression, LinearChainCRF])
def test_interrupt_raises_and_leaves_the_estimator_as_it_was(model):
    X, y = problem(model)
    estimator = model(**options("adagrad"), callback=interrupts_at(2))
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    assert not hasattr(estimator, "coef_")


@contextmanager
def ctrl_c_after(seconds):
    """Ctrl-C that comes while the block runs, which has to end within 2 seconds from then on."""
    sent = []

    def press():
        time.sleep(seconds)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    # a process that a shell runs in the background ignores Ctrl-C
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        thread.join()
        signal.signal(signal.SIGINT, handler)
    assert time.perf_counter() - sent[0] < 2


on_posix = pytest.mark.skipif(os.name != "posix", reason="os.kill ends the process there")


@on_posix
@pytest.mark.parametrize("model, solver", MODELS)
def test_ctrl_c_in_fit(model, solver):
    X, y = sequences(2000) if model is LinearChainCRF else text_like(n=2000, n_classes=20)
    # no end of its own comes before Ctrl-C
    with ctrl_c_after(0.2):
        estimator = model(C=1e4, solver=solver, random_state=0, n_jobs=2, warm_start=True)
        while True:
            quiet(estimator, X, y)


@on_posix
def test_ctrl_c_within_an_epoch():
    """Epochs that would take many seconds: the samples are visited again and again."""
    X, labels = text_like(n=100, n_classes=20)
    objective = linear_objective(X, labels, loss=LOSSES["softmax"], n_outputs=20)
    order = np.tile(objective.samples, 20_000)
    with ctrl_c_after(0.2):
        objective.ascent().native.epoch(order, 0, *(np.zeros(shape).ravel() for shape in ((100, 20), objective.shape)))
    tables = [np.zeros(objective.shape) for _ in range(2)]
    solver, none = AdaGrad(), np.empty(0, np.int64)
    rule = solver.native(dict(s=tables[1]), np.float64)
    rates = np.full(len(order) // 10, 0.1)
    with ctrl_c_after(0.2):
        sums = np.empty(0), none, none
        _kernels.run_epoch(objective.native, rule, tables[0].ravel(), order, 10, rates, 0.0, *sums, np.empty(0))


class Recording:
    """A callback of scikit-learn's protocol."""

    max_propagation_depth = None

    def __init__(self, stop_at=None):
        self.calls, self.scores, self.stop_at = [], [], stop_at

    def setup(self, estimator, context):
        self.calls.append(("setup", context.max_subtasks))

    def teardown(self, estimator, context):
        self.calls.append(("teardown", None))

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.calls.append(("end", context.task_name))
        if fitted_estimator is not None:
            self.scores.append(fitted_estimator.score(X, y))
        return context.task_id == self.stop_at and context.task_name == "iteration"


@pytest.mark.parametrize("model, solver", MODELS)
def test_the_protocol_of_scikit_learn(model, solver):
    pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9")
    X, y = problem(model)
    recording = Recording()
    estimator = quiet(model(**options(solver)).set_callbacks(recording), X, y)
    n = estimator.n_iter_
    calls = [("setup", 8), ("begin", "fit"), *[("begin", "iteration"), ("end", "iteration")] * n, ("end", "fit")]
    assert recording.calls == [*calls, ("teardown", None)]
    assert recording.scores[-1] == estimator.score(X, y) and len(recording.scores) == n + 1
    stopped = quiet(model(**options(solver)).set_callbacks(Recording(stop_at=2)), X, y)
    assert stopped.n_iter_ == 3


def test_callbacks_of_scikit_learn_are_set_down_where_a_fit_fails():
    pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9")
    recording = Recording()
    model = LogisticRegression(solver="adagrad", callback=interrupts_at(2)).set_callbacks(recording)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*text_like(n=100))
    assert recording.calls[-1] == ("teardown", None)
    assert not hasattr(model, "_callback_fit_ctx")


def test_a_search_hands_callbacks_down():
    callback = pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9")
    X, y = text_like(n=200)
    monitor, recording = callback.ScoringMonitor(scoring="accuracy"), Recording()
    grid = {"C": [0.1, 1.0], "solver": ["adagrad", "lbfgs"]}
    model = LogisticRegression(max_iter=5, tol=1e-3, random_state=0).set_callbacks(monitor)
    search = quiet(GridSearchCV(model, grid, cv=2).set_callbacks(recording), X, y)
    iterations = recording.calls.count(("end", "iteration"))
    assert iterations >= 4 * 2 * 2 + search.best_estimator_.n_iter_
    logs = [monitor.get_logs()] if not isinstance(monitor.get_logs(), list) else monitor.get_logs()
    tasks = [row["task_name"] for log in logs for row in log.data]
    assert tasks.count("iteration") == iterations


@pytest.mark.parametrize(
    "bad, message",
    [
        (dict(max_time=0), "max_time"),
        (dict(max_time="1 s"), "max_time"),
        (dict(callback=3), "callback"),
        (dict(interrupt="stop"), "interrupt"),
    ],
)
def test_bad_parameters_are_named(bad, message):
    X, y = text_like(n=50)
    with pytest.raises(ValueError, match=message):
        clone(LogisticRegression(**bad)).fit(X, y)


def test_a_list_of_callbacks_is_told_in_order_and_each_can_stop():
    X, y = text_like(n=50)
    told = []
    several = [lambda info: told.append("a") or info.iteration == 2, lambda info: told.append("b")]
    model = quiet(LogisticRegression(**options("adagrad"), callback=several), X, y)
    assert told == ["a", "b"] * 2 and model.stop_reason_ == "the callback asked to stop"
    assert clone(model).callback == several
    told.clear()
    model.set_params(callback=tuple(several)).partial_fit(X, y)
    model.set_params(callback=[]).partial_fit(X, y)
    assert told == ["a", "b"]


def fails(info):
    raise RuntimeError("broken")


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_callback_that_fails_is_named(n_jobs):
    X, y = text_like(n=50)
    model = LogisticRegression(solver="adagrad", random_state=0, callback=[print, fails])
    with pytest.raises(RuntimeError, match="broken") as caught:
        cross_val_score(model, X, y, cv=2, n_jobs=n_jobs, error_score="raise")
    (note,) = caught.value.__notes__
    assert note.startswith("callback[1] of LogisticRegression raised this after iteration 1: <function fails")
    with pytest.raises(RuntimeError, match="callback of LogisticRegression raised this"):
        model.set_params(callback=fails).fit(X, y)


def test_an_entry_of_a_list_that_cannot_be_called_is_named():
    X, y = text_like(n=50)
    with pytest.raises(ValueError, match=r"'callback' parameter of LinearSVC must be .* got a list with 3 at 1"):
        LinearSVC(callback=[print, 3]).fit(X, y)


@pytest.mark.parametrize("model", [LogisticRegression, LinearSVC, LinearChainCRF])
def test_a_stored_model_has_no_callbacks_and_a_copy_has(model):
    X, y = problem(model)
    seen = []
    fitted = quiet(model(**options("adagrad"), callback=[seen.append, lambda info: None]), X, y)
    assert pickle.loads(pickle.dumps(fitted)).callback is None
    copied = copy.deepcopy(fitted)
    assert len(copied.callback) == 2 and not np.shares_memory(copied.coef_, fitted.coef_)
    np.testing.assert_array_equal(copied.coef_, fitted.coef_)
    unfitted = pickle.loads(pickle.dumps(model(callback=fails)))  # as it goes to a process of a search
    assert unfitted.callback is fails


def told_of(call, model):
    """The places of the fits that `call` makes of a model, each once."""
    places = {}

    def callback(info):
        places[info.fit] = (info.candidate, -1 if info.fold is None else info.fold, info.seed, info.estimator.C)

    call(clone(model).set_params(callback=callback))
    return sorted(places.values())


def test_a_callback_knows_the_candidate_the_fold_and_the_seed():
    X, y = text_like(n=60)
    model = LogisticRegression(solver="adagrad", max_iter=30, tol=0.01, random_state=3)
    Cs = [0.1, 0.2]
    folds = [(i, k, 3, C) for i, C in enumerate(Cs) for k in (0, 1)]
    for max_time in (None, 1000):  # together, and one candidate after the other
        search = GridSearch(model, {"C": Cs}, cv=2, max_time=max_time, refit=lambda results: 1)
        assert told_of(lambda one, search=search: search.set_params(estimator=one).fit(X, y), model) == sorted(
            [*folds, (1, -1, 3, 0.2)]
        )
    told = told_of(lambda one: C_path(one, X, y, Cs, cv=2, return_coefs=True), model)
    assert told == sorted([*folds, *((i, -1, 3, C) for i, C in enumerate(Cs))])
    told = told_of(lambda one: fit_many([clone(one).set_params(C=C) for C in Cs], X, y), model)
    assert told == [(0, -1, 3, 0.1), (1, -1, 3, 0.2)]
    options = dict(solvers=["adagrad", "adam"], seeds=[5, 6], max_iter=3)
    told = told_of(lambda one: compare_solvers(one, X, y, **options), model)
    assert told == [(i, -1, seed, 1.0) for i in (0, 1) for seed in (5, 6)]


def test_outside_of_searches_a_fit_has_a_name_and_no_place():
    X, y = text_like(n=50)
    infos = []
    for _ in range(2):
        quiet(LogisticRegression(**options("adagrad"), callback=infos.append), X, y)
    assert len({info.fit for info in infos}) == 2
    assert {(info.candidate, info.fold, info.seed, len(info.parameters)) for info in infos} == {(None, None, 0, 0)}
