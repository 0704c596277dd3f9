"""The contract of convergence: what `converged_` and `suboptimality_` say, whatever the solver."""

import warnings
from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.model_selection import GridSearchCV
from skopt_solvers.objectives._duality_gap import _secant
from skopt_solvers.solvers import SOLVERS

TOL = 1e-4


def fitted(model, X, y):
    """Return a fitted model, and the texts of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    return model, [str(warning.message) for warning in caught if warning.category is ConvergenceWarning]


@cache
def problem(kind):
    if kind == "imbalanced":
        return make_classification(200, 6, weights=[0.95], random_state=0)
    if kind == "separable":
        X, y = make_classification(100, 8, class_sep=5.0, flip_y=0.0, random_state=1)
        return 30 * X, y
    X, y = load_digits(return_X_y=True)
    X, y = X[:200] / 16, y[:200]
    return X[y < 4], y[y < 4]


def model_of(kind, **options):
    """Return a model that every solver fits: with several classes sdca has no other."""
    return {"log": LogisticRegression, "svc": LinearSVC}[kind](multi_class="ovr", random_state=0, **options)


@cache
def optimum(model, C, kind):
    best, _ = fitted(model_of(model, C=C, solver="lbfgs", tol=1e-9, max_iter=20000), *problem(kind))
    return best.history_[-1]["objective"]


@pytest.mark.parametrize("kind", ["imbalanced", "separable", "digits"])
@pytest.mark.parametrize("C", [0.01, 1.0, 1000.0])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("model", ["log", "svc"])
def test_a_converged_fit_has_a_proof(model, solver, C, kind):
    fit, texts = fitted(model_of(model, C=C, solver=solver, tol=TOL), *problem(kind))
    value, best = fit.history_[-1]["objective"], optimum(model, C, kind)
    assert value - best <= fit.suboptimality_ * value + 1e-7 * best
    assert not (fit.converged_ and (texts or fit.suboptimality_ > 100 * TOL))
    assert fit.converged_ or texts or solver == "adamw"


def test_lbfgs_goes_on_until_the_bound_is_small():
    X, y = load_digits(return_X_y=True)
    short, texts = fitted(LogisticRegression(C=10, max_iter=80), X[:500], y[:500])
    assert short.history_[-1]["gradient_norm"] < short.tol
    assert not short.converged_ and short.suboptimality_ > 0.01
    assert f"the objective may be {short.suboptimality_:.3g} of itself above its minimum" in texts[0]
    assert "above tol" not in texts[0]
    long, texts = fitted(LogisticRegression(C=10, max_iter=5000), X[:500], y[:500])
    assert long.converged_ and long.suboptimality_ <= 0.01 and not texts
    assert long.n_iter_ < 5000


@pytest.mark.parametrize("solver", ["lbfgs", "sdca", "adam", "ftrl"])
def test_without_a_penalty_nothing_is_proven(solver):
    X, y = make_classification(200, 5, flip_y=0.3, random_state=0)
    if solver == "sdca":
        with pytest.raises(ValueError, match="no penalty"):
            LogisticRegression(C=np.inf, solver=solver).fit(X, y)
        return
    fit, _ = fitted(LogisticRegression(C=np.inf, solver=solver), X, y)
    assert np.isnan(fit.suboptimality_)
    assert fit.converged_ == (solver == "lbfgs")


@pytest.mark.parametrize("solver", ["lbfgs", "sdca", "adam", "adamw"])
def test_a_fit_that_ends_as_asked_does_not_warn(solver):
    X, y = problem("separable")
    options = dict(C=100.0, solver=solver, random_state=0)
    called, texts = fitted(LogisticRegression(callback=lambda info: True, **options), X, y)
    assert called.stop_reason_ == "the callback asked to stop" and not texts
    assert called.suboptimality_ > 0.01 and not called.converged_
    stopped, texts = fitted(LogisticRegression(early_stopping=True, n_iter_no_change=1, **options), X, y)
    assert not texts or "validation" not in texts[0]
    assert stopped.converged_ <= (stopped.suboptimality_ <= 0.01)


def test_adamw_tells_how_far_it_ends():
    X, y = problem("imbalanced")
    fit, texts = fitted(LogisticRegression(solver="adamw", C=0.1, random_state=0), X, y)
    relative = fit.suboptimality_bound(X, y) / fit.history_[-1]["objective"]
    assert fit.suboptimality_ == pytest.approx(relative, rel=1e-3)
    assert fit.converged_ == (relative <= 0.01)
    assert "does not end at the objective's minimum" in fit.stop_reason_ and not texts


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("multi_class", ["softmax", "ovr"])
def test_the_bound_of_a_fit_is_that_of_the_method(multi_class, dtype):
    X, y = load_digits(return_X_y=True)
    X = (X[:400] / 16).astype(dtype)
    for solver in ("lbfgs", "adagrad"):
        fit, _ = fitted(
            LogisticRegression(multi_class=multi_class, solver=solver, tol=1e-3, random_state=0), X, y[:400]
        )
        relative = fit.suboptimality_bound(X, y[:400]) / fit.history_[-1]["objective"]
        assert fit.suboptimality_ == pytest.approx(relative, rel=0.05, abs=1e-6)


@pytest.mark.parametrize("solver", ["lbfgs", "adagrad"])
def test_a_crf_has_a_proof_where_no_label_is_missing(solver):
    rng = np.random.RandomState(0)
    X = [[{"w": str(word), "first": i == 0} for i, word in enumerate(rng.randint(9, size=6))] for _ in range(60)]
    y = [[str(int(token["w"]) % 3) for token in sequence] for sequence in X]
    fit, _ = fitted(LinearChainCRF(solver=solver, max_iter=500, random_state=0), X, y)
    relative = fit.suboptimality_bound(X, y) / fit.history_[-1]["objective"]
    assert fit.suboptimality_ == pytest.approx(relative, rel=0.01, abs=1e-6)
    assert not fit.converged_ or fit.suboptimality_ <= 0.01
    y[0][2] = None
    missing, _ = fitted(LinearChainCRF(solver=solver, max_iter=500, random_state=0), X, y)
    assert np.isnan(missing.suboptimality_)


def test_the_secant_method_finds_a_root_that_is_near():
    assert _secant(lambda b: np.tanh(b - 0.01)) == pytest.approx(0.01, abs=1e-15)
    assert _secant(lambda b: 1.0) is None


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
@pytest.mark.parametrize("solver", ["momentum", "adagrad", "rmsprop", "adam", "ftrl", "lbfgs", "sdca"])
def test_a_fit_goes_on_until_it_has_proven_what_is_asked(solver, l1_ratio):
    if solver == "sdca" and l1_ratio:
        pytest.skip("sdca has no L1")
    X, y = problem("digits")
    options = dict(C=10.0, l1_ratio=l1_ratio, solver=solver, tol=1e-3, max_iter=3000, random_state=0, multi_class="ovr")
    short, _ = fitted(LogisticRegression(**options), X, y)
    goal = min(1e-2, max(short.suboptimality_ / 5, 1e-9))
    seen = []
    options.update(max_suboptimality=goal, callback=lambda info: seen.append(info.iteration))
    long, texts = fitted(LogisticRegression(**options), X, y)
    assert long.converged_ and long.suboptimality_ <= goal and not texts
    assert "is proven to be at most" in long.stop_reason_
    assert [record["iteration"] for record in long.history_] == seen == list(range(1, long.n_iter_ + 1))
    assert long.n_iter_ > short.n_iter_ or short.suboptimality_ <= goal
    assert long.suboptimality_bound(X, y) <= 1.01 * goal * long.history_[-1]["objective"]


def test_what_is_asked_may_not_be_reached():
    X, y = problem("imbalanced")
    model = LogisticRegression(solver="adam", C=100, max_iter=30, max_suboptimality=1e-9, random_state=0)
    fit, texts = fitted(model, X, y)
    assert not fit.converged_ and fit.n_iter_ == 30 == len(fit.history_)
    assert "and 1e-09 (max_suboptimality) is allowed" in texts[0]


def test_the_clock_ends_the_search_for_a_proof():
    X, y = problem("imbalanced")
    fit, texts = fitted(LogisticRegression(solver="adam", max_suboptimality=1e-9, max_time=1e-9, random_state=0), X, y)
    assert fit.n_iter_ == 1 and "max_time=1e-09 seconds were over" in texts[0] and texts[0].endswith("Raise max_time.")


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(max_suboptimality=0.0), "'max_suboptimality' parameter"),
        (dict(max_suboptimality=1e-3, C=np.inf), "nothing bounds the distance"),
        (dict(max_suboptimality=1e-3, solver="adamw"), "solver='adamw' does not end at the minimum"),
    ],
)
def test_what_cannot_be_proven_is_refused(options, message):
    X, y = problem("imbalanced")
    model = LogisticRegression().fit(X, y)
    before = model.coef_
    with pytest.raises(ValueError, match=message):
        model.set_params(**options).fit(X, y)
    assert model.coef_ is before
    with pytest.raises(ValueError, match=r"max_suboptimality must be None here, got 0\.001: partial_fit"):
        LogisticRegression(solver="adagrad", max_suboptimality=1e-3).partial_fit(X, y, classes=[0, 1])


def test_a_search_may_ask_for_a_proof():
    X, y = problem("digits")
    grid = {"C": [0.1, 1.0], "max_suboptimality": [None, 1e-3]}
    model = LogisticRegression(solver="adagrad", random_state=0, max_iter=2000)
    search = GridSearchCV(model, grid, cv=2).fit(X, y)
    asked = np.array([value == 1e-3 for value in search.cv_results_["param_max_suboptimality"]])
    assert (search.cv_results_["mean_suboptimality"][asked] <= 1e-3).all()
    assert (search.cv_results_["mean_converged"] == 1).all()
