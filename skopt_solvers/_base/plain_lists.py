"""Read columns and collections of any library as lists of Python."""

from collections.abc import Mapping, Set
from typing import Any

import numpy as np
import scipy.sparse as sp

_METHODS = ("to_pylist", "as_py", "to_list")  # arrays and scalars of pyarrow; series of polars and pandas
_ARRAYS = ("__array__", "__dlpack__", "__dataframe__")
_PLAIN = (list, tuple, str, bytes, int, float, np.generic, type(None))


def n_dimensions(values: Any) -> int:
    """Return the number of dimensions of an array or a table, 0 of anything else."""
    shape = getattr(values, "shape", ())
    return len(shape) if hasattr(shape, "__len__") else 0


def plain_list(values: Any) -> Any:
    """Return a column of another library, an array of objects or strings, or a sized iterable as a list.

    Lists, tuples, strings, dicts, sets, arrays and tables of numbers, and what is no collection are returned as they
    are.
    """
    if isinstance(values, (list, tuple, str, bytes, Mapping, Set)):
        return values
    if isinstance(values, np.ndarray):
        return values.tolist() if values.ndim == 1 and values.dtype.kind in "OU" else values
    if sp.issparse(values) or n_dimensions(values) > 1:
        return values
    for name in _METHODS:
        if hasattr(values, name):
            return getattr(values, name)()
    if any(hasattr(values, name) for name in _ARRAYS):
        return values
    return list(values) if hasattr(values, "__len__") and hasattr(values, "__iter__") else values


def plain_sequences(X: Any) -> Any:
    """Return a collection of sequences as a list of lists, by `plain_list` of it and of each of its items."""
    X = plain_list(X)
    if isinstance(X, (list, tuple)) and not all(issubclass(kind, _PLAIN) for kind in set(map(type, X))):
        return [plain_list(sequence) for sequence in X]
    return X
