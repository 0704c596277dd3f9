"""partial_fit: what a stream of chunks has in common with a fit, what a call costs, and what is kept between calls."""

import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import HashingVectorizer

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression, _kernels
from skopt_solvers.feature_extraction import DictFeatures
from skopt_solvers.linear_model._problem import LinearModel
from skopt_solvers.objectives import LinearObjective
from skopt_solvers.schedules import CosineDecay
from skopt_solvers.solvers import SOLVERS, AdaGrad, Adam, AdamW, Momentum, RMSProp, StochasticSolver
from skopt_solvers.solvers._stochastic_fit import mean_weights

from ..chain_reference import DTYPES, tagging
from ..reference import LOSSES, STOCHASTIC_NAMES, text_like

MODELS = [LogisticRegression, LinearSVC, LinearChainCRF]


class SignedSteps(StochasticSolver):
    """A solver of a user's, in Python only, with arrays that are by row and one that is not."""

    def init(self, W):
        return {"touched": np.zeros(len(W), np.int64), "steps": np.zeros(1, np.int64)}

    def update(self, W, gradient, state, lr):
        rows = gradient.rows
        state["touched"][rows] += 1
        state["steps"] += 1
        step = lr / np.sqrt(state["touched"][rows])[:, None]
        W[rows] = gradient.proximal_step(W[rows], np.sign(gradient.values), step)


EVERY = [
    *(Momentum(), Momentum(nesterov=True), AdaGrad(), RMSProp(centered=True), Adam(amsgrad=True)),
    *(Adam(average=0.0, clip_norm=0.1), AdamW(), SignedSteps()),
]
BATCH, N = 16, 96
X, Y = text_like(n=N, d=60, n_classes=3, seed=4)
# of one length, so that all chunks have as many tokens
SEQUENCES, TAGS = tagging(N, n_features=8, seed=1)
SEQUENCES, TAGS = [np.resize(x, (3, x.shape[1])) for x in SEQUENCES], [np.resize(y, 3).tolist() for y in TAGS]


def data_of(Model):
    return (SEQUENCES, TAGS, ["L0", "L1", "L2"]) if Model is LinearChainCRF else (X, Y, [0, 1, 2])


def chunks_of(X, y, order, size=BATCH):
    for rows in np.split(order, range(size, len(order), size)):
        yield (X[rows] if hasattr(X, "shape") else [X[i] for i in rows]), [y[i] for i in rows]


def weights_of(model):
    names = ("coef_", "intercept_", "transition_coef_", "start_coef_", "end_coef_")
    return np.concatenate([np.ravel(getattr(model, name)) for name in names if hasattr(model, name)])


def order_of_epoch(epoch, samples=N):
    seed = int(np.random.RandomState(0).randint(2**31))
    return _kernels.shuffled(np.arange(samples), (seed << 32) + epoch)


def one_epoch(Model, solver, X, y, **params):
    """A fit of one epoch, and the solver for a stream of its batches; time is in calls, of which an epoch has many."""
    solver = clone(solver).set_params(batch_size=BATCH, learning_rate=0.05)
    whole = Model(solver=clone(solver).set_params(schedule=CosineDecay(2)), max_iter=1, random_state=0, **params)
    return whole.fit(X, y), solver.set_params(schedule=CosineDecay(2 * (N // BATCH)))


@pytest.mark.parametrize("solver", EVERY, ids=str)
@pytest.mark.parametrize("Model", MODELS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_stream_of_the_batches_of_an_epoch_is_that_epoch(solver, Model):
    data, labels, classes = data_of(Model)
    whole, solver = one_epoch(Model, solver, data, labels, C=np.inf)
    stream = Model(C=np.inf, solver=solver, random_state=0)
    for chunk, y in chunks_of(data, labels, order_of_epoch(0)):
        stream = pickle.loads(pickle.dumps(stream.partial_fit(chunk, y, classes=classes)))
    np.testing.assert_allclose(weights_of(stream), weights_of(whole), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", [*EVERY, AdamW(weight_decay=0.01)], ids=str)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_same_with_a_penalty_that_is_told_how_long_the_stream_is(solver):
    """Where each sample has each feature, all counts of a stream rise as its length does."""
    dense = np.random.RandomState(0).rand(N, 9) + 0.1
    whole, solver = one_epoch(LogisticRegression, solver, dense, Y, l1_ratio=0.3, warm_start=True)
    table = mean_weights(whole._resume["state"])  # before the steps that end a fit with L1
    stream = LogisticRegression(l1_ratio=0.3, solver=solver, random_state=0)
    for number, (chunk, y) in enumerate(chunks_of(dense, Y, order_of_epoch(0)), 1):
        stream.set_params(C=N / (BATCH * number)).partial_fit(chunk, y, classes=[0, 1, 2])
    np.testing.assert_allclose(
        weights_of(stream), np.append(table[:-1].T, table[-1] - table[-1].mean()), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("Model", MODELS)
def test_a_chunk_of_several_batches_is_shuffled_within(Model):
    data, labels, classes = data_of(Model)
    solver = Adam(learning_rate=0.05, batch_size=BATCH, schedule="constant")
    large, small = (Model(C=np.inf, solver=solver, random_state=0) for _ in range(2))
    for call, (chunk, y) in enumerate(chunks_of(data, labels, np.arange(N), size=3 * BATCH)):
        large.partial_fit(chunk, y, classes=classes)
        for batch, y_ in chunks_of(chunk, y, order_of_epoch(call, len(y))):
            small.partial_fit(batch, y_, classes=classes)
    np.testing.assert_allclose(weights_of(small), weights_of(large), rtol=1e-9, atol=1e-12)


def test_a_sample_weighs_against_the_mean_of_all_so_far():
    rng = np.random.RandomState(0)
    rows, y, s = rng.rand(20, 4), rng.randint(2, size=20), rng.rand(20) + 0.1
    C, rate, w = 0.7, 0.3, np.zeros(4)
    solver = Momentum(rate, momentum=0.0, schedule="constant")
    model = LogisticRegression(C=C, solver=solver, fit_intercept=False)
    for i in range(20):
        model.partial_fit(rows[[i]], y[[i]], classes=[0, 1], sample_weight=s[[i]])
        gradient = s[i] / s[: i + 1].mean() * (expit(rows[i] @ w) - y[i]) * rows[i]
        w = (w - rate * gradient) / (1 + rate / (C * s[: i + 1].sum()))
    np.testing.assert_allclose(model.coef_[0], w, rtol=1e-10)


@pytest.mark.parametrize("dtype", DTYPES)
def test_shares_of_the_penalty_are_by_counts_so_far(dtype, kernels):
    sparse = X[:40].astype(dtype)
    model = dict(n_outputs=3, loss=LOSSES["softmax"], C=1.0, l1_ratio=0.5, fit_intercept=True)
    objective = LinearObjective(sparse, np.zeros(40, np.int32), np.r_[np.ones(30), np.zeros(10)], **model)
    counts = np.bincount(sparse[:30].indices, minlength=60)
    np.testing.assert_array_equal(objective.counts(), [*counts, 30])
    before = np.random.RandomState(1).randint(5, size=61)
    objective.count_as(objective.counts() + before, 100)
    batch = np.arange(8)
    gradient = objective.gradient(np.zeros(objective.shape, dtype), batch)
    touches = np.bincount(sparse[batch].indices, minlength=61)[gradient.rows]
    expected = 100 / 8 * touches / (objective.counts() + before)[gradient.rows]
    np.testing.assert_allclose(gradient.share[:, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_shares_of_a_chain_are_by_counts_so_far(dtype, kernels):
    """Half of the sequences and all of them, counted as a stream, have the shares of all."""
    sequences, _ = tagging(40, n_features=8, seed=1)
    sequences = [x.astype(dtype) for x in sequences]
    model = LinearChainCRF()

    def objective(n):
        y = [["L0"] * x.shape[0] for x in sequences[:n]]
        return model.__skopt_data__(sequences[:n], y).problem(np.array(["L0", "L1", "L2"])).objective()

    whole, part = objective(40), objective(20)
    part.count_as(whole.counts(), 40)
    batch, W = np.arange(5), np.zeros(whole.shape, dtype)
    expected, got = whole.gradient(W, batch), part.gradient(W, batch)
    np.testing.assert_array_equal(got.rows, expected.rows)
    np.testing.assert_allclose(got.share, expected.share, rtol=1e-5)


# Class weights


@pytest.mark.parametrize("Model", MODELS)
def test_balanced_goes_by_the_weights_of_the_classes_so_far(Model):
    data, labels, classes = data_of(Model)
    chain, rng = Model is LinearChainCRF, np.random.RandomState(0)
    solver = AdaGrad(batch_size=BATCH)
    balanced = Model(solver=solver, class_weight="balanced", random_state=0)
    given, seen = Model(solver=solver, random_state=0), np.zeros(3)
    for chunk, y in chunks_of(data, labels, np.argsort(rng.rand(N) + (0 if chain else Y)), size=24):
        s = [rng.rand(len(t)) for t in y] if chain else rng.rand(len(y))
        codes = [np.searchsorted(classes, t) for t in y] if chain else np.array(y)
        seen += np.bincount(np.ravel(codes), np.ravel(s), minlength=3)
        factors = seen.sum() / (3 * np.maximum(seen, 1e-300))
        weights = [w * factors[c] for w, c in zip(s, codes, strict=True)] if chain else s * factors[codes]
        balanced = pickle.loads(pickle.dumps(balanced))
        balanced.partial_fit(chunk, y, classes=classes, sample_weight=s)
        given.partial_fit(chunk, y, classes=classes, sample_weight=weights)
    np.testing.assert_allclose(weights_of(balanced), weights_of(given), rtol=1e-9, atol=1e-12)


def test_balanced_goes_on_from_fit_and_not_from_a_call_that_failed():
    params = dict(solver="adagrad", class_weight="balanced", max_iter=2, tol=1.0, random_state=0)
    model = LogisticRegression(**params).fit(X, Y)
    np.testing.assert_array_equal(model._seen_classes, np.bincount(Y))
    with pytest.raises(ValueError, match="infinity"):
        model.partial_fit(np.full((2, 60), np.inf), [0, 0])
    with pytest.raises(FloatingPointError):
        model.partial_fit(sp.csr_matrix(X * 1e200), Y)
    np.testing.assert_array_equal(model._seen_classes, np.bincount(Y))
    model.partial_fit(X[:-1], Y[:-1])
    np.testing.assert_array_equal(model._seen_classes, np.bincount(Y) + np.bincount(Y[:-1]))


# Streams as they are


@pytest.mark.parametrize("solver", STOCHASTIC_NAMES)
def test_a_stream_of_hashed_texts(solver):
    rng = np.random.RandomState(0)
    topics = rng.randint(2, size=600)
    word = lambda topic: f"word{rng.zipf(1.5) % 50}{'ab'[topic] if rng.rand() < 0.5 else ''}"  # noqa: E731
    texts = [" ".join(word(topic) for _ in range(8)) for topic in topics]
    hashes = HashingVectorizer(n_features=2**14)
    model = LogisticRegression(C=10, solver=solver, class_weight="balanced", random_state=0)
    for begin in range(0, 500, 100):
        part = slice(begin, begin + 100)
        model.partial_fit(hashes.transform(texts[part]), topics[part], classes=[0, 1])
    assert model.score(hashes.transform(texts[500:]), topics[500:]) > 0.8


@pytest.mark.parametrize("solver", STOCHASTIC_NAMES)
def test_a_stream_of_hashed_sequences(solver):
    rng = np.random.RandomState(0)
    tags = [rng.choice(["A", "B"], size=1 + rng.randint(6)) for _ in range(200)]
    tokens = [[{"word": f"{tag}{rng.randint(20)}", "bias": True} for tag in sequence] for sequence in tags]
    hashes = DictFeatures(n_features=2**12)
    model = LinearChainCRF(C=10, solver=solver, class_weight="balanced", random_state=0)
    for begin in range(0, 160, 40):
        part = slice(begin, begin + 40)
        model.partial_fit(hashes.fit_transform(tokens[part]), tags[part], classes=["A", "B"])
    assert model.score(hashes.transform(tokens[160:]), tags[160:]) > 0.8


# What a call costs and leaves


@pytest.mark.parametrize("solver", [*STOCHASTIC_NAMES, SignedSteps(0.1)], ids=str)
def test_a_call_takes_memory_for_its_chunk_and_not_for_the_table(solver):
    n_features = 2**20
    columns = np.sort(np.random.RandomState(0).choice(n_features, (50, 20), replace=False), axis=1)
    chunk = sp.csr_matrix((np.ones(1000), columns.ravel(), np.arange(0, 1001, 20)), shape=(50, n_features))
    y = np.arange(50) % 2
    model = LogisticRegression(solver=solver, max_time=1e6, interrupt="keep", random_state=0)
    model.partial_fit(chunk, y, classes=[0, 1])
    tracemalloc.start()
    try:
        model.partial_fit(chunk, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < model.coef_.nbytes / 8, f"{peak} bytes"


@pytest.mark.parametrize("solver", [Momentum(), Adam(average=0.0), SignedSteps(0.1)], ids=str)
def test_a_call_that_fails_at_its_very_end_changes_nothing(solver, monkeypatch):
    model = LogisticRegression(solver=solver, random_state=0).partial_fit(X, Y, classes=[0, 1, 2])
    again = pickle.loads(pickle.dumps(model))

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(LinearModel, "attributes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(X, Y)
    monkeypatch.undo()
    np.testing.assert_array_equal(weights_of(model), weights_of(again))
    np.testing.assert_array_equal(weights_of(model.partial_fit(X, Y)), weights_of(again.partial_fit(X, Y)))


@pytest.mark.parametrize("solver", [SOLVERS["adam"](), Momentum(average=0.0)], ids=str)
def test_what_a_callback_is_shown_is_the_whole_model(solver):
    shown = []
    model = LogisticRegression(solver=solver, random_state=0, callback=lambda info: shown.append(info.fitted()))
    for part in (slice(0, 10), slice(10, 20)):
        model.partial_fit(X[part], Y[part], classes=[0, 1, 2])
        np.testing.assert_array_equal(weights_of(shown[-1]), weights_of(model))
    assert model.coef_.shape == (3, 60)


def test_sample_weights_near_the_largest_number():
    weights = np.append(1e308, np.ones(len(Y) - 1))
    model = LogisticRegression(solver=Momentum(batch_size=np.int8(3)), random_state=0)
    model.partial_fit(X, Y, np.unique(Y), sample_weight=weights)
    assert np.isfinite(model.coef_).all()
    with pytest.raises(ValueError, match="sample_weight of all calls of partial_fit"):
        model.partial_fit(X[::-1], Y[::-1], sample_weight=weights)


def test_C_of_any_type_of_number():
    with pytest.warns(ConvergenceWarning, match="of itself above its minimum"):
        expected = LogisticRegression(C=1e30).fit(X, Y).coef_
        np.testing.assert_array_equal(LogisticRegression(C=10**30).fit(X, Y).coef_, expected)
        heavy = LogisticRegression(C=np.float32(1e30)).fit(X, Y, sample_weight=np.full(len(Y), 1e20))
    np.testing.assert_array_equal(heavy.predict(X), Y)
    for call in (LogisticRegression(C=10**400).fit, LogisticRegression(C=10**400, solver="adagrad").partial_fit):
        with pytest.raises(ValueError, match="C must be infinite or a number of float64, got a larger int"):
            call(X, Y, **({"classes": np.unique(Y)} if "partial" in call.__name__ else {}))
