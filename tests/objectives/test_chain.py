"""The compiled objective of a chain against the enumeration of all label paths."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from skopt_solvers import _kernels
from skopt_solvers.objectives import MISSING, ChainObjective
from skopt_solvers.solvers import AdaGrad
from skopt_solvers.solvers._stochastic_fit import mean_weights

from ..chain_reference import DTYPES, FORMS, LENGTHS, ChainProblem, problems, random_problem, rounding
from ..reference import STOCHASTIC, numerical_gradient, without_native


def assert_is_the_formula(problem, dtype, index=np.int32, n_threads=1):
    W = problem.table()
    objective = problem.objective(dtype, index, n_threads)
    given, small = W.astype(dtype), rounding(problem, W, dtype)
    value, gradient = objective.value_and_gradient(given)
    assert gradient.dtype == dtype and isinstance(value, float)
    expected, expected_gradient = problem.value(W), problem.gradient(W)
    np.testing.assert_allclose(
        objective.scale * value, expected, rtol=8 * np.finfo(dtype).eps, atol=objective.scale * small
    )
    np.testing.assert_allclose(objective.scale * objective.value(given), objective.scale * value, rtol=1e-12)
    atol = 1e-12 * problem.scale if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(gradient, expected_gradient / objective.scale, rtol=8 * np.finfo(dtype).eps, atol=atol)
    np.testing.assert_array_equal(given, W.astype(dtype))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n_labels", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_value_and_gradient_are_those_of_the_enumeration(kernels, form, n_labels, dtype):
    for penalty in (dict(C=0.7, l1_ratio=0.3), dict(C=np.inf)):
        problem = random_problem(LENGTHS, n_labels, seed=n_labels, **FORMS[form], **penalty)
        for index in (np.int32, np.int64):
            assert_is_the_formula(problem, dtype, index)


@pytest.mark.parametrize("n_labels", [7, 8, 9, 16, 17, 31, 49, 100])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("observed", [False, True])
def test_many_labels_are_whole_vectors_and_tiles(kernels, n_labels, dtype, observed):
    lengths = [2, 1, 0, 2, 2] if n_labels > 20 else [3, 1, 2]
    assert_is_the_formula(random_problem(lengths, n_labels, observed=observed), dtype)


@given(problems(), st.sampled_from(DTYPES), st.integers(1, 3))
@settings(max_examples=80)
def test_any_problem_is_its_enumeration(problem, dtype, n_threads):
    assert_is_the_formula(problem, dtype, n_threads=n_threads)


@pytest.mark.parametrize("form", ["all", "observed, some transitions", "constrained, missing"])
def test_gradient_is_the_numerical_one(form):
    problem = random_problem(LENGTHS, 3, **FORMS[form], l1_ratio=0.4)
    objective, W = problem.objective(), problem.table()
    numerical = numerical_gradient(lambda V: problem.value(V, smooth_part=True), W)
    gradient = objective.scale * objective.value_and_gradient(W)[1]
    np.testing.assert_allclose(gradient, numerical, atol=1e-5)


def test_sequences_of_weight_zero_are_as_if_they_were_not_there():
    problem = random_problem(LENGTHS, 3, seed=4)
    assert (problem.weights == 0).any()
    kept = np.flatnonzero(problem.weights > 0)
    tokens = np.repeat(problem.weights > 0, problem.lengths)
    without = ChainProblem(problem.X[tokens], problem.lengths[kept], problem.labels[tokens], problem.weights[kept], 3)
    W, (ours, theirs) = problem.table(), (p.objective() for p in (problem, without))
    np.testing.assert_array_equal(ours.samples, kept[problem.lengths[kept] > 0])
    for a, b in zip(ours.value_and_gradient(W), theirs.value_and_gradient(W), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(ours.squared_norms(), theirs.squared_norms(), rtol=1e-13)


def test_a_label_that_no_sequence_has():
    problem = random_problem(LENGTHS, 3)
    problem = problem.with_(labels=np.where(problem.labels == 1, 0, problem.labels).astype(np.int32))
    assert_is_the_formula(problem, np.float64)
    gradient = problem.objective().gradient(problem.table(), np.array([3]))
    assert (gradient.values[:, 1] >= 0).any()


@pytest.mark.parametrize("form", ["all", "no boundaries", "observed, some transitions"])
def test_split_and_join(form):
    problem = random_problem(LENGTHS, 3, **FORMS[form])
    objective, W = problem.objective(), problem.table()
    state, *rest = objective.split(W)
    for ours, theirs in zip(rest, problem.parts(W)[1:], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(objective.join(state, *rest), W)


@pytest.mark.parametrize("form", ["all", "no boundaries", "observed"])
def test_squared_norms_are_weighted_means_over_tokens(form):
    problem = random_problem(LENGTHS, 3, **FORMS[form])
    square, omega = problem.objective().squared_norms(), problem.weights / (problem.weights @ problem.lengths)
    features = np.repeat(omega, problem.lengths) @ problem.X.toarray() ** 2
    if problem.pairs is not None:
        features = np.repeat(features, np.diff(problem.pairs[0]))
    np.testing.assert_allclose(square[: len(features)], features, rtol=1e-12)
    later = omega @ np.maximum(problem.lengths - 1, 0)
    n_transitions = 3 if problem.pairs is None else 9
    np.testing.assert_allclose(square[len(features) :][:n_transitions], later / 3, rtol=1e-12)
    ends = omega @ (problem.lengths > 0)
    np.testing.assert_allclose(square[len(features) + n_transitions :], ends, rtol=1e-12)


@pytest.mark.parametrize("form", ["all", "observed", "missing"])
def test_lines_and_moves(form):
    problem = random_problem(LENGTHS, 3, **FORMS[form])
    objective, W, D = problem.objective(), problem.table(), problem.table(seed=1)
    position = objective.position(W)
    trial = position.along(D)
    for step in (0.0, 0.5, -0.3, 2.0):
        value, slope = trial(step)
        expected, gradient = objective.value_and_gradient(W + step * D)
        np.testing.assert_allclose([value, slope], [expected, np.vdot(gradient, D)], rtol=1e-10, atol=1e-12)
    for step in (2.0, 0.5):
        start = position.W.copy()
        position.along(D)
        position.move(step)
        np.testing.assert_allclose(position.W, start + step * D, rtol=1e-14)
        np.testing.assert_allclose(position.value, objective.value(position.W), rtol=1e-13)
        np.testing.assert_allclose(position.gradient, objective.value_and_gradient(position.W)[1], atol=1e-13)


# Minibatches


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_minibatches_average_to_the_full_gradient_and_to_the_whole_penalty(kernels, form, batch_size):
    problem = random_problem([*LENGTHS, 2, 2, 0, 1, 3], 3, seed=2, **FORMS[form], l1_ratio=0.25)
    objective, unpenalised = problem.objective(), problem.with_(C=np.inf).objective()
    W = problem.table()
    order = np.random.RandomState(0).permutation(objective.samples)
    loss, gradient, share = 0.0, np.zeros(objective.shape), np.zeros((objective.shape[0], 1))
    for batch in np.split(order, range(batch_size, len(order), batch_size)):
        part, weight = objective.gradient(W, batch), len(batch) / objective.n_samples
        assert len(np.unique(part.rows)) == len(part.rows)
        loss += weight * part.loss
        gradient[part.rows] += weight * part.values
        share[part.rows] += weight * part.share
        assert (part.l1, part.l2) == (objective.l1, objective.l2)
    expected_loss, expected_gradient = unpenalised.value_and_gradient(W)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-12, atol=1e-12 * problem.scale)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-13 * problem.scale)
    np.testing.assert_allclose(share, whole_share(problem, objective), rtol=1e-12)


def whole_share(problem, objective):
    """1 for the rows of features that a sample has, and for those of transitions and boundaries."""
    used = np.repeat(np.isin(np.arange(len(problem.lengths)), objective.samples), problem.lengths)
    present = np.bincount(problem.X[used].indices, minlength=problem.X.shape[1]) > 0
    rows = present if problem.pairs is None else np.repeat(present, np.diff(problem.pairs[0]))
    return np.concatenate([rows, np.ones(objective.shape[0] - len(rows))])[:, None]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_minibatch_is_the_objective_of_its_sequences(form, dtype):
    problem = random_problem(LENGTHS, 3, **FORMS[form]).with_(weights=np.ones(len(LENGTHS)))
    objective, W = problem.objective(dtype), problem.table()
    for batch in ([0], [3, 4], [6, 2, 0]):
        chosen = np.isin(np.arange(len(LENGTHS)), batch).astype(float)
        part = objective.gradient(W.astype(dtype), np.array(batch))
        alone = problem.with_(weights=chosen, C=np.inf)
        small = rounding(problem, W, dtype)
        share = objective.n_samples / len(batch) / sum(LENGTHS)
        np.testing.assert_allclose(part.loss, share * alone.value(W), rtol=small, atol=small)
        got = np.zeros(objective.shape)
        got[part.rows] = part.values
        atol = 1e-12 * problem.scale if dtype == np.float64 else 1e-5
        np.testing.assert_allclose(got, share * alone.gradient(W), atol=atol)


@pytest.mark.parametrize("batch", [[-1], [7], [0, 10**12]])
def test_a_minibatch_of_sequences_that_are_not_there_is_refused(batch):
    problem = random_problem(LENGTHS, 3)
    with pytest.raises(ValueError, match="batch must index samples"):
        problem.objective().gradient(problem.table(), np.array(batch))


def run(solver, objective, **options):
    W = np.zeros(objective.shape, objective.dtype)
    options = dict(max_iter=4, tol=0.0, n_iter_no_change=10**6, rng=np.random.RandomState(0), **options)
    return solver.minimize(objective, W, **options)


@pytest.mark.parametrize("name", STOCHASTIC)
@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-9), (np.float32, 2e-3)])
@pytest.mark.parametrize("form", ["all", "observed, some transitions", "missing"])
def test_compiled_rule_is_the_numpy_update(name, dtype, rtol, form):
    lengths = np.random.RandomState(0).randint(0, 4, size=60)
    problem = random_problem(lengths, 3, **FORMS[form], l1_ratio=0.2, C=20.0, n_features=8)
    objective = problem.objective(dtype)
    solver = clone(STOCHASTIC[name]).set_params(batch_size=8)
    compiled, numpy = (run(s, objective) for s in (solver, without_native(solver)))
    assert compiled.W.dtype == numpy.W.dtype == dtype and np.abs(compiled.W).max() > 0.01
    got, expected = mean_weights(compiled.state), mean_weights(numpy.state)  # before the steps that end a fit with L1
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * np.abs(expected).max())
    for key, expected in numpy.state["tables"].items():
        got = compiled.state["tables"][key]
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * np.abs(expected).max(initial=0))


def epochs_of_gradients(objective, W, orders, rates, batch_size):
    """AdaGrad's epochs, a batch at a time from the objective's gradients."""
    solver, losses = AdaGrad(epsilon=1e-8), []
    state = solver.init(W)
    for order, rate in zip(orders, rates, strict=True):
        losses.append(0.0)
        for batch in np.split(order, range(batch_size, len(order), batch_size)):
            gradient = objective.gradient(W, batch)
            losses[-1] += gradient.loss * len(batch) / len(order)
            solver.update(W, gradient, state, rate)
    return losses


@pytest.mark.parametrize("form", [form for form in FORMS if "extreme" not in form])
@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-9), (np.float32, 2e-3)])
@pytest.mark.parametrize("n_labels", [3, 8])
def test_epochs_of_adagrad_are_those_of_its_steps(kernels, form, dtype, rtol, n_labels):
    lengths = np.random.RandomState(0).randint(0, 4, size=60)
    problem = random_problem(lengths, n_labels, **FORMS[form], l1_ratio=0.2, C=20.0, n_features=8)
    objective = problem.objective(dtype)
    rng = np.random.RandomState(1)
    orders = np.stack([rng.permutation(objective.samples) for _ in range(3)])
    rates = [0.5, 0.3, 0.7]
    given = (0.1 * problem.table()).astype(dtype)
    if problem.pairs is None:  # transitions that are not listed have rows, and no weight
        given[objective.n_features :].ravel()[np.setdiff1d(range(n_labels**2), objective.transitions)] = 0
    expected, got = given.copy(), given.copy()
    losses = epochs_of_gradients(objective, expected, orders, rates, 8)
    np.testing.assert_allclose(objective.adagrad_epochs(got, orders, rates, 8, 1e-8), losses, rtol=rtol)
    assert np.abs(got - given).max() > 0.1
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * np.abs(expected).max())
    # and nothing of it is left in the objective
    for ours, theirs in zip(
        objective.value_and_gradient(given), problem.objective(dtype).value_and_gradient(given), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_epochs_of_adagrad_end_where_the_loss_is_not_finite():
    problem = random_problem(LENGTHS, 3)
    objective, W = problem.objective(), problem.table()
    orders = np.stack([objective.samples] * 3)
    W[0] = np.nan
    losses = objective.adagrad_epochs(W, orders, [0.5] * 3, 2, 1e-8)
    assert len(losses) == 1 and np.isnan(losses[0])


@pytest.mark.parametrize("orders", [[[-1]], [[7]], [[0, 10**12]]])
def test_epochs_over_sequences_that_are_not_there_are_refused(orders):
    problem = random_problem(LENGTHS, 3)
    with pytest.raises(ValueError, match="orders must"):
        problem.objective().adagrad_epochs(problem.table(), np.array(orders, np.int64), [0.5], 2, 1e-8)


# Threads


@pytest.mark.parametrize("form", ["all", "observed", "missing", "extreme", "vectors", "vectors, observed"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_labels", [3, 9, 16])
def test_threads_do_not_change_a_bit(kernels, form, dtype, n_labels):
    rng = np.random.RandomState(0)
    lengths = rng.randint(0, 30, size=300 if n_labels > 3 else 3000)
    n, options = lengths.sum(), FORMS[form]
    n_dense = 11 * options.get("n_dense", 0)
    X = sp.random(n, 50, density=0.1, format="csr", random_state=rng)
    labels = rng.randint(n_labels, size=n).astype(np.int32)
    if "missing" in options:
        labels[rng.rand(n) < 0.2] = MISSING
    pairs = None
    if "observed" in options:
        pairs = _kernels.observed_pairs(X[:, : 50 - n_dense], labels, n_labels, n_dense)
    problem = ChainProblem(X, lengths, labels, rng.rand(len(lengths)), n_labels, pairs=pairs, n_dense=n_dense)
    assert n * n_labels * (n_labels + 10) > 3 * 10**5, "so much work is shared by three threads"
    W = (options.get("scale", 1.0) * rng.randn(*problem.objective().shape)).astype(dtype)
    answers = []
    for n_threads in (1, 2, 3, 2):
        objective = problem.objective(dtype, n_threads=n_threads)
        path, P = np.empty(n, np.int32), np.empty(n * n_labels, dtype)
        scores = np.empty(len(lengths))
        decoder = problem.decoder(W, dtype, n_threads=n_threads)
        decoder.viterbi(path)
        decoder.marginals(P)
        scores[:] = 0
        decoder.log_likelihood(labels, scores)
        warm, orders = np.zeros_like(W), np.stack([objective.samples] * 2)
        losses = objective.adagrad_epochs(warm, orders, [1.0, 0.5], 16, 1e-8)
        answers.append([*objective.value_and_gradient(W), objective.value(W), path, P, scores, warm, losses])
    for answer in answers[1:]:
        for ours, theirs in zip(answer, answers[0], strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "change",
    [
        dict(labels=np.array([0, 1, 2, 5], np.int32)),
        dict(labels=np.array([0, 1], np.int32)),
        dict(offsets=np.array([0, 3, 2, 4])),
        dict(offsets=np.array([0, 2, 9])),
        dict(transitions=np.array([9], np.int32)),
        dict(allowed=np.ones((3, 3), bool)),
        dict(pairs=(np.array([0, 1, 2, 3]), np.array([0, 7, 0], np.int32))),
        dict(pairs=(np.array([0, 9]), np.array([0], np.int32))),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change):
    arrays = dict(
        offsets=np.array([0, 2, 4]),
        labels=np.array([0, 1, 2, 0], np.int32),
        transitions=np.arange(9, dtype=np.int32),
        allowed=np.ones((5, 3), bool),
        pairs=None,
    )
    arrays.update(change)
    offsets, labels = arrays.pop("offsets"), arrays.pop("labels")
    X = sp.csr_matrix(np.eye(4, 3))
    with pytest.raises(ValueError):
        weights = np.ones(len(offsets) - 1)
        ChainObjective(X, offsets, labels, weights, n_labels=3, C=1.0, l1_ratio=0.0, fit_boundaries=True, **arrays)
