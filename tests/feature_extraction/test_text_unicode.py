"""Every character of Unicode, alone and between letters, is taken as Python and scikit-learn take it."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction import text as sklearn_text

from skopt_solvers.feature_extraction import text

from ..fuzzing import examples
from .text_outcomes import assert_same

SURROGATES = range(0xD800, 0xE000)
ASSIGNED = [*range(0x34000), *range(0xE0000, 0xE0200)]  # beyond these, no character has a name
ALL = range(sys.maxunicode + 1)


def in_pages(codes, size=4096):
    """Return a document for each page of Unicode, with each of its characters alone and between letters."""
    characters = [chr(code) for code in codes if code not in SURROGATES]
    pages = [characters[first : first + size] for first in range(0, len(characters), size)]
    return [" ".join(f"{c} x{c}Y" for c in page) for page in pages]


def assert_same_counts(parameters, documents):
    """Compare the columns and the counts of our CountVectorizer with those of scikit-learn's."""
    ours, theirs = text.CountVectorizer(**parameters), sklearn_text.CountVectorizer(**parameters)
    counts, expected = ours.fit_transform(documents), theirs.fit_transform(documents).sorted_indices()
    assert ours.vocabulary_ == theirs.vocabulary_  # a dict compares quickly, and pytest does not explain it for hours
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(counts, name), getattr(expected, name))


@pytest.mark.parametrize("lowercase", [True, False])
def test_words(lowercase):
    assert_same_counts({"lowercase": lowercase}, in_pages(ALL))


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("pattern", [r"\w+", r"\S+", r"\b[a-zé]+\b", r"\b\S{2,}\b", r"[^\W\d]+", r"\W+"])
def test_other_patterns(pattern, lowercase):
    assert_same_counts({"token_pattern": pattern, "lowercase": lowercase}, in_pages(ASSIGNED))


@pytest.mark.parametrize("strip_accents", ["ascii", "unicode"])
def test_accents(strip_accents):
    assert_same_counts({"strip_accents": strip_accents}, in_pages(ASSIGNED))


@pytest.mark.parametrize("analyzer", ["char", "char_wb"])
@pytest.mark.parametrize("lowercase", [True, False])
def test_characters(analyzer, lowercase):
    parameters = {"analyzer": analyzer, "lowercase": lowercase}
    assert_same_counts(parameters, in_pages(ASSIGNED))
    assert_same_counts({**parameters, "ngram_range": (2, 3)}, in_pages(range(0x3100)))


def test_hashes():
    parameters = {"token_pattern": r"\S+", "norm": None}
    hashes, expected = (
        module.HashingVectorizer(**parameters).transform(in_pages(ALL)) for module in (text, sklearn_text)
    )
    assert (hashes != expected).nnz == 0


@pytest.mark.parametrize("analyzer", ["word", "char", "char_wb"])
@pytest.mark.parametrize("name", ["CountVectorizer", "HashingVectorizer"])
def test_surrogates(name, analyzer):
    for document in ["a\ud800b", "\udfff", "aa \ud800\udc00 bb"]:
        parameters = {"analyzer": analyzer, "token_pattern": r"\S+"}
        assert_same(name, parameters, ["first", document, "\ud801 last"])


@pytest.mark.parametrize("analyzer", ["word", "char", "char_wb"])
@pytest.mark.parametrize(
    "document",
    [
        "ΟΔΟΣ ΣΑΣ Σ",
        "İstanbul İİ",
        "STRASSE ẞ ß",
        "ﬁn Ǆ ǅ",
        "a\0b \0\0 cc",
        "",
        "  ",
        "\u00a0 \u0085\u001c x",
        "é é",
        "\U0001d400\U0001d401 \U0001d49cb",
    ],
)
def test_characters_that_become_others(document, analyzer):
    parameters = {"analyzer": analyzer, "ngram_range": (1, 2), "token_pattern": r"\w+"}
    assert_same("CountVectorizer", parameters, [document, "plain", document + "x", "x" + document])


letters = st.sampled_from(
    "aAbBzZ09_ \t\n.,-'éÉßẞΣσςİı\u0130\u0307à\u0430日本\u3000\u00a0\u2028\u001c\0😀\U0001d400\u0345ǅ"
)
texts = st.text(alphabet=st.one_of(letters, st.characters(exclude_categories=["Cs"])), max_size=80)
patterns = st.sampled_from(
    [r"(?u)\b\w\w+\b", r"\w+", r"\b\w+\b", r"\S+", r"[a-z]+", r"\b[a-z]{2,}\b", r"\d+", r"\D{3,}", r"\W+", r"\s+",
     r"[^ ]+", r"[\w']+", r"\b[\w'-]+\b", r"\w\w\w+", r"(\w)\w+", r"\w+|\S", r"(?i)[a-z]+", r"\b\w+"]
)  # fmt: skip


@st.composite
def settings(draw, name):
    parameters = {
        "analyzer": draw(st.sampled_from(["word", "word", "char", "char_wb"])),
        "lowercase": draw(st.booleans()),
        "strip_accents": draw(st.sampled_from([None, None, "ascii", "unicode", str.swapcase])),
        "binary": draw(st.booleans()),
    }
    low = draw(st.integers(1, 3))
    parameters["ngram_range"] = low, low + draw(st.integers(0, 2))
    if parameters["analyzer"] == "word":
        parameters["token_pattern"] = draw(patterns)
        parameters["stop_words"] = draw(st.sampled_from([None, None, "english", ["aa", "é", "the"]]))
    if name == "HashingVectorizer":
        parameters["n_features"] = draw(st.sampled_from([1, 7, 2**10, 2**20]))
        parameters["alternate_sign"] = draw(st.booleans())
    else:
        parameters["min_df"] = draw(st.sampled_from([1, 1, 2, 0.3]))
        parameters["max_df"] = draw(st.sampled_from([1.0, 1.0, 2, 0.7]))
        parameters["max_features"] = draw(st.sampled_from([None, None, 1, 5]))
    if name == "CountVectorizer":
        parameters["dtype"] = draw(st.sampled_from([np.int64, np.int32, np.float32, np.float64, np.int8, bool]))
    else:
        parameters["dtype"] = draw(st.sampled_from([np.float32, np.float64]))
        parameters["norm"] = draw(st.sampled_from(["l1", "l2", None]))
    if name == "TfidfVectorizer":
        for flag in ("use_idf", "smooth_idf", "sublinear_tf"):
            parameters[flag] = draw(st.booleans())
    return parameters


@pytest.mark.parametrize("name", ["CountVectorizer", "TfidfVectorizer", "HashingVectorizer"])
def test_same_as_scikit_learn(name):
    @examples(150)
    @given(settings(name), st.lists(texts, max_size=6), st.lists(texts, max_size=3))
    def same(parameters, documents, others):
        assert_same(name, parameters, documents, others)

    same()
