"""The course of a fit by SDCA, alone and in front of L-BFGS: resuming, another penalty, starts, threads."""

import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from skopt_solvers import LinearSVC, LogisticRegression
from skopt_solvers.solvers import LBFGS, SDCA

from ..estimator.test_fit import X, Y, quiet
from .test_optimum import text_like


@pytest.mark.parametrize("loss", ["logistic", "softmax", "hinge"])
@pytest.mark.parametrize("through", ["nothing", "pickle", "joblib"])
def test_sdca_goes_on_where_it_stopped(loss, through, tmp_path):
    """What a fit keeps is `shares` and W; a table that is summed up anew differs in its last digits."""
    y = (Y == 0).astype(int) if loss == "logistic" else Y
    Model = LinearSVC if loss == "hinge" else LogisticRegression
    model = Model(solver="sdca", tol=0, random_state=3, **({"loss": "hinge"} if loss == "hinge" else {}))
    whole = quiet(clone(model).set_params(max_iter=10), X, y)
    half = quiet(clone(model).set_params(max_iter=5, warm_start=True), X, y)
    before = half.history_[-1]
    if through == "pickle":
        half = pickle.loads(pickle.dumps(half))
    if through == "joblib":
        joblib.dump(half, tmp_path / "model")
        half = joblib.load(tmp_path / "model", mmap_mode="r")
    quiet(half, X, y)
    assert [record["iteration"] for record in half.history_] == list(range(6, 11))
    assert all(record["objective"] < before["objective"] * (1 + 1e-3) for record in half.history_)
    assert half.history_[-1]["duality_gap"] < before["duality_gap"]
    if loss != "hinge":  # which rows rest is not kept
        np.testing.assert_allclose(half.coef_, whole.coef_, atol=1e-6)
        np.testing.assert_allclose(half.intercept_, whole.intercept_, atol=1e-6)


def test_sdca_starts_another_penalty_from_its_last_one_and_other_samples_from_nothing():
    model = LogisticRegression(solver="sdca", warm_start=True, tol=1e-5, max_iter=500, random_state=0).fit(X, Y)
    first = model.n_iter_
    assert model.fit(X, Y).n_iter_ == 1 < first
    model.set_params(C=1.1).fit(X, Y)
    cold = clone(model).set_params(warm_start=False).fit(X, Y)
    assert model.n_iter_ < cold.n_iter_
    np.testing.assert_allclose(model.coef_, cold.coef_, atol=2e-2)
    model.fit(X[:400], Y[:400])
    fresh = clone(model).fit(X[:400], Y[:400])
    np.testing.assert_array_equal(model.coef_, fresh.coef_)
    # weights that were not made by it are no dual variables
    model.set_params(solver="lbfgs").fit(X[:400], Y[:400])
    np.testing.assert_array_equal(model.set_params(solver="sdca").fit(X[:400], Y[:400]).coef_, fresh.coef_)


def test_epochs_of_sdca_come_before_lbfgs():
    """With L2 and more than 5,000 margins, where W starts from zeros."""
    many, labels = text_like(n=2000, d=300, n_classes=3, seed=8)
    options = dict(tol=1e-6, max_iter=500)
    fits = {n: LogisticRegression(solver=LBFGS(start_epochs=n), **options).fit(many, labels) for n in (0, "auto", 1)}
    first = {n: next(record for record in fit.history_ if record["iteration"]) for n, fit in fits.items()}
    assert first["auto"]["learning_rate"] is None and first[0]["learning_rate"] > 0
    assert first["auto"]["objective"] < first[1]["objective"] < first[0]["objective"]
    assert fits["auto"].n_iter_ < fits[0].n_iter_
    for fit in fits.values():
        iterations = [record["iteration"] for record in fit.history_ if record["iteration"]]
        assert fit.converged_ and iterations == list(range(1, fit.n_iter_ + 1))
        np.testing.assert_allclose(fit.coef_, fits[0].coef_, atol=1e-3)
    again = LogisticRegression(random_state=1, **options).fit(many, labels)
    np.testing.assert_array_equal(again.coef_, fits["auto"].coef_)
    # where they lead up they are dropped
    unscaled = np.random.RandomState(0).randn(3000, 5) * [1e3, 1.0, 1e-2, 10.0, 1.0] + [1e3, 0, 0, 5, 0]
    unscaled_fits = [
        quiet(LogisticRegression(C=100, solver=LBFGS(start_epochs=n), max_iter=2), unscaled, np.arange(3000) % 3)
        for n in (0, "auto", 5)
    ]
    for other in unscaled_fits[1:]:
        np.testing.assert_array_equal(other.coef_, unscaled_fits[0].coef_)
    # a start with weights, L1, no penalty or few samples has none
    again.set_params(warm_start=True, C=1.1).fit(many, labels)
    assert again.history_[0]["learning_rate"] is not None
    for params in (dict(l1_ratio=0.5), dict(C=np.inf)):
        model = quiet(LogisticRegression(max_iter=2, **params), many, labels)
        assert model.history_[0]["learning_rate"] is not None
    assert LogisticRegression().fit(X, Y).history_[0]["learning_rate"] is not None


@pytest.mark.parametrize("solver", ["lbfgs", "sdca"])
def test_same_bits_for_the_same_threads_with_outputs_of_their_own(solver):
    """Threads share blocks of outputs, in each of which other rows rest."""
    many, labels = text_like(n=3000, d=300, n_classes=12, seed=2)
    model = LinearSVC(solver=solver, max_iter=4, random_state=1)
    two, again, one = (quiet(clone(model).set_params(n_jobs=n), many, labels) for n in (2, 2, 1))
    np.testing.assert_array_equal(two.coef_, again.coef_)
    assert two.history_[-1]["objective"] == pytest.approx(one.history_[-1]["objective"], rel=1e-2)


def test_epochs_without_an_evaluation_are_the_same_epochs():
    X, y = text_like(n=600, d=150)  # too large for Newton's method
    options = dict(tol=0, max_iter=7, random_state=0)
    every, rarely, last = (
        quiet(LogisticRegression(solver=SDCA(evaluate_every=n), **options), X, y) for n in (1, 3, 100)
    )
    for model, evaluated in ((rarely, [3, 6, 7]), (last, [7])):
        np.testing.assert_array_equal(model.coef_, every.coef_)
        for record, full in zip(model.history_, every.history_, strict=True):
            expected = {key: full[key] for key in ("objective", "duality_gap")}
            if record["iteration"] not in evaluated:
                expected = dict.fromkeys(expected)
            assert {key: record[key] for key in expected} == expected


def test_a_fit_ends_at_an_evaluation():
    X, y = text_like(n=600, d=150)
    every, third = (LogisticRegression(solver=SDCA(evaluate_every=n), random_state=0).fit(X, y) for n in (1, 3))
    assert every.converged_ and third.converged_ and every.n_iter_ <= third.n_iter_ < every.n_iter_ + 3
    assert third.n_iter_ % 3 == 0 and third.history_[-1]["objective"] is not None


@pytest.mark.parametrize("options", [dict(max_time=1e-9), dict(early_stopping=True, n_iter_no_change=1, tol=0.9)])
def test_a_fit_may_be_ended_by_something_else_at_an_epoch_without_one(options, capsys):
    X, y = text_like(n=600, d=150)
    objectives = []
    callback = lambda info: objectives.append((info.objective, info.fitted().score(X, y)))  # noqa: E731
    model = LogisticRegression(solver=SDCA(evaluate_every=50), callback=callback, verbose=1, random_state=0, **options)
    quiet(model, X, y)
    assert len(model.history_) < 50 and model.history_[-1]["objective"] is None
    assert objectives[0][0] is None and model.score(X, y) > 0.6
    assert "objective" not in capsys.readouterr().out


def test_evaluate_every_is_a_count():
    for wrong in (0, -1, 1.5, True, "often"):
        with pytest.raises(ValueError, match="evaluate_every"):
            LogisticRegression(solver=SDCA(evaluate_every=wrong)).fit([[0.0], [1.0]], [0, 1])
