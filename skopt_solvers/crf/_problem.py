"""From the sequences of a user to an objective, and what is held out to validate."""

import warnings

import numpy as np
from sklearn.model_selection import ShuffleSplit

from .. import _kernels
from .._base.threads import effective_threads
from ..feature_extraction import DictFeatures
from ..objectives import MISSING, ChainObjective
from ._constraints import allowed_transitions, check_possible
from ._tokens import encode, flat_labels, has_label, kind_of, read_tokens, sequence_means


class ChainProblem:
    """What `fit`, `partial_fit` and `C_path` of a :class:`~skopt_solvers.LinearChainCRF` make of their arguments."""

    def _tokens(self, X, lengths=None, sequence_ids=None, reset=False):
        options = dict(sequences_only=self.input == "sequences", lengths=lengths, sequence_ids=sequence_ids)
        vectorizer = None
        if kind_of(X, options["sequences_only"]) == "items":
            vectorizer = DictFeatures() if reset else getattr(self, "vectorizer_", None)
            if vectorizer is None:
                raise ValueError("X is made of dicts or strings, but this model was fitted on matrices")
        tokens = read_tokens(self, X, reset=reset, vectorizer=vectorizer, **options)
        if reset:
            self.__dict__.pop("vectorizer_", None)
            if vectorizer is not None:
                self.vectorizer_ = vectorizer
        elif tokens.flat and not tokens.structured and self._structured:
            warnings.warn(
                "This model was fitted on sequences, and X has tokens without lengths or sequence_ids: each is taken "
                "as a sequence of one",
                UserWarning,
                stacklevel=3,
            )
        return tokens

    def _weighted(self, tokens, labels, weights, classes, positive, **counts):
        """Label indices, and the weights of the sequences with the class weights (of `counts`) in them."""
        strict = np.repeat(positive, tokens.lengths)
        codes = encode(labels, classes, tokens.offsets, "y", strict)
        weights = self._with_class_weight(np.where(strict, weights, 0.0), codes, classes, **counts)
        return codes, sequence_means(weights, tokens.offsets)

    def _model(self, classes):
        """What an objective is told besides its data and the penalty."""
        return dict(
            n_labels=len(classes),
            fit_boundaries=self.fit_boundaries,
            allowed=allowed_transitions(self.constraints, classes),
            n_threads=effective_threads(self.n_jobs),
        )

    def _observed(self, tokens, codes, weights, classes, allowed, X):
        """The labels that are seen, MISSING elsewhere, and the transitions and pairs that have a weight."""
        K = len(classes)
        used = np.repeat(weights > 0, tokens.lengths)
        seen = np.where(used, codes, MISSING).astype(np.int32)
        within = np.ones(len(codes), dtype=bool)
        within[tokens.offsets[:-1][tokens.lengths > 0]] = False
        check_possible(seen, within, tokens.offsets, allowed, classes)
        steps = within[1:] & (seen[1:] >= 0) & (seen[:-1] >= 0)
        transitions = np.arange(K * K, dtype=np.int32)
        if self.transitions == "observed":
            transitions = np.unique(seen[:-1][steps] * np.int32(K) + seen[1:][steps])
        pairs = _kernels.observed_pairs(X, seen, K) if self.state_features == "observed" else None
        return seen, dict(transitions=transitions, pairs=pairs)

    def _objective(self, tokens, codes, weights, classes, X=None, C=None, total=None):
        model, X, C = self._model(classes), tokens.X if X is None else X, self.C if C is None else C
        seen, observed = self._observed(tokens, codes, weights, classes, model["allowed"], X)
        options = dict(model, **observed, C=C, l1_ratio=self.l1_ratio, total=total)
        return ChainObjective(X, tokens.offsets, seen, weights, **options)

    def _validation(self, X_val, y_val, classes):
        """Validation sequences, their label indices, and weights that are 0 where there is no label."""
        held = self._tokens(X_val)
        if held.flat and self._structured:
            raise ValueError("X_val of a model of sequences must be a list of sequences or CSRSequences, got tokens")
        y_val = flat_labels(y_val, held, "y_val")
        known = encode(y_val, classes, held.offsets, "y_val", np.zeros(len(y_val), bool))
        return held, known, has_label(y_val).astype(float)

    def _hold_out(self, tokens, codes, weights, rng):
        """The weights without those of a part of the sequences, and that part."""
        candidates = np.flatnonzero(weights > 0)
        splitter = ShuffleSplit(1, test_size=self.validation_fraction, random_state=rng)
        try:
            chosen = candidates[next(splitter.split(candidates))[1]]
        except ValueError as error:
            raise ValueError(
                f"early_stopping cannot hold out validation_fraction={self.validation_fraction}: {error}"
            ) from error
        held = np.zeros(len(weights))
        held[chosen] = weights[chosen]
        kept = weights.copy()
        kept[chosen] = 0
        return kept, (tokens, codes, np.repeat(held, tokens.lengths) * (codes != MISSING))
