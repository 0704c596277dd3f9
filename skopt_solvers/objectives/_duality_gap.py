"""A proven upper bound of how far a linear model is from its optimum."""

import numpy as np
from scipy.optimize import brentq, minimize, minimize_scalar

from .. import _kernels
from .._base.threads import one_blas_thread

# Widths at which a loss with kinks is smoothed, see `suboptimality`.
_WIDTHS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
_WIDTH = 0.1  # at which an ascent begins
# The largest sum of dual variables, over a small loss, that counts as the 0 that an unpenalised intercept asks for.
_BALANCED = 1e-3
# Parts of the gradient that a balance may move it by, and of F that the bound may be, where no product is made.
_NEAR, _SMALL = 0.25, 0.1
# Steps of the secant method that pay beside the bracket's, and the slope that is rounding.
_SECANTS = 6
_ROOT = 1e-15


def suboptimality(objective, W, precision=1e-12, margins=None, value=None):
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
    margins : tuple of three ndarrays of shape (n_rows_of_X, n_outputs), optional
        The margins at W, and two tables that are written to; else they are made.
    value : float, optional
        F(W), where it is known.
    """
    if not objective.l1 and not objective.l2:
        return np.inf
    below = [objective] if objective.smooth else [objective.smoothed(width) for width in _WIDTHS]
    if margins is None:
        Z = objective.margins(W)
        margins = Z, np.empty_like(Z), np.empty_like(Z)
    Z, _, U = margins
    if value is None:
        value = objective.native.loss(Z.ravel(), U.ravel()) + objective.native.penalise(W.ravel(), W[:0].ravel())
    with np.errstate(over="ignore", invalid="ignore"):
        bound = objective.scale * max(min(value - _lower_bound(one, W, *margins, precision) for one in below), 0.0)
    return np.inf if np.isnan(bound) else bound


def suboptimality_at(objective, point):
    r"""The same bound at a position, mostly without a product with X.

    At :math:`\theta = 1` without L1 the bound is, with the intercept's change b to its optimum, u and u' the gradients
    of the losses before and after it, and g the gradient of F in the penalised rows,

    .. math:: L(z) - L(z + b) + \frac{\|g + X^\top (u' - u)\|^2}{2 l_2}, \qquad
       \|X^\top d\|^2 \le \sum_i \omega_i \|x_i\|^2 \sum_i \|d_i\|^2 / \omega_i .

    It is taken where the second term is little beside g, as where the intercept is balanced already.
    """
    if objective.smooth and objective.l2 and not objective.l1:
        bound = _bound_by_gradient(objective, point)
        if bound <= _SMALL * point.value:  # where the best theta is 1
            return objective.scale * bound
    return suboptimality(objective, point.W, 1e-6, point.scratch(), point.value)


def _bound_by_gradient(objective, point):
    """Return the bound by the position's gradient; infinite where the intercept is too far from its optimum."""
    n, gradient = objective.n_penalised, point.gradient
    norm = float(np.sqrt(dot(gradient[:n], gradient[:n])))
    if objective.shape[0] == n:
        return norm**2 / (2 * objective.l2)
    try:
        length = float(np.sqrt(objective.squared_norms()[:n].sum()))
    except FloatingPointError:
        return np.inf
    if not float(np.linalg.norm(gradient[n:])) * length <= _NEAR * norm:
        return np.inf
    Z, shifted, U = point.scratch()
    np.add(Z, _best_shift(objective, Z, U, 1e-6).astype(Z.dtype), out=shifted)
    after = objective.native.loss(shifted.ravel(), U.ravel())
    if np.abs(_kernels.column_sums(U)).max() > _allowed_sum(after, U.dtype):
        return np.inf
    before = objective.native.loss(Z.ravel(), shifted.ravel())
    U -= shifted
    weights = objective.weights / objective.total
    squares = np.einsum("ij,ij->i", U, U, dtype=float)
    change = length * float(np.sqrt(np.divide(squares, weights, out=squares, where=weights > 0).sum()))
    if not change <= _NEAR * norm:
        return np.inf
    return max(before - after, 0.0) + (norm + change) ** 2 / (2 * objective.l2)


def _allowed_sum(loss, dtype):
    """Return how far from 0 the dual variables may sum for an intercept, at such a loss."""
    return _BALANCED * min(loss, 1.0) + 2 * float(np.finfo(dtype).eps)


def _lower_bound(objective, W, margins, Z, U, precision):
    native, n = objective.native, objective.n_penalised
    Z[...] = margins
    if objective.shape[0] > n:
        Z += _best_shift(objective, Z, U, precision).astype(objective.dtype)
    loss = native.loss(Z.ravel(), U.ravel())
    allowed = _allowed_sum(loss, U.dtype)
    if objective.shape[0] > n and np.abs(_kernels.column_sums(U)).max() > allowed:
        return 0.0  # so far off that no balance was found: the dual point is none
    G = np.empty_like(W)
    objective.transposed_product(U, G)
    return dual_value(loss - dot(W[:n], G[:n]), G[:n], objective.l1, objective.l2)


def dual_point(objective, W):
    """Return ``-u_i / omega_i``, u_i being the gradients of the losses at the margins of W, and the best intercept.

    Where the loss has kinks, they are those of a smooth one below it.
    """
    below, n = objective if objective.smooth else objective.smoothed(_WIDTH), objective.n_penalised
    Z = objective.margins(W)
    U, intercept = np.empty_like(Z), W[n:]
    if len(intercept):
        shift = _best_shift(below, Z, U, 1e-6).astype(Z.dtype)
        Z += shift
        intercept = intercept + shift
    below.native.loss(Z.ravel(), U.ravel())
    weights = -(objective.weights / objective.weights.sum())[:, None].astype(U.dtype)
    return np.divide(U, weights, out=np.zeros_like(U), where=weights < 0), intercept


def strongly_convex_bound(objective, W, value, loss, G):
    """The same bound for a model whose parameters are all penalised: `loss` and its gradient `G` at W, F(W) = `value`.

    The loss may be any convex function of the scores that is bounded below by 0, as a negative log-likelihood is.
    """
    if not objective.l1 and not objective.l2:
        return np.inf
    dual = dual_value(loss - dot(W, G), G, objective.l1, objective.l2)
    return objective.scale * max(value - dual, 0.0)


def bound_of_position(objective, position):
    """Return the same at a position of such a model, whose value and gradient it has."""
    W, l1, l2 = position.W, objective.l1, objective.l2
    size = dot(W, W)
    loss = position.value - 0.5 * l2 * size - (l1 * float(np.abs(W).sum(dtype=float)) if l1 else 0.0)
    return strongly_convex_bound(objective, W, position.value, loss, position.gradient - W.dtype.type(l2) * W)


def dual_value(linear, G, l1, l2):
    """The largest over theta in [0, 1] of ``theta linear - r*(-theta G)``."""
    if not l2:
        theta = min(1.0, l1 / max(float(np.abs(G).max()), 1e-300))
        return max(theta * linear, 0.0)
    if not l1:
        quadratic = dot(G, G) / (2 * l2)
        theta = min(max(linear / (2 * quadratic), 0.0), 1.0) if quadratic else 1.0
        return theta * linear - theta**2 * quadratic
    magnitudes = np.abs(G).ravel()

    def negative(theta):
        excess = np.maximum(theta * magnitudes - l1, 0)
        return dot(excess, excess) / (2 * l2) - theta * linear

    return -min(negative(1.0), minimize_scalar(negative, bounds=(0, 1), method="bounded").fun)


def _units(objective, U):
    """Return steps of the intercepts along which the loss curves alike, at margins with the dual variables U.

    The second derivative of a log-loss is ``v (1 - v)``, v being the size of its dual variable. Of a thousand classes
    it is little for all, and differently little for each, so that in these units L-BFGS needs a third to a tenth of
    the evaluations.
    """
    if not objective.loss.log_likelihood:
        return np.ones(U.shape[1])
    weights = objective.weights[:, None]
    v = np.divide(np.abs(U), weights, out=np.zeros_like(U), where=weights > 0)
    curvature = (weights * (v * (1 - v))).sum(axis=0, dtype=float)
    return 1 / np.sqrt(np.maximum(curvature, 1e-12))


def _best_shift(objective, Z, U, precision):
    """The change of the intercepts that minimises the loss at margins Z."""

    def value_and_gradient(b):
        value = objective.native.loss((Z + b.astype(Z.dtype)).ravel(), U.ravel())
        return value, _kernels.column_sums(U)

    K = Z.shape[1]
    if K > 1:
        value, gradient = value_and_gradient(np.zeros(K))
        # what is left of the sum costs as much as the intercepts are off
        precision = max(precision, float(np.finfo(Z.dtype).eps)) * min(1.0, value)
        if np.abs(gradient).max() <= precision:
            return np.zeros(K)
        units = _units(objective, U)

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
    near = _secant(slope, max(_ROOT, float(np.finfo(Z.dtype).eps)))
    if near is not None:
        return np.array([near])
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


def _secant(slope, root=_ROOT):
    """Return the root of an increasing function that has it near 0, and None where it has not."""
    before, at_before = 0.0, slope(0.0)
    b = float(np.clip(-4 * at_before, -0.05, 0.05))
    for _ in range(_SECANTS):
        if abs(at_before) <= root:
            return before
        at = slope(b)
        if not (at - at_before) * (b - before) > 0:
            return None
        before, at_before, b = b, at, b - at * (b - before) / (at - at_before)
    return None


def dot(a, b):
    """Return the inner product; not by BLAS, whose threads would spin for longer than the fit takes."""
    return _kernels.dot(np.ravel(a), np.ravel(b))
