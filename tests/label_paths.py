"""The enumeration of all paths of labels through a sequence, in float64."""

from itertools import product

import numpy as np
from scipy.special import logsumexp

from skopt_solvers.objectives import MISSING


class Enumeration:
    """Every path of labels through one sequence, with its score; -inf where it is forbidden.

    Parameters
    ----------
    Z : array of shape (n_tokens, n_labels)
        Scores of the labels at each token.
    transitions, start, end : arrays of shape (n_labels, n_labels), (n_labels,) and (n_labels,)
        Or transitions of shape (n_tokens, n_labels, n_labels): those that end at each token; the first are not used.
    allowed : array of bool, of shape (n_labels + 2, n_labels), optional
        From (row) to (column); then the labels that may begin, and that may end.
    known : labels, MISSING where any will do, optional
        A path through other labels is forbidden.
    """

    def __init__(self, Z, transitions, start, end, allowed=None, known=None):
        n, K = Z.shape
        self.shape = n, K
        allowed = np.ones((K + 2, K), bool) if allowed is None else allowed
        transitions, start, end = (
            np.where(possible, np.asarray(scores, dtype=np.float64), -np.inf)
            for possible, scores in ((allowed[:K], transitions), (allowed[K], start), (allowed[K + 1], end))
        )
        self.paths = np.array(list(product(range(K), repeat=n)), dtype=np.int32).reshape(K**n, n)
        self.scores = np.asarray(Z, dtype=np.float64)[np.arange(n), self.paths].sum(axis=1)
        if n:
            self.scores += start[self.paths[:, 0]] + end[self.paths[:, -1]]
            steps = np.broadcast_to(transitions, (n, K, K))
            for t in range(1, n):
                self.scores += steps[t, self.paths[:, t - 1], self.paths[:, t]]
        if known is not None:
            self.scores[~self.passes(known)] = -np.inf

    def passes(self, labels):
        """Which paths have these labels, where they are not MISSING."""
        labels = np.asarray(labels)
        return ((labels == MISSING) | (self.paths == labels)).all(axis=1)

    @property
    def possible(self):
        return bool(np.isfinite(self.scores).any())

    def log_z(self):
        return logsumexp(self.scores)

    def log_likelihood(self, labels):
        """Log-probability of the labels, summed over those that are missing."""
        return logsumexp(self.scores[self.passes(labels)]) - self.log_z()

    def probabilities(self):
        return np.exp(self.scores - self.log_z())

    def marginals(self):
        n, K = self.shape
        probabilities = self.probabilities()
        return np.array([np.bincount(self.paths[:, t], probabilities, minlength=K) for t in range(n)]).reshape(n, K)

    def pair_marginals(self):
        """Probability of a step from each label to each, at each token; 0 at the first one."""
        n, K = self.shape
        probabilities, pairs = self.probabilities(), np.zeros((n, K * K))
        for t in range(1, n):
            pairs[t] = np.bincount(self.paths[:, t - 1] * K + self.paths[:, t], probabilities, minlength=K * K)
        return pairs.reshape(n, K, K)

    def best(self, k):
        """Log-probabilities of the k best paths, best first; fewer where fewer are possible."""
        scores = np.sort(self.scores[np.isfinite(self.scores)])[::-1]
        return scores[:k] - self.log_z()

    def score(self, path):
        """The score of one path."""
        return self.scores[self.passes(path)].item()
