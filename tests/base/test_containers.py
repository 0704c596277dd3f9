"""Containers whose values cannot be taken as they lie are refused with what to do, and nothing is changed."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression

RNG = np.random.RandomState(0)
X, Y = RNG.rand(20, 3), np.array([0, 1] * 10)
SEQUENCES, TAGS = [X[:5], X[5:12], X[12:]], [["A", "B", "A", "A", "B"], ["B"] * 7, ["A"] * 8]
HIDDEN = np.ma.masked_greater(X, 0.9)
WEIGHTS = np.ma.masked_array(np.ones(20), mask=[True] + [False] * 19)
FRAME = pl.DataFrame(X, schema=["a", "b", "c"])
LABELS = pd.Series([pd.NA] + ["a", "b"] * 9 + ["a"], dtype="string")
PLAN = "which holds a plan and no data: pass"

BAD = {
    "X that is lazy": ((FRAME.lazy(), Y), rf"X is a LazyFrame, {PLAN} X\.collect\(\)"),
    "y that is lazy": ((X, pl.LazyFrame({"y": Y})), rf"y is a LazyFrame, {PLAN} y\.collect\(\)"),
    "X with a mask": (
        (HIDDEN, Y),
        rf"X is a MaskedArray with {HIDDEN.mask.sum()} masked values, .*X\.filled\(value\)",
    ),
    "y with a mask": ((X, np.ma.masked_array(Y, mask=Y > 0)), r"y is a MaskedArray with 10 .* first of them at \(1,\)"),
    "weights with a mask": ((X, Y, WEIGHTS), r"sample_weight is a MaskedArray with 1 masked"),
    "labels of bytes": ((X, [b"a", b"b"] * 10), r"y has labels of bytes, the first of them b'a' at 0: .*decode\(\)"),
    "an array of bytes": ((X, np.array([b"a", b"b"] * 10)), "y has labels of bytes"),
    "NA in strings": ((X, LABELS), r"y has a missing label, pd\.NA at 0: leave out"),
    "NA in numbers": ((X, pd.Series([pd.NA, *Y[1:]], dtype="Int64")), "y contains NaN"),
    "NA in X": ((pd.DataFrame(X).convert_dtypes().mask(X > 0.9, pd.NA), Y), "X contains NaN"),
}


@pytest.mark.parametrize("given, message", BAD.values(), ids=BAD)
@pytest.mark.parametrize("Model", [LogisticRegression, LinearSVC])
def test_linear_models_say_what_to_do(Model, given, message):
    model = Model().fit(X, Y)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(*given)
    assert vars(model).keys() == before.keys() and all(vars(model)[name] is before[name] for name in before)


@pytest.mark.parametrize("container", [FRAME.lazy(), HIDDEN], ids=["lazy", "mask"])
def test_predictions_say_it_too(container):
    model = LogisticRegression().fit(X, Y)
    for predict in (model.predict, model.predict_proba, model.decision_function):
        with pytest.raises(ValueError, match="X is a "):
            predict(container)


def test_a_mask_that_hides_nothing_is_no_mask():
    plain = LogisticRegression().fit(X, Y)
    masked = LogisticRegression().fit(np.ma.masked_array(X), np.ma.masked_array(Y))
    np.testing.assert_array_equal(masked.coef_, plain.coef_)


@pytest.mark.parametrize(
    "given, message",
    [
        ((pl.LazyFrame({"s": [["a"]]}), TAGS), r"X is a LazyFrame.*X\.collect"),
        (([X[:5], HIDDEN[5:12], X[12:]], TAGS), r"X\[1\] is a MaskedArray"),
        ((SEQUENCES, pl.LazyFrame({"y": TAGS})), r"y is a LazyFrame"),
        ((SEQUENCES, TAGS, np.ma.masked_less(np.arange(20.0), 3)), r"sample_weight is a MaskedArray with 3"),
        ((SEQUENCES, [[pd.NA] + ["A"] * 4, *TAGS[1:]]), r"None where one is missing\), got .*token 0 of sequence 0"),
        ((SEQUENCES, [[b"A"] * 5, *TAGS[1:]]), r"got .*bytes.*token 0 of sequence 0"),
    ],
    ids=["X that is lazy", "X with a mask", "y that is lazy", "weights with a mask", "NA", "bytes"],
)
def test_a_crf_says_what_to_do(given, message):
    with pytest.raises(ValueError, match=message):
        LinearChainCRF().fit(*given)
