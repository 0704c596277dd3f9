"""A proven upper bound of how far a linear model is from its optimum."""

import numpy as np
from scipy.optimize import brentq, minimize, minimize_scalar

from .._base.threads import one_blas_thread

# Widths at which a loss with kinks is smoothed, see `suboptimality`.
_WIDTHS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
# The largest sum of dual variables that counts as the 0 that an unpenalised intercept asks for.
_BALANCED = 1e-3


def suboptimality(objective, W, precision=1e-12):
    r"""An upper bound of ``F(W) - min F`` for a linear model, times ``objective.scale``.

    With u_i in the subdifferential of the loss at the margins z_i, :math:`G = \sum_i \omega_i x_i u_i^T` and
    r the penalty, weak duality and :math:`\ell^*(\theta u) \le \theta \ell^*(u) = \theta (z \cdot u - \ell(z))`, which
    holds for losses whose infimum is 0, give for every :math:`\theta \in [0, 1]`

    .. math:: \min F \ge \theta \Big(\sum_i \omega_i \ell(z_i) - \langle W, G \rangle\Big) - r^*(-\theta G),
       \qquad r^*(V) = \sum_j \frac{(|V_j| - l_1)_+^2}{2 l_2}.

    The best :math:`\theta` is taken. At :math:`\theta = 1` without L1 the bound is half the squared norm of the
    gradient over the strong convexity constant. An unpenalised intercept asks that
    :math:`\sum_i \omega_i u_i = 0`: it is optimised first, W being fixed, and the bound holds to the rounding of
    that. A loss with kinks is replaced, in the lower bound only, by a smooth one below it, the best of several widths.

    References
    ----------
    Shalev-Shwartz & Zhang (2013), section 1; Boyd & Vandenberghe (2004), section 5.5.1.

    Parameters
    ----------
    objective : LinearObjective
    W : ndarray of shape `objective.shape`
    precision : float
        To which the intercepts are optimised where there are several.
    """
    if not objective.l1 and not objective.l2:
        return np.inf
    below = [objective] if objective.smooth else [objective.smoothed(width) for width in _WIDTHS]
    value = objective.value(W)
    with np.errstate(over="ignore", invalid="ignore"):
        bound = objective.scale * max(min(value - _lower_bound(smooth, W, precision) for smooth in below), 0.0)
    return np.inf if np.isnan(bound) else bound


def _lower_bound(objective, W, precision):
    native, n, (_, K) = objective.native, objective.n_penalised, objective.shape
    Z, U = (np.empty((objective.X.shape[0], K), objective.dtype) for _ in range(2))
    native.margins(W.ravel(), Z.ravel())
    if objective.shape[0] > n:
        shift = _best_shift(objective, Z, U, precision).astype(objective.dtype)
        Z += shift
    loss = native.loss(Z.ravel(), U.ravel())
    if objective.shape[0] > n and np.abs(U.sum(axis=0)).max() > _BALANCED:
        return 0.0  # so far off that no balance was found: the dual point is none
    G = np.empty_like(W)
    native.backward(U.ravel(), G.ravel())
    return _dual_value(loss - float(np.vdot(W[:n], G[:n])), G[:n], objective.l1, objective.l2)


def strongly_convex_bound(objective, W, value, loss, G):
    """The same bound for a model whose parameters are all penalised: `loss` and its gradient `G` at W, F(W) = `value`.

    The loss may be any convex function of the scores that is bounded below by 0, as a negative log-likelihood is.
    """
    if not objective.l1 and not objective.l2:
        return np.inf
    dual = _dual_value(loss - float(np.vdot(W, G)), G, objective.l1, objective.l2)
    return objective.scale * max(value - dual, 0.0)


def _dual_value(linear, G, l1, l2):
    """The largest over theta in [0, 1] of ``theta linear - r*(-theta G)``."""
    if not l2:
        theta = min(1.0, l1 / max(float(np.abs(G).max()), 1e-300))
        return max(theta * linear, 0.0)
    if not l1:
        quadratic = float(np.vdot(G, G)) / (2 * l2)
        theta = min(max(linear / (2 * quadratic), 0.0), 1.0) if quadratic else 1.0
        return theta * linear - theta**2 * quadratic
    magnitudes = np.abs(G).ravel()

    def negative(theta):
        excess = np.maximum(theta * magnitudes - l1, 0)
        return float(np.vdot(excess, excess)) / (2 * l2) - theta * linear

    return -min(negative(1.0), minimize_scalar(negative, bounds=(0, 1), method="bounded").fun)


def _units(objective):
    """Steps of the intercepts along which the loss curves alike.

    The curvature of a class's log-loss is about its share times the rest: of a thousand classes little for all, and
    differently little for each, so that in these units L-BFGS needs a third to a tenth of the evaluations.
    """
    K = objective.shape[1]
    if not objective.loss.log_likelihood:
        return np.ones(K)
    share = objective.positive_shares()
    return 1 / np.sqrt(np.maximum(share * (1 - share), 1e-12))


def _best_shift(objective, Z, U, precision):
    """The change of the intercepts that minimises the loss at margins Z."""

    def value_and_gradient(b):
        value = objective.native.loss((Z + b.astype(Z.dtype)).ravel(), U.ravel())
        return value, U.sum(axis=0).astype(float)

    K = Z.shape[1]
    if K > 1:
        units = _units(objective)

        def scaled(c):
            value, gradient = value_and_gradient(units * c)
            return value, units * gradient

        options = dict(method="L-BFGS-B", options=dict(gtol=precision, ftol=0.0))
        # From 1.15 on scipy calls LAPACK for what is tiny here, and OpenBLAS wakes a thread a core for it, on a busy
        # machine 58 ms instead of 7 in a fit of 120 rows (scipy issue 22438).
        with one_blas_thread():
            return units * minimize(scaled, np.zeros(K), jac=True, **options).x
    # with one output the derivative is monotone: its root, to the last bit
    slope = lambda b: float(value_and_gradient(np.array([b]))[1][0])  # noqa: E731
    # Samples of one class alone lead beyond every number; exponentials end at the least normal one, so never at 0.
    least = 1e3 * float(np.finfo(Z.dtype).tiny)
    low, high = -1.0, 1.0
    while slope(low) > least:
        low *= 2
    while slope(high) < -least:
        high *= 2
    if slope(low) > 0:
        return np.array([low])
    if slope(high) < 0:
        return np.array([high])
    return np.array([brentq(slope, low, high, xtol=1e-15)])
