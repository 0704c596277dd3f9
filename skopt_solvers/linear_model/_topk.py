"""The k best classes of each sample, without a matrix of all scores."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .._base.csr import dense_product

# A weight table with a smaller part of non-zeros is read as a sparse one.
_SPARSE = 0.1
_ENTRIES = 2**20  # of a block of scores, and of what is looked at of X and of a table at a time
_STORED = 2**21  # weights of a chunk of classes, about
_LEAST_CLASSES = 1024  # of a chunk: merging chunks costs as much as a few hundred scores
_TRIAL = 64  # rows that show whether picked products prove the best classes
_ROWS = 2048  # of a product that keeps its largest entries: the package copies the indices of the weights for each


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

    Chunks of classes are gone through one after another, and the best of each are merged with those before.

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
    dtype = np.result_type(X.dtype, coef.dtype)
    if coef.shape[0] == 1:
        coef = (sp.vstack if sp.issparse(coef) else np.vstack)([-coef, coef])
        intercept = np.append(-intercept, intercept)
    intercept, best = intercept.astype(dtype, copy=False), None
    for first, W in _chunks(coef, dtype, threshold):
        n = W.shape[1]
        kept = min(k, n)
        find = _by_largest_products if _has_few_products(X, W, kept) else _by_blocks
        indices, scores = find(X, W, intercept[first : first + n], kept, n_threads)
        del W  # before there is another
        best = (indices + first, scores) if best is None else _merged(best, (indices + first, scores), k)
    return best


def _chunks(coef, dtype, threshold):
    """Tables (features, outputs) of some classes each, CSR or dense and C-contiguous, and their first class."""
    if sp.issparse(coef):
        coef = coef.tocsr()
        step = max(_LEAST_CLASSES, coef.shape[0] * _STORED // max(coef.nnz, 1))
        for first in range(0, coef.shape[0], step):
            part = coef if step >= coef.shape[0] else coef[first : first + step]
            yield first, _transposed(part, dtype, threshold)
        return
    W = np.ascontiguousarray(coef.T, dtype=dtype)
    counts = np.concatenate([kept.sum(axis=1) for _, kept in _kept(W, threshold)])
    if counts.sum() <= _SPARSE * W.size:
        W = _csr_of(W, counts, threshold)
    elif threshold:
        W = np.where(np.abs(W) < threshold, 0, W)
    yield 0, W


def _transposed(coef, dtype, threshold):
    W = coef.T.tocsr().astype(dtype, copy=False)
    if threshold:
        W.data[np.abs(W.data) < threshold] = 0
        W.eliminate_zeros()
    return W


def _kept(W, threshold):
    """Blocks of rows of a dense table, and where their weights count."""
    step = max(1, _ENTRIES // W.shape[1])
    for start in range(0, len(W), step):
        block = W[start : start + step]
        yield block, (np.abs(block) >= threshold if threshold else block != 0)


def _csr_of(W, counts, threshold):
    indptr = np.concatenate([[0], np.cumsum(counts)])
    data, indices = np.empty(indptr[-1], W.dtype), np.empty(indptr[-1], np.int32)
    end = 0
    for block, kept in _kept(W, threshold):
        start, end = end, end + np.count_nonzero(kept)
        data[start:end], indices[start:end] = block[kept], np.nonzero(kept)[1]
    return sp.csr_matrix((data, indices, indptr), shape=W.shape)


def _has_few_products(X, W, k):
    """Tell whether a sample has so few products that are not 0 that they are worth picking out of the classes.

    Measured: such a product costs as much as twelve classes in a block of scores, and a row as much as 5,000.
    """
    if not sp.issparse(X) or not sp.issparse(W) or W.shape[1] < 5000 or 20 * k > W.shape[1]:
        return False
    seen = X.indices[:_ENTRIES]
    a_sample = np.diff(W.indptr)[seen].mean() * X.nnz / X.shape[0] if len(seen) else 0.0
    return 5000 + 12 * a_sample < W.shape[1]


def _by_largest_products(X, W, intercept, k, n_threads):
    r"""By the m largest entries s_c of each row of XW, as a sparse product keeps them; it has no entry of no product.

    To the scores :math:`s_c + b_c` of these come classes without a product, whose score is :math:`b_c`: where fewer
    than m are kept, the first of the falling intercepts. Where m are kept, no other class has a score above
    :math:`\max(s_{(m)}, 0) + \max_c b_c`. Rows whose k best are not above that are done again by blocks; all
    of them, where too few of the first are.
    """
    from sparse_dot_topn import sp_matmul_topn

    n_classes = W.shape[1]
    m = 4 * k + 12
    by_intercept = np.argsort(-intercept, kind="stable")
    spare = by_intercept[: m + k]
    rank = np.empty(n_classes, np.int64)
    rank[by_intercept] = np.arange(n_classes)
    indices, scores = np.empty((X.shape[0], k), np.int64), np.empty((X.shape[0], k), W.dtype)
    wide = np.int64 if max(W.nnz, X.nnz) >= 2**31 else np.int32
    certain = np.ones(X.shape[0], bool)
    for start, stop in pairwise([0, *range(_TRIAL, X.shape[0], _ROWS), X.shape[0]]):
        block = sp.csr_matrix(X[start:stop].astype(W.dtype, copy=False))
        rows, n = slice(start, stop), stop - start
        # without a threshold the package drops what is not positive
        found = sp_matmul_topn(block, W, m, threshold=-np.inf, sort=True, n_threads=n_threads, idx_dtype=wide)
        count = np.diff(found.indptr)
        there = np.arange(m) < count[:, None]
        columns, values = np.zeros((n, m), np.int64), np.full((n, m), -np.inf, W.dtype)
        columns[there], values[there] = found.indices[: found.indptr[-1]], found.data[: found.indptr[-1]]
        full = count == m
        bound = np.where(full, np.maximum(values[:, -1], 0) + intercept[by_intercept[0]], -np.inf)
        values += intercept[columns]
        others = np.where(full[:, None], -np.inf, intercept[spare])
        listed = there & (rank[columns] < len(spare))
        others[np.nonzero(listed)[0], rank[columns][listed]] = -np.inf
        columns = np.hstack([columns, np.broadcast_to(spare, others.shape)])
        indices[rows], scores[rows] = _ordered(columns, np.hstack([values, others]), k)
        certain[rows] = scores[rows, -1] > bound
        if start == 0 and certain[rows].mean() < 0.8:
            certain[:] = False
            break
    again = np.flatnonzero(~certain)
    if len(again):
        rest = X if len(again) == X.shape[0] else X[again]
        indices[again], scores[again] = _by_blocks(rest, W, intercept, k, n_threads)
    return indices, scores


def _by_blocks(X, W, intercept, k, n_threads):
    """By all scores of a few rows at a time."""
    indices, scores = np.empty((X.shape[0], k), np.int64), np.empty((X.shape[0], k), W.dtype)
    step = max(1, _ENTRIES // W.shape[1])

    @np.errstate(over="ignore", invalid="ignore")
    def fill(start):
        Z = dense_product(X[start : start + step].astype(W.dtype, copy=False), W)
        Z += intercept
        rows = slice(start, start + len(Z))
        indices[rows], scores[rows] = _best(Z, k)

    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(fill, range(0, X.shape[0], step)))
    return indices, scores


def _best(Z, k):
    """Columns of the k largest values of each row and the values, largest first, then first.

    The k-th largest of the maxima of disjoint groups of columns is no larger than the k-th largest value; few values
    are as large, and only these are sorted.
    """
    n_rows, n = Z.shape
    groups = max(1, min(64, n // (4 * k)))  # of one column in `width` each
    width = n // groups
    maxima = Z[:, : groups * width].reshape(n_rows, groups, width).max(axis=1)
    least = np.partition(maxima, width - k, axis=1)[:, width - k]
    flat = np.flatnonzero(Z >= least[:, None])
    rows, columns = np.divmod(flat, n)
    values = Z.ravel()[flat]
    order = np.lexsort((-values, rows))
    best = order[np.searchsorted(rows, np.arange(n_rows))[:, None] + np.arange(k)]
    return columns[best], values[best]


def _merged(one, other, k):
    return _ordered(*(np.hstack(pair) for pair in zip(one, other, strict=True)), k)


def _ordered(columns, values, k):
    """The first k of both in the order of falling values, and of rising columns where values are equal."""
    order = np.lexsort((columns, -values), axis=1)[:, :k]
    return np.take_along_axis(columns, order, axis=1), np.take_along_axis(values, order, axis=1)
