"""The way from X, y and sample weights of a linear classifier to its objective: of fits, streams, paths and dask."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils.validation import _check_sample_weight

from .._base.containers import refuse_container
from .._base.csr import canonical_csr, check_structure
from .._base.dense import readable
from .._base.threads import effective_threads
from .._base.validation import check_labels, numbers_of
from .._estimator.class_weight import class_weighted, mass_of
from .._estimator.partial_fit import few_columns
from .._estimator.problem import Problem
from ..objectives import LinearObjective


@dataclass(frozen=True)
class LinearModel:
    """A linear classifier as a value: all that its problem is told of the estimator.

    Attributes
    ----------
    name : str
        Of the estimator's class, for messages.
    losses : tuple
        The loss for two classes, and the loss for more.
    fit_intercept, C, l1_ratio, class_weight, n_jobs :
        As on the estimator.
    """

    name: str
    losses: tuple
    fit_intercept: bool
    C: float
    l1_ratio: float
    class_weight: Any
    n_jobs: int | None

    def n_outputs(self, n_classes):
        """Return the number of columns of the table."""
        return 1 if n_classes == 2 else n_classes

    def options(self, n_classes, indicator=None):
        """Return what an objective is told besides its data and the penalty."""
        return dict(
            n_outputs=self.n_outputs(n_classes) if indicator is None else n_classes,
            fit_intercept=self.fit_intercept,
            n_threads=effective_threads(self.n_jobs),
            loss=self.losses[n_classes > 2 and indicator is None],
            indicator=indicator,
        )

    def objective(self, X, labels, weights, n_classes, indicator=None, **penalty):
        """Return the objective of these data; `penalty` may have `C`, in the place of the model's, and `total`."""
        options = self.options(n_classes, indicator)
        return LinearObjective(X, labels, weights, **{"C": self.C, "l1_ratio": self.l1_ratio, **options, **penalty})

    def attributes(self, W, objective):
        """Return the fitted attributes of a table W, whose last row is the intercept where there is one."""
        n_features = len(W) - bool(self.fit_intercept)
        intercept = W[n_features].copy() if self.fit_intercept else np.zeros(W.shape[1], W.dtype)
        if objective.joint:
            # the loss leaves their mean open: where it ends is rounding
            intercept -= intercept.mean()
        if objective.indicator is not None:
            constant = objective.indicator.constant
            intercept = np.where(constant == 0, intercept, constant * self._certain(W.dtype)).astype(W.dtype)
        return {"coef_": W[:n_features].T, "intercept_": intercept}

    def _certain(self, dtype):
        """Return the least score at which the loss of a binary problem is 0, to rounding."""
        return -np.log(np.finfo(dtype).eps) if self.losses[0].log_likelihood else 1.0

    def table(self, fitted, objective):
        """Return the table W of an estimator's fitted attributes."""
        coef = fitted.coef_.toarray() if sp.issparse(fitted.coef_) else fitted.coef_
        W = np.vstack([coef.T, *([fitted.intercept_] if self.fit_intercept else [])])
        if objective.indicator is not None:
            W[:, objective.indicator.constant != 0] = 0
        return W


@dataclass
class LinearData:
    """X, y and sample weights, read once.

    Attributes
    ----------
    model : LinearModel
    X : ndarray or canonical CSR, float32 or float64
    y : ndarray of shape (n_samples,)
    weights : ndarray of shape (n_samples,), float64, before class weights
    """

    model: LinearModel
    X: Any
    y: np.ndarray
    weights: np.ndarray
    min_classes: ClassVar[int] = 2

    @classmethod
    def read(cls, estimator, model, X, y, sample_weight, reset=True):
        """Return what `fit` is given; with `reset` the estimator learns the number and names of the features."""
        X, y = read_rows(estimator, X, y, reset=reset)
        return cls(model, X, y, row_weights(sample_weight, X))

    @property
    def n_samples(self):
        return self.X.shape[0]

    @cached_property
    def _coded(self):
        return np.unique(self.y, return_inverse=True)

    def classes(self, counts=None):
        """Return the classes of the samples of positive weight, each sample taken once, or `counts` times."""
        if counts is None:
            return np.unique(self.y[self.weights > 0])
        distinct, codes = self._coded
        return distinct[np.bincount(codes, self.weights * counts, minlength=len(distinct)) > 0]

    def problem(self, classes=None, *, counts=None, seen=None, mass=None):
        """Return the problem of these samples, each taken once, or `counts` times.

        Parameters
        ----------
        classes : ndarray, optional
            Those of positive weight by default.
        counts : ndarray of shape (n_samples,), optional
        seen : ndarray of shape (n_classes,), optional
            The weight of each class before these samples, of a stream.
        mass : ndarray of shape (n_classes,), optional
            The weight of each class in all samples, where these are a part.
        """
        weights = self.weights if counts is None else self.weights * counts
        if classes is None:
            classes = self.classes(counts)
            require_classes(classes, self.model.name)
        labels, part = self._labels(classes, weights > 0), mass is not None
        if not part:
            mass = mass_of(classes, labels, weights, seen)
        weights = class_weighted(self.model.class_weight, classes, labels, weights, mass, part)
        return LinearProblem(self.model, classes, mass, self.X, y=self.y, labels=labels, weights=weights)

    def _labels(self, classes, positive):
        """Indices of classes, int32; 0 for an unknown class of no weight."""
        try:
            labels = np.searchsorted(classes, self.y)
        except TypeError as error:
            raise ValueError(f"y has labels that are not of the type of the classes {classes}") from error
        labels[labels == len(classes)] = 0
        unknown = positive & (classes[labels] != self.y)
        if unknown.any():
            raise ValueError(f"y has the classes {np.unique(self.y[unknown])} that are not among {classes}")
        return labels.astype(np.int32)

    def score_on(self, rows):
        """Return the function of a model that is its `score` of some rows, without the checks of a prediction."""
        X, y, weights = self.X[rows], self.y[rows], self.weights[rows]

        def score(model):
            return accuracy(X @ model.coef_.T + model.intercept_, y, model.classes_, weights)

        return score


@dataclass
class LinearProblem(Problem):
    """Rows of X, their labels as indices of classes, and their weights with the class weights in them."""

    y: np.ndarray = None
    labels: np.ndarray = None
    weights: np.ndarray = None
    indicator: ClassVar[Any] = None

    def objective(self, **penalty):
        """Return the objective; `penalty` may have `C`, in the place of the model's, and `total`."""
        return self.model.objective(self.X, self.labels, self.weights, len(self.classes), **penalty)

    def objectives(self, Cs):
        """Yield the objective at each C; what belongs to the data is computed once."""
        first = None
        for C in Cs:
            objective = self.objective(C=C) if first is None else first.at(C)
            first = first or objective
            yield objective

    @property
    def label_arrays(self):
        return [self.labels]

    @property
    def form_of_labels(self):
        return {"multilabel_": False}

    @property
    def amount(self):
        return float(self.weights.sum()), np.count_nonzero(self.weights)

    def on_few_columns(self):
        return self.on_columns(few_columns)

    def hold_out(self, fraction, rng):
        """Return the problem without a part of the rows, stratified, and these as :class:`HeldRows`."""
        splitter = StratifiedShuffleSplit(1, test_size=fraction, random_state=rng)
        try:
            rows = next(splitter.split(np.zeros(len(self.y)), self.y))[1]
        except ValueError as error:
            raise ValueError(f"early_stopping cannot hold out validation_fraction={fraction}: {error}") from error
        weights = self.weights.copy()
        weights[rows] = 0
        return replace(self, weights=weights), HeldRows(self.X, self.y, self.classes, rows, self.weights[rows])


@dataclass
class HeldRows:
    """Rows that score a fit while it goes on: all of X, or those of the indices `rows`."""

    X: Any
    y: np.ndarray
    classes: np.ndarray
    rows: np.ndarray | None = None
    weights: np.ndarray | None = None

    # Rows of a part of X are copied, so many at a time.
    _rows_at_once: ClassVar[int] = 2**16

    def scores(self, W):
        """Return the scores of the rows by a table W."""
        n, rows = self.X.shape[1], self.rows
        if rows is None:
            Z = self.X @ W[:n]
        else:
            parts = range(0, len(rows), self._rows_at_once)
            Z = np.vstack([self.X[rows[i : i + self._rows_at_once]] @ W[:n] for i in parts])
        if len(W) > n:
            Z += W[n]
        return Z

    def samples(self):
        """Return X, y and weights, or None, for a scorer."""
        rows = slice(None) if self.rows is None else self.rows
        return self.X[rows], self.y[rows], self.weights

    def accuracy(self, objective, W):
        """Return the weighted accuracy of a table W."""
        y = self.y if self.rows is None else self.y[self.rows]
        return accuracy(self.scores(W), y, self.classes, self.weights)


def read_rows(estimator, X, y, reset=True, name="X"):
    """Return X as an array or canonical CSR, float32 or float64, and y."""
    canonical = check_structure(X, effective_threads(estimator.n_jobs), name)
    given = X
    X, y = numbers_of(estimator, X, y, reset=reset)
    check_labels(y)
    return _canonical(X, given, canonical, name), np.asarray(y)


def read_features(estimator, X, reset=True, name="X"):
    """Return X alone, as `read_rows` does."""
    canonical = check_structure(X, effective_threads(estimator.n_jobs), name)
    return _canonical(numbers_of(estimator, X, reset=reset), X, canonical, name)


def _canonical(X, given, canonical, name):
    if not sp.issparse(X):
        return readable(X)
    owned = sp.issparse(X) and not (hasattr(given, "data") and np.shares_memory(X.data, given.data))
    return canonical_csr(X, owned, canonical if X is given else None, name)


def row_weights(sample_weight, X):
    """Return sample weights in float64."""
    if sample_weight is None:
        return np.ones(X.shape[0])
    if isinstance(sample_weight, (complex, np.complexfloating)):
        raise ValueError(f"sample_weight must be real, got {sample_weight!r}")
    refuse_container(sample_weight, "sample_weight")
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not (weights > 0).any():
        raise ValueError("sample_weight must have a positive entry, got only zeros")
    with np.errstate(over="ignore"):
        if np.isinf(weights.sum()):
            raise ValueError("sample_weight must have a finite sum, got infinity")
    return weights


def require_classes(classes, name):
    """Raise ValueError where there are less than two."""
    if len(classes) < 2:
        raise ValueError(
            f"{name} needs samples of at least 2 classes, but the data contains only one class: {classes[0]!r}"
        )


def accuracy(Z, y, classes, weights=None):
    """Return the weighted share of rows of scores Z that are highest at the class of the row."""
    predicted = (Z[:, 0] > 0).astype(int) if Z.shape[1] == 1 else Z.argmax(axis=1)
    return float(np.average(classes[predicted] == y, weights=weights))
