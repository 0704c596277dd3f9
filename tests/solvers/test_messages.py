"""No message contradicts its numbers: each is read again, and compared with what the fit has."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers._base.words import compared
from skopt_solvers.schedules import PolynomialDecay
from skopt_solvers.solvers import LBFGS, AdaGrad, Momentum

from ..estimator.test_fit import quiet
from ..reference import dense_data, text_like

X, Y = text_like(n=400, d=80)
NUMBER = r"([-+.\de]+)"


def numbers(pattern, text):
    found = re.search(pattern.replace("#", NUMBER), text)
    assert found, text
    return [float(number.rstrip(",.")) for number in found.groups()]


@given(st.floats(1e-12, 1e3), st.floats(-1e-9, 1e-9))
def test_a_number_is_on_its_side_of_the_limit(limit, off):
    limit = float(f"{limit:g}")
    value = limit * (1 + off)
    text = compared(value, limit)
    assert (float(text) > limit) == (value > limit) and (float(text) < limit) == (value < limit)


@pytest.mark.parametrize("model", [LogisticRegression(C=10), LinearSVC(C=10)], ids=["logistic", "svc"])
@pytest.mark.parametrize("solver", ["adagrad", "sdca"])
def test_the_gap_is_on_its_side_of_tol(model, solver):
    factor = 100 if solver == "adagrad" else 1
    end = {True: "at most", False: "above"}
    for tol in (1e-5, 1e-4, 1e-3, 0.1):
        fit = quiet(model.set_params(solver=solver, tol=tol, max_iter=20, random_state=0), X, Y)
        if "gap" in fit.stop_reason_:
            words = rf"gap(?: of|,) # of the objective, (?:is )?{end[fit.converged_]} (?:tol=)?#"
            gap, allowed = numbers(words, fit.stop_reason_)
            assert (gap <= allowed) == fit.converged_ and allowed == pytest.approx(factor * tol)


def test_a_gap_that_is_just_above_is_told_with_more_digits():
    model = LogisticRegression(C=10, solver="adagrad", random_state=0, tol=1e-9, n_iter_no_change=1000)
    gap = quiet(model, X, Y).suboptimality_
    tol = float(f"{gap * (1 - 1e-5) / 100:g}")
    fit = quiet(model.set_params(tol=tol), X, Y)
    told, allowed = numbers("gap of # of the objective, above #", fit.stop_reason_)
    assert fit.suboptimality_ > 100 * tol and told > allowed


@pytest.mark.parametrize("max_iter", [3, 30])
def test_a_crf_tells_what_it_compares(max_iter):
    rng = np.random.RandomState(0)
    rows = [rng.rand(6, 30) for _ in range(40)]
    labels = [rng.randint(0, 3, 6) for _ in range(40)]
    model = quiet(LinearChainCRF(C=100, tol=1e-12, max_iter=max_iter), rows, labels)
    assert not model.converged_
    norm, tol = numbers(r"max\|gradient\| # above tol=#", model.stop_reason_)
    assert norm == pytest.approx(model.history_[-1]["gradient_norm"] * 240, rel=1e-2) and norm > tol
    if max_iter > 10:
        (fall,) = numbers("the objective fell by # of itself in 10", model.stop_reason_)
        values = [record["objective"] for record in model.history_]
        assert fall == pytest.approx((values[-11] - values[-1]) / values[-1], rel=1e-2) and fall > tol
    with pytest.warns(Warning) as caught:
        model.fit(rows, labels)
    assert "scale the features" not in str(caught[0].message)


def test_lbfgs_tells_its_gradient():
    model = quiet(LogisticRegression(solver=LBFGS(newton=False, start_epochs=0), max_iter=2), X, Y)
    norm, tol = numbers(r"max\|gradient\| # above tol=#", model.stop_reason_)
    assert norm == pytest.approx(model.history_[-1]["gradient_norm"], rel=1e-2) and norm > tol
    model = quiet(LogisticRegression(), X, Y)
    norm, tol = numbers(r"max\|gradient\| # is at most tol=#", model.stop_reason_)
    assert norm <= tol


def test_a_stall_of_newton_does_not_ask_for_another_tol():
    rows, labels = dense_data(n=100, d=4)
    rows[:, 0] *= 1e9
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = LogisticRegression(tol=1e-300, max_iter=300).fit(rows, labels)
    assert "no step lowers" in model.stop_reason_
    norm, tol = numbers(r"max\|gradient\| # above tol=#", model.stop_reason_)
    assert norm > tol and "Scale the features" in str(caught[-1].message) and "tol." not in str(caught[-1].message)


def test_a_rate_that_the_schedule_has_raised_is_told():
    solver = Momentum(1e-5, schedule=lambda t: 10.0 ** (205 + 0 * t))
    with pytest.raises(
        FloatingPointError, match=r"learning_rate=1e-05 and a schedule that made it 1e\+200 are too large"
    ):
        quiet(LogisticRegression(C=np.inf, solver=solver, random_state=0), 1e60 * X, Y)
    with pytest.raises(FloatingPointError, match=r"learning_rate=1e\+200 is too large"):
        quiet(LogisticRegression(C=np.inf, solver=Momentum(1e200), random_state=0), 1e60 * X, Y)


def test_a_fall_below_the_rounding_is_told_as_that():
    options = dict(tol=1e-12, max_iter=400, random_state=0, solver=AdaGrad(schedule="constant"))
    model = quiet(LogisticRegression(C=0.01, **options), X.astype(np.float32), Y)
    assert "fell by less than 1.2e-07, the rounding of float32 (tol=1e-12), of itself" in model.stop_reason_
    double = quiet(LogisticRegression(C=0.01, **{**options, "tol": 1e-6}), X, Y)
    assert "fell by less than tol=1e-06 of itself" in double.stop_reason_


def test_missing_labels_without_a_path_name_the_sequence():
    rows = [np.eye(3)[:3] for _ in range(4)]
    labels = [["B-X", "I-X", "O"]] * 3 + [["O", None, "I-X"]]
    impossible = lambda a, b: (a, b) in {("B-X", "I-X"), ("I-X", "O"), ("O", "O")}  # noqa: E731
    with pytest.raises(ValueError, match="leave sequence 3 no labels where they are missing"):
        LinearChainCRF(constraints=impossible).fit(rows, labels)
    # of weight 0, it is as if it were not there; and with a path the fit goes on
    quiet(LinearChainCRF(constraints=impossible), rows, labels, sample_weight=[1, 1, 1, 0])
    quiet(LinearChainCRF(constraints="bio"), rows, labels)


def test_the_history_has_a_record_where_the_start_is_the_end():
    model = quiet(LogisticRegression(warm_start=True, tol=1e-6), X, Y)
    quiet(model.set_params(tol=1e-2), X, Y)
    assert model.n_iter_ == 0 and model.converged_
    (record,) = model.history_
    assert record["iteration"] == 0 and record["gradient_norm"] <= 1e-2
    assert record["objective"] > 0


def test_a_rate_that_falls_is_not_raised():
    solver = Momentum(1e200, schedule=PolynomialDecay(5))
    with pytest.raises(FloatingPointError, match=r"learning_rate=1e\+200 is too large"):
        quiet(LogisticRegression(C=np.inf, solver=solver, random_state=0), 1e60 * X, Y)
