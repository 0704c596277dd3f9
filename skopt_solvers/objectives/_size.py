"""The bytes of an objective, told before they are taken."""

import copy
from types import SimpleNamespace

import numpy as np


def threads_of_pass(n_threads, multiply_adds):
    """Return the most threads that a kernel starts for so much work, as `threads_for` of ``parallel.hpp``."""
    return int(max(1, min(n_threads, multiply_adds / 100_000)))


class Sized:
    """The bytes of a table, and the same problem in another size. A subclass has `shape`, `dtype`, `X`, `l1` and `l2`.

    It also gives `margin_bytes`, of the scores of all samples where it makes them, `position_bytes`, and `pass_bytes`,
    what the kernels take while they pass over all samples.
    """

    @property
    def table_bytes(self):
        """Bytes of one table of weights."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize

    @property
    def bound_bytes(self):
        """Bytes of tables that `suboptimality_bound` makes: the gradient and, with L1, what it is compared with."""
        size = self.shape[0] * self.shape[1]
        if not self.l1:
            return self.table_bytes
        return 2 * self.table_bytes + (16 * size if self.l2 else 0)

    def resized(self, n_features=None, dtype=None):
        """A copy that knows the bytes with so many features, or in another type, and can do no more."""
        other = copy.copy(self)
        other.dtype = np.dtype(dtype or self.dtype)
        if n_features is not None:
            other.shape = (self.shape[0] - self.X.shape[1] + n_features, self.shape[1])
            other.X = SimpleNamespace(shape=(self.X.shape[0], n_features))
        return other
