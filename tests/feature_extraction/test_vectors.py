"""Vectors as features: arrays in dicts, and tables of word vectors."""

import array
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from skopt_solvers.feature_extraction import DictFeatures, TokenFeatures

from ..fuzzing import examples

# Arrays in dicts

FORMS = {
    "float64": np.array([1.0, 2.0, -3.0]),
    "float32": np.array([1, 2, -3], np.float32),
    "float16": np.array([1, 2, -3], np.float16),
    "int64": np.array([1, 2, -3]),
    "a view backwards": np.array([-3.0, 2.0, 1.0])[::-1],
    "a column": np.array([[1.0, 9], [2, 9], [-3, 9]])[:, 0],
    "unaligned": np.frombuffer(b"x" + np.array([1.0, 2.0, -3.0]).tobytes(), np.float64, offset=1),
    "read-only": np.frombuffer(np.array([1.0, 2.0, -3.0]).tobytes()),
    "array of Python's": array.array("f", [1, 2, -3]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_form_of_a_vector_is_read(form, dtype):
    features = DictFeatures(dtype=dtype)
    found = features.fit_transform([[{"v": FORMS[form], "w": "a"}], [{"w": "a"}]])
    assert found.vectors.dtype == found.matrix.dtype == dtype
    assert found.vectors.tolist() == [[1, 2, -3], [0, 0, 0]]
    assert found.matrix.toarray().tolist() == [[1], [1]]
    assert features.vector_sizes_ == {"v": 3} and features.n_features_out_ == 4


@st.composite
def documents(draw, keys=("a", "b", "c")):
    sizes = {key: draw(st.integers(1, 3)) for key in keys}
    value = st.floats(-8, 8, width=16)
    item = st.fixed_dictionaries(
        {"w": st.sampled_from("xyz")},
        optional={
            key: st.lists(value, min_size=size, max_size=size).map(np.array) for key, size in sizes.items()
        },
    )  # fmt: skip
    return draw(st.lists(st.lists(item, max_size=3), min_size=1, max_size=4).filter(any))


@given(documents(), st.data())
@examples(60)
def test_keys_follow_each_other_and_tokens_without_one_have_zeros(X, data):
    features = DictFeatures()
    found = features.fit_transform(X)
    tokens = [token for sequence in X for token in sequence]
    order = list(dict.fromkeys(key for token in tokens for key in token if key != "w"))
    sizes = {key: next(len(token[key]) for token in tokens if key in token) for key in order}
    assert list(features.vector_sizes_.items()) == list(sizes.items())

    def expected(tokens):
        return [np.hstack([token.get(key, np.zeros(sizes[key])) for key in order]).tolist() for token in tokens]

    names = features.get_feature_names_out().tolist()
    assert names[len(features._table) :] == [f"{key}[{i}]" for key in order for i in range(sizes[key])]
    if not order:
        assert found.vectors is None
        return
    assert found.vectors.tolist() == expected(tokens)
    part = [data.draw(st.sampled_from(X))]
    assert pickle.loads(pickle.dumps(features)).transform(part).vectors.tolist() == expected(part[0])


def test_nested_keys_sums_and_what_fit_has_not_seen():
    features = DictFeatures()
    X = [[{"near": {"v": np.ones(2)}, "near:v": np.array([1, 5]), "v": np.array([2.0])}]]
    assert features.fit_transform(X).vectors.tolist() == [[2, 6, 2]]
    assert features.get_feature_names_out().tolist() == ["near:v[0]", "near:v[1]", "v[0]"]
    assert features.transform([[{"new": np.ones(7), "v": np.array([3])}], []]).vectors.tolist() == [[0, 0, 3]]
    assert features.transform([]).vectors.shape == (0, 3)
    # arrays that are no vectors stay what they were
    X = [[{"n": np.array(2.0), "in": np.array(["x", "y"]), "empty": np.array([])}]]
    found = features.fit_transform(X)
    assert found.vectors is None and features.vector_sizes_ == {}
    assert sorted(features.get_feature_names_out()) == ["in:x", "in:y", "n"]


@pytest.mark.parametrize("value, message", [
    (np.ones(3), "must have 2 numbers, as the others of its key, got 3"),
    (np.array([1, np.nan]), "the value is nan, which is not finite"),
    (np.array([1, 1e300]), "the value is 1e[+]300, which is not finite in float32"),
    (np.ones((2, 2)), "must be a NumPy array of one dimension"),
    ([0.5, 1.0], "got float; a vector must be a NumPy array of one dimension"),
    (np.array([1j, 2]), "must be a NumPy array of one dimension, of real numbers"),
    (np.array([1, None]), "must be strings, got"),
])  # fmt: skip
def test_what_is_no_vector_is_told_with_its_place(value, message):
    X = [[{"v": np.ones(2)}], [{"v": np.ones(2)}, {"v": value}]]
    with pytest.raises(ValueError, match=f"sequence 1, token 1, key 'v:?': .*{message}"):
        DictFeatures().fit_transform(X)
    features = DictFeatures().fit(X[:1])
    with pytest.raises(ValueError, match=f"sequence 1, token 1, key 'v:?': .*{message}"):
        features.transform(X)


def test_hashing_has_no_place_for_vectors():
    with pytest.raises(ValueError, match="sequence 0, token 0, key 'v': a vector needs n_features=None"):
        DictFeatures(n_features=8).fit_transform([[{"v": np.ones(2)}]])


# Word vectors

TABLE = {"the": np.array([1.0, 0.0]), "dog": np.array([0.0, 2.0]), "Dog": np.array([0.5, 0.5])}
WORDS = [["The", "dog", "Dog"], ["DOG", "sleeps"]]


class Vectors:
    """The two methods of gensim's KeyedVectors that are needed."""

    def __contains__(self, word):
        return word in TABLE

    def __getitem__(self, word):
        return TABLE[word]


@pytest.mark.parametrize("vectors", [TABLE, Vectors()], ids=["dict", "mapping"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_words_have_their_vectors(vectors, dtype):
    features = TokenFeatures(vectors=vectors, dtype=dtype)
    found = features.fit_transform(WORDS)
    bare = TokenFeatures(dtype=dtype).fit_transform(WORDS)
    assert (found.matrix != bare.matrix).nnz == 0 and found.vectors.dtype == dtype
    assert found.vectors.tolist() == [[1, 0], [0, 2], [0.5, 0.5], [0, 2], [0, 0]]
    assert features.vector_size_ == 2 and features.n_features_out_ == found.matrix.shape[1] + 2
    assert features.get_feature_names_out()[-2:].tolist() == ["vector[0][0]", "vector[0][1]"]
    assert features.transform([["cats", "dog"]]).vectors.tolist() == [[0, 0], [0, 2]]
    assert features.transform([["cats"], []]).vectors.tolist() == [[0, 0]]
    assert features.transform([]).vectors.shape == (0, 2)


def test_neighbours_have_theirs_and_the_outside_zeros():
    features = TokenFeatures(vectors=TABLE, vector_window=(-1, 1), columns=())
    found = features.fit_transform([[("The", "x"), ("dog", "y")], [("Dog", "x")]])
    assert found.vectors.tolist() == [[0, 0, 0, 2], [1, 0, 0, 0], [0, 0, 0, 0]]
    names = ["vector[-1][0]", "vector[-1][1]", "vector[1][0]", "vector[1][1]"]
    assert features.get_feature_names_out()[-4:].tolist() == names
    again = pickle.loads(pickle.dumps(features)).transform([[("dog", "x"), ("the", "x")]])
    assert again.vectors.tolist() == [[0, 0, 1, 0], [0, 2, 0, 0]]


def test_a_clone_shares_the_table_and_copies_the_rest():
    features = TokenFeatures(vectors=TABLE, window=[-1, 0], min_count=2).fit(WORDS)
    copied = clone(features)
    assert copied.vectors is TABLE and not hasattr(copied, "n_columns_")
    assert copied.window == [-1, 0] and copied.window is not features.window and copied.min_count == 2


@pytest.mark.parametrize("vectors, message", [
    ([1], "vectors must be a mapping from words to arrays.*got a list"),
    (3, "vectors must be a mapping .* got a int"),
    ({}, "vectors must have one of the 5 words of X, such as 'The', got none"),
    ({"dog": np.ones(2), "the": np.ones(3)}, "vectors must have arrays of 3 numbers, got float64 of shape .2,. for"),
    ({"dog": np.ones((2, 2))}, "vectors must have arrays of 4 numbers, got float64 of shape .2, 2. for 'dog'"),
    ({"dog": np.array(["a"])}, "vectors must have arrays of 1 numbers, got <U1"),
    ({"dog": np.array([])}, "vectors must have arrays of some numbers"),
    ({"dog": np.array([np.inf])}, "vectors must be finite in float32, got .inf. for 'dog'"),
    ({"dog": np.array([1e300])}, "vectors must be finite in float32"),
])  # fmt: skip
def test_a_table_that_cannot_be_read_is_told(vectors, message):
    with pytest.raises(ValueError, match=message):
        TokenFeatures(vectors=vectors).fit(WORDS)


@pytest.mark.parametrize("changed", [
    dict(vectors=None), dict(vector_window=(0, 1)), dict(vectors={"dog": np.ones(3)}),
])  # fmt: skip
def test_what_was_changed_after_fit_is_told(changed):
    features = TokenFeatures(vectors=TABLE).fit(WORDS).set_params(**changed)
    with pytest.raises(ValueError, match=r"must be those of fit|vectors must have arrays of 2 numbers"):
        features.transform(WORDS)
    assert TokenFeatures(vectors=TABLE, vector_window=()).fit_transform(WORDS).vectors is None
    with pytest.raises(ValueError, match="vector_window must be a tuple of distinct integers"):
        TokenFeatures(vectors=TABLE, vector_window=(0.5,)).fit(WORDS)


def test_documents_of_spacy_have_words():
    tokens = [[SimpleNamespace(text=word) for word in sentence] for sentence in WORDS]
    expected = TokenFeatures(vectors=TABLE).fit_transform(WORDS)
    assert (TokenFeatures(vectors=TABLE).fit_transform(tokens).vectors == expected.vectors).all()
