"""Tell matrices that a fit reads from disk, cut them into blocks, and refuse those that it would have to copy."""

from typing import Any

import numpy as np
import scipy.sparse as sp

# An epoch over a matrix on disk shuffles rows within blocks of so many bytes of values and indices. A block is made of
# so many runs of consecutive rows, drawn at random.
BLOCK_BYTES = 2**26
RUNS_OF_BLOCK = 64

# joblib hands arrays in memory to its processes as memory maps in a folder of this name. They count as in memory.
_JOBLIB = "joblib_memmapping_folder"


def block_size(X: Any) -> int:
    """Return the number of entries of a block."""
    return max(1, BLOCK_BYTES // (X.data.itemsize + (X.indices.itemsize if sp.issparse(X) else 0)))


def is_streamed(X: Any) -> bool:
    """Tell whether X is dense or compressed, in memory maps and larger than a block. It is never copied then."""
    if isinstance(X, np.ndarray):
        return bool(X.size > block_size(X) and _on_disk(X))
    if not (sp.issparse(X) and X.format in ("csr", "csc")) or X.data.size <= block_size(X):
        return False
    return _on_disk(X.data) or _on_disk(X.indices)


def _on_disk(array: Any) -> bool:
    # scipy keeps arrays as views of what it was given
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and array.mode is not None:  # what is computed from one has none
            return _JOBLIB not in str(array.filename)
        array = array.base
    return False


def check_in_place(X: Any, name: str = "X") -> None:
    """Raise ValueError for a sparse matrix on disk that could only be read as a copy; its rows are not looked at."""
    if not sp.issparse(X) or not is_streamed(X):
        return
    if X.format != "csr":
        raise refusal(name, f"{X.format.upper()}, not CSR")
    if X.data.dtype not in (np.float32, np.float64):
        raise refusal(name, f"of {X.data.dtype}, not float32 or float64")
    if X.indices.dtype != X.indptr.dtype or X.indices.dtype not in (np.int32, np.int64):
        raise refusal(name, f"indexed by {X.indices.dtype} and {X.indptr.dtype}, not both int32 or both int64")


def n_entries(X: Any) -> int:
    """Return the number of values that a pass over X reads."""
    return int(X.nnz if sp.issparse(X) else X.size)


def refusal(name: str, problem: str) -> ValueError:
    """Return the ValueError for a matrix on disk that has a problem."""
    return ValueError(
        f"{name} is in memory maps and {problem}: it would have to be copied into memory. Write it by "
        "skopt_solvers.out_of_core.save_csr_memmap, or give it as arrays in memory"
    )


def runs_of(samples: np.ndarray, X: Any, first_rows: np.ndarray) -> list[np.ndarray]:
    """Cut the samples into runs that lie together in X where it is streamed. In memory they are one run.

    Parameters
    ----------
    samples : ndarray of int64, sorted
    X : CSR or ndarray
    first_rows : ndarray of int64
        The row of X where each of the samples begins.
    """
    if not is_streamed(X):
        return [samples]
    entries = X.indptr[first_rows] if sp.issparse(X) else first_rows * X.shape[1]
    run = entries // max(1, block_size(X) // RUNS_OF_BLOCK)
    return np.split(samples, np.flatnonzero(np.diff(run)) + 1)


def column_counts(X: Any, rows: np.ndarray | None = None) -> np.ndarray:
    """Count the non-zeros in each column, of the rows where `rows` is True; numpy's own ways copy all indices."""
    counts = np.zeros(X.shape[1], np.int64)
    n_rows = X.shape[0]
    step = max(1, max(2**18, X.shape[1]) * n_rows // max(n_entries(X), 1))
    for begin in range(0, n_rows, step):
        end = min(begin + step, n_rows)
        if not sp.issparse(X):
            there = X[begin:end] != 0
            counts += np.count_nonzero(there if rows is None else there[rows[begin:end]], axis=0)
            continue
        indices = X.indices[X.indptr[begin] : X.indptr[end]]
        if rows is not None and not rows[begin:end].all():
            indices = indices[np.repeat(rows[begin:end], np.diff(X.indptr[begin : end + 1]))]
        counts += np.bincount(indices, minlength=X.shape[1])
    return counts
