"""Transitions that depend on features: fits, predictions and reports against the enumeration of all label paths."""

import pickle
import re
from itertools import pairwise

import dask.bag as db
import numpy as np
import pytest
import scipy.sparse as sp

from skopt_solvers import LinearChainCRF
from skopt_solvers.crf import save_crfsuite
from skopt_solvers.crf._constraints import allowed_transitions
from skopt_solvers.feature_extraction import DictFeatures

from ..chain_reference import codes, dense, enumeration, objective, quiet, same_bits, tagging, weights_of
from ..reference import CHAIN_NAMES, EXACT_NAMES, numerical_gradient
from .test_predict import assert_predictions

X, Y = tagging(30, n_labels=3, seed=1, longest=5)
NEW = [*tagging(12, n_labels=3, seed=2, longest=5)[0], np.empty((0, 12))]
CHOSEN = [1, 4, 7]


def crf(**params):
    return LinearChainCRF(**{"C": 2.0, "transition_features": CHOSEN, "random_state": 0, "tol": 1e-7, **params})


@pytest.fixture(scope="module", params=["all", "observed"])
def model(request):
    return crf(state_features=request.param, transitions=request.param, max_iter=1000).fit(X, Y)


def test_predictions_are_those_of_all_paths(model):
    assert_predictions(model, NEW)
    rng = np.random.RandomState(0)
    known = [[f"L{rng.randint(3)}" if rng.rand() < 0.4 else None for _ in x] for x in NEW]
    assert_predictions(model, NEW, known=known)
    labels = [[None if rng.rand() < 0.3 else f"L{rng.randint(3)}" for _ in x] for x in NEW[:-1]]
    expected = [enumeration(model, x).log_likelihood(codes(model, y)) for x, y in zip(NEW, labels, strict=False)]
    np.testing.assert_allclose(model.log_likelihood(NEW[:-1], labels), expected, atol=1e-9)


@pytest.mark.parametrize("missing", [False, True])
def test_constraints_hold_in_fits_and_predictions(missing):
    possible = lambda a, b: (a, b) != ("L0", "L1")  # noqa: E731
    labels = [["L2" if k and y[k - 1] == "L0" and tag == "L1" else tag for k, tag in enumerate(y)] for y in Y]
    if missing:
        labels = [[None if k % 3 == 1 else tag for k, tag in enumerate(y)] for y in labels]
    model = crf(constraints=possible).fit(X, labels)
    allowed = allowed_transitions(possible, model.classes_)
    assert_predictions(model, NEW, allowed)
    assert not model.transition_feature_coef_[:, 0, 1].any() and model.transition_feature_coef_.any()
    slope = 1e-3 if missing else 1e-4  # several minima, and steps that end at one of them
    value = objective(model, X, labels, allowed=allowed)
    for name, place in (("transition_feature_coef_", (1, 2, 0)), ("transition_coef_", (1, 2))):
        weights = getattr(model, name)
        for step in (0.05, -0.05):
            weights[place] += step
            assert objective(model, X, labels, allowed=allowed) > value - slope * abs(step)
            weights[place] -= step


@pytest.mark.parametrize("state_features", ["all", "observed"])
@pytest.mark.parametrize("transitions", ["all", "observed"])
def test_a_fit_is_at_the_minimum_of_the_formula(state_features, transitions):
    model = crf(state_features=state_features, transitions=transitions, tol=1e-10, max_iter=2000).fit(X, Y)
    coef = model.transition_feature_coef_
    assert sp.issparse(coef) == (transitions == "observed")
    weights = coef.data if sp.issparse(coef) else coef.reshape(-1)
    old = weights.copy()

    def value(some):
        weights[::5] = some
        found = objective(model, X, Y)
        weights[:] = old
        return found

    np.testing.assert_allclose(numerical_gradient(value, old[::5].copy()), 0, atol=2e-4)
    assert model.suboptimality_bound(X, Y) < 1e-3 * objective(model, X, Y)
    if transitions == "observed":
        seen = {
            (q, model.classes_.tolist().index(before), model.classes_.tolist().index(here))
            for x, y in zip(X, Y, strict=True)
            for t, (before, here) in enumerate(pairwise(y), 1)
            for q, column in enumerate(CHOSEN)
            if x[t, column]
        }
        rows, pairs = coef.nonzero()
        assert {(q, pair // 3, pair % 3) for q, pair in zip(rows, pairs, strict=True)} == seen


@pytest.mark.parametrize("solver", [name for name in CHAIN_NAMES if name in ("lbfgs", *EXACT_NAMES)])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.6])
def test_every_solver_finds_the_minimum(solver, l1_ratio):
    best = crf(l1_ratio=l1_ratio, tol=1e-9, max_iter=2000).fit(X, Y)
    optimum = objective(best, X, Y)
    if solver == "lbfgs":
        assert (best.transition_feature_coef_ == 0).any() == bool(l1_ratio)
        return
    ours = quiet(crf(solver=solver, l1_ratio=l1_ratio, max_iter=200, tol=0.0), X, Y)
    assert optimum - 1e-6 <= objective(ours, X, Y) < 1.01 * optimum


def test_the_bits_do_not_depend_on_threads_and_float32_is_close():
    many, labels = tagging(300, n_labels=3, seed=5)
    models = [quiet(crf(n_jobs=n, max_iter=30), many, labels) for n in (1, 3)]
    same_bits(*models)
    single = crf(max_iter=1000, tol=1e-6).fit([x.astype(np.float32) for x in X], Y)
    assert single.transition_feature_coef_.dtype == np.float32
    np.testing.assert_allclose(weights_of(single), weights_of(crf(max_iter=1000).fit(X, Y)), atol=1e-2)


def test_a_feature_that_decides_whether_the_label_changes():
    """A feature tells whether a token has the label before: no sum of a feature's and a pair's weight says it."""
    rng = np.random.RandomState(0)
    flips = [rng.randint(2, size=8) for _ in range(60)]
    sentences = [[{"flip": str(flip)} for flip in flip_of] for flip_of in flips]
    labels = [[("a", "b")[k] for k in np.cumsum(flip_of) % 2] for flip_of in flips]
    conditioned = LinearChainCRF(C=10, transition_features="flip").fit(sentences[:40], labels[:40])
    plain = LinearChainCRF(C=10).fit(sentences[:40], labels[:40])
    assert conditioned.score(sentences[40:], labels[40:]) == 1.0
    assert plain.score(sentences[40:], labels[40:]) < 0.8


def test_columns_are_chosen_by_name_pattern_function_number_and_mask():
    sentences = [[{"pos": "NN" if row[0] else "VB", "cap": bool(row[1])} for row in x] for x in X]
    vectorizer = DictFeatures().fit(sentences)
    names = vectorizer.get_feature_names_out()
    mask = np.array([name.startswith("pos:") for name in names])
    ways = ["pos", ["pos:NN", "pos:VB"], re.compile("pos:"), lambda name: name.startswith("pos:")]
    models = [quiet(crf(transition_features=way, max_iter=5), sentences, Y) for way in ways]
    matrices = vectorizer.transform(sentences)
    models += [quiet(crf(transition_features=way, max_iter=5), matrices, Y) for way in (mask, np.flatnonzero(mask))]
    for other in models:
        np.testing.assert_array_equal(other.transition_features_, np.flatnonzero(mask))
        same_bits(models[0], other)
    with pytest.raises(ValueError, match="transition_features must be column numbers or a boolean mask"):
        crf(transition_features="pos").fit(matrices, Y)
    with pytest.raises(ValueError, match=r"transition_features must choose a column of X, or be None, got \[\]"):
        crf(transition_features=[]).fit(X, Y)
    with pytest.raises(ValueError, match=r"transition_features must be columns from 0 to 11, as X has 12, got 12"):
        crf(transition_features=[12]).fit(X, Y)


def test_explanations_and_reports(model):
    x = NEW[0]
    records = model.explain(x)
    every = enumeration(model, x)
    path = codes(model, model.predict([x])[0])
    assert sum(record["contribution"] for record in records) == pytest.approx(every.score(path))
    conditioned = [record for record in records if record["kind"] == "transition_feature"]
    assert len(conditioned) == np.count_nonzero(x[1:, CHOSEN])
    assert {record["before"] for record in conditioned} <= set(model.classes_)
    other = ["L0" if label != "L0" else "L1" for label in model.predict([x])[0]]
    why_not = sum(record["contribution"] for record in model.explain(x, labels=other))
    assert why_not == pytest.approx(every.score(path) - every.score(codes(model, other)))
    top = model.top_transition_features(4)
    largest = np.sort(np.abs(dense(model.transition_feature_coef_)).ravel())[::-1][:4]
    np.testing.assert_allclose([abs(record["weight"]) for record in top], largest)
    assert LinearChainCRF(max_iter=1000).fit(X, Y).top_transition_features() == []


def test_a_stored_model_predicts_and_a_damaged_one_is_refused(model):
    again = pickle.loads(pickle.dumps(model))
    same_bits(model, again)
    for a, b in zip(model.predict_proba(NEW), again.predict_proba(NEW), strict=True):
        np.testing.assert_array_equal(a, b)
    for columns in ([1, 4, 12], [4, 1, 7]):
        damaged = pickle.loads(pickle.dumps(model))
        damaged.transition_features_ = np.array(columns)
        with pytest.raises(ValueError, match="transition_features_ must be columns that increase"):
            pickle.loads(pickle.dumps(damaged))


def test_warm_starts_go_on_where_the_features_are_the_same_and_take_the_weights_where_not():
    first = quiet(crf(solver="adam", warm_start=True, max_iter=3), X, Y)
    whole = quiet(crf(solver="adam", max_iter=6), X, Y)
    assert objective(quiet(first, X, Y), X, Y) < objective(quiet(crf(solver="adam", max_iter=3), X, Y), X, Y)
    assert objective(first, X, Y) == pytest.approx(objective(whole, X, Y), rel=0.2)
    model = crf(warm_start=True, max_iter=1000).fit(X, Y)
    kept = model.transition_feature_coef_.copy()
    quiet(model.set_params(transition_features=[4, 7, 9], max_iter=1, solver="momentum"), X, Y)
    assert np.abs(model.transition_feature_coef_[:2] - kept[1:]).max() < np.abs(kept[1:]).max()
    assert_predictions(model, NEW[:3])
    model.set_params(transition_features=None, solver="lbfgs", max_iter=1000).fit(X, Y)
    assert len(model.transition_features_) == 0
    np.testing.assert_allclose(model.coef_, crf(transition_features=None, max_iter=1000).fit(X, Y).coef_, atol=1e-3)


def test_streams_of_chunks_learn_them():
    model = crf(solver="adagrad", max_iter=1)
    for epoch in range(20):
        for part in (slice(0, 10), slice(10, 30)):
            model.partial_fit(X[part], Y[part], classes=["L0", "L1", "L2"] if not epoch else None)
    assert_predictions(model, NEW[:4])
    assert objective(model, X, Y) < 1.1 * objective(crf(max_iter=1000).fit(X, Y), X, Y)


def test_what_has_no_place_for_them_says_so(tmp_path):
    model = quiet(crf(fit_boundaries=False, max_iter=2), X, Y)
    with pytest.raises(ValueError, match="no transitions that depend on features: fit it with transition_features=No"):
        save_crfsuite(model, tmp_path / "model", feature_names=[f"x{j}" for j in range(12)])
    bag = db.from_sequence([x.tolist() for x in X], npartitions=2)
    with pytest.raises(ValueError, match=r"transition_features must be None where X is a dask bag, got \[1, 4, 7\]"):
        crf().fit(bag, db.from_sequence(Y, npartitions=2))
