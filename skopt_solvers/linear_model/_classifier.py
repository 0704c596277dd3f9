"""The machinery of the linear classifiers: from user input to an objective, a solver, and fitted attributes."""

from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from .._base.csr import canonical_csr, check_structure, dense_product, with_dtype
from .._base.dask_input import is_collection, over_blocks
from .._base.memmap import is_streamed
from .._base.pickling import check_array
from .._base.rollback import unchanged_on_failure
from .._base.sklearn_compat import LinearClassifierMixin, SparseCoefMixin
from .._base.threads import effective_threads
from .._base.typing import Matrix
from .._base.validation import check_labels, numbers_of
from .._estimator.base import SolverEstimator
from .._estimator.monitor import Monitor, require_together
from .._estimator.partial_fit import few_columns, present_columns
from ..objectives import LinearObjective
from ._topk import TopK, check_topk, top_classes


class LinearClassifier(SolverEstimator, LinearClassifierMixin, SparseCoefMixin, BaseEstimator):
    """Base of the linear classifiers. A subclass gives its `Loss` in `_loss(n_classes)`."""

    coef_: Any  # an array, or a sparse matrix after `sparsify`
    intercept_: np.ndarray

    _parameter_constraints = {**SolverEstimator._parameter_constraints, "fit_intercept": ["boolean"]}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # Input

    def _validated(self, X, y, reset=True, name="X"):
        """X as canonical CSR, float32 or float64, and y."""
        canonical = check_structure(X, effective_threads(self.n_jobs), name)
        given = X
        X, y = numbers_of(self, X, y, reset=reset)
        check_labels(y)
        owned = sp.issparse(X) and not (hasattr(given, "data") and np.shares_memory(X.data, given.data))
        return canonical_csr(X, owned, canonical and X is given, name), y

    def _weights(self, X, y, sample_weight, part=False):
        """Sample weights, float64, before class weights; and which are positive, of a part of the data perhaps none."""
        if isinstance(sample_weight, (complex, np.complexfloating)):
            raise ValueError(f"sample_weight must be real, got {sample_weight!r}")
        if part and np.shape(sample_weight) == (X.shape[0],) and not np.any(sample_weight):
            return np.zeros(X.shape[0]), np.zeros(X.shape[0], bool)  # scikit-learn refuses them
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        positive = weights > 0
        if not part and not positive.any():
            raise ValueError("sample_weight must have a positive entry, got only zeros")
        with np.errstate(over="ignore"):
            if np.isinf(weights.sum()):
                raise ValueError("sample_weight must have a finite sum, got infinity")
        return weights, positive

    def _encoded(self, y, classes, weights, positive, **counts):
        """Class indices as int32, and the weights with the class weights in them; `counts` as for the class weights."""
        try:
            labels = np.searchsorted(classes, y)
        except TypeError as error:
            raise ValueError(f"y has labels that are not of the type of the classes {classes}") from error
        labels[labels == len(classes)] = 0
        unknown = positive & (classes[labels] != y)
        if unknown.any():
            raise ValueError(f"y has the classes {np.unique(y[unknown])} that are not among {classes}")
        return labels.astype(np.int32), self._with_class_weight(weights, labels, classes, **counts)

    def _n_outputs(self, n_classes):
        return 1 if n_classes == 2 else n_classes

    def _model(self, n_classes):
        """What an objective is told besides its data and the penalty."""
        return dict(
            n_outputs=self._n_outputs(n_classes),
            fit_intercept=self.fit_intercept,
            n_threads=effective_threads(self.n_jobs),
            loss=self._loss(n_classes),
        )

    def _objective(self, X, labels, weights, n_classes, C=None, total=None):
        options = dict(self._model(n_classes), C=self.C if C is None else C, l1_ratio=self.l1_ratio, total=total)
        return LinearObjective(X, labels, weights, **options)

    # Fitting

    def _fit(self, X, y, sample_weight, X_val, y_val):
        if is_collection(X):
            from ._dask import fit_rows

            return fit_rows(self, X, y, sample_weight, X_val, y_val)
        monitor = Monitor(self, (X, y, sample_weight))
        with unchanged_on_failure(self):
            solver = self._resolved_solver()
            resumed = self._resumable(solver)
            X, y = self._validated(X, y)
            weights, positive = self._weights(X, y, sample_weight)
            classes = np.unique(y[positive])
            self._require_classes(classes)
            self._seen_classes = np.zeros(len(classes))
            labels, weights = self._encoded(y, classes, weights, positive, seen=self._seen_classes)
            rng = check_random_state(self.random_state)
            require_together(X_val, y_val)
            if X_val is not None:
                monitor.score = self._validation_score(X_val, y_val, classes)
            elif self.early_stopping:
                splitter = StratifiedShuffleSplit(1, test_size=self.validation_fraction, random_state=rng)
                try:
                    held_out = next(splitter.split(np.zeros(len(y)), y))[1]
                except ValueError as error:
                    raise ValueError(
                        f"early_stopping cannot hold out validation_fraction={self.validation_fraction}: {error}"
                    ) from error
                monitor.score = _Accuracy(X, y, held_out, classes, weights)
                weights = weights.copy()
                weights[held_out] = 0
            # a weight that no sample has stays 0, unless a fit before has left one
            columns, part = (None, X) if self.warm_start else few_columns(X)
            objective = self._objective(part, labels, weights, len(classes))
            solver.check(objective)
            result = self._solve(solver, objective, classes, monitor, rng, resumed, columns=columns)
            self._seen = (float(weights.sum()), np.count_nonzero(weights))
        monitor.end()
        self._warn_unless_converged(result, stacklevel=4)
        return self

    def _require_classes(self, classes):
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes, but the data contains only one class: "
                f"{classes[0]!r}"
            )

    def _validation_score(self, X_val, y_val, classes):
        """The accuracy on validation data, as a function of the table."""
        X_val, y_val = self._validated(X_val, y_val, reset=False, name="X_val")
        return _Accuracy(X_val, y_val, np.arange(X_val.shape[0]), classes)

    def _table(self, objective=None):
        """The fitted coefficients as the table W: features, then the intercept where there is one."""
        coef = self.coef_.toarray() if sp.issparse(self.coef_) else self.coef_
        return np.vstack([coef.T, *([self.intercept_] if self.fit_intercept else [])])

    def _leading_rows(self):
        return self.coef_.T

    def _check_fitted(self):
        n_outputs = self._n_outputs(len(self.classes_))
        check_array(self, "coef_", self.coef_, (n_outputs, self.n_features_in_))
        intercept = np.asarray(getattr(self, "intercept_", None))
        check_array(self, "intercept_", intercept, (n_outputs,) if intercept.ndim else ())

    def _unpack(self, W, objective):
        n_features = self.n_features_in_
        self.coef_ = W[:n_features].T
        self.intercept_ = W[n_features].copy() if self.fit_intercept else np.zeros(W.shape[1], W.dtype)
        if objective.joint:
            # the loss leaves their mean open: where it ends is rounding
            self.intercept_ -= self.intercept_.mean()

    def _partial_fit(self, X, y, classes, sample_weight):
        first = not hasattr(self, "classes_")
        classes = self._classes_of_stream(classes)
        if len(classes) < 2:
            raise ValueError(f"classes must be at least 2 classes, got {classes}")

        def read():
            validated, y_ = self._validated(X, y, reset=first)
            weights, positive = self._weights(validated, y_, sample_weight)
            labels, weights = self._encoded(y_, classes, weights, positive, seen=self._seen_before(classes))
            columns, part = present_columns(validated)
            make = partial(self._objective, part, labels, weights, len(classes))
            return make, columns, float(weights.sum()), np.count_nonzero(weights)

        return self._stream(classes, read)

    # Afterwards

    @over_blocks
    def decision_function(self, X: Matrix) -> np.ndarray:
        """Return the scores of the classes: signed distances to their hyperplanes, times the length of the weights.

        Parameters
        ----------
        X : array, sparse matrix or dask array of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Of two classes, that of the second; a dask array for a dask array.

        Raises
        ------
        FloatingPointError
            Where a score overflows.
        """
        X = self._validated_for_prediction(X)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = dense_product(X, self.coef_.T) + self.intercept_
        return _finite_scores(scores.ravel() if scores.shape[1] == 1 else scores)

    def _predict_on_blocks(self, method, X):
        from ._dask import predict_on_blocks

        check_is_fitted(self)
        return predict_on_blocks(self, method, X)

    def _validated_for_prediction(self, X):
        check_is_fitted(self)
        check_structure(X, ask_canonical=False)
        return numbers_of(self, X, reset=False)

    @over_blocks
    def predict(self, X: Matrix) -> np.ndarray:
        """Return the class of the highest score.

        Parameters
        ----------
        X : array, sparse matrix or dask array of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            A dask array for a dask array.
        """
        return super().predict(X)

    def predict_topk(self, X: Matrix, k: int = 5, *, coef_threshold: float = 0.0) -> TopK:
        """Return the k best classes of each sample and their scores, without the matrix of all scores.

        Scores are what `decision_function` gives; for two classes, whose one value is z, they are -z and z. Equal
        scores are in the order of `classes_`, so the first label is that of `predict`.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
        k : int, default=5
            From 1 to the number of classes.
        coef_threshold : float, default=0.0
            Weights of a smaller magnitude are taken as 0. With 0 the result is exact.

        Returns
        -------
        TopK, a named tuple
            `labels` and `scores`, both of shape (n_samples, k), best first.

        Raises
        ------
        ValueError
            Where k or coef_threshold is out of range.

        Notes
        -----
        The scores of some rows at a time are formed, 2^20 in each of `n_jobs` threads, by a sparse product where
        `coef_` is sparse (`sparsify`) or less than a tenth of it is not zero, as with L1. Where besides a sample has a
        product with few of thousands of classes, sparse_dot_topn picks the largest sums of products, the intercepts are
        added, and a row for which these do not prove the k best is computed in full.

        Examples
        --------
        >>> from skopt_solvers import LogisticRegression
        >>> X, y = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["a", "b", "c"]
        >>> top = LogisticRegression(C=10).fit(X, y).predict_topk(X, k=2)
        >>> top.labels.tolist(), top.scores.shape
        ([['a', 'c'], ['b', 'c'], ['c', 'a']], (3, 2))
        """
        check_is_fitted(self)
        check_topk(k, len(self.classes_), coef_threshold)
        n_threads = effective_threads(self.n_jobs)
        X = self._validated_for_prediction(X)
        with np.errstate(over="ignore", invalid="ignore"):
            indices, scores = top_classes(X, self.coef_, self.intercept_, k, coef_threshold, n_threads)
        return TopK(self.classes_[indices], _finite_scores(scores))

    def suboptimality_bound(self, X: Matrix, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        r"""Return a proven upper bound of :math:`P(W) - \min P`, whatever solver made W.

        P is the objective of this class at the given data and the estimator's `C`, `l1_ratio` and `class_weight`.
        The bound is the duality gap at the best multiple of the dual point that the margins give, in float64, after
        the intercept has been optimised; without L1 it is never above half the squared norm of the gradient over the
        constant of strong convexity. It is 0 at the optimum and infinite for ``C=np.inf``.

        Parameters
        ----------
        X, y, sample_weight :
            As given to `fit`; with `early_stopping`, only the samples that were trained on.

        Returns
        -------
        float

        Notes
        -----
        Costs about two passes over X, and a float64 copy of its values where X is float32. A float32 X that is read
        from disk is not copied: the bound is then good to the rounding of float32.
        """
        check_is_fitted(self)
        X, y = self._validated(X, y, reset=False)
        weights, positive = self._weights(X, y, sample_weight)
        labels, weights = self._encoded(y, self.classes_, weights, positive)
        X = X if is_streamed(X) else with_dtype(X, np.float64)
        objective = self._objective(X, labels, weights, len(self.classes_))
        return objective.suboptimality_bound(np.ascontiguousarray(self._table(), dtype=X.dtype))


def _finite_scores(scores):
    if not np.isfinite(scores).all():
        raise FloatingPointError(f"the scores of X overflow in {scores.dtype.name}: scale X as that of fit")
    return scores


class _Accuracy:
    """The weighted accuracy of a table of coefficients on some rows of X."""

    def __init__(self, X, y, rows, classes, weights=None):
        self.X, self.y, self.rows, self.classes = X, np.asarray(y), rows, classes
        self.weights = None if weights is None else weights[rows]

    # Rows of a part of X are copied, so many at a time.
    _rows_at_once = 2**16

    def __call__(self, W):
        n = self.X.shape[1]
        if len(self.rows) < self.X.shape[0]:
            parts = range(0, len(self.rows), self._rows_at_once)
            Z = np.vstack([self.X[self.rows[i : i + self._rows_at_once]] @ W[:n] for i in parts])
        else:
            Z = self.X @ W[:n]
        if len(W) > n:
            Z += W[n]
        return accuracy(Z, self.y[self.rows], self.classes, self.weights)


def accuracy(Z, y, classes, weights=None):
    """The weighted share of rows of scores Z that are highest at the class of the row."""
    predicted = (Z[:, 0] > 0).astype(int) if Z.shape[1] == 1 else Z.argmax(axis=1)
    return float(np.average(classes[predicted] == y, weights=weights))
