"""The way from sequences, labels and weights to the objective of a CRF: of fits, streams, paths and dask."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.model_selection import ShuffleSplit

from .. import _kernels
from .._base.threads import effective_threads
from .._estimator.class_weight import class_weighted, mass_of
from .._estimator.problem import Problem
from ..objectives import MISSING, ChainObjective
from ..objectives._conditions import Conditions
from ..sequence import CSRSequences
from ._conditioned import Conditioned, chosen_columns
from ._constraints import allowed_transitions, check_paths, check_possible
from ._prediction import Decoder
from ._tokens import (
    Tokens,
    classes_of,
    encode,
    flat_labels,
    has_label,
    positive_sequences,
    sequence_means,
    token_weights,
)


@dataclass(frozen=True)
class ChainModel:
    """A linear-chain CRF as a value: all that its problem is told of the estimator, by the names of its parameters."""

    C: float
    l1_ratio: float
    class_weight: Any
    state_features: str
    fit_boundaries: bool
    transitions: str
    constraints: Any
    n_jobs: int | None
    transition_features: Any = None

    def options(self, classes):
        """Return what an objective is told besides its data, what of them is observed, and the penalty."""
        return dict(
            n_labels=len(classes),
            fit_boundaries=self.fit_boundaries,
            allowed=allowed_transitions(self.constraints, classes),
            n_threads=effective_threads(self.n_jobs),
        )

    def attributes(self, W, objective):
        """Return the fitted attributes of a table W."""
        state, transitions, start, end = objective.split(W)
        coef = objective.coef(state)
        if sp.issparse(coef) and objective.l1:
            coef = coef.copy()  # the zeros are taken out in place, of what is the objective's
            coef.eliminate_zeros()
        ends = {"start_coef_": start.copy(), "end_coef_": end.copy()}
        conditioned = Conditioned.at(W, objective).attributes()
        return {"coef_": coef, "transition_coef_": transitions.copy(), **ends, **conditioned}

    def table(self, fitted, objective):
        """Return an estimator's fitted attributes as a table of `objective`, whose pairs may be others."""
        coef = fitted.coef_
        if objective.pairs is None:
            state = (coef.toarray() if sp.issparse(coef) else coef).T
        else:
            first, label = objective.pairs
            feature = np.repeat(np.arange(len(first) - 1), np.diff(first))
            state = np.asarray(coef[label, feature]).ravel()
        parts = state, fitted.transition_coef_, fitted.start_coef_, fitted.end_coef_
        if objective.conditions is None:
            return objective.join(*parts)
        conditioned = Conditioned.of(fitted)
        if conditioned is None:  # fitted without features of transitions
            return objective.join(*parts, np.zeros(len(objective.conditions.pair), coef.dtype))
        return objective.join(*parts, conditioned.weights_of(objective.conditions))


@dataclass
class ChainData:
    """Sequences, labels and weights, read once.

    Attributes
    ----------
    model : ChainModel
    tokens : Tokens
    labels : ndarray or list, of all tokens
    weights : ndarray of shape (n_tokens,), before class weights
    """

    model: ChainModel
    tokens: Tokens
    labels: Any
    weights: np.ndarray
    min_classes: ClassVar[int] = 1

    @classmethod
    def of(cls, model, tokens, y, sample_weight):
        """Return the data of tokens, with the labels and weights that `fit` is given."""
        return cls(model, tokens, flat_labels(y, tokens), token_weights(sample_weight, tokens))

    @property
    def n_samples(self):
        return self.tokens.n_sequences

    def _weighted(self, counts, part=False):
        """The weights of the tokens, and which of them are in a sequence that has any."""
        lengths = self.tokens.lengths
        weights = self.weights if counts is None else self.weights * np.repeat(counts, lengths)
        return weights, np.repeat(positive_sequences(weights, self.tokens, part), lengths)

    def classes(self, counts=None):
        """Return the labels of the sequences of positive weight, each taken once, or `counts` times."""
        return self._classes(self._weighted(counts)[1])

    def _classes(self, positive):
        return classes_of(self.labels, None if positive.all() else positive, self.tokens.offsets)

    def problem(self, classes=None, *, counts=None, seen=None, mass=None):
        """Return the problem of these sequences, each taken once, or `counts` times.

        Parameters
        ----------
        classes : ndarray, optional
            The labels of positive weight by default.
        counts : ndarray of shape (n_sequences,), optional
        seen : ndarray of shape (n_classes,), optional
            The weight of each class before these sequences, of a stream.
        mass : ndarray of shape (n_classes,), optional
            The weight of each class in all sequences, where these are a part.
        """
        part = mass is not None
        weights, positive = self._weighted(counts, part)
        if classes is None:
            classes = self._classes(positive)
            if not len(classes):
                raise ValueError("y must have a label that is not missing, got none")
        codes = encode(self.labels, classes, self.tokens.offsets, "y", positive)
        weights = np.where(positive, weights, 0.0)
        if not part:
            mass = mass_of(classes, codes, weights, seen)
        weights = class_weighted(self.model.class_weight, classes, codes, weights, mass, part)
        weights = sequence_means(weights, self.tokens.offsets)
        X = self.tokens.X
        return ChainProblem(self.model, classes, mass, X, tokens=self.tokens, codes=codes, weights=weights)


@dataclass
class ChainProblem(Problem):
    """Sequences, their labels as indices of classes, and their weights with the class weights in them.

    Attributes
    ----------
    tokens : Tokens
        Of which `X` may be another form.
    codes : ndarray of shape (n_tokens,), int32
    weights : ndarray of shape (n_sequences,)
    """

    tokens: Tokens = None
    codes: np.ndarray = None
    weights: np.ndarray = None

    @cached_property
    def options(self):
        """Those of the model, for these classes."""
        return self.model.options(self.classes)

    @cached_property
    def observed(self):
        """The labels that are seen, MISSING elsewhere, and the transitions, pairs and triples that have a weight."""
        K, offsets, lengths = len(self.classes), self.tokens.offsets, self.tokens.lengths
        used = np.repeat(self.weights > 0, lengths)
        seen = np.where(used, self.codes, MISSING).astype(np.int32)
        within = np.ones(len(seen), dtype=bool)
        within[offsets[:-1][lengths > 0]] = False
        check_possible(seen, within, offsets, self.options["allowed"], self.classes)
        check_paths(seen, offsets, self.options["allowed"], np.flatnonzero(self.weights > 0))
        steps = within[1:] & (seen[1:] >= 0) & (seen[:-1] >= 0)
        transitions = np.arange(K * K, dtype=np.int32)
        if self.model.transitions == "observed":
            transitions = np.unique(seen[:-1][steps] * np.int32(K) + seen[1:][steps])
        n_dense, pairs = 0 if self.tokens.vectors is None else self.tokens.vectors.shape[1], None
        if self.model.state_features == "observed":
            pairs = _kernels.observed_pairs(self.X, seen, K, n_dense)
        return seen, dict(transitions=transitions, pairs=pairs, conditions=self._conditions(seen))

    def _conditions(self, seen):
        """The triples of the features that transitions depend on, None where they depend on none."""
        columns, K = chosen_columns(self.model.transition_features, self.tokens), len(self.classes)
        if columns is None:
            return None
        X = self.tokens.X
        if self.model.transitions == "observed":
            conditions = Conditions.observed(columns, X, seen, self.tokens.offsets, K)
        else:
            conditions = Conditions.all_pairs(columns, X.shape[1], K)
        return conditions if self.columns is None else conditions.on_columns(self.columns)

    def resumes(self, state, fitted):
        """Tell whether the transitions of a fitted model depend on the features that these do."""
        conditions, kept = self.observed[1]["conditions"], Conditioned.of(fitted)
        if conditions is None or kept is None:
            return conditions is None and kept is None
        return conditions.complete != sp.issparse(kept.coef) and np.array_equal(conditions.columns, kept.columns)

    def objective(self, **penalty):
        """Return the objective; `penalty` may have `C`, in the place of the model's, and `total`."""
        seen, observed = self.observed
        penalty = {"C": self.model.C, "l1_ratio": self.model.l1_ratio, **penalty}
        given = {**self.options, **observed, **penalty, "vectors": self.tokens.vectors}
        return ChainObjective(self.X, self.tokens.offsets, seen, self.weights, **given)

    @property
    def features(self):
        return [self.X] if self.tokens.vectors is None else [self.X, self.tokens.vectors]

    def on_columns(self, find):
        """Return the same problem over the columns and the X that ``find(X)`` gives; all tokens have their vectors."""
        problem = super().on_columns(find)
        if problem.columns is None or self.tokens.vectors is None:
            return problem
        dense = np.arange(self.X.shape[1], self.tokens.n_features)
        return replace(problem, columns=np.append(problem.columns, dense))

    @property
    def label_arrays(self):
        return [self.codes, self.tokens.lengths]

    @property
    def amount(self):
        lengths = self.tokens.lengths
        return float(self.weights @ lengths), np.count_nonzero(self.weights * lengths)

    def hold_out(self, fraction, rng):
        """Return the problem without a part of the sequences, and these as :class:`HeldSequences`."""
        candidates = np.flatnonzero(self.weights > 0)
        splitter = ShuffleSplit(1, test_size=fraction, random_state=rng)
        try:
            chosen = candidates[next(splitter.split(candidates))[1]]
        except ValueError as error:
            raise ValueError(f"early_stopping cannot hold out validation_fraction={fraction}: {error}") from error
        held, kept = np.zeros(len(self.weights)), self.weights.copy()
        held[chosen], kept[chosen] = self.weights[chosen], 0
        weights = np.repeat(held, self.tokens.lengths) * (self.codes != MISSING)
        labels = np.append(self.classes, None)[np.where(self.codes == MISSING, -1, self.codes)]
        return replace(self, weights=kept), HeldSequences(self.tokens, self.codes, weights, labels, chosen)


@dataclass
class HeldSequences:
    """Sequences that score a fit while it goes on, with weights of tokens that are 0 where there is no label."""

    tokens: Tokens
    codes: np.ndarray
    weights: np.ndarray
    labels: Any
    sequences: np.ndarray

    def __post_init__(self):
        if not self.weights.any():
            raise ValueError("the validation sequences must have a token with a label and a positive weight, got none")

    @classmethod
    def of(cls, tokens, y_val, classes):
        """Return what validates a fit of these classes; other labels are never right."""
        labels = flat_labels(y_val, tokens, "y_val")
        codes = encode(labels, classes, tokens.offsets, "y_val", np.zeros(len(labels), bool))
        return cls(tokens, codes, has_label(labels).astype(float), labels, np.arange(tokens.n_sequences))

    def samples(self):
        """Return sequences, their labels and no weights, for a scorer."""
        ends = zip(self.tokens.offsets[self.sequences], self.tokens.offsets[self.sequences + 1], strict=True)
        labels = [list(self.labels[begin:end]) for begin, end in ends]
        missing = next((s for s, given in enumerate(labels) if any(label is None for label in given)), None)
        if missing is not None:
            raise ValueError(
                f"scoring needs a label for each token of the validation sequences, got None in sequence "
                f"{self.sequences[missing]} (counted from 0)"
            )
        tokens = self.tokens
        return CSRSequences(tokens.X, tokens.lengths, vectors=tokens.vectors)[self.sequences], labels, None

    def accuracy(self, objective, W):
        """Return the token accuracy of a table W of an objective."""
        state, *rest = objective.split(W)
        conditioned = objective.conditions, objective.triple_weights(W)
        decoder = Decoder(objective.coef(state), *rest, objective.allowed, objective.n_threads, *conditioned)
        path = np.empty(len(self.codes), np.int32)
        decoder.native(self.tokens).viterbi(path)
        return float(np.average(path == self.codes, weights=self.weights))
