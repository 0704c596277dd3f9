"""Who is compared: one function a contender. Another library is one more function here.

    @contender("library method", losses={"logistic"}, budgets=ITERATIONS)
    def library_method(problem, budget, seed):
        model = library.Classifier(C=problem.C, max_iter=budget, ...).fit(problem.X, problem.y)
        return model.coef_, model.intercept_

The function makes a full fit on ``problem.X, problem.y`` with effort `budget` and returns (coef, intercept), of shapes
(1, n_features) and (1,) for two classes, (n_classes, n_features) and (n_classes,) for more; without an intercept 0.0
will do. It should minimise `Problem.objective`; how near it comes is not believed but computed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import scipy.sparse as sp
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.svm import LinearSVC

import skopt_solvers

from .datasets import Dataset

ITERATIONS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 400, 800)
EPOCHS = (1, 2, 3, 5, 8, 12, 20, 40)
MANY_EPOCHS = (*EPOCHS, 80, 160, 320, 640)
NEWTON_STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30)
LARGEST_HESSIAN = 2 * 2**30  # bytes
NEVER = 1e-12  # a tolerance that does not end a fit before its budget


@dataclass
class Problem:
    """Data, loss and penalty: ``C sum_i loss_i + ||w||^2 / 2``, the intercept not penalised.

    The loss is the logistic one for two classes, softmax for more; or the squared hinge, summed over one-versus-rest
    problems where there are more than two classes.
    """

    dataset: Dataset
    loss: str
    C: float
    fit_intercept: bool
    n_threads: int
    dtype: np.dtype
    X: sp.csr_matrix = None

    @property
    def y(self):
        return self.dataset.y

    @property
    def n_outputs(self):
        return 1 if self.dataset.n_classes == 2 else self.dataset.n_classes

    def ready(self, dtype=None):
        """This problem with a new X to fit on, in `dtype`."""
        return replace(self, X=self.dataset.matrix(dtype or self.dtype))

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
            losses = np.logaddexp(0, -signs * Z) if self.loss == "logistic" else np.maximum(1 - signs * Z, 0) ** 2
        return float(self.C * losses.sum() + 0.5 * np.vdot(coef, coef))


@dataclass(frozen=True)
class Contender:
    """A registered function and what it is for.

    Attributes
    ----------
    budgets : the ladder of efforts, ascending for numbers of iterations, descending for tolerances
    multiclass : whether it takes more than two classes
    penalises_intercept : then it has this objective only where there is no intercept
    dtype : of the X it is given, or None for the problem's
    unfit : function of the problem that returns why it cannot take part, or None
    """

    name: str
    fit: Callable
    losses: frozenset
    budgets: tuple
    multiclass: bool = True
    penalises_intercept: bool = False
    dtype: type | None = None
    unfit: Callable = lambda problem: None

    def reason_to_skip(self, problem):
        """Why it cannot take part in `problem`, or None."""
        if problem.loss not in self.losses:
            return f"does not have the loss {problem.loss}"
        if problem.n_outputs > 1 and not self.multiclass:
            return "does not have this loss for more than two classes"
        if problem.fit_intercept and self.penalises_intercept:
            return "penalises the intercept, which is another objective (see --no-intercept)"
        return self.unfit(problem)


CONTENDERS = {}


def contender(name, *, losses, budgets, **properties):
    """Register the decorated function as a contender; the arguments are those of `Contender`."""

    def register(fit):
        CONTENDERS[name] = Contender(name, fit, frozenset(losses), budgets, **properties)
        return fit

    return register


def _ours(problem, budget, seed, solver):
    model = skopt_solvers.LogisticRegression if problem.loss == "logistic" else skopt_solvers.LinearSVC
    options = dict(tol=0.0) if solver == "lbfgs" else {}
    options.update(max_iter=budget, fit_intercept=problem.fit_intercept, random_state=seed, n_jobs=problem.n_threads)
    fitted = model(C=problem.C, solver=solver, **options).fit(problem.X, problem.y)
    return fitted.coef_, fitted.intercept_


_BOTH = {"logistic", "squared_hinge"}
for _dtype in (np.float32, np.float64):
    contender(f"ours lbfgs {_dtype.__name__}", losses=_BOTH, budgets=ITERATIONS, dtype=_dtype)(
        partial(_ours, solver="lbfgs")
    )
for _dtype in (np.float32, np.float64):
    contender(f"ours adagrad {_dtype.__name__}", losses=_BOTH, budgets=EPOCHS, dtype=_dtype)(
        partial(_ours, solver="adagrad")
    )
for _solver in ("adam", "rmsprop", "momentum"):
    contender(f"ours {_solver}", losses=_BOTH, budgets=EPOCHS)(partial(_ours, solver=_solver))


def _logistic(problem, budget, seed, solver, dual=False):
    options = dict(dual=dual, tol=NEVER, max_iter=budget, fit_intercept=problem.fit_intercept, random_state=seed)
    fitted = LogisticRegression(C=problem.C, solver=solver, **options).fit(problem.X, problem.y)
    return fitted.coef_, fitted.intercept_


def _hessian_too_large(problem):
    side = problem.dataset.X.shape[1] * problem.n_outputs
    if 8 * side**2 > LARGEST_HESSIAN:
        return f"its Hessian, {side:,} x {side:,}, takes {8 * side**2 / 2**30:,.0f} GiB"
    return None


@contender("sklearn lbfgs", losses={"logistic"}, budgets=ITERATIONS)
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


@contender("sklearn saga", losses={"logistic"}, budgets=MANY_EPOCHS)
def sklearn_saga(problem, budget, seed):
    return _logistic(problem, budget, seed, "saga")


_LIBLINEAR = dict(losses={"logistic"}, multiclass=False, penalises_intercept=True)


@contender("sklearn liblinear primal", budgets=NEWTON_STEPS, **_LIBLINEAR)
def sklearn_liblinear_primal(problem, budget, seed):
    return _logistic(problem, budget, seed, "liblinear")


@contender("sklearn liblinear dual", budgets=MANY_EPOCHS, **_LIBLINEAR)
def sklearn_liblinear_dual(problem, budget, seed):
    return _logistic(problem, budget, seed, "liblinear", dual=True)


def _linear_svc(problem, budget, seed, dual):
    fitted = LinearSVC(
        C=problem.C, dual=dual, tol=NEVER, max_iter=budget, fit_intercept=problem.fit_intercept, random_state=seed
    ).fit(problem.X, problem.y)
    return fitted.coef_, fitted.intercept_


@contender("sklearn LinearSVC dual", losses={"squared_hinge"}, budgets=MANY_EPOCHS, penalises_intercept=True)
def sklearn_linear_svc_dual(problem, budget, seed):
    return _linear_svc(problem, budget, seed, True)


@contender("sklearn LinearSVC primal", losses={"squared_hinge"}, budgets=NEWTON_STEPS, penalises_intercept=True)
def sklearn_linear_svc_primal(problem, budget, seed):
    return _linear_svc(problem, budget, seed, False)


def sgd_classifier(problem, epochs, seed):
    """An unfitted SGDClassifier of the same objective."""
    return SGDClassifier(
        loss="log_loss" if problem.loss == "logistic" else "squared_hinge",
        alpha=1 / (problem.C * len(problem.y)),
        max_iter=epochs,
        tol=None,
        fit_intercept=problem.fit_intercept,
        random_state=seed,
        n_jobs=problem.n_threads,
    )


def _one_versus_rest(problem):
    if problem.loss == "logistic" and problem.n_outputs > 1:
        return "is one-versus-rest, not softmax"
    return None


@contender("sklearn SGDClassifier", losses=_BOTH, budgets=MANY_EPOCHS, unfit=_one_versus_rest)
def sklearn_sgd_classifier(problem, budget, seed):
    fitted = sgd_classifier(problem, budget, seed).fit(problem.X, problem.y)
    return fitted.coef_, fitted.intercept_
