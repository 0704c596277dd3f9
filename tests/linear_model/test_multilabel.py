"""Several labels a sample: an indicator matrix as y is one binary fit a label."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.multiclass import OneVsRestClassifier

from skopt_solvers import LinearSVC, LogisticRegression, model_selection
from skopt_solvers.inspection import WeightsDisplay, explain, top_features
from skopt_solvers.model_selection import C_path, fit_many
from skopt_solvers.objectives import SVC_LOSSES, Indicator, LinearObjective
from skopt_solvers.solvers import LBFGS
from skopt_solvers.solvers._stochastic_fit import mean_weights

from ..reference import LOSSES, STOCHASTIC_NAMES, text_like

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, CLASSES = text_like(n=260, d=70, n_classes=5, seed=2)
Y = np.column_stack([CLASSES == 0, CLASSES <= 1, CLASSES == 3, (CLASSES == 1) | (CLASSES == 4), X[:, 3].toarray() > 0])
Y = Y.astype(int)
EXACT = [("lbfgs", 1e-10), ("sdca", 1e-13)]
OVR_LOSSES = [name for name, losses in SVC_LOSSES.items() if "ovr" in losses]


def one_by_one(model, X, Y, **fit):
    """Return the coefficients and intercepts of a binary fit for each label."""
    fits = [clone(model).fit(X, Y[:, k], **fit) for k in range(Y.shape[1])]
    return np.vstack([one.coef_ for one in fits]), np.hstack([one.intercept_ for one in fits])


def assert_equal(model, coef, intercept, rtol):
    scale = np.abs(coef).max()
    np.testing.assert_allclose(model.coef_, coef, rtol=0, atol=rtol * scale)
    np.testing.assert_allclose(model.intercept_, intercept, rtol=0, atol=rtol * max(scale, 1))


# Certificates


@pytest.mark.parametrize("solver, tol", EXACT)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 0.5, 1: 3.0}])
def test_logistic_regression_is_one_fit_a_label(solver, tol, fit_intercept, class_weight):
    options = dict(C=2.0, fit_intercept=fit_intercept, class_weight=class_weight)
    model = LogisticRegression(solver=solver, tol=tol, max_iter=3000, random_state=0, **options).fit(X, Y)
    assert_equal(model, *one_by_one(LogisticRegression(tol=1e-10, max_iter=3000, **options), X, Y), 1e-6)
    assert model.coef_.shape == (5, 70) and model.intercept_.shape == (5,)
    assert model.classes_.tolist() == [0, 1, 2, 3, 4] and model.multilabel_


@pytest.mark.parametrize("loss", OVR_LOSSES)
@pytest.mark.parametrize("class_weight", [None, "balanced", {1: 4.0}])
def test_every_loss_of_the_svm_is_one_fit_a_label(loss, class_weight):
    exact = LinearSVC(loss=loss, solver="sdca", tol=1e-11, max_iter=3000, class_weight=class_weight, random_state=0)
    solvers = ["sdca"] if loss == "hinge" else ["sdca", "lbfgs"]
    for solver in solvers:
        model = clone(exact).set_params(solver=solver).fit(X, Y)
        # the plain hinge's optimum is known to the root of the gap
        assert_equal(model, *one_by_one(exact, X, Y), 2e-5 if loss == "hinge" else 1e-6)


@pytest.mark.parametrize("model", [LogisticRegression(), LinearSVC(), LinearSVC(loss="hinge")])
@pytest.mark.parametrize("solver", STOCHASTIC_NAMES)
@pytest.mark.parametrize("l1_ratio", [0.0, 0.7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_stochastic_solvers_make_the_steps_of_each_label(model, solver, l1_ratio, dtype):
    if isinstance(model, LinearSVC) and model.loss == "hinge" and dtype == np.float32:
        pytest.skip("a margin on a kink falls to either side by rounding")
    model = clone(model).set_params(solver=solver, l1_ratio=l1_ratio, max_iter=6, tol=0, random_state=0)
    data = X.astype(dtype)
    fitted = clone(model).set_params(warm_start=True).fit(data, Y)
    if not l1_ratio:
        assert_equal(fitted, *one_by_one(model, data, Y), 1e-10 if dtype == np.float64 else 1e-3)
    else:  # the steps that end a fit with L1 are those of all labels: what comes before them is the same
        fits = [clone(model).set_params(warm_start=True).fit(data, Y[:, k]) for k in range(Y.shape[1])]
        table = np.hstack([mean_weights(one._resume["state"]) for one in fits])
        got, rtol = mean_weights(fitted._resume["state"]), 1e-10 if dtype == np.float64 else 1e-3
        np.testing.assert_allclose(got, table, rtol=0, atol=rtol * np.abs(table).max())
        total = sum(one.history_[-1]["objective"] for one in fits)
        assert fitted.history_[-1]["objective"] == pytest.approx(total, rel=0.05)
    assert fitted.coef_.dtype == fitted.intercept_.dtype == dtype


@pytest.mark.parametrize("solver", ["adagrad", "adam", "momentum"])
def test_balanced_weights_of_the_labels_are_those_of_each(solver):
    model = LogisticRegression(solver=solver, class_weight="balanced", max_iter=6, tol=0, random_state=0)
    rows = np.flatnonzero(np.diff(X.indptr))  # of unit length, so that the learning rate is the same for all
    assert_equal(clone(model).fit(X[rows], Y[rows]), *one_by_one(model, X[rows], Y[rows]), 1e-6)


def test_l1():
    options = dict(l1_ratio=0.8, C=3.0, tol=1e-9, max_iter=4000)
    model = LogisticRegression(**options).fit(X, Y)
    assert_equal(model, *one_by_one(LogisticRegression(**options), X, Y), 1e-5)
    assert (model.coef_ == 0).any()


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_array, sp.coo_matrix, np.asfortranarray, pd.DataFrame])
@pytest.mark.parametrize("kind", [bool, np.int8, np.float64])
def test_every_form_of_the_labels_is_the_same(form, kind):
    given = form(Y.astype(kind))
    model = LogisticRegression().fit(X, given)
    np.testing.assert_array_equal(model.coef_, LogisticRegression().fit(X, Y).coef_)
    predicted, sparse = model.predict(X), sp.issparse(given)
    assert sp.issparse(predicted) == sparse and predicted.shape == Y.shape
    dense = predicted.toarray() if sparse else predicted
    assert dense.dtype == np.int64
    np.testing.assert_array_equal(dense, LogisticRegression().fit(X, Y.tolist()).predict(X))
    assert model.score(X, given) == accuracy_score(Y, dense) > 0.3


@pytest.mark.parametrize("model", [LogisticRegression(), LinearSVC(), LogisticRegression(class_weight={1: 5.0})])
@pytest.mark.parametrize("solver, tol", EXACT)
def test_weights_are_repetitions_and_masks_subsets(model, solver, tol):
    model = clone(model).set_params(solver=solver, tol=tol, max_iter=3000, random_state=0)
    weights = np.random.RandomState(0).randint(0, 3, len(Y))
    rows = np.repeat(np.arange(len(Y)), weights)
    weighted, repeated = clone(model).fit(X, Y, weights), clone(model).fit(X[rows], Y[rows])
    assert_equal(weighted, repeated.coef_, repeated.intercept_, 1e-6)
    mask = weights > 0
    masked, subset = clone(model).fit(X, Y, mask), clone(model).fit(X[mask], Y[mask])
    assert_equal(masked, subset.coef_, subset.intercept_, 1e-6)


def objective_of(loss, dtype, indicator, **options):
    labels, weights = np.arange(len(Y), dtype=np.int32), np.random.RandomState(3).rand(len(Y))
    return LinearObjective(
        X.astype(dtype), labels, weights, n_outputs=5, loss=LOSSES[loss], l1_ratio=0.0, indicator=indicator,
        **{"C": 2.0, "fit_intercept": True, **options},
    )  # fmt: skip


def weighed_labels():
    factors = np.random.RandomState(4).rand(2, 5)
    indicator = Indicator.of(sp.csr_matrix(Y))
    return Indicator(indicator.indptr, indicator.indices, factors, np.array([0, 0, 1, 0, 0], np.int8))


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "smoothed_hinge", "modified_huber"])
def test_the_gradient_is_that_of_the_value(loss, kernels):
    objective = objective_of(loss, np.float64, weighed_labels())
    rng = np.random.RandomState(0)
    W, D = rng.randn(*objective.shape), rng.randn(*objective.shape)
    _, gradient = objective.value_and_gradient(W)
    numeric = (objective.value(W + 1e-6 * D) - objective.value(W - 1e-6 * D)) / 2e-6
    np.testing.assert_allclose(np.vdot(gradient, D), numeric, rtol=1e-6)
    # a label that is constant has its penalty alone
    np.testing.assert_allclose(gradient[:-1, 2], objective.l2 * W[:-1, 2])
    assert gradient[-1, 2] == 0
    # the batches of an epoch add up to it
    mean = objective.gradient(W, objective.samples)
    whole = np.zeros_like(W)
    whole[mean.rows] = mean.values
    whole[:-1] += objective.l2 * W[:-1]
    np.testing.assert_allclose(whole, gradient, atol=1e-12)


@pytest.mark.parametrize("loss", ["logistic", "hinge", "squared_hinge", "smoothed_hinge", "modified_huber"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dual_of_weighed_labels_comes_to_the_primal(loss, dtype, kernels):
    objective = objective_of(loss, dtype, weighed_labels(), fit_intercept=False)
    ascent = objective.ascent()
    for epoch in range(400):
        ascent.epoch(epoch)
    value = objective.value(ascent.W)
    assert -1e-6 * value < value - ascent.value() < 1e-3 * value
    assert not ascent.W[:, 2].any() and not ascent.A[:, 2].any()


# Predictions, scorers and searches


def test_predictions():
    model = LogisticRegression(C=3.0, tol=1e-8).fit(X, Y)
    Z = model.decision_function(X)
    assert Z.shape == Y.shape
    np.testing.assert_allclose(model.predict_proba(X), expit(Z))
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(expit(Z)))
    np.testing.assert_array_equal(model.predict(X), Z > 0)
    wrapper = OneVsRestClassifier(LogisticRegression(C=3.0, tol=1e-8)).fit(X, Y)
    np.testing.assert_allclose(model.predict_proba(X), wrapper.predict_proba(X), atol=1e-4)
    np.testing.assert_array_equal(model.classes_, wrapper.classes_)
    assert model.multilabel_ == wrapper.multilabel_
    top = model.predict_topk(X, k=2)
    np.testing.assert_array_equal(top.labels, np.argsort(-Z, axis=1, kind="stable")[:, :2])
    np.testing.assert_allclose(top.scores, -np.sort(-Z, axis=1)[:, :2])
    model.sparsify()
    np.testing.assert_array_equal(model.predict(X), Z > 0)


def test_two_labels_are_two_problems_and_not_two_classes():
    model = LogisticRegression(tol=1e-8).fit(X, Y[:, :2])
    assert model.coef_.shape == (2, 70) and model.predict(X).shape == (len(Y), 2)
    assert_equal(model, *one_by_one(LogisticRegression(tol=1e-8), X, Y[:, :2]), 1e-6)
    assert len({record["class"] for record in top_features(model)}) == 2


def test_a_fit_forgets_the_form_of_the_one_before():
    model = LogisticRegression().fit(X, sp.csr_matrix(Y))
    assert sp.issparse(model.predict(X))
    model.fit(X, CLASSES)
    assert not model.multilabel_ and model.predict(X).shape == CLASSES.shape
    assert isinstance(model.fit(X, Y).predict(X), np.ndarray)


SCORERS = ["f1_micro", "f1_macro", "accuracy", "roc_auc", "average_precision", "jaccard_macro"]


@pytest.mark.parametrize("model", [LogisticRegression(), LinearSVC()])
def test_scorers_give_what_they_give_for_the_wrapper(model):
    for scoring in SCORERS:
        ours = cross_val_score(model, X, Y, scoring=scoring, cv=3)
        theirs = cross_val_score(OneVsRestClassifier(model), X, Y, scoring=scoring, cv=3)
        np.testing.assert_allclose(ours, theirs, atol=5e-3)
        assert (ours > 0.2).all()


@pytest.mark.parametrize("solver", ["lbfgs", "adagrad"])
def test_searches(solver):
    grid = {"C": [0.1, 1.0, 10.0]}
    options = dict(scoring="f1_micro", cv=KFold(3))
    model = LogisticRegression(solver=solver, random_state=0)
    ours = model_selection.GridSearchCV(model, grid, **options).fit(X, Y)
    theirs = GridSearchCV(model, grid, **options).fit(X, Y)
    np.testing.assert_allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], atol=1e-3)
    assert ours.best_params_ == theirs.best_params_
    assert ours.predict(X).shape == Y.shape


def test_fits_of_a_path_and_of_many():
    Cs = [0.1, 1.0, 10.0]
    path = C_path(LogisticRegression(tol=1e-8), X, Y, Cs, cv=3)
    assert (path.scores > 0.1).all() and path.best_estimator.predict(X).shape == Y.shape
    models = fit_many([LogisticRegression(C=C, solver="adagrad", random_state=0) for C in Cs], X, Y)
    for C, model in zip(Cs, models, strict=True):
        alone = LogisticRegression(C=C, solver="adagrad", random_state=0).fit(X, Y)
        assert_equal(model, alone.coef_, alone.intercept_, 1e-9)


# Labels that are the same in all samples


@pytest.mark.parametrize("model", [LogisticRegression(), LinearSVC()])
@pytest.mark.parametrize("solver", ["lbfgs", "sdca", "adagrad", "adam"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_labels_that_no_sample_has_or_all_have(model, solver, fit_intercept):
    given = np.column_stack([Y[:, 0], np.zeros(len(Y)), Y[:, 1], np.ones(len(Y))])
    model = clone(model).set_params(solver=solver, random_state=0, fit_intercept=fit_intercept)
    with pytest.warns(UserWarning, match=r"no sample has: \[1\], and that all have: \[3\]"):
        fitted = clone(model).fit(X, given)
    np.testing.assert_array_equal(fitted.predict(X)[:, [1, 3]], given[:, [1, 3]])
    assert not fitted.coef_[[1, 3]].any() and fitted.intercept_[1] == -fitted.intercept_[3]
    alone = clone(model).fit(X, given[:, [0, 2]])
    assert_equal(fitted, np.insert(alone.coef_, [1, 2], 0, axis=0), fitted.intercept_, 1e-4)
    np.testing.assert_allclose(fitted.intercept_[[0, 2]], alone.intercept_, atol=1e-4)
    if isinstance(model, LogisticRegression):
        np.testing.assert_allclose(fitted.predict_proba(X)[:, [1, 3]], given[:, [1, 3]], atol=3e-16)
        assert np.isfinite(fitted.predict_log_proba(X)).all()
    # one of weight 0 counts for nothing
    given[0, 1] = 1
    with pytest.warns(UserWarning, match=r"no sample has: \[1\]"):
        clone(model).fit(X, given, sample_weight=np.arange(len(Y)) > 0)


def test_a_label_that_comes_later_is_fitted_by_a_warm_start():
    model = LogisticRegression(warm_start=True, tol=1e-9, max_iter=1000)
    with pytest.warns(UserWarning, match="no sample has"):
        model.fit(X, np.column_stack([Y[:, 0], np.zeros(len(Y))]))
    model.fit(X, Y[:, :2])
    fresh = LogisticRegression(tol=1e-9, max_iter=1000).fit(X, Y[:, :2])
    assert_equal(model, fresh.coef_, fresh.intercept_, 1e-5)
    with pytest.warns(UserWarning, match="no sample has"):
        model.fit(X, np.column_stack([Y[:, 0], np.zeros(len(Y))]))
    assert not model.coef_[1].any()
    sgd = LogisticRegression(warm_start=True, solver="adagrad", random_state=0).fit(X, Y[:, :2])
    with pytest.warns(UserWarning, match="no sample has"):
        sgd.fit(X, np.column_stack([Y[:, 0], np.zeros(len(Y))]))
    assert not sgd.coef_[1].any()


# Fits that go on, and that are stored


def test_streams():
    stream, parts = LogisticRegression(solver="adagrad", random_state=0), np.array_split(np.arange(len(Y)), 4)
    each = [LogisticRegression(solver="adagrad", random_state=0) for _ in range(5)]
    for rows in [*parts, *parts]:
        stream.partial_fit(X[rows], Y[rows], classes=np.arange(5))
        for k, one in enumerate(each):
            one.partial_fit(X[rows], Y[rows, k], classes=[0, 1])
    coef, intercept = np.vstack([one.coef_ for one in each]), np.hstack([one.intercept_ for one in each])
    assert_equal(stream, coef, intercept, 1e-9)
    # the columns of y say what the labels are
    other = LogisticRegression(solver="adagrad", random_state=0)
    for rows in [*parts, *parts]:
        other.partial_fit(X[rows], sp.csr_matrix(Y[rows]))
    np.testing.assert_array_equal(other.coef_, stream.coef_)
    assert sp.issparse(other.predict(X))


def test_balanced_streams_count_each_label():
    stream, one = (LogisticRegression(solver="momentum", class_weight="balanced", random_state=0) for _ in range(2))
    for rows in np.array_split(np.random.RandomState(0).permutation(len(Y)), 4):
        stream.partial_fit(X[rows], Y[rows])
        one.partial_fit(X[rows], Y[rows, 1], classes=[0, 1])
    scale = np.abs(one.coef_).max()
    np.testing.assert_allclose(stream.coef_[1], one.coef_[0], rtol=0, atol=0.05 * scale)


@pytest.mark.parametrize("solver", ["adagrad", "sdca"])
def test_a_warm_start_goes_on(solver):
    options = dict(solver=solver, tol=0, random_state=0, C=5.0)
    whole = LogisticRegression(max_iter=6, **options).fit(X.astype(np.float32), Y)
    half = LogisticRegression(max_iter=3, warm_start=True, **options).fit(X.astype(np.float32), Y)
    half = pickle.loads(pickle.dumps(half)).fit(X.astype(np.float32), Y)
    if solver == "sdca":
        assert_equal(half, whole.coef_, whole.intercept_, 1e-3)
    else:
        assert half.history_[-1]["iteration"] == 6


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
def test_early_stopping(solver):
    model = LogisticRegression(solver=solver, early_stopping=True, random_state=0, C=100.0, n_iter_no_change=2)
    model.fit(X, Y)
    assert all(0 <= record["validation_score"] <= 1 for record in model.history_)
    given = LogisticRegression(solver=solver, random_state=0).fit(X, Y, X_val=X[:50], y_val=Y[:50])
    assert given.history_[-1]["validation_score"] == given.score(X[:50], Y[:50])
    with pytest.raises(ValueError, match="y_val must have the shape"):
        LogisticRegression().fit(X, Y, X_val=X[:50], y_val=Y[:50, :3])


@pytest.mark.parametrize("sparse", [False, True])
def test_models_in_files(sparse):
    model = LogisticRegression().fit(X, sp.csr_matrix(Y) if sparse else Y)
    again = pickle.loads(pickle.dumps(model))
    a, b = (m.predict(X).toarray() if sparse else m.predict(X) for m in (model, again))
    np.testing.assert_array_equal(a, b)
    state = model.__getstate__()
    with pytest.raises(ValueError, match="coef_"):
        LogisticRegression().__setstate__({**state, "coef_": model.coef_[:3]})


@pytest.mark.parametrize("model", [LogisticRegression(), LinearSVC(), LogisticRegression(class_weight="balanced")])
def test_the_bound_holds(model):
    best = clone(model).set_params(tol=1e-10, max_iter=2000).fit(X, Y)
    assert best.suboptimality_bound(X, Y) < 1e-6
    rough = clone(model).set_params(solver="adagrad", max_iter=2, tol=0, random_state=0).fit(X, Y)
    gained = rough.history_[-1]["objective"] - best.history_[-1]["objective"]
    assert gained > 0 and rough.suboptimality_bound(X, Y) >= gained


# Inspection


def test_inspection():
    model = LogisticRegression(C=10.0).fit(X, Y)
    records = top_features(model, n=2, classes=3)
    assert {record["class"] for record in records} == {3}
    row = int(np.flatnonzero(Y.sum(axis=1) == 2)[0])
    explanation = explain(model, X[row])
    assert explanation.predicted == tuple(np.flatnonzero(model.predict(X[row])[0]))
    assert list(explanation.scores.values()) == pytest.approx(model.decision_function(X[row])[0].tolist())
    assert {record["class"] for record in explanation.records} == set(explanation.predicted)
    model.intercept_ -= 100.0
    none = explain(model, X[row])
    assert none.predicted == () and len({record["class"] for record in none.records}) == 1
    assert "∅" not in none.to_html() and repr(none)
    assert len(WeightsDisplay.from_estimator(model, classes=[0, 2]).axes_) == 2


# What is refused


@pytest.mark.parametrize(
    "y, message",
    [
        (np.where(Y, 2, 1), "indicator matrix of 0 and 1"),
        (np.where(Y, 1, -1), "indicator matrix of 0 and 1"),
        (Y + np.arange(5), "multiclass-multioutput"),
        (Y + 0.5, "continuous-multioutput"),
        (np.where(Y, np.nan, 0.0), "indicator matrix of 0 and 1"),
        (Y.astype(str), "indicator matrix of 0 and 1"),
        (sp.csr_matrix(2 * Y), "indicator matrix of 0 and 1"),
        (sp.csr_matrix(Y[:, :1]), "two labels at least"),
        (Y[:100], "inconsistent numbers of samples"),
        (Y[:, :, None], "1d|dim"),
    ],
)
def test_other_targets_are_refused(y, message):
    fitted = LogisticRegression().fit(X, Y)
    coef = fitted.coef_
    with pytest.raises(ValueError, match=message):
        fitted.fit(X, y)
    assert fitted.coef_ is coef


def test_labels_are_those_of_the_fit():
    model = LogisticRegression(solver="adagrad", random_state=0).partial_fit(X, Y)
    with pytest.raises(ValueError, match="indicator matrix of labels"):
        model.partial_fit(X, CLASSES)
    with pytest.raises(ValueError, match="classes must be"):
        model.partial_fit(X, Y[:, :3])
    with pytest.raises(ValueError, match="classes must be"):
        LogisticRegression(solver="adagrad").partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="indicator matrix of labels"):
        model.suboptimality_bound(X, CLASSES)
    classes = LogisticRegression(solver="adagrad").partial_fit(X, CLASSES, classes=np.arange(5))
    with pytest.raises(ValueError, match="one class a sample"):
        classes.partial_fit(X, Y)
    with pytest.raises(ValueError, match="class_weight"):
        LogisticRegression(class_weight={"a": 1.0, "b": 2.0}).fit(X, Y)
    with pytest.raises(ValueError, match="class_weight"):
        LogisticRegression(class_weight={0: 0.0, 1: -1.0}).fit(X, Y)
    with pytest.raises(ValueError, match="must not compare outputs"):
        objective_of("softmax", np.float64, weighed_labels())


def test_warnings_of_convergence_are_one():
    with pytest.warns(ConvergenceWarning) as caught:
        LogisticRegression(solver="adagrad", max_iter=1, tol=1e-9).fit(X, Y)
    assert len(caught) == 1
    assert f1_score(Y, LogisticRegression().fit(X, Y).predict(X), average="micro") > 0.5


# L-BFGS where Newton's method is no better: labels that are not there yet go on alone


WIDE, WIDE_CLASSES = text_like(n=700, d=400, n_classes=9, seed=4)
WIDE_LABELS = np.column_stack([WIDE_CLASSES == k for k in range(9)] + [WIDE_CLASSES % 2 == 0, WIDE[:, 2].toarray() > 0])


@pytest.mark.parametrize("model", [LogisticRegression(), LinearSVC(), LinearSVC(loss="smoothed_hinge")])
@pytest.mark.parametrize("options", [{}, dict(C=30.0), dict(l1_ratio=0.5), dict(class_weight="balanced", C=0.1)])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("solver", [LBFGS(newton=False), LBFGS(newton=False, start_epochs=2)])
def test_lbfgs_ends_at_the_optimum_of_each_label(model, options, fit_intercept, solver):
    model = clone(model).set_params(solver=solver, tol=1e-8, max_iter=3000, fit_intercept=fit_intercept, **options)
    fitted = clone(model).fit(WIDE, WIDE_LABELS)
    assert_equal(fitted, *one_by_one(model.set_params(solver="lbfgs", tol=1e-9), WIDE, WIDE_LABELS), 2e-5)
    assert fitted.converged_ and "at most tol" in fitted.stop_reason_
    history = pd.DataFrame(fitted.history_)
    steps = history[history["iteration"] > 0]
    assert list(steps["iteration"]) == list(range(1, fitted.n_iter_ + 1))
    assert (history["objective"].dropna().diff().dropna() <= 1e-9).all()
    assert history["gradient_norm"].iloc[-1] <= 1e-8
    loss = fitted.suboptimality_bound(WIDE, WIDE_LABELS)
    assert loss < 1e-3 * history["objective"].iloc[-1]


def test_lbfgs_that_does_not_end_says_how_many_labels():
    with pytest.warns(ConvergenceWarning, match=r"\d+ of 11 outputs did not converge; in the first max_iter=2"):
        model = LogisticRegression(solver=LBFGS(newton=False), max_iter=2, tol=1e-9).fit(WIDE, WIDE_LABELS)
    assert model.n_iter_ == 2 and not model.converged_
    seen = []
    stopped = LogisticRegression(solver=LBFGS(newton=False), callback=lambda info: seen.append(info.fitted()) or True)
    stopped.fit(WIDE, WIDE_LABELS)
    assert stopped.n_iter_ == 1 and "callback" in stopped.stop_reason_
    np.testing.assert_array_equal(seen[0].predict(WIDE), stopped.predict(WIDE))
