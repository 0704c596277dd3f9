"""Read the input of a linear-chain CRF: sequences in any form become rows of one CSR matrix with offsets."""

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, compress, pairwise
from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import _num_samples, column_or_1d

from .. import _kernels
from .._base.containers import refuse_container
from .._base.csr import canonical_csr, check_structure
from .._base.plain_lists import plain_list
from .._base.threads import effective_threads
from .._base.validation import check_labels, is_plain, numbers_of
from ..feature_extraction import DictFeatures
from ..objectives import MISSING
from ..sequence import CSRSequences, flat_lengths, offsets_of
from ._forms import as_rows, naming_the_value, place_text
from ._vectors import read_with_vectors


@dataclass
class Tokens:
    """The tokens of all sequences, one after another.

    Attributes
    ----------
    X : CSR of shape (n_tokens, n_features), canonical and sorted
    offsets : ndarray of shape (n_sequences + 1,), int64
    flat : bool, whether the user gave tokens, and gets tokens back.
    structured : bool, whether the user said which tokens make a sequence.
    vectors : ndarray of shape (n_tokens, size), of the dtype of X, or None
        The features after those of X, which every token has.
    names : ndarray of str, or what has them as ``get_feature_names_out()``, or None
        The names of the columns, where tokens of a fit have any.
    """

    X: sp.csr_matrix
    offsets: np.ndarray
    flat: bool
    structured: bool
    vectors: np.ndarray | None = None
    names: Any = None

    @property
    def lengths(self):
        return np.diff(self.offsets)

    @property
    def n_sequences(self):
        return len(self.offsets) - 1

    @property
    def n_features(self):
        """The columns of X, and after them those of the vectors."""
        return self.X.shape[1] + (0 if self.vectors is None else self.vectors.shape[1])

    @property
    def all_features(self):
        """The features of the tokens as one CSR: X, and the vectors as its last columns."""
        return self.X if self.vectors is None else sp.hstack([self.X, self.vectors], format="csr")

    def like_input(self, values):
        """One value a token, as the user's X: flat, or an object array of parts, one a sequence."""
        if self.flat:
            return values
        out = np.empty(self.n_sequences, dtype=object)
        for s, (begin, end) in enumerate(pairwise(self.offsets.tolist())):
            out[s] = values[begin:end]
        return out


def read_tokens(estimator, X, kind, reset, lengths=None, sequence_ids=None):
    """Return X as :class:`Tokens`.

    With `reset` the estimator learns the number and names of the features, and gets a `vectorizer_` where X is of dicts
    or strings.

    Parameters
    ----------
    estimator : LinearChainCRF
    X : sequences or tokens, as `fit` takes them
    kind : str
        What `kind_of` says of X.
    reset : bool
    lengths, sequence_ids : optional
        As `fit` takes them, for flat X.
    """
    structured = lengths is not None or sequence_ids is not None
    if structured and kind != "flat":
        name = "lengths" if lengths is not None else "sequence_ids"
        raise ValueError(f"{name} is for X of tokens; the sequences of X have their own lengths")
    vectors = None
    if kind == "items":
        return _vectorized(estimator, X, reset)
    if kind == "flat":
        matrix = _read_matrix(estimator, X, reset)
        n_tokens = matrix.shape[0]
        offsets = (
            offsets_of(flat_lengths(n_tokens, lengths, sequence_ids))
            if structured
            else np.arange(n_tokens + 1, dtype=np.int64)
        )
    elif getattr(X, "vectors", None) is not None:
        with naming_the_value(X.matrix, X.offsets, False):
            matrix, vectors = read_with_vectors(estimator, X, reset, _validated)
        offsets = X.offsets
    else:
        matrix, offsets = (X.matrix, X.offsets) if isinstance(X, CSRSequences) else _stacked(X)
        if matrix.shape[0] or reset:
            matrix = _read_matrix(estimator, matrix, reset, offsets)
        else:
            matrix = sp.csr_matrix((0, estimator.n_features_in_), dtype=np.float64)
    if reset:
        vars(estimator).pop("vectorizer_", None)
    return Tokens(matrix, offsets, kind == "flat", structured or kind != "flat", vectors)


def _vectorized(estimator, X, reset):
    """Tokens of dicts or strings, whose rows are canonical, sorted and finite."""
    vectorizer = DictFeatures() if reset else getattr(estimator, "vectorizer_", None)
    if vectorizer is None:
        raise ValueError("X is made of dicts or strings, but this model was fitted on matrices")
    X = vectorizer.fit_transform(X) if reset else vectorizer.transform(X)
    if reset:
        vars(estimator).pop("feature_names_in_", None)
        estimator.n_features_in_, estimator.vectorizer_ = vectorizer.n_features_out_, vectorizer
    return Tokens(X.matrix, X.offsets, False, True, X.vectors)


def _read_matrix(estimator, X, reset, offsets=None):
    """Return a matrix of tokens as canonical, sorted CSR; an error tells the place in its sequence by `offsets`."""
    if not reset and _is_read_as_it_is(estimator, X):
        return X
    with naming_the_value(X, offsets, offsets is None):
        return _validated(estimator, X, reset)


def _is_read_as_it_is(estimator, X):
    """Tell whether `_validated` would return this X itself for a fitted estimator, in a tenth of its time."""
    if type(X) not in (sp.csr_matrix, sp.csr_array) or X.ndim != 2 or hasattr(estimator, "feature_names_in_"):
        return False
    if X.shape[1] != estimator.n_features_in_ or not X.shape[0]:
        return False
    try:
        return _kernels.rows_are_plain(X.indptr, X.indices, X.data, *X.shape)
    except TypeError:  # arrays of other types, or that do not lie in order
        return False


_FEW_TOKENS = 64  # to count the threads takes longer than to check so many


def _validated(estimator, X, reset):
    few = sp.issparse(X) and X.shape[0] <= _FEW_TOKENS
    canonical = check_structure(X, 1 if few else effective_threads(estimator.n_jobs))
    given = X
    X = X if not reset and is_plain(estimator, X) else numbers_of(estimator, X, reset=reset)
    owned = sp.issparse(X) and not (hasattr(given, "data") and np.shares_memory(X.data, given.data))
    X = canonical_csr(X, owned, canonical if X is given else None)
    if not _kernels.rows_increase(X.indptr, X.indices):  # whatever X says of itself
        X = X if owned else X.copy()
        X.has_sorted_indices = False
        X.sort_indices()
    return X


def _fits_together(sequence):
    """Tell whether it is CSR whose arrays have the lengths that they tell: the rest shows in the whole."""
    if not sp.issparse(sequence) or sequence.format != "csr" or sequence.ndim != 2:
        return False
    data, indices, indptr = sequence.data, sequence.indices, sequence.indptr
    usual = indices.dtype == indptr.dtype == np.int32 and data.dtype in (np.float32, np.float64)
    if not usual or not data.ndim == indices.ndim == indptr.ndim == 1 or len(indptr) != sequence.shape[0] + 1:
        return False
    return indptr[0] == 0 and len(data) == len(indices) == indptr[-1]


def _stacked(X):
    """The sequences of X as one matrix, and their offsets."""
    sequences = []
    for number, sequence in enumerate(X):
        if not _fits_together(sequence):
            check_structure(sequence, name=f"X[{number}]", ask_canonical=False)
        if not sp.issparse(sequence):
            sequence = as_rows(sequence, number)
            if sequence.size == 0 and sequence.ndim == 1:
                sequence = np.empty((0, sequences[0].shape[1] if sequences else 0))
        if sequence.ndim != 2:
            raise ValueError(f"X[{number}] must be 2-D (tokens, features), got {sequence.ndim}-D")
        first = sequences[0] if sequences else sequence
        if sequence.shape[0] and first.shape[0] and sequence.shape[1] != first.shape[1]:
            raise ValueError(f"X[{number}] has {sequence.shape[1]} features, X[0] has {first.shape[1]}: all must agree")
        sequences.append(sequence)
    offsets = offsets_of(np.array([s.shape[0] for s in sequences], dtype=np.int64))
    full = [s for s in sequences if s.shape[0]]
    if not full:
        return sp.csr_matrix((0, sequences[0].shape[1])), offsets
    if len(full) == 1 and type(full[0]) is sp.csr_matrix:
        return full[0], offsets
    if any(sp.issparse(s) for s in full):
        return sp.vstack([sp.csr_matrix(s) for s in full], format="csr"), offsets
    return np.vstack(full), offsets


# Labels


def flat_labels(y, tokens, name="y"):
    """The labels of all tokens, one after another: an array, or a list of objects of which None is missing."""
    refuse_container(y, name)
    given, y = y, plain_list(y)
    if tokens.flat and not _is_nested(y):
        return _as_labels(column_or_1d(given, warn=True), tokens.X.shape[0], name)
    if not hasattr(y, "__len__"):
        raise ValueError(f"{name} must be a list of label sequences, got {y!r}")
    if _num_samples(y) != tokens.n_sequences:
        raise ValueError(f"{name} has {_num_samples(y)} label sequences, X has {tokens.n_sequences} sequences")
    y = [sequence if type(sequence) is list else plain_list(sequence) for sequence in y]
    for number, (sequence, length) in enumerate(zip(y, tokens.lengths, strict=True)):
        if isinstance(sequence, str) or not hasattr(sequence, "__len__"):
            raise ValueError(f"{name}[{number}] must be a sequence of labels, got {sequence!r}")
        if len(sequence) != length:
            raise ValueError(f"{name}[{number}] has {len(sequence)} labels, X[{number}] has {length} tokens")
    return list(chain.from_iterable(s.tolist() if isinstance(s, np.ndarray) else s for s in y))


def _is_nested(y):
    listed = isinstance(y, (list, tuple)) or (isinstance(y, np.ndarray) and y.dtype == object and y.ndim == 1)
    return listed and len(y) > 0 and isinstance(y[0], (list, tuple, np.ndarray))


def _as_labels(y, n_tokens, name):
    if len(y) != n_tokens:
        raise ValueError(f"{name} has {len(y)} labels, X has {n_tokens} tokens")
    if y.dtype != object or not any(label is None for label in y):
        assert_all_finite(y, input_name=name)
        check_labels(y, name)
        return y
    return y.tolist()


def classes_of(labels, keep=None, offsets=None):
    """The distinct labels, sorted; of the tokens where `keep` holds. An error tells the place where `offsets` do."""
    if isinstance(labels, np.ndarray):
        return np.unique(labels if keep is None else labels[keep])
    with _hashing(labels, "labels", offsets):
        distinct = set(labels if keep is None else compress(labels, keep)) - {None}
    kinds = set(map(_kind_of_label, distinct))
    if len(kinds) > 1 or not kinds <= {"an integer", "str", "str_"}:
        raise ValueError(
            "labels must be all strings or all integers (None where one is missing), got "
            f"{sorted(kinds)}{_odd_one(labels, keep, offsets)}"
        )
    return np.array(sorted(distinct))


def _kind_of_label(label):
    return "an integer" if isinstance(label, (Integral, np.integer)) else type(label).__name__


def _odd_one(labels, keep, offsets):
    """Return where the first label is that cannot be, or that is of another kind than the first."""
    if offsets is None:
        return ""
    kept = [token for token, label in enumerate(labels) if label is not None and (keep is None or keep[token])]
    first = _kind_of_label(labels[kept[0]])
    allowed = {first} & {"an integer", "str", "str_"}
    token = next(token for token in kept if _kind_of_label(labels[token]) not in allowed)
    return f": {labels[token]!r} ({place_text(token, offsets)})"


@contextmanager
def _hashing(labels, name, offsets=None):
    """Of labels without a hash, a ValueError with the first of them: to ask each label beforehand takes as long."""
    try:
        yield
    except TypeError:
        for token, label in enumerate(labels):
            try:
                hash(label)
            except TypeError:
                where = "" if offsets is None else f" ({place_text(token, offsets)})"
                raise ValueError(f"{name} must hold strings or integers, got {label!r}{where}") from None
        raise


def encode(labels, classes, offsets, name, strict=None):
    """Indices of classes, int32; `MISSING` for None. An unknown label is an error, unless `strict` is False there."""
    if isinstance(labels, np.ndarray):
        codes = np.searchsorted(classes, labels) if len(classes) else np.zeros(len(labels), np.int64)
        codes[codes == len(classes)] = 0
        unknown = classes[codes] != labels
    else:
        index = {label: i for i, label in enumerate(classes.tolist())}
        index[None] = MISSING
        with _hashing(labels, name, offsets):
            codes = np.array([index.get(label, -2) for label in labels], dtype=np.int64)
        unknown = codes == -2
    if strict is not None:
        codes[unknown & ~strict] = MISSING
        unknown &= strict
    if unknown.any():
        token = int(np.flatnonzero(unknown)[0])
        raise ValueError(
            f"{name} has the label {labels[token]!r} ({place_text(token, offsets)}) that is not among {classes}"
        )
    return codes.astype(np.int32)


def has_label(labels):
    """Return True for each token that has a label."""
    if isinstance(labels, np.ndarray):
        return np.ones(len(labels), bool)
    return np.array([label is not None for label in labels], dtype=bool)


# Weights


def token_weights(sample_weight, tokens):
    """One weight a token from `sample_weight`: None, one a token, one a sequence, or a list of arrays."""
    n_tokens = tokens.X.shape[0]
    if sample_weight is None:
        return np.ones(n_tokens)
    refuse_container(sample_weight, "sample_weight")
    sample_weight = plain_list(sample_weight)
    if _is_nested(sample_weight):
        if len(sample_weight) != tokens.n_sequences:
            raise ValueError(f"sample_weight has {len(sample_weight)} entries, X has {tokens.n_sequences} sequences")
        for number, (weights, length) in enumerate(zip(sample_weight, tokens.lengths, strict=True)):
            if not hasattr(weights, "__len__"):
                raise ValueError(f"sample_weight[{number}] must have one weight a token, got {weights!r}")
            if len(weights) != length:
                raise ValueError(f"sample_weight[{number}] has {len(weights)} entries, X[{number}] has {length} tokens")
        sample_weight = np.concatenate([np.asarray(w, dtype=float) for w in sample_weight])
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim == 0:
        weights = np.full(n_tokens, float(weights))
    if weights.ndim != 1:
        raise ValueError("Sample weights must be 1D array or scalar, got an array of shape " + str(weights.shape))
    if len(weights) == tokens.n_sequences and len(weights) != n_tokens:
        weights = np.repeat(weights, tokens.lengths)
    if len(weights) != n_tokens:
        raise ValueError(
            f"sample_weight.shape == {weights.shape}, expected ({n_tokens},), one a token, or ({tokens.n_sequences},), "
            "one a sequence"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(weights.sum()):
            where = _first_place(~np.isfinite(weights), tokens)
            raise ValueError(f"sample_weight must be finite with a finite sum, got NaN or infinity{where}")
    if (weights < 0).any():
        raise ValueError(f"Negative values in data passed to `sample_weight`{_first_place(weights < 0, tokens)}")
    return weights


def _first_place(wrong, tokens):
    """Return the place of the first token that is wrong, in words; empty where none is."""
    return f" ({place_text(int(np.argmax(wrong)), tokens.offsets)})" if wrong.any() else ""


def sequence_means(values, offsets):
    """The mean of the values of each sequence; 0 where it is empty."""
    lengths = np.diff(offsets)
    if (lengths == 1).all():
        return values
    sums = np.zeros(len(lengths))
    full = lengths > 0
    if full.any():
        sums[full] = np.add.reduceat(values, offsets[:-1][full])
    return np.divide(sums, lengths, out=np.zeros(len(lengths)), where=full)


def positive_sequences(weights, tokens, part=False):
    """Return True for each sequence that has tokens and a positive weight; of a part of the data perhaps none has."""
    positive = (sequence_means(weights, tokens.offsets) > 0) & (tokens.lengths > 0)
    if not part and not positive.any():
        raise ValueError("sample_weight must be positive for a sequence that has tokens, got only zero or empty ones")
    return positive
