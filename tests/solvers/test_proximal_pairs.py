"""Steps of the proximal quasi-Newton method: their model is that of BFGS, and they minimise it together with L1."""

import numpy as np
import pytest

from skopt_solvers import LinearChainCRF, _kernels
from skopt_solvers.solvers import LBFGS, _lbfgs_fit
from skopt_solvers.solvers._curvature_block import CurvatureMatrix
from skopt_solvers.solvers._proximal_pairs import ProximalPairs

from ..chain_reference import tagging, weights_of
from ..estimator.test_fit import quiet

FORMS = [(0, 0), (0, 5), (7, 0), (7, 3), (7, 9)]


def problem(n_entries, n_pairs, dtype=np.float64, size=30, seed=0):
    """Pairs of a random quadratic, of which six are kept, and the matrix B that BFGS makes of them."""
    rng = np.random.RandomState(seed)
    A = rng.randn(size, size)
    hessian = A @ A.T / size + np.diag(rng.uniform(0.1, 3, size))
    entries = rng.permutation(size)[:n_entries].astype(np.int64)
    rest = rng.uniform(0.5, 2, size).astype(dtype)
    rest[entries] = 0
    block = hessian[np.ix_(entries, entries)].astype(dtype)
    pairs = ProximalPairs(6, np.zeros((size, 1), dtype), CurvatureMatrix(entries, block, rest), 0.1)
    kept = []
    for _ in range(n_pairs):
        s = rng.randn(size, 1).astype(dtype)
        pairs.add(s, np.zeros_like(s), (hessian @ s).astype(dtype), np.zeros_like(s))
        kept.append((s.ravel().astype(float), (hessian @ s).ravel()))
    B = np.diag(1 / (pairs.gamma * np.where(rest > 0, rest, 1))).astype(float)
    B[np.ix_(entries, entries)] = block
    for s, y in kept[-6:]:
        Bs = B @ s
        B += np.outer(y, y) / (s @ y) - np.outer(Bs, Bs) / (s @ Bs)
    return pairs, B, rng


@pytest.mark.parametrize("n_entries, n_pairs", FORMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_model_is_that_of_bfgs_and_its_minimum_is_found(n_entries, n_pairs, dtype, monkeypatch):
    pairs, B, rng = problem(n_entries, n_pairs, dtype)
    w = (rng.randn(30, 1) * (rng.rand(30, 1) < 0.6)).astype(dtype)
    g = (0.4 * rng.randn(30, 1)).astype(dtype)
    monkeypatch.setattr("skopt_solvers.solvers._proximal_pairs._SWEEPS", 3000)
    monkeypatch.setattr("skopt_solvers.solvers._proximal_pairs._LITTLE", 0.0)
    d, change = pairs.direction(w, g)
    active = ((w != 0) | (np.abs(g) > dtype(0.1))).ravel()
    assert not d.ravel()[~active].any() and d.dtype == dtype
    slope, at = (g.ravel() + B @ d.ravel())[active], (w + d).ravel()[active]
    tolerance = 2e-3 if dtype == np.float32 else 1e-9
    np.testing.assert_allclose(slope[at != 0], -0.1 * np.sign(at[at != 0]), atol=tolerance)
    assert (at == 0).any() and (np.abs(slope[at == 0]) <= 0.1 + tolerance).all()
    expected = float(np.vdot(g, d)) + 0.1 * float(np.abs(w + d).sum() - np.abs(w).sum())
    assert change == pytest.approx(expected, rel=1e-4) and change < 0


def test_few_sweeps_lower_the_model_too():
    pairs, B, rng = problem(7, 5)
    w, g = rng.randn(30, 1), rng.randn(30, 1)
    d, change = pairs.direction(w, g)
    assert change + 0.5 * float(np.vdot(d, B @ d)) < 0


def test_a_pair_without_curvature_is_left_out_and_all_are_forgotten():
    pairs, _, rng = problem(7, 5)
    s = rng.randn(30, 1)
    before = list(pairs.order)
    pairs.add(s, np.zeros_like(s), -s, np.zeros_like(s))
    assert sorted(pairs.order) == sorted(set(before) - {(before[0] + 1) % 6})
    assert pairs.forget() and not pairs.order and pairs.gamma == 1.0 and not pairs.forget()


def test_wrong_sizes_are_refused():
    pairs, _, _ = problem(7, 5)
    transform, signs = pairs._factors()
    order = np.array(pairs.order, np.int64)
    start = 1 / np.where(pairs.matrix.rest > 0, pairs.matrix.rest, 1), pairs.matrix.entries
    good = [pairs.S.ravel(), pairs.Y.ravel(), pairs.products.ravel(), order, transform.ravel(), signs, *start]
    good += [pairs.matrix.matrix.ravel(), np.ones(30), np.ones(30), 0.1, 3, 0.0, np.empty(30)]
    assert _kernels.proximal_step(*good) < 0
    for place in (0, 1, 2, 4, 5, 6, 8, 9, 10, 14):
        with pytest.raises(ValueError, match="must"):
            _kernels.proximal_step(*good[:place], good[place][:-1].copy(), *good[place + 1 :])
    for place, wrong in ((3, np.array([0, 1, 2, 3, 6])), (7, np.full(7, 30))):
        with pytest.raises(ValueError, match="must index"):
            _kernels.proximal_step(*good[:place], wrong, *good[place + 1 :])


X, Y = tagging(n=600, n_features=40, longest=6, noise=2.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "options",
    [
        dict(l1_ratio=0.5),
        dict(l1_ratio=1.0),
        dict(l1_ratio=0.5, state_features="observed", transitions="observed"),
        dict(l1_ratio=0.5, transition_features=[0, 1]),
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_a_crf_ends_at_the_optimum(options, dtype, monkeypatch):
    steps = []
    step = _lbfgs_fit.LBFGSFit._proximal_step
    monkeypatch.setattr(_lbfgs_fit.LBFGSFit, "_proximal_step", lambda fit: steps.append(1) or step(fit))
    data = [x.astype(dtype) for x in X]
    tol = 1e-6 if dtype == np.float32 else 1e-8
    ours = quiet(LinearChainCRF(C=0.2, tol=tol, max_iter=300, **options), data, Y)
    assert steps
    plain = quiet(LinearChainCRF(C=0.2, tol=1e-9, max_iter=2000, solver=LBFGS(precondition=False), **options), X, Y)
    best, reached = (model.history_[-1]["objective"] for model in (plain, ours))
    assert reached == pytest.approx(best, rel=2e-5)
    assert (weights_of(ours) == 0).mean() > 0.05 and ours.converged_


def test_missing_labels_are_taken():
    partly = [[None if not (s + t) % 5 else label for t, label in enumerate(y)] for s, y in enumerate(Y)]
    model = LinearChainCRF(C=0.2, l1_ratio=0.5, max_iter=500).fit(X, partly)
    objectives = [record["objective"] for record in model.history_ if record["iteration"]]
    assert model.converged_ and objectives[-1] < objectives[0]
