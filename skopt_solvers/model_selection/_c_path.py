"""Model selection along the strength of the penalty."""

import copy
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from inspect import signature
from numbers import Integral

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, indexable

from .._base.csr import check_structure
from .._base.threads import effective_threads
from ..crf import LinearChainCRF
from ..linear_model import LinearSVC, LogisticRegression
from ..linear_model._classifier import LinearClassifier
from ._warm_starts import ChainData, LinearData, check_solver, fitted_along

__all__ = ["CPath", "C_path"]


@dataclass(repr=False)
class CPath:
    """What :func:`C_path` returns. Whatever has an entry a C has them in the order of `Cs`, which is as it was given.

    Attributes
    ----------
    Cs : ndarray of shape (n_Cs,)
    scores : ndarray of shape (n_Cs, n_folds)
        Of the test rows of each fold.
    mean_scores, std_scores : ndarray of shape (n_Cs,)
        Over the folds.
    best_index : int
        Of the largest mean score; the first of equal ones.
    best_C : float
    best_estimator : estimator, fitted at `best_C` to all data.
    coefs : ndarray of shape (n_Cs, n_outputs, n_features), list of CSR matrices where there is L1, or None
        Of the fits to all data: `coef_` at each C. None with ``return_coefs=False``.
    intercepts : ndarray of shape (n_Cs, n_outputs) or None
        None for a CRF too: `coefs` are then the weights of its features.
    n_iter : ndarray of shape (n_Cs, n_folds), int
    converged : ndarray of shape (n_Cs, n_folds), bool
    seconds : float, wall time of all.
    """

    Cs: np.ndarray
    scores: np.ndarray
    mean_scores: np.ndarray
    std_scores: np.ndarray
    best_index: int
    best_C: float
    best_estimator: BaseEstimator
    coefs: np.ndarray | list | None
    intercepts: np.ndarray | None
    n_iter: np.ndarray
    converged: np.ndarray
    seconds: float

    def __repr__(self):
        n_Cs, n_folds = self.scores.shape
        best = f"best_C={self.best_C:g}, mean score {self.mean_scores[self.best_index]:.4g}"
        return f"CPath({n_Cs} Cs, {n_folds} folds, {best})"

    def to_frame(self):
        """The scores as a pandas data frame, a row a C.

        Returns
        -------
        DataFrame
            `C`, `mean_score`, `std_score`, `mean_n_iter`, `converged` (in all folds), and the scores of each fold,
            ``fold0``, ``fold1``, ...

        Raises
        ------
        ImportError
            Where pandas is not installed.
        """
        import pandas as pd

        columns = {
            "C": self.Cs,
            "mean_score": self.mean_scores,
            "std_score": self.std_scores,
            "mean_n_iter": self.n_iter.mean(axis=1),
            "converged": self.converged.all(axis=1),
        }
        folds = {f"fold{number}": scores for number, scores in enumerate(self.scores.T)}
        return pd.DataFrame({**columns, **folds})


def C_path(estimator, X, y, Cs, *, cv=5, groups=None, scoring=None, sample_weight=None, n_jobs=None, return_coefs=True):
    r"""Cross-validate and fit an estimator at many values of C, each fit starting from those at a stronger penalty.

    What ``GridSearchCV(estimator, {"C": Cs})`` finds, to the estimator's `tol`, in less time and memory: X is checked
    once and never copied for a fold, whose training rows are those of positive weight, and folds run in threads over
    the same X. C rises, and a fit starts where the line, or the parabola, through the weights of the last fits as a
    function of log C leads, whichever came nearer the last time; with L1 from the last weights; with sdca from the last
    dual variables, over their bounds. No fold's fit starts from anything that has seen its test rows.

    Parameters
    ----------
    estimator : LogisticRegression, LinearSVC or LinearChainCRF
        Not changed. Its own `C` and `warm_start` play no part, and `early_stopping` must be off: where a fit then ends
        says nothing of C.
    X, y :
        As in the estimator's `fit`. For a CRF: lists of sequences, or CSRSequences.
    Cs : array of shape (n_Cs,)
        > 0, in any order, each once; ``np.inf`` is no penalty.
    cv : int, splitter or iterable of (train, test), default=5
        As in :func:`sklearn.model_selection.cross_validate`; an int is stratified folds, and for a CRF plain ones.
    groups : array of shape (n_samples,), optional
        For the splitter.
    scoring : str, callable ``(estimator, X, y) -> float`` or None, default=None
        None is the estimator's `score`. A callable is called in several threads at a time.
    sample_weight : array of shape (n_samples,), optional
        Of the fits, and of the scores where the scorer takes `sample_weight`, as most of scikit-learn's do.
    n_jobs : int or None, default=None
        Threads in all: folds side by side first, what is left inside of each fit. None is the estimator's `n_jobs`.
    return_coefs : bool, default=True
        Whether to fit all data at every C and keep the weights. Otherwise they are fitted at the best C only.

    Returns
    -------
    CPath

    Raises
    ------
    TypeError, ValueError
        For bad input, before any fit, by the name of the argument.

    Warns
    -----
    ConvergenceWarning
        Once, where fits ended before their tolerance was met.

    Notes
    -----
    Memory above X, which is read in place where it is canonical CSR and else copied once: for each thread the test rows
    of one fold, as many bytes a sample as one fit takes, and the tables of one fit and the two before; with
    `return_coefs` one table a C. A pass over X visits the test rows too, 1 / (k - 1) more than the training rows.

    A tolerance on the gradient is met by a start that is near enough: where C is large and its neighbours near, a fit
    may end after 0 iterations. Lower `tol` where scores must not depend on the grid.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.model_selection import C_path
    >>> X, y = load_iris(return_X_y=True)
    >>> path = C_path(LogisticRegression(max_iter=1000), X, y, np.logspace(-3, 2, 6))
    >>> path.scores.shape, path.coefs.shape, path.best_C
    ((6, 5), (6, 3, 4), 100.0)
    """
    began = time.perf_counter()
    data_of = _data_of(estimator)
    if n_jobs is not None and not isinstance(n_jobs, Integral):
        raise TypeError(f"n_jobs must be an integer or None, got {n_jobs!r}")
    Cs = _checked_Cs(Cs)
    estimator._validate_params()  # before a copy is made, which some values refuse without a word of the argument
    template = clone(estimator)
    scorer = _scorer(template, scoring)
    plain = scoring is None and type(estimator) in (LogisticRegression, LinearSVC)
    check_structure(X, ask_canonical=False)
    X, y, groups, sample_weight = indexable(X, y, groups, sample_weight)
    weights = sample_weight if _takes_weights(scorer) else None
    data = data_of(template, X, y, sample_weight)
    splitter = check_cv(cv, y, classifier=isinstance(estimator, LinearClassifier))
    folds = [_counts_and_test(*fold, data.n_samples) for fold in splitter.split(X, y, groups)]
    ones = np.ones(data.n_samples)
    _check_classes(data, [*(counts for counts, _ in folds), ones])
    n_threads = effective_threads(estimator.n_jobs if n_jobs is None else n_jobs)
    workers = min(n_threads, len(folds) + bool(return_coefs))
    template.n_jobs = n_threads // workers  # inside of each
    check_solver(template, data, Cs.max())
    order = np.argsort(Cs, kind="stable")
    shape = (len(Cs), len(folds))
    scores, n_iter, converged = np.empty(shape), np.empty(shape, int), np.empty(shape, bool)

    def fold(number):
        counts, test = folds[number]
        score = data.accuracy(test) if plain else _scorer_of(scorer, X, y, weights, test)
        for i, model in zip(order, fitted_along(template, data, counts, Cs[order]), strict=True):
            scores[i, number] = score(model)
            n_iter[i, number], converged[i, number] = model.n_iter_, model.converged_

    refits = _Refits(estimator, len(Cs)) if return_coefs else None

    def all_data():
        for i, model in zip(order, fitted_along(template, data, ones, Cs[order]), strict=True):
            refits.add(i, model)

    tasks = [
        *([all_data] if return_coefs else []),
        *(lambda number=number: fold(number) for number in range(len(folds))),
    ]
    _run(tasks, workers)
    mean_scores = scores.mean(axis=1)
    best = int(np.argmax(np.where(np.isnan(mean_scores), -np.inf, mean_scores)))
    if return_coefs:
        best_estimator = refits.estimator(best)
    else:
        template.n_jobs = n_threads
        along = fitted_along(template, data, ones, Cs[[best]])
        best_estimator = _as_given(estimator, next(along))
    _warn(Cs, converged, best_estimator)
    return CPath(
        Cs=Cs,
        scores=scores,
        mean_scores=mean_scores,
        std_scores=scores.std(axis=1),
        best_index=best,
        best_C=float(Cs[best]),
        best_estimator=best_estimator,
        coefs=refits.coefs if return_coefs else None,
        intercepts=refits.intercepts if return_coefs else None,
        n_iter=n_iter,
        converged=converged,
        seconds=time.perf_counter() - began,
    )


class _Refits:
    """The fits to all data: their weights, and what else is needed to return one of them."""

    def __init__(self, estimator, n_Cs):
        self.given, self.models = estimator, [None] * n_Cs
        self.coefs = self.intercepts = None

    def add(self, i, model):
        coef, n_Cs = model.coef_, len(self.models)
        kept = self.models[i] = copy.copy(model)
        if model.l1_ratio or sp.issparse(coef):
            self.coefs = self.coefs or [None] * n_Cs
            self.coefs[i] = sp.csr_matrix(coef)
        else:
            if self.coefs is None:
                self.coefs = np.empty((n_Cs, *coef.shape), coef.dtype)
            self.coefs[i] = coef
        # the table itself is not kept beside them
        kept.coef_ = type(coef)
        if hasattr(model, "intercept_"):
            if self.intercepts is None:
                self.intercepts = np.empty((n_Cs, *model.intercept_.shape), model.intercept_.dtype)
            self.intercepts[i] = model.intercept_

    def estimator(self, i):
        model, coef = self.models[i], self.coefs[i]
        if model.coef_ is np.ndarray:
            model.coef_ = coef.toarray() if sp.issparse(coef) else coef.copy()
        else:
            model.coef_ = model.coef_(coef)
        return _as_given(self.given, model)


def _as_given(estimator, model):
    model.n_jobs = estimator.n_jobs
    return model


def _data_of(estimator):
    """How the estimator's data are read; TypeError or ValueError where it has no path."""
    kinds = "LogisticRegression, LinearSVC or LinearChainCRF"
    if isinstance(estimator, Pipeline):
        raise TypeError(
            f"estimator must be {kinds}, got a Pipeline, whose transformers would learn from the test rows too. Make X "
            "before, by transformers that learn nothing or where that does not matter, or use GridSearchCV, which fits "
            "them in each fold"
        )
    if not isinstance(estimator, (LinearClassifier, LinearChainCRF)):
        raise TypeError(f"estimator must be {kinds}, got {type(estimator).__name__}")
    if estimator.early_stopping:
        raise ValueError("estimator must have early_stopping=False: where it ends a fit says nothing of C")
    return LinearData if isinstance(estimator, LinearClassifier) else ChainData


def _takes_weights(scorer):
    """As GridSearchCV asks: of its own scorers it is the metric that says."""
    if hasattr(scorer, "_accept_sample_weight"):
        return scorer._accept_sample_weight()
    # scorers of scikit-learn before 1.7 do not say, and take any argument
    metric = getattr(scorer, "_score_func", None) or getattr(getattr(scorer, "_estimator", None), "score", scorer)
    return "sample_weight" in signature(metric).parameters


def _scorer_of(scorer, X, y, weights, test):
    """The function of a model that is its score of some rows."""
    X, y = _safe_indexing(X, test), _safe_indexing(y, test)
    weighted = {} if weights is None else {"sample_weight": _safe_indexing(weights, test)}
    return lambda model: scorer(model, X, y, **weighted)


def _checked_Cs(Cs):
    values = np.asarray(Cs)
    if values.ndim != 1 or not values.size or values.dtype.kind not in "iuf" or not (values > 0).all():
        raise ValueError(f"Cs must be a 1-D array of numbers > 0, at least one, got {Cs!r}")
    values = values.astype(float)
    if len(np.unique(values)) < len(values):
        raise ValueError(f"Cs must have each value once, got {Cs!r}")
    return values


def _scorer(estimator, scoring):
    if scoring is not None and not isinstance(scoring, str) and not callable(scoring):
        raise TypeError(f"scoring must be one scorer: a str, a callable or None, got {type(scoring).__name__}")
    return check_scoring(estimator, scoring=scoring)


def _counts_and_test(train, test, n_samples):
    """How often each sample is trained on, and the indices of those to test."""
    train, test = (
        np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows) for rows in (train, test)
    )
    for rows in (train, test):
        if rows.size and not (rows.dtype.kind in "iu" and 0 <= rows.min() <= rows.max() < n_samples):
            raise ValueError(f"cv must give indices of the {n_samples} samples, got {rows}")
    return np.bincount(train, minlength=n_samples).astype(float), test


def _check_classes(data, counts):
    least = 2 if isinstance(data, LinearData) else 1
    for number, of_fold in enumerate(counts):
        classes = data.classes(of_fold)
        if len(classes) < least:
            where = "y" if number == len(counts) - 1 else f"cv: the training rows of fold {number}"
            raise ValueError(f"{where} must have {least} classes or more of positive sample_weight, got {classes}")


def _run(tasks, workers):
    if workers == 1:
        for task in tasks:
            task()
        return
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            for future in futures:
                future.result()
        finally:
            for future in futures:
                future.cancel()


def _warn(Cs, converged, best_estimator):
    failed = ~converged.all(axis=1)
    if failed.any():
        which = f"{(~converged).sum()} of {converged.size} fits, at C = {', '.join(f'{C:g}' for C in Cs[failed])},"
    elif not best_estimator.converged_:
        which = "the fit to all data at the best C"
    else:
        return
    warnings.warn(
        f"C_path: {which} did not converge. Raise max_iter or tol, scale the features, or leave out the largest C.",
        ConvergenceWarning,
        stacklevel=3,
    )
