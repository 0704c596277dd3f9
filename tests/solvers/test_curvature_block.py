"""L-BFGS that starts its recursion from a block of the Hessian."""

import numpy as np
import pytest
import scipy.sparse as sp

from skopt_solvers import LinearChainCRF
from skopt_solvers.sequence import CSRSequences
from skopt_solvers.solvers import LBFGS
from skopt_solvers.solvers import _lbfgs as lbfgs
from skopt_solvers.solvers._curvature_block import CurvatureBlock, block_size, curvature_block
from skopt_solvers.solvers._pairs import Pairs

from ..chain_reference import ChainProblem
from ..estimator.test_fit import quiet


def tagged(n_sequences=600, n_features=40, n_labels=4, seed=0):
    """Sequences whose labels depend on their features and on the label before."""
    rng = np.random.RandomState(seed)
    lengths = rng.randint(1, 9, n_sequences)
    n = lengths.sum()
    X = sp.random(n, n_features, 0.2, "csr", random_state=rng, data_rvs=np.ones)
    scores = X @ rng.randn(n_features, n_labels) + rng.gumbel(size=(n, n_labels))
    labels = scores.argmax(axis=1)
    labels[1:][rng.rand(n - 1) < 0.3] = labels[:-1][rng.rand(n - 1) < 0.3][0]
    return X, lengths, labels.astype(np.int32)


def problem(**options):
    X, lengths, labels = tagged()
    return ChainProblem(X, lengths, labels, np.ones(len(lengths)), 4, **options)


def fit(**options):
    X, lengths, labels = tagged()
    y = np.split(labels, np.cumsum(lengths)[:-1])
    model = LinearChainCRF(**{"C": 5, "max_iter": 300, "tol": 1e-9, **options})
    return quiet(model, CSRSequences(X, lengths), [list(part) for part in y])


def dense_direction(S, Y, H0, g):
    """Return -H g by the formula of BFGS (Nocedal & Wright 2006, eq. 7.16), the pairs from the oldest on."""
    H, eye = H0, np.eye(len(g))
    for s, y in zip(S, Y, strict=True):
        V = eye - np.outer(y, s) / (s @ y)
        H = V.T @ H @ V + np.outer(s, s) / (s @ y)
    return -H @ g


@pytest.mark.parametrize("n_threads", [1, 3])
def test_direction_is_that_of_the_dense_formula(kernels, n_threads):
    rng, d = np.random.RandomState(0), 9
    entries = np.array([1, 4, 8])
    half = rng.randn(3, 3)
    inverse, rest = half @ half.T + np.eye(3), np.abs(rng.randn(d)) + 0.1
    rest[entries] = 0
    pairs = Pairs(5, np.zeros((d, 1)), None, n_threads, CurvatureBlock(entries, inverse, rest))
    W, g, A = np.zeros((d, 1)), rng.randn(d, 1), rng.randn(d, d)
    A = A @ A.T + np.eye(d)
    first = pairs.direction(g, 3.0)
    gamma = min(1.0, 1.5 / float((g[:, 0] ** 2) @ rest))
    H0 = np.diag(gamma * rest)
    H0[np.ix_(entries, entries)] = inverse
    np.testing.assert_allclose(first[:, 0], -H0 @ g[:, 0])
    steps = rng.randn(3, d, 1)
    for s in steps:
        pairs.add(W + s, W, A @ s, 0 * s)
    S, Y = steps[:, :, 0], (A @ steps)[:, :, 0]
    left = np.delete(np.arange(d), entries)
    H0 = np.diag(S[-1, left] @ Y[-1, left] / (Y[-1] ** 2 @ rest) * rest)
    H0[np.ix_(entries, entries)] = inverse
    np.testing.assert_allclose(pairs.direction(g, 3.0)[:, 0], dense_direction(S, Y, H0, g[:, 0]))


@pytest.mark.parametrize("options", [{}, {"state_features": "observed", "transitions": "observed"}])
def test_the_same_optimum_after_fewer_passes(options, monkeypatch):
    with_block = fit(**options)
    monkeypatch.setattr(lbfgs, "curvature_block", lambda objective, W: None)
    without = fit(**options)
    assert with_block.converged_ and without.converged_
    ends = [model.history_[-1]["objective"] for model in (with_block, without)]
    assert ends[0] == pytest.approx(ends[1], rel=1e-8)
    assert with_block.n_iter_ < 0.8 * without.n_iter_


def test_threads_change_no_bit():
    models = [fit(n_jobs=n, tol=1e-4) for n in (1, 2)]
    np.testing.assert_array_equal(models[0].coef_, models[1].coef_)


def test_a_block_that_is_not_positive_is_left_out(monkeypatch):
    objective = problem().objective()
    W = np.ones(objective.shape)
    assert curvature_block(objective, W) is not None
    for wrong in (-np.inf, np.nan):
        made = objective.__class__.curvature_block

        def broken(self, W, size, made=made, wrong=wrong):
            entries, matrix, token = made(self, W, size)
            matrix[0, 0] = wrong
            return entries, matrix, token

        with monkeypatch.context() as patch:
            patch.setattr(objective.__class__, "curvature_block", broken)
            assert curvature_block(objective, W) is None
            assert fit().converged_


def test_inverse_is_that_of_the_damped_block():
    objective = problem().objective()
    W = 0.1 * np.random.RandomState(1).randn(*objective.shape)
    block = curvature_block(objective, W)
    entries, matrix, token = objective.curvature_block(W, block_size(objective))
    matrix = np.tril(matrix) + np.tril(matrix, -1).T + np.diag(objective.l2 + 10 * token)
    np.testing.assert_array_equal(entries, block.entries)
    np.testing.assert_allclose(block.inverse @ matrix, np.eye(len(matrix)), atol=1e-10)
    assert (block.rest[entries] == 0).all() and (np.delete(block.rest, entries) > 0).all()


def test_a_direction_that_leads_nowhere_costs_the_pairs_first_and_then_the_block():
    block = CurvatureBlock(np.array([0]), np.ones((1, 1)), np.array([0.0, 2.0]))
    pairs = Pairs(2, np.zeros((2, 1)), lambda: np.full(2, 3.0), 1, block)
    g = np.ones((2, 1))
    pairs.add(np.ones((2, 1)), 0 * g, g, 0 * g)
    assert pairs.forget() and pairs.block is block
    np.testing.assert_allclose(pairs.direction(g, 100.0)[:, 0], [-1, -2])
    assert pairs.forget() and pairs.block is None
    np.testing.assert_allclose(pairs.direction(g, 100.0)[:, 0], [-3, -3])
    assert not pairs.forget()


def test_no_inverse_without_a_penalty_or_under_l1(monkeypatch):
    def unwanted(objective, W):
        raise AssertionError

    assert block_size(problem().objective()) > 0 == block_size(problem(C=np.inf).objective())
    monkeypatch.setattr(lbfgs, "curvature_block", unwanted)
    for options in (dict(l1_ratio=0.5), dict(solver=LBFGS(precondition=False))):
        assert fit(max_iter=5, **options).n_iter_ == 5
    with pytest.raises(AssertionError):
        fit(max_iter=5)


def test_memory_of_the_block_is_counted():
    objective = problem().objective()
    with_block, without = LBFGS().peak_bytes(objective), LBFGS().peak_bytes(problem(C=np.inf).objective())
    assert with_block - without >= block_size(objective) ** 2 * objective.dtype.itemsize
