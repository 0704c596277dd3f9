"""Counts of the terms of documents, on their way from the compiled analyzer to a matrix of scikit-learn's form."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import DTypeLike

from .._base.csr import csr_of
from .._base.sklearn_compat import align_api_if_sparse
from .._kernels import _text
from ._text_rules import Plan
from ._text_vocabulary import CompiledVocabulary

_SUFFIXES = {np.dtype(f"{kind}{size}"): f"{kind.upper()}{8 * size}" for kind in "if" for size in (4, 8)}
_NORMS = {None: 0, "l1": 1, "l2": 2}


def is_compiled(dtype: Any) -> bool:
    """Return whether matrices of a dtype are made by the kernels."""
    try:
        return np.dtype(dtype) in _SUFFIXES
    except TypeError:
        return False


class TermCounts:
    """Counts of documents by column, to which scikit-learn's `fit_transform` does what it does to a matrix.

    Parameters
    ----------
    counts : _text.WordCounts, _text.StringCounts or _text.Rows
    n_threads : int
    binary : bool
        Every count is taken for 1; ``data.fill(1)`` sets it too.
    as_met : bool
        The terms of a row stay in the order in which they were first met, as in scikit-learn's `fit_transform`.
    """

    def __init__(self, counts: Any, n_threads: int, binary: bool = False, as_met: bool = False) -> None:
        self.counts, self.n_threads, self.binary, self.as_met = counts, n_threads, binary, as_met

    @property
    def shape(self) -> tuple[int, int]:
        return self.counts.n_documents, self.counts.n_columns

    @property
    def data(self) -> "TermCounts":
        return self

    def fill(self, value: int) -> None:
        self.binary = True

    def document_frequencies(self) -> np.ndarray:
        return self.counts.totals(True)

    def term_frequencies(self, dtype: DTypeLike) -> np.ndarray:
        """Return how often each term occurs, in the type that a sum over a matrix of `dtype` has."""
        totals = self.counts.totals(bool(self.binary))
        return totals.astype(dtype) if np.dtype(dtype).kind == "f" else totals

    def matrix(
        self, dtype: DTypeLike, sublinear: bool = False, idf: np.ndarray | None = None, norm: str | None = None
    ) -> Any:
        """Return the counts as CSR, weighed as TfidfTransformer does."""
        dtype = np.dtype(dtype)
        tf = None
        if sublinear:
            largest = 1 if self.binary else self.counts.largest
            tf = np.concatenate([[0], np.log(np.arange(1, largest + 1, dtype=dtype)) + dtype.type(1)]).astype(dtype)
        make = getattr(self.counts, "matrix" + _SUFFIXES[dtype])
        if self.as_met:
            data, indices, indptr = make(self.binary, tf, idf, _NORMS[norm], self.n_threads, by_id=True)
            return align_api_if_sparse(csr_of(data, indices, indptr, self.shape))
        return canonical(make(self.binary, tf, idf, _NORMS[norm], self.n_threads), self.shape)


def canonical(arrays: tuple[np.ndarray, np.ndarray, np.ndarray], shape: tuple[int, int]) -> Any:
    """Return the matrix of the arrays of sorted rows without duplicates, in the form that scikit-learn is set to."""
    matrix = csr_of(*arrays, shape)
    matrix.has_sorted_indices = matrix.has_canonical_format = True
    return align_api_if_sparse(matrix)


def sorted_rows(matrix: Any) -> Any:
    """Return a matrix of scikit-learn's own with its rows in order; a dense one as it is."""
    if sp.issparse(matrix):
        matrix.sort_indices()
    return matrix


def columns_of(frequencies: np.ndarray, n_documents: int, dtype: DTypeLike) -> sp.csc_matrix:
    """Return a matrix of some documents by terms of which only the document frequencies are right."""
    matrix = sp.csc_matrix((n_documents, len(frequencies)), dtype=dtype)
    indptr = np.concatenate([[0], np.cumsum(frequencies)])
    matrix.indptr = indptr.astype(np.int32 if indptr[-1] < 2**31 else np.int64)
    matrix.indices = np.zeros(indptr[-1], dtype=matrix.indptr.dtype)
    matrix.data = np.zeros(indptr[-1], dtype=dtype)
    return matrix


def count(documents: Iterable[Any], plan: Plan, n_threads: int) -> TermCounts:
    """Count all terms of documents: their vocabulary grows as they are met."""
    counts = getattr(_text, plan.kind + "Counts")(documents, plan.rules, plan.source, n_threads)
    return TermCounts(counts, n_threads)


def count_known(documents: Iterable[Any], plan: Plan, vocabulary: CompiledVocabulary, n_threads: int) -> TermCounts:
    """Count the terms of documents that a vocabulary knows."""
    table = vocabulary.of_kind(plan.kind)
    return TermCounts(table.rows(documents, plan.rules, plan.source, vocabulary.n_columns, n_threads), n_threads)
