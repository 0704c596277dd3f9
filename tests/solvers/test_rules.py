"""The stochastic solvers: compiled rules, numpy updates and textbooks agree; averaging; a solver of the user's own."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skopt_solvers import LinearSVC, LogisticRegression
from skopt_solvers.schedules import CosineDecay, ExponentialDecay
from skopt_solvers.solvers import SOLVERS, AdaGrad, Adam, AdamW, Momentum, RMSProp, StochasticSolver
from skopt_solvers.solvers._stochastic_fit import mean_weights

from ..reference import (
    EVERY,
    LOSSES,
    STOCHASTIC,
    dense_data,
    linear_objective,
    numerical_gradient,
    penalised,
    text_like,
    without_native,
)


def run(solver, objective, W=None, max_iter=4, seed=0, **options):
    """`minimize` that never stops early."""
    W = np.zeros(objective.shape, objective.dtype) if W is None else W
    options = {"tol": 0.0, "n_iter_no_change": 10**6, **options}
    return solver.minimize(objective, W, max_iter=max_iter, rng=np.random.RandomState(seed), **options)


class Recorded:
    """An objective that keeps each batch and the weights before it; without kernels, so that `update` is called."""

    native = None

    def __init__(self, objective):
        self.objective, self.batches, self.weights = objective, [], []

    def __getattr__(self, name):
        return getattr(self.objective, name)

    def gradient(self, W, batch):
        self.batches.append(batch.copy())
        self.weights.append(W.copy())
        return self.objective.gradient(W, batch)


def test_the_list_of_solvers_is_complete():
    assert {type(solver) for solver in EVERY.values()} == set(SOLVERS.values())
    assert {type(solver) for solver in STOCHASTIC.values()} == {
        Solver for Solver in SOLVERS.values() if issubclass(Solver, StochasticSolver)
    }


# The compiled rule and the numpy update


@pytest.mark.parametrize("name", STOCHASTIC)
@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-9), (np.float32, 2e-3)])
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("n_classes, loss", [(2, "logistic"), (3, "softmax")])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.4])
def test_compiled_rule_is_the_numpy_update(name, dtype, rtol, index, n_classes, loss, l1_ratio):
    X, labels = text_like(n=90, n_classes=n_classes, dtype=dtype, index=index)
    weights = np.random.RandomState(1).randint(1, 4, size=90).astype(float)
    options = dict(n_outputs=1 if n_classes == 2 else 3, l1_ratio=l1_ratio, C=0.2, loss=LOSSES[loss])
    objective = linear_objective(X, labels, weights, **options)
    solver = clone(STOCHASTIC[name]).set_params(batch_size=16)
    compiled, numpy = (run(s, objective) for s in (solver, without_native(solver)))
    assert compiled.W.dtype == numpy.W.dtype == dtype
    assert np.abs(compiled.W).max() > 0.1
    np.testing.assert_allclose(compiled.W, numpy.W, rtol=rtol, atol=rtol * np.abs(numpy.W).max())
    assert compiled.state["tables"].keys() == numpy.state["tables"].keys()
    for key, expected in numpy.state["tables"].items():
        got = compiled.state["tables"][key]
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * np.abs(expected).max(initial=0))
    for ours, theirs in zip(compiled.history, numpy.history, strict=True):
        np.testing.assert_allclose(ours["objective"], theirs["objective"], rtol=rtol)
        assert ours["learning_rate"] == theirs["learning_rate"]


@pytest.mark.parametrize("name", STOCHASTIC)
@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-9), (np.float32, 2e-3)])
@pytest.mark.parametrize("dense", [False, True])
def test_steps_of_more_rows_than_a_block_are_the_numpy_update(name, dtype, rtol, dense):
    X, labels = text_like(n=90, d=700, length=100, dtype=dtype)
    objective = linear_objective(X.toarray() if dense else X, labels, l1_ratio=0.2, C=0.2)
    solver = clone(STOCHASTIC[name]).set_params(batch_size=16)
    W = np.zeros(objective.shape, dtype)
    touched = len(objective.gradient(W, np.arange(16)).rows)
    assert touched > 2 * 128 and touched % 8  # a block has 128 rows, and a vector 8
    compiled, numpy = (run(s, objective) for s in (solver, without_native(solver)))
    np.testing.assert_allclose(compiled.W, numpy.W, rtol=rtol, atol=rtol * np.abs(numpy.W).max())
    for key, expected in numpy.state["tables"].items():
        got = compiled.state["tables"][key]
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * np.abs(expected).max(initial=0))


@pytest.mark.parametrize("name", STOCHASTIC)
def test_a_solver_is_not_changed_by_a_run_and_repeats_its_bits(name):
    X, labels = text_like()
    solver = STOCHASTIC[name]
    before = repr(solver), pickle.dumps(solver.get_params())
    start = np.full((X.shape[1] + 1, 1), 0.1)
    first, second = (run(solver, linear_objective(X, labels), W=start, max_iter=3) for _ in range(2))
    assert (repr(solver), pickle.dumps(solver.get_params())) == before
    assert (start == 0.1).all()
    np.testing.assert_array_equal(first.W, second.W)
    other = run(solver, linear_objective(X, labels), W=start, max_iter=3, seed=1)
    assert not np.array_equal(first.W, other.W)


@pytest.mark.parametrize("name", STOCHASTIC)
@pytest.mark.parametrize("wrap", [lambda solver: solver, without_native])
def test_two_runs_of_two_epochs_are_one_of_four(name, wrap):
    X, labels = text_like()
    objective = linear_objective(X, labels, l1_ratio=0.3)
    solver = wrap(clone(STOCHASTIC[name]).set_params(schedule=CosineDecay(epochs=6)))
    whole = run(solver, objective, max_iter=4)
    half = run(solver, objective, max_iter=2)
    state = pickle.loads(pickle.dumps(half.state))
    resumed = run(solver, objective, max_iter=2, seed=99, state=state)
    np.testing.assert_array_equal(resumed.W, whole.W)
    history = half.history + resumed.history
    assert [record["learning_rate"] for record in history] == [record["learning_rate"] for record in whole.history]


@pytest.mark.parametrize("name", STOCHASTIC)
def test_rows_that_no_sample_has_stay_as_they_are(name):
    X, labels = text_like()
    absent = np.flatnonzero(np.bincount(X.indices, minlength=X.shape[1]) == 0)
    assert len(absent)
    W = np.random.RandomState(0).randn(X.shape[1] + 1, 1)
    solver = clone(STOCHASTIC[name]).set_params(average=False)
    result = run(solver, linear_objective(X, labels, l1_ratio=0.3), W=W)
    np.testing.assert_array_equal(result.state["W"][absent], W[absent])
    if solver.minimises_objective:  # their optimum, where the steps at the end lead
        assert not result.W[absent].any()
    assert (result.W[np.unique(X.indices)] != W[np.unique(X.indices)]).all()


def test_an_epoch_visits_every_sample_of_positive_weight_once():
    X, labels = text_like()
    weights = np.random.RandomState(0).randint(3, size=len(labels)).astype(float)
    objective = Recorded(linear_objective(X, labels, weights))
    run(Momentum(batch_size=32), objective, max_iter=3)
    n_batches = -(-objective.n_samples // 32)
    epochs = [np.concatenate(objective.batches[i * n_batches : (i + 1) * n_batches]) for i in range(3)]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.flatnonzero(weights))
    assert not np.array_equal(epochs[0], epochs[1]) and not np.array_equal(epochs[0], epochs[2])
    assert {len(batch) for batch in objective.batches} == {32, objective.n_samples % 32}


# Textbooks: plain loops over all weights, as in the papers, that share no code with the package


def momentum(w, rate, gradient, state, mu=0.9):
    """Polyak's heavy ball."""
    v = state["v"] = mu * state.get("v", 0.0) - rate * gradient(w)
    return w + v


def nesterov(w, rate, gradient, state, mu=0.9):
    """Sutskever et al., eq. 3 and 4: the gradient at the look-ahead point, which is what the solver returns."""
    iterate, v = state.get("iterate", w), state.get("v", 0.0)
    v = mu * v - rate * gradient(iterate + mu * v)
    state["iterate"], state["v"] = iterate + v, v
    return iterate + v + mu * v


def adagrad(w, rate, gradient, state, epsilon=1e-10):
    g = gradient(w)
    state["s"] = state.get("s", 0.0) + g * g
    return w - rate * g / (np.sqrt(state["s"]) + epsilon)


def rmsprop(w, rate, gradient, state, rho=0.9, epsilon=1e-8, centered=False):
    g = gradient(w)
    s = state["s"] = rho * state.get("s", 0.0) + (1 - rho) * g * g
    mean = state["mean"] = rho * state.get("mean", 0.0) + (1 - rho) * g
    return w - rate * g / (np.sqrt(s - mean**2 if centered else s) + epsilon)


def adam(w, rate, gradient, state, beta1=0.9, beta2=0.999, epsilon=1e-8, amsgrad=False, decay=0.0):
    g = gradient(w)
    t = state["t"] = state.get("t", 0) + 1
    m = state["m"] = beta1 * state.get("m", 0.0) + (1 - beta1) * g
    v = state["v"] = beta2 * state.get("v", 0.0) + (1 - beta2) * g * g
    if amsgrad:
        v = state["largest"] = np.maximum(state.get("largest", 0.0), v)
    w = w - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
    return w / (1 + rate * decay * state["penalised"])


TEXTBOOKS = [
    (Momentum(0.5), momentum, {}),
    (Momentum(0.5, momentum=0.0), momentum, dict(mu=0.0)),
    (Momentum(0.5, nesterov=True), nesterov, {}),
    (AdaGrad(0.1), adagrad, {}),
    (RMSProp(0.05, rho=0.9), rmsprop, {}),
    (RMSProp(0.02, rho=0.9, centered=True), rmsprop, dict(centered=True)),
    (Adam(0.05), adam, {}),
    (Adam(0.05, beta1=0.5, beta2=0.9, epsilon=1e-3, amsgrad=True), adam,
     dict(beta1=0.5, beta2=0.9, epsilon=1e-3, amsgrad=True)),
    (AdamW(0.05, weight_decay=0.3), adam, dict(epsilon=1e-3, decay=0.3)),
]  # fmt: skip


@pytest.mark.parametrize("solver, textbook, options", TEXTBOOKS, ids=lambda value: getattr(value, "__name__", None))
def test_dense_runs_are_the_textbooks(solver, textbook, options):
    """Every batch touches every row, and there is no penalty."""
    X, labels = dense_data(n=50, d=4, n_classes=3)
    objective = linear_objective(X, labels, n_outputs=3, C=np.inf, loss=LOSSES["softmax"])
    solver = clone(solver).set_params(batch_size=16, schedule=ExponentialDecay(0.7))
    recorded = Recorded(objective)
    run(without_native(solver), recorded, max_iter=3)
    compiled = run(solver, objective, max_iter=3)
    state = {"penalised": np.ones((5, 1))}
    state["penalised"][-1] = 0
    w, n_batches = np.zeros((5, 3)), 4
    assert len(recorded.batches) == 3 * n_batches

    def mean_loss(W, batch):
        model = dict(C=np.inf, l1_ratio=0.0, fit_intercept=True, loss=LOSSES["softmax"])
        return penalised(W, X[batch], labels[batch], np.ones(len(batch)), **model) / len(batch)

    for step, batch in enumerate(recorded.batches):
        np.testing.assert_allclose(recorded.weights[step], w, rtol=1e-6, atol=1e-7)
        rate = solver.learning_rate * 0.7 ** (step / n_batches)
        w = textbook(w, rate, lambda W, b=batch: numerical_gradient(lambda V: mean_loss(V, b), W), state, **options)
    np.testing.assert_allclose(compiled.W, w, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("wrap", [lambda solver: solver, without_native])
def test_clipping_scales_the_gradient_of_a_batch_to_the_norm(wrap):
    X, labels = dense_data(n=40, d=4)
    objective = linear_objective(X, labels, C=np.inf)
    solver = Momentum(1.0, momentum=0.0, schedule="constant", batch_size=40)
    gradient = objective.gradient(np.zeros(objective.shape), objective.samples).values
    norm = np.linalg.norm(gradient)
    shorter = run(wrap(clone(solver).set_params(clip_norm=norm / 3)), objective, max_iter=1)
    np.testing.assert_allclose(shorter.W, -gradient / 3, rtol=1e-12)
    untouched = run(wrap(clone(solver).set_params(clip_norm=norm * 1.01)), objective, max_iter=1)
    np.testing.assert_allclose(untouched.W, -gradient, rtol=1e-12)


# Averaging


@pytest.mark.parametrize("average, begins", [(True, 1), (1, 1), (2, 2), (0, 0), (1.5, 2), (False, None), (9, None)])
@pytest.mark.parametrize("solver", [Momentum(0.3), Adam(0.1)], ids=str)
def test_averaged_weights_are_the_mean_of_the_iterates(solver, average, begins):
    X, labels = text_like(n=70)
    objective = linear_objective(X, labels, l1_ratio=0.2)
    solver = clone(solver).set_params(batch_size=16, average=average, schedule="constant")
    recorded = Recorded(objective)
    averaged = run(without_native(solver), recorded, max_iter=4)
    iterates = [*recorded.weights[1:], averaged.state["W"]]
    expected = iterates[-1] if begins is None else np.mean(iterates[5 * begins :], axis=0)
    assert len(iterates) == 20
    # before the steps that end a fit with L1
    np.testing.assert_allclose(mean_weights(averaged.state), expected, rtol=1e-11, atol=1e-13)
    compiled = run(solver, objective, max_iter=4)
    np.testing.assert_allclose(mean_weights(compiled.state), expected, rtol=1e-9, atol=1e-11)
    assert compiled.history[-1]["objective"] <= objective.scale * objective.value(expected)


def test_average_takes_numpy_booleans():
    """As a grid made with numpy gives them."""
    X, labels = text_like()
    for value in (True, False):
        ours, plain = (
            run(Momentum(0.3, average=v), linear_objective(X, labels), max_iter=3) for v in (np.bool_(value), value)
        )
        np.testing.assert_array_equal(ours.W, plain.W)


# A solver of the user's own


class AdaBelief(StochasticSolver):
    """Zhuang et al. (2020), algorithm 1: Adam whose divisor is the deviation of the gradient from its mean."""

    def __init__(
        self,
        learning_rate=0.05,
        beta1=0.9,
        beta2=0.99,
        epsilon=1e-8,
        schedule="auto",
        batch_size=64,
        average=False,
        clip_norm=None,
    ):
        super().__init__(learning_rate, schedule, batch_size, average, clip_norm)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon

    def init(self, W):
        return {"m": np.zeros_like(W), "s": np.zeros_like(W), "t": np.zeros(len(W), np.int64)}

    def update(self, W, gradient, state, lr):
        rows, g, m, s = gradient.rows, gradient.values, state["m"], state["s"]
        state["t"][rows] += 1
        t = state["t"][rows, None]
        m[rows] = self.beta1 * m[rows] + (1 - self.beta1) * g
        s[rows] = self.beta2 * s[rows] + (1 - self.beta2) * (g - m[rows]) ** 2 + self.epsilon
        scale = np.sqrt(s[rows] / (1 - self.beta2**t)) + self.epsilon
        W[rows] = gradient.proximal_step(W[rows], m[rows] / (1 - self.beta1**t), lr / scale)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("model", [
    LogisticRegression(),
    LogisticRegression(l1_ratio=0.5),
    LinearSVC(),
    LinearSVC(loss="hinge"),
    LinearSVC(loss="smoothed_hinge", multi_class="crammer_singer"),
], ids=str)  # fmt: skip
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # kinks: the gap is not tight
def test_a_users_solver_comes_near_the_optimum(model, n_classes, dtype):
    X, labels = text_like(n=300, d=60, n_classes=n_classes, dtype=dtype)
    fitted = clone(model).set_params(solver=AdaBelief(), max_iter=60, tol=1e-5, random_state=0).fit(X, labels)
    assert fitted.coef_.dtype == dtype
    # the bound is of the objective itself, and an upper one
    assert fitted.suboptimality_bound(X, labels) < 0.02 * fitted.history_[-1]["objective"]
    if fitted.l1_ratio:
        assert (fitted.coef_ == 0).any()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_users_solver_has_nested_parameters():
    model = LogisticRegression(solver=AdaBelief())
    model.set_params(solver__beta1=0.5, solver__schedule="cosine", solver__schedule__epochs=7)
    assert isinstance(model.solver.schedule, CosineDecay) and model.solver.schedule.epochs == 7
    assert model.get_params()["solver__beta1"] == 0.5
    copied = pickle.loads(pickle.dumps(clone(model)))
    assert copied.solver.beta1 == 0.5 and copied.solver.schedule.epochs == 7
    assert "AdaBelief(beta1=0.5, schedule=CosineDecay(epochs=7))" in repr(copied)
    X, labels = text_like()
    model.set_params(max_iter=7, solver__batch_size=8).fit(X, labels)
    assert model.solver_.batch_size == 8 and model.history_[-1]["learning_rate"] < 0.01
    np.testing.assert_allclose(model.history_[0]["learning_rate"], 0.05 * CosineDecay(epochs=7)(14 / 15))


def test_a_users_solver_resumes_and_averages():
    X, labels = text_like()
    model = LogisticRegression(
        solver=AdaBelief(schedule="inverse_sqrt", average=1), warm_start=True, max_iter=2, tol=0, random_state=0
    )
    whole = clone(model).set_params(max_iter=4)
    with pytest.warns(match="max_iter"):
        whole.fit(X, labels)
    for _ in range(2):
        with pytest.warns(match="max_iter"):
            model.fit(X, labels)
    np.testing.assert_array_equal(model.coef_, whole.coef_)


def test_a_users_solver_must_be_given_a_rate_where_it_has_no_rule():
    X, labels = text_like()
    with pytest.raises(ValueError, match="AdaBelief: learning_rate must be a number, got 'auto'"):
        LogisticRegression(solver=AdaBelief(learning_rate="auto")).fit(X, labels)


class Touches(StochasticSolver):
    """Counts what it is shown, and checks that it is what the batch touches."""

    def init(self, W):
        return {"count": np.zeros(len(W), np.int64)}

    def update(self, W, gradient, state, lr):
        assert len(np.unique(gradient.rows)) == len(gradient.rows)
        state["count"][gradient.rows] += 1
        W[gradient.rows] += lr


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("make", [text_like, dense_data])
def test_a_users_solver_never_sees_rows_that_the_batch_does_not_touch(make, fit_intercept):
    X, labels = make(n=80)
    objective = linear_objective(X, labels, fit_intercept=fit_intercept)
    recorded = Recorded(objective)
    result = run(Touches(0.5, "constant", batch_size=12), recorded, max_iter=3)
    expected = np.zeros(objective.shape[0], np.int64)
    for batch in recorded.batches:
        expected[np.unique(X[batch].indices)] += 1
    expected[X.shape[1] :] = len(recorded.batches)
    np.testing.assert_array_equal(result.state["tables"]["count"], expected)
    np.testing.assert_allclose(result.W[:, 0], 0.5 * expected)
    untouched = (expected < len(recorded.batches)).mean()
    assert untouched > 0.7 if make is text_like else untouched == 0
