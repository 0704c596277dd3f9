"""Every solver ends at the optimum that independent libraries find, and the certificate agrees."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression as Reference
from sklearn.linear_model._sgd_fast import ModifiedHuber
from sklearn.svm import LinearSVC as ReferenceSVC
from sklearn.utils.fixes import parse_version

from skopt_solvers import LinearSVC, LogisticRegression
from skopt_solvers.objectives import SVC_LOSSES
from skopt_solvers.solvers import LBFGS, SOLVERS, AdaGrad

from ..reference import EXACT_NAMES, KINKED_NAMES, L1_NAMES, NAMES, STOCHASTIC_NAMES

MODELS = [LogisticRegression(l1_ratio=r) for r in (0.0, 0.5, 1.0)] + [
    LinearSVC(loss=loss, multi_class=multi_class) for loss, losses in SVC_LOSSES.items() for multi_class in losses
]


def text_like(n=400, d=150, n_classes=2, seed=0):
    """Rows of unit length with Zipf-distributed features, and labels that a linear model half explains."""
    rng = np.random.RandomState(seed)
    popularity = 1 / np.arange(1, d + 1)
    rows = [np.unique(rng.choice(d, 20, p=popularity / popularity.sum())) for _ in range(n)]
    X = sp.lil_matrix((n, d))
    for i, columns in enumerate(rows):
        X[i, columns] = rng.rand(len(columns)) + 0.1
    X = sp.csr_matrix(X)
    X = sp.csr_matrix(X.multiply(1 / np.sqrt(X.multiply(X).sum(axis=1))))
    scores = X @ rng.randn(d, n_classes) * 5 + rng.gumbel(size=(n, n_classes))
    return X, scores.argmax(axis=1)


def reference_with_l1(l1_ratio, **options):
    """scikit-learn's, which before 1.8 wants the penalty's name too."""
    if parse_version(sklearn.__version__) >= parse_version("1.8"):
        return Reference(l1_ratio=l1_ratio, **options)
    if l1_ratio == 1:
        return Reference(penalty="l1", **options)
    return Reference(penalty="elasticnet", l1_ratio=l1_ratio, **options)


def objective(model, X, y, C, l1_ratio, loss):
    """scikit-learn's objective, from scratch."""
    z = model.decision_function(X)
    w = np.asarray(model.coef_)
    if loss == "logistic":
        if z.ndim == 1:
            losses = np.logaddexp(0, -np.where(y == model.classes_[1], 1, -1) * z)
        else:
            losses = np.log(np.exp(z - z.max(1, keepdims=True)).sum(1)) + z.max(1) - z[np.arange(len(y)), y]
    else:
        Y = np.where(y[:, None] == model.classes_, 1, -1)
        Y = Y[:, 1:] if z.ndim == 1 else Y
        margins = np.maximum(1 - Y * z.reshape(len(y), -1), 0)
        if loss == "squared_hinge":
            margins = margins**2
        elif loss == "smoothed_hinge":
            margins = np.where(margins < 1, margins**2 / 2, margins - 0.5)
        elif loss == "modified_huber":
            margins = np.where(margins < 2, margins**2, 4 * margins - 4)
        losses = margins.sum(axis=1)
    return C * losses.sum() + (1 - l1_ratio) / 2 * (w**2).sum() + l1_ratio * np.abs(w).sum()


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [0.1, 10.0])
def test_lbfgs_l2_agrees_with_scikit_learn(n_classes, fit_intercept, C):
    X, y = text_like(n_classes=n_classes)
    ours = LogisticRegression(C=C, fit_intercept=fit_intercept, tol=1e-9, max_iter=2000).fit(X, y)
    theirs = Reference(C=C, fit_intercept=fit_intercept, tol=1e-9, max_iter=5000).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=2e-5)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=2e-5)
    assert ours.converged_
    assert ours.suboptimality_bound(X, y) < 1e-8 * objective(ours, X, y, C, 0, "logistic")


@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_lbfgs_l1_agrees_with_scikit_learn(l1_ratio, n_classes):
    X, y = text_like(n_classes=n_classes)
    ours = LogisticRegression(C=2.0, l1_ratio=l1_ratio, tol=1e-9, max_iter=3000).fit(X, y)
    options = dict(C=2.0, solver="saga", tol=1e-9, max_iter=20000, random_state=0)
    theirs = reference_with_l1(l1_ratio, **options).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-3)
    a, b = (objective(m, X, y, 2.0, l1_ratio, "logistic") for m in (ours, theirs))
    assert a <= b * (1 + 1e-9)
    assert ours.suboptimality_bound(X, y) < 1e-5 * a
    assert (ours.coef_ == 0).mean() > 0.1 * l1_ratio


def test_binary_l1_agrees_with_liblinear():
    X, y = text_like()
    ours = LogisticRegression(C=1.0, l1_ratio=1.0, fit_intercept=False, tol=1e-10, max_iter=3000).fit(X, y)
    options = dict(C=1.0, solver="liblinear", fit_intercept=False, tol=1e-6, max_iter=50000)
    theirs = reference_with_l1(1.0, **options).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    np.testing.assert_array_equal(ours.coef_ == 0, theirs.coef_ == 0)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_squared_hinge_agrees_with_liblinear(n_classes):
    X, y = text_like(n_classes=n_classes)
    ours = LinearSVC(fit_intercept=False, tol=1e-9, max_iter=3000).fit(X, y)
    theirs = ReferenceSVC(fit_intercept=False, tol=1e-10, max_iter=100000, random_state=0).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    assert ours.suboptimality_bound(X, y) < 1e-8 * objective(ours, X, y, 1.0, 0, "squared_hinge")


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
@pytest.mark.parametrize("C", [0.1, 1.0, 10.0])
def test_sdca_agrees_with_liblinear(n_classes, loss, C):
    X, y = text_like(n_classes=n_classes)
    options = dict(C=C, loss=loss, fit_intercept=False, random_state=0)
    ours = LinearSVC(solver="sdca", tol=1e-8, max_iter=5000, **options).fit(X, y)
    theirs = ReferenceSVC(tol=1e-8, max_iter=200000, **options).fit(X, y)
    a, b = (objective(m, X, y, C, 0, loss) for m in (ours, theirs))
    assert ours.converged_ and a <= b * (1 + 1e-7)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-3)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [0.1, 10.0])
@pytest.mark.parametrize(
    "model",
    [LogisticRegression(), *(LinearSVC(loss=loss) for loss in SVC_LOSSES)],
    ids=str,
)
@pytest.mark.parametrize("dtype, tol", [(np.float64, 1e-7), (np.float32, 1e-5)])
def test_sdca_ends_at_an_optimum_that_it_proves(model, n_classes, fit_intercept, C, dtype, tol):
    X, y = text_like(n_classes=n_classes)
    params = dict(C=C, fit_intercept=fit_intercept, max_iter=5000)
    ours = clone(model).set_params(solver="sdca", tol=tol, random_state=0, **params).fit(X.astype(dtype), y)
    loss = getattr(model, "loss", "logistic")
    value = objective(ours, X, y, C, 0, loss)
    assert ours.converged_ and "duality gap" in ours.stop_reason_
    assert ours.history_[-1]["objective"] == pytest.approx(value, rel=1e-9 if dtype == np.float64 else 1e-5)
    if loss != "hinge":
        best = clone(model).set_params(tol=1e-9, **params).fit(X, y)
        assert value <= best.history_[-1]["objective"] * (1 + 2 * tol)
        np.testing.assert_allclose(ours.coef_, best.coef_, atol=1e-3 if dtype == np.float64 else 2e-2)


@pytest.mark.parametrize("solver", ["lbfgs", LBFGS(newton=False), "sdca"])
def test_modified_huber_agrees_with_scipy_on_the_formula_of_scikit_learn(solver):
    X, y = text_like(d=30, n_classes=3)
    y = np.where(np.arange(len(y)) % 10, y, (y + 1) % 3)  # labels that are wrong are on the straight part
    options = dict(C=30.0, fit_intercept=False, tol=1e-8, max_iter=5000, random_state=0)
    ours = LinearSVC(loss="modified_huber", solver=solver, **options).fit(X, y)
    assert ours.converged_ and ours.suboptimality_bound(X, y) < 1e-6 * ours.history_[-1]["objective"]
    loss = np.vectorize(lambda margin: ModifiedHuber().py_loss(p=margin, y=1.0))
    slope = np.vectorize(lambda margin: ModifiedHuber().py_dloss(p=margin, y=1.0))
    total = 0.0
    for k in range(3):
        S = sp.diags(np.where(y == k, 1.0, -1.0)) @ X
        value_and_gradient = lambda w: (30 * loss(S @ w).sum() + w @ w / 2, 30 * S.T @ slope(S @ w) + w)  # noqa: B023, E731
        found = minimize(value_and_gradient, np.zeros(30), jac=True, tol=1e-10)
        np.testing.assert_allclose(ours.coef_[k], found.x, atol=1e-4)
        total += found.fun
    assert (ours.decision_function(X)[np.arange(len(y)), y] < -1).any(), "some samples are on the straight part"
    np.testing.assert_allclose(ours.history_[-1]["objective"], total, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # kinks: the certificate is not tight
def test_hinge_comes_close_to_liblinear():
    X, y = text_like()
    solver = AdaGrad(schedule="linear")
    ours = LinearSVC(loss="hinge", solver=solver, fit_intercept=False, max_iter=100, random_state=0).fit(X, y)
    theirs = ReferenceSVC(loss="hinge", fit_intercept=False, tol=1e-8, max_iter=200000, random_state=0).fit(X, y)
    a, b = (objective(m, X, y, 1.0, 0, "hinge") for m in (ours, theirs))
    assert a < 1.003 * b


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # L1 alone: the certificate is not tight
@pytest.mark.parametrize("solver", [name for name in STOCHASTIC_NAMES if name in EXACT_NAMES])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("Model", [LogisticRegression, LinearSVC])
def test_stochastic_solvers_end_at_the_optimum(Model, solver, l1_ratio):
    X, y = text_like(n_classes=3)
    best = Model(l1_ratio=l1_ratio, tol=1e-8, max_iter=3000).fit(X, y)
    ours = Model(l1_ratio=l1_ratio, solver=SOLVERS[solver](schedule="linear"), random_state=0, max_iter=80).fit(X, y)
    loss = "logistic" if Model is LogisticRegression else "squared_hinge"
    a, b = (objective(m, X, y, 1.0, l1_ratio, loss) for m in (ours, best))
    assert b * (1 - 1e-7) <= a < 1.01 * b
    np.testing.assert_allclose(a, ours.history_[-1]["objective"], rtol=1e-9)
    if l1_ratio == 1:
        assert (ours.coef_ == 0).any()


@pytest.mark.parametrize("solver", NAMES)
@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("C", [0.1, 3.0])
def test_bound_is_above_the_true_distance(model, solver, n_classes, C):
    """The certificate against the best objective that any solver reached."""
    X, y = text_like(n=200, d=60, n_classes=n_classes, seed=3)
    best = best_objective(model, X, y, C, n_classes)
    fitted = model.set_params(solver=solver, C=C, max_iter=5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fitted.fit(X, y)
        except ValueError as error:
            assert refuses(solver, model, n_classes) and refuses(solver, model, n_classes) in str(error)
            return
    assert not refuses(solver, model, n_classes)
    value = fitted.history_[-1]["objective"]
    assert value - best <= fitted.suboptimality_bound(X, y) * (1 + 1e-9) + 1e-9 * best


def refuses(solver, model, n_classes):
    """What a solver says of a loss or a penalty that it has no method for."""
    joint = n_classes > 2 and getattr(model, "multi_class", "ovr") == "crammer_singer"
    if solver not in KINKED_NAMES and (
        getattr(model, "loss", "logistic") == "hinge" or (joint and model.loss == "squared_hinge")
    ):
        return "kinks"
    if solver not in L1_NAMES and model.l1_ratio:
        return "L1"
    return "crammer_singer" if solver == "sdca" and joint else ""


_BEST = {}


def best_objective(model, X, y, C, n_classes):
    key = (str(clone(model).set_params(solver="lbfgs", C=C, max_iter=1, random_state=0)), C, n_classes)
    if key not in _BEST:
        values = []
        for solver, max_iter in (("lbfgs", 2000), ("adagrad", 150), ("momentum", 150)):
            other = clone(model).set_params(solver=solver, C=C, max_iter=max_iter, tol=1e-9, random_state=0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    values.append(other.fit(X, y).history_[-1]["objective"])
                except ValueError:
                    continue
        _BEST[key] = min(values)
    return _BEST[key]


def test_bound_is_zero_at_the_optimum_and_infinite_without_penalty():
    X, y = text_like()
    model = LogisticRegression(tol=1e-12, max_iter=5000).fit(X, y)
    assert 0 <= model.suboptimality_bound(X, y) < 1e-12
    model.coef_ = model.coef_ + 0.01
    assert model.suboptimality_bound(X, y) > 1e-4
    assert LogisticRegression(C=np.inf, max_iter=20, tol=1.0).fit(X, y).suboptimality_bound(X, y) == np.inf


@pytest.mark.parametrize("size", [1e3, 1e6, 1e9, 1e100])
@pytest.mark.parametrize("Model, loss", [(LogisticRegression, "logistic"), (LinearSVC, "squared_hinge")])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_bound_is_above_the_true_distance_of_intercepts_that_are_far_off(n_classes, Model, loss, size):
    X, y = text_like(n=120, d=40, n_classes=n_classes)
    model = Model(tol=1e-8, max_iter=1000).fit(X, y)
    best = objective(model, X, y, 1.0, 0, loss)
    model.intercept_ = size * (1.0 + np.arange(len(model.intercept_)))
    distance = objective(model, X, y, 1.0, 0, loss) - best
    assert model.suboptimality_bound(X, y) >= (1 - 1e-9) * distance > size


def test_unpenalised_agrees_with_scikit_learn():
    rng = np.random.RandomState(0)
    X = rng.randn(300, 4)
    y = (X @ rng.randn(4) + rng.logistic(size=300) > 0).astype(int)
    ours = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(X, y)
    theirs = Reference(C=np.inf, tol=1e-10, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5)


@pytest.mark.parametrize("solver", NAMES)
@pytest.mark.parametrize("Model", [LogisticRegression, LinearSVC])
def test_sample_weight_is_repetition(Model, solver):
    X, y = text_like(n=60, d=40, n_classes=3, seed=1)
    weights = np.random.RandomState(0).randint(0, 3, len(y))
    weights[y == 0] = np.maximum(weights[y == 0], 1)
    max_iter = 3000
    if solver in STOCHASTIC_NAMES:  # one batch, so that there is no order of samples
        solver, max_iter = SOLVERS[solver](batch_size=200), 50
    model = Model(solver=solver, tol=1e-9, max_iter=max_iter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weighted = model.fit(X, y, sample_weight=weights).decision_function(X)
        repeated = model.fit(X[np.repeat(np.arange(60), weights)], np.repeat(y, weights)).decision_function(X)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-6, atol=1e-7)


def test_class_weights_are_factors_on_sample_weights():
    X, y = text_like(n_classes=3)
    by_class = LogisticRegression(class_weight={0: 2.0, 1: 1.0, 2: 0.5}, tol=1e-8).fit(X, y)
    by_sample = LogisticRegression(tol=1e-8).fit(X, y, sample_weight=np.array([2.0, 1.0, 0.5])[y])
    np.testing.assert_allclose(by_class.coef_, by_sample.coef_, atol=1e-7)
    balanced = LogisticRegression(class_weight="balanced", tol=1e-8).fit(X, y)
    reference = Reference(class_weight="balanced", tol=1e-9, max_iter=5000).fit(X, y)
    np.testing.assert_allclose(balanced.coef_, reference.coef_, atol=1e-5)
