"""The compiled vectorizers of text: what they do beside giving scikit-learn's results."""

import copy
import io
import pickle
import re

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
import skops.io
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction import text as sklearn_text
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.utils import estimator_checks

from skopt_solvers import LogisticRegression
from skopt_solvers.feature_extraction import text
from skopt_solvers.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from skopt_solvers.inspection import explain, top_features
from skopt_solvers.persistence import TRUSTED_TYPES

from .text_outcomes import assert_known_form, assert_same, exact

NAMES = text.__all__
DOCUMENTS = ["The cat sat on the mat.", "Le café était fermé", "A café; the CAT!", "", "x", "ΟΔΟΣ 日本 日本語 ok"]


def fitted(vectorizer, documents=DOCUMENTS):
    return vectorizer.fit(documents)


# The same results as scikit-learn's


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"ngram_range": (1, 3)},
        {"analyzer": "char", "ngram_range": (1, 3)},
        {"analyzer": "char_wb", "ngram_range": (2, 5)},
        {"tokenizer": str.split, "token_pattern": None, "ngram_range": (1, 2)},
        {"token_pattern": r"(?u)\b(\w)\w+\b"},
        {"stop_words": "english", "ngram_range": (1, 2), "strip_accents": "unicode"},
        {"binary": True, "dtype": np.float32},
    ],
    ids=str,
)
def test_on_real_text(manual, name, parameters):
    assert_same(name, parameters, manual[::12], manual[1::24], n_jobs=[2])


def words(document):
    return re.findall(r"\w+", document)


CALLABLES = [
    {"analyzer": words},
    {"analyzer": str.split},
    {"analyzer": list},
    {"analyzer": lambda document: (word for word in words(document))},
    {"analyzer": lambda document: [len(word) for word in words(document)]},
    {"analyzer": lambda document: tuple(words(document))},
    {"analyzer": lambda document: [np.str_(word) for word in words(document)]},
    {"analyzer": lambda document: None},
    {"tokenizer": words, "token_pattern": None},
    {"tokenizer": words, "token_pattern": None, "ngram_range": (1, 3), "stop_words": ["the", "on"]},
    {"tokenizer": lambda document: words(document)[:2] + [" "], "token_pattern": None, "ngram_range": (2, 2)},
    {"tokenizer": lambda document: [(word,) for word in words(document)], "token_pattern": None},
    {"tokenizer": lambda document: (word for word in words(document)), "token_pattern": None, "ngram_range": (1, 2)},
    {"tokenizer": lambda document: [word[:3] + "\ud800" for word in words(document)], "token_pattern": None},
    {"preprocessor": str.upper},
    {"preprocessor": lambda document: document.replace("cat", "dog"), "analyzer": "char"},
    {"preprocessor": len},
    {"preprocessor": lambda document: None, "analyzer": "char_wb"},
    {"strip_accents": str.swapcase},
    {"preprocessor": str.upper, "analyzer": words},
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("parameters", CALLABLES, ids=range(len(CALLABLES)))
def test_callables(name, parameters):
    assert_same(name, parameters, DOCUMENTS)


@pytest.mark.parametrize("name", ["CountVectorizer", "TfidfVectorizer"])
@pytest.mark.parametrize(
    "vocabulary",
    [
        ["cat", "café", "the cat"],
        {"cat": 1, "café": 0, "日本": 2},
        {"cat", "café"},
        {"cat": 0, "café": 2},
        {"cat": 0, "café": 0},
        ["cat", "cat"],
        [],
        {"cat": 0.0},
        {("cat",): 0, "café": 1},
        {"cat": np.int64(1), "the": np.int32(0)},
    ],
    ids=lambda value: type(value).__name__,
)
def test_given_vocabularies(name, vocabulary):
    assert_same(name, {"vocabulary": vocabulary, "ngram_range": (1, 2)}, DOCUMENTS)


BAD = [
    {"ngram_range": (2, 1)},
    {"ngram_range": (0, 1)},
    {"ngram_range": (1.0, 2)},
    {"analyzer": "words"},
    {"min_df": 5, "max_df": 2},
    {"max_features": 0},
    {"token_pattern": "("},
    {"token_pattern": r"(\w)(\w)"},
    {"stop_words": "klingon"},
    {"stop_words": ["The", "it's"]},
    {"min_df": 7},
    {"encoding": "klingon"},
    {"norm": "max"},
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("parameters", BAD, ids=str)
def test_errors_and_warnings(name, parameters):
    known = getattr(text, name)().get_params()
    if not set(parameters) <= set(known):
        pytest.skip(f"{name} has no such parameter")
    assert_same(name, parameters, DOCUMENTS)
    assert_same(name, parameters, [document.encode() for document in DOCUMENTS])


@pytest.mark.parametrize("n_features", [0, -1, 2.5, None, 2**31])
def test_hashing_needs_columns(n_features):
    vectorizer = HashingVectorizer(n_features=n_features)
    for method in (vectorizer.fit, vectorizer.transform, vectorizer.fit_transform):
        with pytest.raises(ValueError, match="The 'n_features' parameter of HashingVectorizer must be"):
            method(DOCUMENTS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "documents",
    ["one string", [], [1, 2], [None], ["a", b"\xff\xfe", "c"], [b"caf\xc3\xa9 au lait"], ["..."], [["a", "b"]], 3],
    ids=repr,
)
def test_documents_of_other_types(name, documents):
    for decode_error in ("strict", "ignore", "replace"):
        assert_same(name, {"decode_error": decode_error}, documents, DOCUMENTS)
        assert_same(name, {"decode_error": decode_error, "analyzer": "char"}, DOCUMENTS, documents)


@pytest.mark.parametrize("name", NAMES)
def test_files(name, tmp_path):
    paths = []
    for i, document in enumerate(DOCUMENTS):
        paths.append(str(tmp_path / f"{i}.txt"))
        with open(paths[-1], "w", encoding="utf-8") as file:
            file.write(document)
    assert_same(name, {"input": "filename"}, paths)
    assert_same(name, {"input": "filename", "tokenizer": words, "token_pattern": None}, paths)
    assert_same(name, {"input": "filename"}, [*paths, str(tmp_path / "none.txt")], paths)
    for parameters in ({}, {"tokenizer": words, "token_pattern": None}):
        ours, theirs = (
            getattr(module, name)(input="file", **parameters).fit_transform([io.StringIO(text) for text in DOCUMENTS])
            for module in (text, sklearn_text)
        )
        assert exact(ours) == exact(theirs)


@pytest.mark.parametrize("name", NAMES)
def test_documents_that_can_be_read_only_once(name):
    for parameters in ({}, {"analyzer": words}, {"analyzer": lambda document: [len(document)]}):
        results = []
        for module in (text, sklearn_text):
            try:
                results.append(exact(getattr(module, name)(**parameters).fit_transform(d for d in DOCUMENTS)))
            except Exception as error:
                results.append(str(error))
        assert results[0] == results[1]


def test_what_a_subclass_overrides_is_called():
    class Shouting(CountVectorizer):
        def build_tokenizer(self):
            return lambda document: [word + "!" for word in words(document)]

    class Prefixed(TfidfVectorizer):
        def build_analyzer(self):
            return lambda document: ["p" + word for word in words(document)]

    assert "cat!" in fitted(Shouting()).vocabulary_
    assert "pThe" in fitted(Prefixed()).vocabulary_


def test_random_order_of_dicts_is_kept():
    vectorizer, theirs = CountVectorizer(max_features=3), sklearn_text.CountVectorizer(max_features=3)
    assert list(fitted(vectorizer).vocabulary_) == list(fitted(theirs).vocabulary_)


# What is fitted


@pytest.mark.parametrize("analyzer", ["word", "char_wb"])
def test_long_words_that_begin_alike_are_sorted(analyzer):
    words = ["a" * 2_000_000 + end for end in ("c", "", "b\u0394", "b")] + ["a" * n for n in range(1, 3000, 7)]
    vectorizer = CountVectorizer(analyzer=analyzer, ngram_range=(1, 1) if analyzer == "word" else (10**7, 10**7))
    names = fitted(vectorizer, words[::-1]).get_feature_names_out().tolist()
    spaced = words if analyzer == "word" else [f" {word} " for word in words]
    assert names == sorted(name.lower() for name in spaced if len(name) > 1)


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_sorted_and_known_to_be_so(manual, name):
    vectorizer = getattr(text, name)()
    assert_known_form(vectorizer.fit_transform(manual))
    assert_known_form(vectorizer.transform(manual))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("store", ["pickle", "joblib", "skops", "copy"])
@pytest.mark.parametrize("analyzer", ["word", "char_wb"])
@pytest.mark.parametrize("looked_at", [False, True])
def test_a_stored_vectorizer_does_the_same(name, store, analyzer, looked_at, tmp_path):
    vectorizer = fitted(getattr(text, name)(analyzer=analyzer, ngram_range=(1, 2), n_jobs=2))
    if looked_at and name != "HashingVectorizer":
        vectorizer.vocabulary_  # noqa: B018
    if store == "pickle":
        again = pickle.loads(pickle.dumps(vectorizer))
    elif store == "joblib":
        joblib.dump(vectorizer, tmp_path / "file")
        again = joblib.load(tmp_path / "file")
    elif store == "skops":
        again = skops.io.loads(skops.io.dumps(vectorizer), trusted=TRUSTED_TYPES)
    else:
        again = copy.deepcopy(vectorizer)
    assert again.get_params() == vectorizer.get_params()
    assert exact(again.transform(DOCUMENTS)) == exact(vectorizer.transform(DOCUMENTS))
    if name != "HashingVectorizer":
        assert list(again.vocabulary_.items()) == list(vectorizer.vocabulary_.items())
        assert again.get_feature_names_out().tolist() == vectorizer.get_feature_names_out().tolist()


def test_a_damaged_vocabulary_is_refused():
    state = fitted(CountVectorizer()).__getstate__()
    text_, lengths, columns, kind, numpy_columns = state["_compiled"]
    for damaged in (
        (text_[:-1], lengths, columns, kind, numpy_columns),
        (text_, lengths + 1, columns, kind, numpy_columns),
        (text_, lengths, columns[::-1] * 2, kind, numpy_columns),
        (text_, lengths, columns, "No", numpy_columns),
        (b"\xff" * len(text_), lengths, columns, kind, numpy_columns),
        (b"a" * len(text_), lengths, columns, kind, numpy_columns),
        (text_, lengths[:2], columns[:1], kind, numpy_columns),
        None,
    ):
        with pytest.raises(ValueError, match=r"vocabulary|terms"):
            CountVectorizer().__setstate__({**state, "_compiled": damaged})


@pytest.mark.parametrize("make", [CountVectorizer, TfidfVectorizer])
def test_a_failed_fit_leaves_the_vectorizer_as_it_was(make):
    vectorizer = fitted(make())
    before = exact(vectorizer.transform(DOCUMENTS)), vectorizer.vocabulary_
    for documents in ([1], ["a", b"\xff"], ["..."], []):
        with pytest.raises((ValueError, TypeError, AttributeError)):
            vectorizer.fit(documents)
    assert (exact(vectorizer.transform(DOCUMENTS)), vectorizer.vocabulary_) == before


def test_the_vocabulary_is_a_dict_when_somebody_looks_at_it():
    vectorizer = fitted(CountVectorizer())
    assert "vocabulary_" not in vars(vectorizer)
    terms = vectorizer.vocabulary_
    assert type(terms) is dict and vectorizer.vocabulary_ is terms
    terms["dog"] = terms.pop("cat")  # what scikit-learn's takes too
    theirs = fitted(sklearn_text.CountVectorizer())
    theirs.vocabulary_["dog"] = theirs.vocabulary_.pop("cat")
    assert exact(vectorizer.transform(["dog", "cat"])) == exact(theirs.transform(["dog", "cat"]))
    del vectorizer.vocabulary_
    with pytest.raises(NotFittedError):
        vectorizer.transform(["cat"])


def test_clones_are_not_fitted():
    vectorizer = clone(fitted(CountVectorizer(n_jobs=2)))
    assert vectorizer.n_jobs == 2 and not hasattr(vectorizer, "vocabulary_")
    with pytest.raises(NotFittedError):
        vectorizer.get_feature_names_out()


@pytest.mark.parametrize("name", NAMES)
def test_estimator_checks(name):
    make = getattr(text, name)  # scikit-learn runs the other checks on numbers alone
    for check in (
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_mixin_order,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_set_params,
    ):
        check(name, make())


# Where they are used


def test_pipelines_unions_and_columns():
    pandas = pytest.importorskip("pandas")
    y = [0, 1, 0, 1, 0, 1]
    union = FeatureUnion([("words", TfidfVectorizer()), ("characters", HashingVectorizer(analyzer="char"))])
    assert make_pipeline(union, LogisticRegression()).fit(DOCUMENTS, y).predict(DOCUMENTS).shape == (6,)
    table = pandas.DataFrame({"title": DOCUMENTS, "body": DOCUMENTS[::-1]})
    columns = ColumnTransformer([("title", CountVectorizer(), "title"), ("body", TfidfVectorizer(), "body")])
    model = make_pipeline(columns, LogisticRegression()).fit(table, y)
    names = model[0].get_feature_names_out()
    assert len(names) == model[0].transform(table).shape[1] and "title__cat" in names


def test_top_features_and_explain_know_the_words():
    y = ["animal", "place", "animal", "place", "animal", "place"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=100)).fit(DOCUMENTS, y)
    theirs = make_pipeline(sklearn_text.TfidfVectorizer(), LogisticRegression(C=100)).fit(DOCUMENTS, y)
    ranked, expected = (
        [(row["class"], row["rank"], row["feature"]) for row in top_features(pipeline)] for pipeline in (model, theirs)
    )
    assert ranked == expected and "cat" in [feature for _, _, feature in ranked]
    found, expected = (explain(pipeline, DOCUMENTS[2]) for pipeline in (model, theirs))
    assert [(place[0], place[1]) for place in found.spans["animal"]] == [
        (place[0], place[1]) for place in expected.spans["animal"]
    ]
    assert found.predicted == "animal" and "cat" in [record["feature"] for record in found.records]


def test_partial_fit_on_a_stream(manual):
    vectorizer, model = HashingVectorizer(n_features=2**10), LogisticRegression(solver="adagrad")
    for i in range(0, 300, 100):
        batch = manual[i : i + 100]
        model.partial_fit(vectorizer.transform(batch), [len(d) % 2 for d in batch], classes=[0, 1])
    assert model.coef_.shape == (1, 2**10)


@pytest.mark.skipif(not hasattr(sp, "csr_array"), reason="needs sparse arrays")
def test_sparse_arrays_where_scikit_learn_gives_them():
    assert type(CountVectorizer().fit_transform(DOCUMENTS)) is type(
        sklearn_text.CountVectorizer().fit_transform(DOCUMENTS)
    )
