"""The course of a fit: history, stopping, early stopping, resuming, threads, and what a fitted estimator offers."""

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_html_repr

from skopt_solvers import LinearSVC, LogisticRegression
from skopt_solvers._base.threads import effective_threads
from skopt_solvers.schedules import CosineDecay, CosineRestarts, ReduceOnPlateau, StepDecay, Warmup
from skopt_solvers.solvers import LBFGS, SOLVERS, AdaGrad, Adam, AdamW, Momentum, Result, RMSProp, Solver

from ..reference import EXACT_NAMES, NAMES, STOCHASTIC_NAMES
from ..solvers.test_optimum import text_like

X, Y = text_like(n=500, d=120, n_classes=3, seed=5)


def quiet(model, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*args, **kwargs)


@pytest.mark.parametrize("solver", NAMES)
def test_history_tells_what_happened(solver):
    model = LogisticRegression(solver=solver, random_state=0).fit(X, Y)
    history = pd.DataFrame(model.history_)
    assert list(history["iteration"]) == list(range(1, model.n_iter_ + 1))
    assert (history["seconds"] > 0).all()
    assert history["learning_rate"].notna().all() == (solver != "sdca")
    assert model.stop_reason_
    assert model.converged_ == (model.suboptimality_ <= 0.01) >= (solver != "adamw")
    assert isinstance(model.solver_, SOLVERS[solver])
    if solver == "lbfgs":
        assert (history["objective"].diff().dropna() <= 1e-9).all()
        assert history["gradient_norm"].iloc[-1] <= model.tol
    if solver == "sdca":
        assert history["duality_gap"].iloc[-1] <= model.tol * history["objective"].iloc[-1]
        assert (history["duality_gap"].iloc[:-1] > 0).all()
    if solver != "adamw":
        start = len(Y) * np.log(3)
        assert history["objective"].iloc[-1] < history["objective"].iloc[0] < start


def test_a_fit_far_from_the_optimum_is_not_called_converged():
    rng = np.random.RandomState(0)
    unscaled = rng.randn(200, 5) * [1e3, 1.0, 1e-2, 10.0, 1.0] + [1e3, 0, 0, 5, 0]
    labels = (unscaled @ [1e-3, 1.0, 1e2, 0.1, 0.0] > 1.5).astype(int)
    for solver in set(STOCHASTIC_NAMES) & set(EXACT_NAMES):
        with pytest.warns(ConvergenceWarning, match="duality gap"):
            model = LogisticRegression(solver=solver, random_state=0).fit(unscaled, labels)
        assert not model.converged_


@pytest.mark.parametrize("solver", EXACT_NAMES)
def test_one_warning_names_solver_criterion_and_remedy(solver):
    with pytest.warns(
        ConvergenceWarning, match=rf"LogisticRegression with {SOLVERS[solver].__name__} did not"
    ) as caught:
        # in float32, because small problems in float64 end with Newton's method
        model = LogisticRegression(solver=solver, max_iter=2, tol=1e-12, random_state=0).fit(X.astype(np.float32), Y)
    assert len(caught) == 1 and not model.converged_
    message = str(caught[0].message)
    assert "tol" in message and "max_iter" in message and "Raise" in message


def test_default_stochastic_fit_ends_within_a_percent_and_twenty_epochs():
    many, labels = text_like(n=6500, d=400, seed=7)
    best = LogisticRegression(tol=1e-8).fit(many, labels).history_[-1]["objective"]
    for solver in set(STOCHASTIC_NAMES) & set(EXACT_NAMES):
        model = quiet(LogisticRegression(solver=solver, random_state=0), many, labels)
        assert model.n_iter_ <= 20
        assert model.history_[-1]["objective"] < 1.01 * best


@pytest.mark.parametrize("solver", NAMES)
@pytest.mark.parametrize("validation", ["own", "held out"])
def test_early_stopping_returns_the_best_weights(solver, validation):
    rng = np.random.RandomState(0)
    noisy = np.where(rng.rand(len(Y)) < 0.4, rng.randint(0, 3, len(Y)), Y)
    own = dict(X_val=X[400:], y_val=Y[400:]) if validation == "own" else {}
    model = LogisticRegression(C=1e4, solver=solver, early_stopping=True, random_state=0, n_iter_no_change=3)
    quiet(model, X[:400], noisy[:400], **own)
    scores = [record["validation_score"] for record in model.history_]
    if own:
        assert accuracy_score(Y[400:], model.predict(X[400:])) == pytest.approx(max(scores), abs=1e-12)
    if model.n_iter_ < 100:
        assert (
            "validation score" in model.stop_reason_
            or "zero" in model.stop_reason_
            or "gradient" in model.stop_reason_
            or "gap" in model.stop_reason_
        )
    if "validation score" in model.stop_reason_:
        assert max(scores[-3:]) <= max(scores[:-3]) + model.tol


def test_validation_scores_without_early_stopping():
    model = quiet(LogisticRegression(), X[:400], Y[:400], X_val=X[400:], y_val=Y[400:])
    assert model.history_[-1]["validation_score"] == accuracy_score(Y[400:], model.predict(X[400:]))
    with pytest.raises(ValueError, match="together"):
        LogisticRegression().fit(X, Y, X_val=X)


def test_early_stopping_trains_on_the_rest_only():
    model = quiet(
        LogisticRegression(early_stopping=True, validation_fraction=0.5, random_state=0, tol=0, max_iter=5), X, Y
    )
    everything = quiet(LogisticRegression(tol=0, max_iter=5), X, Y)
    assert model.history_[0]["objective"] < 0.7 * everything.history_[0]["objective"]


RESUMABLE = [Momentum(nesterov=True), AdaGrad(), RMSProp(centered=True), Adam(amsgrad=True), AdamW(), Adam(average=2)]
SCHEDULES = [
    CosineDecay(epochs=8),
    CosineRestarts(period=2),
    Warmup(StepDecay(every=2), epochs=3),
    ReduceOnPlateau(patience=1, threshold=0.5),
]


@pytest.mark.parametrize("solver", RESUMABLE, ids=str)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("through", ["nothing", "pickle", "joblib"])
def test_two_halves_are_one_run(solver, schedule, through, tmp_path):
    solver = clone(solver).set_params(schedule=schedule)
    whole = quiet(LogisticRegression(solver=solver, max_iter=6, tol=0, random_state=3), X, Y)
    half = quiet(LogisticRegression(solver=solver, max_iter=3, tol=0, random_state=3, warm_start=True), X, Y)
    rates = [record["learning_rate"] for record in half.history_]
    if through == "pickle":
        half = pickle.loads(pickle.dumps(half))
    if through == "joblib":
        joblib.dump(half, tmp_path / "model")
        half = joblib.load(tmp_path / "model")
    quiet(half, X, Y)
    rates += [record["learning_rate"] for record in half.history_]
    assert rates == [record["learning_rate"] for record in whole.history_]
    np.testing.assert_array_equal(half.coef_, whole.coef_)
    np.testing.assert_array_equal(half.intercept_, whole.intercept_)


def test_warm_start_of_lbfgs_and_across_solvers():
    model = LogisticRegression(warm_start=True, tol=1e-6).fit(X, Y)
    first = model.n_iter_
    model.fit(X, Y)
    assert model.n_iter_ == 0 < first
    optimum = model.suboptimality_bound(X, Y)
    quiet(model.set_params(solver=AdaGrad(learning_rate=1e-5), max_iter=1), X, Y)
    assert model.n_iter_ == 1 and model.suboptimality_bound(X, Y) < optimum + 1e-2
    with pytest.raises(ValueError, match="warm_start"):
        model.fit(X[:, :5], Y)


def test_state_is_kept_only_for_warm_start():
    assert not hasattr(LogisticRegression(solver="adam", random_state=0).fit(X, Y), "_resume")
    assert hasattr(LogisticRegression(solver="adam", random_state=0, warm_start=True).fit(X, Y), "_resume")


def test_a_fit_never_changes_its_solver():
    solver = Adam(schedule=Warmup("cosine"))
    before = str(solver.get_params())
    model = quiet(LogisticRegression(solver=solver, max_iter=3, random_state=0), X, Y)
    assert str(solver.get_params()) == before and model.solver_ is not solver


@pytest.mark.parametrize("solver", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_for_same_seed_and_any_threads_with_several_outputs(solver, dtype):
    # large enough that the threads are used
    many, labels = text_like(n=4000, d=300, n_classes=12, seed=2)
    many = many.astype(dtype)
    fits = [
        quiet(LogisticRegression(solver=solver, max_iter=4, random_state=1, n_jobs=n), many, labels)
        for n in (1, 1, 2, 3)
    ]
    for other in fits[1:]:
        np.testing.assert_array_equal(other.coef_, fits[0].coef_)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-4), (np.float64, 1e-10)])
def test_same_bits_for_the_same_threads_with_one_output(dtype, tolerance):
    many, labels = text_like(n=20000, d=300, seed=2)
    many = many.astype(dtype)
    one, two, again = (
        quiet(LogisticRegression(max_iter=4, random_state=1, n_jobs=n), many, labels).coef_ for n in (1, 2, 2)
    )
    np.testing.assert_array_equal(two, again)
    np.testing.assert_allclose(two, one, rtol=tolerance, atol=tolerance)


def test_another_seed_is_another_order():
    a, b = (quiet(LogisticRegression(solver="adam", max_iter=2, random_state=s), X, Y).coef_ for s in (0, 1))
    assert not np.array_equal(a, b)


def test_threads(monkeypatch):
    cores = joblib.cpu_count()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert effective_threads(None) == cores and effective_threads(3) == 3 and effective_threads(-1) == cores
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert effective_threads(None) == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    with joblib.parallel_config("threading", n_jobs=2):
        assert effective_threads(None) <= 2
        inside = joblib.Parallel(2)(joblib.delayed(effective_threads)(None) for _ in range(2))
    assert inside == [1, 1]


@pytest.mark.parametrize("solver", STOCHASTIC_NAMES)
@pytest.mark.parametrize("Model", [LogisticRegression, LinearSVC])
def test_partial_fit_learns_from_a_stream(solver, Model):
    many, labels = text_like(n=3000, d=100, n_classes=3, seed=9)
    model = Model(solver=SOLVERS[solver](batch_size=8), random_state=0)
    for i in range(0, 3000, 300):
        model.partial_fit(many[i : i + 300], labels[i : i + 300], classes=[0, 1, 2])
    assert model.n_iter_ == 10 == len(model.history_)
    best = Model().fit(many, labels).score(many, labels)
    assert model.score(many, labels) > best - 0.1


@pytest.mark.parametrize("solver", sorted(set(NAMES) - set(STOCHASTIC_NAMES)))
def test_partial_fit_is_offered_by_stochastic_solvers_alone(solver):
    model = LogisticRegression(solver=solver)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError) as error:
        model.partial_fit(X, Y, classes=[0, 1, 2])
    assert "adagrad" in str(error.value.__cause__)


def test_partial_fit_refuses_what_it_cannot_do():
    model = LogisticRegression(solver="adam")
    with pytest.raises(ValueError, match="classes must be given"):
        model.partial_fit(X, Y)
    model.partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="classes"):
        model.partial_fit(X, Y + 1)
    with pytest.raises(ValueError, match="those of the first call"):
        model.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="early_stopping"):
        LogisticRegression(solver="adam", early_stopping=True).partial_fit(X, Y, classes=[0, 1, 2])


def test_partial_fit_of_a_model_in_a_read_only_memory_map(tmp_path):
    model = LogisticRegression(solver="adam", random_state=0).partial_fit(X, Y, classes=[0, 1, 2])
    joblib.dump(model, tmp_path / "model")
    loaded = joblib.load(tmp_path / "model", mmap_mode="r").partial_fit(X, Y)
    np.testing.assert_array_equal(loaded.coef_, model.partial_fit(X, Y).coef_)


def test_partial_fit_goes_on_from_fit_and_from_changed_coefficients():
    model = quiet(LogisticRegression(solver="adam", random_state=0, max_iter=5), X, Y)
    score = model.score(X, Y)
    model.partial_fit(X, Y)
    assert model.score(X, Y) > score - 0.05
    model.set_params(warm_start=True, max_iter=20)
    quiet(model, X, Y)
    assert model.score(X, Y) > score - 0.05
    model.coef_ = np.zeros_like(model.coef_)
    model.intercept_ = np.zeros_like(model.intercept_)
    loss = model.partial_fit(X, Y).history_[-1]["objective"]
    assert loss > 0.5 * len(Y) * np.log(3)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities(n_classes):
    data, labels = text_like(n_classes=n_classes)
    model = LogisticRegression(C=10).fit(data, labels)
    P = model.predict_proba(data)
    assert P.shape == (len(labels), n_classes)
    np.testing.assert_allclose(P.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(data)), P)
    np.testing.assert_array_equal(model.classes_[P.argmax(axis=1)], model.predict(data))
    assert np.isfinite(model.predict_log_proba(data * 1e4)).all()
    assert not hasattr(LinearSVC(), "predict_proba")


def test_sparsify_keeps_the_predictions():
    model = LogisticRegression(l1_ratio=1.0).fit(X, Y)
    expected = model.decision_function(X)
    assert sp.issparse(model.sparsify().coef_) and model.coef_.nnz < X.shape[1] * 3
    np.testing.assert_allclose(model.decision_function(X), expected)
    assert model.suboptimality_bound(X, Y) >= 0
    assert isinstance(model.densify().coef_, np.ndarray)


@pytest.mark.parametrize("solver", NAMES)
def test_pickle_and_clone(solver):
    model = quiet(LinearSVC(solver=SOLVERS[solver](), max_iter=3, random_state=0), X, Y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.decision_function(X), model.decision_function(X))
    assert str(clone(model)) == str(model) and not hasattr(clone(model), "coef_")
    assert type(model.solver).__name__ in estimator_html_repr(model)


def test_nested_parameters_by_name():
    model = LogisticRegression(solver="adam").set_params(solver__learning_rate=0.5, solver__schedule="cosine")
    model.set_params(solver__schedule__end=0.25)
    assert isinstance(model.solver, Adam) and model.solver.schedule.end == 0.25
    assert model.get_params()["solver__schedule__end"] == 0.25
    with pytest.raises(ValueError, match="Invalid parameter"):
        model.set_params(solver__momentum=0.5)
    with pytest.raises(ValueError, match="schedule='auto' has no parameters"):
        LogisticRegression(solver="adam").set_params(solver__schedule__epochs=3)


def test_grid_over_solvers_and_schedules_in_a_pipeline():
    texts = [" ".join(f"w{j}" for j in X[i].indices) for i in range(300)]
    pipe = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=5, random_state=0))
    grid = [
        {
            "logisticregression__solver": ["adam", AdaGrad()],
            "logisticregression__solver__learning_rate": [0.1, 0.5],
            "logisticregression__solver__schedule": ["cosine", Warmup("linear", epochs=1)],
        },
        {"logisticregression__solver": [LBFGS(memory=5)], "logisticregression__C": [0.1, 10.0]},
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = GridSearchCV(pipe, grid, cv=3).fit(texts, Y[:300])
    table = pd.DataFrame(search.cv_results_)
    assert len(table) == 10 and table["mean_test_score"].notna().all()
    assert table["mean_test_score"].nunique() > 3


@pytest.mark.parametrize("solver", ["adagrad", "lbfgs", "sdca"])
def test_verbose_prints_a_line_an_iteration(solver, capsys):
    model = LogisticRegression(solver=solver, verbose=1, random_state=0).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_ and all("objective" in line for line in lines)


def test_random_solver_parameters_never_give_nan():
    rng = np.random.RandomState(0)
    for _ in range(30):
        solver = RMSProp(learning_rate=10 ** rng.uniform(-6, 3), rho=rng.rand(), batch_size=rng.randint(1, 600))
        model = LogisticRegression(C=10 ** rng.uniform(-8, 8), solver=solver, max_iter=2, random_state=0)
        assert np.isfinite(quiet(model, X, Y).coef_).all()


def test_a_solver_is_a_subclass_of_solver():
    class Foreign(BaseEstimator):
        check = minimize = None

    with pytest.raises(ValueError, match=r"'solver' parameter .* an instance of 'skopt_solvers.solvers.Solver'. Got"):
        LogisticRegression(solver=Foreign()).fit(X, Y)


def test_a_solver_may_record_what_it_likes():
    class Own(Solver):
        def minimize(self, objective, W, **options):
            return Result(W, 1, True, "done", history=[{"iteration": 1, "passes": 3}])

    model = LogisticRegression(solver=Own())
    with pytest.warns(ConvergenceWarning, match="with Own did not converge: done; the objective may be"):
        model.fit(X, Y)
    assert model.history_ == [{"iteration": 1, "passes": 3}]
    assert not model.converged_ and model.suboptimality_ > 0.01
