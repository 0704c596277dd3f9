"""Turn sparse input into CSR without duplicates and stored zeros, the one sparse form that passes over data read."""

from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import DTypeLike

from .. import _kernels
from .dask_input import refuse_collection
from .memmap import check_in_place, is_streamed, refusal
from .sklearn_compat import sparse_matmul_to_dense


def check_structure(X: Any, n_threads: int = 1, name: str = "X", ask_canonical: bool = True) -> bool:
    """Raise ValueError for a malformed sparse matrix, before anything trusts it, scipy's conversions included.

    Returns
    -------
    bool
        True where X is compressed and without duplicates and stored zeros. Without `ask_canonical` the values and the
        order of the indices are not looked at, and the result is False.
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
    """Return what is wrong with the arrays of a sparse matrix, or None, and whether the matrix is canonical."""
    if X.format == "lil" and [len(row) for row in X.rows] != [len(row) for row in X.data]:
        return "rows and data must have the same lengths", False
    if X.format == "dia":
        whole = X.offsets.dtype in (np.int32, np.int64) and X.data.ndim == 2 and X.offsets.shape == X.data.shape[:1]
        if not whole or (len(X.offsets) and not -X.shape[0] < X.offsets.min() <= X.offsets.max() < X.shape[1]):
            return "offsets must be int32 or int64, one a row of data and within the shape", False
    if X.format in ("dia", "dok", "lil"):
        X = X.tocoo()
    indices = (X.row, X.col) if X.format == "coo" else (X.indptr, X.indices)
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
    """Tell whether the arrays make a matrix, in a third of the time of the kernel, which also says what is wrong."""
    if len(indptr) != n_major + 1 or indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        return False
    nnz = int(indptr[-1])
    if nnz > min(len(indices), n_data):
        return False
    used = indices[:nnz]
    return not nnz or bool(used.min() >= 0 and used.max() < n_minor)


def canonical_csr(X: Any, owned: bool = False, canonical: bool | None = None, name: str = "X") -> sp.csr_matrix:
    """Return X as CSR without duplicates and stored zeros, X itself where it is so already.

    Every pass over the data reads this form, so a stored zero counts as a zero. Rows need not be sorted: those of
    scikit-learn's vectorizers are not.

    Parameters
    ----------
    X : ndarray or sparse, float32 or float64, validated
    owned : bool
        Whether X may be changed in place.
    canonical : bool or None
        The answer of `check_structure`; None where it was not asked.
    name : str

    Raises
    ------
    ValueError
        Where X is streamed from disk and its rows are not sorted, or it is not canonical: it would have to be copied.
    """
    if not sp.issparse(X):
        return _csr_of_dense(X)
    arrays, nnz = (X.data, X.indices, X.indptr), X.indptr[-1]
    longer = len(X.data) > nnz or len(X.indices) > nnz
    if longer or X.indices.dtype != X.indptr.dtype or not all(map(_is_in_order, arrays)):
        index = np.result_type(X.indices, X.indptr)
        parts = (X.data[:nnz], X.indices[:nnz].astype(index, copy=False), X.indptr.astype(index, copy=False))
        X = csr_of(*map(_in_order, parts), X.shape)
    canonical = check_structure(X) if canonical is None else canonical
    if is_streamed(X) and not (canonical and X.has_sorted_indices):
        problem = "has rows that are not sorted" if canonical else "has duplicates or stored zeros"
        raise refusal(name, problem)
    if not canonical:
        X = X if owned else X.copy()
        X.has_canonical_format = X.has_sorted_indices = False
        X.sum_duplicates()
        X.eliminate_zeros()
    return X


def csr_of(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    """Return a CSR matrix of just these arrays, which scipy neither checks nor copies. Its flags are not known."""
    # to make a matrix of scipy's takes a sixth of the label of a short document, to copy one a fraction of that
    X = sp.csr_matrix.__new__(sp.csr_matrix)
    vars(X).update(vars(_empty(shape, data.dtype) if shape[0] <= _FEW_ROWS else sp.csr_matrix(shape, dtype=data.dtype)))
    X.data, X.indices, X.indptr = data, indices, indptr
    return X


_FEW_ROWS = 64


@lru_cache(maxsize=64)
def _empty(shape: tuple[int, int], dtype: np.dtype) -> sp.csr_matrix:
    return sp.csr_matrix(shape, dtype=dtype)


def _is_in_order(array: np.ndarray) -> bool:
    return array.flags.c_contiguous and array.flags.aligned


def _in_order(array: np.ndarray) -> np.ndarray:
    return array if _is_in_order(array) else np.require(array, requirements=["C", "A"])


def with_dtype(X: Any, dtype: DTypeLike) -> Any:
    """Return X itself where it has the dtype, else a CSR over the same indices, or an array, of converted values."""
    if X.dtype == dtype:
        return X
    values = X.data if sp.issparse(X) else X
    with np.errstate(over="ignore"):
        data = values.astype(dtype)
    if X.dtype.itemsize > np.dtype(dtype).itemsize and not np.isfinite(data).all():
        raise ValueError(f"X has values that overflow in {np.dtype(dtype).name}, the type of the model")
    return csr_of(data, X.indices, X.indptr, X.shape) if sp.issparse(X) else data


def dense_product(A: Any, B: Any) -> np.ndarray:
    """Return A @ B as a dense array."""
    if not (sp.issparse(A) and sp.issparse(B)):
        return A @ B
    dtype = np.result_type(A.dtype, B.dtype)  # scikit-learn's product wants both to have it
    return sparse_matmul_to_dense(A.astype(dtype, copy=False), B.astype(dtype, copy=False))


def _csr_of_dense(X: np.ndarray) -> sp.csr_matrix:
    indptr = np.concatenate([[0], np.cumsum(np.count_nonzero(X, axis=1))])
    index = np.int32 if indptr[-1] < 2**31 else np.int64
    data, indices = np.empty(indptr[-1], X.dtype), np.empty(indptr[-1], index)
    block, columns = max(1, 2**20 // max(1, X.shape[1])), np.arange(X.shape[1], dtype=index)
    for i in range(0, X.shape[0], block):
        rows = X[i : i + block]
        part, there = slice(indptr[i], indptr[i + len(rows)]), rows != 0
        data[part], indices[part] = rows[there], np.broadcast_to(columns, rows.shape)[there]
    return sp.csr_matrix((data, indices, indptr.astype(index)), shape=X.shape)
