"""The dual of a linear model, as dual coordinate ascent sees it."""

from collections.abc import Sequence

import numpy as np

from .. import _kernels
from .._base.aligned import aligned_zeros
from .._base.side_by_side import put_apart, side_by_side
from ._duality_gap import dual_value

_ROWS = 2**12  # of a block whose arrays in float64 stay in the cache


class LinearAscent:
    r"""A point A of the dual of a :class:`LinearObjective` with L2, and the weights that belong to it.

    .. math:: \max_A\; l_2 \Big(\sum_i g_i(a_i) - \tfrac{1}{2} \|W\|^2\Big), \qquad W = \sum_i x_i a_i^T, \qquad
       g_i(a) = -c_i\, \ell^*(-a / c_i), \qquad c_i = \omega_i / l_2

    with :math:`\sum_i a_i = 0` where there is an intercept, which the visits approach and do not keep.

    With L1 an epoch is made at fixed signs s, for which ``l1 |w| >= l1 s w``: W is then the sum above less
    ``s l1 / l2``, and s is chosen anew before each epoch, the best for A, which makes W the soft threshold of the sum.

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
    c : ndarray of shape (n_samples,)
    moved : float
        The sum over the visits of the last epoch of q ``|change of a_i|^2``, with ``q = |x_i|^2`` and a little for the
        intercept. The sum of g_i less ``|W|^2 / 2`` grows by half of it at least.
    """

    def __init__(self, objective, shares=None, intercept=0):
        self.objective = objective
        c = objective.weights / (objective.weights.sum() * objective.l2)
        # what is smaller has no inverse; a loss that is left out leaves a lower bound that is one
        self.c = np.where(c < 1e8 * np.finfo(objective.dtype).tiny, 0, c).astype(objective.dtype)
        shape = (objective.X.shape[0], objective.shape[1])
        self.W = aligned_zeros(objective.shape, objective.dtype)
        self.A = aligned_zeros(shape, objective.dtype)
        self.moved = 0.0
        options = dict(objective.loss.kernel, n_threads=objective.n_threads, indicator=objective.native_indicator)
        has_intercept = objective.shape[0] > objective.n_penalised
        self.native = _kernels.dual(objective.X, objective.labels, self.c, shape[1], has_intercept, **options)
        if shares is not None:
            self.A[:] = shares * self.c[:, None]
            objective.transposed_product(self.A, self.W)
            self.W[objective.n_penalised :] = intercept

    @property
    def shares(self):
        """``a_i / c_i``: what a fit with another C can start from."""
        return np.divide(self.A, self.c[:, None], out=np.zeros_like(self.A), where=self.c[:, None] > 0)

    def epoch(self, seed):
        """As many visits as there are samples of positive weight, in an order that depends on `seed` only."""
        if self.objective.l1:
            self._shrink()
        self.moved = float(_run_epoch(self.objective, self.native, (self.c > 0, 1), seed, (self.A, self.W))[0])

    def _shrink(self):
        n, objective = self.objective.n_penalised, self.objective
        total = np.empty_like(self.W)
        objective.native.backward(self.A.ravel(), total.ravel())
        threshold = self.W.dtype.type(objective.l1 / objective.l2)
        self.W[:n] = total[:n] - np.clip(total[:n], -threshold, threshold)

    def move_center(self):
        """Between two epochs: the step of the method of multipliers that leads to :math:`\\sum_i a_i = 0`."""
        self.native.move_center(self.A.ravel(), self.W.ravel())

    def value(self):
        """The dual at A: a lower bound of min F where there is no intercept, and nearly so where there is."""
        return self._value(self.A, self.W)

    def lower_bound(self):
        """A proven lower bound of min F: the dual at a point near A that meets the intercept's constraint."""
        objective = self.objective
        balanced = objective.shape[0] == objective.n_penalised
        if balanced and not objective.l1:
            return self.value()
        A = self.A if balanced else self._balanced_jointly() if objective.joint else self._balanced()
        W = np.empty_like(self.W)
        objective.transposed_product(A, W)
        if not objective.l1:
            return self._value(A, W)
        l2, n = objective.l2, objective.n_penalised
        # a gain is concave, and 0 where its variables are
        return dual_value(l2 * self.native.gain(A.ravel()), W.dtype.type(l2) * W[:n], objective.l1, l2)

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
        total = np.bincount(self.objective.labels, self.c, minlength=len(sums)) - sums
        part = np.divide(np.maximum(-sums, 0), total, out=np.zeros_like(total), where=total > 0)
        part, short = np.minimum(part, 1), np.maximum(sums, 0)
        short /= max(short.sum(), np.finfo(float).tiny)
        balanced = np.empty_like(self.A)
        for start in range(0, len(balanced), _ROWS):
            rows = slice(start, start + _ROWS)
            taken = -self.A[rows] * part
            labels, c = self.objective.labels[rows], self.c[rows]
            taken[np.arange(len(taken)), labels] += c * part[labels]
            balanced[rows] = self.A[rows] + taken - np.outer(taken.sum(axis=1), short)
        return balanced

    def _value(self, A, W):
        n = self.objective.n_penalised
        return self.objective.l2 * (self.native.gain(A.ravel()) - 0.5 * _kernels.dot(W[:n].ravel(), W[:n].ravel()))


class LinearAscents:
    """Points of the duals of several models of the same data, whose epochs are made together.

    Each sees the visits that it would see alone. Their tables lie side by side, and X is read once for all.

    Parameters
    ----------
    ascents : sequence of LinearAscent
        Their objectives differ in C alone. They get their A and W after each epoch.
    """

    def __init__(self, ascents: Sequence[LinearAscent]) -> None:
        c, objective = self._lay_out(ascents), ascents[0].objective
        self.objective, self._visited = objective, (c > 0).any(axis=1)
        options = dict(objective.loss.kernel, n_threads=objective.n_threads, n_models=len(ascents))
        shape = self.A.shape[1], objective.shape[0] > objective.n_penalised
        self.native = _kernels.dual(objective.X, objective.labels, c.ravel(), *shape, **options)

    def _lay_out(self, ascents):
        """Put the tables of ascents side by side; return their c."""
        self.ascents = list(ascents)
        self.A, self.W = (side_by_side([getattr(ascent, name) for ascent in ascents]) for name in ("A", "W"))
        self._models = ascents[0].objective.of_models(len(ascents))
        return np.stack([point.c for point in ascents], axis=1)

    def keep(self, ascents: Sequence[LinearAscent]) -> None:
        """Leave all but these ascents out."""
        models = np.array([self.ascents.index(ascent) for ascent in ascents])
        self.native.keep(models, self._lay_out(ascents).ravel())

    def epoch(self, seed: int, active: Sequence[LinearAscent]) -> None:
        """Make an epoch of some of the ascents."""
        bits = sum(1 << m for m, ascent in enumerate(self.ascents) if ascent in active)
        n = self.objective.n_penalised
        if n < len(self.W):  # the centers have moved
            self.W[n] = np.concatenate([ascent.W[n] for ascent in self.ascents])
        moved = _run_epoch(self.objective, self.native, (self._visited, bits), seed, (self.A, self.W))
        for ascent in active:
            ascent.moved = float(moved[self.ascents.index(ascent)])
        for name in ("A", "W"):
            own = [getattr(ascent, name) if ascent in active else None for ascent in self.ascents]
            put_apart(getattr(self, name), own)

    def values(self) -> list[float]:
        """Return the objective of each model at its W."""
        Z = self._models.margins(self.W)
        own = [np.empty(point.A.shape, Z.dtype) for point in self.ascents]
        put_apart(Z, own)
        return [point.objective.value_at(z, point.W) for point, z in zip(self.ascents, own, strict=True)]


def _run_epoch(objective, native, models, seed, tables):
    """Visit the rows in their blocks; return how much each model has moved.

    `models` are the rows that have a weight, and the bits of the models.
    """
    visited, bits = models
    moved: float | np.ndarray = 0.0
    blocks = objective.blocks(lambda runs, number: _kernels.shuffled(runs, _kernels.block_seed(seed, number)))
    for number, rows in enumerate(blocks):
        A, W = (table.ravel() for table in tables)
        moved = moved + native.epoch(rows[visited[rows]], _kernels.block_seed(seed, number), A, W, bits)
    return moved
