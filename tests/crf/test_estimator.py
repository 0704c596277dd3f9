"""LinearChainCRF: what a fit ends at, with every solver, and that CRFsuite and scikit-learn end there too."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pycrfsuite
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from skopt_solvers import LinearChainCRF
from skopt_solvers.solvers import SOLVERS, Solver
from skopt_solvers.solvers._base import Result

from ..chain_reference import COEFFICIENTS, codes, dense, enumeration, objective, quiet, tagging, weights_of
from ..reference import CHAIN_NAMES, EXACT_NAMES

X, Y = tagging()
FORMS = [
    dict(state_features=state_features, transitions=transitions, fit_boundaries=fit_boundaries)
    for state_features in ("all", "observed")
    for transitions in ("all", "observed")
    for fit_boundaries in (True, False)
]
# the (label, feature) pairs and the transitions of the data
SEEN = {
    (label, j) for x, y in zip(X, Y, strict=True) for row, label in zip(x, y, strict=True) for j in np.flatnonzero(row)
}
STEPS = {step for y in Y for step in pairwise(y)}


class Looks(Solver):
    """A solver that only evaluates the objective where it starts."""

    def check(self, objective):
        pass

    def minimize(self, objective, W, **options):
        value = objective.scale * objective.value(W)
        return Result(W.copy(), 0, True, "looked", "", [dict(iteration=0, objective=value)])


def compiled_objective(model, *data, **options):
    """The objective at the weights of a fitted model."""
    looking = copied(model).set_params(warm_start=True, solver=Looks())
    return quiet(looking, *data, **options).history_[0]["objective"]


def copied(model):
    return pickle.loads(pickle.dumps(model))


# The optimum


@pytest.mark.parametrize("solver", CHAIN_NAMES)
@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
def test_the_history_tells_the_objective_of_the_class(solver, form):
    model = quiet(LinearChainCRF(solver=solver, l1_ratio=0.3, C=2.0, max_iter=4, random_state=0, **form), X, Y)
    history = pd.DataFrame(model.history_)
    assert list(history["iteration"]) == list(range(1, model.n_iter_ + 1))
    assert history["objective"].iloc[-1] == pytest.approx(objective(model, X, Y), rel=1e-9)
    assert history["objective"].iloc[-1] < 2.0 * sum(map(len, Y)) * np.log(3)
    if not form["fit_boundaries"]:
        assert not model.start_coef_.any() and not model.end_coef_.any()
    if form["state_features"] == "observed":
        found = {(model.classes_[k], j) for k, j in zip(*model.coef_.nonzero(), strict=True)}
        assert len(found) == model.coef_.nnz and found <= SEEN
    if form["transitions"] == "observed":
        found = {(model.classes_[i], model.classes_[j]) for i, j in zip(*model.transition_coef_.nonzero(), strict=True)}
        assert found <= STEPS


@pytest.mark.parametrize("solver", CHAIN_NAMES)
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("state_features", ["all", "observed"])
def test_every_solver_ends_at_the_optimum_and_the_bound_says_so(solver, l1_ratio, state_features):
    params = dict(l1_ratio=l1_ratio, state_features=state_features, C=0.7)
    best = LinearChainCRF(tol=4e-10 if l1_ratio < 1 else 1e-8, max_iter=2000, **params).fit(X, Y)
    optimum, bound = objective(best, X, Y), best.suboptimality_bound(X, Y)
    assert best.converged_ and 0 <= bound < (1e-8 if l1_ratio < 1 else 1e-4) * optimum
    if solver == "lbfgs":
        assert l1_ratio == 0 or (weights_of(best) == 0).mean() > 0.05
        return
    kind = SOLVERS[solver](schedule="linear", batch_size=8)
    ours = quiet(LinearChainCRF(solver=kind, random_state=0, max_iter=200, **params), X, Y)
    value = objective(ours, X, Y)
    if solver not in EXACT_NAMES:  # minimises another function, whose penalty is its own weight decay
        assert ours.score(X, Y) > 0.7
    else:
        assert optimum - bound - 1e-9 <= value < 1.003 * optimum
    assert value - optimum <= ours.suboptimality_bound(X, Y) * (1 + 1e-9) + 1e-9


def test_the_bound_is_infinite_without_penalty_and_with_missing_labels():
    assert quiet(LinearChainCRF(C=np.inf, max_iter=3), X, Y).suboptimality_bound(X, Y) == np.inf
    partly = [[None, *y[1:]] for y in Y]
    assert quiet(LinearChainCRF(max_iter=3), X, partly).suboptimality_bound(X, partly) == np.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_data_is_that_of_the_weights(dtype):
    model = LinearChainCRF(tol=1e-5).fit([x.astype(dtype) for x in X], Y)
    assert {getattr(model, name).dtype for name in COEFFICIENTS} == {np.dtype(dtype)}
    assert {P.dtype for P in model.predict_proba(X)} == {np.dtype(dtype)}
    best = LinearChainCRF(tol=1e-8).fit(X, Y)
    np.testing.assert_allclose(weights_of(model), weights_of(best), atol=5e-3)


@pytest.mark.parametrize("n_classes", [3, 5])
@pytest.mark.parametrize("fit_boundaries", [False, True])
def test_rows_alone_are_multinomial_logistic_regression(n_classes, fit_boundaries):
    """The boundaries are two penalised intercepts: together a feature of value sqrt(2)."""
    rng = np.random.RandomState(0)
    rows = rng.randn(200, 4)
    labels = (rows @ rng.randn(4, n_classes) + rng.gumbel(size=(200, n_classes))).argmax(axis=1)
    bias = np.full((200, 1), np.sqrt(2) if fit_boundaries else 1.0)
    with_bias = np.hstack([rows, bias])
    ours = LinearChainCRF(C=0.5, fit_boundaries=fit_boundaries, tol=1e-9, max_iter=500)
    ours.fit(rows if fit_boundaries else with_bias, labels)
    theirs = LogisticRegression(C=0.5, fit_intercept=False, tol=1e-10, max_iter=5000).fit(with_bias, labels)
    np.testing.assert_allclose(ours.coef_[:, :4], theirs.coef_[:, :4], atol=1e-6)
    given = rows if fit_boundaries else with_bias
    np.testing.assert_allclose(ours.predict_proba(given), theirs.predict_proba(with_bias), atol=1e-6)
    np.testing.assert_array_equal(ours.predict(given), theirs.predict(with_bias))
    assert ours.score(given, labels) == theirs.score(with_bias, labels)
    assert not ours.transition_coef_.any()
    if fit_boundaries:
        np.testing.assert_allclose(ours.start_coef_ + ours.end_coef_, np.sqrt(2) * theirs.coef_[:, 4], atol=1e-6)


# CRFsuite


def crfsuite(params, state_features, transitions, tmp_path):
    """A model of CRFsuite: its loss, its number of features, and its weights as ours."""
    every = {"feature.possible_states": state_features == "all", "feature.possible_transitions": transitions == "all"}
    trainer = pycrfsuite.Trainer("lbfgs", {**params, **every}, verbose=False)
    for x, y in zip(X, Y, strict=True):
        trainer.append([{f"x{j}": row[j] for j in np.flatnonzero(row)} for row in x], y)
    path = str(tmp_path / "model.crfsuite")
    trainer.train(path)
    tagger = pycrfsuite.Tagger()
    tagger.open(path)
    info, labels = tagger.info(), sorted({label for y in Y for label in y})
    coef, T = np.zeros((3, X[0].shape[1])), np.zeros((3, 3))
    for (feature, label), weight in info.state_features.items():
        coef[labels.index(label), int(feature[1:])] = weight
    for (a, b), weight in info.transitions.items():
        T[labels.index(a), labels.index(b)] = weight
    return trainer.logparser.last_iteration["loss"], trainer.logparser.featgen_num_features, coef, T


@pytest.mark.parametrize("features", ["all", "observed"])
@pytest.mark.parametrize("c1, c2", [(0.0, 0.5), (0.3, 0.2)])
@pytest.mark.parametrize("iterations", [3, 2000])
def test_the_objective_and_the_optimum_are_those_of_crfsuite(features, c1, c2, iterations, tmp_path):
    params = dict(c1=c1, c2=c2, max_iterations=iterations, epsilon=1e-9, delta=1e-12)
    loss, n_features, coef, T = crfsuite(params, features, features, tmp_path)
    C = 1 / (c1 + 2 * c2)
    model = LinearChainCRF(
        C=C,
        l1_ratio=C * c1,
        state_features=features,
        transitions=features,
        fit_boundaries=False,
        tol=1e-9,
        max_iter=2000,
    ).fit(X, Y)
    ours = copied(model)
    assert n_features == (coef.size + T.size if features == "all" else len(SEEN) + len(STEPS))
    ours.coef_ = coef if features == "all" else sp.csc_matrix(coef)
    ours.transition_coef_ = T
    assert compiled_objective(ours, X, Y) / C == pytest.approx(loss, rel=1e-6)
    by_likelihood = (
        -ours.log_likelihood(X, Y).sum() + c1 * np.abs(weights_of(ours)).sum() + c2 * (weights_of(ours) ** 2).sum()
    )
    assert by_likelihood == pytest.approx(loss, rel=1e-6)
    if iterations == 2000:
        assert model.history_[-1]["objective"] / C == pytest.approx(loss, rel=1e-6)
        np.testing.assert_allclose(dense(model.coef_), coef, atol=2e-3)
        np.testing.assert_allclose(model.transition_coef_, T, atol=2e-3)
    else:
        assert model.history_[-1]["objective"] / C < loss


# Weights of sequences, tokens and classes


def full_batches(solver):
    """One batch, so that there is no order of the samples."""
    return solver if solver == "lbfgs" else SOLVERS[solver](batch_size=1000)


@pytest.mark.parametrize("solver", CHAIN_NAMES)
def test_sample_weight_is_repetition(solver):
    counts = np.random.RandomState(0).randint(0, 3, len(X))
    model = LinearChainCRF(solver=full_batches(solver), tol=1e-8, max_iter=500 if solver == "lbfgs" else 30)
    repeated = [s for s in range(len(X)) for _ in range(counts[s])]
    weighted = weights_of(quiet(clone(model), X, Y, sample_weight=counts))
    by_hand = weights_of(quiet(clone(model), [X[s] for s in repeated], [Y[s] for s in repeated]))
    np.testing.assert_allclose(weighted, by_hand, atol=1e-7)


def test_weights_of_tokens_are_averaged():
    rng = np.random.RandomState(0)
    of_tokens = [rng.rand(len(y)) for y in Y]
    means = [w.mean() for w in of_tokens]
    model = LinearChainCRF(tol=1e-8)
    by_sequence = weights_of(clone(model).fit(X, Y, sample_weight=means))
    np.testing.assert_allclose(weights_of(clone(model).fit(X, Y, sample_weight=of_tokens)), by_sequence, atol=1e-7)
    flat = clone(model).fit(
        np.vstack(X), np.concatenate(Y), sample_weight=np.concatenate(of_tokens), lengths=[len(y) for y in Y]
    )
    np.testing.assert_allclose(weights_of(flat), by_sequence, atol=1e-7)
    np.testing.assert_allclose(
        compiled_objective(flat, X, Y, means), objective(flat, X, Y, np.array(means)), rtol=1e-12
    )


def test_class_weights_are_factors_on_the_weights_of_tokens():
    factors = {"L0": 2.0, "L1": 1.0, "L2": 0.5}
    model = LinearChainCRF(tol=1e-8)
    by_class = weights_of(clone(model).set_params(class_weight=factors).fit(X, Y))
    by_token = weights_of(clone(model).fit(X, Y, sample_weight=[[factors[label] for label in y] for y in Y]))
    np.testing.assert_allclose(by_class, by_token, atol=1e-7)
    labels = np.concatenate(Y)
    balanced = {label: len(labels) / (3 * (labels == label).sum()) for label in factors}
    np.testing.assert_allclose(
        weights_of(clone(model).set_params(class_weight="balanced").fit(X, Y)),
        weights_of(clone(model).set_params(class_weight=balanced).fit(X, Y)),
        atol=1e-7,
    )


def test_sequences_of_weight_zero_bring_no_class_and_no_pair():
    strange = [*Y[:-1], ["strange"] * len(Y[-1])]
    weights = np.append(np.ones(len(X) - 1), 0)
    model = LinearChainCRF(state_features="observed", tol=1e-8).fit(X, strange, sample_weight=weights)
    assert list(model.classes_) == ["L0", "L1", "L2"]
    without = LinearChainCRF(state_features="observed", tol=1e-8).fit(X[:-1], Y[:-1])
    np.testing.assert_allclose(weights_of(model), weights_of(without), atol=1e-7)


# Missing labels


@pytest.mark.parametrize("state_features", ["all", "observed"])
def test_missing_labels_are_summed_over(state_features):
    rng = np.random.RandomState(0)
    partly = [[None if rng.rand() < 0.4 else label for label in y] for y in Y]
    model = quiet(LinearChainCRF(state_features=state_features, C=1.5, max_iter=7), X, partly)
    assert model.history_[-1]["objective"] == pytest.approx(objective(model, X, partly), rel=1e-9)
    expected = [enumeration(model, x).log_likelihood(codes(model, y)) for x, y in zip(X, partly, strict=True)]
    np.testing.assert_allclose(model.log_likelihood(X, partly), expected, rtol=1e-9, atol=1e-12)
    asked = [
        (p, label)
        for path, y in zip(model.predict(X), partly, strict=True)
        for p, label in zip(path, y, strict=True)
        if label
    ]
    assert model.score(X, partly) == pytest.approx(np.mean([p == label for p, label in asked]))


def test_unlabelled_sequences_teach_nothing_but_their_features():
    nothing = [[None] * len(y) for y in Y]
    with_nothing = LinearChainCRF(tol=1e-12).fit(X + X, Y + nothing)
    np.testing.assert_allclose(weights_of(with_nothing), weights_of(LinearChainCRF(tol=1e-12).fit(X, Y)), atol=1e-6)
    with pytest.raises(ValueError, match="y must have a label that is not missing"):
        LinearChainCRF().fit(X, nothing)
