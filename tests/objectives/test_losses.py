"""The compiled losses. With X the identity the margins are W itself, so any margins can be asked for."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize

from skopt_solvers.objectives import Loss
from skopt_solvers.objectives._losses import crammer_singer

from ..reference import JOINT, LOSSES, SMOOTH, linear_objective, losses, smoothed_maximum

CASES = [(name, K) for name in LOSSES for K in (1, 3, 5, 20) if K > 1 or name not in JOINT]


def margins(n, K, scale=2.0, seed=0, dtype=np.float64):
    """Random margins, and a label a row."""
    rng = np.random.RandomState(seed)
    return (scale * rng.randn(n, K)).astype(dtype), rng.randint(max(K, 2), size=n).astype(np.int32)


def objective_at_margins(labels, K, name, weights=None, dtype=np.float64):
    """An objective whose table of weights is the margins."""
    X = sp.identity(len(labels), dtype=dtype, format="csr")
    return linear_objective(X, labels, weights, n_outputs=K, C=np.inf, fit_intercept=False, loss=LOSSES[name])


@pytest.mark.parametrize("name, K", CASES)
@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 3e-6)])
def test_value_is_the_weighted_mean_of_the_losses(name, K, dtype, rtol):
    Z, labels = margins(200, K, dtype=dtype)
    weights = np.random.RandomState(1).randint(4, size=200) / 2
    objective = objective_at_margins(labels, K, name, weights, dtype)
    expected = weights @ losses(Z, labels, loss=LOSSES[name]) / weights.sum()
    np.testing.assert_allclose(objective.value(Z), expected, rtol=rtol)
    np.testing.assert_allclose(objective.value_and_gradient(Z)[0], expected, rtol=rtol)


@pytest.mark.parametrize("name, K", CASES)
@pytest.mark.parametrize("dtype, atol", [(np.float64, 1e-7), (np.float32, 2e-5)])
def test_gradient_is_that_of_the_value(name, K, dtype, atol):
    """Random margins are at no kink, so that the losses that have some are covered too."""
    Z, labels = margins(30, K, seed=2, dtype=dtype)
    weights = np.random.RandomState(1).randint(4, size=30) / 2
    objective = objective_at_margins(labels, K, name, weights, dtype)
    gradient = objective.value_and_gradient(Z)[1] * weights.sum()
    numerical = np.empty(Z.shape)
    for k, move in enumerate(1e-6 * np.eye(K)):
        ahead, behind = (losses(Z + s * move, labels, loss=LOSSES[name]) for s in (1, -1))
        numerical[:, k] = weights * (ahead - behind) / 2e-6
    np.testing.assert_allclose(gradient, numerical, atol=atol * max(1.0, np.abs(numerical).max()))
    assert not gradient[weights == 0].any()
    if name in JOINT:
        np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-5 if dtype == np.float32 else 1e-14)


@pytest.mark.parametrize("name, K", [case for case in CASES if case[0] in SMOOTH])
@pytest.mark.parametrize("scale", [0.3, 3.0])
@pytest.mark.parametrize("distance", [1e-3, 1.0])
def test_curvature_bounds_the_change_of_the_gradient(name, K, scale, distance):
    Z, labels = margins(400, K, scale, seed=3)
    objective = objective_at_margins(labels, K, name)
    moves = distance * np.random.RandomState(4).randn(*Z.shape)
    # along the label's own margin the joint losses bend most
    moves[::2] = distance * (np.arange(K) == labels[::2, None]) if K > 1 else moves[::2]
    change = len(labels) * (objective.value_and_gradient(Z + moves)[1] - objective.value_and_gradient(Z)[1])
    ratio = np.linalg.norm(change, axis=1) / np.linalg.norm(moves, axis=1)
    assert ratio.max() <= objective.curvature * (1 + 1e-9)


@pytest.mark.parametrize("name", sorted(SMOOTH))
def test_curvature_is_reached(name):
    """The bound is not idle: some second derivative comes near it."""
    K = 2 if name in JOINT else 1
    objective = objective_at_margins(np.zeros(1, np.int32), K, name)
    move = 1e-4 * np.array([[1.0, -1.0][:K]]) / np.sqrt(K)
    changes = []
    for z in np.linspace(-2, 2, 401):
        W = np.array([[z, 0.0][:K]])
        ahead, behind = (objective.value_and_gradient(W + s * move)[1] for s in (1, -1))
        changes.append(np.linalg.norm(ahead - behind))
    assert max(changes) / 2e-4 >= 0.99 * objective.curvature


def test_which_losses_are_smooth():
    for name in LOSSES:
        objective = objective_at_margins(np.zeros(1, np.int32), 3, name)
        assert objective.smooth == (name not in ("hinge", "crammer_singer", "squared_crammer_singer"))
        assert objective.kinked_gradient == (name not in ("logistic", "softmax"))
        assert objective.curvature > 0


@pytest.mark.parametrize("name, K", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [30.0, 1e3, 1e5, 1e8, 1e15])
def test_extreme_margins_do_not_overflow(name, K, dtype, size):
    rng = np.random.RandomState(5)
    Z = rng.choice([-size, -size / 2, -1.0, 0.0, 1.0, size / 2, size], (300, K)).astype(dtype)
    labels = rng.randint(max(K, 2), size=300).astype(np.int32)
    objective = objective_at_margins(labels, K, name, dtype=dtype)
    value, gradient = objective.value_and_gradient(Z)
    expected = losses(Z, labels, loss=LOSSES[name]).mean()
    np.testing.assert_allclose(value, expected, rtol=3e-5 if dtype == np.float32 else 1e-11)
    if not LOSSES[name].squared:
        steepest = 4 if name == "modified_huber" else 1
        assert np.abs(gradient).max() <= steepest * (1 + (3e-6 if dtype == np.float32 else 1e-12)) / len(Z)


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 1e-5), (np.float64, 1e-14)])
@pytest.mark.parametrize("z", [10.0, 40.0, 80.0])
def test_logistic_tails_keep_their_digits(dtype, rtol, z):
    value, gradient = objective_at_margins(np.ones(1, np.int32), 1, "logistic", dtype=dtype).value_and_gradient(
        np.array([[z]], dtype)
    )
    np.testing.assert_allclose(value, np.log1p(np.exp(-z)), rtol=rtol)
    np.testing.assert_allclose(gradient[0, 0], -np.exp(-z) / (1 + np.exp(-z)), rtol=rtol)


def test_one_output_is_the_difference_of_two_in_softmax():
    Z, labels = margins(50, 1)
    both = np.hstack([np.zeros_like(Z), Z])
    one, two = objective_at_margins(labels, 1, "logistic"), objective_at_margins(labels, 2, "softmax")
    np.testing.assert_allclose(one.value(Z), two.value(both), rtol=1e-13)
    np.testing.assert_allclose(one.value_and_gradient(Z)[1][:, 0], two.value_and_gradient(both)[1][:, 1], atol=1e-15)


@pytest.mark.parametrize("name", sorted(JOINT))
def test_joint_losses_do_not_change_when_all_margins_shift(name):
    Z, labels = margins(50, 5)
    objective = objective_at_margins(labels, 5, name)
    shift = 100 * np.random.RandomState(0).randn(50, 1)
    np.testing.assert_allclose(objective.value(Z + shift), objective.value(Z), rtol=1e-12)


def test_outputs_of_separable_losses_are_binary_problems():
    Z, labels = margins(50, 4)
    for name in set(LOSSES) - JOINT:
        together = objective_at_margins(labels, 4, name)
        alone = [objective_at_margins((labels == k).astype(np.int32), 1, name) for k in range(4)]
        columns = [np.ascontiguousarray(Z[:, [k]]) for k in range(4)]
        values = [objective.value(column) for objective, column in zip(alone, columns, strict=True)]
        np.testing.assert_allclose(together.value(Z), sum(values), rtol=1e-13)


@pytest.mark.parametrize("gamma", [0.1, 1.0])
def test_smoothed_crammer_singer_is_the_maximum_over_the_simplex(gamma):
    """Against a general solver of the maximisation, value and maximiser; the brute force is checked by it too."""
    K = 4
    Z, labels = margins(25, K, scale=1.0, seed=6)
    X = sp.identity(len(Z), format="csr")
    options = dict(n_outputs=K, C=np.inf, fit_intercept=False, loss=crammer_singer(gamma))
    value, gradient = linear_objective(X, labels, **options).value_and_gradient(Z)
    maxima = []
    for z, label, row in zip(Z, labels, gradient * len(Z), strict=True):
        others = np.arange(K) != label
        a = 1 + z[others] - z[label]
        found = minimize(
            lambda p, a=a: gamma / 2 * p @ p - p @ a,
            np.full(K - 1, 0.1),
            jac=lambda p, a=a: gamma * p - a,
            bounds=[(0, 1)] * (K - 1),
            constraints={"type": "ineq", "fun": lambda p: 1 - p.sum(), "jac": lambda p: -np.ones(len(p))},
            method="SLSQP",
            options=dict(ftol=1e-14, maxiter=500),
        )
        maxima.append(-found.fun)
        np.testing.assert_allclose(row[others], found.x, atol=1e-5)
        np.testing.assert_allclose(row[label], -found.x.sum(), atol=1e-5)
        np.testing.assert_allclose(smoothed_maximum(a[None], gamma)[0], -found.fun, atol=1e-9)
    np.testing.assert_allclose(value, np.mean(maxima), atol=1e-9)


@pytest.mark.parametrize("name, exact, width", [
    ("smoothed_hinge", "hinge", 1.0),
    ("narrow_hinge", "hinge", 0.03),
    ("smoothed_crammer_singer", "crammer_singer", 1.0),
    ("narrow_crammer_singer", "crammer_singer", 0.03),
])  # fmt: skip
def test_smoothing_lies_below_by_at_most_half_its_width(name, exact, width):
    Z, labels = margins(200, 5, seed=7)
    for i in range(len(Z)):
        below = objective_at_margins(labels[i : i + 1], 5, name).value(Z[i : i + 1])
        above = objective_at_margins(labels[i : i + 1], 5, exact).value(Z[i : i + 1])
        outputs = 1 if name in JOINT else 5
        assert above - outputs * width / 2 - 1e-12 <= below <= above + 1e-12


def test_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="unknown loss 'absolute'"):
        linear_objective(sp.identity(2, format="csr"), np.zeros(2, np.int32), loss=Loss(struct="absolute"))
