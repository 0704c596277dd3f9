"""Contributions add up to the model's own scores; places in the text are checked against the text itself."""

import re
import unicodedata
from html import unescape

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, StandardScaler

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.inspection import Explanation, explain

TEXTS = [
    "the striker scored twice",
    "a late goal won the match",
    "the keeper saved a penalty",
    "shares fell after the report",
    "the bank raised its rates",
    "profits rose, shares rose too",
    "stir the sauce and add salt",
    "bake the bread for an hour",
    "add garlic to the sauce",
]
TOPICS = ["sport"] * 3 + ["money"] * 3 + ["food"] * 3
DOCUMENT = "Shares of the BANK fell; the  keeper's match:\n salt & bread, the sauce"


def fitted(*steps, model=None, y=TOPICS):
    return make_pipeline(*steps, LogisticRegression(C=10, max_iter=500) if model is None else model).fit(TEXTS, y)


def row_of(pipeline, document):
    rows = [document]
    for _, step in pipeline.steps[:-1]:  # `transform` of their pipeline wants one that is fitted, and hashes are not
        rows = step.transform(rows)
    return sp.csr_matrix(rows)


def union(**branches):
    return FeatureUnion(list(branches.items()))


def total(explanation, label):
    return sum(record["contribution"] for record in explanation.records if record["class"] == label)


def of_kind(explanation, kind):
    return [record for record in explanation.records if record["kind"] == kind]


def plain(html):
    """What a reader sees of the marked text."""
    marked = re.search(r'<div style="white-space:pre-wrap.*?>(.*?)</div>', html, flags=re.DOTALL)[1]
    return unescape(re.sub("<[^>]*>", "", marked))


LOCATED = {
    "word": [TfidfVectorizer()],
    "bigrams": [TfidfVectorizer(ngram_range=(1, 2), stop_words=["the", "of"])],
    "case": [TfidfVectorizer(lowercase=False, token_pattern=r"\b(\w)\w+\b")],
    "char": [TfidfVectorizer(analyzer="char", ngram_range=(1, 4))],
    "char_wb": [TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), strip_accents="unicode")],
    "long char_wb": [CountVectorizer(analyzer="char_wb", ngram_range=(5, 9), binary=True), TfidfTransformer()],
    "hash": [HashingVectorizer(n_features=64)],
    "selected": [CountVectorizer(), MaxAbsScaler(), SelectKBest(k=12), TfidfTransformer()],
    "union": [union(word=TfidfVectorizer(), char=HashingVectorizer(analyzer="char", n_features=2**14))],
    "union of pipelines": [
        union(
            none="drop",
            word=make_pipeline(CountVectorizer(), SelectKBest(k=5), TfidfTransformer()),
            length=FunctionTransformer(
                lambda texts: np.array([[len(text)] for text in texts]),
                feature_names_out=lambda *_: np.array(["length"], dtype=object),
            ),
            bigrams=TfidfVectorizer(ngram_range=(2, 2)),
        ),
        MaxAbsScaler(),
    ],
    "tokenizer": [TfidfVectorizer(tokenizer=lambda text: re.findall(r"\w+|[^\w\s]", text), token_pattern=None)],
    "digits": [TfidfVectorizer(preprocessor=lambda text: re.sub(r"\d", "0", text.upper()))],
}
NOT_LOCATED = {
    "analyzer": [CountVectorizer(analyzer=str.split)],
    "hashed analyzer": [HashingVectorizer(analyzer=str.split, n_features=64)],
    "stems": [TfidfVectorizer(tokenizer=lambda text: [w[:3] for w in text.split()], token_pattern=None)],
    "preprocessor": [TfidfVectorizer(preprocessor=lambda text: " ".join(text.lower().split()[::-1]))],
    "whole documents": [TfidfVectorizer(preprocessor=lambda text: text.split(maxsplit=1)[1])],
    "unknown union": [union(word=TfidfVectorizer(), other=FunctionTransformer(lambda t: [[len(s)] for s in t]))],
}


# Sums


@pytest.mark.parametrize("name", [*LOCATED, *NOT_LOCATED])
@pytest.mark.parametrize("model", [LogisticRegression(C=10, max_iter=500), LinearSVC()])
def test_contributions_sum_to_the_scores(name, model):
    pipeline = fitted(*{**LOCATED, **NOT_LOCATED}[name], model=model)
    explanation = explain(pipeline, DOCUMENT, classes=["food", "money", "sport"])
    scores = pipeline.decision_function([DOCUMENT])[0]
    assert list(explanation.scores) == ["food", "money", "sport"]
    np.testing.assert_allclose(list(explanation.scores.values()), scores, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose([total(explanation, label) for label in explanation.scores], scores, atol=1e-12)
    assert explanation.predicted == pipeline.predict([DOCUMENT])[0]
    row = row_of(pipeline, DOCUMENT)
    features = of_kind(explain(pipeline, DOCUMENT), "feature")
    assert len(features) == np.count_nonzero(row.toarray())
    assert all(record["contribution"] == record["value"] * record["weight"] for record in features)
    sizes = [abs(record["contribution"]) for record in features]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("model", [LogisticRegression(), LinearSVC(fit_intercept=False), SGDClassifier()])
def test_two_classes(model):
    y = ["yes", "no", "no"] * 3
    pipeline = fitted(TfidfVectorizer(), model=model, y=y)
    for text in TEXTS:
        score = pipeline.decision_function([text])[0]
        explanation = explain(pipeline, text, classes=["no", "yes"])
        assert explanation.predicted == pipeline.predict([text])[0]
        np.testing.assert_allclose([explanation.scores["no"], explanation.scores["yes"]], [-score, score], atol=1e-14)
        np.testing.assert_allclose([total(explanation, "no"), total(explanation, "yes")], [-score, score], atol=1e-14)
        assert {record["class"] for record in explain(pipeline, text).records} == {explanation.predicted}


def test_float32():
    pipeline = fitted(TfidfVectorizer(dtype=np.float32))
    assert pipeline[-1].coef_.dtype == np.float32
    explanation = explain(pipeline, DOCUMENT, classes=["food", "money", "sport"])
    sums = [total(explanation, label) for label in explanation.scores]
    np.testing.assert_allclose(sums, pipeline.decision_function([DOCUMENT])[0], rtol=1e-5, atol=1e-6)


def test_few_features_and_the_rest():
    pipeline = fitted(TfidfVectorizer())
    whole, part = explain(pipeline, DOCUMENT), explain(pipeline, DOCUMENT, n=3)
    assert part.records[:3] == whole.records[:3]
    assert [record["kind"] for record in part.records[3:]] == ["rest", "intercept"]
    assert part.records[3]["feature"] == f"{len(whole.records) - 4} more"
    assert total(part, part.predicted) == pytest.approx(total(whole, part.predicted), abs=1e-14)
    assert part.spans == whole.spans
    assert pd.DataFrame(part.records)["weight"].isna().sum() == 1


def test_sparse_coefficients_are_never_dense():
    wide = 10**12
    model = LinearSVC().fit(np.eye(3), ["a", "b", "c"])
    model.coef_ = sp.csr_matrix(([3.0, -2.0, 1.0, 5.0], ([0, 0, 1, 1], [wide - 1, 5, 7, 5])), shape=(3, wide))
    model.n_features_in_ = wide
    x = sp.csr_matrix(([2.0, 0.5, 9.0], ([0, 0, 0], [5, wide - 1, 6])), shape=(1, wide))
    explanation = explain(model, x, classes=["a", "b"])
    expected = np.array([-2.5, 10.0, 0.0]) + model.intercept_
    assert list(explanation.scores.values()) == pytest.approx(list(expected))
    names = [record["feature"] for record in of_kind(explanation, "feature")]
    assert names == ["x5", f"x{wide - 1}", "x6", "x5", "x6", f"x{wide - 1}"]


# Names


@pytest.mark.parametrize("name", LOCATED)
def test_names_are_those_of_the_steps_before(name):
    pipeline = fitted(*LOCATED[name])
    explanation = explain(pipeline, DOCUMENT)
    found = [record["feature"] for record in of_kind(explanation, "feature")]
    try:
        names = pipeline[:-1].get_feature_names_out()
    except AttributeError:
        ngrams = pipeline[0].build_analyzer()(DOCUMENT) if name == "hash" else []
        assert {n for feature in found for n in feature.split(" / ")} == set(ngrams) or name == "union"
        return
    row = row_of(pipeline, DOCUMENT)
    columns = row.indices
    assert set(found) == set(names[columns])
    weights = dict(zip(names, pipeline[-1].coef_[list(pipeline.classes_).index(explanation.predicted)], strict=True))
    assert all(record["weight"] == weights[record["feature"]] for record in of_kind(explanation, "feature"))


def test_names_given_are_used():
    pipeline = fitted(HashingVectorizer(n_features=16))
    names = [f"hash {j}" for j in range(16)]
    found = of_kind(explain(pipeline, DOCUMENT, feature_names=names), "feature")
    assert all(record["feature"].startswith("hash ") for record in found)


# Places


@pytest.mark.parametrize("name", LOCATED)
def test_places_cover_what_the_features_say(name):
    """Each feature alone, as the only weight: what is marked is where it stands."""
    pipeline = fitted(*LOCATED[name])
    row = row_of(pipeline, DOCUMENT)
    model = pipeline[-1]
    assert explain(pipeline, DOCUMENT).text == DOCUMENT
    for column, value in zip(row.indices, row.data, strict=True):
        model.coef_ = np.zeros(model.coef_.shape)
        model.coef_[:, column] = 1.0
        explanation = explain(pipeline, DOCUMENT)
        marked = [span for span in explanation.spans[explanation.predicted] if span[2]]
        feature = of_kind(explanation, "feature")[0]["feature"].rpartition("__")[2]
        if not feature.strip(" ") or feature == "length":
            assert not marked or name != "char_wb"
            continue
        assert sum(span[2] for span in marked) == pytest.approx(value)
        characters = {DOCUMENT[i].casefold() for begin, end, _ in marked for i in range(begin, end)}
        assert characters <= {c for c in feature.casefold()} | set("\n "), (feature, marked)
        assert set(feature.casefold()) - set(" /") <= characters


@pytest.mark.parametrize("name", NOT_LOCATED)
def test_without_places_it_is_a_table(name):
    explanation = explain(fitted(*NOT_LOCATED[name]), DOCUMENT)
    assert explanation.text is None and explanation.spans == {}
    html = explanation.to_html()
    assert "<table" in html and "pre-wrap" not in html


def test_a_repeated_word_shares_its_contribution():
    pipeline = fitted(CountVectorizer())
    explanation = explain(pipeline, "the sauce, the Sauce")
    spans = {(begin, end): share for begin, end, share in explanation.spans[explanation.predicted]}
    assert list(spans) == [(0, 3), (4, 9), (11, 14), (15, 20)]
    contributions = {record["feature"]: record["contribution"] for record in explanation.records}
    assert spans[4, 9] == spans[15, 20] == contributions["sauce"] / 2


def test_an_ngram_of_words_is_shared_by_its_words():
    pipeline = fitted(CountVectorizer(ngram_range=(2, 2), stop_words=["the", "some"]))
    explanation = explain(pipeline, "STIR some Sauce")
    assert explanation.records[0]["feature"] == "stir sauce"
    half = explanation.records[0]["contribution"] / 2
    assert explanation.spans[explanation.predicted] == [(0, 4, half), (10, 15, half)]


def test_what_has_no_place_is_told():
    explanation = explain(fitted(CountVectorizer(analyzer="char_wb", ngram_range=(1, 2))), "stir it")
    in_text = sum(share for *_, share in explanation.spans[explanation.predicted])
    space = sum(record["contribution"] for record in explanation.records if record["feature"] == " ")
    intercept = of_kind(explanation, "intercept")[0]["contribution"]
    assert in_text + space + intercept == pytest.approx(explanation.scores[explanation.predicted])
    assert "features without a place" in explanation.to_html()


@pytest.mark.parametrize("options, text, marked", [
    (dict(), "İSTANBUL Sauce", "Sauce"),  # lower-casing makes two characters of the first
    (dict(strip_accents="unicode"), "ﬁné Sauçé", "Sauçé"),
    (dict(strip_accents="unicode"), "sauc\u0327e\u0301", "sauc\u0327e\u0301"),
    (dict(strip_accents="ascii"), "ß한글 - sauçe", "sauçe"),
    (dict(vocabulary=["οδος"]), "ΟΔΟΣ", "ΟΔΟΣ"),
])  # fmt: skip
def test_places_where_preprocessing_changes_lengths(options, text, marked):
    explanation = explain(fitted(CountVectorizer(**options)), text)
    ((begin, end, _),) = explanation.spans[explanation.predicted]
    assert text[begin:end] == marked


CHARACTERS = st.sampled_from(
    [*"abAB12 ,.-'\n\t", "İ", "Σ", "ß", "é", "ç", "e\u0301", "ﬁ", "한", "👩\u200d💻", "\u2003"]
)


@given(st.lists(CHARACTERS, max_size=25).map("".join), st.sampled_from(["word", "char", "char_wb"]), st.integers(1, 3),
       st.integers(0, 2), st.sampled_from([None, "unicode", "ascii"]))  # fmt: skip
def test_every_ngram_is_located(text, analyzer, low, more, strip_accents):
    vectorizer = CountVectorizer(analyzer=analyzer, ngram_range=(low, low + more), strip_accents=strip_accents)
    ngrams = vectorizer.build_analyzer()(text)
    documents = [text, "some other text"]
    if not ngrams:
        return
    model = LinearSVC(C=1.0, max_iter=2000)
    pipeline = make_pipeline(vectorizer, model).fit(documents, [1, 0])
    explanation = explain(pipeline, text)
    known = {ngram for ngram in ngrams if ngram.strip() or analyzer == "char"}
    assert (explanation.text == text) == bool(known)
    assert {record["feature"] for record in of_kind(explanation, "feature")} == set(ngrams)
    in_text = sum(share for *_, share in explanation.spans.get(explanation.predicted, []))
    placed = [r["contribution"] for r in of_kind(explanation, "feature") if r["feature"] in known]
    assert in_text == pytest.approx(sum(placed), abs=1e-9)
    if explanation.text:
        assert plain(explanation.to_html()) == text


# HTML


def test_html_is_escaped_and_loads_nothing():
    pipeline = fitted(TfidfVectorizer(token_pattern=r"\S+"), y=["<b>", "x", "&"] * 3)
    text = "<script>alert(1)</script> the <img src=x onerror=alert(1)> \"sauce\" & 'match'"
    pipeline.fit([*TEXTS, text, text], ["<b>", "x", "&"] * 3 + ["<b>", "<b>"])
    html = explain(pipeline, text)._repr_html_()
    assert "<script" not in html and "<img" not in html and "http" not in html and "<b>&lt;b&gt;</b>" in html
    assert plain(html) == text
    table = explain(make_pipeline(DictVectorizer(), LinearSVC()).fit([{"<i>": 1}, {"b": 1}], [0, 1]), {"<i>": 2.0})
    assert "&lt;i&gt;" in table.to_html() and "<i>:" not in table.to_html()


def test_signs_differ_without_colour():
    explanation = explain(fitted(TfidfVectorizer()), DOCUMENT)
    html = explanation.to_html()
    for line, sign in (("solid", 1), ("dotted", -1)):
        marked = re.findall(rf'border-bottom:2px {line} [^>]*title="[^>]*>([^<]*)<', html)
        spans = explanation.spans[explanation.predicted]
        assert set(marked) == {DOCUMENT[begin:end] for begin, end, share in spans if share * sign > 0}


def test_tables_are_cut():
    explanation = explain(fitted(TfidfVectorizer(analyzer="char", ngram_range=(1, 3))), DOCUMENT)
    html = explanation.to_html(max_rows=5)
    assert html.count("<tr") == 1 + 5 + 1 + 1
    assert f"{len(explanation.records) - 6} more" in html
    with pytest.raises(ValueError, match="max_rows must be an integer >= 1, got 0"):
        explanation.to_html(max_rows=0)


def test_marks_join_what_is_drawn_as_one():
    text = "e\u0301tude 👩\u200d💻"
    explanation = Explanation(
        [{"class": 1, "kind": "intercept", "feature": "", "value": 1.0, "weight": 0.0, "contribution": 0.0}],
        {1: 0.0}, 1, text, {1: [(i, i + 1, (-1.0) ** i) for i in range(len(text))]},
    )  # fmt: skip
    pieces = re.findall(r'title="[^>]*>([^<]*)<', explanation.to_html())
    assert "".join(pieces) == text
    assert not any(unicodedata.combining(piece[0]) or piece[0] == "\u200d" for piece in pieces)


def test_nothing_to_say():
    explanation = explain(fitted(TfidfVectorizer(), model=LinearSVC(fit_intercept=False)), "unknown words only")
    assert [record["kind"] for record in explanation.records] == ["intercept"]
    assert explanation.text is None
    assert "score" in explanation.to_html()
    assert repr(explanation).startswith("<Explanation: predicted 'food'")


# Documents


def test_rows_of_any_form():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(X, y)
    records = explain(model, X.iloc[[60]]).records
    row = X.to_numpy()[60]
    forms = [X.iloc[60], row, row[None], list(row), sp.csr_matrix(row), sp.csc_matrix(row), sp.coo_array(row[None])]
    for form in forms:
        assert explain(model, form).records == records
    assert {record["feature"] for record in records} == {*X.columns, ""}
    scaled = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(X, y)
    for form in (X.iloc[[60]], X.iloc[60]):
        assert total(explain(scaled, form, classes=2), 2) == pytest.approx(scaled.decision_function(X)[60, 2])
    plain_model = LogisticRegression(max_iter=1000).fit(X.to_numpy(), y)
    assert {record["feature"] for record in explain(plain_model, row).records} == {"x0", "x1", "x2", "x3", ""}
    assert explain(plain_model, row, feature_names=list("abcd")).records[0]["feature"] in "abcd"


def test_a_row_of_a_column_transformer_in_a_search():
    frame = pd.DataFrame({"text": TEXTS, "year": np.arange(9.0)})
    columns = ColumnTransformer([("words", TfidfVectorizer(), "text"), ("rest", StandardScaler(), ["year"])])
    pipeline = Pipeline([("columns", columns), ("model", LogisticRegression())])
    search = GridSearchCV(pipeline, {"model__C": [1.0]}, cv=3).fit(frame, TOPICS)
    for row in (frame.iloc[[4]], frame.iloc[4]):
        explanation = explain(search, row)
        label = explanation.predicted
        assert total(explanation, label) == pytest.approx(search.decision_function(frame)[4].max())
        assert "words__bank" in {record["feature"] for record in explanation.records}


def test_documents_that_are_no_text():
    tokens = [text.split() for text in TEXTS]
    pipeline = make_pipeline(CountVectorizer(analyzer=lambda words: words), LinearSVC()).fit(tokens, TOPICS)
    score = pipeline.decision_function([tokens[0]])[0].max()
    assert explain(pipeline, tokens[0]).scores["sport"] == pytest.approx(score)
    dicts = [dict.fromkeys(words, 1.0) for words in tokens]
    pipeline = make_pipeline(DictVectorizer(), LinearSVC()).fit(dicts, TOPICS)
    assert explain(pipeline, dicts[0]).scores["sport"] == pytest.approx(pipeline.decision_function(dicts)[0].max())
    encoded = fitted(TfidfVectorizer())
    assert explain(encoded, DOCUMENT.encode()).text == DOCUMENT


def test_bad_documents():
    pipeline, X = fitted(TfidfVectorizer()), load_iris().data
    model = LogisticRegression(max_iter=1000).fit(X, load_iris().target)
    for estimator, x, message in [
        (model, X, "x must be one document, got 150 rows"),
        (model, [X[0], X[1]], "x must be one document, got 2 rows"),
        (model, "text", "x must be one row of X where the estimator is no Pipeline, got str"),
        (model, X[0, :3], "X has 3 features, but LogisticRegression is expecting 4"),
        (model, np.full(4, np.nan), "NaN"),
        (pipeline, [DOCUMENT], "x must be one text, got list"),
        (pipeline, pd.Series(["a", "b"]), "x must be one text, got Series"),
        (
            make_pipeline(StandardScaler(), model).fit(X, load_iris().target),
            X[:2],
            "x must be one document, got 2 rows",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            explain(estimator, x)


def test_bad_arguments():
    pipeline = fitted(TfidfVectorizer())
    with pytest.raises(ValueError, match=r"classes must be among \['food' 'money' 'sport'\], got 'art'"):
        explain(pipeline, DOCUMENT, classes="art")
    with pytest.raises(ValueError, match="n must be an integer >= 1, got -1"):
        explain(pipeline, DOCUMENT, n=-1)
    with pytest.raises(ValueError, match="feature_names must have"):
        explain(pipeline, DOCUMENT, feature_names=["a"])
    crf = LinearChainCRF(random_state=0, max_iter=500).fit([[["a"], ["b"]]], [["A", "B"]])
    with pytest.raises(TypeError, match=r"LinearChainCRF; a LinearChainCRF explains .* by its own method explain"):
        explain(crf, [["a"]])
