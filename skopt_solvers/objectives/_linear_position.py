"""A point of a linear model's objective, which keeps its margins."""

import numpy as np

from .. import _kernels
from .._base.aligned import aligned_copy, aligned_empty

_SECANTS = 4  # of the intercepts at the start of a fit
_ROUNDS = 10  # whole steps of Newton's method from piece to piece of a hinge


class LinearPosition:
    """A point W, the objective's value and smooth gradient there, and movement along a direction.

    The margins Z = X W are linear in W: on W + t D they are Z + t V with V = X D, so a trial step t costs
    O(n_samples n_outputs), and a move one product with X (for V) and one with its transpose (for the gradient).
    """

    # The margins are kept, so a trial costs no product with X.
    cheap_trials = True
    # Z is updated by additions; it is computed afresh now and then so that rounding does not add up.
    _refresh = 30

    def __init__(self, objective, W, balanced=False):
        self.objective, self.W = objective, aligned_copy(W)
        self._moves, self._trial = 0, None
        shape = (objective.X.shape[0], objective.shape[1])
        self._Z, self._V, self._dZ = (aligned_empty(shape, objective.dtype).ravel() for _ in range(3))
        self.gradient = aligned_empty(W.shape, W.dtype)
        self._evaluate(balanced and objective.shape[0] > objective.n_penalised)

    def _evaluate(self, balanced=False):
        self.objective.product(self.W, self._Z.reshape(-1, self.W.shape[1]))
        if balanced:
            self._balance()
        self._loss = self.objective.native.loss(self._Z, self._dZ)
        self._complete()

    def _complete(self):
        self.objective.transposed_product(self._dZ.reshape(-1, self.W.shape[1]), self.gradient)
        self.value = self._loss + self.objective.native.penalise(self.W.ravel(), self.gradient.ravel())

    def _balance(self):
        """Move each intercept along its own derivative by the secant method, to the least slope that it sees."""
        Z, U = (a.reshape(-1, self.W.shape[1]) for a in (self._Z, self._dZ))

        def slopes(shift):
            self.objective.native.loss((Z + shift.astype(Z.dtype)).ravel(), self._dZ)
            return _kernels.column_sums(U)

        before = np.zeros(Z.shape[1])
        at_before = slopes(before)
        shift = np.where(at_before > 0, -0.05, 0.05)
        best, least = before, np.abs(at_before)
        for _ in range(_SECANTS):
            at = slopes(shift)
            better = np.abs(at) < least
            best, least = np.where(better, shift, best), np.minimum(np.abs(at), least)
            rise, run = at - at_before, shift - before
            move = np.divide(-at * run, rise, out=np.zeros_like(at), where=rise * run > 0)
            before, at_before, shift = shift, at, shift + np.clip(move, -2, 2)
        self.W[-1] += best.astype(self.W.dtype)
        Z += best.astype(Z.dtype)

    def along(self, D):
        """The function of a step t that returns F(W + t D) and its derivative; without L1."""
        native, n, l2 = self.objective.native, self.objective.n_penalised, self.objective.l2
        self._D, self._trial = D, None
        self.objective.product(D, self._V.reshape(-1, D.shape[1]))
        w, d = self.W[:n].ravel(), D[:n].ravel()
        ww, wd, dd = (_kernels.dot(a, b) if l2 else 0.0 for a, b in ((w, w), (w, d), (d, d)))

        def trial(step):
            self._loss, slope = native.loss_along(self._Z, self._V, step, self._dZ)
            self._trial = step
            return self._loss + l2 / 2 * (ww + step * (2 * wd + step * dd)), slope + l2 * (wd + step * dd)

        return trial

    def scratch(self):
        """Return the margins, and two tables like them that may be written to before the next trial."""
        self._trial = None
        return tuple(table.reshape(-1, self.W.shape[1]) for table in (self._Z, self._V, self._dZ))

    def newton_direction(self, way):
        """The direction of Newton's method, by its Hessian ("direct") or by the kernel matrix ("kernel")."""
        native, D = self.objective.native, np.empty_like(self.W)
        g = self.gradient.ravel()
        if way == "direct":
            finite = native.newton_direct(self._Z, g, D.ravel())
        else:
            rounds = _ROUNDS if self.objective.kinked_gradient else 1
            finite = native.newton_kernel(self._Z, g, self.objective.gram(), self.value, rounds, D.ravel())
        if not finite:
            raise FloatingPointError("the squares of X overflow in float64: scale its features")
        return D

    def move(self, step):
        """Move to W + step D, D being the last direction."""
        if self._trial != step:
            self._loss, _ = self.objective.native.loss_along(self._Z, self._V, step, self._dZ)
        self.W += self.W.dtype.type(step) * self._D
        self._moves += 1
        self.gradient = aligned_empty(self.W.shape, self.W.dtype)
        if self._moves % self._refresh == 0:
            self._evaluate()
        else:
            self._Z += self._Z.dtype.type(step) * self._V
            self._complete()
