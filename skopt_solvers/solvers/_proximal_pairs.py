"""The quadratic model of a proximal quasi-Newton method, which takes L1 as it is."""

import numpy as np

from .. import _kernels
from .._base.threads import one_blas_thread
from ._curvature_block import CurvatureMatrix
from ._pairs import PairTable

# Sweeps of coordinate descent. Half as many take a fifth more steps, and twice as many hardly fewer.
_SWEEPS, _LITTLE = 8, 1e-3


class ProximalPairs(PairTable):
    r"""The pairs (s, y) that a model of the Hessian is made of, newest first in `order`.

    .. math:: B = B_0 - \begin{pmatrix} B_0 S & Y \end{pmatrix}
       \begin{pmatrix} S^\top B_0 S & L \\ L^\top & -D \end{pmatrix}^{-1}
       \begin{pmatrix} S^\top B_0 \\ Y^\top \end{pmatrix}

    with L the strictly lower triangle of :math:`S^\top Y`, D its diagonal, and :math:`B_0` a dense block of the Hessian
    on some entries and a diagonal on the others.

    References
    ----------
    Byrd, Nocedal & Schnabel (1994), theorem 2.3.

    Parameters
    ----------
    memory : int
    W : ndarray, the table whose shape and type the pairs have.
    matrix : CurvatureMatrix
    l1 : float
    """

    def __init__(self, memory: int, W: np.ndarray, matrix: CurvatureMatrix, l1: float) -> None:
        super().__init__(memory, W)
        self.matrix, self.l1 = matrix, l1
        self.products = np.empty((memory, len(matrix.entries)), W.dtype)  # B0 S on the entries
        # S^T Y, and S^T B0 S of the entries and of the others, for which gamma is 1
        self.SY, self.in_block, self.outside = (np.zeros((memory, memory)) for _ in range(3))

    def forget(self) -> bool:
        """Start again from B0; return False where there was nothing to forget."""
        had, self.order, self.gamma = bool(self.order), [], 1.0
        return had

    def direction(self, W: np.ndarray, gradient: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the step d that minimises the model and L1, and ``g.d + l1 (|W + d|_1 - |W|_1)``."""
        transform, signs = self._factors()
        d = np.empty(self.shape, self.dtype)
        order = np.array(self.order[::-1], np.int64)
        pairs = self.S.ravel(), self.Y.ravel(), self.products.ravel(), order, transform.ravel(), signs
        start = self._diagonal(), self.matrix.entries, self.matrix.matrix.ravel()
        change = _kernels.proximal_step(
            *pairs, *start, W.ravel(), gradient.ravel(), self.l1, _SWEEPS, _LITTLE, d.ravel()
        )
        return d, change

    def add(self, W: np.ndarray, before: np.ndarray, gradient: np.ndarray, gradient_before: np.ndarray) -> None:
        """Keep a move and the change of the gradient that it made, if there is curvature."""
        slot = self.put(W, before, gradient, gradient_before)
        s, y, matrix = self.S[slot], self.Y[slot], self.matrix
        curvature = _kernels.dot(s, y)
        # a pair without curvature, or lost in rounding, would make B indefinite (Nocedal & Wright, section 6.1)
        if not curvature > np.finfo(self.dtype).eps * _kernels.dot(y, y) * self.gamma:
            return
        scaled = y * matrix.rest
        self.make_newest(slot, curvature, _kernels.dot(y, scaled), matrix.entries)
        with one_blas_thread():
            np.matmul(matrix.matrix, s[matrix.entries], out=self.products[slot])
        np.divide(s, matrix.rest, out=scaled, where=matrix.rest > 0)
        scaled[matrix.entries] = 0
        for i in self.order:
            self.SY[i, slot], self.SY[slot, i] = _kernels.dot(self.S[i], y), _kernels.dot(s, self.Y[i])
            self.in_block[i, slot] = self.in_block[slot, i] = self.S[i][matrix.entries] @ self.products[slot]
            self.outside[i, slot] = self.outside[slot, i] = _kernels.dot(self.S[i], scaled)

    def _diagonal(self) -> np.ndarray:
        """Return B0 on the entries that are not in the block."""
        rest = self.matrix.rest
        return np.divide(1 / self.gamma, rest, out=np.ones_like(rest), where=rest > 0)

    def _factors(self) -> tuple[np.ndarray, np.ndarray]:
        """Return A and signs with ``B = B0 - (B0 S, Y) A diag(signs) A^T (B0 S, Y)^T``, the oldest pair first."""
        if not self.order:
            return np.empty((0, 0)), np.empty(0)
        order = np.ix_(self.order[::-1], self.order[::-1])
        SY = self.SY[order]
        S, L = self.in_block[order] + self.outside[order] / self.gamma, np.tril(SY, -1)
        units = np.tile(1 / np.sqrt(SY.diagonal()), 2)  # moves become shorter by orders of magnitude
        M = units[:, None] * np.block([[S, L], [L.T, -np.diag(SY.diagonal())]]) * units
        values, vectors = np.linalg.eigh(M)
        return units[:, None] * vectors / np.sqrt(np.abs(values)), np.sign(values)
