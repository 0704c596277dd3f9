"""The CRF on a dask bag: partitions of sequences, from what they are given as to the parts of an objective."""

import copy
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import dask
import dask.bag as db
import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_consistent_length

from .._base.csr import with_dtype
from .._estimator.dask_blocks import hold
from .._estimator.dask_fit import Facts, SummedProblem, agreed, block, masses, portable, sum_of
from ..objectives import MISSING, ChainObjective
from ..objectives._summed import Part, bytes_of
from ..sequence import CSRSequences
from ._forms import kind_of, sequences_of
from ._problem import ChainData
from ._tokens import Tokens, classes_of, encode, flat_labels, positive_sequences, read_tokens, token_weights


@contextmanager
def problem_of_sequences(estimator, model, X, y, sample_weight):
    """Read a dask bag of sequences: the problem, whose parts are let go at the end of the `with`."""
    if estimator.input == "flat":
        raise ValueError("X must be an array or CSR matrix of tokens with input='flat', got a dask collection")
    Xs = partitions(X, "X")
    ys = partitions(y, "y", len(Xs))
    ws = [None] * len(Xs) if sample_weight is None else partitions(sample_weight, "sample_weight", len(Xs))
    sent = portable(estimator)
    sent.input = "sequences"
    read = dask.delayed(_sequences, pure=False)
    with hold([read(i, *given, sent, model) for i, given in enumerate(zip(Xs, ys, ws, strict=True))]) as sequences:
        facts = sequences.gather(_facts)
        n_features, dtype = agreed(facts)
        classes = classes_of(list(chain.from_iterable(fact.labels for fact in facts if fact is not None)))
        if not len(classes):
            raise ValueError("y must have a label that is not missing and has a positive weight, got none")
        mass = masses(facts, classes)
        token = sp.csr_matrix((1, n_features), dtype=dtype)
        objective = _sum_over(sequences.map(_coded, classes, mass, dtype), model, classes, token)
    for name in ("feature_names_in_", "vectorizer_"):
        vars(estimator).pop(name, None)
    estimator.n_features_in_ = n_features
    with objective.parts:
        yield SummedProblem(model, classes, mass, summed=objective)


def _sum_over(coded, model, classes, like):
    """The objective of coded partitions; `like` is a matrix of one token without features."""
    with coded, coded.map(_seen, len(classes)) as seen:
        merged = seen.merged(_union)
        observed = _observed(seen.fetch(merged), like.shape[1], len(classes), model)
        parts = coded.map(_part, model, classes, merged)

        def of_one(weight):
            arrays = like, np.array([0, 1]), np.zeros(1, np.int32), np.array([weight])
            return ChainObjective(*arrays, C=model.C, l1_ratio=model.l1_ratio, **model.options(classes), **observed)

        return sum_of(parts, of_one)


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
class _Sequences(ChainData):
    """A partition: its tokens, their labels and weights."""

    number: int = 0

    def __sizeof__(self):
        return bytes_of(self.tokens.X) + _bytes_of_vectors(self.tokens) + self.weights.nbytes


@dataclass
class _Coded:
    """A partition whose labels are codes, with what of them is observed: transitions and pairs."""

    tokens: Tokens
    seen: np.ndarray
    weights: np.ndarray
    observed: dict

    def __sizeof__(self):
        tokens = self.tokens
        size = bytes_of(tokens.X) + _bytes_of_vectors(tokens) + tokens.offsets.nbytes
        return size + self.seen.nbytes + self.weights.nbytes


def _bytes_of_vectors(tokens):
    return 0 if tokens.vectors is None else tokens.vectors.nbytes


def listed(partition):
    """A partition as the estimator takes sequences."""
    return partition if isinstance(partition, CSRSequences) else sequences_of(list(partition))


def n_tokens(sequences):
    """The tokens of all sequences."""
    if isinstance(sequences, CSRSequences):
        return sequences.matrix.shape[0]
    return sum(s.shape[0] if hasattr(s, "shape") else len(s) for s in sequences)


def _sequences(number, X, y, sample_weight, estimator, model):
    """A partition, checked as one process checks X; None where it has no tokens."""
    with block(number):
        X, y = listed(X), list(y)
        if not n_tokens(X):
            check_consistent_length(X, y)
            return None
        kind = kind_of(X, "sequences")
        if kind == "items":
            raise ValueError(
                "X has dicts or strings in its partitions, and their columns must be known beforehand: fit a "
                "skopt_solvers.feature_extraction.DictFeatures, on some of them perhaps, and give "
                "X.map_partitions(features.transform)"
            )
        tokens = read_tokens(copy.copy(estimator), X, kind, reset=True)
        weights = sample_weight if sample_weight is None else list(sample_weight)
        return _Sequences(model, tokens, flat_labels(y, tokens), token_weights(weights, tokens), number)


def _facts(block):
    if block is None:
        return None
    tokens = block.tokens
    strict = np.repeat(positive_sequences(block.weights, tokens, part=True), tokens.lengths)
    labels = classes_of(block.labels, strict, tokens.offsets)
    codes = encode(block.labels, labels, tokens.offsets, "y", strict)
    labelled = strict & (codes != MISSING)
    mass = np.bincount(codes[labelled], block.weights[labelled], minlength=len(labels))
    return Facts(block.number, tokens.n_features, tokens.X.dtype, labels, mass)


def _coded(sequences, classes, mass, dtype):
    """The same in codes; None where nothing has weight."""
    if sequences is None:
        return None
    with block(sequences.number):
        problem = sequences.problem(classes, mass=mass)
        if not problem.weights.any():
            return None
        seen, observed = problem.observed
        tokens = replace(sequences.tokens, X=with_dtype(problem.X, dtype))
        return _Coded(tokens, seen, problem.weights, observed)


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


def _part(coded, model, classes, merged):
    """The part of an objective, whose weights are those that all partitions have together."""
    if coded is None:
        return None
    tokens = coded.tokens
    options = {**model.options(classes), **_observed(merged, tokens.n_features, len(classes), model)}
    return Part(ChainObjective, tokens.X, tokens.offsets, coded.seen, coded.weights, vectors=tokens.vectors, **options)


def _observed(merged, n_features, n_labels, model):
    """`transitions` and `pairs` of the objective."""
    transitions, pairs = merged
    if model.state_features == "all":
        return dict(transitions=transitions, pairs=None)
    first = np.searchsorted(pairs, n_labels * np.arange(n_features + 1)).astype(np.int64)
    return dict(transitions=transitions, pairs=(first, (pairs % n_labels).astype(np.int32)))
