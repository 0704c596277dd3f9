"""The entries of a chain's table that tokens touch most often."""

from typing import Any

import numpy as np


def frequent_entries(chain: Any, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the entries of a block, and the root of the mean square of each one's feature where it is not 0.

    They are the transitions between labels, the most frequent ones where there are more than half of `size`, and the
    weights of the features that have the largest mean square over all tokens.

    Parameters
    ----------
    chain : ChainObjective
    size : int
        The most entries.

    Returns
    -------
    entries : ndarray of int64, increasing
    typical : ndarray of float64
    """
    transitions = _transitions(chain, size // 2)
    squares = np.repeat(chain.squared_norms(), chain.shape[1])[: chain.n_states]
    n_states = min(size - len(transitions), np.count_nonzero(squares))
    states = np.sort(np.argsort(-squares, kind="stable")[:n_states])
    counts = chain.feature_counts()[chain.feature_of(states)]
    typical = np.sqrt(squares[states] / (np.maximum(counts, 1) * chain.token_weight))
    return np.concatenate([states, transitions]), np.concatenate([typical, np.ones(len(transitions))])


def _transitions(chain: Any, most: int) -> np.ndarray:
    """Return the entries of the transitions that the labels make most often."""
    n_labels, labels = chain.n_labels, chain.labels
    before, after = labels[:-1], labels[1:]
    inside = np.ones(max(len(labels) - 1, 0), bool)
    ends = chain.offsets[1:-1] - 1
    inside[ends[(ends >= 0) & (ends < len(inside))]] = False
    inside &= (before >= 0) & (after >= 0)
    times = np.bincount(before[inside].astype(np.int64) * n_labels + after[inside], minlength=n_labels**2)
    there = chain.transitions[np.argsort(-times[chain.transitions], kind="stable")[:most]]
    place = np.sort(there) if chain.pairs is None else np.searchsorted(chain.transitions, np.sort(there))
    return chain.n_states + place.astype(np.int64)
