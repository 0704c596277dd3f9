"""Entities of a CRF and their probabilities, against the reading of all label paths by seqeval."""

import json
from collections import defaultdict

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from skopt_solvers import LinearChainCRF
from skopt_solvers.crf import Entity
from skopt_solvers.crf._constraints import allowed_transitions
from skopt_solvers.metrics import entity_report
from skopt_solvers.sequence import CSRSequences

from ..chain_reference import DTYPES, codes, enumeration, quiet

# Labels of each scheme, and what its letters are called in IOBES, which seqeval reads.
SCHEMES = {
    "iob": (["B-a", "B-b", "I-a", "I-b", "O"], {}),
    "iob of one type": (["B-a", "I-a", "O"], {}),
    "ioe": (["E-a", "E-b", "I-a", "I-b", "O"], {}),
    "iobes": (["B-a", "E-a", "I-a", "O", "S-a", "S-b"], {}),
    "bilou": (["B-a", "I-a", "L-a", "L-b", "O", "U-a"], {"L": "E", "U": "S"}),
    "bmes": (["B", "E", "M", "S"], {"M": "I"}),
}
N_FEATURES = 5


def crf_of(labels, seed=0, dtype=np.float64, scale=1.0, constraints=None):
    """A fitted model over the labels whose weights are random; for odd seeds transitions depend on features."""
    rng, K = np.random.RandomState(seed), len(labels)
    model = quiet(LinearChainCRF(max_iter=1, constraints=constraints), [np.eye(N_FEATURES, dtype=dtype)[:1]], [["O"]])
    model.classes_ = np.array(labels)
    shapes = {"coef_": (K, N_FEATURES), "transition_coef_": (K, K), "start_coef_": K, "end_coef_": K}
    for name, shape in shapes.items():
        setattr(model, name, (scale * rng.standard_normal(shape)).astype(dtype))
    if seed % 2:
        model.transition_features_ = np.array([0, 3])
        model.transition_feature_coef_ = (scale * rng.standard_normal((2, K, K))).astype(dtype)
    return model


def sentences(seed=0, lengths=(4, 1, 0, 3, 2)):
    rng = np.random.RandomState(seed)
    return [np.round(2 * rng.randn(n, N_FEATURES)) / 2 for n in lengths]


def read_by_seqeval(labels, letters):
    """The entities of labels as (start, end, type)."""
    spelt = [label if label == "O" else letters.get(label[0], label[0]) + label[1:] for label in labels]
    return [(begin, last + 1, "" if kind == "_" else kind) for kind, begin, last in get_entities(spelt)]


def probabilities(every, model, letters):
    """The probability of each entity: that of all paths in which seqeval reads it."""
    found, names = defaultdict(float), model.classes_.tolist()
    for path, probability in zip(every.paths.tolist(), every.probabilities(), strict=True):
        if probability > 0:
            for entity in read_by_seqeval([names[k] for k in path], letters):
                found[entity] += probability
    return found


def assert_entities(model, X, letters, atol, allowed=None, known=None):
    options = {} if known is None else dict(known_labels=known)
    of_paths = model.predict_entities(X, **options)
    all_of_them = model.predict_entities(X, candidates=True, min_probability=1e-9, **options)
    assert len(of_paths) == len(all_of_them) == len(X)
    for s, (x, path) in enumerate(zip(X, model.predict(X, **options), strict=True)):
        assert [entity[:3] for entity in of_paths[s]] == read_by_seqeval(list(path), letters)
        if not len(x):
            assert all_of_them[s] == []
            continue
        every = enumeration(model, x, allowed, None if known is None else codes(model, known[s]))
        expected = probabilities(every, model, letters)
        for entity in of_paths[s]:
            assert entity.probability == pytest.approx(expected[entity[:3]], abs=atol)
        found = {entity[:3]: entity.probability for entity in all_of_them[s]}
        assert len(found) == len(all_of_them[s]) and min(found.values(), default=1) >= 1e-9
        for key in expected.keys() | found.keys():
            assert found.get(key, 0.0) == pytest.approx(expected[key], abs=max(atol, 1e-9))


TOLERANCE = {np.float32: 1e-6, np.float64: 1e-12}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_probabilities_are_those_of_all_paths(kernels, scheme, dtype):
    labels, letters = SCHEMES[scheme]
    for seed in range(2):
        model = crf_of(labels, seed, dtype)
        assert_entities(model, sentences(seed), letters, 8 * TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [30.0, 1000.0])
def test_large_weights_lose_nothing(scale, dtype):
    for seed in range(5):
        model = crf_of(SCHEMES["iob"][0], seed, dtype, scale)
        assert_entities(model, sentences(seed), {}, 16 * scale * TOLERANCE[dtype])


@given(st.sampled_from(["bio", "iobes", "callable"]), st.integers(0, 10**6), st.sampled_from(DTYPES))
@settings(max_examples=15)
def test_constraints_and_known_labels(constraints, seed, dtype):
    rng, labels = np.random.RandomState(seed), SCHEMES["iobes" if constraints == "iobes" else "iob"][0]
    if constraints == "callable":
        forbidden = {(labels[i], labels[j]) for i, j in rng.randint(len(labels), size=(4, 2)) if "O" not in labels[j]}
        constraints = lambda a, b: (a, b) not in forbidden  # noqa: E731
    model, X = crf_of(labels, seed, dtype, rng.choice([1.0, 20.0]), constraints), sentences(seed)
    allowed = allowed_transitions(constraints, model.classes_)
    atol = 200 * TOLERANCE[dtype]
    assert_entities(model, X, {}, atol, allowed)
    # known labels that leave a path: a part of a possible one
    paths = model.predict(X)
    known = [[None if rng.rand() < 0.6 else label for label in path] for path in paths]
    assert_entities(model, X, {}, atol, allowed, known)


def test_long_sequences_and_single_tokens():
    """A span of one token is as probable as its label where all are single."""
    model = crf_of(["O", "S-a", "S-b"], scale=20.0)
    x = sentences(3, (20_000,))
    P = model.predict_proba(x)[0]
    for entity in model.predict_entities(x)[0]:
        assert entity.end == entity.start + 1
        k = ["O", "S-a", "S-b"].index(f"S-{entity.type}")
        assert entity.probability == pytest.approx(P[entity.start, k], abs=1e-9)


def test_threads_and_repetition_give_the_same():
    model, X = crf_of(SCHEMES["iob"][0]), sentences(0, [7] * 300)
    alone = model.set_params(n_jobs=1).predict_entities(X, candidates=True, min_probability=0.1)
    assert model.set_params(n_jobs=2).predict_entities(X, candidates=True, min_probability=0.1) == alone
    assert alone == [model.predict_entities([x], candidates=True, min_probability=0.1)[0] for x in X]


def test_min_probability_filters():
    model, X = crf_of(SCHEMES["iob"][0], scale=0.7), sentences(0, [6] * 40)
    every = model.predict_entities(X)
    assert {entity.probability >= 0.3 for found in every for entity in found} == {True, False}
    kept = model.predict_entities(X, min_probability=0.3)
    assert kept == [[entity for entity in found if entity.probability >= 0.3] for found in every]
    likely = model.predict_entities(X, min_probability=0.3, candidates=True)
    assert all(set(some) <= set(found) for some, found in zip(kept, likely, strict=True)) and kept != likely
    for found in likely:
        assert found == sorted(found)
        for token in range(6):
            assert sum(e.probability for e in found if e.start <= token < e.end) <= 1 + 1e-12


# Input and output


def test_every_form_of_x():
    model, X = crf_of(SCHEMES["iob"][0]), sentences(0, (4, 1, 3))
    expected, lengths, flat = model.predict_entities(X), [4, 1, 3], np.vstack(X)
    assert any(expected)
    assert model.predict_entities([sp.csr_matrix(x) for x in X]) == expected
    assert model.predict_entities(CSRSequences(sp.csr_matrix(flat), lengths)) == expected
    assert model.predict_entities(flat, lengths=lengths) == expected
    assert model.predict_entities(sp.csr_matrix(flat), sequence_ids=np.repeat([5, 9, 2], lengths)) == expected


def test_entities_are_plain_values_and_what_metrics_count():
    model, X = crf_of(SCHEMES["iobes"][0]), sentences(0, [6] * 50)
    found = model.predict_entities(X)
    assert {type(entity) for entities in found for entity in entities} == {Entity}
    assert {tuple(map(type, entity)) for entities in found for entity in entities} == {(int, int, str, float)}
    assert json.loads(json.dumps(found)) == [[list(entity) for entity in entities] for entities in found]
    labels = model.predict(X)
    report = entity_report(labels, labels, scheme="iobes")[-1]
    assert report["support"] == sum(map(len, found)) > 0


def test_other_spellings():
    model, X = crf_of(SCHEMES["iob"][0]), sentences()
    expected = model.predict_entities(X)
    model.classes_ = np.array([label if label == "O" else f"{label[2]}__{label[0]}" for label in model.classes_])
    assert model.predict_entities(X, delimiter="__", suffix=True) == expected


@pytest.mark.parametrize("labels, message", [
    (["B-a", "NN", "O"], "predict_entities needs the labels .*, got"),
    (["B-a", "E-a", "L-a"], "predict_entities needs the labels .* of one of the schemes iob1, iob2, .*, bmes"),
    ([0, 1, 2], "predict_entities needs the labels"),
])  # fmt: skip
def test_labels_of_no_scheme_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        crf_of(labels).predict_entities(sentences())


@pytest.mark.parametrize("options, message", [
    (dict(min_probability=1.5), r"min_probability must be a number in \[0, 1\], got 1.5"),
    (dict(min_probability=np.nan), "min_probability must be a number"),
    (dict(min_probability="high"), "min_probability must be a number"),
    (dict(candidates=True), "min_probability must be positive where candidates=True"),
    (dict(candidates="all", min_probability=0.5), "candidates must be True or False, got 'all'"),
    (dict(delimiter=""), "delimiter must be a string of one"),
    (dict(known_labels=[["I-a"], [None] * 3]), "constraints and known_labels leave sequence 0 no labels"),
    (dict(known_labels=[["I-a"], [None] * 3], candidates=True, min_probability=0.5), "leave sequence 0 no labels"),
])  # fmt: skip
def test_bad_options_are_refused(options, message):
    model = crf_of(SCHEMES["iob"][0], constraints="bio")
    with pytest.raises(ValueError, match=message):
        model.predict_entities(sentences(0, (1, 3)), **options)
