"""The end of stochastic fits with L1: as few weights as the optimum has, in every way in which a fit comes about."""

import numpy as np
import pytest
from sklearn.base import clone

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.model_selection import fit_many
from skopt_solvers.solvers import Adam

from ..estimator.test_fit import quiet
from ..reference import EXACT_NAMES, STOCHASTIC_NAMES, linear_objective, text_like

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SOLVERS = [name for name in STOCHASTIC_NAMES if name in EXACT_NAMES]
MODELS = {
    "logistic": LogisticRegression(C=0.3, l1_ratio=1.0),
    "elastic net": LogisticRegression(C=1.0, l1_ratio=0.5),
    "svc": LinearSVC(C=0.3, l1_ratio=1.0),
}


@pytest.fixture(scope="module")
def texts():
    return text_like(n=1500, d=400, length=12)


def n_weights(model):
    return np.count_nonzero(model.coef_)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", MODELS)
def test_a_fit_has_as_few_weights_as_the_optimum(name, solver, texts):
    exact = quiet(clone(MODELS[name]).set_params(solver="lbfgs", tol=1e-8, max_iter=2000), *texts)
    model = quiet(clone(MODELS[name]).set_params(solver=solver, random_state=0), *texts)
    least = exact.history_[-1]["objective"]
    assert least * (1 - 1e-9) <= model.history_[-1]["objective"] <= 1.01 * least
    assert abs(n_weights(model) - n_weights(exact)) <= 0.1 * n_weights(exact)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_objective_does_not_rise_and_is_that_of_the_last_record(solver, texts):
    X, labels = texts
    seen = []

    def keep(info):
        seen.append((info.fitted().coef_.copy(), info.objective))

    model = LogisticRegression(l1_ratio=1.0, solver=solver, random_state=0, warm_start=True, callback=keep)
    quiet(model, X, labels)
    objective = linear_objective(X, labels, l1_ratio=1.0)
    W = np.append(model.coef_, model.intercept_)[:, None]
    at_end = objective.scale * objective.value(W)
    assert at_end == pytest.approx(model.history_[-1]["objective"], rel=1e-9)
    # the state has the weights before
    assert at_end <= objective.scale * objective.value(model._resume["state"]["W"])
    np.testing.assert_array_equal(seen[-1][0], model.coef_)
    assert seen[-1][1] == model.history_[-1]["objective"]


def test_two_halves_are_one_run(texts):
    options = dict(l1_ratio=1.0, solver=Adam(schedule="constant"), random_state=0, warm_start=True)
    whole = quiet(LogisticRegression(max_iter=6, **options), *texts)
    halves = quiet(clone(whole).set_params(max_iter=3), *texts)
    quiet(halves, *texts)
    np.testing.assert_array_equal(halves.coef_, whole.coef_)


def test_fits_made_together_end_as_alone(texts):
    models = [LogisticRegression(C=C, l1_ratio=1.0, solver="adagrad", random_state=0) for C in (0.1, 0.3, 1.0)]
    alone = [quiet(clone(model), *texts) for model in models]
    for one, other in zip(fit_many(models, *texts), alone, strict=True):
        np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-8)
        assert n_weights(one) == n_weights(other)


def test_a_chain_has_few_weights(texts):
    rng = np.random.RandomState(0)
    X = [rng.binomial(1, 0.1, size=(8, 60)).astype(float) for _ in range(150)]
    y = [list(np.where(rows[:, 0] + rows[:, 1] > 0, "A", "B")) for rows in X]
    options = dict(C=0.1, l1_ratio=1.0, state_features="all")
    exact = quiet(LinearChainCRF(solver="lbfgs", tol=1e-7, max_iter=1000, **options), X, y)
    model = quiet(LinearChainCRF(solver="adagrad", random_state=0, **options), X, y)
    assert model.history_[-1]["objective"] <= 1.01 * exact.history_[-1]["objective"]
    assert abs(n_weights(model) - n_weights(exact)) <= max(2, 0.1 * n_weights(exact))


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_a_fit_that_is_stopped_has_zeros_too(loss, texts):
    model = LinearSVC(loss=loss, C=0.3, l1_ratio=1.0, solver="adam", random_state=0, early_stopping=True)
    quiet(model, *texts)
    every = quiet(LinearSVC(loss=loss, C=0.3, l1_ratio=0.0, solver="adam", random_state=0), *texts)
    assert n_weights(model) < n_weights(every)
    limited = quiet(clone(model).set_params(early_stopping=False, max_time=1e-6), *texts)
    assert limited.n_iter_ == 1 and n_weights(limited) < n_weights(every)


def test_a_callback_ends_a_fit_at_the_weights_that_it_saw(texts):
    seen = []

    def stop(info):
        seen.append(info.fitted().coef_)
        return info.iteration == 3

    model = quiet(LogisticRegression(l1_ratio=1.0, solver="adagrad", random_state=0, callback=stop), *texts)
    np.testing.assert_array_equal(model.coef_, seen[-1])


@pytest.mark.parametrize("penalty", [dict(C=1.0, l1_ratio=0.0), dict(C=np.inf, l1_ratio=1.0)])
def test_without_l1_nothing_is_added(penalty, texts):
    model = quiet(LogisticRegression(**penalty, solver="adagrad", random_state=0, warm_start=True), *texts)
    np.testing.assert_array_equal(model._resume["state"]["W"][:-1, 0], model.coef_[0])
