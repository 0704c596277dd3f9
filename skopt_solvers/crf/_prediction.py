"""Predict by a fitted CRF: best paths, marginals and likelihoods of sequences."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .. import _kernels
from .._base.csr import with_dtype
from .._base.dask_input import over_blocks
from .._base.threads import effective_threads
from .._base.typing import DaskCollection, Sequences
from ..objectives import MISSING
from ._constraints import allowed_transitions
from ._tokens import encode, flat_labels, has_label, place, token_weights


class ChainPrediction:
    """The prediction methods of :class:`~skopt_solvers.LinearChainCRF`."""

    def _decoder(self, tokens, fixed=None):
        return decoder_of(
            tokens,
            self.coef_,
            self.transition_coef_,
            self.start_coef_,
            self.end_coef_,
            allowed_transitions(self.constraints, self.classes_),
            effective_threads(self.n_jobs),
            fixed,
        )

    def _fixed(self, known_labels, tokens):
        if known_labels is None:
            return None
        labels = flat_labels(known_labels, tokens, "known_labels")
        return encode(labels, self.classes_, tokens.offsets, "known_labels")

    def _best_path(self, tokens, known_labels=None):
        path = np.empty(tokens.X.shape[0], np.int32)
        self._decoder(tokens, self._fixed(known_labels, tokens)).viterbi(path)
        _require_path(path == MISSING, tokens)
        return path

    @over_blocks
    def predict(
        self,
        X: Sequences | DaskCollection,
        *,
        lengths: ArrayLike | None = None,
        sequence_ids: ArrayLike | None = None,
        known_labels: Sequences | None = None,
    ) -> np.ndarray:
        """Return the most probable labels of each sequence (Viterbi).

        Parameters
        ----------
        X, lengths, sequence_ids :
            As in `fit`.
        known_labels : as y, optional
            Labels that tokens must have, None where any will do.

        Returns
        -------
        ndarray
            Of shape (n_tokens,) for flat X; else an object array of one array a sequence; for a dask bag, a bag.

        Raises
        ------
        ValueError
            Where `constraints` and `known_labels` leave a sequence no labels.
        """
        check_is_fitted(self)
        tokens = self._tokens(X, lengths, sequence_ids)
        return tokens.like_input(self.classes_[self._best_path(tokens, known_labels)])

    @over_blocks
    def predict_proba(
        self,
        X: Sequences | DaskCollection,
        *,
        lengths: ArrayLike | None = None,
        sequence_ids: ArrayLike | None = None,
        known_labels: Sequences | None = None,
    ) -> np.ndarray:
        """Return the probability of each label at each token, given the whole sequence (forward-backward).

        Parameters
        ----------
        X, lengths, sequence_ids, known_labels :
            As in `predict`.

        Returns
        -------
        ndarray
            Of shape (n_tokens, n_labels) for flat X; else an object array of one such array a sequence; for a dask bag,
            a bag.
        """
        check_is_fitted(self)
        tokens = self._tokens(X, lengths, sequence_ids)
        decoder = self._decoder(tokens, self._fixed(known_labels, tokens))
        P = np.empty((tokens.X.shape[0], len(self.classes_)), self.coef_.dtype)
        decoder.marginals(P.ravel())
        _require_path(np.isnan(P[:, 0]), tokens)
        return tokens.like_input(P / P.sum(axis=1, keepdims=True))

    def predict_topk(
        self,
        X: Sequences,
        k: int = 5,
        *,
        lengths: ArrayLike | None = None,
        sequence_ids: ArrayLike | None = None,
        known_labels: Sequences | None = None,
    ) -> list[list[tuple[np.ndarray, float]]]:
        """Return the k most probable label sequences of each sequence (list Viterbi).

        Parameters
        ----------
        X, lengths, sequence_ids, known_labels :
            As in `predict`.
        k : int, default=5

        Returns
        -------
        list of list of (ndarray, float)
            For each sequence its paths and their log-probabilities, best first; fewer than k where there are fewer.

        References
        ----------
        Seshadri & Sundberg (1994), List Viterbi decoding algorithms with applications.
        """
        check_is_fitted(self)
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
            raise ValueError(f"k must be an integer >= 1, got {k!r}")
        tokens = self._tokens(X, lengths, sequence_ids)
        n_tokens, n = tokens.X.shape[0], tokens.n_sequences
        paths, scores, counts = np.empty(k * n_tokens, np.int32), np.empty(k * n), np.empty(n, np.int64)
        self._decoder(tokens, self._fixed(known_labels, tokens)).best_paths(k, paths, scores, counts)
        _require_path(np.repeat(counts == 0, tokens.lengths), tokens)
        out = []
        for s, (begin, length) in enumerate(zip(tokens.offsets[:-1], tokens.lengths, strict=True)):
            if not length:
                out.append([(self.classes_[:0], 0.0)])
                continue
            found = paths[k * begin : k * (begin + length)].reshape(k, length)[: counts[s]]
            out.append([(self.classes_[path], float(scores[s * k + r])) for r, path in enumerate(found)])
        return out

    def log_likelihood(
        self,
        X: Sequences,
        y: Sequences,
        *,
        lengths: ArrayLike | None = None,
        sequence_ids: ArrayLike | None = None,
    ) -> np.ndarray:
        """Return ``log p(y | x)`` of each sequence, summed over the labels that are missing.

        Parameters
        ----------
        X, y, lengths, sequence_ids :
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_sequences,)
            -inf where `constraints` forbid the labels.
        """
        check_is_fitted(self)
        tokens = self._tokens(X, lengths, sequence_ids)
        return self._log_likelihood(tokens, encode(flat_labels(y, tokens), self.classes_, tokens.offsets, "y"))

    def _log_likelihood(self, tokens, codes):
        out = np.zeros(tokens.n_sequences)
        self._decoder(tokens).log_likelihood(codes, out)
        return out

    def sequence_log_proba(
        self, X: Sequences, *, lengths: ArrayLike | None = None, sequence_ids: ArrayLike | None = None
    ) -> np.ndarray:
        """Return the log-probability of all the labels that `predict` gives to a sequence, one value a sequence.

        Parameters
        ----------
        X, lengths, sequence_ids :
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_sequences,)
        """
        check_is_fitted(self)
        tokens = self._tokens(X, lengths, sequence_ids)
        return self._log_likelihood(tokens, self._best_path(tokens))

    def score(
        self,
        X: Sequences,
        y: Sequences,
        sample_weight: Any = None,
        *,
        lengths: ArrayLike | None = None,
        sequence_ids: ArrayLike | None = None,
    ) -> float:
        """Return the share of tokens whose label is right; tokens without a label in y do not count.

        Parameters
        ----------
        X, y, sample_weight, lengths, sequence_ids :
            As in `fit`.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        tokens = self._tokens(X, lengths, sequence_ids)
        labels = flat_labels(y, tokens)
        weights = token_weights(sample_weight, tokens)
        # a label that training did not have is a miss; a missing one is not asked
        asked = has_label(labels)
        codes = encode(labels, self.classes_, tokens.offsets, "y", np.zeros(len(labels), bool))
        path = self._best_path(tokens)
        if not weights[asked].sum() > 0:
            raise ValueError("score needs a token with a label and a positive sample_weight, got none")
        return float(np.average(path[asked] == codes[asked], weights=weights[asked]))


def decoder_of(tokens, coef, transitions, start, end, allowed, n_threads, fixed=None):
    """The compiled decoder of sequences, in the dtype of the coefficients."""
    dtype, K = coef.dtype, len(start)
    first, label = np.empty(0, np.int64), np.empty(0, np.int32)
    if sp.issparse(coef):
        coef = coef.tocsc()
        first, label, state = coef.indptr.astype(np.int64), coef.indices.astype(np.int32), coef.data
    else:
        state = np.ascontiguousarray(coef.T).ravel()
    allow = lambda scores, possible: np.where(possible, scores, -np.inf).astype(dtype)  # noqa: E731
    return _kernels.chain_decoder(
        with_dtype(tokens.X, dtype),
        tokens.offsets,
        state,
        first,
        label,
        allow(transitions, allowed[:K]).ravel(),
        allow(start, allowed[K]),
        allow(end, allowed[K + 1]),
        np.empty(0, np.int32) if fixed is None else fixed,
        n_threads,
    )


class TokenAccuracy:
    """The token accuracy of a table of `objective` on validation sequences."""

    def __init__(self, objective, tokens, codes, weights):
        if not weights.any():
            raise ValueError("the validation sequences must have a token with a label and a positive weight, got none")
        self.objective, self.tokens, self.codes, self.weights = objective, tokens, codes, weights

    def __call__(self, W):
        objective = self.objective
        state, *rest = objective.split(W)
        path = np.empty(len(self.codes), np.int32)
        decoder_of(self.tokens, objective.coef(state), *rest, objective.allowed, objective.n_threads).viterbi(path)
        return float(np.average(path == self.codes, weights=self.weights))


def _require_path(failed, tokens):
    if failed.any():
        sequence, _ = place(np.flatnonzero(failed)[0], tokens.offsets)
        raise ValueError(f"constraints and known_labels leave sequence {sequence} no labels")
