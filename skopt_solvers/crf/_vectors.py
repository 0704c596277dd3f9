"""Read sequences that have vectors beside their matrix, for a CRF."""

import copy

import numpy as np

from .._base.csr import canonical_csr, check_structure
from ._forms import place_text


def read_with_vectors(estimator, X, reset, validated):
    """Return matrix and vectors of CSRSequences, in the dtype of the matrix.

    With `reset` the estimator learns the number of all features; else theirs must be that number.

    Parameters
    ----------
    estimator : LinearChainCRF
    X : CSRSequences with vectors
    reset : bool
    validated : callable
        Of an estimator, a matrix and whether it is learned from, returns the matrix as a kernel takes it.
    """
    learner = copy.copy(estimator)
    if X.matrix.shape[1]:
        matrix = validated(learner, X.matrix, True)
    else:  # scikit-learn refuses what has no columns
        check_structure(X.matrix)
        matrix = canonical_csr(X.matrix.astype(np.promote_types(X.matrix.dtype, np.float32)))
    vectors = _finite(X, matrix.dtype)
    n_features = matrix.shape[1] + vectors.shape[1]
    if reset:
        vars(estimator).pop("feature_names_in_", None)
        estimator.n_features_in_ = n_features
    elif n_features != estimator.n_features_in_:
        raise ValueError(
            f"X has {n_features} features, {vectors.shape[1]} of them in its vectors, but {type(estimator).__name__} "
            f"is expecting {estimator.n_features_in_} features as input"
        )
    return matrix, vectors


def _finite(X, dtype):
    """Return the vectors row after row in this type; an error names the first number that is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        vectors = np.ascontiguousarray(X.vectors, dtype)
        if np.isfinite(vectors.sum(dtype=np.float64)):
            return vectors
    wrong = np.argwhere(~np.isfinite(vectors))
    if not len(wrong):
        return vectors  # the sum alone is too large
    token, column = wrong[0].tolist()
    raise ValueError(
        f"X has {X.vectors[token, column]} in number {column} of the vector of {place_text(token, X.offsets)}; vectors "
        f"must be finite in {dtype.name}, the type of the matrix"
    )
