"""A lower bound of an objective from the gradients at several points."""

from typing import Any

import numpy as np

from ._duality_gap import dot, dual_value

_ROUNDS = 50  # of ascent in two or three numbers


class Planes:
    r"""The best of the lower bounds that gradients at several points give together, one table being kept.

    A convex loss L is above its tangents :math:`a_k + \langle G_k, W \rangle` with
    :math:`a_k = L(W_k) - \langle G_k, W_k \rangle`, and above 0. For :math:`\lambda_k \ge 0` whose sum is at most 1,

    .. math:: \min F \ge \sum_k \lambda_k a_k - r^*\Big(-\sum_k \lambda_k G_k\Big),
       \qquad r^*(V) = \sum_j \frac{(|V_j| - l_1)_+^2}{2 l_2}.

    A new plane is combined with the best combination of those before, as bundle methods do that keep an aggregate.

    References
    ----------
    Kiwiel (1983), "An aggregate subgradient method for nonsmooth convex minimization".

    Parameters
    ----------
    objective :
        All of its table is penalised, with L2, and its loss is convex and not below 0.
    """

    def __init__(self, objective: Any) -> None:
        self.l1, self.l2 = objective.l1, objective.l2
        self.constant, self.slope = 0.0, None

    def add(self, position: Any) -> float:
        """Take the plane at a position, whose value and gradient are known; return a lower bound of min F."""
        W, l2 = position.W, self.l2
        loss = position.value - 0.5 * l2 * dot(W, W) - (self.l1 * float(np.abs(W).sum(dtype=float)) if self.l1 else 0.0)
        G = W * W.dtype.type(-l2)
        G += position.gradient
        constant = loss - dot(W, G)
        if self.slope is None:
            self.constant, self.slope = constant, G
        else:
            before, new = self._shares(constant, G, W)
            self.constant = before * self.constant + new * constant
            self.slope *= G.dtype.type(before)
            G *= G.dtype.type(new)
            self.slope += G
        return float(dual_value(self.constant, self.slope, self.l1, l2))

    def _shares(self, constant: float, G: np.ndarray, W: np.ndarray) -> np.ndarray:
        """Return the shares of the aggregate and of a new plane; with L1, those at the signs that W and the plane have.

        ``l1 |w| >= l1 s w`` for every s in [-1, 1], which makes the bound quadratic.
        """
        constants, both = np.array([self.constant, constant]), dot(self.slope, G)
        products = np.array([[dot(self.slope, self.slope), both], [both, dot(G, G)]])
        if self.l1:
            l1 = W.dtype.type(self.l1)
            signs = np.where(W != 0, np.sign(W), np.clip(-G / l1, -1, 1))
            constants -= self.l1 * np.array([dot(plane, signs) for plane in (self.slope, G)]) / self.l2
        return simplex_maximum(constants, products / self.l2)


def simplex_maximum(linear: np.ndarray, quadratic: np.ndarray) -> np.ndarray:
    r"""Return the :math:`\lambda` that maximises :math:`c \lambda - \lambda Q \lambda / 2`.

    Its entries are at least 0, and their sum is at most 1. The two whose derivatives differ most are changed at a time
    (Platt 1999); the answer need not be exact.
    """
    n = len(linear)
    c, Q = np.append(linear, 0.0), np.zeros((n + 1, n + 1))
    Q[:n, :n] = quadratic
    shares = np.append(np.zeros(n), 1.0)  # the last is what is left
    for _ in range(_ROUNDS):
        slopes = c - Q @ shares
        up, down = int(np.argmax(slopes)), int(np.argmin(np.where(shares > 0, slopes, np.inf)))
        rise = slopes[up] - slopes[down]
        if not rise > 0:
            break
        bend = Q[up, up] + Q[down, down] - 2 * Q[up, down]
        step = min(shares[down], rise / bend) if bend > 0 else shares[down]
        shares[up] += step
        shares[down] -= step
    return shares[:n]
