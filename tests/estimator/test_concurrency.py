"""Fits and predictions in parallel threads, on shared inputs or of one model, have the bits that they have alone."""

import multiprocessing
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.feature_extraction import DictFeatures, TokenFeatures

from ..chain_reference import tagging
from ..reference import text_like

# Filters belong to the whole process: a thread that set and reset them would change those of the others.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

THREADS, COPIES = 6, 3
X, LABELS = text_like(n=900, d=600, length=40, n_classes=12, dtype=np.float32)
BINARY = LABELS % 2
SEQUENCES, TAGS = tagging(300, n_labels=10, n_features=10)  # two threads have enough to do
WORDS = [[(f"w{i * j % 37}", "N" if j % 3 else "V") for j in range(1 + i % 9)] for i in range(150)]
DICTS = [[{"word": word, "kind": {kind: 2.0}, "odd": len(word) % 2 > 0} for word, kind in words] for words in WORDS]

FITS = {
    "lbfgs": (LogisticRegression(n_jobs=2, random_state=0), X, LABELS),
    "lbfgs, two classes": (LogisticRegression(n_jobs=2), X, BINARY),
    "adagrad": (LogisticRegression(solver="adagrad", max_iter=3, n_jobs=2, random_state=0), X, LABELS),
    "adam": (LogisticRegression(solver="adam", max_iter=3, random_state=1), X, LABELS),
    "sdca": (LogisticRegression(solver="sdca", multi_class="ovr", n_jobs=2, random_state=0), X, LABELS),
    "svc": (LinearSVC(solver="lbfgs", n_jobs=2), X, LABELS),
    "crf": (LinearChainCRF(max_iter=15, n_jobs=2, random_state=0), SEQUENCES, TAGS),
    "crf, adagrad": (LinearChainCRF(solver="adagrad", max_iter=3, random_state=0), SEQUENCES, TAGS),
}


def fitted(name):
    model, inputs, labels = FITS[name]
    return clone(model).fit(inputs, labels)


def weights(name):
    model = fitted(name)
    return [getattr(model, a) for a in ("coef_", "intercept_", "transition_coef_", "start_coef_") if hasattr(model, a)]


def same_bits(ours, theirs):
    assert type(ours) is type(theirs)
    if isinstance(ours, (list, tuple)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same_bits(a, b)
    elif sp.issparse(ours):
        same_bits([ours.data, ours.indices, ours.indptr], [theirs.data, theirs.indices, theirs.indptr])
    elif hasattr(ours, "matrix"):
        same_bits([ours.matrix, ours.lengths], [theirs.matrix, theirs.lengths])
    else:
        np.testing.assert_array_equal(ours, theirs)


def at_once(tasks):
    """Each task alone, then many copies of all in parallel threads, which switch often: the same answers."""
    alone = {name: task() for name, task in tasks.items()}
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            answers = [(name, pool.submit(task)) for _ in range(COPIES) for name, task in tasks.items()]
            for name, answer in answers:
                same_bits(answer.result(), alone[name])
    finally:
        sys.setswitchinterval(interval)


def test_fits_of_shared_data():
    before = X.copy(), LABELS.copy()
    at_once({name: partial(weights, name) for name in FITS})
    same_bits((X, LABELS), before)


def test_one_model_predicts_for_many_threads():
    linear, svc, crf = fitted("lbfgs"), fitted("svc"), fitted("crf")
    at_once(
        {
            "predict": lambda: linear.predict(X),
            "predict_proba": lambda: linear.predict_proba(X),
            "decision_function": lambda: svc.decision_function(X),
            "predict_topk": lambda: linear.predict_topk(X, 3),
            "bound": lambda: linear.suboptimality_bound(X, LABELS),
            "crf": lambda: list(crf.predict(SEQUENCES)),
            "crf_proba": lambda: list(crf.predict_proba(SEQUENCES)),
            "crf_topk": lambda: [path for paths in crf.predict_topk(SEQUENCES, 2) for path in paths],
            "crf_bound": lambda: crf.suboptimality_bound(SEQUENCES, TAGS),
        }
    )


def test_one_transformer_reads_for_many_threads():
    known, hashed, words = DictFeatures().fit(DICTS[:75]), DictFeatures(n_features=64), TokenFeatures().fit(WORDS[:75])
    at_once(
        {
            "dicts": lambda: known.transform(DICTS),
            "some dicts": lambda: known.transform(DICTS[40:]),
            "hashed": lambda: hashed.transform(DICTS),
            "words": lambda: words.transform(WORDS),
            "learnt": lambda: DictFeatures(min_count=2).fit_transform(DICTS),
            "names": lambda: known.get_feature_names_out(),
        }
    )


def _send_weights(connection, name):
    connection.send(weights(name))
    connection.close()


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python warns of any fork of a process with threads")
@pytest.mark.skipif(os.environ.get("SKOPT_SOLVERS_SANITIZER") == "thread", reason="it knows no threads after a fork")
@pytest.mark.parametrize("name", ["lbfgs", "crf"])
def test_a_fork_after_a_threaded_fit_fits_with_threads(name):
    """No thread outlives a call, so the child misses none."""
    expected = weights(name)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=_send_weights, args=(theirs, name))
    child.start()
    theirs.close()
    try:
        assert ours.poll(100), "the child does not end"
        same_bits(ours.recv(), expected)
    finally:
        child.kill()
        child.join()


def test_a_second_partial_fit_of_one_object_is_refused_and_changes_nothing():
    entered, refused = threading.Event(), threading.Event()

    def hold(info):
        entered.set()
        assert refused.wait(60)

    model = LogisticRegression(solver="adagrad", random_state=0)
    model.partial_fit(X[:300], LABELS[:300], classes=range(12))
    expected = (
        clone(model).partial_fit(X[:300], LABELS[:300], classes=range(12)).partial_fit(X[300:600], LABELS[300:600])
    )
    model.set_params(callback=hold)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(model.partial_fit, X[300:600], LABELS[300:600])
        assert entered.wait(60)
        before = model.coef_
        with pytest.raises(RuntimeError, match="partial_fit was called on a LogisticRegression while another"):
            model.partial_fit(X[600:], LABELS[600:])
        assert model.coef_ is before and model.n_iter_ == 1
        # another object may go on
        LogisticRegression(solver="adagrad").partial_fit(X[600:], LABELS[600:], classes=range(12))
        refused.set()
        first.result()
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    model.set_params(callback=None).partial_fit(X[600:], LABELS[600:])
    assert model.n_iter_ == 3


def test_a_callback_that_calls_partial_fit_of_its_own_object_is_refused():
    model = LogisticRegression(solver="adagrad", random_state=0)
    model.callback = lambda info: info.estimator.partial_fit(X[:50], LABELS[:50], classes=range(12))
    with pytest.raises(RuntimeError, match="while another call"):
        model.partial_fit(X[:50], LABELS[:50], classes=range(12))
    assert not hasattr(model, "coef_")
