"""The k best classes of each sample, without a matrix of all scores."""

from concurrent.futures import ThreadPoolExecutor
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

# Up to this part of non-zero products the sparse product is the faster one, and a class's score its few terms.
_SPARSE = 0.1
_BLOCK = 2**20  # entries of a block of scores, and of what is looked at of X and of a table at a time
_ROWS = 4096  # a sparse product copies the indices of the weights, so its blocks are long


class TopK(NamedTuple):
    """The best classes of each sample, best first.

    Attributes
    ----------
    labels : ndarray of shape (n_samples, k), of the dtype of `classes_`
    scores : ndarray of shape (n_samples, k)
    """

    labels: np.ndarray
    scores: np.ndarray


def check_topk(k, n_classes, threshold):
    """ValueError where the arguments of `predict_topk` are out of range."""
    if isinstance(k, bool) or not isinstance(k, Integral) or not 1 <= k <= n_classes:
        raise ValueError(f"k must be an integer from 1 to the number of classes, {n_classes}, got {k!r}")
    if isinstance(threshold, bool) or not isinstance(threshold, Real) or not 0 <= threshold < np.inf:
        raise ValueError(f"coef_threshold must be a finite number >= 0, got {threshold!r}")


def top_classes(X, coef, intercept, k, threshold=0.0, n_threads=1):
    """Indices and scores of the k classes of the largest score in each row, equal scores in the order of the classes.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_samples, n_features), valid
    coef : ndarray or sparse of shape (n_outputs, n_features)
        One output is two classes, of scores -z and z.
    intercept : ndarray of shape (n_outputs,)
    k : int, from 1 to the number of classes
    threshold : float
        Weights of a smaller magnitude are taken as 0.
    n_threads : int

    Returns
    -------
    indices : ndarray of shape (n_samples, k), int64
    scores : ndarray of shape (n_samples, k)
    """
    dtype, n_outputs = np.result_type(X.dtype, coef.dtype), coef.shape[0]
    W, counts = _weights(coef, dtype, threshold)
    if 1 < 2 * k < n_outputs and _part_of_products(X, counts, n_outputs) <= _SPARSE:
        W = W if sp.issparse(W) else _csr_of(W, counts, threshold)
        return _by_sparse_products(X, W, intercept.astype(dtype), k, n_threads)
    if threshold and not sp.issparse(W):
        W = np.where(np.abs(W) < threshold, 0, W)
    return _by_blocks(X, W, intercept, k, n_threads)


def _weights(coef, dtype, threshold):
    """The table (features, outputs), CSR or C-contiguous, and its number of weights of each feature that count."""
    if sp.issparse(coef):
        W = coef.T.tocsr()
        W = W.copy() if np.shares_memory(W.data, coef.data) and threshold else W
        if threshold:
            W.data[np.abs(W.data) < threshold] = 0
            W.eliminate_zeros()
        return W.astype(dtype, copy=False), np.diff(W.indptr)
    W = np.ascontiguousarray(coef.T, dtype=dtype)
    return W, np.concatenate([kept.sum(axis=1) for _, kept in _kept(W, threshold)])


def _kept(W, threshold):
    """Blocks of a dense table, and where a block's weights count."""
    step = max(1, _BLOCK // W.shape[1])
    for start in range(0, len(W), step):
        block = W[start : start + step]
        yield block, (block != 0 if not threshold else np.abs(block) >= threshold)


def _csr_of(W, counts, threshold):
    indptr = np.concatenate([[0], np.cumsum(counts)])
    data, indices = np.empty(indptr[-1], W.dtype), np.empty(indptr[-1], np.int32)
    end = 0
    for block, kept in _kept(W, threshold):
        start, end = end, end + np.count_nonzero(kept)
        data[start:end], indices[start:end] = block[kept], np.nonzero(kept)[1]
    return sp.csr_matrix((data, indices, indptr), shape=W.shape)


def _part_of_products(X, counts, n_outputs):
    """The part of the products ``x_j w_jk`` over the non-zero x_j that is not zero, from the first rows."""
    seen = counts[X.indices[:_BLOCK]] if sp.issparse(X) else counts
    return float(seen.mean()) / n_outputs if len(seen) else 0.0


def _by_sparse_products(X, W, intercept, k, n_threads):
    """By sparse products that keep k + 1 scores a row.

    The intercepts are the weights of one more feature, which every sample has. They are stored where they are 0 too,
    so every class has a term in every row and none is left out as an implicit zero. Which of equal scores is kept is
    open: where the last of k + 1 equals the one before, the row is computed again.
    """
    from sparse_dot_topn import sp_matmul_topn

    n_features, n_outputs = W.shape
    wide = W.nnz + n_outputs >= 2**31
    W = sp.csr_matrix(
        (
            np.concatenate([W.data, intercept]),
            np.concatenate([W.indices, np.arange(n_outputs, dtype=W.indices.dtype)]),
            np.append(W.indptr, np.array([W.nnz + n_outputs], np.int64 if wide else W.indptr.dtype)),
        ),
        shape=(n_features + 1, n_outputs),
    )
    indices, scores = np.empty((X.shape[0], k), np.int64), np.empty((X.shape[0], k), W.dtype)
    step = max(1, min(_ROWS, 4 * _BLOCK // (k + 1)))
    for start in range(0, X.shape[0], step):
        block = sp.csr_matrix(X[start : start + step])
        ends = block.indptr[1:]
        A = sp.csr_matrix(
            (
                np.insert(block.data.astype(W.dtype, copy=False), ends, 1),
                np.insert(block.indices, ends, n_features),
                block.indptr + np.arange(len(ends) + 1, dtype=block.indptr.dtype),
            ),
            shape=(len(ends), n_features + 1),
        )
        # without a threshold the package drops what is not positive
        best = sp_matmul_topn(
            A, W, k + 1, threshold=-np.inf, sort=True, n_threads=n_threads, idx_dtype=np.int64 if wide else np.int32
        )
        Z, columns = best.data.reshape(-1, k + 1), best.indices.reshape(-1, k + 1)
        rows = slice(start, start + len(ends))
        indices[rows], scores[rows] = _ordered(columns[:, :k].astype(np.int64), Z[:, :k])
        tied = start + np.flatnonzero(Z[:, k] == Z[:, k - 1])
        if len(tied):
            indices[tied], scores[tied] = _by_blocks(X[tied], W[:n_features], intercept, k, n_threads)
    return indices, scores


def _by_blocks(X, W, intercept, k, n_threads):
    """By all scores of a few rows at a time."""
    n_classes = max(W.shape[1], 2)
    indices, scores = np.empty((X.shape[0], k), np.int64), np.empty((X.shape[0], k), W.dtype)
    step = max(1, _BLOCK // n_classes)

    def fill(start):
        block = X[start : start + step].astype(W.dtype, copy=False) @ W
        Z = block.toarray() if sp.issparse(block) else block
        Z += intercept
        rows = slice(start, start + len(Z))
        indices[rows], scores[rows] = _best(Z if Z.shape[1] > 1 else np.hstack([-Z, Z]), k)

    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(fill, range(0, X.shape[0], step)))
    return indices, scores


def _best(Z, k):
    """Columns of the k largest values of each row and the values, largest first, then first."""
    n = Z.shape[1]
    if k == n:
        columns = np.broadcast_to(np.arange(n), Z.shape)
    else:
        columns = np.argpartition(Z, n - k, axis=1)[:, n - k :]
        least = np.take_along_axis(Z, columns, axis=1).min(axis=1, keepdims=True)
        tied = np.flatnonzero(np.count_nonzero(Z >= least, axis=1) > k)
        # a partition keeps any of equal values
        columns[tied] = np.argsort(-Z[tied], axis=1, kind="stable")[:, :k]
    return _ordered(columns, np.take_along_axis(Z, columns, axis=1))


def _ordered(columns, values):
    """Both in the order of falling values, and of rising columns where values are equal."""
    by_column = np.argsort(columns, axis=1)
    columns, values = (np.take_along_axis(a, by_column, axis=1) for a in (columns, values))
    order = np.argsort(-values, axis=1, kind="stable")
    return tuple(np.take_along_axis(a, order, axis=1) for a in (columns, values))
