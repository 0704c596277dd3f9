"""Read the vectors of tokens: a dense array beside the matrix of the other features."""

from typing import Any

import numpy as np


def read_vectors(vectors: Any, lengths: np.ndarray) -> np.ndarray | None:
    """Return vectors as one array with a row a token, float32 or float64; what has this form is not copied.

    Parameters
    ----------
    vectors : array of shape (n_tokens, size), a list with an array of shape (n, size) for each sequence, or None
    lengths : ndarray of shape (n_sequences,)

    Raises
    ------
    ValueError
        Where they are of another form.
    """
    if vectors is None:
        return None
    rows = _joined(vectors, lengths) if isinstance(vectors, (list, tuple)) else np.asarray(vectors)
    n_tokens = int(lengths.sum())
    if rows.ndim != 2 or rows.shape[0] != n_tokens or not rows.shape[1] or rows.dtype.kind not in "fiub":
        raise ValueError(
            f"vectors must be numbers of shape ({n_tokens}, size), one row a token, or a list of such arrays, one a "
            f"sequence; got an array of {rows.dtype} of shape {rows.shape}"
        )
    return rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float64)


def _joined(vectors: Any, lengths: np.ndarray) -> np.ndarray:
    """Return the rows of all sequences."""
    if len(vectors) != len(lengths):
        raise ValueError(f"vectors must have one array a sequence, got {len(vectors)} for {len(lengths)} sequences")
    size = next((np.shape(part)[1] for part in vectors if np.ndim(part) == 2), None)
    parts = []
    for number, (part, length) in enumerate(zip(vectors, lengths.tolist(), strict=True)):
        array = np.asarray(part)
        if array.ndim == 1 and not length and not array.size:
            continue
        if array.shape != (length, size) or array.dtype.kind not in "fiub":
            raise ValueError(
                f"vectors[{number}] must be numbers of shape ({length}, {size or 'size'}), got an array of "
                f"{array.dtype} of shape {array.shape}"
            )
        parts.append(array)
    return np.concatenate(parts) if parts else np.empty((0, 0))
