"""The largest weights of each class, as records and as bars: against a sort of the whole coefficients."""

import sys
import warnings
from itertools import pairwise

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.feature_extraction import DictFeatures
from skopt_solvers.inspection import WeightsDisplay, top_features

matplotlib.use("Agg")

TEXTS = [
    "good film, good actors",
    "bad film",
    "a good and long book",
    "a bad book, so bad",
    "a film",
    "long, long book",
]
KINDS = ["film", "film", "book", "book", "film", "book"]
MOODS = ["good", "bad", "good", "bad", "so", "so"]


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def expected(coef, names, labels, n):
    """By a stable sort of everything."""
    records = []
    for weights, label in zip(coef, labels, strict=True):
        for sign in (1, -1):
            order = [j for j in np.argsort(-sign * weights, kind="stable") if sign * weights[j] > 0][:n]
            records += [
                {"class": label, "feature": names[j], "weight": float(weights[j]), "rank": rank}
                for rank, j in enumerate(order, 1)
            ]
    return records


def random_model(rng, n_classes, n_features=30, kind=LogisticRegression):
    X, y = rng.normal(size=(60, n_features)), rng.integers(n_classes, size=60)
    return kind(C=0.1, l1_ratio=0.5).fit(X, np.array(list("abcdef"))[y])


# Records


@pytest.mark.parametrize("kind", [LogisticRegression, LinearSVC])
@pytest.mark.parametrize("n", [1, 4, 100])
def test_several_classes(kind, n):
    model = random_model(np.random.default_rng(0), 4, kind=kind)
    names = [f"x{j}" for j in range(30)]
    records = expected(model.coef_, names, model.classes_, n)
    assert top_features(model, n) == records
    assert (model.coef_ == 0).any()
    assert top_features(model.sparsify(), n) == records


def test_two_classes_are_one_question():
    model = random_model(np.random.default_rng(1), 2)
    names = [f"x{j}" for j in range(30)]
    assert top_features(model, 5) == expected(model.coef_, names, "b", 5)
    assert top_features(model, 5, classes="a") == expected(-model.coef_, names, "a", 5)
    assert top_features(model, 5, classes=["b", "a"]) == top_features(model, 5) + top_features(model, 5, classes="a")


def test_ties_are_in_the_order_of_the_columns():
    model = random_model(np.random.default_rng(2), 3, n_features=8)
    model.coef_ = np.array([[1.0, 2, 1, 1, -1, 0, -1, 1]] * 3)
    first = [record["feature"] for record in top_features(model, 3, classes="a")]
    assert first == ["x1", "x0", "x2", "x4", "x6"]
    model.coef_ = sp.csc_matrix(model.coef_)
    assert [record["feature"] for record in top_features(model, 3, classes="a")] == first


def test_sparse_coefficients_are_never_dense():
    model = random_model(np.random.default_rng(3), 3)
    wide = 10**12
    model.coef_ = sp.csr_matrix(([3.0, -2.0, 1.0], ([0, 0, 2], [wide - 1, 5, 7])), shape=(3, wide))
    assert [(record["class"], record["feature"], record["weight"]) for record in top_features(model)] == [
        ("a", f"x{wide - 1}", 3.0),
        ("a", "x5", -2.0),
        ("c", "x7", 1.0),
    ]


def test_records_are_a_data_frame():
    frame = pd.DataFrame(top_features(random_model(np.random.default_rng(4), 3), 2))
    assert list(frame.columns) == ["class", "feature", "weight", "rank"]
    assert frame.dtypes["weight"].kind == "f" and frame.dtypes["rank"].kind == "i"


def test_crf_state_weights():
    X = [[{"word": w, "first": w[0]} for w in "the dog saw a cat".split()], [{"word": "cats"}, {"word": "sleep"}]]
    y = [["D", "N", "V", "D", "N"], ["N", "V"]]
    for state_features in ("all", "observed"):
        crf = LinearChainCRF(C=10, state_features=state_features, random_state=0, max_iter=500).fit(X, y)
        assert sp.issparse(crf.coef_) == (state_features == "observed")
        coef, names = sp.csr_matrix(crf.coef_).toarray(), crf.vectorizer_.get_feature_names_out()
        records = expected(coef, names, "DNV", 3)
        assert top_features(crf, 3) == records
    pipeline = make_pipeline(DictFeatures(), LinearChainCRF(C=10, random_state=0, max_iter=500)).fit(X, y)
    assert {record["feature"] for record in top_features(pipeline)} <= set(names)
    hashed = make_pipeline(DictFeatures(n_features=16), LinearChainCRF(C=10, random_state=0, max_iter=500)).fit(X, y)
    assert all(record["feature"][0] == "x" for record in top_features(hashed))


# Names


@pytest.mark.parametrize("steps", [
    [TfidfVectorizer()],
    [CountVectorizer(ngram_range=(1, 2)), TfidfTransformer()],
    [FeatureUnion([("word", TfidfVectorizer()), ("char", TfidfVectorizer(analyzer="char"))]), SelectKBest(k=9)],
    ["passthrough", CountVectorizer(), None],
])  # fmt: skip
def test_names_are_those_of_the_steps_before(steps):
    pipeline = make_pipeline(*steps, LogisticRegression(C=10)).fit(TEXTS, MOODS)
    names = pipeline[:-1].get_feature_names_out()
    assert {record["feature"] for record in top_features(pipeline, 1000)} == set(names)
    first = top_features(pipeline, 1, classes="good")[0]
    assert first["weight"] == pipeline[-1].coef_[1].max()
    assert first["feature"] == names[pipeline[-1].coef_[1].argmax()]


def test_names_through_a_column_transformer_in_a_search():
    frame = pd.DataFrame({"text": TEXTS, "year": [1.0, 2, 3, 4, 5, 6]})
    columns = ColumnTransformer([("words", TfidfVectorizer(), "text"), ("rest", StandardScaler(), ["year"])])
    pipeline = Pipeline([("columns", columns), ("model", LinearSVC())])
    search = GridSearchCV(pipeline, {"model__C": [1.0]}, cv=2).fit(frame, KINDS)
    names = {record["feature"] for record in top_features(search, 100)}
    assert "words__film" in names and "rest__year" in names
    inner = make_pipeline(StandardScaler(with_mean=False), LinearSVC())
    nested = Pipeline([("columns", clone(columns)), ("inner", inner)])
    assert {r["feature"] for r in top_features(nested.fit(frame, KINDS), 100)} == names


def test_names_of_a_data_frame_and_names_given():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(X, y)
    assert {record["feature"] for record in top_features(model)} == set(X.columns)
    assert {record["feature"] for record in top_features(model, feature_names=list("abcd"))} == set("abcd")


def test_hashes_have_numbers():
    hashes = HashingVectorizer(n_features=32)
    for steps in ([hashes], [FeatureUnion([("hashes", hashes), ("words", TfidfVectorizer())])]):
        pipeline = make_pipeline(*steps, LogisticRegression()).fit(TEXTS, MOODS)
        assert all(record["feature"][0] == "x" for record in top_features(pipeline))
        n_features = pipeline[-1].n_features_in_
        named = top_features(pipeline, feature_names=[f"hash {j}" for j in range(n_features)])
        assert all(record["feature"].startswith("hash ") for record in named)


def test_scikit_learns_own_linear_models():
    model = SGDClassifier(random_state=0).fit(*load_iris(return_X_y=True))
    assert top_features(model, 1)[0]["weight"] == model.coef_[0].max()


# Errors


@pytest.mark.parametrize("arguments, message", [
    (dict(n=0), "n must be an integer >= 1, got 0"),
    (dict(n=True), "n must be an integer >= 1, got True"),
    (dict(n=2.0), "n must be an integer >= 1, got 2.0"),
    (dict(classes="z"), r"classes must be among \['a' 'b' 'c'\], got 'z'"),
    (dict(classes=[]), "classes must be one class at least"),
    (dict(feature_names=["one"]), "feature_names must have 30 names, got 1"),
])  # fmt: skip
def test_bad_arguments(arguments, message):
    model = random_model(np.random.default_rng(5), 3)
    with pytest.raises(ValueError, match=message):
        top_features(model, **arguments)
    with pytest.raises(ValueError, match=message):
        WeightsDisplay.from_estimator(model, **arguments)


def test_other_estimators():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(TypeError, match=r"must be a fitted linear classifier or LinearChainCRF.*got Ridge"):
        top_features(Ridge().fit(X, y))
    with pytest.raises(TypeError, match="got StandardScaler"):
        top_features(make_pipeline(StandardScaler()).fit(X))
    with pytest.raises(TypeError, match="got str"):
        top_features("model")
    with pytest.raises(NotFittedError):
        top_features(LogisticRegression())


# Bars


def test_bars_are_the_records_a_panel_a_class():
    model = random_model(np.random.default_rng(6), 5)
    display = WeightsDisplay.from_estimator(model, n=4)
    records = top_features(model, 4)
    assert display.records == records
    assert [ax.get_title() for ax in display.axes_] == list("abcde")
    assert display.ax_ is display.axes_[0] and display.figure_ is display.ax_.figure
    for ax, label in zip(display.axes_, "abcde", strict=True):
        weights = sorted((r["weight"] for r in records if r["class"] == label), reverse=True)
        assert [bar.get_width() for bar in ax.patches] == weights
        # signs differ without colour
        assert [bar.get_hatch() is None for bar in ax.patches] == [weight > 0 for weight in weights]
    assert len({ax.get_xlim() for ax in display.axes_}) == 1
    assert len({ax.get_xlim() for ax in display.plot(sharex=False).axes_}) > 1


def test_many_classes_and_names_that_are_hard_to_show():
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(200, 25)), np.arange(200) % 20
    names = ["$5 and $6", " th", "a\tb", "", "x" * 200, "same", "same", "   ", "<b>&", "a_{b}^"]
    names += ["y" * (5 * j) for j in range(15)]
    labels = np.array(["comp.sys.ibm.pc.hardware", "$", "x" * 80, *(f"class {k}" for k in range(17))])
    model = LinearSVC(C=0.1).fit(X, labels[y])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display = WeightsDisplay.from_estimator(model, n=6, feature_names=names)
        display.figure_.draw_without_rendering()
    texts = [label.get_text() for ax in display.axes_ for label in ax.get_yticklabels()]
    assert {r"\$5 and \$6", "␣th", r"a\tb", "", "same", "␣␣␣", "xxxxxxxxxxxxxxxx…xxxxxxx"} <= set(texts)
    assert max(map(len, texts)) == 24
    # nothing overlaps: names with each other, nor panels
    boxes = [ax.get_tightbbox() for ax in display.axes_]
    assert not any(one.overlaps(two) for i, one in enumerate(boxes) for two in boxes[:i])
    for ax in display.axes_:
        heights = [label.get_window_extent() for label in ax.get_yticklabels() if label.get_text()]
        assert not any(one.overlaps(two) for one, two in pairwise(heights))
    width, height = display.figure_.get_size_inches()
    assert all(box.x0 >= 0 and box.x1 <= width * display.figure_.dpi for box in boxes)
    assert width < 16 and height < 30


def test_axes_that_are_given():
    model = random_model(np.random.default_rng(8), 3)
    figure, axes = plt.subplots(1, 3)
    display = WeightsDisplay.from_estimator(model, ax=axes)
    assert display.figure_ is figure and list(display.axes_) == list(axes)
    figure, ax = plt.subplots()
    assert WeightsDisplay.from_estimator(model, classes="b", ax=ax).ax_ is ax
    with pytest.raises(ValueError, match="ax must be one Axes a class, 3, got 1"):
        WeightsDisplay.from_estimator(model, ax=ax)
    with pytest.raises(ValueError, match="n_columns must be an integer >= 1, got 0"):
        display.plot(n_columns=0)


def test_classes_without_weights_have_an_empty_panel():
    model = random_model(np.random.default_rng(9), 3)
    model.coef_ = np.zeros_like(model.coef_)
    model.coef_[1, 0] = 1.0
    display = WeightsDisplay.from_estimator(model, n_columns=2)
    assert [len(ax.patches) for ax in display.axes_] == [0, 1, 0]
    display.figure_.draw_without_rendering()
    assert len(WeightsDisplay(display.records).plot().axes_) == 1
    with pytest.raises(ValueError, match="records must have one class at least"):
        WeightsDisplay([]).plot()


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"WeightsDisplay.plot needs matplotlib: pip install 'skopt_solvers\[plot\]'"):
        WeightsDisplay.from_estimator(random_model(np.random.default_rng(0), 3))
