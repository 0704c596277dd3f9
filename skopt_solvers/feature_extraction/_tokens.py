"""Turn words straight into rows of one CSR matrix of features."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from sklearn.utils.validation import check_is_fitted

from .._base.pickling import check_array, damaged
from .._kernels import _features
from ..sequence import CSRSequences
from ._base import CONSTRAINTS, _as_list, _require_tokens, _SequenceFeatures
from ._token_columns import gathered_parts, token_blocks, without_unused


class TokenFeatures(_SequenceFeatures):
    """Turn words, or tuples such as (word, POS), into rows of a CSR matrix of the usual features of taggers.

    Features that depend on the word alone are made once for each distinct word, so that this costs a fraction of
    making feature dicts. All values are 1. The names of features tell the place at which they look:

    ==============================  ================================================================
    ``word[-1]=dog``                the word at each offset of `window`
    ``word[0]:istitle``             its flags: isupper, istitle, isdigit, hasdigit, hashyphen
    ``column1[1]=NN``               each further column, with ``column1[1]:prefix1=N``
    ``BOS[-1]``, ``EOS[1]``         the offset is outside of the sequence
    ``word[0]:prefix2=do``          prefixes and suffixes at each offset of `affix_window`
    ``word[0]:shape=Xx-d``          the shape: X upper-case, x other letters, d digits, runs as one
    ``word[-1]|word[0]=the|dog``    pairs of words, and of each further column, at the offsets in `bigrams`
    ``bias``                        every token
    ==============================  ================================================================

    Columns are in descending order of the number of tokens that have them. A word that `fit` has not seen still gets
    those of its features that it has seen.

    Parameters
    ----------
    lowercase : bool, default=True
        True makes words lower-case, also for affixes and bigrams. Flags and shape see the word as it is.
    prefixes, suffixes : tuple of int, default=(2, 3) and (1, 2, 3)
        Lengths; words that are shorter have none.
    shape, flags : bool, default=True
    window : tuple of int, default=(-1, 0, 1)
        Offsets of the word, the flags and the further columns; 0 is the token itself.
    affix_window : tuple of int, default=(0,)
        Offsets of prefixes, suffixes and shape.
    bigrams : tuple of (int, int), default=()
        Pairs of offsets, ``((-1, 0), (0, 1))`` say.
    columns : tuple of int, default=None
        The columns of the tuples to use beside the word, which is column 0. None takes all.
    column_prefixes : tuple of int, default=()
        Lengths of prefixes of the further columns.
    boundaries, bias : bool, default=True
    min_count : int, default=1
        Features of fewer tokens of the training data are dropped.
    dtype : {numpy.float32, numpy.float64}, default=numpy.float32
        Type of the values.

    Attributes
    ----------
    n_features_out_ : int
        Number of columns of the matrix.
    n_columns_ : int
        Number of columns of the tokens, the word included.
    vocabulary_ : dict
        The column of each feature.

    Examples
    --------
    >>> from skopt_solvers.feature_extraction import TokenFeatures
    >>> features = TokenFeatures(prefixes=(), suffixes=(2,), shape=False, flags=False, window=(0,))
    >>> X = features.fit_transform([["He", "runs"]])
    >>> features.get_feature_names_out().tolist()
    ['bias', 'word[0]=he', 'word[0]:suffix2=he', 'word[0]=runs', 'word[0]:suffix2=ns']
    >>> features.transform([["Turns"]])[0].toarray().tolist()
    [[1.0, 0.0, 0.0, 0.0, 1.0]]
    """

    _parameter_constraints = {
        **CONSTRAINTS,
        **{name: ["boolean"] for name in ("lowercase", "shape", "flags", "boundaries", "bias")},
        **dict.fromkeys(("prefixes", "suffixes", "window", "affix_window", "column_prefixes"), "no_validation"),
        **dict.fromkeys(("bigrams", "columns"), "no_validation"),
    }

    n_columns_: int
    _fitted: list[Any]

    def __init__(
        self,
        *,
        lowercase: bool = True,
        prefixes: Sequence[int] = (2, 3),
        suffixes: Sequence[int] = (1, 2, 3),
        shape: bool = True,
        flags: bool = True,
        window: Sequence[int] = (-1, 0, 1),
        affix_window: Sequence[int] = (0,),
        bigrams: Sequence[tuple[int, int]] = (),
        columns: Sequence[int] | None = None,
        column_prefixes: Sequence[int] = (),
        boundaries: bool = True,
        bias: bool = True,
        min_count: int = 1,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.lowercase = lowercase
        self.prefixes = prefixes
        self.suffixes = suffixes
        self.shape = shape
        self.flags = flags
        self.window = window
        self.affix_window = affix_window
        self.bigrams = bigrams
        self.columns = columns
        self.column_prefixes = column_prefixes
        self.boundaries = boundaries
        self.bias = bias
        self.min_count = min_count
        self.dtype = dtype

    def fit_transform(self, X: Iterable[Any], y: object = None) -> CSRSequences:
        """Learn the features of X and return it as rows of a matrix.

        Parameters
        ----------
        X : list of sequences
            Each a list of words, or of tuples of strings that begin with the word, all of one length. Columns of
            pyarrow, polars and pandas, and any collections, are taken for lists; tokens that are objects with a string
            `text`, as those of spaCy, for words.
        y : ignored

        Returns
        -------
        CSRSequences

        Raises
        ------
        ValueError
            If X is empty or not of this form; the message has the numbers of the sequence and of the token, from 0.
        """
        self._validate_params()
        kernel = self._kernel("canonical")
        lengths, columns = _columns(_as_list(X))
        blocks = token_blocks(self, lengths, columns)
        tables = [_features.FeatureTable() for _ in blocks]
        parts, n_columns = gathered_parts(blocks, tables, _features.learnF32)
        rows = _features.gather(lengths, parts)
        column, n_kept = _features.frequency_order(*rows[1:], n_columns, self.min_count)
        result = self._sequences(kernel(np.empty(0, self.dtype), *rows[1:], column), lengths, n_kept)
        self._fitted = without_unused(blocks, tables, column)
        self._vocabulary, self.n_features_out_, self.n_columns_ = None, n_kept, len(columns)
        return result

    def transform(self, X: Iterable[Any]) -> CSRSequences:
        """Return X as rows of a matrix. Features that `fit` has not seen are ignored.

        Parameters
        ----------
        X : as in `fit_transform`; may be empty

        Returns
        -------
        CSRSequences
        """
        if "_fitted" not in vars(self):
            check_is_fitted(self)
        lengths, columns = _columns(_as_list(X), self.n_columns_)
        blocks = token_blocks(self, lengths, columns)
        if [block.places for block in blocks] != [places for places, _, _ in self._fitted]:
            raise ValueError("the parameters that say where to look must be those of fit, and have been changed since")
        parts, _ = gathered_parts(blocks, [table for _, table, _ in self._fitted], _features.look_upF32)
        rows = _features.gather(lengths, parts)
        column = np.concatenate([column.ravel() for _, _, column in self._fitted])
        rows = self._kernel("canonical")(np.empty(0, self.dtype), *rows[1:], column)
        return self._sequences(rows, lengths, self.n_features_out_)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return the names of the columns.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str objects
        """
        check_is_fitted(self)
        result = np.empty(self.n_features_out_, dtype=object)
        for places, table, columns in self._fitted:
            names = table.names()
            for (place, _), column in zip(places, columns, strict=True):
                kept = column >= 0
                result[column[kept]] = [place + name for name, is_kept in zip(names, kept, strict=True) if is_kept]
        return result

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if "_fitted" in state:
            state["_fitted"] = [(places, table.__getstate__(), column) for places, table, column in self._fitted]
        return state

    def _check_stored(self) -> None:
        if "_fitted" not in vars(self):
            return
        fitted = []
        for places, stored, column in self._fitted:
            table = self._loaded(stored)
            check_array(self, "the columns of names", column, (len(places), len(table)), "i")
            fitted.append((places, table, column))
        columns = np.concatenate([column.ravel() for _, _, column in fitted])
        # a kernel takes for granted that no column comes twice
        if columns.dtype != np.int32 or not np.array_equal(
            np.sort(columns[columns != -1]), range(self.n_features_out_)
        ):
            raise damaged(self, "the columns of names", f"0 to {self.n_features_out_ - 1}, each once", columns)
        self._fitted = fitted


def _columns(X: list, n_columns: int | None = None) -> tuple[np.ndarray, list[tuple[list[str], np.ndarray]]]:
    """Return the lengths of the sequences, and for each column of the tokens its distinct strings and their numbers."""
    lengths, columns = _features.distinct_columns(X)
    if n_columns is None:
        _require_tokens(lengths)
    elif not columns:
        columns = [([], np.empty(0, dtype=np.int32))] * n_columns
    elif len(columns) != n_columns:
        raise ValueError(f"X: the tokens have {len(columns)} columns, those of fit had {n_columns}")
    return lengths, columns
