"""What the estimators share: checked input, threads, unchanged on failure. The only private scikit-learn imports."""

import os
import sys
import threading
from contextlib import contextmanager
from functools import lru_cache
from numbers import Integral

import joblib
import numpy as np
import scipy.sparse as sp
from joblib.parallel import get_active_backend
from sklearn.base import _fit_context
from sklearn.linear_model._base import LinearClassifierMixin, SparseCoefMixin
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data
from threadpoolctl import ThreadpoolController

from . import _kernels
from ._collections import refuse_collection
from ._mapped import check_in_place, is_streamed, refusal

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
    "check_labels",
    "check_structure",
    "csr_of",
    "dense_product",
    "effective_threads",
    "in_dask_task",
    "numbers_of",
    "one_blas_thread",
    "unchanged_on_failure",
    "with_dtype",
]


@contextmanager
def unchanged_on_failure(estimator):
    """Whatever is raised inside, the estimator's attributes are as they were before.

    What is appended to the list that it gives is called first, to put back what was changed in place.
    """
    before, undo = vars(estimator).copy(), []
    try:
        yield undo
    except BaseException:
        while True:
            try:
                for put_back in undo:
                    put_back()
                estimator.__dict__ = before  # one step: another Ctrl-C finds all or nothing
                break
            except KeyboardInterrupt:
                continue
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
    if n_jobs == 0 or not isinstance(n_jobs, (Integral, type(None))):
        raise ValueError(f"n_jobs must be None or an integer other than 0, got {n_jobs!r}")
    if n_jobs is not None and n_jobs > 0:
        return min(n_jobs, 2**31 - 1)
    backend, context_jobs = get_active_backend()
    available = _available(backend)
    if n_jobs is None:
        n_jobs = context_jobs or -1
    return min(available, n_jobs) if n_jobs > 0 else max(1, available + 1 + n_jobs)


def _available(backend):
    if in_dask_task():
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


def in_dask_task():
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

    It is put back when the last of several threads leaves, Ctrl-C or not.
    """

    def __init__(self):
        self.lock, self.inside, self.libraries, self.before = threading.Lock(), set(), None, None

    @contextmanager
    def __call__(self):
        who = object()
        try:
            with self.lock:
                self.inside.add(who)
                if self.libraries is None:
                    self.libraries = ThreadpoolController().select(user_api="blas").lib_controllers
                if self.before is None:  # known as a whole before any is changed
                    self.before = [library.num_threads for library in self.libraries]
                for library in self.libraries:
                    library.set_num_threads(1)
            yield
        finally:
            interrupted = None
            while True:
                try:
                    self._leave(who)
                    break
                except KeyboardInterrupt as interrupt:
                    interrupted = interrupt
            if interrupted is not None:
                raise interrupted

    def _leave(self, who):
        with self.lock:
            self.inside.discard(who)
            if not self.inside and self.before is not None:
                for library, n_threads in zip(self.libraries, self.before, strict=True):
                    library.set_num_threads(n_threads)
                self.before = None


one_blas_thread = _OneBlasThread()


def check_structure(X, n_threads=1, name="X", ask_canonical=True):
    """Refuse a malformed sparse matrix before anything that trusts it, scipy's conversions included, touches it.

    Returns
    -------
    bool
        Whether X is compressed and without duplicates and stored zeros; without `ask_canonical`, which saves a look at
        the values and at the order of the indices, False.
    """
    refuse_collection(X, name)
    check_in_place(X, name)
    if not sp.issparse(X) or X.ndim != 2:
        return False
    try:
        error, canonical = _checked(X, n_threads, ask_canonical)
    except (TypeError, ValueError, OverflowError, IndexError) as refused:
        error, canonical = str(refused), False
    if error:
        raise ValueError(f"{name} is not a valid {X.format.upper()} matrix of shape {X.shape}: {error}")
    return canonical


def _checked(X, n_threads, ask_canonical):
    """What is wrong with the arrays of a sparse matrix, or None; and whether it is canonical."""
    if X.format == "lil" and [len(row) for row in X.rows] != [len(row) for row in X.data]:
        return "rows and data must have the same lengths", False
    if X.format == "dia":
        whole = X.offsets.dtype in (np.int32, np.int64) and X.data.ndim == 2 and X.offsets.shape == X.data.shape[:1]
        if not whole or (len(X.offsets) and not -X.shape[0] < X.offsets.min() <= X.offsets.max() < X.shape[1]):
            return "offsets must be int32 or int64, one a row of data and within the shape", False
    if X.format in ("dia", "dok", "lil"):
        X = X.tocoo()
    indices = X.coords if X.format == "coo" else (X.indptr, X.indices)
    names = "coordinates" if X.format == "coo" else "indptr and indices"
    if any(a.ndim != 1 for a in indices) or X.data.ndim != (3 if X.format == "bsr" else 1):
        return f"{names} must be 1-D, and data {3 if X.format == 'bsr' else 1}-D", False
    if any(a.dtype not in (np.int32, np.int64) for a in indices):
        return f"{names} must be int32 or int64, got {', '.join(str(a.dtype) for a in indices)}", False
    if X.format == "coo":
        if any(len(a) != len(X.data) for a in indices):
            return "coordinates and data must have the same length", False
        if any(len(a) and not 0 <= a.min() <= a.max() < n for a, n in zip(indices, X.shape, strict=True)):
            return "coordinates must be between 0 and the number of rows or columns - 1", False
        return None, False
    n_major, n_minor = X.shape[::-1] if X.format == "csc" else X.shape
    if not ask_canonical and X.format != "bsr" and _within(*indices, len(X.data), n_major, n_minor):
        return None, False
    data = X.data
    if X.format == "bsr":
        n_major, n_minor = (n // max(size, 1) for n, size in zip(X.shape, data.shape[1:], strict=True))
    only_structure = X.format == "bsr" or data.dtype.kind not in "fiub"
    if only_structure:
        data = np.ones(len(data))
    elif data.dtype not in (np.float32, np.float64):
        data = data.astype(np.float64)
    index = np.result_type(*indices)
    arrays = (_in_order(a) for a in (*(a.astype(index, copy=False) for a in indices), data))
    error, canonical = _kernels.check_compressed(*arrays, n_major, n_minor, n_threads)
    return error, canonical and not only_structure


def _within(indptr, indices, n_data, n_major, n_minor):
    """Whether the arrays make a matrix: a third of the time of the kernel, which says what is wrong."""
    if len(indptr) != n_major + 1 or indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        return False
    nnz = int(indptr[-1])
    if nnz > min(len(indices), n_data):
        return False
    used = indices[:nnz]
    return not nnz or bool(used.min() >= 0 and used.max() < n_minor)


def numbers_of(estimator, *data, reset):
    """X, or X and y, as scikit-learn validates them: X is dense or CSR, of float32 or float64."""
    options = dict(accept_sparse="csr", dtype=[np.float64, np.float32], accept_large_sparse=True)
    try:
        with np.errstate(invalid="ignore"):  # a sum of finite values may be infinite
            return validate_data(estimator, *data, reset=reset, **options)
    except (OverflowError, RuntimeError, IndexError) as error:  # the last two where a list changes while it is read
        raise ValueError(f"X must hold numbers that float64 has: {error}") from error


def check_labels(y, name="y"):
    """Refuse labels that are numbers without classes, or of types that do not compare."""
    try:
        check_classification_targets(y)
    except TypeError as error:
        raise ValueError(f"{name} must have labels of one type: {error}") from error


def canonical_csr(X, owned=False, canonical=False, name="X"):
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
    name : str

    Raises
    ------
    ValueError
        Where X is streamed from disk and not canonical, or its rows are not sorted, which would be a copy in the end.
    """
    if not sp.issparse(X):
        return _csr_of_dense(X)
    arrays, nnz = (X.data, X.indices, X.indptr), X.indptr[-1]
    longer = len(X.data) > nnz or len(X.indices) > nnz
    if longer or X.indices.dtype != X.indptr.dtype or not all(map(_is_in_order, arrays)):
        index = np.result_type(X.indices, X.indptr)
        parts = (X.data[:nnz], X.indices[:nnz].astype(index, copy=False), X.indptr.astype(index, copy=False))
        X = csr_of(*map(_in_order, parts), X.shape)
    canonical = canonical or check_structure(X)
    if is_streamed(X) and not (canonical and X.has_sorted_indices):
        problem = "has rows that are not sorted" if canonical else "has duplicates or stored zeros"
        raise refusal(name, problem)
    if not canonical:
        X = X if owned else X.copy()
        X.has_canonical_format = X.has_sorted_indices = False
        X.sum_duplicates()
        X.eliminate_zeros()
    return X


def csr_of(data, indices, indptr, shape):
    """A CSR matrix of just these arrays, of which scipy has neither checked nor copied any; its flags are not known."""
    X = sp.csr_matrix(shape, dtype=data.dtype)
    X.data, X.indices, X.indptr = data, indices, indptr
    return X


def _is_in_order(array):
    return array.flags.c_contiguous and array.flags.aligned


def _in_order(array):
    return array if _is_in_order(array) else np.require(array, requirements=["C", "A"])


def with_dtype(X, dtype):
    """X itself, or a CSR over the same indices with other values."""
    if X.dtype == dtype:
        return X
    with np.errstate(over="ignore"):
        data = X.data.astype(dtype)
    if X.dtype.itemsize > np.dtype(dtype).itemsize and not np.isfinite(data).all():
        raise ValueError(f"X has values that overflow in {np.dtype(dtype).name}, the type of the model")
    return csr_of(data, X.indices, X.indptr, X.shape)


def dense_product(A, B):
    """A @ B as a dense array."""
    if not (sp.issparse(A) and sp.issparse(B)):
        return A @ B
    dtype = np.result_type(A.dtype, B.dtype)  # scikit-learn's product wants both to have it
    return sparse_matmul_to_dense(A.astype(dtype, copy=False), B.astype(dtype, copy=False))


def _csr_of_dense(X):
    indptr = np.concatenate([[0], np.cumsum(np.count_nonzero(X, axis=1))])
    index = np.int32 if indptr[-1] < 2**31 else np.int64
    data, indices = np.empty(indptr[-1], X.dtype), np.empty(indptr[-1], index)
    block, columns = max(1, 2**20 // max(1, X.shape[1])), np.arange(X.shape[1], dtype=index)
    for i in range(0, X.shape[0], block):
        rows = X[i : i + block]
        part, there = slice(indptr[i], indptr[i + len(rows)]), rows != 0
        data[part], indices[part] = rows[there], np.broadcast_to(columns, rows.shape)[there]
    return sp.csr_matrix((data, indices, indptr.astype(index)), shape=X.shape)
