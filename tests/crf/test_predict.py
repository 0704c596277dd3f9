"""What a fitted LinearChainCRF says: paths, probabilities, constraints and explanations, against all label paths."""

import itertools
import json
import pickle
import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import seqeval.metrics

from skopt_solvers import LinearChainCRF
from skopt_solvers.crf._constraints import allowed_transitions
from skopt_solvers.sequence import SCHEMES, STRICT, TagForm, facts_of, spans

from ..chain_reference import codes, enumeration, objective, quiet, tagging

X, Y = tagging(30, n_labels=4, seed=1, longest=5)
NEW = [*tagging(20, n_labels=4, seed=2, longest=6)[0], np.empty((0, 12))]
BIO = ["B-a", "B-b", "I-a", "I-b", "O"]
IOBES = ["B-a", "E-a", "I-a", "O", "S-a"]


@pytest.fixture(scope="module", params=["all", "observed"])
def model(request):
    return LinearChainCRF(C=3.0, state_features=request.param, transitions=request.param, random_state=0).fit(X, Y)


def known_labels(seed=0):
    rng = np.random.RandomState(seed)
    return [[f"L{rng.randint(4)}" if rng.rand() < 0.4 else None for _ in x] for x in NEW]


def assert_predictions(model, X, allowed=None, known=None, k=6):
    """Each kind of prediction against the enumeration of all paths."""
    options = {} if known is None else dict(known_labels=known)
    paths, probabilities = model.predict(X, **options), model.predict_proba(X, **options)
    topk = model.predict_topk(X, k, **options)
    assert paths.shape == probabilities.shape == (len(X),) and paths.dtype == probabilities.dtype == object
    assert len(topk) == len(X)
    for s, x in enumerate(X):
        every = enumeration(model, x, allowed, None if known is None else codes(model, known[s]))
        best = every.best(k)
        assert (
            type(paths[s]) is list
            and len(paths[s]) == len(x)
            and probabilities[s].shape == (len(x), len(model.classes_))
        )
        assert every.score(codes(model, paths[s])) - every.log_z() == pytest.approx(best[0], abs=1e-9)
        np.testing.assert_allclose(probabilities[s], every.marginals(), atol=1e-9)
        np.testing.assert_allclose(probabilities[s].sum(axis=1), 1.0, rtol=1e-12)
        np.testing.assert_allclose([log_probability for _, log_probability in topk[s]], best, atol=1e-9)
        for path, log_probability in topk[s]:
            assert every.score(codes(model, path)) - every.log_z() == pytest.approx(log_probability, abs=1e-9)
        assert len({tuple(path) for path, _ in topk[s]}) == len(best)


@pytest.mark.parametrize("kind", [str, int])
def test_predicted_labels_are_python_s_own(kind):
    y = Y if kind is str else [[int(label[1:]) for label in labels] for labels in Y]
    paths = LinearChainCRF(max_iter=500).fit(X, y).predict(NEW)
    assert paths.shape == (len(NEW),) and {type(path) for path in paths} == {list}
    assert {type(label) for path in paths for label in path} == {kind}
    assert json.loads(json.dumps(paths.tolist())) == paths.tolist()
    if kind is str:
        chunks = [[label.replace("L", "B-") for label in path] for path in paths]
        assert seqeval.metrics.f1_score(chunks, chunks) == 1.0


def test_predictions_are_those_of_all_paths(model):
    assert_predictions(model, NEW)


def test_known_labels_are_kept(model):
    for seed in range(4):
        known = known_labels(seed)
        assert_predictions(model, NEW, known=known)
        for path, labels in zip(model.predict(NEW, known_labels=known), known, strict=True):
            assert all(label in (None, found) for found, label in zip(path, labels, strict=True))


def test_likelihoods(model):
    expected = [enumeration(model, x).log_likelihood(codes(model, y)) for x, y in zip(X, Y, strict=True)]
    np.testing.assert_allclose(model.log_likelihood(X, Y), expected, atol=1e-9)
    of_paths = [enumeration(model, x).best(1)[0] for x in NEW]
    np.testing.assert_allclose(model.sequence_log_proba(NEW), of_paths, atol=1e-9)
    np.testing.assert_allclose(model.log_likelihood(NEW, model.predict(NEW)), of_paths, atol=1e-9)


def test_score_is_the_share_of_tokens(model):
    right = [np.array(y) == path for y, path in zip(Y, model.predict(X), strict=True)]
    assert model.score(X, Y) == pytest.approx(np.mean(np.concatenate(right)))
    weights = np.random.RandomState(0).rand(len(X))
    by_token = np.repeat(weights, [len(y) for y in Y])
    expected = np.average(np.concatenate(right), weights=by_token)
    assert model.score(X, Y, sample_weight=weights) == pytest.approx(expected)
    assert model.score(X, Y, sample_weight=[np.full(len(y), w) for y, w in zip(Y, weights, strict=True)]) == (
        pytest.approx(expected)
    )
    # a label that training did not have is a miss, a missing one is not asked
    assert model.score(X, [["unseen"] * len(y) for y in Y]) == 0.0
    some = [[label if r else None for label, r in zip(y, ok, strict=True)] for y, ok in zip(Y, right, strict=True)]
    assert model.score(X, some) == 1.0
    with pytest.raises(ValueError, match="score needs a token with a label"):
        model.score(X, [[None] * len(y) for y in Y])


def test_k_best_paths_of_every_number(model):
    x = NEW[0][:2]
    assert [len(model.predict_topk([x], k)[0]) for k in (1, 3, 16, 100)] == [1, 3, 16, 16]
    best = model.predict_topk([x], 100)[0]
    assert sum(np.exp(log_probability) for _, log_probability in best) == pytest.approx(1.0)
    assert model.predict_topk([np.empty((0, 12))], 3)[0][0][1] == 0.0
    for k in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="k must be an integer >= 1"):
            model.predict_topk([x], k)


def test_an_unknown_label_is_named(model):
    wrong = [list(y) for y in Y]
    wrong[2][-1] = "L9"
    place = f"has the label 'L9' (token {len(Y[2]) - 1} of sequence 2) that is not among"
    for name, call in {
        "known_labels": lambda: model.predict(X, known_labels=wrong),
        "y": lambda: model.log_likelihood(X, wrong),
    }.items():
        with pytest.raises(ValueError, match=re.escape(f"{name} {place}")):
            call()


# Constraints


def allowed_by(rule, K):
    """A (from, to) matrix over indices with two rows that let every label begin and end."""
    return np.vstack([[[rule(a, b) for b in range(K)] for a in range(K)], np.ones((2, K), bool)]).astype(bool)


def labels_that_obey(allowed, classes, seed=0):
    """A random allowed path for each sequence of X."""
    rng = np.random.RandomState(seed)
    paths = []
    for x in X:
        every = enumeration(Zeros(len(classes)), x, allowed)
        choices = every.paths[np.isfinite(every.scores)]
        paths.append([classes[k] for k in choices[rng.randint(len(choices))]])
    return paths


class Zeros:
    """A chain whose weights are all 0."""

    def __init__(self, K):
        self.coef_, self.transition_coef_ = np.zeros((K, 12)), np.zeros((K, K))
        self.start_coef_ = self.end_coef_ = np.zeros(K)


def rule_of_bio(a, b):
    return not (BIO[b].startswith("I-") and BIO[a][2:] != BIO[b][2:])


MATRIX = np.array([[True, False, True], [True, True, False], [False, True, True]])
CONSTRAINTS = {
    "bio": ("bio", BIO, np.vstack([allowed_by(rule_of_bio, 5)[:5], [[1, 1, 0, 0, 1], [1] * 5]]).astype(bool)),
    "iobes": (
        "iobes",
        IOBES,
        # from B, E, I, O, S to the same; then what may begin and end
        np.array([[0, 1, 1, 0, 0], [1, 0, 0, 1, 1], [0, 1, 1, 0, 0], [1, 0, 0, 1, 1], [1, 0, 0, 1, 1]]
                 + [[1, 0, 0, 1, 1], [0, 1, 0, 1, 1]], dtype=bool),
    ),
    "matrix": (MATRIX, ["a", "b", "c"], np.vstack([MATRIX, np.ones((2, 3), bool)])),
    "callable": (
        lambda a, b: not (a == "c" and b == "a"), ["a", "b", "c"], allowed_by(lambda a, b: (a, b) != (2, 0), 3)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraints_are_read(name):
    constraints, classes, allowed = CONSTRAINTS[name]
    np.testing.assert_array_equal(allowed_transitions(constraints, np.array(classes)), allowed)


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_schemes_allow_the_tags_that_are_read_as_whole_entities(scheme, length):
    """A sequence is possible just where the strict reading of the metrics leaves no tag outside an entity."""
    classes = sorted(["O"] + [f"{letter}-{kind}" for letter in SCHEMES[scheme] for kind in "ab"])
    K, every = len(classes), np.array(list(itertools.product(range(len(classes)), repeat=length)))
    prefixes, kinds = facts_of(classes, TagForm(SCHEMES[scheme]), {}, "")[every.ravel()].T
    first = np.tile(np.arange(length) == 0, len(every))
    inside = prefixes == 0
    for begin, end in zip(*spans(prefixes, kinds, first, STRICT[scheme]), strict=True):
        inside[begin:end] = True
    allowed = allowed_transitions(scheme, np.array(classes))
    possible = allowed[K, every[:, 0]] & allowed[K + 1, every[:, -1]]
    possible &= allowed[every[:, :-1], every[:, 1:]].all(axis=1)
    np.testing.assert_array_equal(possible, inside.reshape(-1, length).all(axis=1))


def test_constraints_that_are_edited_are_read_anew():
    matrix, classes, state = np.ones((2, 2), bool), np.array(["a", "b"]), []
    matrix[0, 0] = allowed_transitions(matrix, classes)[1, 1] = False
    assert not allowed_transitions(matrix, classes)[0, 0] and allowed_transitions(matrix, classes)[1, 1]
    ask = lambda a, b: not state  # noqa: E731
    assert allowed_transitions(ask, classes).all()
    state.append(1)
    assert not allowed_transitions(ask, classes)[:2].any()
    for shared in (None, "bio"):
        with pytest.raises(ValueError, match="read-only"):
            allowed_transitions(shared, np.array(["B-a", "O"]))[0, 0] = False


@pytest.mark.parametrize("name", CONSTRAINTS)
@pytest.mark.parametrize("state_features", ["all", "observed"])
@pytest.mark.parametrize("fit_boundaries", [True, False])
def test_forbidden_transitions_have_probability_zero(name, state_features, fit_boundaries):
    constraints, classes, allowed = CONSTRAINTS[name]
    y = labels_that_obey(allowed, classes)
    model = LinearChainCRF(constraints=constraints, state_features=state_features, fit_boundaries=fit_boundaries, C=0.5)
    model.fit(X, y)
    assert model.classes_.tolist() == classes
    assert model.history_[-1]["objective"] == pytest.approx(objective(model, X, y, allowed=allowed), rel=1e-9)
    assert 0 <= model.suboptimality_bound(X, y) < 1e-3
    assert_predictions(model, NEW, allowed)
    for paths in model.predict_topk(NEW, 9):
        for path, log_probability in paths:
            assert enumeration(model, np.zeros((len(path), 12)), allowed, codes(model, path)).possible
            assert np.isfinite(log_probability)
    if isinstance(constraints, str):
        pickle.loads(pickle.dumps(model))
    if name == "bio":
        assert model.log_likelihood([NEW[0][:2]], [["O", "I-a"]])[0] == -np.inf
        assert model.predict_proba([NEW[0][:1]])[0][0, 2] == 0


def test_constraints_and_known_labels():
    _, classes, allowed = CONSTRAINTS["bio"]
    model = LinearChainCRF(constraints="bio").fit(X, labels_that_obey(allowed, classes))
    known = [[None] * (len(x) - 1) + ["I-a"] if len(x) > 1 else [None] * len(x) for x in NEW]
    assert_predictions(model, NEW, allowed, known)
    with pytest.raises(ValueError, match="constraints and known_labels leave sequence 1 no labels"):
        model.predict(NEW[:2], known_labels=[[None] * len(NEW[0]), ["I-a"] + [None] * (len(NEW[1]) - 1)])
    for method in (model.predict_proba, model.predict_topk):
        with pytest.raises(ValueError, match="leave sequence 0 no labels"):
            method([NEW[0][:1]], known_labels=[["I-b"]])


def test_constraints_of_missing_labels():
    _, classes, allowed = CONSTRAINTS["bio"]
    rng = np.random.RandomState(0)
    y = [[None if rng.rand() < 0.3 else c for c in path] for path in labels_that_obey(allowed, classes)]
    model = quiet(LinearChainCRF(constraints="bio", max_iter=5), X, y)
    assert model.history_[-1]["objective"] == pytest.approx(objective(model, X, y, allowed=allowed), rel=1e-9)


def test_labels_that_constraints_forbid_are_refused():
    y = [["O"] * len(x) for x in X]
    y[3] = ["B-a", "I-a", "I-b", "O", "O", "O"][: len(X[3])]
    y[4] = ["B-b"] * len(X[4])
    assert len(X[3]) >= 3
    with pytest.raises(
        ValueError, match=r"constraints forbid the labels \['I-a', 'I-b'\] of y, up to token 2 of sequence 3"
    ):
        LinearChainCRF(constraints="bio").fit(X, y)
    y[3] = ["I-a", *y[3][1:]]
    with pytest.raises(ValueError, match=r"forbid the labels \['I-a'\] of y, up to token 0 of sequence 3"):
        LinearChainCRF(constraints="bio").fit(X, y)


@pytest.mark.parametrize("constraints, message", [
    ("bio", "constraints='bio' needs labels 'O' and B-type, I-type, got 'L0'"),
    ("iobes", "constraints='iobes' needs labels 'O' and B-type, I-type, E-type, S-type"),
    (np.ones((2, 2), bool), r"boolean array of shape \(4, 4\)"),
    (np.ones((4, 4)), "boolean array .* got an array of float64"),
    ("bilou", "constraints='bilou' needs labels 'O' and B-type, I-type, L-type, U-type, got 'L0'"),
    ("bilu", "'constraints' parameter"),
    (3, "'constraints' parameter"),
])  # fmt: skip
def test_bad_constraints_are_refused(constraints, message):
    with pytest.raises(ValueError, match=message):
        LinearChainCRF(constraints=constraints).fit(X, Y)


# Reports


def test_explanations_sum_to_the_score_of_the_path(model):
    for x in NEW:
        table = pd.DataFrame(model.explain(x))
        path = model.predict([x])[0]
        if not len(x):
            assert table.empty
            continue
        assert table.groupby("position")["label"].first().tolist() == path
        every = enumeration(model, x)
        assert table["contribution"].sum() == pytest.approx(every.score(codes(model, path)), abs=1e-9)
        np.testing.assert_allclose(table["contribution"], table["value"] * table["weight"])
        kinds = table["kind"].value_counts()
        assert kinds["start"] == kinds["end"] == 1 and kinds.get("transition", 0) == len(x) - 1
        assert kinds.get("feature", 0) == (x != 0).sum()


def test_explanations_of_other_labels_sum_to_the_difference(model):
    rng = np.random.RandomState(0)
    for x in NEW[:-1]:
        every, path = enumeration(model, x), model.predict([x])[0]
        whole = [f"L{rng.randint(4)}" for _ in x]
        some = {int(t): f"L{rng.randint(4)}" for t in rng.choice(len(x), rng.randint(len(x)) + 1, replace=False)}
        for labels in (whole, some, [some.get(t) for t in range(len(x))], path):
            given = dict(enumerate(labels)) if isinstance(labels, list) else labels
            known = codes(model, [given.get(t) for t in range(len(x))])
            best = enumeration(model, x, known=known).best(1)[0] + enumeration(model, x, known=known).log_z()
            records = model.explain(x, labels=labels)
            expected = every.score(codes(model, path)) - best
            assert sum(record["contribution"] for record in records) == pytest.approx(expected, abs=1e-9)
            assert all(record["label"] == path[record["position"]] for record in records)
            other = {record["position"]: record["other"] for record in records}
            assert all(given[t] is None or label == given[t] for t, label in other.items() if t in given)
            assert all(record["label"] != record["other"] or record["kind"] == "transition" for record in records)
            assert all(record["contribution"] == record["value"] * record["weight"] for record in records)
            assert labels is not path or records == []


def test_explanations_of_labels_that_cannot_be():
    _, classes, allowed = CONSTRAINTS["bio"]
    model = LinearChainCRF(constraints="bio").fit(X, labels_that_obey(allowed, classes))
    x = NEW[0]
    for labels, message in [
        ({len(x): "O"}, f"labels must be of the {len(x)} tokens of x, counted from 0, got {len(x)}"),
        ({"first": "O"}, "labels must be of the .* tokens of x"),
        (["O"], rf"labels\[0\] has 1 labels, X\[0\] has {len(x)} tokens"),
        ({0: "I-c"}, "labels has the label 'I-c'"),
        ({0: "I-a"}, "constraints and labels leave sequence 0 no labels"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.explain(x, labels=labels)


def test_explanations_of_csr_and_names(model):
    x = NEW[0]
    assert model.explain(sp.csr_matrix(x)) == model.explain(x)
    names = [f"name {j}" for j in range(12)]
    used = {record["feature"] for record in model.explain(x, feature_names=names) if record["kind"] == "feature"}
    assert used == {names[j] for j in np.flatnonzero(x.any(axis=0))}
    with pytest.raises(ValueError, match="feature_names must have 12 names, got 3"):
        model.top_features(feature_names=names[:3])


def test_largest_weights_first(model):
    coef = model.coef_.toarray() if sp.issparse(model.coef_) else model.coef_
    table = pd.DataFrame(model.top_features(7))
    assert table.columns.tolist() == ["feature", "label", "weight"]
    np.testing.assert_allclose(table["weight"].abs(), np.sort(np.abs(coef.ravel()))[::-1][:7])
    for record in table.to_dict("records"):
        assert record["weight"] == coef[model.classes_.tolist().index(record["label"]), int(record["feature"][1:])]
    steps = pd.DataFrame(model.top_transitions(100))
    assert len(steps) == 16 and steps["weight"].abs().is_monotonic_decreasing
    for record in steps.to_dict("records"):
        i, j = (model.classes_.tolist().index(record[key]) for key in ("from", "to"))
        assert record["weight"] == model.transition_coef_[i, j]
    assert len(model.top_features(10**6)) == (model.coef_.nnz if sp.issparse(model.coef_) else coef.size)
    for report in (model.top_features, model.top_transitions):
        with pytest.raises(ValueError, match="n must be an integer >= 1, got 0"):
            report(0)
