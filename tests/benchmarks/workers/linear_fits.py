"""Fits of linear peers. Each minimises ``C sum_i loss_i`` and the penalty, which it says in its own parameters.

What is timed is the library's call on X in memory, in the float type that it computes in. Conversions that the call
makes itself are in the time: LIBLINEAR's nodes, SnapML's CSC for the primal, skglm's CSC, PECOS's own matrices, the
parsing of VW's text. What only this file needs is not: PECOS's one-hot labels and the writing of VW's text, which a
user of VW would have on disk, and torch's tensors of the whole X.
"""

import logging
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from .registry import EPOCHS, EVERY_PENALTY, FITS, ITERATIONS, TOLERANCES, peer_fit

NEVER = 1e-12  # a tolerance that does not end a fit before its budget
_SVM = {"squared_hinge", "hinge"}
_OVR = {"logistic", "logistic_ovr"}
_ONE_VERSUS_REST = {"squared_hinge", "hinge", "logistic_ovr"}  # what such a library has for more than two classes
_LOADED = {}


def prepared(ask, small=False):
    """The fit that is asked for, and its arguments."""
    return FITS[ask.method].fit, *loaded(ask, small), ask


def loaded(ask, small=False):
    """X, a copy that the fit may change, and y; with `small` a few rows of each class."""
    folder, dtype = Path(ask.folder), ask.dtype
    if dtype not in _LOADED:
        _LOADED[dtype] = _matrix(folder, dtype), np.load(folder / "y.npy")
    X, y = _LOADED[dtype]
    ask.n_classes = int(y.max()) + 1
    if small:
        rows = np.concatenate([np.flatnonzero(y == k)[:3] for k in range(ask.n_classes)])
        return X[rows], y[rows]
    return X.copy(), y


def _matrix(folder, dtype):
    """The X that `linear_peers.write` has left, dense or CSR."""
    if (folder / "X.npy").exists():
        return np.load(folder / "X.npy").astype(dtype, copy=False)
    load = {name: np.load(folder / f"{name}.npy") for name in ("data", "indices", "indptr", "shape")}
    arrays = (load["data"].astype(dtype, copy=False), load["indices"], load["indptr"])
    return sp.csr_matrix(arrays, shape=tuple(load["shape"]))


def answered(result, ask):
    """Keep (coef, intercept) in the folder: where they are."""
    coef, intercept = result
    n_outputs = 1 if ask.n_classes == 2 else ask.n_classes
    coef = np.asarray(coef, dtype=np.float64).reshape(n_outputs, -1)
    intercept = np.broadcast_to(np.asarray(intercept, dtype=np.float64).ravel(), (n_outputs,))
    path = Path(ask.folder) / "coef.npy", Path(ask.folder) / "intercept.npy"
    np.save(path[0], coef)
    np.save(path[1], intercept)
    return {"coef": str(path[0]), "intercept": str(path[1])}


def penalty_of(ask):
    """The name of the penalty: l2, elasticnet or l1."""
    return {0.0: "l2", 1.0: "l1"}.get(ask.l1_ratio, "elasticnet")


def given(**options):
    """The options that are not None: None stands for the library's default."""
    return {name: value for name, value in options.items() if value is not None}


def _liblinear(X, y, ask, solvers):
    from liblinear.liblinearutil import train

    primal = solvers[ask.loss] in (0, 2)
    options = f"-q -s {solvers[ask.loss]} -c {ask.C}" + ("" if ask.budget is None else f" -e {ask.budget}")
    if ask.fit_intercept:
        options += " -B 1 -R" if primal else " -B 1"
    y = y.astype(np.float64)
    X = sp.csr_matrix(X)  # of the dense its conversion is a loop in Python
    model = yield lambda: train(y, X, options)
    n_outputs = 1 if ask.n_classes == 2 else ask.n_classes
    n_rows = X.shape[1] + ask.fit_intercept
    W = np.ctypeslib.as_array(model.w, (n_rows * n_outputs,)).reshape(n_rows, n_outputs).T.copy()
    labels = np.array(model.get_labels(), dtype=int)
    if n_outputs == 1:
        W = W if labels[0] == 1 else -W
    else:
        W = W[np.argsort(labels)]
    return (W[:, :-1], W[:, -1]) if ask.fit_intercept else (W, 0.0)


_LIBLINEAR = dict(budgets=TOLERANCES, dtype="float64")


@peer_fit(
    "liblinear",
    "primal",
    losses=_OVR | {"squared_hinge"},
    multiclass=_ONE_VERSUS_REST - {"hinge"},
    default=_OVR,
    **_LIBLINEAR,
)
def liblinear_primal(X, y, ask):
    return _liblinear(X, y, ask, {"logistic": 0, "logistic_ovr": 0, "squared_hinge": 2})


@peer_fit(
    "liblinear",
    "dual",
    losses=_OVR | _SVM,
    multiclass=_ONE_VERSUS_REST,
    intercept="penalised",
    default=_SVM,
    **_LIBLINEAR,
)
def liblinear_dual(X, y, ask):
    return _liblinear(X, y, ask, {"logistic": 7, "logistic_ovr": 7, "squared_hinge": 1, "hinge": 3})


def _snapml(X, y, ask, **options):
    import snapml

    options |= given(max_iter=ask.budget, tol=None if ask.budget is None else 0.0)
    options |= dict(regularizer=1 / ask.C, fit_intercept=ask.fit_intercept, n_jobs=ask.threads, random_state=ask.seed)
    if ask.loss in _SVM:
        model = snapml.SupportVectorMachine(loss=ask.loss, **options)
    else:
        model = snapml.LogisticRegression(**options)
    yield lambda: model.fit(X, y)
    coef = np.asarray(model.coef_)
    return (coef if coef.shape[-1] == X.shape[1] else coef.T), model.intercept_


_SNAPML = dict(budgets=EPOCHS, dtype="float32", intercept="penalised")


@peer_fit("snapml", "dual", losses=_OVR | _SVM, multiclass=_ONE_VERSUS_REST, default=_OVR | _SVM, **_SNAPML)
def snapml_dual(X, y, ask):
    return _snapml(X, y, ask)


@peer_fit("snapml", "primal", losses=_OVR, multiclass={"logistic_ovr"}, penalties={"l2", "l1"}, **_SNAPML)
def snapml_primal(X, y, ask):
    return _snapml(X, y, ask, dual=False, penalty=penalty_of(ask))


def _cyanure(solver, X, y, ask):
    from cyanure.estimators import Classifier

    # a mean of losses, the squared hinge halved
    squared_hinge = ask.loss == "squared_hinge"
    model = Classifier(
        loss="sqhinge" if squared_hinge else "logistic",
        penalty=penalty_of(ask),
        lambda_1=1 / (ask.C * len(y) * (2 if squared_hinge else 1)),
        solver=solver,
        fit_intercept=ask.fit_intercept,
        multi_class="ovr" if ask.loss == "logistic_ovr" else "auto",
        n_threads=ask.threads,
        random_state=ask.seed,
        verbose=False,
        **given(max_iter=ask.budget, tol=None if ask.budget is None else NEVER),
    )
    yield lambda: model.fit(X, y)
    coef = np.asarray(model.coef_).reshape(X.shape[1], -1).T
    return coef, (model.intercept_ if ask.fit_intercept else 0.0)


for _solver in ("auto", "qning-svrg", "qning-miso", "catalyst-miso", "qning-ista"):
    peer_fit(
        "cyanure",
        _solver,
        losses=_OVR | {"squared_hinge"},
        budgets=ITERATIONS,
        penalties={"l2", "l1"},  # its elastic net ended 2.7 % above this one's optimum
        default=_OVR | {"squared_hinge"} if _solver == "auto" else (),
    )(lambda X, y, ask, solver=_solver: _cyanure(solver, X, y, ask))


def _pecos(X, y, ask, solvers, tolerance):
    from pecos.xmc import MLModel, MLProblem

    columns, n_outputs = (y, ask.n_classes) if ask.n_classes > 2 else (np.zeros_like(y), 1)
    positive = np.flatnonzero(y == 1) if n_outputs == 1 else np.arange(len(y))
    ones = np.ones(len(positive), np.float32)
    Y = sp.csr_matrix((ones, (positive, columns[positive])), shape=(len(y), n_outputs))
    options = dict(solver_type=solvers[ask.loss], Cp=ask.C, Cn=ask.C, threads=ask.threads)
    X = sp.csr_matrix(X)
    options["bias"] = 1.0 if ask.fit_intercept else -1.0
    if ask.budget is not None:
        options |= {"threshold": 0.0, "max_iter": 10**6, tolerance: ask.budget}
    model = yield lambda: MLModel.train(MLProblem(X, Y, threads=ask.threads), **options)
    W = model.W.toarray().T
    return (W[:, :-1], W[:, -1]) if ask.fit_intercept else (W, 0.0)


_PECOS = dict(budgets=TOLERANCES, dtype="float32", intercept="penalised")


@peer_fit("pecos", "dual", losses=_OVR | _SVM, multiclass=_ONE_VERSUS_REST, default=_OVR | _SVM, **_PECOS)
def pecos_dual(X, y, ask):
    logistic = "L2R_LR_DUAL"
    solvers = {"squared_hinge": "L2R_L2LOSS_SVC_DUAL", "hinge": "L2R_L1LOSS_SVC_DUAL"}
    return _pecos(X, y, ask, {**solvers, "logistic": logistic, "logistic_ovr": logistic}, "eps")


@peer_fit("pecos", "primal", losses={"squared_hinge"}, **_PECOS)
def pecos_primal(X, y, ask):
    return _pecos(X, y, ask, {"squared_hinge": "L2R_L2LOSS_SVC_PRIMAL"}, "newton_eps")


def _skglm(X, y, ask, penalty, solver):
    from skglm import GeneralizedLinearEstimator
    from skglm.datafits import Logistic

    solver.fit_intercept, solver.warm_start = ask.fit_intercept, False  # which its L-BFGS lacks
    model = GeneralizedLinearEstimator(Logistic(), penalty, solver)
    yield lambda: model.fit(X, y)
    return model.coef_, model.intercept_


@peer_fit("skglm", "lbfgs", losses=_OVR, multiclass=(), budgets=ITERATIONS, intercept="none")
def skglm_lbfgs(X, y, ask):
    from skglm.penalties import L2
    from skglm.solvers import LBFGS

    options = given(max_iter=ask.budget, tol=None if ask.budget is None else NEVER)
    return (yield from _skglm(X, y, ask, L2(1 / (ask.C * len(y))), LBFGS(**options)))


def _skglm_lasso(X, y, ask, solver):
    from skglm import penalties, solvers

    options = given(tol=ask.budget)  # an iteration is many passes
    penalty = penalties.L1_plus_L2(1 / (ask.C * len(y)), ask.l1_ratio)
    return (yield from _skglm(X, y, ask, penalty, getattr(solvers, solver)(**options)))


@peer_fit("skglm", "prox-newton", losses=_OVR, multiclass=(), penalties=EVERY_PENALTY, budgets=TOLERANCES, default=_OVR)
def skglm_prox_newton(X, y, ask):
    return _skglm_lasso(X, y, ask, "ProxNewton")


@peer_fit("skglm", "AndersonCD", losses=_OVR, multiclass=(), penalties={"l1", "elasticnet"}, budgets=TOLERANCES)
def skglm_anderson_cd(X, y, ask):
    return _skglm_lasso(X, y, ask, "AndersonCD")


@peer_fit(
    "celer", "LogisticRegression", losses=_OVR, multiclass=(), penalties={"l1"}, budgets=ITERATIONS, intercept="none"
)
def celer_logistic(X, y, ask):
    from celer import LogisticRegression

    options = given(max_iter=ask.budget, tol=None if ask.budget is None else NEVER)
    model = LogisticRegression(C=ask.C, fit_intercept=False, **options)
    yield lambda: model.fit(X, y)
    return model.coef_, 0.0


@peer_fit("skglm", "LinearSVC", losses={"hinge"}, budgets=ITERATIONS, intercept="none", default={"hinge"})
def skglm_linear_svc(X, y, ask):
    from skglm.estimators import LinearSVC

    options = given(max_iter=ask.budget, tol=None if ask.budget is None else NEVER)
    model = LinearSVC(ask.C, fit_intercept=False, **options)
    yield lambda: model.fit(X, y)
    return model.coef_, 0.0


class _Fallback(logging.Handler):
    """Raises where scikit-learn-intelex leaves the work to scikit-learn."""

    def emit(self, record):
        text = record.getMessage()
        if "fallback" in text:
            raise NotImplementedError(f"falls back to scikit-learn: {text}")


@peer_fit("sklearnex", "LogisticRegression", losses={"logistic"}, budgets=ITERATIONS, default={"logistic"})
def sklearnex_logistic(X, y, ask):
    from sklearnex.linear_model import LogisticRegression

    logger = logging.getLogger("sklearnex")
    logger.setLevel(logging.INFO)
    logger.handlers = [_Fallback()]
    options = given(max_iter=ask.budget, tol=None if ask.budget is None else NEVER)
    model = LogisticRegression(C=ask.C, fit_intercept=ask.fit_intercept, n_jobs=ask.threads, **options)
    yield lambda: model.fit(X, y)
    return model.coef_, model.intercept_


# Each file registers its own peer.
from . import torch_fits, vw_fits  # noqa: E402, F401
