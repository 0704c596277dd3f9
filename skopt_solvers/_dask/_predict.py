"""Predictions on dask collections: a method of a fitted estimator on each block, when that is computed."""

from functools import partial

import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from ._fit import portable
from ._rows import row_blocks
from ._sequences import listed, partitions


def predict_blocks(estimator, method, X):
    """What the method gives, as a dask array of the same blocks; of a CRF, a bag of the same partitions."""
    check_is_fitted(estimator)
    sent = portable(estimator)
    if hasattr(estimator, "transition_coef_"):
        partitions(X, "X")
        return X.map_partitions(partial(_of_sequences, sent, method))
    row_blocks(X)
    n_features = estimator.n_features_in_
    if X.shape[1] != n_features:
        raise ValueError(f"X has {X.shape[1]} features, but {type(estimator).__name__} was fitted on {n_features}")
    empty = getattr(sent, method)(sp.csr_matrix((1, n_features), dtype=X.dtype))[:0]
    return X.map_blocks(
        partial(_of_rows, sent, method, empty),
        chunks=(X.chunks[0], *((length,) for length in empty.shape[1:])),
        drop_axis=[1] if empty.ndim == 1 else None,
        dtype=empty.dtype,
        meta=empty,
    )


def _of_rows(estimator, method, empty, X):
    return getattr(estimator, method)(X).astype(empty.dtype, copy=False) if X.shape[0] else empty


def _of_sequences(estimator, method, X):
    X = listed(X)
    return list(getattr(estimator, method)(X)) if len(X) else []
