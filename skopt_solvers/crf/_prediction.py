"""Best paths, marginals and likelihoods of sequences under given weights of a CRF."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from .. import _kernels
from .._base.csr import csr_of, with_dtype
from ..objectives import MISSING
from ._forms import place

_NONE = np.empty(0, np.int32)
_MOST_PAIRS = np.iinfo(np.int32).max  # whose places short indices tell


@dataclass
class Decoder:
    """The weights of a CRF, to decode sequences in their dtype.

    Attributes
    ----------
    coef : ndarray or sparse, of shape (n_labels, n_features)
    transitions : ndarray of shape (n_labels, n_labels)
    start, end : ndarray of shape (n_labels,)
    allowed : ndarray of bool, of shape (n_labels + 2, n_labels), or None
        As `allowed_transitions` gives it; None allows all.
    n_threads : int
    conditions : Conditions, optional
        The triples of features that transitions depend on.
    triples : ndarray, optional
        Their weights.
    """

    coef: Any
    transitions: np.ndarray
    start: np.ndarray
    end: np.ndarray
    allowed: np.ndarray | None
    n_threads: int
    conditions: Any = None
    triples: np.ndarray | None = None

    def native(self, tokens, fixed=None):
        """Return the compiled decoder of sequences, whose tokens have the labels `fixed` where these are known."""
        coef, dtype, K, allowed = self.coef, self.coef.dtype, len(self.start), self.allowed
        X, label = with_dtype(tokens.X, dtype), _NONE
        if sp.issparse(coef):
            coef = coef.tocsc()
            X = X if coef.nnz <= _MOST_PAIRS else _with_long_indices(X)
            first, label = coef.indptr.astype(X.indices.dtype, copy=False), coef.indices.astype(np.int32, copy=False)
            state = coef.data
        else:
            first, state = np.empty(0, X.indices.dtype), np.ascontiguousarray(coef.T).ravel()
        scores = self.transitions, self.start, self.end
        if allowed is not None and not allowed.all():
            possible = allowed[:K], allowed[K], allowed[K + 1]
            scores = [np.where(where, score, -np.inf) for where, score in zip(possible, scores, strict=True)]
        pairs, start, end = (np.ascontiguousarray(score, dtype) for score in scores)
        fixed = _NONE if fixed is None else fixed
        return _kernels.chain_decoder(
            X,
            tokens.offsets,
            state,
            first,
            label,
            pairs.ravel(),
            start,
            end,
            fixed,
            self.n_threads,
            vectors=tokens.vectors,
            conditions=self.conditions,
            triples=None if self.triples is None else np.ascontiguousarray(self.triples, dtype),
        )

    def conditioned(self, column):
        """Tell whether transitions depend on a feature."""
        return self.conditions is not None and column < len(self.conditions.slot) and self.conditions.slot[column] >= 0

    def triple(self, column, before, here):
        """Return the weight of such a feature and two labels."""
        return self.conditions.weight(self.triples, column, before * len(self.start) + here)

    def best_path(self, tokens, fixed=None, name="known_labels"):
        """Return the most probable label of each token within its sequence, as indices of classes (Viterbi)."""
        path = np.empty(tokens.X.shape[0], np.int32)
        if not self.native(tokens, fixed).viterbi(path):
            require_path(path == MISSING, tokens, name)
        return path

    def marginals(self, tokens, fixed=None):
        """Return the probability of each label at each token, given its sequence (forward-backward)."""
        P = np.empty((tokens.X.shape[0], len(self.start)), self.coef.dtype)
        self.native(tokens, fixed).marginals(P.ravel())
        require_path(np.isnan(P[:, 0]), tokens)
        return P / P.sum(axis=1, keepdims=True)

    def best_paths(self, tokens, k, fixed=None):
        """Return the k most probable paths of each sequence and their log-probabilities, best first (list Viterbi)."""
        n_tokens, n = tokens.X.shape[0], tokens.n_sequences
        paths, scores, counts = np.empty(k * n_tokens, np.int32), np.empty(k * n), np.empty(n, np.int64)
        self.native(tokens, fixed).best_paths(k, paths, scores, counts)
        require_path(np.repeat(counts == 0, tokens.lengths), tokens)
        out = []
        for s, (begin, length) in enumerate(zip(tokens.offsets[:-1], tokens.lengths, strict=True)):
            if not length:
                out.append([(paths[:0], 0.0)])
                continue
            found = paths[k * begin : k * (begin + length)].reshape(k, length)[: counts[s]]
            out.append([(path, float(scores[s * k + r])) for r, path in enumerate(found)])
        return out

    def log_likelihood(self, tokens, codes):
        """Return ``log p(y | x)`` of each sequence, summed over the labels that are missing."""
        out = np.zeros(tokens.n_sequences)
        self.native(tokens).log_likelihood(codes, out)
        return out


def _with_long_indices(X):
    return csr_of(X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64), X.shape)


def require_path(failed, tokens, name="known_labels"):
    """ValueError where `failed` is True for a token, whose sequence has no path then."""
    if failed.any():
        sequence, _ = place(np.flatnonzero(failed)[0], tokens.offsets)
        raise ValueError(f"constraints and {name} leave sequence {sequence} no labels")
