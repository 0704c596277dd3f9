"""The triples of a feature and two labels that transitions depend on."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from ._observed_triples import observed_triples


@dataclass(frozen=True)
class Conditions:
    """The features that transitions depend on, and the triples of such a feature and two labels that have a weight.

    Attributes
    ----------
    columns : ndarray of int64
        The chosen features, which increase.
    slot : ndarray of shape (n_columns,), int32
        Of each column of X its number among them, or -1.
    first : ndarray of shape (n_chosen + 1,), int64
    pair : ndarray of int32
        ``pair[first[q]:first[q + 1]]`` are ``n_labels * from + to`` of the triples of chosen feature q; they increase.
    complete : bool
        Whether every pair of labels has a weight at each feature.
    """

    columns: np.ndarray
    slot: np.ndarray
    first: np.ndarray
    pair: np.ndarray
    complete: bool = False

    @classmethod
    def of(cls, columns: np.ndarray, n_columns: int, *triples: Any, complete: bool = False) -> "Conditions":
        """Return those of `first` and `pair`, over an X with so many columns."""
        slot = np.full(n_columns, -1, np.int32)
        slot[columns] = np.arange(len(columns), dtype=np.int32)
        return cls(columns, slot, *triples, complete)

    @classmethod
    def all_pairs(cls, columns: np.ndarray, n_columns: int, n_labels: int) -> "Conditions":
        """Return those with every pair of labels at each of these columns of X."""
        pairs = np.arange(n_labels * n_labels, dtype=np.int32)
        first = len(pairs) * np.arange(len(columns) + 1, dtype=np.int64)
        return cls.of(columns, n_columns, first, np.tile(pairs, len(columns)), complete=True)

    @classmethod
    def observed(
        cls, columns: np.ndarray, X: sp.csr_matrix, labels: np.ndarray, offsets: np.ndarray, n_labels: int
    ) -> "Conditions":
        """Return those with the pairs that occur at tokens which have the feature."""
        return cls.of(columns, X.shape[1], *observed_triples(X, columns, labels, offsets, n_labels))

    def weight(self, weights: np.ndarray, column: int, pair: int) -> float:
        """Return the weight of a column of X and a pair of labels, 0 where it has none."""
        q = self.slot[column]
        begin, end = self.first[q : q + 2] if q >= 0 else (0, 0)
        at = begin + np.searchsorted(self.pair[begin:end], pair)
        return float(weights[at]) if at < end and self.pair[at] == pair else 0.0

    def on_columns(self, columns: np.ndarray) -> "Conditions":
        """Return the same triples, of an X that has these columns alone."""
        return replace(self, slot=self.slot[columns])
