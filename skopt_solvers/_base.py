"""What the estimators share: checked input, threads, unchanged on failure. The only private scikit-learn imports."""

import os
from contextlib import contextmanager
from functools import lru_cache

import joblib
import numpy as np
import scipy.sparse as sp
from joblib.parallel import get_active_backend
from sklearn.base import _fit_context
from sklearn.linear_model._base import LinearClassifierMixin, SparseCoefMixin
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from . import _kernels

try:
    from sklearn.utils.sparsefuncs import sparse_matmul_to_dense
except ImportError:  # before scikit-learn 1.9

    def sparse_matmul_to_dense(A, B):
        return (A @ B).toarray()


__all__ = [
    "HasMethods",
    "Interval",
    "LinearClassifierMixin",
    "SparseCoefMixin",
    "StrOptions",
    "_fit_context",
    "canonical_csr",
    "check_structure",
    "dense_product",
    "effective_threads",
    "unchanged_on_failure",
    "with_dtype",
]


@contextmanager
def unchanged_on_failure(estimator):
    """Whatever is raised inside, the estimator's attributes are as they were before."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


@lru_cache
def _cores(limit):
    """What joblib counts, once for each of its `limit`: it reads files for it, a tenth of the time of a small fit."""
    return joblib.cpu_count()


def effective_threads(n_jobs):
    """Threads for `n_jobs`; None means all cores unless joblib or OMP_NUM_THREADS says fewer."""
    if n_jobs is not None and n_jobs > 0:
        return n_jobs
    cores = _cores(os.environ.get("LOKY_MAX_CPU_COUNT"))
    if n_jobs is not None:
        return max(1, cores + 1 + n_jobs)
    backend, context_jobs = get_active_backend()
    if getattr(backend, "nesting_level", 0):
        return 1  # a worker thread of joblib: its siblings have the other cores
    limits = [cores]
    if context_jobs is not None and context_jobs > 1:
        limits.append(context_jobs)
    omp = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if omp.isdigit() and int(omp) > 0:
        limits.append(int(omp))
    return min(limits)


def _checked(X, n_threads=1, name="X"):
    """Whether a compressed matrix is canonical; ValueError where its arrays do not make a matrix."""
    index = np.result_type(X.indptr.dtype, X.indices.dtype)
    index = np.int32 if index == np.int32 else np.int64
    data = X.data if X.data.dtype in (np.float32, np.float64) else X.data.astype(np.float64)
    n_major, n_minor = X.shape if X.format == "csr" else X.shape[::-1]
    arrays = (
        np.ascontiguousarray(a) for a in (X.indptr.astype(index, copy=False), X.indices.astype(index, copy=False), data)
    )
    error, canonical = _kernels.check_compressed(*arrays, n_major, n_minor, n_threads)
    if error:
        raise ValueError(f"{name} is not a valid {X.format.upper()} matrix of shape {X.shape}: {error}")
    return canonical


def check_structure(X, n_threads=1, name="X"):
    """Refuse a malformed CSR or CSC before anything that trusts it, scipy's conversions included, touches it.

    Returns
    -------
    bool
        Whether X is compressed and without duplicates and stored zeros.
    """
    if sp.issparse(X) and X.format in ("csr", "csc") and X.ndim == 2 and X.data.dtype.kind in "fiub":
        return _checked(X, n_threads, name)
    return False


def canonical_csr(X, owned=False, canonical=False):
    """X as CSR without duplicates and stored zeros; X itself where it is so already.

    Every pass over the data reads this form, so a zero is a zero however it was stored. Rows need not be sorted:
    those of scikit-learn's vectorizers are not.

    Parameters
    ----------
    X : ndarray or sparse, float32 or float64, validated
    owned : bool
        Whether X may be changed in place.
    canonical : bool
        What `check_structure` said of X, where that is known.
    """
    if not sp.issparse(X):
        return _csr_of_dense(X)
    if X.indices.dtype != X.indptr.dtype:
        X = sp.csr_matrix((X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), shape=X.shape)
    if not canonical and not _checked(X):
        X = X if owned else X.copy()
        X.has_canonical_format = False
        X.sum_duplicates()
        X.eliminate_zeros()
    return X


def with_dtype(X, dtype):
    """X itself, or a CSR over the same indices with other values."""
    return X if X.dtype == dtype else sp.csr_matrix((X.data.astype(dtype), X.indices, X.indptr), shape=X.shape)


def dense_product(A, B):
    """A @ B as a dense array, of the dtype that both have."""
    return sparse_matmul_to_dense(A, B) if sp.issparse(A) and sp.issparse(B) else A @ B


def _csr_of_dense(X):
    indptr = np.concatenate([[0], np.cumsum(np.count_nonzero(X, axis=1))])
    index = np.int32 if indptr[-1] < 2**31 else np.int64
    data, indices = np.empty(indptr[-1], X.dtype), np.empty(indptr[-1], index)
    block = max(1, 2**20 // max(1, X.shape[1]))
    for i in range(0, X.shape[0], block):
        rows, columns = np.nonzero(X[i : i + block])
        part = slice(indptr[i], indptr[min(i + block, X.shape[0])])
        data[part], indices[part] = X[i + rows, columns], columns
    return sp.csr_matrix((data, indices, indptr.astype(index)), shape=X.shape)
