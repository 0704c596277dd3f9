"""The compiled decoder of a chain against the enumeration of all label paths, and what weights and lengths it bears."""

import importlib
import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from skopt_solvers import _kernels
from skopt_solvers.objectives import MISSING

from ..chain_reference import DTYPES, FORMS, LENGTHS, ChainProblem, problems, random_problem, rounding


def decoded(problem, W, dtype, known=None, k=7):
    """What the decoder says of every sequence: path, marginals, log-likelihood of the labels, k best paths."""
    n, S, K = int(problem.lengths.sum()), len(problem.lengths), problem.n_labels
    decoder = problem.decoder(W, dtype, known)
    path, P, scores = np.full(n, -7, np.int32), np.empty(n * K, dtype), np.zeros(S)
    paths, of_paths, counts = np.empty(k * n, np.int32), np.empty(k * S), np.empty(S, np.int64)
    decoder.viterbi(path)
    decoder.marginals(P)
    decoder.log_likelihood(problem.labels, scores)
    decoder.best_paths(k, paths, of_paths, counts)
    return path, P.reshape(n, K), scores, paths, of_paths.reshape(S, k), counts


def assert_decodes(problem, dtype, known=None):
    W = problem.table()
    small, k = rounding(problem, W, dtype), 7
    path, P, scores, paths, of_paths, counts = decoded(problem, W, dtype, known, k)
    unrestricted = problem.enumerations(W)
    for s, every in problem.enumerations(W, known).items():
        begin, end = problem.offsets[s : s + 2]
        assert scores[s] == pytest.approx(
            unrestricted[s].log_likelihood(problem.labels[begin:end]), rel=small, abs=small
        )
        if not every.possible:
            assert (path[begin:end] == MISSING).all() and np.isnan(P[begin:end]).all() and counts[s] == 0
            continue
        best = every.best(k)
        assert every.score(path[begin:end]) - every.log_z() == pytest.approx(best[0], rel=small, abs=small)
        np.testing.assert_allclose(P[begin:end], every.marginals(), atol=max(small / 16, 1e-5 * (dtype == np.float32)))
        assert counts[s] == len(best)
        np.testing.assert_allclose(of_paths[s, : len(best)], best, rtol=small, atol=small)
        found = paths[k * begin : k * end].reshape(k, end - begin)[: len(best)]
        assert len(np.unique(found, axis=0)) == len(best)
        for row, log_probability in zip(found, best, strict=True):
            assert every.score(row) - every.log_z() == pytest.approx(log_probability, rel=small, abs=small)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n_labels", [1, 2, 4])
@pytest.mark.parametrize("dtype", DTYPES)
def test_decoder_is_the_enumeration(kernels, form, n_labels, dtype):
    assert_decodes(random_problem(LENGTHS, n_labels, seed=n_labels, **FORMS[form]), dtype)


@pytest.mark.parametrize("n_labels", [7, 9, 16, 17, 49])
@pytest.mark.parametrize("dtype", DTYPES)
def test_decoder_with_many_labels(kernels, n_labels, dtype):
    assert_decodes(random_problem([2, 1, 2], n_labels), dtype)


@given(problems(), st.sampled_from(DTYPES), st.integers(0, 1000))
@settings(max_examples=80)
def test_decoder_takes_known_labels_and_constraints(problem, dtype, seed):
    rng = np.random.RandomState(seed)
    known = np.where(
        rng.rand(len(problem.labels)) < 0.4, rng.randint(problem.n_labels, size=len(problem.labels)), MISSING
    )
    assert_decodes(problem, dtype, known.astype(np.int32))


# Long and extreme


def log_forward(Z, T, start):
    """Logarithms of the forward variables by the textbook recursion in float64."""
    a = np.empty_like(Z)
    a[0] = start + Z[0]
    for t in range(1, len(Z)):
        a[t] = np.logaddexp.reduce(a[t - 1][:, None] + T, axis=0) + Z[t]
    return a


def one_sequence(n, n_labels, scale, dtype, seed=0):
    """A long sequence, weights whose sums are exact in float32, and its log Z, marginals and log-likelihood."""
    rng, d = np.random.RandomState(seed), 5
    X = sp.csr_matrix(np.where(rng.rand(n, d) < 0.4, 1.0, 0.0))
    labels = rng.randint(n_labels, size=n).astype(np.int32)
    problem = ChainProblem(X, np.array([n]), labels, np.ones(1), n_labels, C=np.inf)
    W = scale * np.round(16 * rng.randn(*problem.objective().shape)) / 16
    state, T, start, end = problem.parts(W)
    Z = X @ state
    a, b = log_forward(Z, T, start), log_forward(Z[::-1], T.T, end)[::-1] - Z
    log_z = np.logaddexp.reduce(a[-1] + end)
    score = Z[np.arange(n), labels].sum() + T[labels[:-1], labels[1:]].sum() + start[labels[0]] + end[labels[-1]]
    return problem, W.astype(dtype), log_z - score, np.exp(a + b - log_z)


@pytest.mark.parametrize("dtype, tight", [(np.float64, 1e-9), (np.float32, 1e-4)])
@pytest.mark.parametrize("scale", [0.5, 20.0])
def test_a_sequence_of_a_hundred_thousand_tokens(dtype, tight, scale):
    problem, W, loss, marginals = one_sequence(100_000, 3, scale, dtype)
    n, d = problem.X.shape
    value, gradient = (n * mean for mean in problem.objective(dtype).value_and_gradient(W))
    assert value == pytest.approx(loss, rel=0.01 * tight)
    P, likelihood = np.empty(3 * n, dtype), np.empty(1)
    decoder = problem.decoder(W, dtype)
    decoder.marginals(P)
    decoder.log_likelihood(problem.labels, likelihood)
    assert -likelihood[0] == pytest.approx(loss, rel=0.01 * tight)
    # log Z is of the order of 1e6, and both sides carry its rounding
    np.testing.assert_allclose(P.reshape(n, 3), marginals, atol=max(tight, 1e-5))
    marginals[np.arange(n), problem.labels] -= 1
    expected = problem.X.T @ marginals
    np.testing.assert_allclose(gradient[:d], expected, atol=max(tight, 1e-6) * np.abs(expected).max())
    # as many steps are expected as there are
    assert float(gradient[d : d + 3].sum()) == pytest.approx(0.0, abs=max(tight, 1e-6) * n)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_extreme_weights_on_a_long_sequence_lose_nothing(kernels, dtype, scale):
    problem, W, loss, marginals = one_sequence(1000, 4, scale, dtype)
    n, d = problem.X.shape
    value, gradient = (n * mean for mean in problem.objective(dtype).value_and_gradient(W))
    assert value == pytest.approx(loss, rel=max(1e-12, float(np.finfo(dtype).eps)))
    path, P = np.empty(n, np.int32), np.empty(4 * n, dtype)
    decoder = problem.decoder(W, dtype)
    decoder.viterbi(path)
    decoder.marginals(P)
    np.testing.assert_allclose(P.reshape(n, 4), marginals, atol=1e-9 * scale)
    marginals[np.arange(n), problem.labels] -= 1
    expected = problem.X.T @ marginals
    atol = max(1e-9 * scale, 16 * np.finfo(dtype).eps) * np.abs(expected).max()
    np.testing.assert_allclose(gradient[:d], expected, atol=atol)
    # nothing is more probable than the best path, whose probability is not small here
    assert 0 <= n * problem.with_(labels=path).objective(dtype).value(W) + 1e-14 * abs(loss) < 20


@pytest.mark.parametrize("dtype, scales", [(np.float32, (10.0, 15.0, 30.0, 60.0)), (np.float64, (60.0, 150.0, 600.0))])
@pytest.mark.parametrize("constrained", [False, True])
def test_a_label_that_leaves_the_range_comes_back(dtype, scales, constrained):
    """Its score may underflow at one token and be the largest some tokens later."""
    for state_scale, other_scale in product(scales, (1.0, *scales)):
        for seed in range(40):
            problem = random_problem([4, 4, 3], 3, seed, constrained=constrained)
            W, d = problem.table(seed), problem.X.shape[1]
            W[:d] *= state_scale
            W[d:] *= other_scale
            scores = np.empty(3)
            problem.decoder(W, dtype).log_likelihood(problem.labels, scores)
            small = 64 * np.finfo(dtype).eps * np.abs(W).max()
            np.testing.assert_allclose(scores, -problem.losses(W), rtol=small, atol=small)


def test_the_environment_forces_the_kernels_that_run_everywhere():
    program = "from skopt_solvers import _kernels; print(_kernels.variant)"
    environment = dict(os.environ, SKOPT_SOLVERS_KERNELS="baseline")
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "_core"


def test_variants_agree():
    core = importlib.import_module("skopt_solvers._kernels._core")
    if not core.cpu_is_v3():
        pytest.skip("needs x86-64-v3")
    problem = random_problem(np.random.RandomState(0).randint(0, 5, 50), 5, n_features=30)
    W, answers = problem.table(), []
    for name in ("_core", "_core_v3"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_kernels, "_core", importlib.import_module(f"skopt_solvers._kernels.{name}"))
            objective = problem.objective()
            assert type(objective.native).__module__.endswith(name)
            answers.append([*objective.value_and_gradient(W), *decoded(problem, W, np.float64)[:3]])
    for ours, theirs in zip(*answers, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)
