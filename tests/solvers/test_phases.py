"""Records of what comes before the steps of L-BFGS."""

import numpy as np
import pytest

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.inspection import ConvergenceDisplay
from skopt_solvers.solvers import LBFGS, SDCA

from ..estimator.test_fit import quiet
from ..reference import text_like

X, Y = text_like(n=700, d=120)
RNG = np.random.RandomState(0)
LABELS = RNG.rand(700, 4) < 0.2
SEQUENCES = [RNG.rand(5, 8) for _ in range(60)], [RNG.randint(0, 3, 5) for _ in range(60)]


def started(model, y=Y, rows=X, epochs=3, **options):
    return quiet(model.set_params(solver=LBFGS(start_epochs=epochs, newton=False), **options), rows, y)


@pytest.mark.parametrize("y", [Y, LABELS], ids=["one output", "labels"])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_epochs_of_the_dual_have_records(y, fit_intercept):
    told = []
    options = dict(fit_intercept=fit_intercept, callback=lambda info: told.append(info.record))
    model = started(LogisticRegression(tol=1e-6), y, **options)
    first, *epochs = [record for record in model.history_ if record["phase"] != "lbfgs"]
    assert first["phase"] == "start" and first["objective"] == pytest.approx(y.size * np.log(2))
    assert {record["phase"] for record in epochs} == {"dual"} and len(epochs) >= 3
    assert [record["iteration"] for record in epochs] == [0] * (len(epochs) - 1) + [1]
    assert [record["objective"] is None for record in epochs] == [True] * (len(epochs) - 1) + [False]
    assert first["objective"] > epochs[-1]["objective"] > model.history_[-1]["objective"]
    assert all(record["seconds"] > 0 for record in model.history_[1:])
    steps = model.history_[len(epochs) :]
    assert told == steps and [record["iteration"] for record in steps] == list(range(1, model.n_iter_ + 1))
    assert len(ConvergenceDisplay.from_history({"fit": model.history_}).lines_[0].get_xdata()) == model.n_iter_ + 1


def test_the_dual_is_that_of_sdca():
    model = started(LinearSVC(fit_intercept=False, C=0.1), epochs=4)
    *before, last = [record for record in model.history_ if record["phase"] == "dual"]
    assert last["dual_objective"] <= model.history_[-1]["objective"] * (1 + 1e-9)
    assert not any("dual_objective" in record for record in before)
    sdca = quiet(LinearSVC(fit_intercept=False, C=0.1, solver=SDCA(), tol=1e-9, random_state=0), X, Y).history_[-1]
    assert last["dual_objective"] == pytest.approx(sdca["objective"], rel=0.01)


def test_epochs_that_lead_up_stay_in_the_history():
    rows = X.toarray() * 100
    model = started(LogisticRegression(C=1e4, max_iter=3), rows=rows, epochs=1)
    assert [record["phase"] for record in model.history_][:3] == ["start", "dual", "lbfgs"]
    assert [record["iteration"] for record in model.history_] == [0, 0, 1, 2, 3] and model.n_iter_ == 3


def test_epochs_of_a_crf_have_records():
    model = started(LinearChainCRF(max_iter=5), SEQUENCES[1], SEQUENCES[0])
    phases = [(record["phase"], record["iteration"]) for record in model.history_]
    assert phases[:4] == [("adagrad", 0), ("adagrad", 0), ("adagrad", 1), ("lbfgs", 2)] and model.n_iter_ == 5
    losses = [record["batch_loss"] for record in model.history_[:3]]
    assert losses == sorted(losses, reverse=True) and 0.5 < losses[-1] / model.history_[2]["objective"] < 2
    assert all(record["learning_rate"] > 0 and record["seconds"] > 0 for record in model.history_[:3])


def test_a_proof_that_is_asked_for_has_one_start():
    model = started(LogisticRegression(C=10, tol=1e-2, max_iter=300), max_suboptimality=1e-6)
    assert model.converged_ and [record["phase"] for record in model.history_].count("start") == 1
    steps = [record["iteration"] for record in model.history_ if record["iteration"]]
    assert steps == list(range(1, model.n_iter_ + 1))
