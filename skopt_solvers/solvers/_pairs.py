"""The two-loop recursion of limited-memory BFGS and the pairs that it is made of."""

from functools import cached_property

import numpy as np

from .. import _kernels
from .._base.aligned import aligned_empty

_NO_ENTRIES = np.empty(0, np.int64)


class PairTable:
    """The last pairs (s, y) of moves and changes of the gradient, newest first in `order`, and the scale `gamma`."""

    def __init__(self, memory, W):
        self.memory, self.shape, self.dtype = memory, W.shape, W.dtype
        self.S = np.empty((memory, W.size), W.dtype)
        self.Y = np.empty_like(self.S)
        self.order, self.gamma = [], 1.0

    def put(self, W, before, gradient, gradient_before):
        """Write a pair to a slot, which has to be kept to count; return the slot."""
        slot = (self.order[0] + 1) % self.memory if self.order else 0
        np.subtract(W.ravel(), before.ravel(), out=self.S[slot])
        np.subtract(gradient.ravel(), gradient_before.ravel(), out=self.Y[slot])
        self.order = [i for i in self.order if i != slot]
        return slot

    def make_newest(self, slot, curvature, length, entries=_NO_ENTRIES):
        """Make the pair in a slot the newest; the scale is that of what a block on `entries` leaves."""
        rest = curvature - float(self.S[slot][entries] @ self.Y[slot][entries]) if len(entries) else curvature
        if rest > 0 and length > 0:
            self.gamma = rest / length
        self.order.insert(0, slot)


class Pairs(PairTable):
    """The pairs (s, y) of the recursion, newest first in `order`, and the scaling that it starts from.

    ``scaling()`` is called for the first step: many fits that start near the optimum make none. A `block` takes the
    place of the scaling where there is one, and is left out where no step along its direction leads down.
    """

    def __init__(self, memory, W, scaling, n_threads, block=None):
        super().__init__(memory, W)
        self.n_threads, self.block = n_threads, block
        self.rho = np.zeros(memory)
        self._scaling = scaling
        self._direction = aligned_empty(W.shape, W.dtype)

    @cached_property
    def h0(self):
        """The diagonal that the recursion starts from; empty where it is that of ones."""
        if self.block is not None:
            return self.block.rest
        scaling, self._scaling = self._scaling, None  # which may hold a position
        scaling = scaling()
        return np.empty(0, self.dtype) if scaling is None else scaling

    def forget(self):
        """Start again from the gradient; False where there was nothing to forget."""
        had, self.order, self.gamma = bool(self.order), [], 1.0
        if not had and self.block is not None:
            self.block, had = None, True
            vars(self).pop("h0", None)
        return had

    def clear(self):
        """Forget all pairs and give their memory back; what replaces it is taken when there are pairs again."""
        self.forget()
        self.S, self.Y = np.empty_like(self.S), np.empty_like(self.Y)

    def first_step(self):
        """The first trial: 1 for a quasi-Newton direction; for a gradient, one that moves W by about 1."""
        if self.order or self.block is not None:
            return 1.0
        return 1.0 / max(1.0, float(np.sqrt(_kernels.dot(self._direction.ravel(), self._direction.ravel()))))

    def direction(self, g, value):
        """Return the direction for a gradient; where there is no pair, `value`, that of F, says how far a step leads.

        It is at most where F, were it linear, would be half.
        """
        d, g, block = self._direction, g.ravel(), self.block
        if block is not None and not self.order:
            self.gamma = min(1.0, 0.5 * value / max(_kernels.dot(g, g * self.h0), 1e-300))
        entries, inverse = (block.entries, block.inverse.ravel()) if block else (_NO_ENTRIES, np.empty(0, self.dtype))
        order = np.array(self.order, dtype=np.int64)
        start = self.h0, self.gamma, entries, inverse
        _kernels.two_loop(self.S.ravel(), self.Y.ravel(), self.rho, order, g, *start, d.ravel(), self.n_threads)
        return d

    def add(self, W, before, gradient, gradient_before):
        self._keep(self.put(W, before, gradient, gradient_before))

    def take(self, other, rows, others_rows):
        """Take over pairs of another table: its `others_rows` are `rows` of this one, whose other rows get zeros."""
        self.order = []
        for slot, theirs in enumerate(reversed(other.order[: self.memory])):
            for mine, source in ((self.S, other.S), (self.Y, other.Y)):
                table = mine[slot].reshape(self.shape)
                table[...] = 0
                table[rows] = source[theirs].reshape(other.shape)[others_rows]
            self._keep(slot)

    def _keep(self, slot):
        """Make the pair in a slot the newest, if it has curvature."""
        s, y = self.S[slot], self.Y[slot]
        curvature = _kernels.dot(s, y)
        length = _kernels.dot(y, y * self.h0 if self.h0.size else y)
        # a pair without curvature, or lost in rounding, would make H indefinite (Nocedal & Wright, section 6.1)
        if curvature > np.finfo(self.dtype).eps * length * self.gamma:
            self.rho[slot] = 1 / curvature
            self.make_newest(slot, curvature, length, _NO_ENTRIES if self.block is None else self.block.entries)
