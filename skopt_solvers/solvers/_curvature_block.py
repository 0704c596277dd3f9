"""A dense block of the Hessian, a part of where quasi-Newton methods start from; its inverse, without L1.

Most of what is missing near the optimum of a CRF lies in few parameters: transitions, and the weights of the features
that nearly every token has. They are correlated, which no diagonal tells. The curvature of up to 2,500 of the most
frequent ones is estimated once, where the stochastic epochs end, and takes this part away.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from scipy.linalg import get_lapack_funcs

from .._base.threads import one_blas_thread
from ._base import inverse_roots

if TYPE_CHECKING:
    from ..objectives._interface import BlockObjective

_MOST = 2500  # entries, whose matrix of float32 takes 25 MB
_FEWEST = 30
_DAMPING = 10.0  # tokens; 3 to 30 are as good
_REST = 0.01  # of the bound on the curvature that the other entries are taken to have


@dataclass
class CurvatureBlock:
    """The inverse of the Hessian on some entries of the table, and a diagonal for the others, up to a factor.

    Attributes
    ----------
    entries : ndarray of int64, which index the table as a vector.
    inverse : ndarray of shape (n_entries, n_entries)
    rest : ndarray, a number for each entry of the table, 0 on `entries`.
    """

    entries: np.ndarray
    inverse: np.ndarray
    rest: np.ndarray


@dataclass
class CurvatureMatrix:
    """The Hessian on some entries of the table, and a diagonal for the others, up to a factor.

    Attributes
    ----------
    entries : ndarray of int64, which index the table as a vector.
    matrix : ndarray of shape (n_entries, n_entries)
    rest : ndarray, the inverse of a number for each entry of the table, 0 on `entries`.
    """

    entries: np.ndarray
    matrix: np.ndarray
    rest: np.ndarray


def block_size(objective: Any) -> int:
    """Return the number of entries whose block pays; 0 for none.

    Its inverse, of size^3 multiply-adds in LAPACK's order, takes about as long as five passes at most.
    """
    if not (objective.l2 or objective.l1):
        return 0
    n_rows, n_outputs = objective.shape
    size = int(min(_MOST, n_rows * n_outputs, (10 * objective.pass_work) ** (1 / 3)))
    return size if size >= _FEWEST else 0


def block_bytes(objective: Any) -> int:
    """Return the bytes of a block, whose inverse is formed in its place."""
    return block_size(objective) ** 2 * objective.dtype.itemsize


def curvature_block(objective: "BlockObjective", W: np.ndarray) -> CurvatureBlock | None:
    """Return the inverse of the block at W; None where none pays, or its matrix is singular in its type."""
    return _made(CurvatureBlock, _inverted, objective, W)


def curvature_matrix(objective: "BlockObjective", W: np.ndarray) -> CurvatureMatrix | None:
    """Return the block at W as it is; None where none pays, or it is not finite."""
    return _made(CurvatureMatrix, _mirrored, objective, W)


def _made(kind, formed, objective, W):
    """Return a block of a kind, its matrix being `formed` of the Hessian's lower triangle; None where none is."""
    size = block_size(objective)
    if not size:
        return None
    entries, matrix, token = objective.curvature_block(W, size)
    matrix.flat[:: len(entries) + 1] += objective.l2 + _DAMPING * token
    matrix = formed(matrix)
    return None if matrix is None else kind(entries, matrix, _rest(objective, entries))


def _rest(objective, entries):
    """Return the inverse roots of what the other entries are taken to have as curvature."""
    rows = _REST * objective.squared_norms() + objective.l2
    rows[rows <= 0] = 1.0  # a feature that no token has
    rest = inverse_roots(rows, objective)
    rest[entries] = 0
    return rest


def _mirrored(matrix: np.ndarray) -> np.ndarray | None:
    """Return a matrix with its lower triangle in the upper one too, in its place; None where it is not finite."""
    for i in range(len(matrix)):
        matrix[i, i + 1 :] = matrix[i + 1 :, i]
    return matrix if np.isfinite(matrix).all() else None


def _inverted(matrix: np.ndarray) -> np.ndarray | None:
    """Return the inverse of a matrix whose lower triangle is given, in its place; None where it is not positive."""
    potrf, potri = get_lapack_funcs(("potrf", "potri"), (matrix,))
    with one_blas_thread():
        # LAPACK's matrices are in column-major order, and the lower triangle is the upper one there
        factor, failed = potrf(matrix.T, lower=False, overwrite_a=True, clean=False)
        if not failed:
            inverse, failed = potri(factor, lower=False, overwrite_c=True)
    if failed:
        return None
    return _mirrored(cast(np.ndarray, inverse).T)
