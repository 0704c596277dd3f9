"""The problem of a fit: samples as an objective takes them, on the way from X, y and weights to the objective."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._base.csr import with_dtype
from .._base.memmap import is_streamed


@dataclass
class Problem:
    """Samples, their labels as indices of classes, and their weights with the class weights in them.

    A subclass gives ``objective(C, total)``; ``amount``, the weight of all samples and the number of those that have
    one; and ``label_arrays``, which say together what the labels of the samples are.

    Attributes
    ----------
    model : LinearModel or ChainModel
        What is fitted: a value that says all that a problem needs of the estimator.
    classes : ndarray of shape (n_classes,)
    mass : ndarray of shape (n_classes,)
        The weight of each class in all samples so far, before class weights.
    X : CSR, or None where data lie apart
    columns : ndarray of int or None
        The features of X, where these are not all.
    """

    model: Any
    classes: np.ndarray
    mass: np.ndarray
    X: Any = None
    columns: np.ndarray | None = None

    @property
    def features(self):
        """The arrays and matrices that hold the features of the samples."""
        return [self.X]

    def objectives(self, Cs):
        """Yield the objective at each C."""
        return (self.objective(C=C) for C in Cs)

    def on_few_columns(self):
        """Return the same problem, over the features that are in X alone where that is worth while."""
        return self

    @property
    def form_of_labels(self):
        """The fitted attributes that say how labels were given."""
        return {}

    def resumes(self, state, fitted):
        """Tell whether a fit can go on from the state of a solver that has the shape of its own; `fitted` has it."""
        return True

    def on_columns(self, find):
        """Return the same problem over the columns and the X that ``find(X)`` gives."""
        columns, X = find(self.X)
        return self if columns is None else replace(self, X=X, columns=columns)

    def in_float64(self):
        """Return the same problem in float64; an X that is read from disk is not copied for it."""
        return self if is_streamed(self.X) else replace(self, X=with_dtype(self.X, np.float64))
