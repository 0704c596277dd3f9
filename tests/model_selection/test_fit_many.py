"""fit_many: several fits in one pass are the fits that each would be alone."""

import pickle
import re
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.naive_bayes import MultinomialNB
from sklearn.utils.validation import check_is_fitted

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.model_selection import fit_many
from skopt_solvers.solvers import FTRL, LBFGS, SDCA, SOLVERS, AdaGrad, Adam, Momentum, RMSProp
from skopt_solvers.solvers._dual_epochs import SharedDualEpochs
from skopt_solvers.solvers._together import SharedEpochs

from ..reference import text_like

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = text_like(n=300, d=80, seed=0)
X3, Y3 = text_like(n=300, d=80, n_classes=3, seed=1)
CS = [0.1, 1.0, 30.0]
LEARNED = ("coef_", "intercept_", "n_iter_", "converged_", "history_")


@pytest.fixture
def shared(monkeypatch):
    """The numbers of fits in each epoch that is shared."""
    calls = []
    for kind in (SharedEpochs, SharedDualEpochs):

        def counted(self, fits, run=kind.run):
            calls.append(len(fits))
            return run(self, fits)

        monkeypatch.setattr(kind, "run", counted)
    return calls


def assert_as_alone(models, X, y, rtol=1e-6, sample_weight=None):
    """Require that models are as their clones fitted alone."""
    for model in models:
        alone = clone(model).fit(X, y, sample_weight)
        scale = np.abs(alone.coef_).max()
        np.testing.assert_allclose(model.coef_, alone.coef_, rtol=0, atol=rtol * scale)
        np.testing.assert_allclose(model.intercept_, alone.intercept_, rtol=0, atol=rtol * max(scale, 1))
        assert model.coef_.dtype == alone.coef_.dtype and model.coef_.shape == alone.coef_.shape
        assert (model.n_iter_, model.converged_) == (alone.n_iter_, alone.converged_)
        assert [sorted(record) for record in model.history_] == [sorted(record) for record in alone.history_]
        for name in ("objective", "learning_rate"):
            ours, theirs = ([record[name] or 0 for record in m.history_] for m in (model, alone))
            # a step length of L-BFGS is sensitive to rounding
            loose = name == "learning_rate" and isinstance(model.solver_, LBFGS)
            np.testing.assert_allclose(ours, theirs, rtol=0.2 if loose else rtol)
        assert vars(model).keys() == vars(alone).keys()
        # numbers that are near to rounding are not compared
        ours, theirs = (re.sub(r"[\d.]+(e[-+]\d+)?", "", m.stop_reason_) for m in (model, alone))
        assert ours == theirs


STOCHASTIC = ["momentum", "adagrad", "rmsprop", "adam", "adamw", "ftrl"]


@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("kind", ["binary", "softmax", "ovr", "svc", "hinge", "crammer_singer"])
def test_as_alone(solver, kind, shared):
    data = (X, Y) if kind in ("binary", "svc", "hinge") else (X3, Y3)
    options = {
        "ovr": dict(multi_class="ovr"),
        "hinge": dict(loss="hinge"),
        "crammer_singer": dict(multi_class="crammer_singer", loss="smoothed_hinge"),
    }
    model = LogisticRegression if kind in ("binary", "softmax", "ovr") else LinearSVC
    make = [model(C=C, solver=solver, max_iter=8, random_state=0, **options.get(kind, {})) for C in CS]
    fitted = fit_many(make, *data)
    assert all(a is b for a, b in zip(fitted, make, strict=True))
    assert shared[:1] == ([] if solver == "ftrl" else [3]) and set(shared) <= {1, 2, 3}
    assert_as_alone(fitted, *data)


@pytest.mark.parametrize("dtype, index", [(np.float32, np.int32), (np.float64, np.int64), (np.float32, np.int64)])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_types_and_penalties(dtype, index, l1_ratio, fit_intercept):
    A = sp.csr_matrix(X.astype(dtype))
    A.indptr, A.indices = A.indptr.astype(index), A.indices.astype(index)
    models = [
        LogisticRegression(
            C=C, l1_ratio=l1_ratio, solver="adagrad", max_iter=6, random_state=3, fit_intercept=fit_intercept
        )
        for C in CS
    ]
    assert_as_alone(fit_many(models, A, Y), A, Y, rtol=2e-4 if dtype == np.float32 else 1e-9)


# The same solvers as names, and those that make epochs of a dual on few samples too.
DUAL = {"sdca": "sdca", "sdca, every third": SDCA(evaluate_every=3), "lbfgs": LBFGS(start_epochs=5, newton=False)}
DUAL_KINDS = {
    "binary": (LogisticRegression, 2, {}),
    "softmax": (LogisticRegression, 3, {}),
    "ovr": (LogisticRegression, 3, dict(multi_class="ovr")),
    "svc": (LinearSVC, 2, {}),
    "svc of three": (LinearSVC, 3, {}),
    "smoothed": (LinearSVC, 2, dict(loss="smoothed_hinge")),
    "hinge": (LinearSVC, 2, dict(loss="hinge")),
}


@pytest.mark.parametrize("solver", DUAL)
@pytest.mark.parametrize("kind", [name for name in DUAL_KINDS])
@pytest.mark.parametrize("dtype, index", [(np.float64, np.int32), (np.float32, np.int64)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_epochs_of_the_dual(solver, kind, dtype, index, fit_intercept, shared):
    model, n_classes, options = DUAL_KINDS[kind]
    if kind == "hinge" and solver == "lbfgs":
        return  # which has no gradient
    A, y = (X, Y) if n_classes == 2 else (X3, Y3)
    A = sp.csr_matrix(A.astype(dtype))
    A.indptr, A.indices = A.indptr.astype(index), A.indices.astype(index)
    options = dict(options, solver=DUAL[solver], max_iter=12, random_state=0, fit_intercept=fit_intercept)
    weights = np.random.RandomState(0).randint(3, size=len(y)) / 2
    # with tol=0 sdca makes all epochs, and leaves none of them to L-BFGS
    tight = 0 if solver == "sdca" and kind != "hinge" else 1e-8
    tols = (1e-3, tight) if dtype == np.float64 else (1e-2, 1e-3)
    models = [model(C=C, tol=tol, **options) for C in (0.03, *CS) for tol in tols]
    assert_as_alone(fit_many(models, A, y, weights), A, y, 1e-6 if dtype == np.float64 else 1e-3, weights)
    assert shared[0] == len(models) and (kind == "hinge" or solver == "lbfgs" or shared[-1] < len(models))


def test_starts_that_are_not_by_the_dual():
    """L1, no penalty and few columns: each fit is as alone, whatever the others do."""
    models = [LogisticRegression(C=C, l1_ratio=r, tol=1e-8) for C in (*CS, np.inf) for r in (0.0, 0.5)]
    assert_as_alone(fit_many(models, X, Y), X, Y)
    few = X[:, :5].toarray()
    assert_as_alone(fit_many([LinearSVC(C=C) for C in CS], few, Y), few, Y)
    models = [
        LogisticRegression(C=C, l1_ratio=r, solver="sdca", random_state=0) for C in (*CS, np.inf) for r in (0.0, 0.5)
    ]
    found = fit_many(models, X, Y, errors="return")
    assert [isinstance(each, ValueError) for each in found] == [False, True] * len(CS) + [True, True]
    assert_as_alone([each for each in found if not isinstance(each, ValueError)], X, Y)


SCHEDULES = ["constant", "cosine", "linear", "step", "inverse_sqrt", "plateau", "one_cycle"]


def test_rates_schedules_and_lengths(shared):
    models = [
        LogisticRegression(solver=Adam(learning_rate=rate, schedule=schedule), max_iter=n, random_state=1)
        for rate, schedule, n in zip(["auto", 0.01, 0.1, 0.3] * 2, SCHEDULES, range(3, 17, 2), strict=False)
    ]
    assert_as_alone(fit_many(models, X, Y), X, Y)
    assert shared[0] == len(models) and shared[-1] < len(models)  # models leave the pass


@pytest.mark.parametrize(
    "first, second",
    [
        (Momentum(momentum=0.0), Momentum(momentum=0.9)),
        (RMSProp(centered=True), RMSProp()),
        (Adam(beta1=0.5), Adam()),
        (Adam(amsgrad=True), Adam()),
        (AdaGrad(batch_size=8), AdaGrad(batch_size=16)),
        (AdaGrad(), FTRL()),
        (AdaGrad(clip_norm=1.0), AdaGrad(clip_norm=1.0)),
        (AdaGrad(record="step"), AdaGrad(record="step")),
        (AdaGrad(average=2), AdaGrad(average=2)),
        (SDCA(), SDCA(evaluate_every=2)),
        (LBFGS(start_epochs=5), LBFGS(start_epochs=4)),
    ],
    ids=repr,
)
def test_what_cannot_share_is_fitted_alone(first, second, shared):
    models = [LogisticRegression(solver=solver, max_iter=5, random_state=0) for solver in (first, second)]
    assert_as_alone(fit_many(models, X, Y), X, Y)
    assert not shared


def test_any_estimators(shared):
    y = np.where(Y == np.unique(Y)[0], "no", "yes")
    models = [
        MultinomialNB(),
        LogisticRegression(solver="adagrad", max_iter=5, random_state=0),
        LinearSVC(solver="adagrad", max_iter=5, random_state=0),
        LogisticRegression(solver="adagrad", max_iter=7, random_state=0, C=3),
        LogisticRegression(solver="adagrad", max_iter=7, random_state=0, fit_intercept=False),
        LogisticRegression(solver="adagrad", max_iter=7, random_state=1),
    ]
    fit_many(models, X, y)
    assert shared[0] == 2 and max(shared) == 2
    assert_as_alone(models[1:], X, y)
    assert (models[0].predict(X) == clone(models[0]).fit(X, y).predict(X)).all()
    sequences, tags = [[{"a": 1.0}, {"b": 1.0}]] * 4, [["x", "y"]] * 4
    crfs = fit_many([LinearChainCRF(C=C, solver="adagrad", random_state=0) for C in CS], sequences, tags)
    assert all(crf.predict(sequences)[0] == ["x", "y"] for crf in crfs)


def test_weights_of_each(shared):
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, 2, len(Y)), (rng.random(len(Y)) < 0.7).astype(float)
    models = [LogisticRegression(C=C, solver="adagrad", max_iter=5, random_state=0) for C in (1, 2, 3, 4, 5)]
    fit_many(models, X, Y, [a, b, a, None, b])
    assert shared[0] == 2
    for model, weights in zip(models, [a, b, a, None, b], strict=True):
        assert_as_alone([model], X, Y, sample_weight=weights)
    rows = np.flatnonzero(b)  # a mask is a subset
    alone = clone(models[1]).fit(X[rows], Y[rows])
    assert alone.n_iter_ == models[1].n_iter_
    assert_as_alone(fit_many([clone(model) for model in models], X, Y, a), X, Y, sample_weight=a)


def test_one_that_diverges_fails_alone():
    make = lambda rate: LogisticRegression(  # noqa: E731
        solver=Momentum(learning_rate=rate, schedule="constant"), C=1e6, max_iter=20, random_state=0
    )
    models = [make(0.1), make(1e38), make(0.2)]
    A = (X * 1e3).astype(np.float32)
    found = fit_many(models, A, Y, errors="return")
    assert isinstance(found[1], FloatingPointError) and "diverged" in str(found[1])
    with pytest.raises(NotFittedError):
        check_is_fitted(models[1])
    assert_as_alone([found[0], found[2]], A, Y, rtol=1e-3)
    with pytest.raises(FloatingPointError, match="diverged"):
        fit_many(models, A, Y)
    alone = make(1e38)
    with pytest.raises(FloatingPointError) as expected:
        alone.fit(A, Y)
    assert str(found[1]) == str(expected.value)


def test_bad_parameters_and_data():
    good = LogisticRegression(solver="adagrad", random_state=0, max_iter=3)
    bad = LogisticRegression(solver="adagrad", random_state=0, C=-1.0)
    worse = LogisticRegression(solver=AdaGrad(schedule=lambda t: -1.0), random_state=0)
    found = fit_many([clone(good), bad, worse, clone(good)], X, Y, errors="return")
    assert [type(each).__name__ for each in found] == ["LogisticRegression", "InvalidParameterError", "ValueError"] + [
        "LogisticRegression"
    ]
    assert_as_alone([found[0], found[3]], X, Y)
    wrong = [LogisticRegression(solver=Adam(beta1=2.0, learning_rate=rate)) for rate in (0.1, 0.2)]
    assert {str(error) for error in fit_many(wrong, X, Y, errors="return")} == {
        "Adam: beta1 must be a number in [0, 1), got 2.0"
    }
    with pytest.raises(ValueError, match="NaN"):
        fit_many([clone(good), clone(good)], np.full((4, 2), np.nan), [0, 1, 0, 1])
    with pytest.raises(ValueError, match="errors must be"):
        fit_many([good], X, Y, errors="ignore")
    with pytest.raises(ValueError, match="different objects"):
        fit_many([good, good], X, Y)
    with pytest.raises(ValueError, match="2 entries"):
        fit_many([good, bad], X, Y, [np.ones(len(Y))])
    assert fit_many([], X, Y) == []


def test_a_failed_fit_leaves_an_estimator_as_it_was():
    models = [LogisticRegression(solver="adagrad", random_state=0, max_iter=3, C=C).fit(X, Y) for C in CS]
    before = [model.coef_.copy() for model in models]

    def interrupted(info):
        raise KeyboardInterrupt

    models[1].callback = interrupted
    with pytest.raises(KeyboardInterrupt):
        fit_many(models, X3, Y3)
    for model, coef in zip(models, before, strict=True):
        assert (model.coef_ == coef).all() and model.n_features_in_ == X.shape[1]


def test_callbacks_times_and_warnings():
    seen = []
    models = [
        LogisticRegression(solver="adagrad", random_state=0, max_iter=9, callback=lambda info: seen.append("a")),
        LogisticRegression(solver="adagrad", random_state=0, max_iter=9, callback=lambda info: info.iteration == 2),
        LogisticRegression(solver="adagrad", random_state=0, max_iter=9, max_time=1e-9),
        LogisticRegression(solver="adagrad", random_state=0, max_iter=2, C=1e4, tol=1e-12),
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit_many(models, X, Y)
    assert len(seen) == models[0].n_iter_ and models[1].n_iter_ == 2 and models[2].n_iter_ == 1
    assert models[1].stop_reason_ == "the callback asked to stop" and "max_time" in models[2].stop_reason_
    assert sum(issubclass(w.category, ConvergenceWarning) for w in caught) == sum(
        not m.converged_ for m in models if m is not models[1]
    )
    assert all(w.filename == __file__ for w in caught)


def test_without_a_seed_all_see_one_order(shared):
    models = fit_many([LogisticRegression(solver="adagrad", max_iter=4, C=1) for _ in range(2)], X, Y)
    assert shared[0] == 2 and (models[0].coef_ == models[1].coef_).all()


def test_many_outputs_go_in_parts(shared, monkeypatch):
    monkeypatch.setattr("skopt_solvers._estimator.fit_many.MOST_OUTPUTS", 7)
    models = [LogisticRegression(C=C, solver="adagrad", max_iter=3, random_state=0) for C in np.logspace(-1, 1, 5)]
    assert_as_alone(fit_many(models, X3, Y3), X3, Y3)
    assert shared[0] == 2
    monkeypatch.setattr("skopt_solvers._estimator.fit_many.free_bytes", lambda: 1)
    shared.clear()
    assert_as_alone(fit_many([clone(model) for model in models], X3, Y3), X3, Y3)
    assert set(shared) == {1}


def test_fitted_models_go_on_alone():
    models = fit_many([LogisticRegression(C=C, solver="adagrad", max_iter=4, random_state=0) for C in CS], X, Y)
    for model in models:
        again = pickle.loads(pickle.dumps(model))
        assert (again.predict(X) == model.predict(X)).all()
        alone = clone(model).fit(X, Y).partial_fit(X, Y)
        np.testing.assert_allclose(model.partial_fit(X, Y).coef_, alone.coef_, rtol=1e-6, atol=1e-9)


def test_every_stochastic_solver_is_tested():
    assert {name for name, kind in SOLVERS.items() if kind().visits_samples and name != "sdca"} == set(STOCHASTIC)
