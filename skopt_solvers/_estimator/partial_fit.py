"""The features that some samples have, and the rows of the tables that they touch: a call costs what its samples do."""

import numpy as np
import scipy.sparse as sp

from .._base.memmap import is_streamed
from ..solvers._stochastic_fit import mean_weights


def present_columns(X):
    """The columns where X has a non-zero, and X with these alone; all of them where X is dense or read from disk."""
    n_columns = X.shape[1]
    if not sp.issparse(X) or is_streamed(X):
        return np.arange(n_columns), X
    if 16 * X.nnz < n_columns:
        columns, numbers = np.unique(X.indices, return_inverse=True)
    else:
        present = np.zeros(n_columns, bool)
        present[X.indices] = True
        columns = np.flatnonzero(present)
        numbers = (np.cumsum(present) - 1)[X.indices]
    numbers = numbers.astype(X.indices.dtype)
    return columns, sp.csr_matrix((X.data, numbers, X.indptr), shape=(X.shape[0], len(columns)))


_WIDE = 4096  # columns, below which a table costs nothing


def few_columns(X):
    """`present_columns` where these are less than half, as in few texts of a large vocabulary; else None and X."""
    if X.shape[1] < _WIDE or not sp.issparse(X) or X.nnz >= 4 * X.shape[1]:
        return None, X
    columns, part = present_columns(X)
    return (columns, part) if 2 * len(columns) < X.shape[1] else (None, X)


class ChunkState:
    """The part of a stochastic solver's state that is of some rows of the table.

    Attributes
    ----------
    part : dict
        A state of these rows alone, for a solver to change; the whole state changes in `put_back`.
    """

    def __init__(self, state, rows):
        self.state, self.rows, self.n_rows = state, rows, len(state["W"])
        self.part = self._taken()

    def _taken(self):
        return _map(lambda array, _: array[self.rows] if self._by_row(array) else array.copy(), self.state, self.state)

    def _by_row(self, array):
        # a solver of one's own may keep other arrays
        return len(array) == self.n_rows

    def _written(self, array, values):
        array[self.rows if self._by_row(array) else ...] = values
        return array

    def undo(self):
        """A function that puts the rows back as they are now."""
        before = self._taken()
        return lambda: _map(self._written, self.state, before)

    def put_back(self):
        """The whole state after the chunk."""
        return _map(self._written, self.state, self.part)

    def weights(self):
        """A copy of the table of weights as it will be after `put_back`."""
        return mean_weights(_map(lambda array, values: self._written(array.copy(), values), self.state, self.part))


def copied(state):
    """A state that shares nothing with this one."""
    return _map(lambda array, _: array.copy(), state, state)


def _map(f, state, other):
    """``f(array, other)`` for each array of a state and what another has in its place, from which all else is taken."""
    if isinstance(state, dict):
        return {key: _map(f, value, other[key]) for key, value in state.items()}
    if isinstance(state, np.ndarray):
        return f(state, other)
    return list(other) if isinstance(other, list) else other
