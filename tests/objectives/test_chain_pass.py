"""The pass of a chain: sequences side by side, and the copy of their rows."""

import numpy as np
import pytest
import scipy.sparse as sp

from skopt_solvers.objectives import ChainObjective, _chain

from ..chain_reference import DTYPES, ChainProblem

LENGTHS = [9, 8, 8, 8, 7, 7, 1, 5, 5, 3, 1]


def problem_of(lengths, n_labels, ones, seed=0, n_dense=0):
    """Sequences that share no feature, so that the gradient of each is in rows of its own."""
    rng = np.random.RandomState(seed)
    blocks = [sp.random(n, 6, density=0.5, format="csr", random_state=rng) for n in lengths]
    X = sp.block_diag(blocks, format="csr")
    if ones:
        X.data[:] = 1
    labels = rng.randint(n_labels, size=sum(lengths)).astype(np.int32)
    return ChainProblem(X, lengths, labels, rng.rand(len(lengths)) + 0.5, n_labels, n_dense=n_dense)


@pytest.mark.parametrize("n_labels", [2, 9, 17, 22, 30, 70])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 60.0])
@pytest.mark.parametrize("n_dense", [0, 45])
def test_a_sequence_has_the_same_bits_alone_and_beside_others(kernels, n_labels, dtype, scale, n_dense):
    problem = problem_of(LENGTHS, n_labels, ones=False, n_dense=n_dense)
    W = (scale * np.random.RandomState(1).randn(*problem.objective().shape)).astype(dtype)

    def gradient(weights):
        X, vectors = problem.blocks(dtype)
        objective = ChainObjective(
            X, problem.offsets, problem.labels, weights, n_labels=n_labels, C=2.0, l1_ratio=0.0,
            fit_boundaries=True, transitions=problem.transitions, allowed=problem.allowed, total=50.0, vectors=vectors,
        )  # fmt: skip
        return objective.value_and_gradient(W)[1]

    together = gradient(problem.weights)
    for s in range(len(LENGTHS)):
        alone = gradient(np.where(np.arange(len(LENGTHS)) == s, problem.weights, 0))
        rows = slice(6 * s, 6 * s + 6)
        np.testing.assert_array_equal(together[rows], alone[rows])
        assert np.isfinite(alone[rows]).all()


@pytest.mark.parametrize("ones", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_pass_without_a_copy_of_the_rows_gives_the_same_bits(kernels, monkeypatch, ones, dtype, n_threads):
    problem = problem_of(LENGTHS * 60, 9, ones)
    W = np.random.RandomState(1).randn(*problem.objective().shape).astype(dtype)
    copied = problem.objective(dtype, n_threads=n_threads)
    monkeypatch.setattr(_chain, "ALWAYS_FREE", 0)
    monkeypatch.setattr(_chain, "free_bytes", lambda: 10**4)
    in_place = problem.objective(dtype, n_threads=n_threads)
    assert in_place.native.copied_bytes() == 0
    X = copied.X
    values = 0 if ones else X.data.nbytes
    assert copied.native.copied_bytes() == X.indices.nbytes + X.indptr.nbytes + values
    assert copied.pass_bytes - in_place.pass_bytes == copied.native.copied_bytes()
    for ours, theirs in zip(copied.value_and_gradient(W), in_place.value_and_gradient(W), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_sequences_side_by_side_need_not_be_sorted(kernels, monkeypatch):
    """Those of a matrix on disk are sorted within blocks alone, and a group may have some of two."""
    problem = problem_of([1, 9, 2, 30, 5, 1, 8, 12] * 9, 5, ones=False)
    W = np.random.RandomState(1).randn(*problem.objective().shape)
    expected = problem.objective().value_and_gradient(W)
    monkeypatch.setattr(_chain, "is_streamed", lambda X: True)
    monkeypatch.setattr(_chain, "block_size", lambda X: 1)
    for ours, theirs in zip(problem.objective().value_and_gradient(W), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-15)
