"""The columns of X that transitions depend on, chosen by names, a pattern, a function, numbers or a mask."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

_ALLOWED = (
    "None, names of features, a compiled pattern, a function of a name, a list of column numbers, "
    "or a boolean mask of the columns"
)


def transition_columns(chosen: Any, n_features: int, names: np.ndarray | None) -> np.ndarray:
    """Return the columns that `transition_features` chooses.

    Parameters
    ----------
    chosen : None, str, list of str, re.Pattern, callable, array of int, or array of bool
        A name stands for the column of that name, and for those of its values: "pos" is also "pos:NN" and "pos=NN". A
        pattern must match a name from its beginning. A function is given a name, and tells whether the column is
        chosen.
    n_features : int
    names : ndarray of str, of shape (n_features,), or None
        None is an X whose columns have no names.

    Returns
    -------
    ndarray of int64
        They increase.

    Raises
    ------
    ValueError
        For another form, a name or number that no column has, or names where the columns have none.
    """
    if chosen is None:
        return np.empty(0, np.int64)
    if isinstance(chosen, str):
        chosen = [chosen]
    if isinstance(chosen, re.Pattern):
        if not isinstance(chosen.pattern, str):
            raise ValueError(f"transition_features must be a pattern of str, got one of bytes: {chosen!r}")
        return _named(chosen.match, names)
    if callable(chosen):
        return _named(chosen, names)
    values = _as_array(chosen)
    if values.dtype == bool:
        if values.shape != (n_features,):
            raise ValueError(
                f"transition_features must be a mask of shape ({n_features},), one value a column of X, "
                f"got shape {values.shape}"
            )
        return np.flatnonzero(values)
    if values.dtype.kind in "iu":
        return _numbered(values, n_features)
    return _of_names(values.tolist(), names)


def _as_array(chosen: Any) -> np.ndarray:
    """Return a list of names, numbers or truth values as an array of one of these types."""
    if isinstance(chosen, set | frozenset):
        chosen = list(chosen)
    if not isinstance(chosen, list | tuple | np.ndarray):
        raise ValueError(f"transition_features must be {_ALLOWED}, got {chosen!r}")
    if len(chosen) == 0:
        return np.empty(0, np.int64)
    if all(isinstance(value, str) for value in chosen):
        return np.array(chosen, dtype=object)
    kinds = {isinstance(value, bool | np.bool_) for value in chosen}
    values = np.asarray(chosen) if len(kinds) == 1 else None  # NumPy would make numbers of True among numbers
    if values is None or values.ndim != 1 or values.dtype.kind not in "biu":
        raise ValueError(f"transition_features must be {_ALLOWED}, got {chosen!r}")
    return values


def _named(test: Callable[[str], Any], names: np.ndarray | None) -> np.ndarray:
    """Return the columns whose name passes a test."""
    return np.array([j for j, name in enumerate(_texts(names)) if test(name)], dtype=np.int64)


def _numbered(values: np.ndarray, n_features: int) -> np.ndarray:
    """Return column numbers sorted, each once."""
    outside = values[(values < 0) | (values >= n_features)]
    if len(outside):
        raise ValueError(
            f"transition_features must be columns from 0 to {n_features - 1}, as X has {n_features}, got {outside[0]}"
        )
    return np.unique(values).astype(np.int64)


def _of_names(chosen: list[str], names: np.ndarray | None) -> np.ndarray:
    """Return the columns of these names, and of the values of these names."""
    wanted, found, columns = set(chosen), set[str](), []
    for j, name in enumerate(_texts(names)):
        # a name may have a separator in itself, and so may a value
        starts = [i for i, letter in enumerate(name) if letter in "=:"]
        hits = wanted.intersection([name, *(name[:i] for i in starts)])
        if hits:
            columns.append(j)
            found |= hits
    missing = sorted(wanted - found)
    if missing:
        raise ValueError(f"transition_features must be names of features of X, got {missing[0]!r}, which none has")
    return np.array(columns, dtype=np.int64)


def _texts(names: np.ndarray | None) -> list[str]:
    """Return the names of the columns as str."""
    if names is None:
        raise ValueError(
            "transition_features must be column numbers or a boolean mask where the columns of X have no names"
        )
    return [str(name) for name in names]
