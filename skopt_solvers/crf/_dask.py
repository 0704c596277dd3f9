"""The CRF on a dask bag: partitions of sequences, from what they are given as to the parts of an objective."""

import copy
from dataclasses import dataclass
from functools import partial
from itertools import chain

import dask
import dask.bag as db
import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_consistent_length

from .._base.csr import with_dtype
from .._estimator.dask_blocks import hold
from .._estimator.dask_fit import Facts, agreed, block, fit_collection, masses, portable, sum_of
from ..objectives import MISSING, ChainObjective
from ..objectives._summed import Part, bytes_of
from ..sequence import CSRSequences
from ._prediction import TokenAccuracy
from ._tokens import Tokens, classes_of, encode, flat_labels, kind_of, positive_sequences, token_weights


def fit_sequences(estimator, X, y, sample_weight, X_val, y_val):
    """Fit a CRF on a dask bag of sequences."""
    return fit_collection(estimator, X, y, sample_weight, X_val, y_val, _read, _score_of)


def _score_of(estimator, X_val, y_val, classes, objective):
    return TokenAccuracy(objective, *estimator._validation(X_val, y_val, classes))


def _read(estimator, X, y, sample_weight):
    Xs = partitions(X, "X")
    ys = partitions(y, "y", len(Xs))
    ws = [None] * len(Xs) if sample_weight is None else partitions(sample_weight, "sample_weight", len(Xs))
    sent = portable(estimator)
    read = dask.delayed(_sequences, pure=False)
    with hold([read(i, *given, sent) for i, given in enumerate(zip(Xs, ys, ws, strict=True))]) as sequences:
        facts = sequences.gather(_facts)
        n_features, dtype = agreed(facts)
        classes = classes_of(list(chain.from_iterable(fact.labels for fact in facts if fact is not None)))
        if not len(classes):
            raise ValueError("y must have a label that is not missing and has a positive weight, got none")
        mass = masses(facts, classes)
        coded = sequences.map(_coded, sent, classes, mass, dtype)
        with coded, coded.map(_seen, len(classes)) as seen:
            merged = seen.merged(_union)
            observed = seen.fetch(merged)
            parts = coded.map(_part, sent, classes, merged)

            def like(weight):
                token = sp.csr_matrix((1, n_features), dtype=dtype)
                arrays = token, np.array([0, 1]), np.zeros(1, np.int32), np.array([weight])
                model = dict(
                    estimator._model(classes), **_weighted_pairs(observed, n_features, len(classes), estimator)
                )
                return ChainObjective(*arrays, C=estimator.C, l1_ratio=estimator.l1_ratio, **model)

            objective = sum_of(parts, like)
    for name in ("feature_names_in_", "vectorizer_"):
        vars(estimator).pop(name, None)
    estimator.n_features_in_, estimator._structured = n_features, True
    return objective, classes, mass


def partitions(bag, name, count=None):
    """The partitions of a dask bag, delayed."""
    if not isinstance(bag, db.Bag):
        raise ValueError(
            f"{name} must be a dask bag, with sequences in its partitions, got {type(bag).__module__}."
            f"{type(bag).__qualname__}"
        )
    if count is not None and bag.npartitions != count:
        raise ValueError(f"{name} has {bag.npartitions} partitions and X has {count}: their sequences must agree")
    return bag.to_delayed()


def predict_on_partitions(estimator, method, X):
    """Return what a method gives for a dask bag of sequences, as a bag of the same partitions."""
    partitions(X, "X")
    return X.map_partitions(partial(_predicted, portable(estimator), method))


def _predicted(estimator, method, X):
    X = listed(X)
    return list(getattr(estimator, method)(X)) if len(X) else []


# Tasks


@dataclass
class _Sequences:
    """A partition: its tokens, their labels and weights."""

    number: int
    tokens: Tokens
    labels: list
    weights: np.ndarray

    def __sizeof__(self):
        return bytes_of(self.tokens.X) + self.weights.nbytes


@dataclass
class _Coded:
    """A partition whose labels are codes, with what of them is seen: transitions and pairs."""

    number: int
    X: sp.csr_matrix
    offsets: np.ndarray
    seen: np.ndarray
    weights: np.ndarray
    observed: dict

    def __sizeof__(self):
        return bytes_of(self.X) + self.offsets.nbytes + self.seen.nbytes + self.weights.nbytes


def listed(partition):
    """A partition as the estimator takes sequences."""
    return partition if isinstance(partition, CSRSequences) else list(partition)


def n_tokens(sequences):
    """The tokens of all sequences."""
    if isinstance(sequences, CSRSequences):
        return sequences.matrix.shape[0]
    return sum(s.shape[0] if hasattr(s, "shape") else len(s) for s in sequences)


def _sequences(number, X, y, sample_weight, estimator):
    """A partition, checked as one process checks X; None where it has no tokens."""
    with block(number):
        X, y = listed(X), list(y)
        if not n_tokens(X):
            check_consistent_length(X, y)
            return None
        if kind_of(X, sequences_only=True) == "items":
            raise ValueError(
                "X has dicts or strings in its partitions, and their columns must be known beforehand: fit a "
                "skopt_solvers.feature_extraction.DictFeatures, on some of them perhaps, and give "
                "X.map_partitions(features.transform)"
            )
        estimator = copy.copy(estimator)
        estimator.input = "sequences"
        tokens = estimator._tokens(X, reset=True)
        weights = sample_weight if sample_weight is None else list(sample_weight)
        return _Sequences(number, tokens, flat_labels(y, tokens), token_weights(weights, tokens))


def _facts(block):
    if block is None:
        return None
    tokens = block.tokens
    strict = np.repeat(positive_sequences(block.weights, tokens, part=True), tokens.lengths)
    labels = classes_of(block.labels, strict)
    codes = encode(block.labels, labels, tokens.offsets, "y", strict)
    labelled = strict & (codes != MISSING)
    mass = np.bincount(codes[labelled], block.weights[labelled], minlength=len(labels))
    return Facts(block.number, tokens.X.shape[1], tokens.X.dtype, labels, mass)


def _coded(sequences, estimator, classes, mass, dtype):
    """The same in codes; None where nothing has weight."""
    if sequences is None:
        return None
    with block(sequences.number):
        tokens = sequences.tokens
        positive = positive_sequences(sequences.weights, tokens, part=True)
        codes, weights = estimator._weighted(tokens, sequences.labels, sequences.weights, classes, positive, mass=mass)
        if not weights.any():
            return None
        allowed = estimator._model(classes)["allowed"]
        seen, observed = estimator._observed(tokens, codes, weights, classes, allowed, tokens.X)
        return _Coded(sequences.number, with_dtype(tokens.X, dtype), tokens.offsets, seen, weights, observed)


def _seen(coded, n_labels):
    """The transitions and the pairs, ``n_labels * feature + label``, that occur; empty where there are none."""
    if coded is None:
        return np.empty(0, np.int32), np.empty(0, np.int64)
    transitions, pairs = coded.observed["transitions"], coded.observed["pairs"]
    if pairs is None:
        return transitions, np.empty(0, np.int64)
    first, label = pairs
    return transitions, n_labels * np.repeat(np.arange(len(first) - 1), np.diff(first)) + label


def _union(seen):
    return tuple(np.unique(np.concatenate(values)) for values in zip(*seen, strict=True))


def _weighted_pairs(observed, n_features, n_labels, estimator):
    """`transitions` and `pairs` of the objective, those that all partitions have together."""
    transitions, pairs = observed
    if estimator.state_features == "all":
        return dict(transitions=transitions, pairs=None)
    first = np.searchsorted(pairs, n_labels * np.arange(n_features + 1)).astype(np.int64)
    return dict(transitions=transitions, pairs=(first, (pairs % n_labels).astype(np.int32)))


def _part(coded, estimator, classes, observed):
    """The part of an objective."""
    if coded is None:
        return None
    model = dict(estimator._model(classes), **_weighted_pairs(observed, coded.X.shape[1], len(classes), estimator))
    return Part(ChainObjective, coded.X, coded.offsets, coded.seen, coded.weights, **model)
