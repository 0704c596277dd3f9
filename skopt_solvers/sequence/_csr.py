"""Sequences whose tokens are rows of one matrix."""

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from .._base.csr import check_structure
from ._vectors import read_vectors


class CSRSequences:
    """Sequences of tokens whose features are rows of one CSR matrix.

    Transformers of sequences return it, and :class:`~skopt_solvers.LinearChainCRF` reads it without a copy. It behaves
    as a list of CSR matrices, one a sequence; slices, index arrays and masks give another `CSRSequences`, so that
    scikit-learn's splitters can cut it.

    Parameters
    ----------
    matrix : CSR of shape (n_tokens, n_features)
        The features of the tokens of all sequences, one sequence after another.
    lengths : array of shape (n_sequences,)
        Tokens of each sequence, in order; their sum is n_tokens.
    vectors : array of shape (n_tokens, size), or list of one such array a sequence, optional
        More features, which every token has: word vectors, say. They stay an array, which is not copied if it is one of
        float32 or float64. To a model they are the last features, after the columns of the matrix.

    Attributes
    ----------
    matrix, lengths :
        As given.
    vectors : ndarray of shape (n_tokens, size), or None
    offsets : ndarray of shape (n_sequences + 1,)
        Tokens ``offsets[s]`` to ``offsets[s + 1]`` are sequence s.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from skopt_solvers.sequence import CSRSequences
    >>> sequences = CSRSequences(sp.eye(5, format="csr"), [2, 3])
    >>> len(sequences), sequences[1].shape, sequences[[1, 0]].lengths.tolist()
    (2, (3, 5), [3, 2])

    Vectors lie beside the matrix. A sequence alone shows them as its last columns.

    >>> import numpy as np
    >>> sequences = CSRSequences(sp.eye(5, format="csr"), [2, 3], vectors=np.ones((5, 4), np.float32))
    >>> sequences
    <CSRSequences: 2 sequences, 5 tokens, 5 features and vectors of 4>
    >>> sequences[1].shape, sequences[[1]].vectors.shape
    ((3, 9), (3, 4))
    """

    matrix: sp.csr_matrix
    lengths: np.ndarray
    offsets: np.ndarray
    vectors: np.ndarray | None = None  # of pickles too that were made before there were any

    def __init__(self, matrix: Any, lengths: ArrayLike, *, vectors: Any = None) -> None:
        self.matrix = matrix
        self.lengths = np.asarray(lengths, dtype=np.int64)
        if not sp.issparse(matrix) or matrix.format != "csr":
            raise ValueError(f"matrix must be a CSR matrix, got {type(matrix).__name__}")
        check_structure(matrix, name="matrix", ask_canonical=False)
        if self.lengths.ndim != 1 or (self.lengths < 0).any() or self.lengths.astype(float).sum() != matrix.shape[0]:
            raise ValueError(
                f"lengths must be non-negative and sum to the {matrix.shape[0]} rows of matrix, got "
                f"{self.lengths.sum()} in {self.lengths.size} sequences"
            )
        self.offsets = offsets_of(self.lengths)
        self.vectors = read_vectors(vectors, self.lengths)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n_sequences,)``, as scikit-learn's splitters want it."""
        return self.lengths.shape

    def __len__(self) -> int:
        return len(self.lengths)

    def __repr__(self) -> str:
        n_tokens, n_features = self.matrix.shape
        vectors = "" if self.vectors is None else f" and vectors of {self.vectors.shape[1]}"
        return f"<CSRSequences: {len(self)} sequences, {n_tokens} tokens, {n_features} features{vectors}>"

    @overload
    def __getitem__(self, key: int) -> sp.csr_matrix: ...

    @overload
    def __getitem__(self, key: slice | Sequence[int] | np.ndarray) -> "CSRSequences": ...

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):  # scikit-learn indexes with (rows, ...)
            key = key[0]
        if isinstance(key, (int, np.integer)):
            if not -len(self) <= key < len(self):
                raise IndexError(f"sequence {key} of {len(self)}")
            key = key % len(self)
            return self._columns(slice(self.offsets[key], self.offsets[key + 1]))
        chosen = np.arange(len(self))[key]
        if isinstance(key, slice) and key.step in (None, 1):
            first, last = (chosen[0], chosen[-1] + 1) if len(chosen) else (0, 0)
            return self._tokens(slice(self.offsets[first], self.offsets[last]), chosen)
        parts = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in chosen]
        rows = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
        return self._tokens(rows, chosen)

    def _tokens(self, rows: Any, chosen: np.ndarray) -> "CSRSequences":
        vectors = None if self.vectors is None else self.vectors[rows]
        return CSRSequences(self.matrix[rows], self.lengths[chosen], vectors=vectors)

    def _columns(self, rows: slice) -> sp.csr_matrix:
        """Return all features of tokens as one matrix."""
        matrix = self.matrix[rows]
        if self.vectors is None:
            return matrix
        return sp.hstack([matrix, self.vectors[rows].astype(matrix.dtype)], format="csr")

    def __iter__(self) -> Iterator[sp.csr_matrix]:
        return (self[i] for i in range(len(self)))


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    """Return where each of the sequences begins, and where the last one ends."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    lengths.cumsum(out=offsets[1:])
    return offsets


def trusted_sequences(matrix: sp.csr_matrix, lengths: np.ndarray, vectors: np.ndarray | None = None) -> CSRSequences:
    """Return the sequences of a matrix and int64 lengths that a kernel has made: nothing is checked."""
    made = CSRSequences.__new__(CSRSequences)
    made.matrix, made.lengths, made.offsets, made.vectors = matrix, lengths, offsets_of(lengths), vectors
    return made
