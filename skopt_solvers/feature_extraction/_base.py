"""The base of the transformers of token sequences has their names, dtype and pickles."""

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from .._base.csr import csr_of
from .._base.pickling import Persistent, check_array, damaged
from .._base.plain_lists import plain_sequences
from .._base.sklearn_compat import Interval
from .._kernels import _features
from ..sequence import CSRSequences, trusted_sequences

_SUFFIXES = {np.dtype(np.float32): "F32", np.dtype(np.float64): "F64"}


CONSTRAINTS: dict[str, Any] = {"min_count": [Interval(Integral, 1, None, closed="left")], "dtype": "no_validation"}


class _SequenceFeatures(Persistent, TransformerMixin, BaseEstimator):
    """Base of both transformers, with the parameters, names and pickles that they share.

    They have no `set_output`, since no table holds sequences.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # scikit-learn asks each class anew, and wraps `transform` for a sixth of the tags of a sentence
        super().__init_subclass__(auto_wrap_output_keys=None, **kwargs)

    _parameter_constraints = CONSTRAINTS

    n_features_out_: int
    _vocabulary: dict[str, int] | None

    def fit(self, X: Iterable[Any], y: object = None) -> Self:
        """Learn the features of X.

        Parameters
        ----------
        X : list of sequences
            The sequences to learn the features from.
        y : ignored

        Returns
        -------
        self
        """
        self.fit_transform(X)
        return self

    @property
    def vocabulary_(self) -> dict[str, int]:
        """The column of each feature; the dict is made of the compiled table when it is first asked for."""
        names = self.get_feature_names_out()
        if self._vocabulary is None:
            self._vocabulary = {name: column for column, name in enumerate(names)}
        return self._vocabulary

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if "_vocabulary" in state:
            state["_vocabulary"] = None
        return state

    def _loaded(self, stored: Any) -> _features.FeatureTable:
        """Return the compiled table from its stored state, the bytes of the names and their lengths."""
        text, lengths = stored
        check_array(self, "the lengths of names", lengths, (lengths.size,), "u")
        if int(lengths.sum()) != len(text):
            raise damaged(self, "the names", f"{lengths.sum()} bytes", len(text))
        text.decode()  # a name that is not UTF-8 is found now
        table: Any = _features.FeatureTable.__new__(_features.FeatureTable)
        table.__setstate__(stored)
        if len(table) != len(lengths):
            raise damaged(self, "the names", f"{len(lengths)} distinct ones", len(table))
        return table

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    def _kernel(self, name: str) -> Any:
        """Return the kernel of that name for `dtype`."""
        try:
            return getattr(_features, name + _SUFFIXES[np.dtype(self.dtype)])
        except (KeyError, TypeError):
            raise ValueError(f"dtype must be float32 or float64, got {self.dtype!r}") from None

    def _sequences(
        self, rows: tuple[Any, Any, Any], lengths: np.ndarray, n_columns: int, vectors: np.ndarray | None = None
    ) -> CSRSequences:
        data, indices, indptr = rows
        if not len(data):
            data = np.ones(len(indices), dtype=self.dtype)
        matrix = csr_of(data, indices, indptr, (len(indptr) - 1, n_columns))
        matrix.has_canonical_format = True
        return trusted_sequences(matrix, lengths, vectors)


def _as_list(X: Any) -> list:
    X = plain_sequences(X)
    if isinstance(X, list):
        return X
    if not isinstance(X, (str, bytes, Mapping)):
        try:
            return plain_sequences(list(X))
        except TypeError:
            pass
    raise ValueError(f"X must be a list of sequences, got {type(X).__name__}")


def _require_tokens(lengths: np.ndarray) -> None:
    if not lengths.any():
        what = (
            f"token at least, its {len(lengths)} sequences are empty" if len(lengths) else "sequence at least, got none"
        )
        raise ValueError(f"X must hold one {what}")
