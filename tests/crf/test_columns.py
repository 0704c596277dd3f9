"""Sequences as other libraries hold them: columns of lists, parsed documents, and Python's own collections."""

from collections import ChainMap, deque
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skopt_solvers import LinearChainCRF
from skopt_solvers.feature_extraction import DictFeatures, TokenFeatures
from skopt_solvers.metrics import token_f1
from skopt_solvers.model_selection import GridSearchCV

from ..chain_reference import quiet, same_bits, tagging, weights_of

VECTORS, TAGS = tagging(24, n_features=6)
WORDS = [[f"w{int(4 * row[0] + 2 * row[1] + row[2])}" for row in x] for x in VECTORS]
DICTS = [[{"word": word, "even": float(word[1:]) / 2} for word in words] for words in WORDS]
STRINGS = [[[f"word:{word}", "always"] for word in words] for words in WORDS]
NUMBERS = [[int(tag[1]) for tag in tags] for tags in TAGS]


@dataclass(frozen=True)
class Token:
    """A token as spaCy has it."""

    text: str
    shape: int = 1  # as spaCy's: a number

    def __len__(self):
        return len(self.text)


class Doc:
    """A document as spaCy has it: it has a length and can be walked, and that is all."""

    def __init__(self, words):
        self.text = " ".join(words)
        self._tokens = [Token(word) for word in words]

    def __len__(self):
        return len(self._tokens)

    def __iter__(self):
        return iter(self._tokens)

    def __getitem__(self, i):
        return self._tokens[i]


class Column:
    """A column as Hugging Face's datasets have it, a sequence that is no list."""

    def __init__(self, values):
        self._values = values

    def __len__(self):
        return len(self._values)

    def __getitem__(self, i):
        return self._values[i]

    def __iter__(self):
        return iter(self._values)


def of_arrow(values):
    return pytest.importorskip("pyarrow").array(values)


def of_arrow_in_chunks(values):
    return pytest.importorskip("pyarrow").chunked_array([values[:10], values[10:]])


def of_arrow_arrays(values):
    return list(of_arrow(values))


def of_pandas_by_arrow(values):
    column = of_arrow(values)
    return pd.Series(column, dtype=pd.ArrowDtype(column.type))


def of_parquet(values):
    """A column of arrays, of arrays perhaps, as pandas reads it from a file of parquet."""
    return pd.Series([array_of([array_of(v) if isinstance(v, list) else v for v in value]) for value in values])


def array_of(values):
    if not isinstance(values[0], (np.ndarray, str, dict)):
        return np.array(values)
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result


COLUMNS = {
    "arrow": of_arrow,
    "arrow in chunks": of_arrow_in_chunks,
    "arrow's scalars": of_arrow_arrays,
    "polars": pl.Series,
    "polars' rows": lambda values: list(pl.Series(values)),
    "pandas": pd.Series,
    "pandas of arrow": of_pandas_by_arrow,
    "pandas of arrays": of_parquet,
    "datasets": Column,
    "deque of deques": lambda values: deque(map(deque, values)),
}


@pytest.fixture(scope="module")
def expected():
    return quiet(LinearChainCRF(max_iter=5, random_state=0), DICTS, TAGS)


@pytest.mark.parametrize("form", COLUMNS)
def test_columns_of_dicts_and_labels_give_the_same_fit(form, expected):
    model = LinearChainCRF(max_iter=5, random_state=0)
    X, y = COLUMNS[form](DICTS), COLUMNS[form](TAGS)
    same_bits(quiet(model, X, y), expected)
    for ours, theirs in zip(model.predict(X), expected.predict(DICTS), strict=True):
        assert list(ours) == list(theirs)
    assert model.score(X, y) == expected.score(DICTS, TAGS)
    np.testing.assert_array_equal(model.log_likelihood(X, y), expected.log_likelihood(DICTS, TAGS))
    assert token_f1(y, model.predict(X)) == token_f1(TAGS, expected.predict(DICTS))


@pytest.mark.parametrize("form", COLUMNS)
def test_columns_of_strings_and_of_numbers(form):
    model = LinearChainCRF(max_iter=5, random_state=0)
    named = quiet(model, COLUMNS[form](STRINGS), COLUMNS[form](NUMBERS)).predict(STRINGS)
    assert [list(path) for path in named] == [list(path) for path in quiet(model, STRINGS, NUMBERS).predict(STRINGS)]
    rows = [x.tolist() for x in VECTORS]
    numbers = weights_of(quiet(model, COLUMNS[form](rows), TAGS))
    np.testing.assert_array_equal(numbers, weights_of(quiet(model, VECTORS, TAGS)))


@pytest.mark.parametrize("form", COLUMNS)
def test_columns_of_words(form):
    column = COLUMNS[form](WORDS)
    features = TokenFeatures()
    expected = TokenFeatures().fit_transform(WORDS)
    assert (features.fit_transform(column).matrix != expected.matrix).nnz == 0
    assert (features.transform(column).matrix != expected.matrix).nnz == 0


@pytest.mark.parametrize("form", ["arrow in chunks", "polars", "pandas", "datasets"])
def test_columns_in_a_search(form):
    search = GridSearchCV(LinearChainCRF(max_iter=3, random_state=0), {"C": [0.1, 1.0]}, cv=2)
    scores = quiet(search, COLUMNS[form](DICTS), COLUMNS[form](TAGS)).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(scores, quiet(search, DICTS, TAGS).cv_results_["mean_test_score"])


def test_a_missing_label_of_a_column(expected):
    partly = [[None, *tags[1:]] for tags in TAGS]
    model = quiet(LinearChainCRF(max_iter=5, random_state=0), DICTS, partly)
    same_bits(quiet(LinearChainCRF(max_iter=5, random_state=0), pl.Series(DICTS), pl.Series(partly)), model)


# Documents


def test_documents_are_their_words():
    docs = [Doc(words) for words in WORDS]
    expected = TokenFeatures().fit_transform(WORDS)
    for X in (docs, tuple(docs), (doc for doc in docs), [list(doc) for doc in docs]):
        assert (TokenFeatures().fit_transform(X).matrix != expected.matrix).nnz == 0
    with pytest.raises(ValueError, match=r"a token of X\[0\] must be .* got the Token .*TokenFeatures"):
        LinearChainCRF().fit(docs, TAGS)
    with pytest.raises(ValueError, match=r"sequence 0, token 1: a token must be a word, .* or an object with a text"):
        TokenFeatures().fit([["a", Token(3)]])


# Collections of Python


@pytest.mark.parametrize("token", [
    {"b": 1, "a": 1}.keys(), {0: "b", 1: "a"}.values(), deque(["b", "a"]), np.array(["b", "a"]), ("b", "a"),
    MappingProxyType({"b": True, "a": 1}), ChainMap({"b": 1}, {"a": 1}), pd.Series({"b": 1.0, "a": 1.0}),
    pd.Index(["b", "a"]), frozenset("ab"),
], ids=["keys", "values", "deque", "array", "tuple", "proxy", "chain", "series", "index", "set"])  # fmt: skip
def test_items_are_any_collection(token):
    features = DictFeatures()
    rows = features.fit_transform([[token, {"in": token}, {"b": 1}]])
    names = features.get_feature_names_out().tolist()
    assert sorted(names) == ["a", "b", "in:a", "in:b"]
    table = rows.matrix.toarray()[:, [names.index(name) for name in sorted(names)]]
    assert table.tolist() == [[1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 0, 0]]
    model = quiet(LinearChainCRF(max_iter=2), [[token, ["b"]]], [["x", "y"]])
    assert sorted(model.vectorizer_.get_feature_names_out()) == ["a", "b"]


@pytest.mark.parametrize("dtype", [np.float64, "float64", np.dtype(float)])
def test_dicts_of_float64_stay_so(dtype):
    rows = DictFeatures(dtype=dtype).fit_transform(DICTS)
    assert rows.matrix.dtype == np.float64 and quiet(LinearChainCRF(max_iter=2), rows, TAGS).coef_.dtype == np.float64


# The place of what cannot be


def with_value(value, form):
    x = VECTORS[3].copy()
    x[1, 2] = value
    return [form(x) if i == 3 else form(v) for i, v in enumerate(VECTORS)]


@pytest.mark.parametrize("X, y, message", [
    (with_value(np.nan, np.asarray), TAGS, "X has nan in feature 2 of token 1 of sequence 3"),
    (with_value(np.inf, np.float32), TAGS, "X has inf in feature 2 of token 1 of sequence 3"),
    (with_value(-np.inf, lambda x: x.tolist()), TAGS, "X has -inf in feature 2 of token 1 of sequence 3"),
    (with_value(np.nan, pd.DataFrame), TAGS, "X has nan in feature 2 of token 1 of sequence 3"),
    ([[[1.0, "a"]]], [["x"]], "X must hold numbers, got 'a' in feature 1 of token 0 of sequence 0"),
    ([[[1.0]], [[1.0], [None]]], [["x"], ["x", "x"]], "got None in feature 0 of token 1 of sequence 1"),
    ([[[1.0]], [[1.0], [1.0, 2.0]]], [["x"], ["x", "x"]], r"X\[1\] must be 2-D .* its tokens are not alike"),
    ([None, [[1.0]]], [[], ["x"]], r"X\[0\] must be a sequence of tokens, got a NoneType"),
    ([[{"a": 1}], [{"a": {"b": object()}}]], [["x"], ["x"]], "sequence 1, token 0, key 'a:b': .* got object"),
    ([[["a"]], [["a"], [3]]], [["x"], ["x", "x"]], "sequence 1, token 1: keys, and the items of lists"),
    (DICTS[:2], [TAGS[0], [7, *TAGS[1][1:]]], r"\['an integer', 'str'\]: 7 \(token 0 of sequence 1\)"),
    (DICTS[:2], [[None, *TAGS[0][1:]], [1.5] * len(TAGS[1])], r"\['float', 'str'\]: 1.5 \(token 0 of sequence 1\)"),
    (DICTS[:1], [[[], *TAGS[0][1:]]], r"labels must hold strings or integers, got \[\] \(token 0 of sequence 0\)"),
])  # fmt: skip
def test_the_place_is_told(X, y, message):
    with pytest.raises(ValueError, match=message):
        LinearChainCRF().fit(X, y)


def test_the_place_of_a_token_and_of_a_weight():
    flat, labels = np.vstack(VECTORS), np.concatenate(TAGS)
    flat[5, 1] = np.nan
    with pytest.raises(ValueError, match="X has nan in feature 1 of token 5"):
        LinearChainCRF().fit(flat, labels)
    weights = [np.ones(len(tags)) for tags in TAGS]
    for value, message in ((np.nan, "sample_weight must be finite"), (-1.0, "Negative values")):
        weights[2][1] = value
        with pytest.raises(ValueError, match=rf"{message}.* \(token 1 of sequence 2\)"):
            LinearChainCRF().fit(DICTS, TAGS, sample_weight=weights)
