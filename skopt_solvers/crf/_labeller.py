"""The labeller of sequences: it reads data, predicts, and reports what a fit has learned."""

import warnings
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from .._base.caller import stacklevel_of_caller
from .._base.dask_input import over_blocks
from .._base.inherited_docs import with_texts_of
from .._base.pickling import check_array, damaged
from .._base.threads import effective_threads
from .._base.typing import DaskCollection, Sequences
from .._estimator.base import SolverEstimator
from ._conditioned import Conditioned, chosen_columns
from ._constraints import allowed_transitions
from ._forms import kind_of, sequences_of
from ._prediction import Decoder
from ._problem import ChainData, ChainModel, HeldSequences
from ._report import ChainReports
from ._tokens import encode, flat_labels, has_label, read_tokens, token_weights


class ChainLabeller(ChainReports, SolverEstimator, ClassifierMixin, BaseEstimator):
    """Base of :class:`~skopt_solvers.LinearChainCRF`, which adds its parameters."""

    # Data

    @property
    def _model(self):
        return ChainModel(
            C=self.C,
            l1_ratio=self.l1_ratio,
            class_weight=self.class_weight,
            state_features=self.state_features,
            fit_boundaries=self.fit_boundaries,
            transitions=self.transitions,
            constraints=self.constraints,
            n_jobs=self.n_jobs,
            transition_features=self.transition_features,
        )

    def _read(self, X, y, sample_weight, reset, lengths=None, sequence_ids=None):
        tokens = self._tokens(X, reset, lengths=lengths, sequence_ids=sequence_ids)
        if self.transition_features is not None:
            tokens.names = getattr(self, "vectorizer_", getattr(self, "feature_names_in_", None))
            chosen_columns(self.transition_features, tokens)  # an error comes before any work
        data = ChainData.of(self._model, tokens, y, sample_weight)
        if reset:
            self._structured = bool((tokens.lengths > 1).any())
        return data

    @contextmanager
    def _read_collection(self, X, y, sample_weight):
        from ._dask import problem_of_sequences

        if self.transition_features is not None:
            raise ValueError(
                f"transition_features must be None where X is a dask bag, got {self.transition_features!r}: these "
                "transitions are fitted in one process, to lists, arrays, matrices or CSRSequences"
            )
        with problem_of_sequences(self, self._model, X, y, sample_weight) as problem:
            self._structured = True
            yield problem

    def _held_out(self, X_val, y_val, problem):
        tokens = self._tokens(X_val)
        if tokens.flat and self._structured:
            raise ValueError("X_val of a model of sequences must be a list of sequences or CSRSequences, got tokens")
        return HeldSequences.of(tokens, y_val, problem.classes)

    def _tokens(self, X, reset=False, **form):
        """X in any form as :class:`Tokens`; `form` is what says where the sequences of flat X are."""
        X = sequences_of(X)
        # "flat" is of fit alone: sequences are held out and explained too
        allowed = self.input if reset or self.input == "sequences" else "auto"
        tokens = read_tokens(self, X, kind_of(X, allowed), reset, **form)
        if not reset and tokens.flat and not tokens.structured and self._structured:
            warnings.warn(
                "This model was fitted on sequences, and X has tokens without lengths or sequence_ids: each is taken "
                "as a sequence of one",
                UserWarning,
                stacklevel=stacklevel_of_caller(),
            )
        return tokens

    # What is stored

    def _leading_rows(self):
        return self.coef_.data[:, None] if sp.issparse(self.coef_) else self.coef_.T

    def _check_fitted(self):
        K = len(self.classes_)
        check_array(self, "coef_", self.coef_, (K, self.n_features_in_), "f")
        for name, shape in (("transition_coef_", (K, K)), ("start_coef_", (K,)), ("end_coef_", (K,))):
            check_array(self, name, getattr(self, name, None), shape)
        conditioned = Conditioned.of(self)
        if conditioned is not None:
            conditioned.check(self)
        width = getattr(getattr(self, "vectorizer_", None), "n_features_out_", self.n_features_in_)
        if width != self.n_features_in_:
            raise damaged(self, "vectorizer_", f"one of {self.n_features_in_} features", f"one of {width}")

    # Prediction

    def _decoding(self, X, known_labels=None, **form):
        """X as tokens, what decodes them, and the labels that they must have, as indices of classes."""
        if "coef_" not in vars(self):  # scikit-learn's answer takes as long as the tags of a sentence
            check_is_fitted(self)
        tokens = self._tokens(X, **form)
        allowed = None if self.constraints is None else allowed_transitions(self.constraints, self.classes_)
        parts = self.coef_, self.transition_coef_, self.start_coef_, self.end_coef_
        # threads share out whole sequences, and to count the cores takes as long as a short one
        n_threads = 1 if self.n_jobs is None and tokens.n_sequences == 1 else effective_threads(self.n_jobs)
        conditioned = Conditioned.of(self)
        triples = () if conditioned is None else conditioned.conditions(tokens.X.shape[1])
        decoder, fixed = Decoder(*parts, allowed, n_threads, *triples), None
        if known_labels is not None:
            labels = flat_labels(known_labels, tokens, "known_labels")
            fixed = encode(labels, self.classes_, tokens.offsets, "known_labels")
        return tokens, decoder, fixed

    def _predict_on_blocks(self, method, X):
        from ._dask import predict_on_partitions

        check_is_fitted(self)
        return predict_on_partitions(self, method, X)

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
        X : sequences or tokens
            The data, in any form that `fit` takes.
        lengths : array of shape (n_sequences,), optional
            Tokens of each sequence of flat X.
        sequence_ids : array of shape (n_tokens,), optional
            The sequence of each token of flat X; the tokens of one follow each other.
        known_labels : list of label sequences, or array of shape (n_tokens,), optional
            Labels that tokens must have, None where any will do.

        Returns
        -------
        ndarray
            Of shape (n_tokens,) for flat X; else an object array of one list a sequence, of strings or integers of
            Python's own, as seqeval and json take them; for a dask bag, a bag.

        Raises
        ------
        ValueError
            Where `constraints` and `known_labels` leave a sequence no labels.
        """
        tokens, decoder, fixed = self._decoding(X, known_labels, lengths=lengths, sequence_ids=sequence_ids)
        path = decoder.best_path(tokens, fixed)
        if tokens.flat:
            return self.classes_[path]
        return tokens.like_input(self.classes_.astype(object)[path].tolist())

    @with_texts_of(predict)
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
        X, lengths, sequence_ids :
            As in :meth:`predict`.
        known_labels : list of label sequences, or array of shape (n_tokens,), optional
            Labels that tokens must have, None where any will do. The probabilities are given these.

        Returns
        -------
        ndarray
            Of shape (n_tokens, n_labels) for flat X; else an object array of one such array a sequence; for a dask bag,
            a bag.
        """
        tokens, decoder, fixed = self._decoding(X, known_labels, lengths=lengths, sequence_ids=sequence_ids)
        return tokens.like_input(decoder.marginals(tokens, fixed))

    @with_texts_of(predict)
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
        X :
            As in :meth:`predict`.
        k : int, default=5
            The number of label sequences, >= 1.
        lengths, sequence_ids :
            As in :meth:`predict`.
        known_labels : list of label sequences, or array of shape (n_tokens,), optional
            Labels that tokens must have, None where any will do.

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
        tokens, decoder, fixed = self._decoding(X, known_labels, lengths=lengths, sequence_ids=sequence_ids)
        found = decoder.best_paths(tokens, k, fixed)
        return [[(self.classes_[path], score) for path, score in paths] for paths in found]

    @with_texts_of(predict)
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
        X :
            As in :meth:`predict`.
        y : list of label sequences, or array of shape (n_tokens,)
            The labels whose probability is asked, None where a label is missing.
        lengths, sequence_ids :
            As in :meth:`predict`.

        Returns
        -------
        ndarray of shape (n_sequences,)
            -inf where `constraints` forbid the labels.
        """
        tokens, decoder, _ = self._decoding(X, lengths=lengths, sequence_ids=sequence_ids)
        codes = encode(flat_labels(y, tokens), self.classes_, tokens.offsets, "y")
        return decoder.log_likelihood(tokens, codes)

    def sequence_log_proba(
        self, X: Sequences, *, lengths: ArrayLike | None = None, sequence_ids: ArrayLike | None = None
    ) -> np.ndarray:
        """Return the log-probability of the labels that `predict` gives to each sequence.

        Parameters
        ----------
        X : sequences or tokens
            The data, in any form that `fit` takes.
        lengths : array of shape (n_sequences,), optional
            Tokens of each sequence of flat X.
        sequence_ids : array of shape (n_tokens,), optional
            The sequence of each token of flat X; the tokens of one follow each other.

        Returns
        -------
        ndarray of shape (n_sequences,)
        """
        tokens, decoder, _ = self._decoding(X, lengths=lengths, sequence_ids=sequence_ids)
        return decoder.log_likelihood(tokens, decoder.best_path(tokens))

    @with_texts_of(predict)
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
        X :
            As in :meth:`predict`.
        y : list of label sequences, or array of shape (n_tokens,)
            The right labels, None where a label is missing.
        sample_weight : array of shape (n_sequences,) or (n_tokens,), or list of arrays, optional
            Weights >= 0 of the tokens, or of all tokens of a sequence.
        lengths, sequence_ids :
            As in :meth:`predict`.

        Returns
        -------
        float
        """
        tokens, decoder, _ = self._decoding(X, lengths=lengths, sequence_ids=sequence_ids)
        labels = flat_labels(y, tokens)
        weights = token_weights(sample_weight, tokens)
        # a label that training did not have is a miss; a missing one is not asked
        asked = has_label(labels)
        codes = encode(labels, self.classes_, tokens.offsets, "y", np.zeros(len(labels), bool))
        path = decoder.best_path(tokens)
        if not weights[asked].sum() > 0:
            raise ValueError("score needs a token with a label and a positive sample_weight, got none")
        return float(np.average(path[asked] == codes[asked], weights=weights[asked]))

    def suboptimality_bound(
        self,
        X: Sequences,
        y: Sequences,
        sample_weight: Any = None,
        *,
        lengths: ArrayLike | None = None,
        sequence_ids: ArrayLike | None = None,
    ) -> float:
        r"""Return a proven upper bound of :math:`P - \min P`, whatever solver made the weights.

        P is the objective of this class at the given data. The bound is the duality gap at the best multiple of the
        dual point that the marginals give, in float64. It is 0 at the optimum, and infinite for ``C=np.inf`` and where
        labels are missing, which makes P non-convex. Where it is above ``100 tol`` of P, or `max_suboptimality`, a few
        steps of L-BFGS from the weights look for a larger lower bound of the minimum.

        Parameters
        ----------
        X : sequences or tokens
            The data of the fit, or others.
        y : list of label sequences, or array of shape (n_tokens,)
            Their labels.
        sample_weight : array of shape (n_sequences,) or (n_tokens,), or list of arrays, optional
            Weights >= 0 of sequences, or of their tokens: then a sequence weighs their mean.
        lengths : array of shape (n_sequences,), optional
            Tokens of each sequence of flat X.
        sequence_ids : array of shape (n_tokens,), optional
            The sequence of each token of flat X; the tokens of one follow each other.

        Returns
        -------
        float
        """
        return self._bound(X, y, sample_weight, lengths=lengths, sequence_ids=sequence_ids)
