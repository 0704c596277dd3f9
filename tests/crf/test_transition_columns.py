"""The columns that transitions depend on: every form that chooses them, and what is refused."""

import re

import numpy as np
import pytest

from skopt_solvers.crf._transition_columns import transition_columns

NAMES = np.array(["bias", "pos", "pos=NN", "position", "word=a=b", "word=c"], dtype=object)

FORMS = {
    "nothing": (None, []),
    "an empty list": ([], []),
    "a name and its values": ("pos", [1, 2]),
    "one value": (["pos=NN"], [2]),
    "a value with the sign": (["word=a=b"], [4]),
    "several names": (["word", "bias"], [0, 4, 5]),
    "a tuple of names": (("word", "word=c"), [4, 5]),
    "a set": ({"bias"}, [0]),
    "an array of names": (np.array(["bias", "position"]), [0, 3]),
    "a pattern": (re.compile("pos"), [1, 2, 3]),
    "a pattern that none matches": (re.compile("os"), []),
    "a function": (lambda name: "=" in name, [2, 4, 5]),
    "numbers": ([5, 0, 5], [0, 5]),
    "unsigned numbers": (np.array([3, 1], np.uint8), [1, 3]),
    "a mask": ([False, True, False, False, False, True], [1, 5]),
    "an array as a mask": (np.arange(6) > 3, [4, 5]),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(form):
    chosen, expected = FORMS[form]
    columns = transition_columns(chosen, 6, NAMES)
    assert columns.tolist() == expected
    assert columns.dtype == np.int64


@pytest.mark.parametrize("chosen", [[5, 0], np.arange(6) > 3, None])
def test_numbers_and_masks_need_no_names(chosen):
    np.testing.assert_array_equal(transition_columns(chosen, 6, None), transition_columns(chosen, 6, NAMES))


REFUSED = {
    "an unknown name": (["pos", "shape"], "'shape', which none has"),
    "the beginning of a name": ("posit", "'posit', which none has"),
    "a number beyond": ([0, 6], "from 0 to 5, as X has 6, got 6"),
    "a negative number": ([-1], "got -1"),
    "a short mask": ([True, False], r"shape \(6,\).*got shape \(2,\)"),
    "fractions": ([0.5, 1.0], r"got \[0.5, 1.0\]"),
    "names and numbers": (["pos", 1], r"got \['pos', 1\]"),
    "numbers and truth values": ([3, True], r"got \[3, True\]"),
    "a table": (np.ones((2, 6), bool), r"a list of column numbers.*got array\("),
    "a number": (3, "got 3"),
    "bytes": (re.compile(b"pos"), "one of bytes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    chosen, message = REFUSED[case]
    with pytest.raises(ValueError, match="transition_features must be .*" + message):
        transition_columns(chosen, 6, NAMES)


@pytest.mark.parametrize("chosen", ["pos", ["pos"], re.compile("pos"), str.isupper], ids=["str", "list", "re", "def"])
def test_names_are_needed(chosen):
    with pytest.raises(ValueError, match="column numbers or a boolean mask where the columns of X have no names"):
        transition_columns(chosen, 6, None)
