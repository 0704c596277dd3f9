"""Turn feature dicts of tokens into rows of one CSR matrix."""

from collections.abc import Iterable
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike
from sklearn.utils.validation import check_is_fitted

from .._base.pickling import damaged
from .._base.sklearn_compat import Interval, available_if
from .._kernels import _features
from ..sequence import CSRSequences
from ._base import CONSTRAINTS, _as_list, _require_tokens, _SequenceFeatures


class DictFeatures(_SequenceFeatures):
    """Turn the feature dicts of tokens into rows of a CSR matrix.

    An item (a token's features) is read as python-crfsuite's ``ItemSequence`` reads it, so that a ``word2features``
    that was written for it or for sklearn-crfsuite works here too:

    ============================  ==================================================================
    ``{"length": 3}``             feature ``length``, value 3; any number, Python's or NumPy's
    ``{"title": True}``           feature ``title``, value 1; False is 0
    ``{"word": "dog"}``           feature ``word:dog``, value 1
    ``{"near": {"word": "a"}}``   feature ``near:word:a``, value 1: dicts can be nested
    ``{"in": ["x", "y"]}``        features ``in:x`` and ``in:y``, value 1: collections of strings
    ``{"emb": array([.5, -1])}``  a vector: features ``emb[0]`` and ``emb[1]`` of the values .5 and -1
    ``["word:dog", "title"]``     an item that is a collection: its strings are the features, value 1
    ============================  ==================================================================

    Zeros are not stored, and a feature that an item has more than once gets the sum. Columns are in descending order
    of the number of tokens that have them, ties in the order of first appearance (that of sets: sorted). Features that
    `fit` has not seen are ignored.

    A vector is an array of NumPy of one dimension, such as a word vector. The vectors of a key have one size; a token
    that lacks the key has zeros. They lie in an array beside the matrix, the `vectors` of what is returned, in which
    the keys follow each other in the order of first appearance.

    Parameters
    ----------
    min_count : int, default=1
        Features of fewer tokens of the training data are dropped.
    n_features : int, default=None
        None gives each feature a column of its own. A number gives that many columns, and the column of a feature is
        MurmurHash3 of its UTF-8 modulo `n_features`. `fit` then learns nothing, no names are kept, and features that
        collide share a column, in which a token that has both gets their sum; with n features in m columns a feature
        meets another one with probability 1 - exp(-n / m), about n / m. Vectors are refused then.
    dtype : {numpy.float32, numpy.float64}, default=numpy.float32
        Type of the values.

    Attributes
    ----------
    n_features_out_ : int
        Number of columns, and after them of numbers in the vectors.
    vector_sizes_ : dict
        The size of the vectors of each key that has vectors.
    vocabulary_ : dict
        The column of each feature; there is none with `n_features`.

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

    Vectors stay an array:

    >>> import numpy as np
    >>> X = features.fit_transform([[{"word": "the", "emb": np.array([0.5, -1.0])}, {"word": "dog"}]])
    >>> X.vectors.tolist()
    [[0.5, -1.0], [0.0, 0.0]]
    >>> features.get_feature_names_out().tolist()
    ['word:the', 'word:dog', 'emb[0]', 'emb[1]']
    """

    _parameter_constraints = {
        **CONSTRAINTS,
        "n_features": [Interval(Integral, 1, 2**31 - 1, closed="both"), None],
    }

    _table: _features.FeatureTable
    vector_sizes_: dict[str, int]

    def __init__(self, *, min_count: int = 1, n_features: int | None = None, dtype: DTypeLike = np.float32) -> None:
        self.min_count = min_count
        self.n_features = n_features
        self.dtype = dtype

    @classmethod
    def from_names(cls, names: Iterable[str], *, dtype: DTypeLike = np.float32) -> Self:
        """Return a fitted transformer whose columns have these names.

        Parameters
        ----------
        names : iterable of str
            Different names, as `get_feature_names_out` gives them.
        dtype : {numpy.float32, numpy.float64}, default=numpy.float32
            Type of the values.

        Returns
        -------
        DictFeatures

        Examples
        --------
        >>> from skopt_solvers.feature_extraction import DictFeatures
        >>> DictFeatures.from_names(["word:dog", "title"]).transform([[{"word": "dog"}]])[0].toarray().tolist()
        [[1.0, 0.0]]
        """
        encoded = [name.encode() for name in names]
        features = cls(dtype=dtype)
        features._table = features._loaded((b"".join(encoded), np.array([len(name) for name in encoded], np.uint32)))
        features._vocabulary, features.n_features_out_, features.vector_sizes_ = None, len(encoded), {}
        return features

    def fit_transform(self, X: Iterable[Any], y: object = None) -> CSRSequences:
        """Learn the features of X and return it as rows of a matrix, in one walk.

        Parameters
        ----------
        X : list of sequences
            Each a list of items, each a dict or a collection of strings. Columns of pyarrow, polars and pandas, and any
            collections, are taken for lists.
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
            result = self._hash(X, self.n_features)
            _require_tokens(result.lengths)
            self.__dict__.pop("_table", None)
            self.n_features_out_, self.vector_sizes_ = self.n_features, {}
            return result
        table = _features.FeatureTable()
        rows, lengths, vectors = self._kernel("learn")(table, X)
        _require_tokens(lengths)
        _, indices, indptr = rows
        column, n_columns = _features.frequency_order(indices, indptr, len(table), self.min_count)
        self._table, self._vocabulary = table.reordered(column, n_columns), None
        self.vector_sizes_ = {key: size for key, size, _ in vectors}
        self.n_features_out_ = n_columns + sum(self.vector_sizes_.values())
        return self._sequences(self._kernel("canonical")(*rows, column), lengths, n_columns, _side_by_side(vectors))

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
        X = _as_list(X)
        if self.n_features is not None:
            self._validate_params()
            return self._hash(X, self.n_features)
        if "_table" not in vars(self):  # to ask scikit-learn takes as long as to look up a sentence
            check_is_fitted(self, "_table")
        rows, lengths, vectors = self._kernel("transform")(self._table, X, list(self._sizes.items()))
        return self._sequences(rows, lengths, len(self._table), _side_by_side(vectors))

    @available_if(lambda self: self.n_features is None)
    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return the names of the columns, and after them those of the numbers in vectors.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str objects
        """
        check_is_fitted(self, "_table")
        in_vectors = [f"{key}[{number}]" for key, size in self._sizes.items() for number in range(size)]
        return np.array(self._table.names() + in_vectors, dtype=object)

    @property
    def _sizes(self) -> dict[str, int]:
        return getattr(self, "vector_sizes_", {})  # one that an older version has pickled has none

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = self.n_features is None
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if "_table" in state:
            state["_table"] = state["_table"].__getstate__()
        return state

    def _check_stored(self) -> None:
        if "_table" in vars(self):
            self._table = self._loaded(self._table)
            n_features = len(self._table) + sum(self._sizes.values())
            if n_features != self.n_features_out_:
                raise damaged(self, "n_features_out_", n_features, self.n_features_out_)

    def _hash(self, X: list, n_features: int) -> CSRSequences:
        rows, lengths = self._kernel("hashed")(n_features, X)
        return self._sequences(rows, lengths, n_features)


def _side_by_side(vectors: list[tuple[str, int, np.ndarray]]) -> np.ndarray | None:
    """Return the vectors of all keys as one array with a row a token, or None where there are none."""
    parts = [numbers.reshape(-1, size) for _, size, numbers in vectors]
    return np.hstack(parts) if len(parts) > 1 else parts[0] if parts else None
