"""The lengths of the sequences of flat tokens."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def run_lengths(sequence_ids: ArrayLike) -> np.ndarray:
    """Return the lengths of the sequences of flat tokens, each a run of one id.

    Raise ValueError where an id comes back after another one, because its sequence would be torn.
    """
    ids = np.asarray(sequence_ids)
    if ids.ndim != 1:
        raise ValueError(f"sequence_ids must be 1-D, one id a token, got shape {ids.shape}")
    if ids.dtype == object and any(type(i).__hash__ is None for i in ids):
        raise ValueError("sequence_ids must be strings or numbers, got what cannot be compared")
    if (ids != ids).any():
        raise ValueError(f"sequence_ids must not be NaN, got NaN for token {np.flatnonzero(ids != ids)[0]}")
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]])) if len(ids) else np.empty(0, dtype=np.int64)
    seen: set[Any] = set()
    for start, sequence_id in zip(starts.tolist(), ids[starts].tolist(), strict=True):
        if sequence_id in seen:
            raise ValueError(
                f"sequence_ids: the tokens of a sequence must follow each other, but id {sequence_id!r} comes back at "
                f"token {start}, after another id"
            )
        seen.add(sequence_id)
    return np.diff(starts, append=len(ids))


def flat_lengths(n_tokens: int, lengths: ArrayLike | None = None, sequence_ids: ArrayLike | None = None) -> np.ndarray:
    """Check and return the lengths of the sequences of `n_tokens` flat tokens; exactly one argument must be given."""
    if (lengths is None) == (sequence_ids is None):
        raise ValueError(
            "give lengths or sequence_ids, one of the two, got " + ("neither", "both")[lengths is not None]
        )
    if sequence_ids is not None:
        result = run_lengths(sequence_ids)
        if result.sum() != n_tokens:
            raise ValueError(f"sequence_ids must have one id for each of the {n_tokens} tokens, got {result.sum()}")
        return result
    given = np.asarray(lengths)
    if given.ndim != 1 or (given.size and (given.dtype.kind not in "iu" or given.min() < 0)):
        raise ValueError(f"lengths must be a 1-D array of non-negative integers, got {given!r}")
    if given.sum() != n_tokens or given.max(initial=0) > n_tokens:  # a sum may wrap around
        raise ValueError(f"lengths must sum to the {n_tokens} tokens, got {given.sum()} in {given.size} sequences")
    return given.astype(np.int64)
