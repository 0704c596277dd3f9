"""Turn words straight into rows of one CSR matrix of features."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from .._base.pickling import check_array, damaged
from .._kernels import _features
from ..sequence import CSRSequences
from ._base import CONSTRAINTS, _as_list, _require_tokens, _SequenceFeatures
from ._token_columns import gathered_parts, integers, token_blocks, without_unused
from ._word_vectors import beside_tokens, vectors_of_words


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
    ``vector[0][5]``                number 5 of the word's vector, at the offsets in `vector_window`
    ==============================  ================================================================

    Columns are in descending order of the number of tokens that have them. A word that `fit` has not seen still gets
    those of its features that it has seen, and its vector.

    Parameters
    ----------
    lowercase : bool, default=True
        True makes words lower-case, also for affixes and bigrams. Flags and shape see the word as it is.
    prefixes, suffixes : tuple of int, default=(2, 3) and (1, 2, 3)
        Lengths of the prefixes and suffixes that are features. Words that are shorter have none.
    shape, flags : bool, default=True
        Whether each word has a feature of its shape, and features of its flags.
    window : tuple of int, default=(-1, 0, 1)
        Offsets of the word, the flags and the further columns; 0 is the token itself.
    affix_window : tuple of int, default=(0,)
        Offsets of prefixes, suffixes and shape.
    bigrams : tuple of (int, int), default=()
        Pairs of offsets whose words are one feature, for example ``((-1, 0), (0, 1))``.
    columns : tuple of int, default=None
        The columns of the tuples to use beside the word, which is column 0. None takes all.
    column_prefixes : tuple of int, default=()
        Lengths of prefixes of the further columns.
    boundaries, bias : bool, default=True
        Whether there are features of offsets outside of the sequence, and one that every token has.
    min_count : int, default=1
        Features of fewer tokens of the training data are dropped.
    vectors : mapping from words to arrays, default=None
        Word vectors, as a dict or gensim's KeyedVectors: anything with ``word in vectors`` and ``vectors[word]``. What
        they lack is looked up in lower case, and has zeros where they lack that too. The vectors lie in an array beside
        the matrix. `clone` shares them, and a pickle has them.
    vector_window : tuple of int, default=(0,)
        Offsets of the words whose vectors a token gets; outside of its sequence there are zeros.
    dtype : {numpy.float32, numpy.float64}, default=numpy.float32
        Type of the values.

    Attributes
    ----------
    n_features_out_ : int
        Number of columns of the matrix, and after them of numbers in the vectors.
    n_columns_ : int
        Number of columns of the tokens, the word included.
    vector_size_ : int
        The size of a word's vector; 0 without `vectors`.
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

    Word vectors are more features, which every token has:

    >>> import numpy as np
    >>> features = TokenFeatures(vectors={"he": np.array([0.5, -1.0])})
    >>> features.fit_transform([["He", "runs"]]).vectors.tolist()
    [[0.5, -1.0], [0.0, 0.0]]
    """

    _parameter_constraints = {
        **CONSTRAINTS,
        **{name: ["boolean"] for name in ("lowercase", "shape", "flags", "boundaries", "bias")},
        **dict.fromkeys(("prefixes", "suffixes", "window", "affix_window", "column_prefixes"), "no_validation"),
        **dict.fromkeys(("bigrams", "columns", "vectors", "vector_window"), "no_validation"),
    }

    n_columns_: int
    vector_size_: int = 0  # of what an older version has pickled too
    _fitted: list[Any]
    _vector_offsets: tuple[int, ...] = ()

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
        vectors: Any = None,
        vector_window: Sequence[int] = (0,),
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
        self.vectors = vectors
        self.vector_window = vector_window
        self.dtype = dtype

    def __sklearn_clone__(self) -> Self:
        """Share the vectors: nobody writes into them, and a table of all words is large."""
        parameters = self.get_params(deep=False)
        vectors = parameters.pop("vectors")
        return type(self)(**{name: clone(value, safe=False) for name, value in parameters.items()}, vectors=vectors)

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
        offsets = integers("vector_window", self.vector_window) if self.vectors is not None else ()
        vectors, vector_size = self._vectors_beside(lengths, columns[0], offsets, None)
        tables = [_features.FeatureTable() for _ in blocks]
        parts, n_columns = gathered_parts(blocks, tables, learn=True)
        rows = _features.gather(lengths, parts)
        column, n_kept = _features.frequency_order(*rows[1:], n_columns, self.min_count)
        result = self._sequences(kernel(np.empty(0, self.dtype), *rows[1:], column), lengths, n_kept, vectors)
        self._fitted = without_unused(blocks, tables, column)
        self._vector_offsets, self.vector_size_ = offsets, vector_size
        self._vocabulary, self.n_features_out_, self.n_columns_ = None, n_kept + self._n_in_vectors, len(columns)
        return result

    def _vectors_beside(
        self, lengths: np.ndarray, words: tuple[list[str], np.ndarray], offsets: tuple[int, ...], size: int | None
    ) -> tuple[np.ndarray | None, int]:
        """Return the vectors of all tokens, whose words are distinct strings and their numbers, and a vector's size."""
        if not offsets:
            return None, 0
        rows = vectors_of_words(self.vectors, words[0], self.dtype, size)
        return beside_tokens(rows, lengths, words[1], offsets), rows.shape[1]

    @property
    def _n_in_vectors(self) -> int:
        return self.vector_size_ * len(self._vector_offsets)

    def transform(self, X: Iterable[Any]) -> CSRSequences:
        """Return X as rows of a matrix. Features that `fit` has not seen are ignored.

        Parameters
        ----------
        X : list of sequences
            The sequences, in a form that `fit_transform` takes. The list may be empty.

        Returns
        -------
        CSRSequences
        """
        if "_fitted" not in vars(self):
            check_is_fitted(self)
        lengths, columns = _columns(_as_list(X), self.n_columns_)
        blocks = token_blocks(self, lengths, columns)
        offsets = integers("vector_window", self.vector_window) if self.vectors is not None else ()
        places = [places for places, _, _ in self._fitted]
        if [block.places for block in blocks] != places or offsets != self._vector_offsets:
            raise ValueError("the parameters that say where to look must be those of fit, and have been changed since")
        vectors, _ = self._vectors_beside(lengths, columns[0], offsets, self.vector_size_)
        parts, _ = gathered_parts(blocks, [table for _, table, _ in self._fitted], learn=False)
        rows = _features.gather(lengths, parts)
        column = np.concatenate([column.ravel() for _, _, column in self._fitted])
        rows = self._kernel("canonical")(np.empty(0, self.dtype), *rows[1:], column)
        return self._sequences(rows, lengths, self.n_features_out_ - self._n_in_vectors, vectors)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return the names of the columns, and after them those of the numbers in vectors.

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
        numbers = range(self.vector_size_)
        names = [f"vector[{offset}][{number}]" for offset in self._vector_offsets for number in numbers]
        result[self.n_features_out_ - len(names) :] = names
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
        n_columns = self.n_features_out_ - self._n_in_vectors
        if columns.dtype != np.int32 or not np.array_equal(np.sort(columns[columns != -1]), range(n_columns)):
            raise damaged(self, "the columns of names", f"0 to {n_columns - 1}, each once", columns)
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
