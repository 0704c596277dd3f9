"""The compiled modules refuse what they cannot use; `fuzz_kernels` throws more of it, and longer."""

import re
import threading
from itertools import chain

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from skopt_solvers import LogisticRegression, _kernels
from skopt_solvers._kernels import _text
from skopt_solvers.objectives import ChainObjective, LinearObjective
from skopt_solvers.solvers import AdaGrad

from ..chain_reference import random_problem
from ..reference import LOSSES, text_like
from .fuzz_kernels import run_case, variants
from .fuzz_text import OddRuns, Shouted

X = sp.csr_matrix(np.array([[1.0, 0, 2], [0, 3, 0]]))


@settings(max_examples=500)
@given(st.integers(0, 2**63))
def test_any_arguments_are_an_exception_or_a_result(number):
    assert sum(run_case(number, variants()).values())


def malformed(indptr=X.indptr, indices=X.indices, data=X.data, shape=X.shape):
    """A CSR whose constructor was not asked."""
    matrix = sp.csr_matrix(shape)
    matrix.indptr, matrix.indices, matrix.data = (np.asarray(a) for a in (indptr, indices, data))
    return matrix


MALFORMED = {
    "not from 0": (dict(indptr=[1, 2, 3]), "indptr must start at 0"),
    "falling": (dict(indptr=[0, 3, 2]), "indptr must not decrease"),
    "negative": (dict(indptr=[0, -1, 3]), "indptr must not decrease"),
    "too long": (dict(indptr=[0, 2, 4]), "shorter than indptr says"),
    "few data": (dict(data=np.ones(2)), "shorter than indptr says"),
    "column too high": (dict(indices=[0, 3, 1]), "indices must be between 0"),
    "column below 0": (dict(indices=[0, -1, 1]), "indices must be between 0"),
}


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("fault", MALFORMED)
def test_objectives_refuse_a_malformed_matrix(kernels, index, fault):
    changes, message = MALFORMED[fault]
    matrix = malformed(**changes)
    matrix.indptr, matrix.indices = matrix.indptr.astype(index), matrix.indices.astype(index)
    labels, ones = np.zeros(2, np.int32), np.ones(2)
    with pytest.raises(ValueError, match=message):
        LinearObjective(
            matrix, labels, ones, n_outputs=1, C=1.0, l1_ratio=0.0, fit_intercept=False, loss=LOSSES["logistic"]
        )
    with pytest.raises(ValueError, match=message):
        _kernels.dual(matrix, labels, ones, 1, False, "logistic", 0.0, False, n_threads=1)
    with pytest.raises(ValueError, match=message):
        chain_of(matrix)
    with pytest.raises(ValueError, match=message):
        none = np.empty(0, np.int32)
        _kernels.chain_decoder(
            matrix, np.array([0, 2]), np.zeros(3), np.empty(0, index), none, *np.zeros((3, 1)), none, 1
        )
    if "data" not in changes:
        with pytest.raises(ValueError, match=message):
            _kernels.observed_pairs(matrix, labels, 1)


def chain_of(matrix):
    return ChainObjective(
        matrix, np.array([0, 2]), np.zeros(2, np.int32), np.ones(1), n_labels=1, C=1.0, l1_ratio=0.0,
        fit_boundaries=False, transitions=np.zeros(1, np.int32), allowed=np.ones((3, 1), bool),
    )  # fmt: skip


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize(
    "rows, right",
    [([[0, 2], [1]], True), ([[2, 0], [1]], False), ([[2], [1]], True), ([[0, 0], [1]], False), ([[], [0, 1]], True),
     ([[0, 1], []], True), ([[], [], [1, 0]], False), ([[1, 2], [], [0, 1, 2], [], []], True), ([], True)],
)  # fmt: skip
def test_a_chain_refuses_rows_that_are_not_sorted(kernels, index, rows, right):
    """The search for where a row passes from one thread's columns to the next relies on it."""
    indptr, indices = np.cumsum([0, *map(len, rows)]).astype(index), np.array(list(chain(*rows)), index)
    matrix = malformed(indptr, indices, np.ones(len(indices)), (len(rows), 3))
    n, none = len(rows), np.empty(0, np.int32)
    arguments = [np.array([0, n]), np.zeros(n, np.int32), np.ones(1), np.arange(1 if n else 0), 1, False]
    arguments += [np.empty(0, np.int64), none, np.zeros(1, np.int32), np.ones(3, bool)]
    options = dict(l1=0.0, l2=0.0, n_threads=1, block=1, copied=True)
    if right:
        _kernels.chain(matrix, *arguments, **options)
    else:
        with pytest.raises(ValueError, match="indices of a row must increase"):
            _kernels.chain(matrix, *arguments, **options)


def test_sizes_whose_product_overflows_are_refused(kernels):
    """2**62 columns of 4 outputs are a table of size 0, modulo 2**64."""
    empty = malformed(np.zeros(2, np.int64), np.empty(0, np.int64), np.empty(0), (1, 2**62))
    labels, ones, none = np.zeros(1, np.int32), np.ones(1), np.empty(0, np.int32)
    with pytest.raises(ValueError, match="too large for any memory"):
        _kernels.linear(empty, labels, ones, np.arange(1), 4, True, "logistic", 0.0, False, 0.0, 0.0, n_threads=1)
    with pytest.raises(ValueError, match="too large for any memory"):
        _kernels.dual(empty, labels, ones, 4, False, "logistic", 0.0, False, n_threads=1)
    zeros = np.zeros(16), np.zeros(4), np.zeros(4)
    with pytest.raises(ValueError, match="too large for any memory"):
        _kernels.chain_decoder(empty, np.array([0, 1]), np.empty(0), np.empty(0, np.int64), none, *zeros, none, 1)
    decoder = _kernels.chain_decoder(X, np.array([0, 2]), np.zeros(12), none, none, *zeros, none, 1)
    with pytest.raises(ValueError, match="too large for any memory"):
        decoder.best_paths(2**63, none, np.empty(0), np.empty(1, np.int64))


def test_labels_orders_and_batches_are_those_of_the_problem(kernels):
    options = dict(n_outputs=3, C=1.0, l1_ratio=0.0, fit_intercept=True, loss=LOSSES["softmax"])
    for wrong in (-1, 3):
        wrong_labels = np.array([0, wrong], np.int32)
        with pytest.raises(ValueError, match="labels must index outputs"):
            _kernels.linear(
                X, wrong_labels, np.ones(2), np.arange(2), 3, True, "softmax", 0.0, False, 0.0, 0.0, n_threads=1
            )
    objective = LinearObjective(X, np.array([0, 2], np.int32), np.ones(2), **options)
    W = np.zeros(objective.shape)

    def epoch(order, tables):
        rule, none = _kernels.rule("AdaGrad", np.float64)(np.ones(tables), 1e-8), np.empty(0, np.int64)
        options = dict(batch_size=1, rates=np.ones(1), clip_norm=0.0, sum=np.empty(0), since=none, steps=none)
        return kernels.run_epoch(objective.native, rule, W.ravel(), np.array([order]), **options, losses=np.empty(0))

    for wrong in (-1, 2):
        with pytest.raises(ValueError, match="batch must index samples"):
            objective.gradient(W, np.array([0, wrong]))
        with pytest.raises(ValueError, match="order must index samples"):
            epoch(wrong, W.size)
    for size in (0, W.size - 1):
        with pytest.raises(ValueError, match="rule's tables"):
            epoch(0, size)
    assert np.isfinite(epoch(0, W.size))


@pytest.mark.parametrize("size", [10**9, 2**62])
def test_a_batch_may_be_larger_than_all_samples(size):
    dense, labels = text_like(n=30, d=8)
    fits = [
        LogisticRegression(solver=AdaGrad(batch_size=batch_size), max_iter=3, tol=0, random_state=0)
        for batch_size in (len(labels), size)
    ]
    for model in fits:
        with pytest.warns(ConvergenceWarning):
            model.fit(dense, labels)
    np.testing.assert_allclose(fits[1].coef_, fits[0].coef_, rtol=1e-10)


def odd(a):
    """The same numbers, not aligned."""
    place = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype)
    place[:] = a
    return place


def test_arrays_that_are_not_aligned_are_refused_by_kernels_and_copied_by_estimators():
    table = np.zeros(3)
    objective = LinearObjective(
        X,
        np.zeros(2, np.int32),
        np.ones(2),
        n_outputs=1,
        C=1.0,
        l1_ratio=0.0,
        fit_intercept=False,
        loss=LOSSES["logistic"],
    )
    with pytest.raises(TypeError, match="margins"):
        objective.native.margins(odd(table), np.empty(2))
    dense, labels = text_like(n=40, d=10)
    matrix = sp.csr_matrix(dense)
    strange = sp.csr_matrix(matrix.shape)
    strange.indptr, strange.indices, strange.data = (odd(a) for a in (matrix.indptr, matrix.indices, matrix.data))
    for model in (LogisticRegression(max_iter=500), LogisticRegression(solver="sdca", max_iter=500, random_state=0)):
        expected = model.fit(matrix, labels).coef_.copy()
        np.testing.assert_array_equal(model.fit(strange, labels).coef_, expected)


def test_an_objective_serves_one_thread_at_a_time():
    """A second one is told so, and what the first is doing is not disturbed."""
    problem = random_problem(np.full(2000, 4), 3, n_features=20)
    objective, W = problem.objective(), problem.table()
    expected, answers, refused = objective.value_and_gradient(W), [], []

    def ask():
        for _ in range(15):
            try:
                answers.append(objective.value_and_gradient(W))
            except RuntimeError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers and len(answers) + len(refused) == 45
    assert all("one at a time" in message for message in refused)
    for value, gradient in answers:
        assert value == expected[0] and (gradient == expected[1]).all()


def rules_of_text(units=1, low=1, high=1, least=1, runs=re.compile(r"\w+")):
    characters = [_text.Characters(lower, runs) for lower in (True, False)]
    return _text.Rules(units, low, high, (least, False, True), True, *characters, None, False)


SOURCE = _text.Source(0, False, str, str)


def known_rows(n_columns):
    vocabulary = _text.StringVocabulary(["a", "b"], np.array([0, 7], np.int32))
    return vocabulary.rows(["b"], rules_of_text(), SOURCE, n_columns, 1)


def string_counts(documents=("a b a",), **rules):
    return _text.StringCounts(documents, rules_of_text(**rules), SOURCE, 1)


def use_after_taken(name):
    counts = _text.WordCounts(["a b a"], rules_of_text(0, 1, 2), SOURCE, 1)
    vocabulary = counts.take_vocabulary()
    assert vocabulary.items()[0] == ["a", "b", "a b", "b a"] and counts.totals(False).tolist() == [2, 1, 1, 1]
    getattr(counts, name)()


def negative_counts():
    rows = _text.hashed_rows(["a b c d e"], rules_of_text(), SOURCE, 1000, True, 1)
    rows.matrixF64(False, np.zeros(9), None, 0, 1)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: known_rows(7), "n_columns must be from 8 to 2147483647, got 7"),
        (lambda: known_rows(2**63), "n_columns must be from 8 to 2147483647, got 9223372036854775808"),
        (lambda: use_after_taken("sort"), "take_vocabulary has taken the terms"),
        (lambda: use_after_taken("take_vocabulary"), "take_vocabulary has taken the terms"),
        (negative_counts, "smallest count, for which tf has a value, must be from 0 to 0, got -1"),
        (lambda: string_counts(low=3, high=2), "low must be from 1 to 2, got 3"),
        (lambda: string_counts(high=2**31), "high must be from 1 to 2147483647, got 2147483648"),
        (lambda: string_counts(least=2**64 - 1), "least length of a token must be from 0 to 2147483647, got 184467"),
        (lambda: string_counts(units=0), "rules for tables of strings must have units 1 to 3, got 0"),
        (lambda: string_counts(runs=OddRuns(3, 70_000)), "runs must find parts .* got one from 3 to 70000"),
        (lambda: string_counts(runs="x"), "runs must be a compiled regular expression or None, got str"),
        (lambda: string_counts([Shouted("İ")]), r"lower\(\) of a document must return a str, got int"),
        (lambda: string_counts().matrixF32(False, None, None, 0, 0), "n_threads must be from 1 to 2147483647, got 0"),
        (lambda: string_counts().matrixF32(False, None, None, 3, 1), "norm must be from 0 to 2, got 3"),
        (lambda: string_counts().matrixI32(False, None, None, 1, 1), "must be None, None and 0 for a matrix of int"),
        (lambda: string_counts().keep(np.ones(3, bool)), "size of kept must be from 2 to 2, got 3"),
    ],
)
def test_what_counts_texts_says_what_it_allows(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_counts_of_texts_serve_one_thread_at_a_time():
    counts = _text.WordCounts([" ".join(map(str, range(300_000)))], rules_of_text(0), SOURCE, 1)
    answers, refused = [], []

    def ask(method):
        for _ in range(15):
            try:
                answers.append(method())
            except RuntimeError as error:
                refused.append(str(error))

    kept = np.ones(counts.n_columns, bool)
    calls = [counts.sort, lambda: counts.keep(kept), lambda: counts.matrixF64(False, None, None, 0, 1)]
    threads = [threading.Thread(target=ask, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) + len(refused) == 45
    assert all("one at a time" in message for message in refused)


def indicator(indptr=(0, 1, 3), indices=(2, 0, 1), present=(1.0, 1.0, 1.0), absent=(1.0, 1.0, 1.0)):
    arrays = np.array(indptr, np.int64), np.array(indices, np.int64), np.array(present), np.array(absent)
    return _kernels.indicator(*arrays, np.float64)


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(indptr=[0, 1, 4]), "shorter than indptr says"),
        (dict(indptr=[]), "indptr must start at 0"),
        (dict(indices=[2, 0, 3]), "indices must be between 0"),
        (dict(indices=[2, 1, 0]), "indices of a row must increase"),
        (dict(indices=[2, 1, 1]), "indices of a row must increase"),
        (dict(present=[1.0, 1.0]), "one factor a label"),
        (dict(present=[1.0, -1.0, 1.0]), "finite and >= 0"),
        (dict(absent=[1.0, np.nan, 1.0]), "finite and >= 0"),
        (dict(absent=[1.0, 1.0, np.inf]), "finite and >= 0"),
    ],
)
def test_an_indicator_is_sound(kernels, changes, message):
    with pytest.raises(ValueError, match=message):
        indicator(**changes)


def test_the_labels_of_objectives_and_duals_are_those_of_the_indicator(kernels):
    def linear(labels=(0, 1), n_outputs=3, loss="logistic", **options):
        given = np.array(labels, np.int32), np.ones(2), np.arange(2), n_outputs, True, loss, 0.0, False, 0.0, 0.0
        return _kernels.linear(X, *given, n_threads=1, **{"indicator": indicator(), **options})

    def dual(labels=(0, 1), n_outputs=3, loss="logistic"):
        given = np.array(labels, np.int32), np.ones(2), n_outputs, True, loss, 0.0, False
        return _kernels.dual(X, *given, n_threads=1, indicator=indicator())

    for make in (linear, dual):
        with pytest.raises(ValueError, match="a label for each output"):
            make(n_outputs=2)
        with pytest.raises(ValueError, match="labels must index outputs"):
            make(labels=(0, 2))
        with pytest.raises(ValueError, match="must not compare outputs"):
            make(loss="softmax")
        with pytest.raises(TypeError):
            _kernels.linear(
                X, np.zeros(2, np.int32), np.ones(2), np.arange(2), 3, True, "logistic", 0.0, False, 0.0, 0.0,
                n_threads=1, indicator=_kernels.indicator(*np.zeros((2, 1), np.int64), *np.ones((2, 3)), np.float32),
            )  # fmt: skip
    with pytest.raises(ValueError, match="a label for each output"):
        linear(n_outputs=3, n_models=3)
    linear(n_outputs=6, n_models=2)
