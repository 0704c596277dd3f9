"""What LinearChainCRF takes: every form of sequences gives one fit, and bad input is told what is wrong, and where."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from skopt_solvers import LinearChainCRF
from skopt_solvers.sequence import CSRSequences

from ..chain_reference import quiet, same_bits, tagging, weights_of
from ..reference import CHAIN_NAMES

X, Y = tagging(25, n_features=6)
LENGTHS = [len(y) for y in Y]
FLAT, LABELS = np.vstack(X), np.concatenate(Y)
IDS = np.repeat([f"s{i}" for i in range(25)], LENGTHS)
ROWS = sp.csr_matrix(FLAT)


def objects(sequences):
    """A 1-D object array."""
    out = np.empty(len(sequences), dtype=object)
    out[:] = sequences
    return out


def csr(x, index=np.int32):
    rows = sp.csr_matrix(x)
    rows.indices, rows.indptr = rows.indices.astype(index), rows.indptr.astype(index)
    return rows


SEQUENCES = {
    "dense": X,
    "tuple": tuple(X),
    "object array": objects(X),
    "integers": [x.astype(int) for x in X],
    "lists of numbers": [x.tolist() for x in X],
    "csr": [csr(x) for x in X],
    "csr of int64": [csr(x, np.int64) for x in X],
    "csr arrays": [sp.csr_array(x) for x in X],
    "csc": [sp.csc_matrix(x) for x in X],
    "dense and csr": [csr(x) if i % 2 else x for i, x in enumerate(X)],
    "CSRSequences": CSRSequences(ROWS, LENGTHS),
    "frames": [pd.DataFrame(x) for x in X],
    "series": pd.Series(X, index=range(7, 32)),
}
TOKENS = {
    "dense, lengths": (FLAT, dict(lengths=LENGTHS)),
    "csr, lengths": (ROWS, dict(lengths=np.array(LENGTHS))),
    "csr, ids": (ROWS, dict(sequence_ids=IDS)),
    "dense, ids of objects": (FLAT, dict(sequence_ids=IDS.astype(object))),
    "lists, ids": (FLAT.tolist(), dict(sequence_ids=IDS.tolist())),
    "coo, ids": (sp.coo_array(FLAT), dict(sequence_ids=IDS)),
    "unsorted csr": (csr(FLAT)[:, ::-1][:, ::-1], dict(lengths=LENGTHS)),
}


@pytest.fixture(scope="module")
def expected():
    return LinearChainCRF(tol=1e-6).fit(X, Y)


@pytest.mark.parametrize("form", SEQUENCES)
def test_every_form_of_sequences_gives_the_same_fit(form, expected):
    data = SEQUENCES[form]
    model = LinearChainCRF(tol=1e-6).fit(data, Y)
    np.testing.assert_allclose(weights_of(model), weights_of(expected), rtol=1e-7, atol=1e-9)
    assert model.n_features_in_ == 6
    paths = model.predict(data)
    assert isinstance(paths, np.ndarray) and paths.dtype == object and paths.shape == (25,)
    for ours, theirs in zip(paths, expected.predict(X), strict=True):
        assert type(ours) is list
        assert ours == theirs
    assert model.score(data, Y) == expected.score(X, Y)


@pytest.mark.parametrize("form", TOKENS)
def test_tokens_with_structure_give_the_same_fit(form, expected):
    data, structure = TOKENS[form]
    model = LinearChainCRF(tol=1e-6).fit(data, LABELS, **structure)
    np.testing.assert_allclose(weights_of(model), weights_of(expected), rtol=1e-7, atol=1e-9)
    path = model.predict(data, **structure)
    assert path.shape == LABELS.shape and path.dtype == model.classes_.dtype
    np.testing.assert_array_equal(path, np.concatenate(list(expected.predict(X))))
    assert model.predict_proba(data, **structure).shape == (len(LABELS), 3)
    assert model.score(data, LABELS, **structure) == expected.score(X, Y)
    np.testing.assert_allclose(
        model.log_likelihood(data, LABELS, **structure), expected.log_likelihood(X, Y), atol=1e-9
    )
    assert model.suboptimality_bound(data, LABELS, **structure) < 1e-4


@pytest.mark.parametrize("labels", [
    tuple(Y), [tuple(y) for y in Y], [np.array(y) for y in Y], objects([np.array(y) for y in Y]), objects(Y),
    [np.array(y, dtype=object) for y in Y], pd.Series(Y, index=range(7, 32)),
])  # fmt: skip
def test_every_form_of_labels_gives_the_same_fit(labels, expected):
    same_bits(LinearChainCRF(tol=1e-6).fit(X, labels), expected)


def test_labels_of_tokens_may_be_nested_and_missing(expected):
    same_bits(LinearChainCRF(tol=1e-6).fit(FLAT, Y, lengths=LENGTHS), expected)
    partly = LABELS.astype(object)
    partly[::5] = None
    nested = [partly[IDS == f"s{i}"].tolist() for i in range(25)]
    same_bits(quiet(LinearChainCRF(), FLAT, partly, lengths=LENGTHS), quiet(LinearChainCRF(), X, nested))


@pytest.mark.parametrize("kind", [int, np.int64, np.int8, np.str_])
def test_labels_are_integers_or_strings(kind, expected):
    if kind is np.str_:
        labels = [[np.str_(label) for label in y] for y in Y]
    else:
        labels = [[kind(3 * int(label[1]) - 3) for label in y] for y in Y]
    model = LinearChainCRF(tol=1e-6).fit(X, labels)
    assert model.classes_.tolist() == (["L0", "L1", "L2"] if kind is np.str_ else [-3, 0, 3])
    np.testing.assert_array_equal(weights_of(model), weights_of(expected))
    assert model.score(X, labels) == expected.score(X, Y)


def test_columns_of_a_frame_are_the_names(expected):
    frame = pd.DataFrame(FLAT, columns=[f"column {j}" for j in range(6)])
    model = LinearChainCRF(tol=1e-6).fit(frame, pd.Series(LABELS, index=range(3, len(LABELS) + 3)), sequence_ids=IDS)
    same_bits(model, expected)
    assert list(model.feature_names_in_) == list(frame.columns)
    assert {record["feature"] for record in model.top_features(100)} == set(frame.columns)
    np.testing.assert_array_equal(model.predict(frame, lengths=LENGTHS), np.concatenate(list(expected.predict(X))))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[frame.columns[::-1]], lengths=LENGTHS)


# Features by name

NAMED = {
    "dicts": lambda x: [{f"f{j}": row[j] for j in np.flatnonzero(row)} for row in x],
    "dicts of booleans": lambda x: [{f"f{j}": bool(v) for j, v in enumerate(row)} for row in x],
    "strings": lambda x: [[f"f{j}" for j in np.flatnonzero(row)] for row in x],
    "sets of strings": lambda x: [{f"f{j}" for j in np.flatnonzero(row)} for row in x],
    "tuples of strings": lambda x: tuple(tuple(f"f{j}" for j in np.flatnonzero(row)) for row in x),
}


@pytest.mark.parametrize("form", NAMED)
@pytest.mark.parametrize("state_features", ["all", "observed"])
def test_features_by_name_give_the_same_fit(form, state_features):
    named = [NAMED[form](x) for x in X]
    model = LinearChainCRF(tol=1e-5, state_features=state_features).fit(named, Y)
    expected = LinearChainCRF(tol=1e-8, state_features=state_features).fit(X, Y)
    names = list(model.vectorizer_.get_feature_names_out())
    assert sorted(names) == [f"f{j}" for j in range(6)] and model.n_features_in_ == 6
    ours, theirs = (sp.csr_matrix(m.coef_).toarray() for m in (model, expected))
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours[:, [names.index(f"f{j}") for j in range(6)]], theirs, atol=1e-3)
    for a, b in zip(model.predict_proba(named), expected.predict_proba(X), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    assert {record["feature"] for record in model.top_features(3)} <= set(names)
    assert model.explain(named[0])[1]["feature"] in names


def test_values_of_dicts():
    tokens = [{"word": "a", "title": True, "length": 1.5, "in": ["x", "y"]}, {"word": "b", "title": False, "length": 0}]
    model = LinearChainCRF(C=10.0).fit([tokens], [["X", "Y"]])
    names = model.vectorizer_.get_feature_names_out()
    assert sorted(names) == ["in:x", "in:y", "length", "title", "word:a", "word:b"]
    values = {record["feature"]: record["value"] for record in model.explain(tokens) if record["kind"] == "feature"}
    assert values == {"word:a": 1.0, "title": 1.0, "length": 1.5, "in:x": 1.0, "in:y": 1.0, "word:b": 1.0}
    # features that training did not have are ignored
    assert model.predict_proba([[{"unheard": 3.0}]])[0].tolist() == model.predict_proba([[{}]])[0].tolist()


def test_a_model_of_matrices_refuses_names_and_the_other_way_round(expected):
    with pytest.raises(ValueError, match="X is made of dicts or strings, but this model was fitted on matrices"):
        expected.predict([[{"f1": 1.0}]])
    named = quiet(LinearChainCRF(max_iter=3), [NAMED["dicts"](x) for x in X], Y)
    assert hasattr(named, "vectorizer_")
    # a later fit on matrices forgets the names
    assert not hasattr(quiet(named, X, Y), "vectorizer_")


# Empty sequences and rows alone


@pytest.mark.parametrize("solver", CHAIN_NAMES)
@pytest.mark.parametrize("state_features", ["all", "observed"])
def test_empty_sequences_are_as_if_they_were_not_there(solver, state_features):
    model = LinearChainCRF(solver=solver, state_features=state_features, max_iter=3, random_state=0)
    empty = np.empty((0, 6))
    with_empty = quiet(model, [empty, *X[:10], empty, *X[10:], empty], [[], *Y[:10], [], *Y[10:], []])
    kept = weights_of(with_empty)
    np.testing.assert_array_equal(kept, weights_of(quiet(model, X, Y)))
    for data in ([empty, X[0]], [sp.csr_matrix((0, 6)), X[0]], [[], X[0]]):
        paths, probabilities = model.predict(data), model.predict_proba(data)
        assert [len(path) for path in paths] == [0, LENGTHS[0]] and probabilities[0].shape == (0, 3)
        assert model.log_likelihood(data, [[], Y[0]])[0] == model.sequence_log_proba(data)[0] == 0.0
    for data in ([empty], [[], []], CSRSequences(sp.csr_matrix((0, 6)), [0])):
        assert [len(path) for path in model.predict(data)] == [0] * len(data)
    assert model.explain(empty) == []
    by_length = quiet(model, FLAT, LABELS, lengths=[0, *LENGTHS, 0])
    np.testing.assert_array_equal(weights_of(by_length), kept)


def test_empty_sequences_of_dicts():
    named = [NAMED["dicts"](x) for x in X]
    model = quiet(LinearChainCRF(max_iter=3), [[], *named, []], [[], *Y, []])
    np.testing.assert_array_equal(weights_of(model), weights_of(quiet(LinearChainCRF(max_iter=3), named, Y)))
    assert [len(path) for path in model.predict([[], named[0], []])] == [0, LENGTHS[0], 0]
    assert [len(path) for path in model.predict([[], []])] == [0, 0]


def test_rows_without_structure_warn_a_model_of_sequences(expected):
    with pytest.warns(UserWarning, match="tokens without lengths or sequence_ids: each is taken as a sequence of one"):
        path = expected.predict(FLAT)
    alone = expected.predict([row[None] for row in FLAT])
    np.testing.assert_array_equal(path, np.concatenate(list(alone)))
    rows_alone = LinearChainCRF().fit(FLAT, LABELS)
    rows_alone.predict(FLAT)


def test_sequences_alone_are_taken_where_asked(expected):
    model = LinearChainCRF(input="sequences", tol=1e-6)
    same_bits(model.fit(X, Y), expected)
    for data, structure in ((FLAT, {}), (ROWS, dict(lengths=LENGTHS))):
        with pytest.raises(ValueError, match="X must be a list of sequences with input='sequences', got"):
            model.fit(data, LABELS, **structure)
    assert [len(path) for path in model.predict([np.empty((0, 6))])] == [0]


def test_tokens_alone_are_taken_where_asked(expected):
    model = LinearChainCRF(input="flat", tol=1e-6)
    same_bits(model.fit(FLAT, LABELS, lengths=LENGTHS), LinearChainCRF(tol=1e-6).fit(FLAT, LABELS, lengths=LENGTHS))
    with pytest.raises(ValueError, match="array or CSR matrix of tokens with input='flat', got sequences"):
        model.fit(X, Y)
    np.testing.assert_array_equal(
        np.concatenate([*model.predict(SEQUENCES["CSRSequences"])]), model.predict(FLAT, lengths=LENGTHS)
    )
    assert model.explain(X[0])
    held_out = LinearChainCRF(input="flat", scoring="token_f1", early_stopping=True, max_iter=3)
    assert "validation_score" in quiet(held_out, FLAT, LABELS, lengths=LENGTHS).history_[0]


def test_input_is_never_changed():
    unsorted = csr(X[0])
    unsorted.indices, unsorted.data = unsorted.indices[::-1].copy(), unsorted.data[::-1].copy()
    sequences = [csr(x) for x in X]
    sequences[0].data[:1] = 0
    before = [(x.data.copy(), x.indices.copy(), x.indptr.copy()) for x in sequences]
    matrix = ROWS.copy()
    quiet(LinearChainCRF(max_iter=2), sequences, Y)
    quiet(LinearChainCRF(max_iter=2), CSRSequences(matrix, LENGTHS), Y)
    for x, arrays in zip([*sequences, matrix], [*before, (ROWS.data, ROWS.indices, ROWS.indptr)], strict=True):
        for ours, theirs in zip((x.data, x.indices, x.indptr), arrays, strict=True):
            np.testing.assert_array_equal(ours, theirs)


# Bad input


def changed(sequences, number, value):
    return [value if i == number else s for i, s in enumerate(sequences)]


def with_value(value):
    x = X[3].copy()
    x[0, 0] = value
    return changed(X, 3, x)


@pytest.mark.parametrize("data, labels, message", [
    (X, changed(Y, 4, Y[4] + ["L0"]), rf"y\[4\] has {LENGTHS[4] + 1} labels, X\[4\] has {LENGTHS[4]} tokens"),
    (["ab", "cd"], [["L0", "L1"]] * 2, r"X\[0\] must be a sequence of tokens, got a str"),
    (X, Y[:-1], "y has 24 label sequences, X has 25 sequences"),
    (X, changed(Y, 2, "L0"), r"y\[2\] must be a sequence of labels, got 'L0'"),
    (X, changed(Y, 2, 7), r"y\[2\] must be a sequence of labels, got 7"),
    (X, changed(Y, 0, [1] * LENGTHS[0]), "labels must be all strings or all integers"),
    (X, changed(Y, 0, [1.5] * LENGTHS[0]), "labels must be all strings or all integers"),
    ([], [], "X must hold at least one sequence, got none"),
    ([np.empty((0, 6))], [[]], "0 sample"),
    (with_value(np.nan), Y, "NaN"),
    (with_value(np.inf), Y, "infinity"),
    ([csr(x) for x in with_value(np.nan)], Y, "NaN"),
    (changed(X, 5, X[5][:, :4]), Y, r"X\[5\] has 4 features, X\[0\] has 6"),
    (changed([csr(x) for x in X], 5, csr(X[5][:, :4])), Y, r"X\[5\] has 4 features, X\[0\] has 6"),
    (changed(X, 5, X[5][0]), Y, r"X\[5\] must be 2-D \(tokens, features\), got 1-D"),
    ([["a", "b"]], [["L0", "L1"]], "got the string 'a'"),
    ([{"a": 1}, {"b": 1}], ["L0", "L1"], r"X\[0\] must be a sequence of tokens, got a dict"),
    ([[{"a": 1}], [{"a": object()}]], [["L0"], ["L1"]], "(?s)sequence 1.*token 0.*'a'.*object"),
    ([[{"a": 1}], [{"a": np.nan}]], [["L0"], ["L1"]], "(?s)sequence 1.*token 0.*'a'"),
    ([[{"a": 1}, {1: 1}]], [["L0", "L1"]], "(?s)sequence 0.*token 1"),
    ([[{"a": 1}, 3]], [["L0", "L1"]], "(?s)sequence 0.*token 1"),
])  # fmt: skip
def test_bad_sequences_are_refused(data, labels, message):
    model = LinearChainCRF(max_iter=2)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(data, labels)
    assert not hasattr(model, "classes_") and not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("labels, structure, message", [
    (LABELS, dict(lengths=[5, 5]), f"lengths must sum to the {len(LABELS)} tokens, got 10 in 2"),
    (LABELS, dict(lengths=[-1, len(LABELS) + 1]), "lengths must be a 1-D array of non-negative integers"),
    (LABELS, dict(lengths=LENGTHS, sequence_ids=IDS), "give lengths or sequence_ids, one of the two, got both"),
    (LABELS, dict(sequence_ids=IDS[:-1]), "sequence_ids must have one id for each of the"),
    (LABELS, dict(sequence_ids=IDS[::-1][np.argsort(np.arange(len(IDS)) % 2)]), "comes back"),
    (LABELS[:-1], dict(lengths=LENGTHS), f"y has {len(LABELS) - 1} labels, X has {len(LABELS)} tokens"),
    (np.arange(len(LABELS)) / 7, dict(lengths=LENGTHS), "continuous"),
    (Y[:-1], dict(lengths=LENGTHS), "y has 24 label sequences, X has 25 sequences"),
    (None, dict(lengths=LENGTHS), "y"),
])  # fmt: skip
def test_bad_tokens_are_refused(labels, structure, message):
    with pytest.raises((ValueError, TypeError), match=message):
        LinearChainCRF().fit(FLAT, labels, **structure)


@pytest.mark.parametrize("name", ["lengths", "sequence_ids"])
def test_sequences_have_their_own_lengths(name):
    with pytest.raises(ValueError, match=f"{name} is for X of tokens; the sequences of X have their own lengths"):
        LinearChainCRF().fit(X, Y, **{name: LENGTHS})


@pytest.mark.parametrize("weights, message", [
    (np.ones(24), r"sample_weight.shape == \(24,\), expected"),
    (-np.ones(25), "Negative values"),
    (np.zeros(25), "sample_weight must be positive for a sequence that has tokens"),
    (np.full(25, np.nan), "sample_weight must be finite"),
    (np.ones((25, 2)), "1D array"),
    (changed([np.ones(n) for n in LENGTHS], 3, np.ones(99)), r"sample_weight\[3\] has 99 entries, X\[3\] has"),
    ([np.ones(n) for n in LENGTHS[:-1]], "sample_weight has 24 entries, X has 25 sequences"),
])  # fmt: skip
def test_bad_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        LinearChainCRF().fit(X, Y, sample_weight=weights)


@pytest.mark.parametrize("of_sequences", [pd.Series, list, tuple])
def test_every_form_of_weights_gives_the_same_fit(of_sequences):
    weights = np.random.RandomState(0).rand(25)
    expected = LinearChainCRF().fit(X, Y, sample_weight=weights)
    form = pd.Series(weights, index=range(100, 125)) if of_sequences is pd.Series else of_sequences(weights)
    same_bits(LinearChainCRF().fit(X, Y, sample_weight=form), expected)
    same_bits(LinearChainCRF().fit(X, Y, sample_weight=2.0), LinearChainCRF().fit(X, Y, sample_weight=np.full(25, 2.0)))
    if of_sequences is pd.Series:
        return
    by_token = of_sequences([np.full(n, w) for n, w in zip(LENGTHS, weights, strict=True)])
    model = LinearChainCRF().fit(X, Y, sample_weight=by_token)
    np.testing.assert_allclose(weights_of(model), weights_of(expected), atol=1e-5)


@pytest.mark.parametrize("params, message", [
    (dict(C=0), "'C' parameter"),
    (dict(l1_ratio=2.0), "'l1_ratio' parameter"),
    (dict(solver="sgd"), "(?=.*adagrad)(?=.*lbfgs)"),
    (dict(state_features="seen"), "(?=.*'all')(?=.*'observed')"),
    (dict(transitions="seen"), "(?=.*'all')(?=.*'observed')"),
    (dict(fit_boundaries="yes"), "'fit_boundaries' parameter"),
    (dict(input="tokens"), "(?=.*'auto')(?=.*'sequences')(?=.*'flat')"),
    (dict(validation_fraction=0.999, early_stopping=True), "early_stopping cannot hold out validation_fraction=0.999"),
    (dict(class_weight={"L9": 1.0}), "L9|class_weight"),
    (dict(class_weight={"L0": 0, "L1": 0, "L2": 0}), "class_weight must be non-negative with a positive entry"),
])  # fmt: skip
def test_bad_parameters_are_refused_by_name(params, message):
    with pytest.raises(ValueError, match=message):
        LinearChainCRF(**params).fit(X, Y)


def test_prediction_asks_for_the_features_of_the_fit(expected):
    for data in ([x[:, :4] for x in X], [csr(x[:, :4]) for x in X]):
        with pytest.raises(ValueError, match="X has 4 features, but LinearChainCRF is expecting 6"):
            expected.predict(data)
    with pytest.raises(ValueError, match="NaN"):
        expected.predict(with_value(np.nan))
