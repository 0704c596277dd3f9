"""DictFeatures against python-crfsuite's ItemSequence and a slow reference; TokenFeatures against a slow reference."""

import copy
import gc
import math
import pickle
import sys
from collections import Counter, OrderedDict, defaultdict
from fractions import Fraction

import numpy as np
import pycrfsuite
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils import murmurhash3_32

from skopt_solvers.feature_extraction import DictFeatures, TokenFeatures
from skopt_solvers.sequence import CSRSequences

# few characters, so that names meet; ":" so that {"a": "b"} meets {"a:b": 1}; one, two, three and four bytes of UTF-8
STRINGS = st.text(alphabet="ab:é가𝄞", max_size=9)
LONG = st.text(alphabet="abcé", min_size=10, max_size=70)
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.floats(-2, 2, width=16),
    st.booleans(),
    st.sampled_from([np.float32(1.5), np.float64(-2), np.int64(3), np.uint8(2), np.bool_(True), np.bool_(False)]),
    st.just(Fraction(1, 2)),
)
LISTS = st.one_of(st.lists(STRINGS, max_size=4), st.sets(STRINGS, max_size=4))
VALUES = st.recursive(
    st.one_of(NUMBERS, STRINGS, LONG, LISTS, STRINGS.map(str.encode)),
    lambda values: st.dictionaries(STRINGS, values, max_size=3),
    max_leaves=6,
)
ITEMS = st.one_of(
    st.dictionaries(st.one_of(STRINGS, LONG, st.binary(max_size=0)), VALUES, max_size=6),
    LISTS,
    st.lists(LONG, min_size=30, max_size=50),
)
SEQUENCES = st.lists(st.lists(ITEMS, max_size=4), min_size=1, max_size=4).filter(any)


def attributes(item, prefix=""):
    """Names and values of an item in its order, that of sets sorted."""
    if not isinstance(item, dict):
        for key in sorted(item) if isinstance(item, (set, frozenset)) else item:
            yield prefix + (key.decode() if isinstance(key, bytes) else key), 1.0
        return
    for key, value in item.items():
        name = prefix + (key.decode() if isinstance(key, bytes) else key)
        if isinstance(value, (dict, list, set, tuple, frozenset)):
            yield from attributes(value, name + ":")
        elif isinstance(value, (str, bytes)):
            yield f"{name}:{value.decode() if isinstance(value, bytes) else value}", 1.0
        else:
            yield name, float(value)


def summed(item):
    row = defaultdict(float)
    for name, value in attributes(item):
        if value:
            row[name] += value
    return dict(row)


def by_frequency(rows, min_count):
    counts = Counter(name for row in rows for name in row)  # a Counter keeps the order of first appearance
    return [name for name, count in sorted(counts.items(), key=lambda pair: -pair[1]) if count >= min_count]


def dense(rows, names):
    return np.array([[row.get(name, 0.0) for name in names] for row in rows]).reshape(len(rows), len(names))


def check_canonical(result, sequences, n_columns, dtype):
    assert isinstance(result, CSRSequences)
    matrix = result.matrix
    assert matrix.shape == (sum(map(len, sequences)), n_columns)
    assert result.lengths.tolist() == list(map(len, sequences))
    assert matrix.dtype == dtype and matrix.indices.dtype == matrix.indptr.dtype == np.int32
    assert (matrix.data != 0).all()
    for begin, end in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        assert (np.diff(matrix.indices[begin:end]) > 0).all()


# Dicts


@given(SEQUENCES)
def test_the_reference_reads_items_as_crfsuite_does(sequences):
    for sequence in sequences:
        assert [dict(attributes(item)) for item in sequence] == pycrfsuite.ItemSequence(sequence).items()


def test_crfsuite_sums_an_attribute_that_occurs_twice(tmp_path):
    trainer = pycrfsuite.Trainer(verbose=False)
    trainer.append([["a"], ["b"], ["a", "b"]], ["x", "y", "x"])
    trainer.train(str(tmp_path / "model"))
    tagger = pycrfsuite.Tagger()
    tagger.open(str(tmp_path / "model"))

    def probability(item):
        tagger.set([item])
        return tagger.marginal("x", 0)

    assert probability(["a", "a"]) == pytest.approx(probability({"a": 2.0}), abs=1e-12)
    assert abs(probability(["a", "a"]) - probability(["a"])) > 0.01


@settings(max_examples=100)
@given(SEQUENCES, SEQUENCES, st.integers(1, 3), st.sampled_from([np.float32, np.float64]))
@example([[{"a": {"b", "c"}}, ["a:c", "a:b"]]], [[[]]], 1, np.float32)
@example([[{"a:b": 1, "a": "b"}, {"a:b": -1, "a": ["b"]}]], [[["a:b"]]], 1, np.float32)
def test_dicts_equal_the_reference(sequences, others, min_count, dtype):
    features = DictFeatures(min_count=min_count, dtype=dtype)
    result = features.fit_transform(sequences)
    rows = [summed(item) for sequence in sequences for item in sequence]
    names = by_frequency(rows, min_count)
    assert features.get_feature_names_out().tolist() == names
    assert features.vocabulary_ == {name: i for i, name in enumerate(names)}
    assert features.n_features_out_ == len(names)
    check_canonical(result, sequences, len(names), dtype)
    np.testing.assert_array_equal(result.matrix.toarray(), dense(rows, names))

    again = features.transform(sequences)
    np.testing.assert_array_equal(again.matrix.toarray(), dense(rows, names))
    rows = [summed(item) for sequence in others for item in sequence]
    result = pickle.loads(pickle.dumps(features)).transform(others)
    check_canonical(result, others, len(names), dtype)
    np.testing.assert_array_equal(result.matrix.toarray(), dense(rows, names))


@given(SEQUENCES, st.sampled_from([1, 2, 7, 2**20, 2**31 - 1]))
def test_hashing_equals_scikit_learns_murmurhash(sequences, n_features):
    features = DictFeatures(n_features=n_features, dtype=np.float64)
    result = features.transform(sequences)
    check_canonical(result, sequences, n_features, np.float64)
    items = (item for sequence in sequences for item in sequence)
    for row, item in zip(result.matrix, items, strict=True):
        expected = defaultdict(float)
        for name, value in attributes(item):
            if value:
                expected[murmurhash3_32(name.encode(), positive=True) % n_features] += value
        assert dict(zip(row.indices.tolist(), row.data.tolist(), strict=True)) == {
            k: v for k, v in expected.items() if v
        }


def test_many_features_in_few_characters():
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefé"), size)) for size in rng.integers(0, 12, 60_000)]
    sequences = [
        [{"w": word, word: 2, "n": i % 3} for i, word in enumerate(words[k : k + 50])] for k in range(0, 60_000, 50)
    ]
    rows = [summed(item) for sequence in sequences for item in sequence]
    features = DictFeatures(min_count=2)
    result = features.fit_transform(sequences)
    names = by_frequency(rows, 2)
    assert features.get_feature_names_out().tolist() == names
    columns = features.vocabulary_
    indices = [sorted(columns[name] for name in row if name in columns) for row in rows]
    np.testing.assert_array_equal(result.matrix.indices, np.concatenate(indices))
    np.testing.assert_array_equal(features.transform(sequences).matrix.indices, result.matrix.indices)
    np.testing.assert_array_equal(features.transform(sequences).matrix.data, result.matrix.data)


def test_containers_of_sequences_and_items():
    item = {"w": "a", "n": 2}
    expected = DictFeatures().fit_transform([[item, item], [["n"]]])
    objects = np.empty(2, dtype=object)
    objects[:] = [[item, item], [["n"]]]
    for X in (
        ([item, item], [["n"]]),
        objects,
        [(item, item), (("n",),)],
        [np.array([item, item], dtype=object), [{"n"}]],
        [[OrderedDict(item), defaultdict(int, item)], [frozenset({"n"})]],
        [[{np.str_("w"): b"a", b"n": 2}, {"w": ("a",), "n": 2}], [[b"n"]]],
        (sequence for sequence in [[item, item], [["n"]]]),
    ):
        result = DictFeatures().fit_transform(X)
        assert (result.matrix != expected.matrix).nnz == 0
        assert result.lengths.tolist() == [2, 1]


def test_columns_do_not_depend_on_the_order_of_a_set():
    names = [f"f{i}" for i in range(50)]
    columns = [DictFeatures().fit([[set(order)]]).get_feature_names_out().tolist() for order in (names, names[::-1])]
    assert columns == [sorted(names)] * 2


class Unconvertible:
    def __float__(self):
        raise KeyError("mine")


class Emptying:
    """A number that empties the dict that holds it."""

    def __init__(self, holder):
        self.holder = holder

    def __float__(self):
        self.holder.clear()
        gc.collect()
        return 1.0


def test_a_dict_that_changes_while_it_is_read():
    item = {"x" * 40: "y" * 40}
    item["n"] = Emptying(item)
    item["z" * 40] = "y" * 40
    names = DictFeatures().fit([[item]]).get_feature_names_out().tolist()
    assert names[:2] == ["x" * 40 + ":" + "y" * 40, "n"]


def test_the_users_error_is_not_hidden():
    with pytest.raises(KeyError, match="mine"):
        DictFeatures().fit([[{"a": Unconvertible()}]])


def holding_itself():
    item = {}
    item["a"] = item
    return item


@pytest.mark.parametrize("value, message", [
    (None, "got NoneType"),
    (object(), "a value must be a number, a boolean, a string, or a dict or collection of them, got object"),
    (1j, "got complex"),
    (np.zeros((1, 2)), "keys, and the items of lists, must be strings, got numpy.ndarray"),
    (math.nan, "the value is nan, which is not finite"),
    (-math.inf, "the value is -inf, which is not finite"),
    (np.float32("nan"), "the value is nan, which is not finite"),
    (1e300, r"the value is 1e\+300, which is not finite in float32"),
    (10**400, "an integer that is too large for a float"),
    (b"\xff", "bytes must be UTF-8"),
    ("\ud800", "lone surrogate"),
])  # fmt: skip
@pytest.mark.parametrize("fitted", [False, True])
def test_bad_values(value, message, fitted):
    features = DictFeatures().fit([[{"k": 1}]])
    call = features.transform if fitted else features.fit_transform
    with pytest.raises(ValueError, match=rf"^X: sequence 1, token 2, key 'k\w*:?': .*{message}"):
        call([[{"k": 1}], [{"k": 1}, {"k": "v"}, {"first": 1, "k": value}]])
    with pytest.raises(ValueError, match=rf"^X: sequence 0, token 0, key 'outer:inner:?': .*{message}"):
        call([[{"outer": {"inner": value}}]])
    assert features.vocabulary_ == {"k": 0}


@pytest.mark.parametrize("X, message", [
    ([[{1: 1}]], "sequence 0, token 0: keys, and the items of lists, must be strings, got int"),
    ([[{1: False}]], "sequence 0, token 0: keys, and the items of lists, must be strings, got int"),
    ([[{"a": [1]}]], "sequence 0, token 0, key 'a:': keys, and the items of lists, must be strings, got int"),
    ([[{"a": {1, "b"}}]], "sequence 0, token 0, key 'a:': keys, and the items of lists, must be strings, got int"),
    ([[["a", ["b"]]]], "sequence 0, token 0: keys, and the items of lists, must be strings, got list"),
    ([[], [["a"], "word"]], "sequence 1, token 1: an item must be a dict or a collection of strings, got str"),
    (np.zeros((2, 2)), "sequence 0, token 0: an item must be a dict .* got numpy.float"),
    ([{"a": 1}], "sequence 0 must be a list of items, .* got dict; give one sequence as a list that holds it"),
    (["word"], "sequence 0 must be a list of items, .* got str; give"),
    ([[], 3], "sequence 1 must be a list of items, each a dict or a list of strings, got int$"),
    ({"a": 1}, "X must be a list of sequences, got dict"),
    ("word", "X must be a list of sequences, got str"),
    (None, "X must be a list of sequences, got NoneType"),
    ([], "X must hold one sequence at least, got none"),
])  # fmt: skip
def test_bad_input(X, message):
    with pytest.raises(ValueError, match=message):
        DictFeatures().fit(X)


def test_nesting_without_end():
    with pytest.raises(RecursionError):
        DictFeatures().fit([[holding_itself()]])
    assert DictFeatures().fit([[{"a": {"b": {"c": 1}}}]]).vocabulary_ == {"a:b:c": 0}


def test_sums_that_overflow():
    with pytest.raises(ValueError, match="token 1 of all has more than once sum to infinity"):
        DictFeatures().fit_transform([[["a"]], [{"a:b": 3e38, "a": {"b": 3e38}}]])
    with pytest.raises(ValueError, match="sum to infinity"):
        DictFeatures(n_features=1).transform([[{"a": 3e38, "b": 3e38}]])


def test_values_that_are_zero_in_float32_are_not_stored():
    assert DictFeatures().fit_transform([[{"a": 1e-60, "b": 1}]]).matrix.toarray().tolist() == [[1]]
    assert DictFeatures(dtype=np.float64).fit_transform([[{"a": 1e-60}]]).matrix.data.tolist() == [1e-60]


def test_errors_leave_no_reference():
    key, word, bad = "k" * 50, "w" * 50, object()
    X = [[{key: word, "n": {"deep": [word, bad]}}]]
    Y = [[(word, word), (word, bad)]]
    before = [sys.getrefcount(x) for x in (key, word, bad, X[0], X[0][0], Y[0], Y[0][0])]
    for _ in range(100):
        with pytest.raises(ValueError):
            DictFeatures().fit(X)
        with pytest.raises(ValueError):
            TokenFeatures().fit(Y)
    assert [sys.getrefcount(x) for x in (key, word, bad, X[0], X[0][0], Y[0], Y[0][0])] == before


@pytest.mark.parametrize("parameters, message", [
    (dict(min_count=0), "min_count"),
    (dict(n_features=0), "n_features"),
    (dict(n_features=2**31), "n_features"),
    (dict(dtype=np.int32), "dtype must be float32 or float64"),
    (dict(dtype="words"), "dtype must be float32 or float64"),
    (dict(n_features=8, min_count=2), "min_count=2 needs a vocabulary"),
])  # fmt: skip
def test_bad_parameters_of_dict_features(parameters, message):
    with pytest.raises(ValueError, match=message):
        DictFeatures(**parameters).fit([[{"a": 1}]])


def test_hashing_needs_no_fit_and_has_no_names():
    features = DictFeatures(n_features=16)
    assert features.transform([]).matrix.shape == (0, 16)
    assert not hasattr(features, "get_feature_names_out") and not hasattr(features, "vocabulary_")
    assert features.fit([[{"a": 1}]]).n_features_out_ == 16
    with pytest.raises(NotFittedError):
        features.set_params(n_features=None).transform([])


# Both


@pytest.mark.parametrize("features, X, new", [
    (DictFeatures(min_count=2), [[{"w": "a", "n": 3}, {"w": "a", "n": 1}], [{"w": "b"}]], [[["w:a", "w:c"]]]),
    (TokenFeatures(min_count=2, bigrams=((-1, 0),)), [["An", "apple"], ["an", "apple-1"]], [["Any", "apple"]]),
])  # fmt: skip
class TestBoth:
    def test_empty_sequences(self, features, X, new):
        features = clone(features).fit([[], *X, []])
        result = features.transform([[], *X, []])
        assert result.lengths.tolist() == [0, *map(len, X), 0]
        assert (result.matrix != clone(features).fit_transform(X).matrix).nnz == 0
        for empty in ([], [[]]):
            result = features.transform(empty)
            assert len(result) == len(empty) and result.matrix.shape == (0, features.n_features_out_)
        with pytest.raises(ValueError, match="X must hold one sequence at least"):
            features.fit([])
        with pytest.raises(ValueError, match="X must hold one token at least, its 2 sequences are empty"):
            features.fit([[], []])

    def test_not_fitted(self, features, X, new):
        features = clone(features)
        for call in (lambda: features.transform(X), features.get_feature_names_out):
            with pytest.raises(NotFittedError):
                call()
        assert not hasattr(features, "vocabulary_")

    def test_pickle_and_copies(self, features, X, new):
        features = clone(features).fit(X)
        expected = features.transform(new).matrix
        assert expected.nnz
        size = len(pickle.dumps(features))
        assert features.vocabulary_ is features.vocabulary_
        assert len(pickle.dumps(features)) == size
        for other in (pickle.loads(pickle.dumps(features)), copy.deepcopy(features)):
            assert (other.transform(new).matrix != expected).nnz == 0
            assert other.get_feature_names_out().tolist() == features.get_feature_names_out().tolist()
            assert other.vocabulary_ == features.vocabulary_

    def test_refit_replaces_everything(self, features, X, new):
        features = clone(features).fit(X)
        old = features.vocabulary_
        features.fit([*new, *new])
        assert features.vocabulary_ != old
        assert features.n_features_out_ == len(features.vocabulary_) == features.transform(X).matrix.shape[1]

    def test_pipeline(self, features, X, new):
        class Sums(BaseEstimator):
            def fit(self, X, y=None):
                self.is_fitted_ = True
                return self

            def transform(self, X):
                return [matrix.sum() for matrix in X]

        pipeline = make_pipeline(clone(features), Sums())
        expected = clone(features).fit_transform(X)
        assert pipeline.fit(X).transform(X) == [matrix.sum() for matrix in expected]
        assert clone(pipeline).get_params()[type(features).__name__.lower()].get_params() == features.get_params()

    def test_dtype(self, features, X, new):
        single = clone(features).fit_transform(X)
        double = clone(features).set_params(dtype="float64").fit_transform(X)
        assert (single.matrix.dtype, double.matrix.dtype) == (np.float32, np.float64)
        assert (single.matrix != double.matrix).nnz == 0


def test_a_pickle_holds_little_more_than_the_names():
    names = [f"feature {i}" for i in range(10_000)]
    features = DictFeatures().fit([[names]])
    assert len(pickle.dumps(features)) < sum(map(len, names)) + 5 * len(names)


# Tokens


def shape_of(word):
    kinds = ["X" if c.isupper() else "x" if c.isalpha() else "d" if c.isdigit() else c for c in word]
    return "".join(c for i, c in enumerate(kinds) if i == 0 or kinds[i - 1] != c)


def names_of_token(tokens, t, p):
    """The names of the features of token t, from their definitions."""
    names = {"bias"} if p.bias else set()
    inside = range(len(tokens))
    used = range(1, len(tokens[t])) if p.columns is None else p.columns

    def spelt(u):
        return tokens[u][0].lower() if p.lowercase else tokens[u][0]

    for o in p.window:
        if t + o not in inside:
            names |= {f"{'BOS' if o < 0 else 'EOS'}[{o}]"} if p.boundaries else set()
            continue
        word = tokens[t + o][0]
        names.add(f"word[{o}]={spelt(t + o)}")
        if p.flags:
            names |= {f"word[{o}]:{flag}" for flag in ("isupper", "istitle", "isdigit") if getattr(word, flag)()}
            names |= {f"word[{o}]:hasdigit"} if any(c.isdigit() for c in word) else set()
            names |= {f"word[{o}]:hashyphen"} if "-" in word else set()
        for i in used:
            value = tokens[t + o][i]
            names.add(f"column{i}[{o}]={value}")
            names |= {f"column{i}[{o}]:prefix{n}={value[:n]}" for n in p.column_prefixes if len(value) >= n}
    for o in p.affix_window:
        if t + o in inside:
            word = spelt(t + o)
            names |= {f"word[{o}]:prefix{n}={word[:n]}" for n in p.prefixes if len(word) >= n}
            names |= {f"word[{o}]:suffix{n}={word[len(word) - n :]}" for n in p.suffixes if len(word) >= n}
            if p.shape:
                names.add(f"word[{o}]:shape={shape_of(tokens[t + o][0])}")
    for a, b in p.bigrams:
        if t + a in inside and t + b in inside:
            names.add(f"word[{a}]|word[{b}]={spelt(t + a)}|{spelt(t + b)}")
            names |= {f"column{i}[{a}]|column{i}[{b}]={tokens[t + a][i]}|{tokens[t + b][i]}" for i in used}
    return names


OFFSETS = st.lists(st.integers(-3, 3), unique=True, max_size=4).map(tuple)
SIZES = st.lists(st.integers(1, 4), unique=True, max_size=3).map(tuple)
PAIRS = st.lists(
    st.tuples(st.integers(-2, 2), st.integers(-2, 2)).filter(lambda pair: pair[0] != pair[1]), unique=True, max_size=2
)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.booleans() for name in ("lowercase", "shape", "flags", "boundaries", "bias")},
        **{name: SIZES for name in ("prefixes", "suffixes", "column_prefixes")},
        "window": OFFSETS,
        "affix_window": OFFSETS,
        "bigrams": PAIRS.map(tuple),
        "columns": st.sampled_from([None, (), (1,), (2, 1)]),
        "min_count": st.integers(1, 3),
    },
)
WORDS = st.one_of(st.text(alphabet="abAB1-é가ǅß|=", max_size=5), st.sampled_from(["The", "the", "dog", "I", "x" * 60]))
TOKENS = st.tuples(WORDS, st.sampled_from(["N", "NN", "V", ""]), WORDS)
SENTENCES = st.lists(st.lists(TOKENS, max_size=5), min_size=1, max_size=4).filter(any)


@settings(max_examples=100)
@given(SENTENCES, SENTENCES, PARAMETERS)
def test_tokens_equal_the_reference(sentences, others, parameters):
    features = TokenFeatures(**parameters)
    result = features.fit_transform(sentences)
    rows = [names_of_token(tokens, t, features) for tokens in sentences for t in range(len(tokens))]
    counts = Counter(name for row in rows for name in row)
    names = features.get_feature_names_out().tolist()
    assert set(names) == {name for name, count in counts.items() if count >= features.min_count}
    assert [counts[name] for name in names] == sorted((counts[name] for name in names), reverse=True)
    first = {name: t for t, row in reversed(list(enumerate(rows))) for name in row}
    order = [(-counts[name], first[name]) for name in names]
    assert order == sorted(order)
    check_canonical(result, sentences, len(names), np.float32)
    np.testing.assert_array_equal(result.matrix.toarray(), dense([dict.fromkeys(row, 1) for row in rows], names))

    rows = [names_of_token(tokens, t, features) for tokens in others for t in range(len(tokens))]
    for other in (features, pickle.loads(pickle.dumps(features))):
        result = other.transform(others)
        check_canonical(result, others, len(names), np.float32)
        np.testing.assert_array_equal(result.matrix.toarray(), dense([dict.fromkeys(row, 1) for row in rows], names))


def test_words_are_tuples_of_one():
    X = [["The", "dog"], ["runs"]]
    expected = TokenFeatures().fit_transform(X)
    for tuples in ([[(word,) for word in words] for words in X], tuple(tuple([word] for word in words) for words in X)):
        features = TokenFeatures()
        assert (features.fit_transform(tuples).matrix != expected.matrix).nnz == 0
        assert (features.transform(X).matrix != expected.matrix).nnz == 0
    assert (TokenFeatures().fit_transform([np.array(words) for words in X]).matrix != expected.matrix).nnz == 0


def test_unknown_words_keep_what_is_known_of_them():
    features = TokenFeatures(window=(0,), prefixes=(3,), suffixes=(3,)).fit([["Running", "walk"]])
    names = features.get_feature_names_out()
    row = features.transform([["Runs"], ["Talking"]]).matrix
    assert set(names[row[0].indices]) == {"bias", "word[0]:prefix3=run", "word[0]:shape=Xx", "word[0]:istitle"}
    assert set(names[row[1].indices]) == {"bias", "word[0]:suffix3=ing", "word[0]:shape=Xx", "word[0]:istitle"}


@pytest.mark.parametrize("X, message", [
    (["one sentence"], "sequence 0 must be a list of words .* got str; give one sequence as a list that holds it"),
    ([["a"], None], "sequence 1 must be a list of words or of tuples of strings, got NoneType"),
    ([{"a": 1}], "sequence 0 must be a list of words .* got dict"),
    ([["a"], ["b", 3]], "sequence 1, token 1: a token must be a word, a tuple .* got int"),
    ([["a", {"w": "b"}]], "sequence 0, token 1: a token must be a word, a tuple .* got dict"),
    ([[("a", "N")], [("b", "V"), ("c",)]], "sequence 1, token 1 has 1 columns where those before it have 2"),
    ([[("a", "N"), "b"]], "sequence 0, token 1 has 1 columns where those before it have 2"),
    ([[()]], "sequence 0, token 0 has 0 columns"),
    ([[("a", "N")], [(None, "V")]], "sequence 1, token 0: the word must be a string, got NoneType"),
    ([[("a", "N"), ("b", 1.5)]], "sequence 0, token 1: column 1 must be a string, got float"),
    ([["a", "\udc80"]], "sequence 0, token 1: a string holds a lone surrogate"),
    (3, "X must be a list of sequences, got int"),
    ([], "X must hold one sequence at least"),
])  # fmt: skip
def test_bad_tokens(X, message):
    with pytest.raises(ValueError, match=message):
        TokenFeatures().fit(X)


def test_columns_must_be_those_of_fit():
    features = TokenFeatures().fit([[("a", "N")]])
    with pytest.raises(ValueError, match="the tokens have 1 columns, those of fit had 2"):
        features.transform([["a"]])
    assert features.transform([[]]).matrix.shape == (0, features.n_features_out_)


@pytest.mark.parametrize("parameters, message", [
    (dict(prefixes=3), r"prefixes must be a tuple of distinct integers >= 1, got 3"),
    (dict(suffixes=(0,)), r"suffixes must be a tuple of distinct integers >= 1, got \(0,\)"),
    (dict(window=(0, 0)), "window must be a tuple of distinct integers, got"),
    (dict(window=(0.5,)), "window must be"),
    (dict(affix_window="0"), "affix_window must be"),
    (dict(column_prefixes=(True,)), "column_prefixes must be"),
    (dict(columns=(0,)), "columns must be a tuple of distinct integers >= 1"),
    (dict(columns=(2,)), r"columns=\(2,\): the tokens have columns 0 to 1 only"),
    (dict(bigrams=(0, 1)), "bigrams must be a tuple of distinct pairs of two offsets"),
    (dict(bigrams=((0, 1, 2),)), "bigrams must be"),
    (dict(bigrams=((0, 0),)), "bigrams must be"),
    (dict(flags="yes"), "flags"),
    (dict(min_count=0), "min_count"),
    (dict(dtype=int), "dtype must be float32 or float64"),
])  # fmt: skip
def test_bad_parameters_of_token_features(parameters, message):
    features = TokenFeatures(**parameters)
    with pytest.raises(ValueError, match=message):
        features.fit([[("a", "N")]])
    assert not vars(features).keys() - features.get_params().keys()
