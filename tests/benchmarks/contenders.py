"""Who is compared: one function a contender. Another library is one more function here.

    @contender("library method", losses={"logistic"}, budgets=ITERATIONS)
    def library_method(problem, budget, seed):
        model = library.Classifier(C=problem.C, max_iter=budget, ...).fit(problem.X, problem.y)
        return model.coef_, model.intercept_

The function makes a full fit on ``problem.X, problem.y`` with effort `budget` and returns (coef, intercept), of shapes
(1, n_features) and (1,) for two classes, (n_classes, n_features) and (n_classes,) for more; without an intercept 0.0
will do. It should minimise `Problem.objective`; how near it comes is not believed but computed. A `budget` of None asks
for the library's own stopping rule. A library that needs an environment of its own is one function in `workers`.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import scipy.sparse as sp
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.svm import LinearSVC

import skopt_solvers
from skopt_solvers.solvers import SDCA

from .datasets import Dataset
from .measure import timed
from .workers.registry import EVERY_PENALTY, ITERATIONS

LOSSES = ("logistic", "squared_hinge", "hinge", "logistic_ovr")
EPOCHS = (1, 2, 3, 5, 8, 12, 20, 40)
MANY_EPOCHS = (*EPOCHS, 80, 160, 320, 640)
NEWTON_STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30)
LARGEST_HESSIAN = 2 * 2**30  # bytes
L2 = frozenset({"l2"})
NEVER = 1e-12  # a tolerance that does not end a fit before its budget


@dataclass
class Problem:
    """Data, loss and penalty: ``C sum_i loss_i + (1 - r) ||w||^2 / 2 + r ||w||_1``, the intercept not penalised.

    r is `l1_ratio`.

    The loss is the logistic one for two classes, softmax for more; or the squared hinge, the hinge or "logistic_ovr",
    which is the binary logistic one, summed over one-versus-rest problems where there are more than two classes.
    """

    dataset: Dataset
    loss: str
    C: float
    fit_intercept: bool
    n_threads: int
    dtype: np.dtype
    l1_ratio: float = 0.0
    X: sp.csr_matrix | np.ndarray = None
    crew: object = None  # of workers, while there are some

    @property
    def y(self):
        return self.dataset.y

    @property
    def n_outputs(self):
        return 1 if self.dataset.n_classes == 2 else self.dataset.n_classes

    @property
    def penalty(self):
        """The name of the penalty: l2, elasticnet or l1."""
        return {0.0: "l2", 1.0: "l1"}.get(self.l1_ratio, "elasticnet")

    def ready(self, dtype=None):
        """This problem with a new X to fit on, in `dtype`."""
        return replace(self, X=self.dataset.matrix(dtype or self.dtype))

    @property
    def ours(self):
        """The estimator class of ours that has this loss, and its arguments for it; None where there is none."""
        if self.loss in ("squared_hinge", "hinge"):
            return skopt_solvers.LinearSVC, {"loss": self.loss}
        if self.loss == "logistic" or self.n_outputs == 1:
            return skopt_solvers.LogisticRegression, {}
        if "multi_class" in inspect.signature(skopt_solvers.LogisticRegression).parameters:
            return skopt_solvers.LogisticRegression, {"multi_class": "ovr"}
        return None

    def objective(self, coef, intercept):
        """The objective in float64: the one judge of all contenders, in plain numpy."""
        coef = np.atleast_2d(np.asarray(coef, dtype=np.float64))
        Z = self.dataset.X @ np.ascontiguousarray(coef.T) + np.asarray(intercept, dtype=np.float64)
        if not np.isfinite(Z).all():
            return np.inf
        rows = np.arange(len(self.y))
        if self.loss == "logistic" and self.n_outputs > 1:
            losses = logsumexp(Z, axis=1) - Z[rows, self.y]
        else:
            signs = np.full(Z.shape, -1.0)
            if self.n_outputs == 1:
                signs[self.y == 1] = 1
            else:
                signs[rows, self.y] = 1
            Z *= signs
            if self.loss in ("logistic", "logistic_ovr"):
                losses = np.logaddexp(0, -Z)
            else:
                losses = np.maximum(1 - Z, 0) ** (2 if self.loss == "squared_hinge" else 1)
        ridge, lasso = np.vdot(coef, coef) / 2, np.abs(coef).sum()
        return float(self.C * losses.sum() + (1 - self.l1_ratio) * ridge + self.l1_ratio * lasso)

    def judged(self, solution):
        """The objective, and the accuracy on the test rows, of (coef, intercept)."""
        return self.objective(*solution), self.accuracy(*solution)

    def accuracy(self, coef, intercept):
        """The share of the test rows that get their class; None where the data set has no test part."""
        if self.dataset.X_test is None:
            return None
        Z = self.dataset.X_test @ np.atleast_2d(coef).T + np.asarray(intercept)
        classes = Z.argmax(axis=1) if self.n_outputs > 1 else (Z[:, 0] > 0).astype(int)
        return float(np.mean(classes == self.dataset.y_test))


@dataclass(frozen=True)
class Contender:
    """A registered function and what it is for.

    Attributes
    ----------
    budgets : the ladder of efforts, ascending for numbers of iterations, descending for tolerances; where there is none
        it takes part with its defaults only
    multiclass : the losses that it has for more than two classes; None for all
    penalties : that it has
    intercept : "free"; or "penalised" or "none", and then it has this objective only where there is no intercept
    dtype : of the X it is given, or None for the problem's
    default : losses for which it is what its library does unless told otherwise
    unfit : function of the problem that returns why it cannot take part, or None
    """

    name: str
    fit: Callable
    losses: frozenset
    budgets: tuple
    multiclass: frozenset | None = None
    penalties: frozenset = L2
    intercept: str = "free"
    dtype: type | None = None
    default: frozenset = frozenset()
    unfit: Callable = lambda problem: None

    def reason_to_skip(self, problem):
        """Why it cannot take part in `problem`, or None."""
        if problem.loss not in self.losses:
            return f"does not have the loss {problem.loss}"
        if problem.n_outputs > 1 and self.multiclass is not None and problem.loss not in self.multiclass:
            return "does not have this loss for more than two classes"
        if problem.penalty not in self.penalties:
            return f"does not have the penalty {problem.penalty}"
        if problem.fit_intercept and self.intercept == "penalised":
            return "penalises the intercept, which is another objective (see --no-intercept)"
        if problem.fit_intercept and self.intercept == "none":
            return "fits no intercept (see --no-intercept)"
        return self.unfit(problem)

    def measured(self, problem, budget, seed):
        """A fit's (coef, intercept), and its seconds by each clock; making X ready is not timed."""
        return timed(partial(self.fit, problem.ready(self.dtype), budget, seed))


CONTENDERS = {}


def contender(name, *, losses, budgets, **properties):
    """Register the decorated function as a contender; the arguments are those of `Contender`."""

    for key in ("multiclass", "penalties", "default"):
        if properties.get(key) is not None:
            properties[key] = frozenset(properties[key])

    def register(fit):
        CONTENDERS[name] = Contender(name, fit, frozenset(losses), budgets, **properties)
        return fit

    return register


def _effort(budget, **never):
    """The options that let nothing but `budget` end a fit; none for the library's own stopping rule."""
    return {} if budget is None else {"max_iter": budget, **never}


def _ours(problem, budget, seed, solver):
    kind, options = problem.ours
    options = {**options, **_effort(budget, **({"tol": 0.0} if solver == "lbfgs" or isinstance(solver, SDCA) else {}))}
    options.update(fit_intercept=problem.fit_intercept, random_state=seed, n_jobs=problem.n_threads)
    fitted = kind(C=problem.C, l1_ratio=problem.l1_ratio, solver=solver, **options).fit(problem.X, problem.y)
    return fitted.coef_, fitted.intercept_


def _not_ours(problem):
    return None if problem.ours else "does not have one-versus-rest"


_BOTH = {"logistic", "squared_hinge"}
_SMOOTH = {*_BOTH, "logistic_ovr"}
_STOCHASTIC = dict(losses=LOSSES, budgets=EPOCHS, penalties=EVERY_PENALTY, unfit=_not_ours)
for _dtype in (np.float32, np.float64):
    contender(
        f"ours lbfgs {_dtype.__name__}",
        losses=_SMOOTH,
        budgets=ITERATIONS,
        dtype=_dtype,
        penalties=EVERY_PENALTY,
        default=_SMOOTH,
        unfit=_not_ours,
    )(partial(_ours, solver="lbfgs"))
for _dtype in (np.float32, np.float64):
    for _name, _every in {"sdca": 1, "sdca, evaluated at the end,": 10**6}.items():
        contender(f"ours {_name} {_dtype.__name__}", losses=LOSSES, budgets=MANY_EPOCHS, dtype=_dtype, unfit=_not_ours)(
            partial(_ours, solver=SDCA(evaluate_every=_every))
        )
for _dtype in (np.float32, np.float64):
    contender(f"ours adagrad {_dtype.__name__}", dtype=_dtype, **_STOCHASTIC)(partial(_ours, solver="adagrad"))
for _solver in ("adam", "rmsprop", "momentum"):
    contender(f"ours {_solver}", **_STOCHASTIC)(partial(_ours, solver=_solver))


def _logistic(problem, budget, seed, solver, dual=False):
    options = dict(dual=dual, fit_intercept=problem.fit_intercept, random_state=seed, **_effort(budget, tol=NEVER))
    fitted = LogisticRegression(C=problem.C, l1_ratio=problem.l1_ratio, solver=solver, **options).fit(
        problem.X, problem.y
    )
    return fitted.coef_, fitted.intercept_


def _hessian_too_large(problem):
    side = problem.dataset.X.shape[1] * problem.n_outputs
    if 8 * side**2 > LARGEST_HESSIAN:
        return f"its Hessian, {side:,} x {side:,}, takes {8 * side**2 / 2**30:,.0f} GiB"
    return None


@contender("sklearn lbfgs", losses={"logistic"}, budgets=ITERATIONS, default={"logistic"})
def sklearn_lbfgs(problem, budget, seed):
    return _logistic(problem, budget, seed, "lbfgs")


@contender("sklearn newton-cg", losses={"logistic"}, budgets=NEWTON_STEPS)
def sklearn_newton_cg(problem, budget, seed):
    return _logistic(problem, budget, seed, "newton-cg")


@contender("sklearn newton-cholesky", losses={"logistic"}, budgets=NEWTON_STEPS, unfit=_hessian_too_large)
def sklearn_newton_cholesky(problem, budget, seed):
    return _logistic(problem, budget, seed, "newton-cholesky")


@contender("sklearn sag", losses={"logistic"}, budgets=MANY_EPOCHS)
def sklearn_sag(problem, budget, seed):
    return _logistic(problem, budget, seed, "sag")


@contender("sklearn saga", losses={"logistic"}, budgets=MANY_EPOCHS, penalties=EVERY_PENALTY)
def sklearn_saga(problem, budget, seed):
    return _logistic(problem, budget, seed, "saga")


_LIBLINEAR = dict(losses={"logistic"}, multiclass=(), intercept="penalised")


# under L1 it is newGLMNET
@contender("sklearn liblinear primal", budgets=NEWTON_STEPS, penalties={"l2", "l1"}, **_LIBLINEAR)
def sklearn_liblinear_primal(problem, budget, seed):
    return _logistic(problem, budget, seed, "liblinear")


@contender("sklearn liblinear dual", budgets=MANY_EPOCHS, **_LIBLINEAR)
def sklearn_liblinear_dual(problem, budget, seed):
    return _logistic(problem, budget, seed, "liblinear", dual=True)


_SVM = {"squared_hinge", "hinge"}


def _linear_svc(problem, budget, seed, **options):
    options.update(fit_intercept=problem.fit_intercept, random_state=seed, **_effort(budget, tol=NEVER))
    fitted = LinearSVC(C=problem.C, loss=problem.loss, **options).fit(problem.X, problem.y)
    return fitted.coef_, fitted.intercept_


@contender("sklearn LinearSVC dual", losses=_SVM, budgets=MANY_EPOCHS, intercept="penalised")
def sklearn_linear_svc_dual(problem, budget, seed):
    return _linear_svc(problem, budget, seed, dual=True)


@contender("sklearn LinearSVC", losses=_SVM, budgets=(), intercept="penalised", default=_SVM)
def sklearn_linear_svc(problem, budget, seed):
    return _linear_svc(problem, budget, seed)


@contender("sklearn LinearSVC primal", losses={"squared_hinge"}, budgets=NEWTON_STEPS, intercept="penalised")
def sklearn_linear_svc_primal(problem, budget, seed):
    return _linear_svc(problem, budget, seed, dual=False)


def sgd_classifier(problem, epochs, seed):
    """An unfitted SGDClassifier of the same objective."""
    return SGDClassifier(
        loss="log_loss" if problem.loss.startswith("logistic") else problem.loss,
        alpha=1 / (problem.C * len(problem.y)),
        penalty=problem.penalty,
        l1_ratio=problem.l1_ratio,
        **_effort(epochs, tol=None),
        fit_intercept=problem.fit_intercept,
        random_state=seed,
        n_jobs=problem.n_threads,
    )


def _one_versus_rest(problem):
    if problem.loss == "logistic" and problem.n_outputs > 1:
        return "is one-versus-rest, not softmax"
    return None


@contender(
    "sklearn SGDClassifier",
    losses=LOSSES,
    budgets=MANY_EPOCHS,
    penalties=EVERY_PENALTY,
    default=LOSSES,
    unfit=_one_versus_rest,
)
def sklearn_sgd_classifier(problem, budget, seed):
    fitted = sgd_classifier(problem, budget, seed).fit(problem.X, problem.y)
    return fitted.coef_, fitted.intercept_
