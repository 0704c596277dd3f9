"""Callbacks, the clock and Ctrl-C, for every solver of every model."""

import os
import signal
import threading
import time
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression, _kernels
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
