"""What the estimators share: checked input, threads, unchanged on failure. The only private scikit-learn imports."""

import os
import sys
import threading
from contextlib import contextmanager
from functools import lru_cache

import joblib
import numpy as np
import scipy.sparse as sp
from joblib.parallel import get_active_backend
from sklearn.base import _fit_context
from sklearn.linear_model._base import LinearClassifierMixin, SparseCoefMixin
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from threadpoolctl import ThreadpoolController

from . import _kernels

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:
        """There is no protocol of callbacks: `set_callbacks` is missing."""


try:
    from sklearn.utils._repr_html.estimator import _VisualBlock as VisualBlock
except ImportError:
    try:
        from sklearn.utils._estimator_html_repr import _VisualBlock as VisualBlock  # scikit-learn 1.6
    except ImportError:
        VisualBlock = None  # HTML then shows an estimator without what is inside

try:
    from sklearn.utils.sparsefuncs import sparse_matmul_to_dense
except ImportError:  # before scikit-learn 1.9

    def sparse_matmul_to_dense(A, B):
        return (A @ B).toarray()


__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "LinearClassifierMixin",
    "SparseCoefMixin",
    "StrOptions",
    "VisualBlock",
    "_fit_context",
    "canonical_csr",
    "check_structure",
    "dense_product",
    "effective_threads",
    "one_blas_thread",
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
    """Threads for `n_jobs`, so that fits that run side by side have no more than the cores.

    None is all that this fit may use: the cores, or what OMP_NUM_THREADS or an enclosing ``joblib.parallel_config``
    says, or in a worker what joblib leaves it. Negative numbers count down from there, -1 being all; positive ones are
    taken as they are.
    """
    if n_jobs == 0:
        raise ValueError("n_jobs must be None or an integer other than 0, got 0")
    if n_jobs is not None and n_jobs > 0:
        return n_jobs
    backend, context_jobs = get_active_backend()
    available = _available(backend)
    if n_jobs is None:
        n_jobs = context_jobs or -1
    return min(available, n_jobs) if n_jobs > 0 else max(1, available + 1 + n_jobs)


def _available(backend):
    if _in_dask_task():
        return 1  # its siblings have the other threads of the worker, and other workers may be in this process
    limits = [_cores(os.environ.get("LOKY_MAX_CPU_COUNT"))]
    if not getattr(backend, "nesting_level", 0):
        omp = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
        return min(limits + [int(omp)] if omp.isdigit() and int(omp) > 0 else limits)
    # A process of loky is told its share, cores // n_jobs or inner_max_num_threads, in every variable that its parent
    # had not set; other workers of joblib, such as threads, are told nothing: their siblings have the other cores.
    shares = [os.environ.get(name, "") for name in getattr(backend, "MAX_NUM_THREADS_VARS", ())]
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not shares or not in_main_thread or not all(share.isdigit() for share in shares):
        return 1
    return max(1, min(limits + [int(share) for share in shares]))


def _in_dask_task():
    """joblib's backend for dask has no level of nesting, and what is submitted to a client has no backend."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except (ValueError, AttributeError):  # no task; half imported
        return False
    return True


class _OneBlasThread:
    """Inside, BLAS has one thread, in the whole process: its setting has no other scope.

    It is put back when the last of several threads leaves.
    """

    def __init__(self):
        self.lock, self.depth, self.controller, self.limits = threading.Lock(), 0, None, None

    def __enter__(self):
        with self.lock:
            if not self.depth:
                self.controller = self.controller or ThreadpoolController()
                self.limits = self.controller.limit(limits=1, user_api="blas")
            self.depth += 1

    def __exit__(self, *exception):
        with self.lock:
            self.depth -= 1
            if not self.depth:
                self.limits.restore_original_limits()


one_blas_thread = _OneBlasThread()


def _checked(X, n_threads=1, name="X"):
    """Whether a compressed matrix is canonical and aligned; ValueError where its arrays do not make a matrix."""
    index = np.result_type(X.indptr.dtype, X.indices.dtype)
    index = np.int32 if index == np.int32 else np.int64
    data = X.data if X.data.dtype in (np.float32, np.float64) else X.data.astype(np.float64)
    n_major, n_minor = X.shape if X.format == "csr" else X.shape[::-1]
    arrays = (X.indptr.astype(index, copy=False), X.indices.astype(index, copy=False), data)
    arrays = (np.require(a, requirements=["C", "A"]) for a in arrays)
    error, canonical = _kernels.check_compressed(*arrays, n_major, n_minor, n_threads)
    if error:
        raise ValueError(f"{name} is not a valid {X.format.upper()} matrix of shape {X.shape}: {error}")
    return canonical and all(a.flags.aligned for a in (X.indptr, X.indices, X.data))


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
