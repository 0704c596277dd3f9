"""The base of the linear classifiers: they read data and predict in the same way."""

from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._base.csr import check_structure, dense_product
from .._base.dask_input import over_blocks
from .._base.pickling import check_array
from .._base.sklearn_compat import LinearClassifierMixin, SparseCoefMixin
from .._base.threads import effective_threads
from .._base.typing import Matrix
from .._base.validation import is_plain, numbers_of
from .._estimator.base import CONSTRAINTS, SolverEstimator
from .._estimator.fit_many import MOST_OUTPUTS
from .._estimator.shared_scores import product_by_others
from ._labels import HeldLabels, LabelData, has_several_labels, predicted_labels, read_labels
from ._problem import HeldRows, LinearData, LinearModel, read_features, read_rows
from ._to_sklearn import with_weights_of
from ._topk import TopK, check_topk, top_classes

LINEAR_CONSTRAINTS = {**CONSTRAINTS, "fit_intercept": ["boolean"]}


class LinearClassifier(SolverEstimator, LinearClassifierMixin, SparseCoefMixin, BaseEstimator):
    """Base of the linear classifiers.

    A subclass gives its `Loss` in ``_loss(n_classes)``, and the unfitted estimator of scikit-learn that has its
    parameters in ``__skopt_sklearn__()``.
    """

    coef_: Any  # an array, or a sparse matrix after `sparsify`
    intercept_: np.ndarray
    multilabel_: bool = False
    _sparse_labels = False  # whether those of `fit` were

    _parameter_constraints = LINEAR_CONSTRAINTS
    __skopt_shares_epochs__ = True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = True
        return tags

    # Data

    @property
    def _model(self):
        losses = self._loss(2), self._loss(3)
        parameters = self.fit_intercept, self.C, self.l1_ratio, self.class_weight, self.n_jobs
        return LinearModel(type(self).__name__, losses, *parameters)

    def _read(self, X, y, sample_weight, reset):
        several = has_several_labels(y)
        if not reset and several != self.multilabel_:
            form = ("one class a sample", "an indicator matrix of labels")
            raise ValueError(f"y must be {form[self.multilabel_]}, as that of the fit, got {form[several]}")
        return (LabelData if several else LinearData).read(self, self._model, X, y, sample_weight, reset)

    @contextmanager
    def _read_collection(self, X, y, sample_weight):
        from ._dask import problem_of_rows

        with problem_of_rows(self, self._model, X, y, sample_weight) as problem:
            yield problem

    def _held_out(self, X_val, y_val, problem):
        if problem.indicator is None:
            return HeldRows(*read_rows(self, X_val, y_val, reset=False, name="X_val"), problem.classes)
        X, y = read_features(self, X_val, reset=False, name="X_val"), read_labels(y_val, "y_val")
        if y.shape != (X.shape[0], len(problem.classes)):
            raise ValueError(f"y_val must have the shape {(X.shape[0], len(problem.classes))}, got {y.shape}")
        return HeldLabels(X, y, problem.classes)

    def _partial_fit(self, X, y, classes, sample_weight, n_samples):
        if classes is None and has_several_labels(y):
            classes = np.arange(y.shape[1] if hasattr(y, "shape") else len(y[0]))
        classes = self._classes_of_stream(classes)
        if len(classes) < 2:
            raise ValueError(f"classes must be at least 2 classes, got {classes}")
        return super()._partial_fit(X, y, classes, sample_weight, n_samples)

    # What is stored

    def _leading_rows(self):
        return self.coef_.T

    def _check_fitted(self):
        n_labels = len(self.classes_)
        n_outputs = n_labels if self.multilabel_ else self._model.n_outputs(n_labels)
        check_array(self, "coef_", self.coef_, (n_outputs, self.n_features_in_))
        intercept = np.asarray(getattr(self, "intercept_", None))
        check_array(self, "intercept_", intercept, (n_outputs,) if intercept.ndim else ())

    # Afterwards

    @over_blocks
    def decision_function(self, X: Matrix) -> np.ndarray:
        """Return the scores of the classes or labels: signed distances to their hyperplanes, times the weights' length.

        Parameters
        ----------
        X : array, sparse matrix or dask array of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        ndarray of shape (n_samples,), (n_samples, n_classes) or (n_samples, n_labels)
            Of two classes, that of the second; a dask array for a dask array.

        Raises
        ------
        FloatingPointError
            Where a score overflows.
        """
        products = product_by_others(self, X)
        if products is None:
            X = self._validated_for_prediction(X)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = (dense_product(X, self.coef_.T) if products is None else products) + self.intercept_
        return _finite_scores(scores.ravel() if scores.shape[1] == 1 else scores)

    def __skopt_products__(self, models, X):
        """Return X @ coef_.T of this model and of the next in a list of those fitted to the same data, side by side.

        They are as many as their weights have place in what X takes. None where that is no model; and where X is
        dense, whose products with one column and with many are rounded otherwise.
        """
        X = self._validated_for_prediction(X)
        size = min(MOST_OUTPUTS, X.nnz // X.shape[1]) // len(self.coef_) if sp.issparse(X) else 0
        if size == 0:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            return dense_product(X, np.concatenate([model.coef_ for model in models[:size]]).T)

    def _predict_on_blocks(self, method, X):
        from ._dask import predict_on_blocks

        check_is_fitted(self)
        return predict_on_blocks(self, method, X)

    def _validated_for_prediction(self, X):
        if "coef_" not in vars(self):
            check_is_fitted(self)
        check_structure(X, ask_canonical=False)
        return X if is_plain(self, X) else numbers_of(self, X, reset=False)

    @over_blocks
    def predict(self, X: Matrix) -> np.ndarray:
        """Return the class of the highest score, or an indicator matrix of the labels whose scores are above 0.

        Parameters
        ----------
        X : array, sparse matrix or dask array of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            A sparse matrix where the labels of `fit` were one; a dask array for a dask array.
        """
        if not self.multilabel_:
            scores = self.decision_function(X)
            return self.classes_[(scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)]
        return predicted_labels(self._validated_for_prediction(X), self, self._sparse_labels, _finite_scores)

    def predict_topk(self, X: Matrix, k: int = 5, *, coef_threshold: float = 0.0) -> TopK:
        """Return the k best classes or labels of each sample and their scores, without the matrix of all scores.

        Scores are what `decision_function` gives; for two classes, whose one value is z, they are -z and z. Equal
        scores are in the order of `classes_`, so the first label is that of `predict`.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            The samples.
        k : int, default=5
            The number of classes for each sample, from 1 to the number of classes or labels.
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
        The scores of some rows are formed at a time, 2^20 in each of `n_jobs` threads. If `coef_` is sparse
        (`sparsify`), or less than a tenth of it is not zero, as with L1, this is a sparse product. If a sample also has
        a product with only few of thousands of classes, sparse_dot_topn picks the largest sums of products, and the
        intercepts are added. A row for which these do not prove the k best is computed in full.

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

    def to_sklearn(self) -> Any:
        """Return a fitted estimator of scikit-learn's own that predicts the same.

        It holds copies of the weights and knows nothing of this package, so what reads models of scikit-learn (PMML,
        eli5, skl2onnx) reads it. :func:`skopt_solvers.persistence.to_sklearn` makes it of whole pipelines.

        ============================================  ======================================================
        fitted here                                   returned
        ============================================  ======================================================
        LogisticRegression, softmax or two classes    ``sklearn.linear_model.LogisticRegression``
        LinearSVC of every loss and `multi_class`     ``sklearn.svm.LinearSVC``
        LogisticRegression, "ovr", of three classes   ``sklearn.multiclass.OneVsRestClassifier`` of the first
        several labels a sample                       ``sklearn.multiclass.OneVsRestClassifier`` of either
        ============================================  ======================================================

        Returns
        -------
        estimator
            Its predictions are those of this one, up to rounding in the type of the weights; the logarithms of small
            probabilities have fewer digits, since scikit-learn computes the probabilities first. Parameters that mean
            the same are taken along. A further `fit` is scikit-learn's, whose classes do not have all losses and
            penalties: in the place of "smoothed_hinge" and "modified_huber" it minimises the squared hinge.

        Raises
        ------
        NotFittedError
            Before `fit`.

        Examples
        --------
        >>> from skopt_solvers import LogisticRegression
        >>> X, y = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["a", "b", "c"]
        >>> model = LogisticRegression(C=10).fit(X, y).to_sklearn()
        >>> type(model).__module__, model.predict(X).tolist()
        ('sklearn.linear_model._logistic', ['a', 'b', 'c'])
        """
        check_is_fitted(self)
        return with_weights_of(self, self.__skopt_sklearn__(), self._sparse_labels)

    def suboptimality_bound(self, X: Matrix, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        r"""Return a proven upper bound of :math:`P(W) - \min P`, whatever solver made W.

        P is the objective of this class at the given data and the estimator's `C`, `l1_ratio` and `class_weight`. The
        bound is 0 at the optimum and infinite for ``C=np.inf``.

        It is the duality gap at the best multiple of the dual point that the margins give, in float64, after the
        intercept has been optimised. Without L1 it is never above half the squared norm of the gradient over the
        constant of strong convexity. If it is above ``100 tol`` of P, or `max_suboptimality`, a few steps from W look
        for a larger lower bound of the minimum, and the smaller bound is returned.

        Parameters
        ----------
        X, y, sample_weight :
            As given to `fit`; with `early_stopping`, only the samples that were trained on.

        Returns
        -------
        float

        Notes
        -----
        It costs about two passes over X, or as much as some epochs where steps are made. If X is float32, it also costs
        a float64 copy of its values. A float32 X that is read from disk is not copied: the bound is then good to the
        rounding of float32.
        """
        return self._bound(X, y, sample_weight)


def _finite_scores(scores):
    if not np.isfinite(scores).all():
        raise FloatingPointError(f"the scores of X overflow in {scores.dtype.name}: scale X as that of fit")
    return scores
