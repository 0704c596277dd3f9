"""Model selection along the strength of the penalty."""

import copy
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from numbers import Integral

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import indexable

from .._base.caller import stacklevel_of_caller
from .._base.csr import check_structure
from .._base.sklearn_compat import takes_sample_weight
from .._base.threads import effective_threads
from .._estimator.fit_place import Place, fits_have_place
from ..crf import LinearChainCRF
from ..linear_model import LinearSVC, LogisticRegression
from ..linear_model._classifier import LinearClassifier
from ._path_data import OneX, Transformed
from ._warm_starts import fitted_along

__all__ = ["CPath", "C_path"]


@dataclass(repr=False)
class CPath:
    """The result of :func:`C_path`. Arrays with an entry for each C are in the order of `Cs`, which is as it was given.

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
            `C`, `mean_score`, `std_score`, `mean_n_iter`, `mean_converged` (1 where all folds have), and the scores of
            each fold, ``fold0``, ``fold1``, ...

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
            "mean_converged": self.converged.mean(axis=1),
        }
        folds = {f"fold{number}": scores for number, scores in enumerate(self.scores.T)}
        return pd.DataFrame({**columns, **folds})


def C_path(estimator, X, y, Cs, *, cv=5, groups=None, scoring=None, sample_weight=None, n_jobs=None, return_coefs=True):
    r"""Cross-validate and fit an estimator at many values of C, each fit starting from those at a stronger penalty.

    It finds what ``GridSearchCV(estimator, {"C": Cs})`` finds, to the estimator's `tol`, in less time and memory. X is
    checked once and never copied for a fold: the training rows of a fold are those of positive weight. The folds run in
    threads over the same X.

    C rises, and each fit starts from the fits before it. It follows the line, or the parabola, through their weights as
    a function of log C, whichever came nearer the last time. With L1 it starts from the last weights, and with sdca
    where the line through the last dual variables, over their bounds, leads. L-BFGS on several classes starts with
    a few epochs of dual ascent from there, where a fit of its own would start with such epochs from zeros. No fit of a
    fold starts from anything that has seen its test rows.

    The transformers of a pipeline are fitted once to the training rows of each fold, and to all rows. Text is counted
    once for all of them, as :class:`GridSearchCV` counts it.

    Parameters
    ----------
    estimator : LogisticRegression, LinearSVC or LinearChainCRF, or a Pipeline of which it is the last step
        The model. It is not changed. Its own `C` and `warm_start` play no part. `early_stopping` must be off, because
        the point where it ends a fit says nothing of C.
    X, y :
        The data, as the estimator's `fit` takes them, with a length and an index: raw texts for a pipeline with a
        vectorizer, and lists of sequences, or CSRSequences, for a CRF.
    Cs : array of shape (n_Cs,)
        The values of C, > 0, in any order, each once; ``np.inf`` is no penalty.
    cv : int, splitter or iterable of (train, test), default=5
        The folds, as :func:`sklearn.model_selection.cross_validate` takes them. An int is stratified folds, and
        for a CRF plain ones.
    groups : array of shape (n_samples,), optional
        The groups of the samples, for a splitter that needs them.
    scoring : str, callable ``(estimator, X, y) -> float`` or None, default=None
        The score of the test rows; None is the estimator's `score`. A callable is called in several threads at a time.
    sample_weight : array of shape (n_samples,), optional
        The weights of the samples in the fits, and in the scores if the scorer takes `sample_weight`, as most of
        scikit-learn's do.
    n_jobs : int or None, default=None
        Threads in all: folds side by side first, what is left inside of each fit. None is the model's `n_jobs`.
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
    `return_coefs` one table a C. A pipeline makes an X for each thread, and keeps 8 bytes for each distinct term of
    each document where text is counted for it. A pass over X visits the test rows too, 1 / (k - 1) more than
    the training rows.

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
    final = _require_path(estimator, n_jobs)
    Cs = _checked_Cs(Cs)
    final.__skopt_check__()
    scorer = _scorer(clone(estimator), scoring)
    if sp.issparse(X) and X.format != "csr":
        check_structure(X, ask_canonical=False)  # before scipy makes CSR of it
    X, y, groups, sample_weight = indexable(X, y, groups, sample_weight)
    weighted = takes_sample_weight(scorer)
    if isinstance(estimator, Pipeline):
        source = Transformed(estimator, (X, y, sample_weight), scorer, weighted)
    else:
        own = scoring is None and type(estimator) in (LogisticRegression, LinearSVC)
        source = OneX(estimator, (X, y, sample_weight), None if own else scorer, weighted)
    splitter = check_cv(cv, y, classifier=isinstance(final, LinearClassifier))
    folds = [_train_and_test(*fold, source.n_samples) for fold in splitter.split(X, y, groups)]
    n_threads = effective_threads(final.n_jobs if n_jobs is None else n_jobs)
    workers = min(n_threads, len(folds) + bool(return_coefs))
    fits = _Fits(source, Cs, len(folds)).with_threads(n_threads // workers)
    source.cut(folds, Cs.max())
    refits = _Refits(len(Cs)) if return_coefs else None
    tasks = [partial(fits.fold, number) for number in range(len(folds))]
    with closing(source):
        _run([partial(fits.all_data, refits), *tasks] if return_coefs else tasks, workers)
        mean_scores = fits.scores.mean(axis=1)
        best = int(np.argmax(np.where(np.isnan(mean_scores), -np.inf, mean_scores)))
        if return_coefs:
            model, part = refits.model(best), refits.part
        else:
            model, part = fits.with_threads(n_threads).to_all_data(best)
        best_estimator = source.finished(part, model)
    _warn(Cs, fits.converged, model)
    return CPath(
        Cs=Cs,
        scores=fits.scores,
        mean_scores=mean_scores,
        std_scores=fits.scores.std(axis=1),
        best_index=best,
        best_C=float(Cs[best]),
        best_estimator=best_estimator,
        coefs=refits.coefs if return_coefs else None,
        intercepts=refits.intercepts if return_coefs else None,
        n_iter=fits.n_iter,
        converged=fits.converged,
        seconds=time.perf_counter() - began,
    )


class _Fits:
    """The fits of a path, over folds and over all data.

    Parameters
    ----------
    source : OneX or Transformed
    Cs : ndarray of shape (n_Cs,)
    n_folds : int

    Attributes
    ----------
    scores, n_iter, converged : ndarray of shape (n_Cs, n_folds)
    """

    def __init__(self, source, Cs, n_folds):
        self.source, self.Cs, self.order = source, Cs, np.argsort(Cs, kind="stable")
        shape = (len(Cs), n_folds)
        self.scores, self.n_iter, self.converged = np.empty(shape), np.empty(shape, int), np.empty(shape, bool)

    def with_threads(self, n_threads):
        """Set the threads inside of each fit; the fits themselves."""
        self.source.with_threads(n_threads)
        return self

    def fold(self, number):
        """Fit the training rows of a fold at every C, and score the models."""
        part = self.source.fold(number)
        with fits_have_place(lambda model: self._place(model, number)):
            for i, model in self._along(part):
                self.scores[i, number] = part.score(model)
                self.n_iter[i, number], self.converged[i, number] = model.n_iter_, model.converged_

    def all_data(self, refits):
        """Fit all data at every C, for `refits` to keep."""
        refits.part = self.source.all_data()
        with fits_have_place(self._place):
            for i, model in self._along(refits.part):
                refits.add(i, model)

    def to_all_data(self, i):
        """Return the model of all data at one C, and what it was fitted to."""
        part = self.source.all_data()
        with fits_have_place(self._place):
            return next(fitted_along(part.template, part.data, part.counts, self.Cs[[i]])), part

    def _place(self, model, fold=None):
        return Place(int(np.flatnonzero(self.Cs == model.C)[0]), {"C": model.C}, fold)

    def _along(self, part):
        Cs = self.Cs[self.order]
        return zip(self.order, fitted_along(part.template, part.data, part.counts, Cs), strict=True)


class _Refits:
    """The fits to all data: their weights, and what else is needed to return one of them."""

    def __init__(self, n_Cs):
        self.models, self.part = [None] * n_Cs, None
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

    def model(self, i):
        model, coef = self.models[i], self.coefs[i]
        if model.coef_ is np.ndarray:
            model.coef_ = coef.toarray() if sp.issparse(coef) else coef.copy()
        else:
            model.coef_ = model.coef_(coef)
        return model


def _require_path(estimator, n_jobs):
    """Return the last step; raise TypeError or ValueError where the estimator has no path."""
    kinds, final = "LogisticRegression, LinearSVC or LinearChainCRF", estimator
    if isinstance(estimator, Pipeline):
        final = estimator.steps[-1][1]
        kinds += " as the last step of a Pipeline"
    if not isinstance(final, (LinearClassifier, LinearChainCRF)):
        raise TypeError(f"estimator must be {kinds}, got {type(final).__name__}")
    if final.early_stopping:
        raise ValueError("estimator must have early_stopping=False: where it ends a fit says nothing of C")
    if final.max_suboptimality is not None:
        raise ValueError(
            f"estimator must have max_suboptimality=None, got {final.max_suboptimality!r}: lower tol instead"
        )
    if n_jobs is not None and not isinstance(n_jobs, Integral):
        raise TypeError(f"n_jobs must be an integer or None, got {n_jobs!r}")
    return final


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


def _train_and_test(train, test, n_samples):
    """Return the indices of the samples to train on and of those to test."""
    train, test = (
        np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows) for rows in (train, test)
    )
    for rows in (train, test):
        if rows.size and not (rows.dtype.kind in "iu" and 0 <= rows.min() <= rows.max() < n_samples):
            raise ValueError(f"cv must give indices of the {n_samples} samples, got {rows}")
    return train, test


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


def _warn(Cs, converged, model):
    failed = ~converged.all(axis=1)
    if failed.any():
        which = f"{(~converged).sum()} of {converged.size} fits, at C = {', '.join(f'{C:g}' for C in Cs[failed])},"
    elif not model.converged_:
        which = "the fit to all data at the best C"
    else:
        return
    warnings.warn(
        f"C_path: {which} did not converge. Raise max_iter or tol, scale the features, or leave out the largest C.",
        ConvergenceWarning,
        stacklevel=stacklevel_of_caller(),
    )
