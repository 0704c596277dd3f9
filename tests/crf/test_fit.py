"""The course of a LinearChainCRF's fit: the same bits, resuming, streaming, validation, pickling, failing."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skopt_solvers import LinearChainCRF
from skopt_solvers.schedules import CosineDecay, ReduceOnPlateau
from skopt_solvers.solvers import SOLVERS, AdaGrad, Adam, AdamW, Momentum, RMSProp

from ..chain_reference import quiet, same_bits, tagging, weights_of
from ..reference import CHAIN_NAMES, NAMES, STOCHASTIC_NAMES

X, Y = tagging()


@pytest.mark.parametrize("solver", CHAIN_NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_for_the_same_seed_and_any_threads(solver, dtype):
    many, labels = tagging(1500, n_labels=6, seed=1)
    many = [x.astype(dtype) for x in many]
    fits = [
        quiet(LinearChainCRF(solver=solver, max_iter=3, random_state=1, n_jobs=n), many, labels) for n in (1, 1, 2, 3)
    ]
    for other in fits[1:]:
        same_bits(other, fits[0])
    if solver != "lbfgs":
        another = quiet(LinearChainCRF(solver=solver, max_iter=3, random_state=2), many, labels)
        assert not np.array_equal(another.coef_, fits[0].coef_)


RESUMABLE = [Momentum(nesterov=True), AdaGrad(), RMSProp(centered=True), Adam(amsgrad=True), AdamW(), Adam(average=2)]


@pytest.mark.parametrize("solver", RESUMABLE, ids=str)
@pytest.mark.parametrize("schedule", [CosineDecay(epochs=8), ReduceOnPlateau(patience=1, threshold=0.5)], ids=str)
@pytest.mark.parametrize("state_features", ["all", "observed"])
def test_two_halves_are_one_run(solver, schedule, state_features):
    solver = clone(solver).set_params(schedule=schedule, batch_size=4)
    model = LinearChainCRF(solver=solver, state_features=state_features, tol=0, random_state=3)
    whole = quiet(clone(model).set_params(max_iter=6), X, Y)
    half = quiet(clone(model).set_params(max_iter=3, warm_start=True), X, Y)
    quiet(pickle.loads(pickle.dumps(half)), X, Y)
    same_bits(quiet(pickle.loads(pickle.dumps(half)), X, Y), whole)
    same_bits(quiet(half, X, Y), whole)


def test_warm_start_of_lbfgs_and_across_solvers():
    model = LinearChainCRF(warm_start=True, tol=1e-6).fit(X, Y)
    first, bound = model.n_iter_, model.suboptimality_bound(X, Y)
    model.fit(X, Y)
    assert model.n_iter_ < first and model.suboptimality_bound(X, Y) <= bound
    quiet(model.set_params(solver=AdaGrad(learning_rate=1e-5), max_iter=1), X, Y)
    assert model.n_iter_ == 1 and model.suboptimality_bound(X, Y) < bound + 1e-2
    with pytest.raises(ValueError, match="warm_start"):
        model.fit([x[:, :5] for x in X], Y)


@pytest.mark.parametrize("solver", [name for name in CHAIN_NAMES if name in STOCHASTIC_NAMES])
def test_partial_fit_learns_from_a_stream(solver):
    many, labels = tagging(1200, seed=2, noise=0.5)
    model = LinearChainCRF(solver=SOLVERS[solver](batch_size=8), random_state=0)
    for i in range(0, 1200, 200):
        model.partial_fit(many[i : i + 200], labels[i : i + 200], classes=["L0", "L1", "L2"])
    assert model.n_iter_ == 6 == len(model.history_)
    assert model.score(many, labels) > LinearChainCRF().fit(many, labels).score(many, labels) - 0.05


def test_partial_fit_is_for_streams_of_numbers():
    assert not hasattr(LinearChainCRF(), "partial_fit")
    assert not hasattr(LinearChainCRF(solver="adam", state_features="observed"), "partial_fit")
    assert not hasattr(LinearChainCRF(solver="adam", transitions="observed"), "partial_fit")
    with pytest.raises(ValueError, match="classes must be given"):
        LinearChainCRF(solver="adam", input="flat").partial_fit(np.vstack(X), np.concatenate(Y))
    model = LinearChainCRF(solver="adam", random_state=0)
    with pytest.raises(ValueError, match="DictFeatures"):
        model.partial_fit([[{"a": 1}]], [["L0"]], classes=["L0", "L1", "L2"])
    model.partial_fit(X, Y, classes=["L0", "L1", "L2"])
    before = weights_of(model)
    with pytest.raises(ValueError, match="'L3'"):
        model.partial_fit(X, [["L3"] * len(y) for y in Y])
    with pytest.raises(ValueError, match="12 features"):
        model.partial_fit([x[:, :5] for x in X], Y)
    np.testing.assert_array_equal(weights_of(model), before)


def test_the_labels_of_the_first_call_are_the_classes_of_a_stream():
    model = LinearChainCRF(solver="adam", random_state=0)
    given = clone(model).partial_fit(X, Y, classes=["L0", "L1", "L2"])
    same_bits(model.partial_fit(X, Y), given)
    with pytest.raises(ValueError, match=r"y has the label 'L3' \(token 0 of sequence 0\) that is not among"):
        model.partial_fit(X, [["L3"] * len(y) for y in Y])


def test_a_failed_partial_fit_leaves_the_estimator_as_it_was():
    model = LinearChainCRF(solver=Momentum(average=True), random_state=0)
    for _ in range(3):
        model.partial_fit(X, Y, classes=["L0", "L1", "L2"])
    again = pickle.loads(pickle.dumps(model))
    with pytest.raises(FloatingPointError, match="learning_rate"):
        model.partial_fit([x * 1e200 for x in X], Y)
    same_bits(model, again)
    same_bits(model.partial_fit(X, Y), again.partial_fit(X, Y))


def test_partial_fit_goes_on_from_fit():
    model = quiet(LinearChainCRF(solver="adam", random_state=0, max_iter=20), X, Y)
    score = model.score(X, Y)
    assert model.partial_fit(X, Y).score(X, Y) > score - 0.1


# Validation


@pytest.mark.parametrize("solver", CHAIN_NAMES)
@pytest.mark.parametrize("own", [True, False])
def test_early_stopping_returns_the_best_weights(solver, own):
    many, labels = tagging(250, seed=3, noise=3.0)
    held = dict(X_val=many[200:], y_val=labels[200:]) if own else {}
    model = LinearChainCRF(C=1e3, solver=solver, early_stopping=True, random_state=0, n_iter_no_change=3)
    quiet(model, many[:200], labels[:200], **held)
    scores = [record["validation_score"] for record in model.history_]
    if own:
        assert model.score(many[200:], labels[200:]) == pytest.approx(max(scores), abs=1e-12)
    if "validation score" in model.stop_reason_:
        assert max(scores[-3:]) <= max(scores[:-3]) + model.tol
    else:
        assert solver != "lbfgs"


def test_validation_scores_without_early_stopping():
    model = LinearChainCRF(state_features="observed").fit(X[:30], Y[:30], X_val=X[30:], y_val=Y[30:])
    assert model.history_[-1]["validation_score"] == model.score(X[30:], Y[30:])
    with pytest.raises(ValueError, match="X_val and y_val must be given together"):
        model.fit(X, Y, X_val=X)


def test_validation_scores_do_not_ask_for_missing_labels():
    partly = [[None, *y[1:]] for y in Y]
    model = LinearChainCRF().fit(X[:30], Y[:30], X_val=X[30:], y_val=partly[30:])
    assert model.history_[-1]["validation_score"] == model.score(X[30:], partly[30:])
    unseen = [["unseen", *y[1:]] for y in Y]
    model.fit(X[:30], Y[:30], X_val=X[30:], y_val=unseen[30:])
    assert model.history_[-1]["validation_score"] == model.score(X[30:], unseen[30:]) < 1
    # every label that is there is right at the end, so the missing ones would show
    easy = [x[:, :3] for x in X]
    labels = [[f"L{int(4 * row[0] + 2 * row[1] + row[2])}" if row[0] else None for row in x] for x in easy]
    model = quiet(LinearChainCRF(C=100.0, early_stopping=True, random_state=0, fit_boundaries=False), easy, labels)
    assert model.history_[-1]["validation_score"] == 1.0


# As any estimator


@pytest.mark.parametrize("solver", sorted(set(NAMES) - set(CHAIN_NAMES)))
def test_a_solver_that_has_no_method_for_sequences_says_so(solver):
    model = LinearChainCRF(solver=solver)
    with pytest.raises(ValueError, match=rf"solver='{solver}'.*a model of sequences.*lbfgs.*adagrad.*adamw"):
        model.fit(X, Y)
    assert not hasattr(model, "classes_") and not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("solver", CHAIN_NAMES)
def test_pickle_and_clone(solver):
    model = quiet(LinearChainCRF(solver=SOLVERS[solver](), constraints="bio", max_iter=3, random_state=0), *bio())
    again = pickle.loads(pickle.dumps(model))
    for ours, theirs in zip(again.predict_proba(bio()[0]), model.predict_proba(bio()[0]), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert str(clone(model)) == str(model) and not hasattr(clone(model), "coef_")


def bio():
    return X, [["B-a" if label == "L0" else "O" for label in y] for y in Y]


def test_a_failed_fit_leaves_the_estimator_as_it_was():
    model = quiet(LinearChainCRF(warm_start=True, solver="adam", random_state=0, max_iter=5), X, Y)
    before, weights = dict(vars(model)), weights_of(model)
    bad = [x.copy() for x in X]
    bad[3][0, 0] = np.nan
    for data in ((bad, Y), ([x[:, :3] for x in X], Y), (X, Y[:-1]), (X, [[None] * len(y) for y in Y])):
        with pytest.raises(ValueError):
            model.fit(*data)
        assert vars(model).keys() == before.keys() and all(vars(model)[k] is before[k] for k in before)
    model.set_params(solver=Momentum(learning_rate=1.0))
    with pytest.raises(FloatingPointError, match="learning_rate"):
        model.fit([x * 1e200 for x in X], Y)
    np.testing.assert_array_equal(weights_of(model), weights)


def test_a_sequence_that_does_not_count_leaves_the_bound_finite():
    """Its labels are not missing ones: only those make the objective non-convex."""
    X = [np.eye(3), np.eye(3), np.eye(3)]
    y = [["a", "b", "a"], ["b", "b", "a"], ["a", "a", "b"]]
    crf = LinearChainCRF(solver="adagrad", random_state=0).fit(X, y, sample_weight=[1.0, 2.0, 0.0])
    assert "duality gap" in crf.stop_reason_
    assert np.isfinite(crf.suboptimality_bound(X, y, [1.0, 2.0, 0.0]))


@pytest.mark.parametrize("solver", ["lbfgs", "adagrad"])
def test_a_look_at_an_l1_fit_of_observed_pairs_does_not_change_it(solver):
    options = dict(solver=solver, C=0.05, l1_ratio=1.0, state_features="observed", max_iter=5, random_state=0)
    alone = quiet(LinearChainCRF(**options), X, Y)
    watched = quiet(LinearChainCRF(**options, callback=lambda info: info.fitted().coef_.nnz < 0), X, Y)
    assert alone.coef_.nnz and (alone.coef_ != watched.coef_).nnz == 0
