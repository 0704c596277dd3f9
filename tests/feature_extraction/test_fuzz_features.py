"""Feature dicts, words, labels and files of every kind of object: an error that says where, or finite rows."""

import decimal
import fractions

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from skopt_solvers import LinearChainCRF, LogisticRegression
from skopt_solvers.feature_extraction import DictFeatures, TokenFeatures
from skopt_solvers.metrics import entity_f1, entity_report, sequence_accuracy, token_f1
from skopt_solvers.sequence import SequenceKFold, read_conll

from ..fuzzing import assert_usable, attempt, examples


class Text(str):
    pass


class Own(Exception):
    """An exception of the user's own, which has to come through."""


class Raises:
    """An object whose every method is broken."""

    def __float__(self):
        raise Own("float")

    def __eq__(self, other):
        raise Own("eq")

    def __hash__(self):
        return 1


class Unhashable(dict):
    def __getitem__(self, key):
        raise Own("getitem")

    def __iter__(self):
        raise Own("iter")


class Clears:
    """A number that empties the containers that hold it while they are read."""

    def __init__(self):
        self.holders = []

    def __float__(self):
        for holder in self.holders:
            holder.clear()
        return 1.0


texts = st.one_of(
    st.text(max_size=4),
    st.sampled_from(
        ["", "a", "ä", "日本", "\U0001f600", "\ud800", "a\ud800", "\0", "a:b", ":", "x" * 10_000, Text("sub")]
    ),
)
numbers = st.sampled_from(
    [0, 1, -1, True, False, 10**400, -(10**400), 1e300, 1e39, 5e-324, np.nan, np.inf, 1j, np.float32(2),
    np.float16(1), np.int8(3), np.bool_(True),
     np.str_("s"), np.bytes_(b"s"), decimal.Decimal("1.5"), decimal.Decimal("NaN"), decimal.Decimal("sNaN"),
     fractions.Fraction(1, 3), np.datetime64("2020")]
)  # fmt: skip
atoms = st.one_of(
    texts, numbers, st.sampled_from([None, b"", b"a", b"\xff", bytearray(b"a"), (), Ellipsis, int, len, np.ones(2),
    np.arange(3), np.array([np.inf]), np.ones((2, 2)), np.array([]), np.array([2**63 - 1, 1]),
    np.array("a"), range(2)]),
    st.builds(Raises), st.builds(Clears), st.builds(object),
)  # fmt: skip
keys = st.one_of(
    texts,
    texts,
    texts,
    st.sampled_from([None, b"k", b"\xff", 1, (), ("a", "b"), np.str_("k"), 1.5, frozenset("a"), True]),
    st.builds(Raises),
)


def safe_dict(pairs):
    result = {}
    for key, value in pairs:
        try:
            result[key] = value
        except Own:
            continue
    return result


def containers(children):
    return st.one_of(
        st.lists(st.tuples(keys, children), max_size=4).map(safe_dict),
        st.lists(children, max_size=3),
        st.lists(children, max_size=3).map(tuple),
        st.frozensets(texts, max_size=3), st.sets(texts, max_size=3),
        st.lists(st.tuples(texts, children), max_size=2).map(Unhashable),
    )  # fmt: skip


values = st.recursive(atoms, containers, max_leaves=6)
items = st.one_of(
    st.lists(st.tuples(keys, values), max_size=4).map(safe_dict),
    st.lists(st.tuples(texts, numbers), max_size=4).map(dict),
    containers(values),
    atoms,
)
good = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([1, 0.5, True, "x", ["u", "v"], {"w": 2}])), max_size=3
).map(dict)


def holding(value, seen=()):
    """Tell each `Clears` inside of a value which containers hold it."""
    if isinstance(value, Clears):
        value.holders.extend(holder for holder in seen if isinstance(holder, (list, dict, set)))
    elif type(value) in (dict, list, tuple):
        for part in list(value.values()) if isinstance(value, dict) else list(value):
            holding(part, (*seen, value))
    return value


def or_own(call, *args, **kwargs):
    """The call's result; None where it was refused, or where an object's own exception came through."""
    try:
        return attempt(call, *args, **kwargs)
    except Own:
        return None


@examples(100)
@given(
    data=st.data(),
    n_features=st.sampled_from([None, 1, 7, 2**20]),
    dtype=st.sampled_from([np.float32, np.float64, "f4", int, "x"]),
)
def test_dicts_of_anything(data, n_features, dtype):
    sequence = st.one_of(st.lists(st.one_of(good, items), max_size=3), st.lists(good, max_size=3), values)
    X = holding(data.draw(st.one_of(st.lists(sequence, max_size=3), values)))
    features = DictFeatures(n_features=n_features, dtype=dtype, min_count=data.draw(st.sampled_from([1, 1, 1, 2, 0])))
    rows = or_own(features.fit_transform, X)
    if rows is None:
        rows = or_own(features.fit_transform, [[{"a": 1}, {"b": 2}]])
        if rows is not None:
            rows = or_own(features.transform, X)
    if rows is not None:
        size = 0 if rows.vectors is None else rows.vectors.shape[1]
        assert np.isfinite(rows.matrix.data).all() and rows.matrix.shape[1] + size == features.n_features_out_
        assert rows.vectors is None or np.isfinite(rows.vectors).all()
        assert rows.matrix.indices.max(initial=-1) < rows.matrix.shape[1]


@examples(120)
@given(data=st.data())
def test_words_of_anything(data):
    token = st.one_of(texts, texts, st.tuples(texts, texts), st.lists(values, max_size=2), values)
    X = data.draw(
        st.one_of(
            st.lists(st.one_of(st.lists(texts, max_size=4), st.lists(token, max_size=3), values), max_size=3), values
        )
    )
    offsets = st.one_of(
        st.sampled_from([(0,), (-1, 0, 1), (), (10**9,), (0, 0), (1.5,), None, "ab", (-(2**63),), (2**70,)]), values
    )
    options = {name: data.draw(offsets) for name in data.draw(st.sets(st.sampled_from(
        ["window", "affix_window", "prefixes", "suffixes", "column_prefixes", "columns", "bigrams"]),
        max_size=2))}  # fmt: skip
    if data.draw(st.booleans()):
        vector = st.sampled_from([np.ones(2), np.ones(3), [1, 2], (), None, "a", np.array([np.nan, 1]), 1.5])
        table = st.one_of(st.fixed_dictionaries({"a": vector}, optional={"b": vector}), values)
        options |= dict(vectors=data.draw(table), vector_window=data.draw(offsets))
    features = TokenFeatures(**options)
    rows = or_own(features.fit_transform, X)
    if rows is not None:
        assert np.isfinite(rows.matrix.data).all() and (rows.vectors is None or np.isfinite(rows.vectors).all())
        or_own(features.transform, data.draw(st.one_of(st.lists(st.lists(token, max_size=3), max_size=3), values)))


@examples(120)
@given(data=st.data())
def test_chains_of_anything(data):
    """fit and predict on dicts, with labels and structure of any type."""
    X = data.draw(
        st.lists(st.one_of(st.lists(good, min_size=1, max_size=3), st.lists(items, max_size=2)), min_size=1, max_size=3)
    )
    holding(X)
    label = st.sampled_from(data.draw(st.sampled_from([["a", "b"], ["a", "b", None], [0, 1], *ODD_LABELS])))
    y = data.draw(st.one_of(st.just([data.draw(st.lists(label, min_size=len(x), max_size=len(x))) for x in X]), values))
    crf = LinearChainCRF(max_iter=2, constraints=data.draw(st.sampled_from([None, "bio"])))
    w = data.draw(st.sampled_from([None, None, [1.0] * len(X), "a", [[1.0] * len(x) for x in X], [None], 2]))
    if or_own(crf.fit, X, y, sample_weight=w, estimator=crf) is None:
        return
    assert_usable(crf)
    or_own(crf.predict, data.draw(st.one_of(st.lists(st.lists(items, max_size=2), max_size=2), values)), estimator=crf)
    or_own(crf.predict, X, known_labels=data.draw(st.one_of(st.just(y), values)))
    or_own(crf.score, X, data.draw(st.one_of(st.just(y), values)))


ODD_LABELS = [
    [b"a", b"b"], [True, False], [0.0, 1.0], [0.5, 1.5], [None, None], ["a", 1], [np.nan, 0.0], [np.str_("a"), "b"],
    ["x" * 5000, "y" * 5000],
    ["a", "a"], [np.datetime64("2020"), np.datetime64("2021")], [(), ("a",)], [object(), object()], [10**30, 1],
    [-(2**63), 2**63 - 1],
    ["", " "], ["\ud800", "a"], [1j, 2j], [decimal.Decimal(1), 2], [np.int8(1), 1.0], [Text("a"), "b"], ["a\0", "a"],
    [[1], [2]], [np.inf, 0.0],
]  # fmt: skip


@examples(100)
@given(data=st.data())
def test_labels_of_anything(data):
    X = np.random.RandomState(0).rand(12, 3)
    kind = data.draw(st.sampled_from([["a", "b"], [0, 1, 2], *ODD_LABELS]))
    y = data.draw(st.lists(st.sampled_from(kind), min_size=12, max_size=12))
    form = data.draw(
        st.sampled_from([list, list, tuple, np.array, pd.Series, pd.Categorical, "object", "2-D", "column", "values"])
    )
    if form == "object":
        y = np.array([*y, None], dtype=object)[:-1]
    elif form == "2-D":
        y = [[label, label] for label in y]
    elif form == "column":
        y = [[label] for label in y]
    elif form == "values":
        y = data.draw(values)
    else:
        try:
            y = form(y)
        except (TypeError, ValueError):
            return
    model = LogisticRegression(solver=data.draw(st.sampled_from(["lbfgs", "adagrad", "sdca"])), max_iter=2)
    if hasattr(model, "partial_fit") and data.draw(st.booleans()):
        fitted = or_own(model.partial_fit, X, y, classes=data.draw(st.one_of(st.just(kind), values)), estimator=model)
    else:
        fitted = or_own(model.fit, X, y, estimator=model)
    if fitted is not None:
        assert_usable(model, X)
        or_own(model.score, X, y)
        or_own(model.suboptimality_bound, X, y)


@examples(100)
@given(data=st.data())
def test_metrics_of_anything(data):
    label = st.sampled_from(
        data.draw(st.sampled_from([["O", "B-x", "I-x", "B", "I-", "-", "B-x-y"], ["a", "b"], *ODD_LABELS]))
    )
    sequences = st.one_of(st.lists(st.lists(label, max_size=4), max_size=3), st.lists(label, max_size=4), values)
    y_true = data.draw(sequences)
    y_pred = data.draw(st.one_of(st.just(y_true), sequences))
    options = {}
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from(["lengths", "sequence_ids"]))
        options[name] = data.draw(
            st.one_of(st.lists(st.integers(-1, 4), max_size=4), st.sampled_from([[2**62] * 4, [np.nan]]), values)
        )
    metric = data.draw(st.sampled_from([entity_f1, entity_report, sequence_accuracy, token_f1]))
    if metric in (entity_f1, token_f1):
        options["average"] = data.draw(st.one_of(st.sampled_from(["micro", "macro", None]), values))
    result = or_own(metric, y_true, y_pred, **options)
    assert result is None or metric is entity_report or np.isfinite(np.asarray(result, float)).all()


@examples(100)
@given(data=st.data())
def test_files_of_anything(data, tmp_path_factory):
    content = data.draw(
        st.one_of(st.binary(max_size=60), st.text("ab \t\n\r#-1.\u2028\x85\ud7ff", max_size=60).map(str.encode))
    )
    name = data.draw(st.sampled_from(["a.txt", "a.conllu", "a.gz", "a.conllu.gz"]))
    path = tmp_path_factory.mktemp("conll") / name
    path.write_bytes(content)
    columns = data.draw(
        st.one_of(st.sampled_from([0, -1, (0, -1), "form", ("form", "upos"), (), 10**9, -(10**9), True]), values)
    )
    options = {}
    for option in data.draw(st.sets(st.sampled_from(["separator", "comment", "encoding"]), max_size=2)):
        options[option] = data.draw(st.sampled_from([None, "", " ", "#", "utf-8", "latin-1", "no such", 3]))
    or_own(read_conll, path, columns, **options)


@examples(100)
@given(data=st.data())
def test_folds_of_anything(data):
    ids = data.draw(
        st.one_of(
            st.lists(st.integers(0, 3), max_size=8),
            st.lists(st.sampled_from(["a", None, np.nan, b"a", 1]), max_size=5),
            values,
        )
    )
    n = len(ids) if isinstance(ids, list) else 3
    folds = attempt(SequenceKFold, data.draw(st.sampled_from([2, 3, 1, 0, -1, 10**9, 2.5, "2", None])),
                    shuffle=data.draw(st.sampled_from([False, True, None])),
                    random_state=data.draw(st.sampled_from([None, 0, -1, "a"])))  # fmt: skip
    if folds is None:
        return
    parts = or_own(lambda: list(folds.split(np.zeros((n, 1)), sequence_ids=ids)))
    if parts is not None:
        tests = np.concatenate([test for _, test in parts])
        np.testing.assert_array_equal(np.sort(tests), np.arange(n))
