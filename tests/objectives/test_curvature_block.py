"""The estimate of a block of a chain's Hessian against the enumeration of all label paths."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats

from skopt_solvers.objectives._frequent_entries import frequent_entries

from ..chain_reference import DTYPES, FORMS, ChainProblem, random_problem

SINGLE = {form: options for form, options in FORMS.items() if "extreme" not in form}


def counts_of_paths(problem, sequence, paths):
    """Return phi of each path through a sequence, as rows, on the weights of features and transitions."""
    rows = problem.X[problem.offsets[sequence] : problem.offsets[sequence + 1]]
    K, phi = problem.n_labels, []
    for path in paths.paths:
        state, pairs = np.zeros((rows.shape[1], K)), np.zeros((len(problem.labels), K, K))
        np.add.at(state.T, path, rows.toarray())
        pairs[problem.offsets[sequence] + np.arange(1, len(path)), path[:-1], path[1:]] = 1
        phi.append(problem.join(state, pairs, np.zeros((2, K))).ravel())
    return np.array(phi)


def deviations(problem, W, entries):
    """Return for each sequence sqrt(omega) (phi(y) - E phi) of all its paths y, and their probabilities."""
    total = problem.weights @ problem.lengths
    for sequence, paths in problem.enumerations(W).items():
        if problem.weights[sequence] > 0:
            phi, p = counts_of_paths(problem, sequence, paths)[:, entries], paths.probabilities()
            yield np.sqrt(problem.weights[sequence] / total) * (phi - p @ phi), p


def sampled(objective, W, seed, entries, typical=None):
    matrix = np.empty((len(entries), len(entries)), objective.dtype)
    typical = np.zeros(len(entries)) if typical is None else typical
    objective.native.curvature_block(W.astype(objective.dtype).ravel(), entries, typical, seed, matrix.ravel())
    return np.tril(matrix)


@pytest.mark.parametrize("form", SINGLE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_draws_are_paths_of_the_model_as_often_as_they_are_likely(kernels, form, dtype):
    problem = random_problem([4], 2, seed=3, **SINGLE[form])
    objective, W = problem.objective(dtype), problem.table() / 2
    entries, _ = frequent_entries(objective, 50)
    ((v, p),) = deviations(problem, W, entries)
    outer = np.array([np.tril(np.outer(one, one)) for one in v])
    times, n = np.zeros(len(p)), 400
    for seed in range(n):
        distance = np.abs(outer - sampled(objective, W, seed, entries)).max(axis=(1, 2))
        assert distance.min() <= 2e-3  # residuals below .001 are left out
        times[distance <= distance.min() + 1e-12] += 1 / np.count_nonzero(distance <= distance.min() + 1e-12)
    likely = p > 0.02
    expected = np.append(p[likely], p[~likely].sum()) * n
    seen = np.append(times[likely], times[~likely].sum())
    assert (seen[expected == 0] == 0).all()
    there = expected > 0
    assert stats.chisquare(seen[there], expected[there] * seen[there].sum() / expected[there].sum()).pvalue > 1e-4


@pytest.mark.parametrize("form", ["all", "observed", "constrained", "extreme"])
def test_mean_of_the_estimate_is_the_covariance(form):
    problem = random_problem([3, 0, 1, 4, 2, 3], 3, seed=1, **FORMS[form])
    objective, W = problem.objective(), problem.table() / 2
    entries, _ = frequent_entries(objective, 50)
    exact = sum(np.einsum("y,yi,yj->ij", p, v, v) for v, p in deviations(problem, W, entries))
    estimates = np.array([sampled(objective, W, seed, entries) for seed in range(2000)])
    error = estimates.std(axis=0) / np.sqrt(len(estimates))
    np.testing.assert_array_less(np.abs(estimates.mean(axis=0) - np.tril(exact)), 6 * error + 2e-3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_change_no_bit(kernels, dtype):
    rng = np.random.RandomState(0)
    lengths = rng.randint(1, 60, 1500)
    n = lengths.sum()
    X = sp.random(n, 30, 0.3, "csr", random_state=rng)
    problem = ChainProblem(X, lengths, rng.randint(2, size=n).astype(np.int32), np.ones(1500), 2)
    W = problem.table()
    estimates = []
    for n_threads in (1, 2, 3):
        objective = problem.objective(dtype, n_threads=n_threads)
        entries, typical = frequent_entries(objective, 64)
        estimates.append(sampled(objective, W, 5, entries, typical))
    for other in estimates[1:]:
        np.testing.assert_array_equal(estimates[0], other)


def test_entries_are_the_frequent_ones():
    for observed in (False, True):
        own = random_problem([5, 4, 6, 3], 3, n_features=9, observed=observed, some_transitions=True)
        own.weights[:] = 1
        objective = own.objective()
        entries, typical = frequent_entries(objective, 14)
        assert (np.diff(entries) > 0).all() and len(entries) == len(typical) == 14
        states, squares = entries[entries < objective.n_states], objective.squared_norms()
        squares = np.repeat(squares, objective.shape[1])[: objective.n_states]
        assert squares[states].min() >= np.delete(squares, states).max()
        assert np.isin(entries[len(states) :] - objective.n_states, range(9)).all()
        dense = own.X.toarray()[:, objective.feature_of(states)]
        means = (dense**2).sum(axis=0) / (dense != 0).sum(axis=0)
        np.testing.assert_allclose(typical[: len(states)] ** 2, means)


@pytest.mark.parametrize("size", [2, 3, 11, 1000])
def test_sizes_are_kept(size):
    problem = random_problem([5, 4, 6, 3], 3, n_features=9)
    entries, matrix, token = problem.objective().curvature_block(problem.table(), size)
    assert len(entries) == len(matrix) == len(token) == min(size, 9 * 3 + 9)
    assert (np.linalg.eigvalsh(np.tril(matrix) + np.tril(matrix, -1).T) > -1e-12).all() and (token > 0).all()
