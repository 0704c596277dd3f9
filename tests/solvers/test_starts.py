"""When the epochs of the dual before L-BFGS end, and what L-BFGS takes from there."""

import numpy as np
import pytest

from skopt_solvers import LinearSVC, LogisticRegression
from skopt_solvers.objectives import LinearObjective
from skopt_solvers.solvers import LBFGS, _lbfgs
from skopt_solvers.solvers._starts import _may_be_met, _missing

from ..estimator.test_fit import quiet
from ..reference import LOSSES, linear_objective, text_like

X, Y = text_like(n=2000, d=300, n_classes=3, seed=8)


def objective_of(n_outputs, name="softmax", **options):
    labels = Y if n_outputs > 1 else np.minimum(Y, 1)
    options = {"l1_ratio": 0.0, "fit_intercept": True, "C": 1.0, **options}
    return linear_objective(X, labels, np.ones(len(Y)), n_outputs=n_outputs, loss=LOSSES[name], **options)


@pytest.mark.parametrize("multi_class", ["softmax", "ovr"])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("C", [0.1, 1.0])
def test_a_fit_ends_in_the_dual_with_a_proof(multi_class, fit_intercept, C):
    options = dict(C=C, fit_intercept=fit_intercept, multi_class=multi_class)
    model = LogisticRegression(tol=1e-5, **options).fit(X, Y)
    assert {record["phase"] for record in model.history_} == {"start", "dual"}
    assert model.n_iter_ == 1 and model.converged_ and model.history_[-1]["iteration"] == 1
    exact = LogisticRegression(solver=LBFGS(start_epochs=0), tol=1e-10, max_iter=1000, **options).fit(X, Y)
    least = exact.history_[-1]["objective"]
    distance = 1 - least / model.history_[-1]["objective"]
    assert -1e-9 <= distance <= model.suboptimality_ <= 1e-3
    assert model.history_[-1]["gradient_norm"] <= 1e-5


def test_epochs_are_at_most_what_is_asked_for():
    for epochs in (1, 2, 3, 4):
        model = quiet(LogisticRegression(solver=LBFGS(start_epochs=epochs), tol=1e-9, max_iter=2), X, Y)
        assert sum(record["phase"] == "dual" for record in model.history_) == epochs


def test_slow_epochs_end_at_the_third():
    rows = np.repeat(X.toarray()[:, :150], 2, axis=1) * 30 + 1
    for y in (Y, Y == 0):
        model = quiet(LinearSVC(C=100.0, solver=LBFGS(newton=False), max_iter=3), rows, y)
        assert sum(record["phase"] == "dual" for record in model.history_) == 3


def test_the_rate_tells_when_epochs_are_slow():
    many, one, hinge = objective_of(3), objective_of(1, "logistic"), objective_of(1, "squared_hinge")
    assert _missing([8.0, 4.0], many) == (False, np.inf)
    slow, missing = _missing([8.0, 4.0, 2.0], many)
    assert not slow and missing == pytest.approx(1.0)
    assert _missing([8.0, 4.0, 2.8], many)[0]
    # with one output from the fifth epoch on, at a rate that is higher
    falling = [2.0**-epoch for epoch in range(5)]
    assert [_missing(falling[:n], one)[0] for n in (3, 4, 5)] == [False, False, True]
    assert not _missing(falling, many)[0]
    # rows rest in the fourth epoch, and move in the fifth
    uneven = [1.0, 0.2, 0.04, 1e-3, 3e-3]
    assert not _missing(uneven, hinge)[0] and _missing(uneven, one)[0]
    assert _missing([1.0, 0.5, 0.0], many) == (False, 0.0)


def test_what_is_missing_is_compared_with_both_criteria():
    objective = objective_of(3)
    ascent = objective.ascent()
    ascent.epoch(0)
    least = 1e-6 / 60 / objective.l2  # so that the distance is 1e-6
    tol = np.sqrt(2 * objective.l2 * 1e-6)
    relative = 1e-6 / ascent.value()
    assert _may_be_met((1.01 * tol, 1.01 * relative), objective, ascent, least)
    assert not _may_be_met((0.99 * tol, 1.01 * relative), objective, ascent, least)
    assert not _may_be_met((1.01 * tol, 0.99 * relative), objective, ascent, least)


@pytest.mark.parametrize("name, n_outputs", [("softmax", 3), ("logistic", 3), ("logistic", 1), ("squared_hinge", 3)])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_the_bound_of_a_balanced_position_takes_no_product(monkeypatch, name, n_outputs, fit_intercept):
    objective = objective_of(n_outputs, name, fit_intercept=fit_intercept)
    zeros = np.zeros(objective.shape)
    least = objective.value(LBFGS().minimize(objective, zeros, max_iter=1000, tol=1e-11).W)
    ascent = objective.ascent()
    for epoch in range(10):
        ascent.epoch(epoch << 8)
        ascent.move_center()
    position = objective.balanced(ascent.W)
    exact = objective.suboptimality_bound(position.W, 1e-6)
    products = []
    monkeypatch.setattr(LinearObjective, "transposed_product", lambda *given: products.append(given))
    bound = objective.suboptimality_bound_at(position)
    assert not products
    assert objective.scale * (position.value - least) <= bound * (1 + 1e-9)
    assert exact * (1 - 1e-6) <= bound <= 1.6 * exact


def test_a_bound_far_from_the_optimum_of_the_intercept_takes_the_product():
    objective = objective_of(3)
    W = np.zeros(objective.shape)
    W[-1] = [1.0, 0.0, -1.0]
    position = objective.position(W)
    assert objective.suboptimality_bound_at(position) == pytest.approx(objective.suboptimality_bound(W), rel=1e-4)


@pytest.mark.parametrize("name, n_outputs", [("softmax", 3), ("logistic", 3), ("logistic", 1)])
@pytest.mark.parametrize("dense", [False, True])
def test_curvatures_are_the_diagonal_of_the_hessian(name, n_outputs, dense):
    rows = X.toarray() if dense else X
    labels = Y if n_outputs > 1 else np.minimum(Y, 1)
    weights = np.random.RandomState(0).randint(0, 3, len(Y)).astype(float)
    objective = linear_objective(rows, labels, weights, n_outputs=n_outputs, loss=LOSSES[name], C=2.0)
    W = np.random.RandomState(1).randn(*objective.shape)
    found, h = objective.curvatures_at(objective.position(W)), 1e-4
    for row in (0, 7, objective.shape[0] - 1):
        for output in range(n_outputs):
            ahead, behind = W.copy(), W.copy()
            ahead[row, output] += h
            behind[row, output] -= h
            slopes = [objective.value_and_gradient(at)[1][row, output] for at in (ahead, behind)]
            assert found[row, output] == pytest.approx((slopes[0] - slopes[1]) / (2 * h), rel=1e-5)
    assert objective_of(1, "squared_hinge").curvatures_at(None) is None


def test_large_histories_are_short_and_scaled_after_a_dual_start(monkeypatch):
    kept = []

    class Seen(LBFGS):
        def fit_from(self, *given):
            fit = super().fit_from(*given)
            kept.append(fit.pairs)
            return fit

    options = dict(C=300.0, tol=1e-6, max_iter=2000)
    expected = LogisticRegression(solver=LBFGS(start_epochs=0), **options).fit(X, Y)
    for limit, memory in ((2**25, 10), (0, 5)):
        monkeypatch.setattr(_lbfgs, "_CACHE", limit)
        monkeypatch.setattr(_lbfgs, "_SHARE", 1000)
        model = LogisticRegression(solver=Seen(), **options).fit(X, Y)
        assert kept[-1].memory == memory and model.n_iter_ > 1
        assert (np.ptp(kept[-1].h0.reshape(-1, 3), axis=1).max() > 0) == (memory == 5)
        assert model.history_[-1]["objective"] == pytest.approx(expected.history_[-1]["objective"], rel=1e-5)
        assert quiet(LogisticRegression(solver=Seen(memory=7), **options), X, Y).converged_ and kept[-1].memory == 7
    LogisticRegression(solver=Seen(start_epochs=0), **options).fit(X, Y)
    assert kept[-1].memory == 10
