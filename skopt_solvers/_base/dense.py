"""Dense X: it is read where it lies, and its products with a table are those of BLAS."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .memmap import is_streamed
from .memory import ALWAYS_FREE, free_bytes
from .threads import one_blas_thread

# Multiply-adds below which a kernel is done before BLAS has woken its threads or been told not to.
_MANY = 2**20


def readable(X: np.ndarray) -> np.ndarray:
    """Return X itself where each row is in one piece of memory; else a copy, row after row.

    Visits of single rows of a matrix in column-major order take six times as long, since each number is in a cache line
    of its own. It is read in place all the same where it is on disk or has no place beside itself.
    """
    item = X.itemsize
    if not X.flags.aligned or any(stride % item for stride in X.strides) or item not in X.strides:
        return np.array(X, order="C")
    in_rows = X.strides[1] == item or 1 in X.shape
    if in_rows or is_streamed(X) or (X.nbytes > ALWAYS_FREE and 2 * X.nbytes > free_bytes()):
        return np.asarray(X)
    return np.array(X, order="C")


def by_blas(X: np.ndarray, n_outputs: int) -> bool:
    """Tell whether products of X with so many columns are left to BLAS.

    One column is a matter of reading X once, which a kernel does as fast where rows are in one piece.
    """
    return X.size * n_outputs >= _MANY and (n_outputs > 1 or X.strides[1] != X.itemsize)


def product(A: np.ndarray, B: np.ndarray, out: np.ndarray, n_threads: int) -> None:
    """Compute A B, by blocks of rows that do not depend on the number of threads, so that the bits do not either."""
    n_rows = max(16, _MANY // A.shape[1])

    def compute(begin: int) -> None:
        rows = slice(begin, begin + n_rows)
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(A[rows], B, out=out[rows])

    begins = range(0, len(A), n_rows)
    with one_blas_thread():
        if n_threads == 1 or len(begins) == 1:
            for begin in begins:
                compute(begin)
        else:
            with ThreadPoolExecutor(min(n_threads, len(begins))) as pool:
                list(pool.map(compute, begins))
