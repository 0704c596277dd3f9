"""Fits by SDCA whose epochs will not suffice: L-BFGS goes on, and the end is proven as ever."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification

from skopt_solvers import LinearSVC, LogisticRegression
from skopt_solvers.model_selection import C_path, GridSearchCV, fit_many
from skopt_solvers.objectives import LOG_LOSSES, LinearObjective
from skopt_solvers.solvers import LBFGS, SDCA
from skopt_solvers.solvers._hand_over import epochs_left, taker

from ..estimator.test_fit import quiet
from ..reference import text_like

# dense rows, of which C |x|^2 is 1,200: too many columns for Newton's method
X, Y = make_classification(600, 120, n_informative=20, flip_y=0.1, random_state=0)
WEIGHTS = np.random.RandomState(0).randint(1, 4, len(X)).astype(float)
MODELS = {
    "logistic": LogisticRegression(),
    "no intercept": LogisticRegression(fit_intercept=False),
    "squared_hinge": LinearSVC(),
    "smoothed_hinge": LinearSVC(loss="smoothed_hinge"),
    "modified_huber": LinearSVC(loss="modified_huber"),
}


def by_sdca(model, **params):
    return clone(model).set_params(C=10, solver="sdca", random_state=0, **params)


def phases(model):
    return [record["phase"] for record in model.history_]


def assert_handed_over(model):
    told, n = phases(model), phases(model).count("sdca")
    assert 0 < n < len(told) == model.n_iter_ and told == ["sdca"] * n + ["lbfgs"] * (len(told) - n)
    assert [record["iteration"] for record in model.history_] == list(range(1, model.n_iter_ + 1))
    assert all(record["duality_gap"] > 0 for record in model.history_[:n])
    assert all(record["gradient_norm"] > 0 for record in model.history_[n:])


def assert_proven(model, X, Y, weights=None):
    """Compare what a fit says with the optimum."""
    assert model.converged_ and model.suboptimality_ <= model.tol
    assert f"is at most tol={model.tol:g}" in model.stop_reason_
    exact = clone(model).set_params(solver="lbfgs", tol=1e-9, max_iter=5000, warm_start=False)
    quiet(exact, X, Y, weights)
    best, reached = exact.history_[-1]["objective"], model.history_[-1]["objective"]
    assert best * (1 - 1e-9) <= reached <= best * (1 + model.suboptimality_ + 1e-9)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["once", "weighted"])
def test_the_end_is_proven(name, weights):
    model = by_sdca(MODELS[name]).fit(X, Y, weights)
    assert_handed_over(model)
    assert_proven(model, X, Y, weights)


@pytest.mark.parametrize("params", [dict(), dict(multi_class="ovr")], ids=["softmax", "ovr"])
def test_several_classes(params):
    X, y = make_classification(900, 120, n_informative=20, n_classes=3, random_state=0)
    model = by_sdca(LogisticRegression(**params)).fit(X, y)
    assert_handed_over(model)
    assert_proven(model, X, y)


def test_several_labels():
    labels = np.stack([Y, X[:, 0] + X[:, 1] > 1, X[:, 2] > 0], axis=1).astype(int)
    model = by_sdca(LogisticRegression()).fit(X, labels)
    assert_handed_over(model)
    assert_proven(model, X, labels)


def test_in_float32_the_weights_stay_so():
    model = by_sdca(LogisticRegression()).fit(X.astype(np.float32), Y)
    assert_handed_over(model)
    assert model.converged_ and model.suboptimality_ <= model.tol and model.coef_.dtype == np.float32


@pytest.mark.parametrize("Model", [LogisticRegression, LinearSVC])
def test_epochs_that_suffice_are_left_alone(Model):
    rows, labels = text_like(n=3000, d=400, seed=4)
    for C in (0.1, 1, 10):
        model = Model(C=C, solver="sdca", random_state=0).fit(rows, labels)
        assert model.converged_ and set(phases(model)) == {"sdca"}


@pytest.mark.parametrize("params", [dict(tol=0, max_iter=30), dict(max_iter=7)], ids=["tol=0", "few"])
def test_so_many_epochs_were_asked_for(params):
    model = quiet(by_sdca(LogisticRegression(), **params), X, Y)
    assert phases(model) == ["sdca"] * params["max_iter"]


def test_evaluations_that_are_rare_tell_it_too():
    model = LogisticRegression(C=10, solver=SDCA(evaluate_every=5), random_state=0)
    model.fit(X, Y)
    assert phases(model).count("sdca") in (10, 15) and model.converged_


def test_max_iter_is_that_of_both():
    model = quiet(by_sdca(LogisticRegression(), max_iter=12, tol=1e-7), X, Y)
    assert_handed_over(model)
    assert model.n_iter_ == 12 and not model.converged_
    assert model.stop_reason_.startswith("max_iter=12 was reached with a duality gap of ")
    assert model.suboptimality_ > 1e-7
    with pytest.warns(match=r"above tol=1e-07\. Raise max_iter or tol, scale the features, or lower C\.$"):
        model.fit(X, Y)


def test_a_loss_with_kinks_has_no_other_solver_and_says_what_helps():
    model = by_sdca(LinearSVC(loss="hinge"), max_iter=40)
    with pytest.warns(
        match="about .* epochs more at the rate of the last ones. Raise max_iter or tol, use loss='squared_hinge'"
    ):
        model.fit(X, Y)
    assert phases(model) == ["sdca"] * 40
    gaps = [(record["iteration"], record["duality_gap"]) for record in model.history_]
    left = epochs_left(gaps, model.tol * model.history_[-1]["objective"])
    assert f"about {left:.2g} epochs more" in model.stop_reason_ and left > 100


def test_fits_together_are_the_fits_alone():
    models = [by_sdca(LogisticRegression()).set_params(C=C) for C in (1e-4, 1, 10, 100)]
    alone = [clone(model).fit(X, Y) for model in models]
    for one, other in zip(alone, fit_many(models, X, Y), strict=True):
        assert phases(one) == phases(other) and one.stop_reason_ == other.stop_reason_
        np.testing.assert_allclose(other.coef_, one.coef_, rtol=1e-6, atol=1e-9)
    assert set(phases(alone[0])) == {"sdca"}
    search = GridSearchCV(by_sdca(LogisticRegression()), {"C": [1e-4, 10]}, cv=3).fit(X, Y)
    assert search.cv_results_["mean_converged"].tolist() == [1, 1]


def test_a_path_goes_from_one_to_the_other():
    Cs = [1e-4, 1e-3, 1, 10, 100]
    path = C_path(by_sdca(LogisticRegression(), tol=1e-7, max_iter=1000), X, Y, Cs, cv=3)
    other = C_path(LogisticRegression(tol=1e-7, max_iter=1000), X, Y, Cs, cv=3)
    assert path.converged.all()
    np.testing.assert_allclose(path.coefs, other.coefs, atol=1e-3)
    np.testing.assert_allclose(path.scores, other.scores, atol=1e-2)


@pytest.mark.parametrize("stored", [False, True], ids=["kept", "stored"])
def test_a_fit_goes_on_by_the_solver_that_took_over(stored):
    model = quiet(by_sdca(LogisticRegression(), tol=1e-8, max_iter=20, warm_start=True), X, Y)
    before, n_iter = model.history_[-1]["objective"], model.n_iter_
    if stored:
        model = pickle.loads(pickle.dumps(model))
    model.set_params(max_iter=200).fit(X, Y)
    assert set(phases(model)) == {"lbfgs"} and model.history_[0]["objective"] < before
    assert model.history_[0]["iteration"] == n_iter + 1
    assert_proven(model, X, Y)
    # with another penalty too
    assert_proven(model.set_params(C=1).fit(X, Y), X, Y)
    # it is no state of other samples, nor of a loss with kinks
    fresh = clone(model).fit(X[:550], Y[:550])
    np.testing.assert_array_equal(model.fit(X[:550], Y[:550]).coef_, fresh.coef_)
    assert phases(fresh)[0] == "sdca"
    svm = by_sdca(LinearSVC(), warm_start=True).fit(X, Y).set_params(loss="hinge", max_iter=3)
    assert set(phases(quiet(svm, X, Y))) == {"sdca"}


def test_a_callback_hears_of_both_and_ends_either():
    heard = []

    def callback(info):
        heard.append(info.record["phase"])
        return heard.count("lbfgs") == 3

    model = by_sdca(LogisticRegression(), callback=callback).fit(X, Y)
    assert heard == phases(model) and heard[-3:] == ["lbfgs"] * 3
    assert model.stop_reason_ == "the callback asked to stop"


def test_early_stopping_and_verbose(capsys):
    model = by_sdca(LogisticRegression(), early_stopping=True, n_iter_no_change=15, verbose=1).fit(X, Y)
    assert "phase lbfgs" in capsys.readouterr().out
    assert max(record["validation_score"] for record in model.history_) > 0.6


def test_a_proof_that_is_asked_for_is_sought_by_both():
    model = by_sdca(LogisticRegression(), max_suboptimality=1e-7, max_iter=500).fit(X, Y)
    assert model.converged_ and model.suboptimality_ <= 1e-7
    assert phases(model)[0] == "sdca" and phases(model)[-1] == "lbfgs"
    assert [record["iteration"] for record in model.history_] == list(range(1, model.n_iter_ + 1))


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("every", [1, 3])
def test_the_epochs_that_are_missing_are_those_of_the_rate(rate, every):
    gaps = [(epoch, rate**epoch) for epoch in range(every, 25, every)]
    assert epochs_left(gaps, rate**60) == pytest.approx(60 - gaps[-1][0])
    assert epochs_left(gaps, 1) == 0
    rising = [(epoch, rate**-epoch) for epoch, _ in gaps]
    assert np.isinf(epochs_left(rising, 1e-3))


def test_there_has_to_be_room_for_the_tables():
    objective = LinearObjective(
        text_like(n=600, d=150)[0],
        np.arange(600, dtype=np.int32) % 2,
        np.ones(600),
        n_outputs=1,
        loss=LOG_LOSSES["ovr"],
        C=1.0,
        l1_ratio=0.0,
        fit_intercept=True,
    )
    own = SDCA().peak_bytes(objective)
    assert isinstance(taker(objective, own), LBFGS)
    wide = objective.resized(n_features=10**6)
    assert taker(wide, SDCA().peak_bytes(wide)) is None
    assert taker(wide, LBFGS().peak_bytes(wide) * 2) is not None
