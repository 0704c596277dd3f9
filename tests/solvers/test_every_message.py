"""Every text about the end of a fit is made once, and each number in it is that of the fit."""

import ast
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import skopt_solvers
from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.model_selection import C_path, GridSearchCV
from skopt_solvers.schedules import PolynomialDecay
from skopt_solvers.solvers import FTRL, LBFGS, AdaGrad, AdamW, Momentum, Result, Solver
from skopt_solvers.solvers._hand_over import epochs_left

from ..reference import text_like

X, Y = text_like(n=400, d=80)
SINGLE, WIDE = X.astype(np.float32), X.toarray()[:60] * 1e3
LABELS = np.random.RandomState(0).rand(400, 11) < np.linspace(0.01, 0.5, 11)
RNG = np.random.RandomState(0)
SEQUENCES = [RNG.rand(6, 30) for _ in range(40)], [RNG.randint(0, 3, 6).astype(object) for _ in range(40)]
MISSING = SEQUENCES[0], [np.append(labels[:5], None) for labels in SEQUENCES[1]]
PAIRS = LBFGS(newton=False, start_epochs=0)
CONSTANT = AdaGrad(schedule="constant")


class Own(Solver):
    """A solver that ends where it begins, or at weights that are not finite."""

    def __init__(self, weight=0.0, n_iter=1):
        self.weight, self.n_iter = weight, n_iter

    def minimize(self, objective, W, **options):
        return Result(W + self.weight, self.n_iter, True, "done", history=[{"iteration": 1, "passes": 3}])


def press_ctrl_c(info):
    if info.iteration == 2:
        raise KeyboardInterrupt


def logistic(solver, data=(X, Y), **options):
    return LogisticRegression(solver=solver, random_state=0, **options), data


def svc(solver, data=(X, Y), **options):
    return LinearSVC(solver=solver, random_state=0, **options), data


def crf(solver="lbfgs", data=SEQUENCES, **options):
    return LinearChainCRF(solver=solver, random_state=0, **options), data


def far_away(labels):
    model = LogisticRegression(solver=PAIRS, warm_start=True, tol=0.1).fit(X, labels)
    model.coef_ = np.full_like(model.coef_, 1e308)
    return model, (X, labels)


# Each ends in another way; the pattern is of what its text has to say.
CASES = {
    "gradient": (*logistic("lbfgs"), r"^max\|gradient\| \S+ is at most tol"),
    "max_iter": (*logistic(PAIRS, max_iter=2), r"max_iter=2 was reached with max\|gradient\|"),
    "max_iter, weak penalty": (*svc(PAIRS, C=1e9, max_iter=60), "reached; the objective may be .*C=np.inf"),
    "stalled Newton": (*logistic("lbfgs", (WIDE, Y[:60]), tol=1e-300, max_iter=300), "more in float64 with .* Scale"),
    "stalled pairs": (*logistic(PAIRS, (SINGLE, Y), tol=1e-12, max_iter=900), "more in float32 with .* Raise tol, or"),
    "polished": (*svc("lbfgs", C=1e10), r"the objective may be .*; give C=np\.inf where no penalty is meant\.$"),
    "asked to stop": (*logistic("lbfgs", callback=lambda info: True), "^the callback asked to stop"),
    "no time": (*logistic("adagrad", max_time=1e-9), r"^max_time=1e-09 .*Raise max_time\.$"),
    "interrupted": (*logistic("adagrad", callback=press_ctrl_c, interrupt="keep"), "^it was interrupted .*best so far"),
    "early stopping": (*logistic("adagrad", early_stopping=True, tol=0.1, max_iter=90), "did not improve"),
    "crf at max_iter": (*crf(C=100, tol=1e-12, max_iter=3), r"above tol=1e-12\. Raise max_iter or tol, or lower C"),
    "crf falling": (*crf(C=100, tol=1e-12, max_iter=30), "and the objective fell by .* in 10 iterations"),
    "crf at the end": (*crf(tol=1e-3), "^the objective is proven to be at most .* of itself above its minimum$"),
    "crf without a proof": (*crf(data=MISSING), "^the objective fell by less than tol=0.0001 of itself in 10 it"),
    "crf by AdaGrad": (*crf("adagrad", max_iter=2), "with a duality gap of"),
    "missing labels": (*crf("adagrad", MISSING), r"not convex: no gap is asked\)$"),
    "missing labels, max_iter": (*crf(CONSTANT, MISSING, max_iter=2), r"max_iter=2 was reached\. Raise max_iter\.$"),
    "labels": (*logistic("lbfgs", (X, LABELS)), "is at most tol"),
    "labels at max_iter": (*logistic(PAIRS, (X, LABELS), max_iter=2), "11 outputs did not converge; in the first"),
    "labels not proven": (*svc(PAIRS, (X, LABELS), C=1e4, tol=1e-3, max_iter=40), "outputs had steps left to make"),
    "schedule": (*logistic("adagrad", C=0.1), "come to zero, with a duality gap of .* at most"),
    "schedule, above": (*logistic("adagrad", C=1e3), r"above 0.01 \(100 tol\)\. Set max_suboptimality=0.01 to go on"),
    "short schedule": (*svc(AdaGrad(schedule=PolynomialDecay(3)), C=1e3), r"\. Give a longer schedule"),
    "epochs": (*logistic(CONSTANT, max_iter=2), r"^max_iter=2 was reached, with .*Raise max_iter, give another"),
    "pause": (*logistic(CONSTANT, C=0.01, tol=1e-6, max_iter=900), "less than tol=1e-06 of itself in each of"),
    "pause, above": (*logistic(AdaGrad(1e-3, schedule="constant"), C=99, tol=1e-3), r"\)\. Raise n_iter_no_change"),
    "rounding": (*logistic(CONSTANT, (SINGLE, Y), C=0.01, tol=1e-12, max_iter=400), "rounding of float32"),
    "no penalty": (*logistic("adagrad", C=np.inf), r"no bound tells.*\. Give a finite C, or use solver='lbfgs'\.$"),
    "no penalty, hinge": (*svc("adagrad", loss="hinge", C=np.inf), r"no bound tells.*\. Give a finite C\.$"),
    "rate": (*logistic(Momentum(1e3)), r"where it began: learning_rate=1000 is too large\. Lower learning_rate,"),
    "raised rate": (*logistic(Momentum(1.0, schedule=lambda t: 1e3 + 0 * t), max_iter=2), "schedule that made it 1e"),
    "adamw": (*logistic("adamw"), r"^the learning rate .* \(AdamW does not end at the objective's minimum: no gap"),
    "adamw at max_iter": (*logistic(AdamW(schedule="constant"), max_iter=2), "or give a schedule that comes to zero"),
    "ftrl": (*logistic(FTRL(l1=0.1)), r"\(FTRL does not end"),
    "sdca": (*logistic("sdca"), "^the duality gap, "),
    "sdca at max_iter": (*svc("sdca", loss="hinge", C=99, max_iter=2), r"\. Raise max_iter or tol, .*lower C\.$"),
    "sdca, slow": (*svc("sdca", loss="hinge", C=99, max_iter=40), "would take about .* epochs more at the rate of"),
    "sdca, too far": (*svc("sdca", (X.toarray() + 5, Y), loss="hinge", C=99, max_iter=8), ", and it has not fallen in"),
    "sdca by Newton": (*svc("sdca", C=1e10), r"^Newton's method ended .*\. Raise tol, scale"),
    "proven": (*logistic("adagrad", max_suboptimality=1e-3, max_iter=900), "^the objective is proven"),
    "not proven": (*logistic("adagrad", max_suboptimality=1e-9, max_iter=30), r"max_suboptimality\) .* Raise max_iter"),
    "not proven to tol": (*logistic("adagrad", C=99, max_suboptimality=0.9, tol=1e-9, max_iter=30), r"100 tol\) .*tol"),
    "not provable": (*logistic(Own(n_iter=0), max_suboptimality=1e-3), "^after 0 .* Raise max_suboptimality, scale"),
    "own solver": (*logistic(Own()), r"^done; the objective may be .*\. Set max_suboptimality=0.01 to go on, "),
}  # fmt: skip
# What ends by an error.
ERRORS = {
    "start": (*far_away(Y), "not finite in float64 where the fit begins; scale X"),
    "labels at the start": (*far_away(LABELS), "not finite in float64 where the fit begins"),
    "sdca": (*logistic("sdca", (1e200 * X, Y)), "or its dual is not finite in epoch 2; scale X or lower C"),
    "rate": (*logistic(Momentum(1e200), (1e60 * X, Y), C=np.inf), r"in epoch 1: .* learning_rate=1e\+200 is too large"),
    "own solver": (*logistic(Own(np.inf)), "Own diverged: weights are not finite; scale X or sample_weight"),
}  # fmt: skip


@dataclass
class End:
    """The end of a fit: the fitted model, why it ended, and the warning."""

    model: object
    reason: str
    warning: str

    @property
    def last(self):
        return self.model.history_[-1]

    @property
    def text(self):
        return self.warning.partition("did not converge: ")[2] or self.reason


def end_of(name):
    model, (rows, labels), _ = CASES[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(rows, labels)
    texts = [str(warning.message) for warning in caught]
    assert len(texts) <= 1
    return End(model, model.stop_reason_, "".join(texts))


# The readings of texts: what a number in them has to be. NUMBER is one, in the order of the arguments.
NUMBER = r"([-+.\de]*\d)"
READINGS = {}


def reads(pattern):
    def kept(check):
        READINGS[pattern.replace("#", NUMBER)] = check
        return check

    return kept


def near(told, value):
    """Whether a number that is told in two or three digits, or more, is a value."""
    return told == pytest.approx(value, rel=0.05, abs=1e-300)


@reads(r"max_iter=# was reached")
def _(end, n):
    assert n == end.model.max_iter == end.model.n_iter_


@reads(r"max\|gradient\| # above tol=#")
def _(end, norm, tol):
    unit = 240 if isinstance(end.model, LinearChainCRF) else 1  # tokens: the gradient of P / C is that of a sum
    told = end.last["gradient_norm"] * unit
    assert norm > tol == end.model.tol and (norm <= 1.01 * told if "in the first" in end.text else near(norm, told))


@reads(r"max\|gradient\| # is at most tol=#")
def _(end, norm, tol):
    assert norm <= tol == end.model.tol and near(norm, end.last["gradient_norm"])


@reads(r"fell by # of itself in # iterations")
def _(end, fall, n):
    values = [record["objective"] for record in end.model.history_]
    assert fall > end.model.tol and near(fall, (values[-1 - int(n)] - values[-1]) / values[-1])


@reads(r"fell by less than (?:#, the rounding of float32 \()?tol=#\)?,? of itself in (each of )?# (?:epochs|iter)")
def _(end, rounding, tol, each, n):
    values, n = [record["objective"] for record in end.model.history_], int(n)
    assert tol == end.model.tol and (rounding is None or tol < rounding == pytest.approx(2.0**-23, rel=0.02))
    for k in range(len(values) - n, len(values)) if each else [len(values) - 1]:
        best = min(values[:k] if each else values[: k - n + 1])
        assert best - values[k] <= 1.01 * max(tol, rounding or 0) * abs(best)


@reads(r"duality gap(?: of|,) # of the objective, (?:is )?(at most|above) (tol=)?#(?: \(100 tol\))?")
def _(end, gap, side, of_tol, limit):
    assert limit == pytest.approx(end.model.tol * (1 if of_tol else 100))
    assert (gap <= limit) == (side == "at most") == end.model.converged_
    if end.last.get("duality_gap") is not None and end.model.n_iter_ == end.model.max_iter:
        assert near(gap, end.last["duality_gap"] / end.last["objective"]) or near(gap, end.model.suboptimality_)
    else:
        assert near(gap, end.model.suboptimality_)


@reads(r"would take about # epochs more")
def _(end, left):
    gaps = [(record["iteration"], record["duality_gap"]) for record in end.model.history_]
    assert near(left, epochs_left(gaps, end.model.tol * end.last["objective"]))


@reads(r"it has not fallen in the last half of the epochs")
def _(end):
    gaps = [record["duality_gap"] for record in end.model.history_[end.model.n_iter_ // 2 :]]
    assert np.mean(gaps[len(gaps) // 2 :]) >= np.mean(gaps[: len(gaps) // 2])


@reads(r"the objective may be # of itself above its minimum, and # \((100 tol|max_suboptimality)\) is allowed")
def _(end, bound, allowed, by):
    model = end.model
    assert bound > allowed == pytest.approx(100 * model.tol if by == "100 tol" else model.max_suboptimality)
    assert near(bound, model.suboptimality_)
    assert model.max_suboptimality is None or allowed <= model.max_suboptimality


@reads(r"proven to be at most # of itself above its minimum")
def _(end, bound):
    allowed = 20 * end.model.tol if end.model.max_suboptimality is None else end.model.max_suboptimality
    assert near(bound, end.model.suboptimality_) and bound <= min(allowed, 100 * end.model.tol)


@reads(r"the objective ends at #, above # where it began")
def _(end, value, start):
    model = end.model
    assert near(value, end.last["objective"]) and value > 1.1 * start
    at_zeros = 240 * np.log(3) if isinstance(model, LinearChainCRF) else 400 * np.log(2)
    assert start == pytest.approx(model.C * at_zeros, rel=1e-4)


@reads(r"learning_rate=# (?:is|and a schedule that made it # are) too large")
def _(end, rate, raised):
    given, used = end.model.solver_.learning_rate, max(record["learning_rate"] for record in end.model.history_)
    assert rate >= used if given == "auto" else rate == given
    assert raised is None or raised >= 0.99 * used


@reads(r"max_time=# seconds were over after iteration #")
def _(end, seconds, n):
    assert seconds == end.model.max_time <= sum(record["seconds"] for record in end.model.history_)
    assert n == end.model.n_iter_


@reads(r"interrupted after # finished iterations")
def _(end, n):
    assert n == end.model.n_iter_ == len(end.model.history_)


@reads(r"did not improve on # of iteration # by more than tol=# in # iterations")
def _(end, score, iteration, tol, n):
    scores = [record["validation_score"] for record in end.model.history_]
    assert near(score, scores[int(iteration) - 1]) and tol == end.model.tol
    assert max(scores[-int(n) :]) <= scores[int(iteration) - 1] + tol and iteration + n <= end.model.n_iter_


@reads(r"^after # iterations ")
def _(end, n):
    assert n == end.model.n_iter_


@reads(r"# of # outputs (?:did not converge|had steps left)")
def _(end, some, n):
    assert 0 < some <= n == end.model.coef_.shape[0]


@reads(r"no step lowers the objective any more in (float32|float64)")
def _(end, dtype):
    assert end.model.coef_.dtype == dtype and end.model.n_iter_ < end.model.max_iter


# The last sentence: what may help.


@reads(r"[Ss]et max_suboptimality=# to go on")
def _(end, allowed):
    assert allowed == pytest.approx(100 * end.model.tol) and end.model.max_suboptimality is None
    assert end.model.n_iter_ < end.model.max_iter


@reads("[Rr]aise max_iter")
def _(end):
    assert end.model.n_iter_ == end.model.max_iter


@reads("[Rr]aise n_iter_no_change|[Gg]ive a longer schedule")
def _(end):
    assert end.model.n_iter_ < end.model.max_iter


@reads("give X in float64")
def _(end):
    assert end.model.coef_.dtype == np.float32


@reads("[Ss]cale the features")
def _(end):
    assert not isinstance(end.model, LinearChainCRF)


@reads("[Uu]se solver='lbfgs'")
def _(end):
    assert not isinstance(end.model.solver_, LBFGS) and getattr(end.model, "loss", "") != "hinge"


@reads("[Gg]ive a finite C")
def _(end):
    assert np.isinf(end.model.C) and np.isnan(end.model.suboptimality_)


@reads(r"give C=np\.inf where no penalty is meant")
def _(end):
    assert end.model.C >= 1e6 and end.last["gradient_norm"] <= end.model.tol


@pytest.mark.parametrize("name", CASES)
def test_each_number_is_that_of_the_fit(name):
    end = end_of(name)
    assert re.search(CASES[name][2], end.text), end.text
    rest = end.text
    for pattern, check in READINGS.items():
        for found in re.finditer(pattern, end.text):
            values = [v if v is None or not re.fullmatch(NUMBER, v) else float(v) for v in found.groups()]
            check(end, *values)
            rest = rest.replace(found.group(), "")
    assert not re.search(r"\d", rest), rest
    if end.warning:
        assert not end.model.converged_ and re.search(r"\. [A-Z].*\.$", end.text), end.text
    bound = end.model.suboptimality_
    assert not end.model.converged_ or not bound > 100 * end.model.tol


@pytest.mark.parametrize("name", ERRORS)
def test_errors_name_what_helps(name):
    model, (rows, labels), pattern = ERRORS[name]
    with pytest.raises(FloatingPointError, match=pattern):
        model.fit(rows, labels)


def test_a_fit_has_converged_where_its_numbers_say_so():
    outcomes = set()
    for max_iter in range(5, 60, 3):
        model = LogisticRegression(C=100, solver=PAIRS, tol=1e-4, max_iter=max_iter)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, Y)
        assert model.converged_ == (model.history_[-1]["gradient_norm"] <= 1e-4 and model.suboptimality_ <= 1e-2)
        outcomes.add(model.converged_)
    assert outcomes == {False, True}


def other_texts():
    """Return texts that no fit alone gives: of searches, paths, streams and fits that go on."""
    texts, model = [], LogisticRegression(random_state=0, max_iter=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        GridSearchCV(model, {"C": [1.0, 2.0, 3.0, 4.0]}, cv=2, refit=False).fit(X, Y)
        C_path(model, X, Y, Cs=[0.1, 1.0], cv=2)
        one_fold = [(np.arange(10), np.arange(10))]
        C_path(LogisticRegression(max_iter=4), X, Y, Cs=[100.0], cv=one_fold)
        keep = lambda info: texts.append(info.fitted().stop_reason_)  # noqa: E731
        LogisticRegression(solver="adagrad", callback=keep).fit(X, Y)
        stream = LogisticRegression(solver="adagrad").partial_fit(X, Y, classes=[0, 1])
    return [*texts, stream.stop_reason_, *(str(warning.message) for warning in caught)]


# The files whose prose is about the ends of fits; of a name, that function's alone.
FILES = [
    *(f"solvers/{name}.py" for name in ("_base", "_lbfgs", "_lbfgs_fit", "_by_output", "_stochastic_fit", "_sdca")),
    *(f"_estimator/{name}.py" for name in ("proof", "monitor", "fit_run", "stream", "unconverged")),
    *("solvers/_stochastic.py", "model_selection/_fit_reports.py", "model_selection/_c_path.py:_warn"),
]
BAD_INPUT = ("ValueError", "TypeError", "MemoryError")


def prose(node):
    """Yield the texts in a part of a program, but docstrings and those of errors for bad input."""
    if isinstance(node, ast.Raise) and getattr(getattr(node.exc, "func", None), "id", "") in BAD_INPUT:
        return
    if isinstance(node, ast.FunctionDef) and node.name.startswith("check_"):
        return
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print":
        return
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_note":
        return  # of a callback's own error: test_callbacks
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Constant) and re.search(r"[a-z]{2,} | [a-z]{2,}", str(node.value)):
        yield node.value
    for child in ast.iter_child_nodes(node):
        if child is not getattr(node, "annotation", None) and child is not getattr(node, "returns", None):
            yield from prose(child)


def test_each_text_is_made_once():
    made = [end_of(name).text for name in CASES] + other_texts()
    for model, data, _ in ERRORS.values():
        with pytest.raises(FloatingPointError) as raised:
            model.fit(*data)
        made.append(str(raised.value))
    everything, missing, n_texts = "\n".join(made).lower(), [], 0
    for file in FILES:
        path, _, function = file.partition(":")
        tree = ast.parse((Path(skopt_solvers.__file__).parent / path).read_text())
        parts = [node for node in tree.body if not function or getattr(node, "name", None) == function]
        for text in (text for part in parts for text in prose(part)):
            n_texts += 1
            if text.strip().lower() not in everything:
                missing.append((path, text))
    assert n_texts > 40 and not missing, missing
