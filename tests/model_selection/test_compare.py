"""compare_solvers: the frame has the histories of single fits, and no fit harms another."""

import sys
import time

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.model_selection import compare_solvers
from skopt_solvers.schedules import CosineDecay
from skopt_solvers.solvers import SDCA, SOLVERS, AdaGrad, Adam, Momentum
from skopt_solvers.solvers._together import SharedEpochs

from ..reference import text_like

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = text_like(n=300, d=80, seed=0)
X_VAL, Y_VAL = text_like(n=90, d=80, seed=5)
WEIGHTS = np.random.RandomState(0).randint(0, 3, 300).astype(float)
COLUMNS = [
    *("solver", "schedule", "seed", "epoch", "seconds"),
    *("objective", "suboptimality", "validation_score", "outcome", "stop_reason"),
]


def course(frame, solver, schedule, seed):
    return frame[(frame["solver"] == solver) & (frame["schedule"] == schedule) & (frame["seed"] == seed)]


def assert_is_history(part, model, rtol=0.0):
    """Require that rows are the history of a fitted model."""
    history = model.history_
    assert part["epoch"].tolist() == [record["iteration"] for record in history]
    for column, key in (("objective", "objective"), ("validation_score", "validation_score")):
        np.testing.assert_allclose(part[column], [record.get(key, np.nan) for record in history], rtol=rtol)
    assert set(part["outcome"]) == {"converged" if model.converged_ else "not converged"}
    assert {reason.split(" gap of")[0] for reason in part["stop_reason"]} == {model.stop_reason_.split(" gap of")[0]}


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("kind", [LogisticRegression, LinearSVC])
def test_rows_are_the_histories_of_single_fits(kind, share, monkeypatch):
    shared, run = [], SharedEpochs.run
    monkeypatch.setattr(SharedEpochs, "run", lambda self, fits: shared.append(len(fits)) or run(self, fits))
    solvers = ["lbfgs", "sdca", "adagrad", Adam(0.05)]
    frame = compare_solvers(
        kind(C=2.0), X, Y, WEIGHTS, solvers=solvers, schedules=["linear", CosineDecay()], seeds=[3, 1], X_val=X_VAL,
        y_val=Y_VAL, max_iter=12, share=share,
    )  # fmt: skip
    assert list(frame.columns) == COLUMNS
    labels = ["lbfgs", "sdca", "adagrad", "Adam(learning_rate=0.05)"]
    assert list(frame["solver"].unique()) == labels and list(frame["seed"].unique()) == [3, 1]
    for solver, label in zip(solvers, labels, strict=True):
        scheduled = label not in ("lbfgs", "sdca")
        schedules = {"linear": "linear", "CosineDecay()": CosineDecay()} if scheduled else {"none": None}
        assert set(frame.loc[frame["solver"] == label, "schedule"]) == set(schedules)
        for name, schedule in schedules.items():
            for seed in (3, 1):
                single = kind(C=2.0, solver=solver, max_iter=12, random_state=seed)
                if scheduled:
                    single.set_params(solver__schedule=schedule)
                single.fit(X, Y, WEIGHTS, X_val=X_VAL, y_val=Y_VAL)
                assert_is_history(course(frame, label, name, seed), single, rtol=1e-6 if share else 0)
    assert bool(shared) == share
    if share:
        assert frame["seconds"].isna().all()
    else:
        assert (frame.groupby(["solver", "schedule", "seed"])["seconds"].diff().dropna() > 0).all()


@pytest.mark.parametrize(
    "estimator, source",
    [
        (LogisticRegression(C=2.0), "lbfgs"),
        (LogisticRegression(C=2.0, l1_ratio=0.5), "lbfgs"),
        (LinearSVC(C=2.0, loss="hinge"), "sdca"),
        (LinearSVC(C=2.0, loss="hinge", l1_ratio=0.5), "least"),
    ],
    ids=repr,
)
def test_the_optimum(estimator, source):
    options = dict(solvers=["adagrad", "rmsprop"], max_iter=20)
    frame = compare_solvers(estimator, X, Y, **options)
    known = frame.attrs["optimum"]
    assert frame.attrs["optimum_from"] == source
    np.testing.assert_array_equal(frame["suboptimality"], (frame["objective"] - known) / known)
    assert (frame["suboptimality"] >= 0).all() and (frame["suboptimality"].min() == 0) == (source == "least")
    if source != "least":
        tight = clone(estimator).set_params(solver=source, tol=1e-8, max_iter=5000).fit(X, Y)
        np.testing.assert_allclose(known, tight.history_[-1]["objective"], rtol=1e-7)
    least = compare_solvers(estimator, X, Y, **options, optimum="least")
    assert least.attrs == {"optimum": least["objective"].min(), "optimum_from": "least"}
    given = compare_solvers(estimator, X, Y, **options, optimum=10.0)
    assert given.attrs == {"optimum": 10.0, "optimum_from": "given"}
    np.testing.assert_array_equal(given["suboptimality"], (frame["objective"] - 10) / 10)


@pytest.mark.parametrize("share", [False, True])
def test_a_fit_that_diverges_does_not_stop_the_others(share):
    at_once = Momentum(1e308, schedule="constant", batch_size=300)
    later = Momentum(1e3, schedule=lambda t: 1e300 ** (t > 2.5), batch_size=300)
    within = Momentum(1e308, schedule="constant", batch_size=100)  # the loss of a batch tells, not the objective
    solvers = {"at once": at_once, "later": later, "within": within, "adam": "adam"}
    frame = compare_solvers(
        LinearSVC(loss="squared_hinge", C=np.inf), X, Y, solvers=solvers, max_iter=6, optimum="least", share=share
    )
    ends = frame.groupby("solver", sort=False).last()
    assert ends["outcome"]["at once"] == ends["outcome"]["later"] == "diverged"
    assert ends["outcome"]["adam"] != "diverged" and ends["epoch"]["adam"] == 6
    for name in ("at once", "later", "within"):
        part = frame[frame["solver"] == name]
        assert part["stop_reason"].str.startswith(f"Momentum diverged in epoch {len(part)}: ").all()
        assert part["epoch"].tolist() == list(range(1, len(part) + 1))
        assert part["objective"].notna().tolist() == [True] * (len(part) - 1) + [False]
    assert 1 < (frame["solver"] == "later").sum() < 6


def test_scores_are_those_of_the_scorer_and_cost_no_seconds():
    scored = []

    def slow(estimator, X, y):
        time.sleep(0.05)
        scored.append(-log_loss(y, estimator.predict_proba(X)))
        return scored[-1]

    frame = compare_solvers(
        LogisticRegression(), X, Y, solvers=["adam", "lbfgs"], X_val=X_VAL, y_val=Y_VAL, scoring=slow, max_iter=4
    )
    assert frame["validation_score"].tolist() == scored and len(scored) == len(frame) > 5
    assert frame["seconds"].max() < 0.2
    by_name = compare_solvers(
        LogisticRegression(),
        X,
        Y,
        solvers=["adam", "lbfgs"],
        X_val=X_VAL,
        y_val=Y_VAL,
        scoring="neg_log_loss",
        max_iter=4,
    )
    np.testing.assert_allclose(by_name["validation_score"], scored)


def test_epochs_that_are_not_evaluated_have_no_objective():
    frame = compare_solvers(LogisticRegression(), X, Y, solvers={"dual": SDCA(evaluate_every=3)}, max_iter=7)
    known = frame["objective"].notna()
    assert known.any() and not known.all() and (frame["suboptimality"].notna() == known).all()


def test_the_callback_of_the_estimator_is_called_and_may_stop():
    seen = []

    def stop(info):
        seen.append(info.iteration)
        return info.iteration == 2

    frame = compare_solvers(LogisticRegression(callback=stop), X, Y, solvers=["adam", "adagrad"])
    assert frame["epoch"].tolist() == seen == [1, 2, 1, 2]
    assert set(frame["stop_reason"]) == {"the callback asked to stop"}


def test_a_chain():
    rng = np.random.RandomState(0)
    y = [[int(t) for t in rng.randint(0, 3, 5)] for _ in range(40)]
    rows = [sp.csr_matrix(np.eye(3)[labels] + 0.5 * rng.randn(5, 3)) for labels in y]
    crf = LinearChainCRF(max_iter=8)
    frame = compare_solvers(crf, rows[:30], y[:30], solvers=["lbfgs", "adam"], X_val=rows[30:], y_val=y[30:])
    for solver in ("lbfgs", "adam"):
        single = clone(crf).set_params(solver=solver, random_state=0)
        single.fit(rows[:30], y[:30], X_val=rows[30:], y_val=y[30:])
        assert_is_history(frame[frame["solver"] == solver], single)
    assert frame.attrs["optimum_from"] == "lbfgs"


def test_a_pipeline_is_fitted_to_x_once_and_not_changed():
    pipeline = make_pipeline(MaxAbsScaler(), LogisticRegression())
    options = dict(solvers=["adagrad"], y_val=Y_VAL, max_iter=3)
    frame = compare_solvers(pipeline, 5 * X, Y, X_val=5 * X_VAL, **options)
    scaler = MaxAbsScaler().fit(5 * X)
    alone = compare_solvers(
        LogisticRegression(), scaler.transform(5 * X), Y, X_val=scaler.transform(5 * X_VAL), **options
    )
    for column in ("objective", "validation_score"):
        np.testing.assert_array_equal(frame[column], alone[column])
    assert not hasattr(pipeline[0], "scale_") and vars(pipeline[-1]) == vars(clone(pipeline[-1]))


def test_every_solver():
    frame = compare_solvers(LogisticRegression(), X, Y, solvers=sorted(SOLVERS), max_iter=30)
    left = frame.groupby("solver")["suboptimality"].min()
    assert list(left.index) == sorted(SOLVERS) and (left.drop("adamw") < 0.05).all()


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(solvers=[]), r"solvers must not be empty, got \[\]"),
        (dict(solvers=["adam"], schedules={}), r"schedules must not be empty, got \{\}"),
        (dict(solvers=["no such"]), "solver must be one of"),
        (dict(solvers=["adam"], schedules=["no such"]), "schedule must be one of"),
        (dict(solvers=["adam", AdaGrad(-1.0)]), "AdaGrad: learning_rate must be"),
        (dict(solvers=["sdca"], estimator=LogisticRegression(l1_ratio=0.5)), "solver='sdca' works on the dual"),
        (dict(seeds=3), "seeds must be a sequence of integers that is not empty, got 3"),
        (dict(seeds=[]), r"seeds must be a sequence of integers that is not empty, got \[\]"),
        (dict(seeds=[0, -1]), r"seeds must be integers in \[0, 2\*\*32\), got -1"),
        (dict(seeds=[2, 2]), r"seeds must be different, got \[2, 2\]"),
        (dict(X_val=X_VAL), "X_val and y_val must be given together"),
        (dict(scoring="f1"), "scoring='f1' needs X_val and y_val, got None"),
        (dict(max_iter=0), "max_iter must be None or an integer >= 1, got 0"),
        (dict(optimum="best"), "optimum must be 'reference', 'least' or a finite number other than 0, got 'best'"),
        (dict(optimum=0), "optimum must be 'reference', 'least' or a finite number other than 0, got 0"),
        (dict(estimator=LogisticRegression(early_stopping=True)), "estimator must have early_stopping=False"),
    ],
    ids=str,
)
def test_bad_input_is_named_before_any_fit(options, message):
    def never(info):
        raise AssertionError("a fit has begun")

    arguments = {"estimator": LogisticRegression(), "solvers": ["adam"], **options}
    arguments["estimator"].set_params(callback=never)
    with pytest.raises(ValueError, match=message):
        compare_solvers(X=X, y=Y, **arguments)


def test_other_estimators_are_refused():
    with pytest.raises(TypeError, match=r"estimator must be a LogisticRegression.*got RandomForestClassifier"):
        compare_solvers(RandomForestClassifier(), X, Y, solvers=["adam"])


def test_pandas_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="compare_solvers needs pandas: pip install pandas"):
        compare_solvers(LogisticRegression(), X, Y, solvers=["adam"])
