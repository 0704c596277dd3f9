"""What the tests of chains compare with: their formula by the enumeration of all label paths, and random problems."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from skopt_solvers.crf._prediction import Decoder
from skopt_solvers.crf._tokens import Tokens
from skopt_solvers.objectives import MISSING, ChainObjective
from skopt_solvers.objectives._conditions import Conditions

from .label_paths import Enumeration

COEFFICIENTS = ("coef_", "transition_coef_", "start_coef_", "end_coef_", "transition_feature_coef_")
LENGTHS = [3, 0, 1, 4, 2, 1, 3]
FORMS = {
    "all": {},
    "no boundaries": dict(fit_boundaries=False),
    "observed": dict(observed=True),
    "observed, some transitions": dict(observed=True, some_transitions=True, fit_boundaries=False),
    "some transitions": dict(some_transitions=True),
    "missing": dict(missing=True),
    "missing, observed": dict(missing=True, observed=True, some_transitions=True),
    "constrained": dict(constrained=True),
    "constrained, missing": dict(constrained=True, missing=True, observed=True),
    "vectors": dict(n_dense=2),
    "vectors alone": dict(n_dense=4, some_transitions=True, fit_boundaries=False),
    "vectors, observed": dict(n_dense=1, observed=True, some_transitions=True),
    "vectors, constrained, missing": dict(n_dense=3, constrained=True, missing=True),
    "conditions": dict(conditions="all"),
    "conditions, some triples": dict(conditions="some", n_dense=1),
    "conditions, observed": dict(conditions="some", observed=True, some_transitions=True, fit_boundaries=False),
    "conditions, constrained, missing": dict(conditions="all", constrained=True, missing=True),
    "conditions, extreme": dict(conditions="some", scale=1000.0, missing=True),
    "extreme": dict(scale=1000.0),
    "extreme, constrained, missing": dict(scale=1000.0, missing=True, constrained=True),
}
DTYPES = [np.float32, np.float64]


@dataclass
class ChainProblem:
    """Sequences with labels and weights, and what a ChainObjective may be told about them."""

    X: sp.csr_matrix
    lengths: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    n_labels: int
    C: float = 2.0
    l1_ratio: float = 0.0
    fit_boundaries: bool = True
    transitions: np.ndarray = None
    allowed: np.ndarray = None
    pairs: tuple = None
    scale: float = 1.0
    n_dense: int = 0  # the last columns of X, which kernels get as an array
    conditions: Conditions = None

    def __post_init__(self):
        K = self.n_labels
        self.offsets = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)
        self.transitions = np.arange(K * K, dtype=np.int32) if self.transitions is None else self.transitions
        self.allowed = np.ones((K + 2, K), bool) if self.allowed is None else self.allowed

    def with_(self, **changes):
        return replace(self, **changes)

    def objective(self, dtype=np.float64, index=np.int32, n_threads=1):
        """The compiled objective."""
        X, vectors = self.blocks(dtype)
        X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
        return ChainObjective(
            X, self.offsets, self.labels, self.weights, n_labels=self.n_labels, C=self.C, l1_ratio=self.l1_ratio,
            fit_boundaries=self.fit_boundaries, transitions=self.transitions, allowed=self.allowed, pairs=self.pairs,
            n_threads=n_threads, vectors=vectors, conditions=self.conditions,
        )  # fmt: skip

    def blocks(self, dtype):
        """X as the kernels take it: CSR, and an array or None."""
        n_sparse = self.X.shape[1] - self.n_dense
        X = sp.csr_matrix(self.X.astype(dtype))
        return X[:, :n_sparse], X[:, n_sparse:].toarray() if self.n_dense else None

    def table(self, seed=0):
        """Random weights, a part of them 0, as multiples of a power of two: sums of products with X are exact."""
        rng, shape = np.random.RandomState(seed), self.objective().shape
        W = np.round(16 * rng.randn(*shape)) / 16 * (rng.rand(*shape) < 0.8)
        if self.triple_size:
            W.ravel()[W.size - self.triple_size + len(self.conditions.pair) :] = 0  # what fills the last row
        return self.scale * W

    def parts(self, W):
        """State weights (n_features, n_labels), transitions, start and end; a weight that is not there is 0."""
        K, d = self.n_labels, self.X.shape[1]
        values = np.asarray(W, dtype=np.float64).ravel()
        state, transitions, ends = np.zeros((d, K)), np.zeros(K * K), np.zeros((2, K))
        if self.pairs is None:
            state, transitions, values = (
                values[: d * K].reshape(d, K),
                values[d * K :][: K * K],
                values[d * K + K * K :],
            )
        else:
            first, label = self.pairs
            state[np.repeat(np.arange(d), np.diff(first)), label] = values[: len(label)]
            values = values[len(label) :]
            transitions[self.transitions] = values[: len(self.transitions)]
            values = values[len(self.transitions) :]
        if self.fit_boundaries:
            ends = values[len(values) - self.triple_size - 2 * K :][: 2 * K].reshape(2, K)
        used = np.isin(np.arange(K * K), self.transitions)
        return state, np.where(used, transitions, 0.0).reshape(K, K), *ends

    @property
    def triple_size(self):
        """Entries of the table that are those of triples, and what fills the last row."""
        n = 0 if self.conditions is None else len(self.conditions.pair)
        return n if self.pairs is not None else -(-n // self.n_labels) * self.n_labels

    def triples(self, W):
        """The weights of triples as an array (features, from, to); one that is not there is 0."""
        K, chosen = self.n_labels, self.conditions
        B = np.zeros((self.X.shape[1], K * K))
        values = np.asarray(W, dtype=np.float64).ravel()
        values = values[len(values) - self.triple_size :][: len(chosen.pair)]
        B[np.repeat(chosen.columns, np.diff(chosen.first)), chosen.pair] = values
        return B

    def steps(self, W):
        """The scores of transitions, or of those that end at each token."""
        T, K = self.parts(W)[1], self.n_labels
        return T if self.conditions is None else T + (self.X @ self.triples(W)).reshape(-1, K, K)

    def enumerations(self, W, known=None):
        """The Enumeration of each sequence that has tokens, by number."""
        state, _, *ends = self.parts(W)
        Z, steps = self.X @ state, self.steps(W)
        part = {s: slice(*self.offsets[s : s + 2]) for s in np.flatnonzero(self.lengths)}
        return {
            s: Enumeration(
                Z[tokens],
                steps if steps.ndim == 2 else steps[tokens],
                *ends,
                self.allowed,
                None if known is None else known[tokens],
            )
            for s, tokens in part.items()
        }

    def losses(self, W):
        """The negative log-likelihood of each sequence."""
        losses = np.zeros(len(self.lengths))
        for s, paths in self.enumerations(W).items():
            losses[s] = -paths.log_likelihood(self.labels[self.offsets[s] : self.offsets[s + 1]])
        return losses

    def value(self, W, smooth_part=False):
        """``C sum w nll + (1 - l1_ratio)/2 |W|^2 + l1_ratio |W|_1``; for an infinite C the sum of the losses alone."""
        W = np.asarray(W, dtype=np.float64)
        loss = float(self.weights @ self.losses(W))
        if not np.isfinite(self.C):
            return loss
        penalty = (1 - self.l1_ratio) / 2 * (W**2).sum()
        return self.C * loss + penalty + (0.0 if smooth_part else self.l1_ratio * np.abs(W).sum())

    def gradient(self, W):
        """The gradient of `value` without L1, from the enumerated marginals, as the table W."""
        K, d = self.n_labels, self.X.shape[1]
        state, pairs, ends = np.zeros((d, K)), np.zeros((len(self.labels), K, K)), np.zeros((2, K))
        known = self.enumerations(W, self.labels)
        for s, paths in self.enumerations(W).items():
            rows = self.X[self.offsets[s] : self.offsets[s + 1]]
            for sign, of in ((1, paths), (-1, known[s])):
                P = sign * self.weights[s] * of.marginals()
                state += rows.T @ P
                ends += P[[0, -1]]
                pairs[self.offsets[s] : self.offsets[s + 1]] += sign * self.weights[s] * of.pair_marginals()
        penalised, C = np.isfinite(self.C), self.C if np.isfinite(self.C) else 1.0
        gradient = C * self.join(state, pairs, ends)
        return gradient + (1 - self.l1_ratio) * np.asarray(W, dtype=np.float64) if penalised else gradient

    def join(self, state, pairs, ends):
        """Parts as a table; pairs are those at each token."""
        triples = np.zeros(self.triple_size)
        if self.conditions is not None:
            chosen = self.conditions
            of_feature = (self.X.T @ pairs.reshape(len(pairs), -1))[np.repeat(chosen.columns, np.diff(chosen.first))]
            triples[: len(chosen.pair)] = of_feature[np.arange(len(chosen.pair)), chosen.pair]
        pairs = pairs.sum(axis=0)
        pairs = np.where(np.isin(np.arange(pairs.size), self.transitions), pairs.ravel(), 0.0)
        if self.pairs is None:
            parts = [state.ravel(), pairs]
        else:
            first, label = self.pairs
            parts = [state[np.repeat(np.arange(len(state)), np.diff(first)), label], pairs[self.transitions]]
        parts += [ends.ravel() if self.fit_boundaries else [], triples]
        return np.concatenate(parts).reshape(self.objective().shape)

    def tokens(self, dtype=np.float64):
        X, vectors = self.blocks(dtype)
        return Tokens(X, self.offsets, False, True, vectors)

    def decoder(self, W, dtype=np.float64, known=None, n_threads=1):
        """The compiled decoder of the sequences at the weights W."""
        state, *rest = (part.astype(dtype) for part in self.parts(W))
        coef = state.T
        if self.pairs is not None:
            first, label = self.pairs
            feature = np.repeat(np.arange(len(state)), np.diff(first))
            coef = sp.csc_matrix((state[feature, label], label, first), shape=coef.shape)
        conditioned = ()
        if self.conditions is not None:
            chosen = self.conditions
            weights = self.triples(W)[np.repeat(chosen.columns, np.diff(chosen.first)), chosen.pair]
            conditioned = chosen, weights
        return Decoder(coef, *rest, self.allowed, n_threads, *conditioned).native(self.tokens(dtype), known)


def random_problem(
    lengths, n_labels, seed=0, *, n_features=4, observed=False, some_transitions=False, missing=False,
    constrained=False, conditions=None, **options,
):  # fmt: skip
    """A random ChainProblem whose labels are possible.

    `observed` gives weights to a part of the (feature, label) pairs only, `some_transitions` to a part of the
    transitions; `missing` takes labels away, and `constrained` forbids transitions, beginnings and ends. With
    `conditions` transitions depend on some of the features, and "all" or "some" of the triples have a weight.
    """
    rng, K, lengths = np.random.RandomState(seed), n_labels, np.asarray(lengths, dtype=np.int64)
    n = int(lengths.sum())
    X = np.round(4 * rng.randn(n, n_features)) / 4 * (rng.rand(n, n_features) < 0.6)
    allowed = options["allowed"] = np.ones((K + 2, K), bool)
    if constrained:
        # one label may always be kept, so that every sequence has a path
        allowed[:] = rng.rand(K + 2, K) < 0.6
        keep = rng.randint(K)
        allowed[[keep, K, K + 1], keep] = True
    labels, at = np.empty(n, np.int32), 0
    for length in lengths:
        of_sequence = Enumeration(np.zeros((length, K)), np.zeros((K, K)), np.zeros(K), np.zeros(K), allowed)
        choices = of_sequence.paths[np.isfinite(of_sequence.scores)]
        labels[at : at + length] = choices[rng.randint(len(choices))]
        at += length
    if missing:
        labels[rng.rand(n) < 0.4] = MISSING
    if some_transitions:
        chosen = rng.choice(K * K, rng.randint(1, K * K + 1), replace=False)
        options["transitions"] = np.sort(chosen).astype(np.int32)
    if observed:
        mask = rng.rand(n_features, K) < 0.6
        mask[0, 0] = True
        mask[n_features - options.get("n_dense", 0) :] = True
        first = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
        options["pairs"] = first, np.nonzero(mask)[1].astype(np.int32)
    if conditions:
        options["conditions"] = _random_conditions(rng, n_features - options.get("n_dense", 0), K, conditions == "all")
    weights = rng.randint(4, size=len(lengths)) / 2
    weights[np.argmax(lengths)] += 1
    return ChainProblem(sp.csr_matrix(X), lengths, labels, weights, K, **options)


def _random_conditions(rng, n_columns, n_labels, complete):
    columns = np.flatnonzero(rng.rand(n_columns) < 0.6) if n_columns else np.empty(0, np.int64)
    if complete:
        return Conditions.all_pairs(columns, n_columns, n_labels)
    mask = rng.rand(len(columns), n_labels**2) < 0.5
    first = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
    return Conditions.of(columns, n_columns, first, np.nonzero(mask)[1].astype(np.int32))


def tagging(n=40, n_labels=3, n_features=12, seed=0, noise=1.0, longest=7):
    """Sequences of words with dense features, and labels drawn from a chain that depends on them.

    Returns
    -------
    X : list of ndarray of shape (n_tokens, n_features)
    y : list of list of str
    """
    rng = np.random.RandomState(seed)
    W, T = 2 * rng.randn(n_features, n_labels), 1.5 * rng.randn(n_labels, n_labels)
    X, y = [], []
    for length in rng.randint(1, longest + 1, size=n):
        x = (rng.rand(length, n_features) < 0.3).astype(float)
        path = []
        for t in range(length):
            scores = x[t] @ W + (T[path[-1]] if path else 0) + noise * rng.gumbel(size=n_labels)
            path.append(int(scores.argmax()))
        X.append(x)
        y.append([f"L{k}" for k in path])
    return X, y


@st.composite
def problems(draw, **fixed):
    """Small problems of every form."""
    lengths = draw(st.lists(st.integers(0, 4), min_size=1, max_size=4).filter(any))
    flags = ("fit_boundaries", "observed", "some_transitions", "missing", "constrained")
    options = {flag: draw(st.booleans()) for flag in flags}
    options["n_features"] = draw(st.integers(1, 4))
    options["n_dense"] = draw(st.integers(0, options["n_features"]))
    options["conditions"] = draw(st.sampled_from([None, "all", "some"]))
    options["scale"] = draw(st.sampled_from([1.0, 1.0, 30.0, 1000.0]))
    return random_problem(lengths, draw(st.integers(1, 4)), draw(st.integers(0, 10**6)), **{**options, **fixed})


def rounding(problem, W, dtype):
    """What the scores of a path may lose, several steps of it."""
    largest = max(np.abs(part).max(initial=0) for part in problem.parts(W))
    return 16 * np.finfo(dtype).eps * max(1.0, 4 * largest)


# Fitted models


def quiet(model, *args, **kwargs):
    """A fit that need not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*args, **kwargs)


def dense(coef):
    return coef.toarray() if sp.issparse(coef) else coef


def weights_of(model):
    """All fitted weights in one array."""
    return np.concatenate([dense(getattr(model, name)).ravel() for name in COEFFICIENTS])


def same_bits(a, b):
    np.testing.assert_array_equal(weights_of(a), weights_of(b))


def enumeration(model, x, allowed=None, known=None):
    """All paths through one sequence under a fitted model."""
    x, steps = np.asarray(x, dtype=np.float64), model.transition_coef_
    if len(getattr(model, "transition_features_", ())):
        B = dense(model.transition_feature_coef_).reshape(-1, steps.size)
        steps = steps + (x[:, model.transition_features_] @ B).reshape(-1, *steps.shape)
    return Enumeration(x @ dense(model.coef_).T, steps, model.start_coef_, model.end_coef_, allowed, known)


def codes(model, labels):
    """Indices of labels; -1 where one is missing."""
    index = {label: k for k, label in enumerate(model.classes_.tolist())} | {None: -1}
    return np.array([index[label] for label in labels], dtype=int)


def objective(model, X, Y, sample_weight=None, allowed=None):
    """The formula of the class, from the enumeration of all paths."""
    weights = np.ones(len(X)) if sample_weight is None else sample_weight
    likelihood = [enumeration(model, x, allowed).log_likelihood(codes(model, y)) for x, y in zip(X, Y, strict=True)]
    W = weights_of(model)
    penalty = (1 - model.l1_ratio) / 2 * (W**2).sum() + model.l1_ratio * np.abs(W).sum()
    return -model.C * (weights @ likelihood) + penalty * np.isfinite(model.C)
