"""The dual of a linear model, as dual coordinate ascent sees it."""

import numpy as np

from .. import _kernels

_ROWS = 2**12  # of a block whose arrays in float64 stay in the cache


class LinearAscent:
    r"""A point A of the dual of a :class:`LinearObjective` with L2, and the weights that belong to it.

    .. math:: \max_A\; l_2 \Big(\sum_i g_i(a_i) - \tfrac{1}{2} \|W\|^2\Big), \qquad W = \sum_i x_i a_i^T, \qquad
       g_i(a) = -c_i\, \ell^*(-a / c_i), \qquad c_i = \omega_i / l_2

    with :math:`\sum_i a_i = 0` where there is an intercept, which the visits approach and do not keep.

    Parameters
    ----------
    objective : LinearObjective
    shares : ndarray of shape (n_samples, n_outputs), optional
        ``a_i / c_i`` to start from, as `shares` gave it for the same samples; 0 by default.
    intercept : ndarray of shape (1, n_outputs), optional
        The last row of `W` that belongs to `shares`, where there is one.

    Attributes
    ----------
    A : ndarray of shape (n_samples, n_outputs)
    W : ndarray of shape `objective.shape`
    """

    def __init__(self, objective, shares=None, intercept=0):
        self.objective = objective
        c = objective.weights / (objective.weights.sum() * objective.l2)
        # what is smaller has no inverse; a loss that is left out leaves a lower bound that is one
        self._c = np.where(c < 1e8 * np.finfo(objective.dtype).tiny, 0, c).astype(objective.dtype)
        shape = (objective.X.shape[0], objective.shape[1])
        self.W = np.zeros(objective.shape, objective.dtype)
        self.A = np.zeros(shape, objective.dtype)
        options = dict(objective.loss.kernel, n_threads=objective.n_threads)
        has_intercept = objective.shape[0] > objective.n_penalised
        self.native = _kernels.dual(objective.X, objective.labels, self._c, shape[1], has_intercept, **options)
        if shares is not None:
            self.A[:] = shares * self._c[:, None]
            objective.native.backward(self.A.ravel(), self.W.ravel())
            self.W[objective.n_penalised :] = intercept

    @property
    def shares(self):
        """``a_i / c_i``: what a fit with another C can start from."""
        return np.divide(self.A, self._c[:, None], out=np.zeros_like(self.A), where=self._c[:, None] > 0)

    def epoch(self, seed):
        """As many visits as there are samples of positive weight, in an order that depends on `seed` only."""
        blocks = self.objective.blocks(lambda runs, number: _kernels.shuffled(runs, _kernels.block_seed(seed, number)))
        for number, rows in enumerate(blocks):
            visited = rows[self._c[rows] > 0]
            self.native.epoch(visited, _kernels.block_seed(seed, number), self.A.ravel(), self.W.ravel())

    def move_center(self):
        """Between two epochs: the step of the method of multipliers that leads to :math:`\\sum_i a_i = 0`."""
        self.native.move_center(self.A.ravel(), self.W.ravel())

    def value(self):
        """The dual at A: a lower bound of min F where there is no intercept, and nearly so where there is."""
        return self._value(self.A, self.W)

    def lower_bound(self):
        """A proven lower bound of min F: the dual at a point near A that meets the intercept's constraint."""
        objective = self.objective
        if objective.shape[0] == objective.n_penalised:
            return self.value()
        A = self._balanced_jointly() if objective.joint else self._balanced()
        W = np.empty_like(self.W)
        objective.native.backward(A.ravel(), W.ravel())
        return self._value(A, W)

    def _balanced(self):
        """The larger of the positive and the negative sum of each output is brought down to the other."""
        positive = np.maximum(self.A, 0).sum(axis=0, dtype=float)
        negative = np.maximum(-self.A, 0).sum(axis=0, dtype=float)
        least = np.minimum(positive, negative)
        up, down = (np.divide(least, s, out=np.zeros_like(s), where=s > 0) for s in (positive, negative))
        return np.where(self.A > 0, self.A * up, self.A * down).astype(self.A.dtype)

    def _balanced_jointly(self):
        """Probabilities ``y - a / c`` move, in every sample, from outputs with too much to those with too little.

        The domain of a joint loss's dual is that these are probabilities.
        """
        sums = self.A.sum(axis=0, dtype=float)
        total = np.bincount(self.objective.labels, self._c, minlength=len(sums)) - sums
        part = np.divide(np.maximum(-sums, 0), total, out=np.zeros_like(total), where=total > 0)
        part, short = np.minimum(part, 1), np.maximum(sums, 0)
        short /= max(short.sum(), np.finfo(float).tiny)
        balanced = np.empty_like(self.A)
        for start in range(0, len(balanced), _ROWS):
            rows = slice(start, start + _ROWS)
            taken = -self.A[rows] * part
            labels, c = self.objective.labels[rows], self._c[rows]
            taken[np.arange(len(taken)), labels] += c * part[labels]
            balanced[rows] = self.A[rows] + taken - np.outer(taken.sum(axis=1), short)
        return balanced

    def _value(self, A, W):
        n = self.objective.n_penalised
        return self.objective.l2 * (self.native.gain(A.ravel()) - 0.5 * _kernels.dot(W[:n].ravel(), W[:n].ravel()))
