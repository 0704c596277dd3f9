"""Several labels a sample: from an indicator matrix y to the objective of one binary problem a label, and back."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from sklearn.model_selection import ShuffleSplit
from sklearn.utils import check_consistent_length
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import type_of_target

from .._base.caller import stacklevel_of_caller
from .._base.csr import check_structure, dense_product
from .._base.sklearn_compat import align_api_if_sparse
from ..objectives import Indicator
from ._problem import HeldRows, LinearData, LinearProblem, read_features, row_weights

_ENTRIES = 2**20  # of a block of scores


def has_several_labels(y):
    """Tell whether y has a column a label: two at least, or whatever columns of a sparse matrix."""
    if isinstance(y, (list, tuple)) and len(y) and np.ndim(y[0]) == 1:
        try:
            return np.ndim(y) == 2 and len(y[0]) > 1
        except ValueError:  # rows of different lengths
            return False
    shape = getattr(y, "shape", ())
    return len(shape) == 2 and (sp.issparse(y) or shape[1] > 1)


def read_labels(y, name="y"):
    """Return an indicator matrix as canonical CSR of int8, or raise ValueError for any other y of several columns."""
    check_structure(y, name=name)
    Y = y if sp.issparse(y) else np.asarray(y)
    if Y.shape[1] < 2:
        raise ValueError(f"{name} must be 1-D where there are not two labels at least, got a matrix of {Y.shape}")
    if sp.issparse(Y):
        Y = sp.csr_matrix(Y, copy=True)
        Y.sum_duplicates()
        Y.eliminate_zeros()
        valid = bool((Y.data == 1).all())
    else:
        valid = bool(((Y == 0) | (Y == 1)).all())
    if not valid:
        try:
            with np.errstate(invalid="ignore"):
                kind = f"a target of the type {type_of_target(y)!r}"
        except (TypeError, ValueError) as error:
            kind = f"what scikit-learn refuses: {error}"
        raise ValueError(
            f"{name} must be one class a sample, or an indicator matrix of 0 and 1 with a column a label, got {kind}"
        )
    Y = sp.csr_matrix(Y if sp.issparse(Y) else Y.astype(bool))
    Y.sort_indices()
    Y.data = np.ones(Y.nnz, np.int8)
    return Y


@dataclass
class LabelData(LinearData):
    """X, an indicator matrix and sample weights, read once.

    Attributes
    ----------
    y : CSR of shape (n_samples, n_labels), int8, canonical
    given_sparse : bool
        Whether y was sparse, as predictions then are.
    """

    given_sparse: bool = False

    @classmethod
    def read(cls, estimator, model, X, y, sample_weight, reset=True):
        labels = read_labels(y)
        check_consistent_length(X, labels)
        X = read_features(estimator, X, reset=reset)
        return cls(model, X, labels, row_weights(sample_weight, X), sp.issparse(y))

    def classes(self, counts=None):
        """Return the numbers of the labels."""
        return np.arange(self.y.shape[1])

    def problem(self, classes=None, *, counts=None, seen=None, mass=None):
        """Return the problem of these samples, as :meth:`LinearData.problem`; labels that are constant are left out.

        `seen` and `mass` have shape (2, n_labels): the weight without the label, and with it. A stream, which has
        `seen`, leaves nothing out; a part, which has `mass`, leaves out what is constant in all samples.
        """
        known = self.classes()
        if classes is not None and not np.array_equal(classes, known):
            raise ValueError(f"classes must be the numbers of the {len(known)} labels of y, {known}, got {classes}")
        weights = self.weights if counts is None else self.weights * counts
        indicator = Indicator.of(self.y)
        if mass is None:
            mass = indicator.mass(weights) + (0.0 if seen is None else seen)
        factors, scale = _factors(self.model.class_weight, mass)
        indicator, weights = replace(indicator, factors=factors), weights * scale
        if seen is None:
            indicator = indicator.without_constant(mass)
        if classes is None:
            warn_of_constant(indicator)
        given = dict(y=self.y, labels=np.arange(self.n_samples, dtype=np.int32), weights=weights)
        return LabelProblem(
            self.model, known, mass, self.X, **given, indicator=indicator, given_sparse=self.given_sparse
        )

    def score_on(self, rows):
        X, y, weights = self.X[rows], self.y[rows], self.weights[rows]

        def score(model):
            return subset_accuracy(X @ model.coef_.T + model.intercept_, y, weights)

        return score


@dataclass
class LabelProblem(LinearProblem):
    """Rows of X, their labels, and their weights; the factors of `class_weight` are those of the indicator."""

    indicator: Indicator = None
    given_sparse: bool = False

    def objective(self, **penalty):
        """Return the objective; `penalty` may have `C`, in the place of the model's, and `total`."""
        given = self.X, self.labels, self.weights, len(self.classes)
        return self.model.objective(*given, indicator=self.indicator, **penalty)

    @property
    def label_arrays(self):
        return [self.y.indptr, self.y.indices]

    @property
    def form_of_labels(self):
        return {"multilabel_": True, "_sparse_labels": self.given_sparse}

    def resumes(self, state, fitted):
        return not state["W"][:, self.indicator.constant != 0].any()

    def hold_out(self, fraction, rng):
        """Return the problem without a random part of the rows, and these as :class:`HeldLabels`."""
        splitter = ShuffleSplit(1, test_size=fraction, random_state=rng)
        try:
            rows = next(splitter.split(np.zeros(len(self.labels))))[1]
        except ValueError as error:
            raise ValueError(f"early_stopping cannot hold out validation_fraction={fraction}: {error}") from error
        weights = self.weights.copy()
        weights[rows] = 0
        indicator = self.indicator.fitted_to(weights)
        held = HeldLabels(self.X, self.y, self.classes, rows, self.weights[rows])
        return replace(self, weights=weights, indicator=indicator), held


class HeldLabels(HeldRows):
    """Rows with several labels that score a fit while it goes on."""

    def accuracy(self, objective, W):
        """Return the weighted share of rows whose labels are all predicted right."""
        y, Z, constant = (
            self.y if self.rows is None else self.y[self.rows],
            self.scores(W),
            objective.indicator.constant,
        )
        return subset_accuracy(np.where(constant == 0, Z, constant), y, self.weights)


def subset_accuracy(Z, y, weights=None):
    """Return the weighted share of rows of scores Z that are above 0 at the labels of the row and nowhere else."""
    wrong = sp.csr_matrix(Z > 0) != y.astype(bool)
    return float(np.average(np.diff(wrong.tocsr().indptr) == 0, weights=weights))


def predicted_labels(X, model, sparse, finite):
    """Return the indicator matrix of the scores above 0.

    Parameters
    ----------
    X : ndarray or CSR, valid
    model : LinearClassifier, fitted
    sparse : bool
        Whether the matrix is sparse.
    finite : callable
        ``finite(scores)`` returns the scores, or raises where one is not finite.
    """
    n_samples, n_labels = X.shape[0], len(model.classes_)
    step = max(1, _ENTRIES // n_labels)
    above = []
    for begin in range(0, max(n_samples, 1), step):
        with np.errstate(over="ignore", invalid="ignore"):
            Z = dense_product(X[begin : begin + step], model.coef_.T) + model.intercept_
        Z = finite(Z) > 0
        above.append(sp.csr_matrix(Z, dtype=np.int64) if sparse else Z)
    if sparse:
        return align_api_if_sparse(sp.vstack(above, format="csr"))
    return np.concatenate(above).astype(np.int64)


def _factors(class_weight, mass):
    """Return the factors on the weights of samples without each label, and with it, (2, n_labels), and one on all.

    The last is what the weights of a label grow by, at most: steps and tolerances are measured by the sum of weights.
    """
    if class_weight is None:
        return np.ones(mass.shape), 1.0
    if isinstance(class_weight, str):
        return np.divide(mass.sum(axis=0), 2 * mass, out=np.zeros(mass.shape), where=mass > 0), 1.0
    factors = compute_class_weight(class_weight, classes=np.arange(2), y=np.arange(2)).astype(float)[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        weighed = (factors * mass).sum(axis=0)
    if not np.isfinite(weighed).all() or (factors < 0).any() or not weighed.any():
        raise ValueError(
            "class_weight must be non-negative with a positive entry, and finite times sample_weight, for 0, a sample "
            f"without a label, and 1, one with it, got {class_weight!r}"
        )
    scale = float((weighed / mass.sum(axis=0)).max())
    return np.repeat(factors / scale, mass.shape[1], axis=1), scale


def warn_of_constant(indicator):
    none, every = (np.flatnonzero(indicator.constant == value).tolist() for value in (-1, 1))
    if none or every:
        warnings.warn(
            f"labels that no sample has: {none}, and that all have: {every}; they are not fitted but predicted so",
            UserWarning,
            stacklevel=stacklevel_of_caller(),
        )
