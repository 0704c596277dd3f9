"""The labels of samples that may have any number of them, as linear objectives take them."""

from dataclasses import dataclass, replace

import numpy as np

from .. import _kernels


@dataclass(frozen=True)
class Indicator:
    """Labels of samples that may have several: each is a binary problem of its own, and an output.

    Parameters
    ----------
    indptr, indices : ndarray of int64
        The matrix as CSR without values; the indices of a row increase.
    factors : ndarray of shape (2, n_labels)
        On the weights of the samples that have not the label, and of those that have it.
    constant : ndarray of shape (n_labels,), int8
        0 for the labels that are fitted; -1 for one that no sample has, and 1 for one that all have.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from skopt_solvers.objectives import Indicator
    >>> labels = Indicator.of(sp.csr_matrix([[1, 0, 0], [1, 1, 0]], dtype=np.int8))
    >>> labels.shape, labels.mass(np.array([1.0, 2.0]))[1].tolist(), labels.fitted_to(np.ones(2)).constant.tolist()
    ((2, 3), [3.0, 2.0, 0.0], [1, 0, -1])
    """

    indptr: np.ndarray
    indices: np.ndarray
    factors: np.ndarray
    constant: np.ndarray

    @classmethod
    def of(cls, matrix):
        """Return that of a matrix, in which all labels are fitted and weigh the same.

        Parameters
        ----------
        matrix : CSR of shape (n_samples, n_labels), canonical

        Returns
        -------
        Indicator
        """
        n_labels = matrix.shape[1]
        arrays = (a.astype(np.int64, copy=False) for a in (matrix.indptr, matrix.indices))
        return cls(*arrays, np.ones((2, n_labels)), np.zeros(n_labels, np.int8))

    @property
    def shape(self):
        """The number of samples, and that of labels."""
        return len(self.indptr) - 1, self.factors.shape[1]

    def mass(self, weights):
        """Return the weight of the samples that have not each label, and of those that have it.

        Parameters
        ----------
        weights : ndarray of shape (n_samples,)

        Returns
        -------
        ndarray of shape (2, n_labels)
        """
        _, n_labels = self.shape
        positive = weights > 0
        has = np.repeat(positive, np.diff(self.indptr))
        present = np.bincount(self.indices, np.repeat(weights, np.diff(self.indptr)), minlength=n_labels)
        # by counts, since differences of sums of weights are rounding where nothing is left
        all_have = np.bincount(self.indices[has], minlength=n_labels) == np.count_nonzero(positive)
        absent = np.maximum(weights.sum() - present, np.finfo(float).tiny)
        return np.stack([np.where(all_have, 0.0, absent), present])

    def fitted_to(self, weights):
        """Return the same without the labels that all samples of positive weight have, or none of them.

        Parameters
        ----------
        weights : ndarray of shape (n_samples,)

        Returns
        -------
        Indicator
        """
        return self.without_constant(self.mass(weights))

    def without_constant(self, mass):
        """Return the same without the labels that all samples have, or none of them.

        Parameters
        ----------
        mass : ndarray of shape (2, n_labels)
            As :meth:`mass` gives it, of all samples, of which these may be a part.

        Returns
        -------
        Indicator
        """
        absent, present = mass
        return replace(self, constant=np.where(present == 0, -1, np.where(absent == 0, 1, 0)).astype(np.int8))

    def column(self, k):
        """Return whether each sample has label k, and the factors of those that have it not, and have it.

        Parameters
        ----------
        k : int

        Returns
        -------
        labels : ndarray of shape (n_samples,), int32
        factors : ndarray of shape (2,)
        """
        labels = np.zeros(self.shape[0], np.int32)
        labels[np.searchsorted(self.indptr, np.flatnonzero(self.indices == k), side="right") - 1] = 1
        return labels, self.factors[:, k] * (self.constant[k] == 0)

    def native(self, dtype):
        """Return the compiled form, in which a label that is constant weighs nothing.

        Parameters
        ----------
        dtype : float32 or float64

        Returns
        -------
        object
        """
        absent, present = np.where(self.constant == 0, self.factors, 0.0)
        return _kernels.indicator(self.indptr, self.indices, present, absent, dtype)
