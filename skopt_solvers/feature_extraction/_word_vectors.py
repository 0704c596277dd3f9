"""Look up the vectors of words, and lay those of a token and its neighbours side by side."""

from typing import Any

import numpy as np

from ._token_columns import shifted


def check_table(vectors: Any) -> None:
    """Raise ValueError where it is no mapping from words to vectors."""
    maps = hasattr(vectors, "__getitem__") and hasattr(vectors, "__contains__")
    if not maps or isinstance(vectors, (str, bytes, list, tuple, np.ndarray)):
        raise ValueError(
            "vectors must be a mapping from words to arrays, such as a dict or gensim's KeyedVectors, or None, got a "
            f"{type(vectors).__name__}"
        )


def vectors_of_words(vectors: Any, words: list[str], dtype: Any, size: int | None) -> np.ndarray:
    """Return the vector of each word, as it is or in lower case, and at the end a row of zeros for no word.

    Parameters
    ----------
    vectors : mapping from words to arrays of one dimension
    words : list of str
    dtype : float32 or float64
    size : int or None
        The size that the vectors must have; None is that of the first.

    Raises
    ------
    ValueError
        Where there is no vector at all and the size is not known, or for a vector of another form or size.
    """
    check_table(vectors)
    forms = (next((form for form in (word, word.lower()) if form in vectors), None) for word in words)
    known = {number: form for number, form in enumerate(forms) if form is not None}
    if size is None and not known:
        raise ValueError(
            f"vectors must have one of the {len(words)} words of X, such as {words[0]!r}, got none of them"
        )
    rows = None if size is None else np.zeros((len(words) + 1, size), dtype)
    for number, word in known.items():
        vector = np.asarray(vectors[word])
        if rows is None:
            rows = np.zeros((len(words) + 1, vector.size), dtype)
        if vector.dtype.kind not in "fiub" or vector.shape != rows.shape[1:] or not vector.size:
            raise ValueError(
                f"vectors must have arrays of {rows.shape[1] or 'some'} numbers, got {vector.dtype} of shape "
                f"{vector.shape} for {word!r}"
            )
        with np.errstate(over="ignore"):
            rows[number] = vector
        if not np.isfinite(rows[number]).all():
            raise ValueError(f"vectors must be finite in {np.dtype(dtype)}, got {vector} for {word!r}")
    assert rows is not None
    return rows


def beside_tokens(rows: np.ndarray, lengths: np.ndarray, value: np.ndarray, offsets: tuple[int, ...]) -> np.ndarray:
    """Return for each token the rows of the values at these offsets side by side; the last row is that of no value."""
    size = rows.shape[1]
    beside = np.empty((len(value), size * len(offsets)), rows.dtype)
    for number, offset in enumerate(offsets):
        beside[:, number * size : (number + 1) * size] = rows[shifted(lengths, value, offset)]
    return beside
