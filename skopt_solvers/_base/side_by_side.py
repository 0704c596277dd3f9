"""Tables of several models as one, of which a row has the columns of each."""

from collections.abc import Sequence

import numpy as np

from .aligned import aligned_empty

_ROWS = 2**12  # of a block that stays in the cache


def side_by_side(tables: Sequence[np.ndarray]) -> np.ndarray:
    """Return the tables of models as one."""
    n_rows, n_columns = tables[0].shape
    shape, dtype = (n_rows, len(tables), n_columns), tables[0].dtype
    together = aligned_empty(shape, dtype)
    for start in range(0, n_rows, _ROWS):
        rows = slice(start, start + _ROWS)
        for m, table in enumerate(tables):
            together[rows, m] = table[rows]
    return together.reshape(n_rows, len(tables) * n_columns)


def put_apart(together: np.ndarray, tables: Sequence[np.ndarray | None]) -> None:
    """Write the columns of each model to its own table; None is left out."""
    n_models = len(tables)
    by_model = together.reshape(len(together), n_models, together.shape[1] // n_models)
    for start in range(0, len(together), _ROWS):
        rows = slice(start, start + _ROWS)
        for m, table in enumerate(tables):
            if table is not None:
                table[rows] = by_model[rows, m]
