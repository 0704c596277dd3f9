"""Tell the form of X, and the place of a value that cannot be read."""

from collections.abc import Collection, Iterator, Mapping, Set
from contextlib import contextmanager

import numpy as np
import scipy.sparse as sp

from .._base.containers import refuse_container
from .._base.plain_lists import n_dimensions, plain_sequences
from ..sequence import CSRSequences

FORMS = (
    "a list of sequences (each a list of feature dicts, a list of lists of strings, or a 2-D array or CSR matrix), "
    "CSRSequences, or a 2-D array or CSR matrix of tokens"
)


def sequences_of(X):
    """Return X with lists in the place of columns and collections of other libraries."""
    if isinstance(X, CSRSequences):
        return X
    refuse_container(X, "X")
    return plain_sequences(X)


def kind_of(X, input="auto"):
    """Return "flat", "matrices" (CSRSequences or 2-D arrays) or "items" (sequences of dicts or string lists).

    X is what `sequences_of` returns; `input` is the estimator's parameter, which may refuse tokens or sequences.
    """
    kind = _kind_of(X, input == "sequences")
    if input == "flat" and kind != "flat":
        raise ValueError("X must be an array or CSR matrix of tokens with input='flat', got sequences")
    return kind


def _kind_of(X, sequences_only):
    if isinstance(X, CSRSequences):
        return "matrices"
    # a DOK matrix is a dict too
    if X is None or (isinstance(X, (str, bytes, Mapping, Set, Iterator)) and not sp.issparse(X)):
        raise ValueError(f"X must be {FORMS}, got a {type(X).__name__}")
    if not isinstance(X, (list, tuple)):
        if sequences_only:
            raise ValueError(f"X must be a list of sequences with input='sequences', got {type(X).__name__}")
        return "flat"
    if not len(X):
        raise ValueError(f"X must hold at least one sequence, got none; X must be {FORMS}")
    for number, sequence in enumerate(X):
        kind = _kind_of_sequence(sequence, number)
        if kind == "flat" and sequences_only and not isinstance(sequence, (list, tuple)):
            continue
        if kind is not None:
            return kind
    empty = all(isinstance(sequence, (list, tuple)) for sequence in X)
    return "matrices" if empty else "items"


def _kind_of_sequence(sequence, number):
    """The kind of X that has such a sequence, or None where it is empty."""
    if type(sequence) is list and sequence and type(sequence[0]) is dict:
        return "items"  # the questions below would say so too, in the time of some tokens
    if sp.issparse(sequence) or n_dimensions(sequence) == 2:
        return "matrices"
    if sequence is None or isinstance(sequence, (str, bytes, Mapping, Set, Iterator)) or hasattr(sequence, "text"):
        kind = type(sequence).__name__
        raise ValueError(f"X[{number}] must be a sequence of tokens, got a {kind}; X must be {FORMS}")
    if not isinstance(sequence, (list, tuple)):
        return "flat"
    if not len(sequence):
        return None
    token = sequence[0]
    if isinstance(token, str) or hasattr(token, "text"):
        word = f"the string {token!r}" if isinstance(token, str) else f"the {type(token).__name__} {token!r}"
        raise ValueError(
            f"a token of X[{number}] must be a dict, a list of strings or a row of numbers, got {word}; "
            "skopt_solvers.feature_extraction.TokenFeatures makes features of words"
        )
    named = isinstance(token, Collection) and not (isinstance(token, np.ndarray) and token.dtype.kind not in "OU")
    if hasattr(token, "keys") or (named and all(isinstance(feature, str) for feature in token)):
        return "items"
    return "matrices" if isinstance(token, (list, tuple, np.ndarray)) else "flat"


# Places


def place(token, offsets):
    """The sequence of a token, and its position there."""
    sequence = int(np.searchsorted(offsets, token, side="right")) - 1
    return sequence, int(token - offsets[sequence])


def place_text(token, offsets):
    """Return the place of a token in words."""
    sequence, position = place(token, offsets)
    return f"token {position} of sequence {sequence}"


@contextmanager
def naming_the_value(X, offsets, flat):
    """Begin the error of a value of X that is not finite by its place."""
    try:
        yield
    except ValueError as error:
        found = _first_not_finite(X)
        if found is None:
            raise
        token, feature, value = found
        where = f"token {token}" if flat else place_text(token, offsets)
        raise ValueError(f"X has {value} in feature {feature} of {where}. {error}") from error


def _first_not_finite(X):
    """Return token, feature and value of the first value that is not finite, or None."""
    try:
        if sp.issparse(X):
            entries = _entries_not_finite(X)
            return min(entries) if entries else None
        X = np.asarray(X)
        X = X if X.dtype.kind in "fc" else X.astype(np.float64)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    bad = np.argwhere(~np.isfinite(X)) if X.ndim == 2 else np.empty((0, 2))
    return (*bad[0].tolist(), X[tuple(bad[0])].item()) if len(bad) else None


def _entries_not_finite(X):
    """Return token, feature and value of each, without scipy's conversions, which malformed matrices crash."""
    if X.format not in ("csr", "csc", "coo"):
        return []
    bad = np.flatnonzero(~np.isfinite(X.data))
    if X.format == "coo":
        places = X.row[bad], X.col[bad]
    else:
        major = np.searchsorted(X.indptr, bad, side="right") - 1
        places = (major, X.indices[bad]) if X.format == "csr" else (X.indices[bad], major)
    return list(zip(*(array.tolist() for array in (*places, X.data[bad])), strict=True))


def as_rows(sequence, number):
    """Return a sequence of X that is not sparse as an array of numbers of its tokens, one row each."""
    refuse_container(sequence, f"X[{number}]")
    try:
        rows = np.asarray(sequence)
    except ValueError as error:
        raise ValueError(f"X[{number}] must be 2-D (tokens, features), its tokens are not alike: {error}") from error
    if rows.dtype.kind not in "OUS" or rows.ndim != 2:
        return rows
    for token, row in enumerate(rows.tolist()):
        for feature, value in enumerate(row):
            try:
                float(value)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"X must hold numbers, got {value!r} in feature {feature} of token {token} of sequence {number}"
                ) from error
    return rows
