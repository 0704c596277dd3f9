"""The (feature, from, to) triples of conditioned transitions that occur among labelled tokens."""

import numpy as np
import scipy.sparse as sp

from ._chain import MISSING


def observed_triples(
    X: sp.csr_matrix, columns: np.ndarray, labels: np.ndarray, offsets: np.ndarray, n_labels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the triples of a feature of a token, the label before it, and its own label.

    The first token of a sequence has no label before it, so its features are in no triple. Neither are those of a token
    where one of the two labels is missing.

    Parameters
    ----------
    X : CSR of shape (n_tokens, n_features), without stored zeros
    columns : ndarray of int64
        The features that transitions depend on; they increase.
    labels : ndarray of shape (n_tokens,), int32
        `MISSING` where there is none.
    offsets : ndarray of shape (n_sequences + 1,), int64
        Tokens ``offsets[s]`` to ``offsets[s + 1]`` are sequence s.
    n_labels : int

    Returns
    -------
    first : ndarray of shape (n_columns + 1,), int64
    pairs : ndarray of int32
        ``pairs[first[q]:first[q + 1]]`` are ``n_labels * from + to`` of feature ``columns[q]``, and increase.
    """
    within = np.ones(len(labels), dtype=bool)
    within[offsets[:-1][np.diff(offsets) > 0]] = False
    before = np.empty_like(labels)
    before[1:], before[:1] = labels[:-1], MISSING
    tokens = np.flatnonzero(within & (labels != MISSING) & (before != MISSING))
    part = X[tokens][:, columns].tocoo()
    at, n_pairs = tokens[part.row], n_labels * n_labels
    pair = before[at].astype(np.int64) * n_labels + labels[at]
    triples = np.unique(part.col.astype(np.int64) * n_pairs + pair)
    first = np.searchsorted(triples, np.arange(len(columns) + 1, dtype=np.int64) * n_pairs)
    return first.astype(np.int64), (triples % n_pairs).astype(np.int32)
