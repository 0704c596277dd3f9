"""The table of a chain's parameters, and the parts that it has."""

import numpy as np
import scipy.sparse as sp


class ChainTable:
    """The layout of the table of a chain: features, transitions, ends, and last the triples of `conditions`.

    An objective that has this gives `n_labels`, `n_features`, `pairs`, `transitions`, `fit_boundaries`, `conditions`
    and `shape`.
    """

    @property
    def n_triples(self):
        """The number of weights of a feature and two labels."""
        return 0 if self.conditions is None else len(self.conditions.pair)

    @property
    def triple_rows(self):
        """The rows that these take; the last one is filled up with zeros."""
        return -(-self.n_triples // (1 if self.pairs is not None else self.n_labels))

    def table_shape(self):
        """Return the shape of the table."""
        K, n_ends = self.n_labels, 2 * self.fit_boundaries
        if self.pairs is None:
            return self.n_features + K + n_ends + self.triple_rows, K
        return len(self.pairs[1]) + len(self.transitions) + n_ends * K + self.triple_rows, 1

    @property
    def n_states(self):
        """The number of weights of features, which the table begins with."""
        return len(self.pairs[1]) if self.pairs is not None else self.n_features * self.n_labels

    def feature_of(self, states):
        """Return the feature of each of these weights."""
        if self.pairs is None:
            return states // self.n_labels
        return np.searchsorted(self.pairs[0], states, side="right") - 1

    @property
    def coefficients(self):
        """Features and labels: the shape of the part of the table that `coef_` shows."""
        return self.n_features, self.n_labels

    def split(self, W):
        """W as state weights (rows of features, or pairs), transitions (from, to), start and end weights."""
        K, W = self.n_labels, W[: len(W) - self.triple_rows]
        # of a stream, W may have more features than the chunk at hand
        n_states = len(W) - K - 2 * self.fit_boundaries if self.pairs is None else len(self.pairs[1])
        rest = W[n_states:].ravel()
        ends = rest[-2 * K :].reshape(2, K) if self.fit_boundaries else np.zeros((2, K), W.dtype)
        if self.pairs is None:
            T = rest[: K * K].reshape(K, K)
        else:
            T = np.zeros((K, K), W.dtype)
            T.ravel()[self.transitions] = rest[: len(self.transitions)]
        return W[:n_states], T, *ends

    def triple_weights(self, W):
        """The weights of the triples in W, in their order."""
        return W[len(W) - self.triple_rows :].ravel()[: self.n_triples]

    def coef(self, state):
        """State weights as a matrix (labels, features): a view, sparse where pairs are observed."""
        if self.pairs is None:
            return state.T
        first, label = self.pairs
        return sp.csc_matrix((state.ravel(), label, first), shape=self.coefficients[::-1])

    def join(self, state, transitions, start, end, triples=None):
        """The table W of the parts that `split` and `triple_weights` give."""
        parts = [state.ravel(), transitions.ravel() if self.pairs is None else transitions.ravel()[self.transitions]]
        if self.fit_boundaries:
            parts += [start, end]
        if self.n_triples:
            parts += [triples, np.zeros(self.triple_rows * self.shape[1] - self.n_triples, triples.dtype)]
        return np.concatenate(parts).reshape(-1, self.shape[1])
