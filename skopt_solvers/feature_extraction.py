"""Features of tokens: from feature dicts, or straight from words, to the rows of one CSR matrix."""

from collections.abc import Mapping
from numbers import Integral

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._base import Interval
from ._kernels import _features
from ._persistence import Persistent, check_array, damaged
from ._token_blocks import gathered_parts, token_blocks, without_unused
from .sequence import CSRSequences

__all__ = ["DictFeatures", "TokenFeatures"]

_SUFFIXES = {np.dtype(np.float32): "F32", np.dtype(np.float64): "F64"}


class _SequenceFeatures(Persistent, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """What both transformers share: parameters, names, and what a pickle holds."""

    _parameter_constraints = {
        "min_count": [Interval(Integral, 1, None, closed="left")],
        "dtype": "no_validation",
    }

    def fit(self, X, y=None):
        """Learn the features of X.

        Parameters
        ----------
        X : list of sequences
        y : ignored

        Returns
        -------
        self
        """
        self.fit_transform(X)
        return self

    @property
    def vocabulary_(self):
        """The column of each feature, a dict; made of the compiled table when it is first asked for."""
        names = self.get_feature_names_out()
        if self._vocabulary is None:
            self._vocabulary = {name: column for column, name in enumerate(names)}
        return self._vocabulary

    def __getstate__(self):
        state = super().__getstate__()
        if "_vocabulary" in state:
            state["_vocabulary"] = None
        return state

    def _loaded(self, stored):
        """The compiled table of what it gave to `__getstate__`: bytes of names, and their lengths."""
        text, lengths = stored
        check_array(self, "the lengths of names", lengths, (lengths.size,), "u")
        if int(lengths.sum()) != len(text):
            raise damaged(self, "the names", f"{lengths.sum()} bytes", len(text))
        text.decode()  # a name that is not UTF-8 is found now
        table = _features.FeatureTable.__new__(_features.FeatureTable)
        table.__setstate__(stored)
        if len(table) != len(lengths):
            raise damaged(self, "the names", f"{len(lengths)} distinct ones", len(table))
        return table

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    def _kernel(self, name):
        """The kernel for `dtype`."""
        try:
            return getattr(_features, name + _SUFFIXES[np.dtype(self.dtype)])
        except (KeyError, TypeError):
            raise ValueError(f"dtype must be float32 or float64, got {self.dtype!r}") from None

    def _sequences(self, rows, lengths, n_columns):
        data, indices, indptr = rows
        if not len(data):
            data = np.ones(len(indices), dtype=self.dtype)
        matrix = sp.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, n_columns))
        matrix.has_canonical_format = True
        return CSRSequences(matrix, lengths)


class DictFeatures(_SequenceFeatures):
    """Feature dicts of tokens to rows of a CSR matrix.

    An item (a token's features) is read as python-crfsuite's ``ItemSequence`` reads it, so that a ``word2features``
    written for it or for sklearn-crfsuite can be brought along:

    ============================  ==================================================================
    ``{"length": 3}``             feature ``length``, value 3; any number, Python's or NumPy's
    ``{"title": True}``           feature ``title``, value 1; False is 0
    ``{"word": "dog"}``           feature ``word:dog``, value 1
    ``{"near": {"word": "a"}}``   feature ``near:word:a``, value 1: dicts can be nested
    ``{"in": ["x", "y"]}``        features ``in:x`` and ``in:y``, value 1: lists, tuples, sets of strings
    ``["word:dog", "title"]``     an item that is a list: its strings are the features, value 1
    ============================  ==================================================================

    Zeros are not stored, and a feature that an item has more than once gets the sum. Columns are in descending order
    of the number of tokens that have them, ties in the order of first appearance (that of sets: sorted). Features that
    `fit` has not seen are ignored.

    Parameters
    ----------
    min_count : int, default=1
        Features of fewer tokens of the training data are dropped.
    n_features : int, default=None
        None: one column a feature. A number: that many columns, and the column of a feature is MurmurHash3 of its
        UTF-8 modulo `n_features`. Nothing is then learnt by `fit` nor kept in memory, names are gone, and features
        that collide share a column, in which a token that has both gets their sum; with n features in m columns a
        feature meets another one with probability 1 - exp(-n / m), about n / m.
    dtype : {numpy.float32, numpy.float64}, default=numpy.float32
        Of the values.

    Attributes
    ----------
    n_features_out_ : int
        Columns.
    vocabulary_ : dict
        The column of each feature; not with `n_features`.

    Examples
    --------
    >>> from skopt_solvers.feature_extraction import DictFeatures
    >>> features = DictFeatures()
    >>> X = features.fit_transform([[{"word": "The", "title": True}, {"word": "dog", "title": False}]])
    >>> X
    <CSRSequences: 1 sequences, 2 tokens, 3 features>
    >>> features.get_feature_names_out().tolist()
    ['word:The', 'title', 'word:dog']
    >>> X[0].toarray().tolist()
    [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """

    _parameter_constraints = {
        **_SequenceFeatures._parameter_constraints,
        "n_features": [Interval(Integral, 1, 2**31 - 1, closed="both"), None],
    }

    def __init__(self, *, min_count=1, n_features=None, dtype=np.float32):
        self.min_count = min_count
        self.n_features = n_features
        self.dtype = dtype

    def fit_transform(self, X, y=None):
        """Learn the features of X and return it as rows of a matrix, in one walk.

        Parameters
        ----------
        X : list, tuple or 1-D object array of sequences
            Each a list of items, each a dict or a list, tuple or set of strings.
        y : ignored

        Returns
        -------
        CSRSequences

        Raises
        ------
        ValueError
            If X is empty or not of this form, or a value is of another type or not finite. The message has the
            numbers of the sequence and of the token, from 0, and the key.
        """
        self._validate_params()
        X = _as_list(X)
        if self.n_features is not None:
            if self.min_count > 1:
                raise ValueError(f"min_count={self.min_count} needs a vocabulary; with n_features it must be 1")
            result = self._hash(X)
            _require_tokens(result.lengths)
            vars(self).pop("_table", None)
            self.n_features_out_ = self.n_features
            return result
        table = _features.FeatureTable()
        rows, lengths = self._kernel("learn")(table, X)
        _require_tokens(lengths)
        column, n_columns = _features.frequency_order(*rows[1:], len(table), self.min_count)
        self._table, self._vocabulary = table.reordered(column, n_columns), None
        self.n_features_out_ = n_columns
        return self._sequences(self._kernel("canonical")(*rows, column), lengths, n_columns)

    def transform(self, X):
        """X as rows of a matrix; features that `fit` has not seen are ignored.

        Parameters
        ----------
        X : as in `fit_transform`; may be empty

        Returns
        -------
        CSRSequences
        """
        X = _as_list(X)
        if self.n_features is not None:
            self._validate_params()
            return self._hash(X)
        check_is_fitted(self, "_table")
        rows, lengths = self._kernel("look_up")(self._table, X)
        return self._sequences(self._kernel("canonical")(*rows), lengths, self.n_features_out_)

    @available_if(lambda self: self.n_features is None)
    def get_feature_names_out(self, input_features=None):
        """Names of the columns.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str objects
        """
        check_is_fitted(self, "_table")
        return np.array(self._table.names(), dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = self.n_features is None
        return tags

    def __getstate__(self):
        state = super().__getstate__()
        if "_table" in state:
            state["_table"] = state["_table"].__getstate__()
        return state

    def _check_stored(self):
        if "_table" in vars(self):
            self._table = self._loaded(self._table)
            if len(self._table) != self.n_features_out_:
                raise damaged(self, "n_features_out_", len(self._table), self.n_features_out_)

    def _hash(self, X):
        rows, lengths = self._kernel("hashed")(self.n_features, X)
        return self._sequences(self._kernel("canonical")(*rows), lengths, self.n_features)


class TokenFeatures(_SequenceFeatures):
    """Words, or tuples such as (word, POS), to rows of a CSR matrix of the usual features of taggers.

    What is a matter of the word alone is worked out once for each distinct word, so that this costs a fraction of
    making feature dicts. All values are 1. Features are named by where they look:

    ==============================  ================================================================
    ``word[-1]=dog``                the word at each offset of `window`
    ``word[0]:istitle``             and its flags: isupper, istitle, isdigit, hasdigit, hashyphen
    ``column1[1]=NN``               and each further column, with ``column1[1]:prefix1=N``
    ``BOS[-1]``, ``EOS[1]``         or that the offset is outside of the sequence
    ``word[0]:prefix2=do``          prefixes and suffixes at each offset of `affix_window`
    ``word[0]:shape=Xx-d``          and the shape: X upper-case, x other letters, d digits, runs as one
    ``word[-1]|word[0]=the|dog``    pairs of words, and of each further column, at the offsets in `bigrams`
    ``bias``                        every token
    ==============================  ================================================================

    Columns are in descending order of the number of tokens that have them. A word that `fit` has not seen still gets
    those of its features that it has seen.

    Parameters
    ----------
    lowercase : bool, default=True
        Whether words are lower-cased, also those of affixes and bigrams. Flags and shape see the word as it is.
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
        Which columns of the tuples to use beside the word, which is column 0. None: all.
    column_prefixes : tuple of int, default=()
        Lengths of prefixes of the further columns.
    boundaries, bias : bool, default=True
    min_count : int, default=1
        Features of fewer tokens of the training data are dropped.
    dtype : {numpy.float32, numpy.float64}, default=numpy.float32
        Of the values.

    Attributes
    ----------
    n_features_out_ : int
        Columns of the matrix.
    n_columns_ : int
        Columns of the tokens, the word included.
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
        **_SequenceFeatures._parameter_constraints,
        **{name: ["boolean"] for name in ("lowercase", "shape", "flags", "boundaries", "bias")},
        **dict.fromkeys(("prefixes", "suffixes", "window", "affix_window", "column_prefixes"), "no_validation"),
        **dict.fromkeys(("bigrams", "columns"), "no_validation"),
    }

    def __init__(
        self,
        *,
        lowercase=True,
        prefixes=(2, 3),
        suffixes=(1, 2, 3),
        shape=True,
        flags=True,
        window=(-1, 0, 1),
        affix_window=(0,),
        bigrams=(),
        columns=None,
        column_prefixes=(),
        boundaries=True,
        bias=True,
        min_count=1,
        dtype=np.float32,
    ):
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

    def fit_transform(self, X, y=None):
        """Learn the features of X and return it as rows of a matrix.

        Parameters
        ----------
        X : list, tuple or 1-D object array of sequences
            Each a list of words, or of tuples of strings that begin with the word, all of one length.
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

    def transform(self, X):
        """X as rows of a matrix; features that `fit` has not seen are ignored.

        Parameters
        ----------
        X : as in `fit_transform`; may be empty

        Returns
        -------
        CSRSequences
        """
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

    def get_feature_names_out(self, input_features=None):
        """Names of the columns.

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

    def __getstate__(self):
        state = super().__getstate__()
        if "_fitted" in state:
            state["_fitted"] = [(places, table.__getstate__(), column) for places, table, column in self._fitted]
        return state

    def _check_stored(self):
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


def _as_list(X):
    if isinstance(X, list):
        return X
    if not isinstance(X, (str, bytes, Mapping)):
        try:
            return list(X)
        except TypeError:
            pass
    raise ValueError(f"X must be a list of sequences, got {type(X).__name__}")


def _require_tokens(lengths):
    if not lengths.any():
        what = (
            f"token at least, its {len(lengths)} sequences are empty" if len(lengths) else "sequence at least, got none"
        )
        raise ValueError(f"X must hold one {what}")


def _columns(X, n_columns=None):
    """The lengths of the sequences and, for each column of the tokens, the distinct strings and each token's number."""
    lengths, columns = _features.distinct_columns(X)
    if n_columns is None:
        _require_tokens(lengths)
    elif not columns:
        columns = [([], np.empty(0, dtype=np.int32))] * n_columns
    elif len(columns) != n_columns:
        raise ValueError(f"X: the tokens have {len(columns)} columns, those of fit had {n_columns}")
    return lengths, columns
