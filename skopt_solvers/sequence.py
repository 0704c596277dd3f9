"""Hold many sequences in one matrix, keep them whole in cross-validation, and read files of them."""

import codecs
import gzip
import numbers
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.model_selection import KFold
from sklearn.utils import check_random_state, indexable

from ._base.csr import check_structure
from ._base.typing import FilePath, Seed

__all__ = ["CSRSequences", "SequenceKFold", "read_conll"]

CONLLU_COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")


class CSRSequences:
    """Sequences of tokens whose features are rows of one CSR matrix.

    Transformers of sequences return it, and :class:`~skopt_solvers.LinearChainCRF` reads it without a copy. It behaves
    as a list of CSR matrices, one a sequence; slices, index arrays and masks give another `CSRSequences`, so that
    scikit-learn's splitters can cut it.

    Parameters
    ----------
    matrix : CSR of shape (n_tokens, n_features)
    lengths : array of shape (n_sequences,)
        Tokens of each sequence, in order; their sum is n_tokens.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from skopt_solvers.sequence import CSRSequences
    >>> sequences = CSRSequences(sp.eye(5, format="csr"), [2, 3])
    >>> len(sequences), sequences[1].shape, sequences[[1, 0]].lengths.tolist()
    (2, (3, 5), [3, 2])
    """

    matrix: sp.csr_matrix
    lengths: np.ndarray
    offsets: np.ndarray

    def __init__(self, matrix: Any, lengths: ArrayLike) -> None:
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
        self.offsets = np.concatenate([[0], np.cumsum(self.lengths)])

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n_sequences,)``, as scikit-learn's splitters want it."""
        return self.lengths.shape

    def __len__(self) -> int:
        return len(self.lengths)

    def __repr__(self) -> str:
        n_tokens, n_features = self.matrix.shape
        return f"<CSRSequences: {len(self)} sequences, {n_tokens} tokens, {n_features} features>"

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
            return self.matrix[self.offsets[key] : self.offsets[key + 1]]
        chosen = np.arange(len(self))[key]
        if isinstance(key, slice) and key.step in (None, 1):
            first, last = (chosen[0], chosen[-1] + 1) if len(chosen) else (0, 0)
            return CSRSequences(self.matrix[self.offsets[first] : self.offsets[last]], self.lengths[chosen])
        parts = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in chosen]
        rows = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
        return CSRSequences(self.matrix[rows], self.lengths[chosen])

    def __iter__(self) -> Iterator[sp.csr_matrix]:
        return (self[i] for i in range(len(self)))


def run_lengths(sequence_ids: ArrayLike) -> np.ndarray:
    """Return the lengths of the sequences of flat tokens, each a run of one id.

    Raise ValueError where an id comes back after another one, because its sequence would be torn.
    """
    ids = np.asarray(sequence_ids)
    if ids.ndim != 1:
        raise ValueError(f"sequence_ids must be 1-D, one id a token, got shape {ids.shape}")
    if ids.dtype == object and any(type(i).__hash__ is None for i in ids):
        raise ValueError("sequence_ids must be strings or numbers, got what cannot be compared")
    if (ids != ids).any():
        raise ValueError(f"sequence_ids must not be NaN, got NaN for token {np.flatnonzero(ids != ids)[0]}")
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]])) if len(ids) else np.empty(0, dtype=np.int64)
    seen: set[Any] = set()
    for start, sequence_id in zip(starts.tolist(), ids[starts].tolist(), strict=True):
        if sequence_id in seen:
            raise ValueError(
                f"sequence_ids: the tokens of a sequence must follow each other, but id {sequence_id!r} comes back at "
                f"token {start}, after another id"
            )
        seen.add(sequence_id)
    return np.diff(starts, append=len(ids))


def flat_lengths(n_tokens: int, lengths: ArrayLike | None = None, sequence_ids: ArrayLike | None = None) -> np.ndarray:
    """Check and return the lengths of the sequences of `n_tokens` flat tokens; exactly one argument must be given."""
    if (lengths is None) == (sequence_ids is None):
        raise ValueError(
            "give lengths or sequence_ids, one of the two, got " + ("neither", "both")[lengths is not None]
        )
    if sequence_ids is not None:
        result = run_lengths(sequence_ids)
        if result.sum() != n_tokens:
            raise ValueError(f"sequence_ids must have one id for each of the {n_tokens} tokens, got {result.sum()}")
        return result
    given = np.asarray(lengths)
    if given.ndim != 1 or (given.size and (given.dtype.kind not in "iu" or given.min() < 0)):
        raise ValueError(f"lengths must be a 1-D array of non-negative integers, got {given!r}")
    if given.sum() != n_tokens or given.max(initial=0) > n_tokens:  # a sum may wrap around
        raise ValueError(f"lengths must sum to the {n_tokens} tokens, got {given.sum()} in {given.size} sequences")
    return given.astype(np.int64)


class SequenceKFold(KFold):
    """Cut flat tokens into K folds that keep every sequence whole.

    The sequences, in their order or shuffled, are cut into `n_splits` blocks whose numbers of tokens are as equal as
    whole sequences allow: a sequence goes to the fold in which its middle falls, and each fold has one at least.
    Unshuffled, neighbouring sequences (of one document, say) stay in one fold.

    With metadata routing, ``GridSearchCV(crf, grid, cv=SequenceKFold()).fit(X, y, sequence_ids=ids)`` gives the ids to
    the splitter without a request of yours. Without routing pass them as `groups`.

    Parameters
    ----------
    n_splits : int, default=5
        Folds, >= 2.
    shuffle : bool, default=False
        Whether to shuffle the sequences before they are cut into blocks. The tokens of a fold keep their order.
    random_state : int, RandomState instance or None, default=None
        Orders the shuffle.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt_solvers.sequence import SequenceKFold
    >>> ids = np.array(["a", "a", "b", "b", "b", "c"])
    >>> for train, test in SequenceKFold(n_splits=2).split(np.zeros((6, 1)), sequence_ids=ids):
    ...     print(train, test)
    [2 3 4 5] [0 1]
    [0 1] [2 3 4 5]
    """

    __metadata_request__split = {"groups": True, "sequence_ids": True}

    def __init__(self, n_splits: int = 5, *, shuffle: bool = False, random_state: Seed = None) -> None:
        super().__init__(n_splits, shuffle=shuffle, random_state=random_state)

    def split(
        self, X: Any, y: Any = None, groups: ArrayLike | None = None, sequence_ids: ArrayLike | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the indices of the training and test tokens of each fold, both ascending.

        Parameters
        ----------
        X : array-like of shape (n_tokens, n_features)
        y : array-like of shape (n_tokens,), default=None
            Not used.
        groups : array-like of shape (n_tokens,), default=None
            Another name for `sequence_ids`.
        sequence_ids : array-like of shape (n_tokens,), default=None
            The sequence of each token; the tokens of one sequence follow each other.

        Yields
        ------
        train, test : ndarray of int

        Raises
        ------
        ValueError
            If no ids are given or both names are used, an id comes back after another one, or there are fewer
            sequences than folds.
        """
        if (groups is None) == (sequence_ids is None):
            raise ValueError(
                "SequenceKFold needs the sequence of each token: give sequence_ids (or groups), one of the two, got "
                + ("neither; where X is a list of sequences, KFold keeps them whole" if groups is None else "both")
            )
        X, y, ids = indexable(X, y, groups if sequence_ids is None else sequence_ids)
        lengths = run_lengths(ids)
        if len(lengths) < self.n_splits:
            raise ValueError(f"n_splits={self.n_splits} folds need as many sequences, got {len(lengths)}")
        fold_of_token = np.repeat(self._folds(lengths), lengths)
        for fold in range(self.n_splits):
            yield np.flatnonzero(fold_of_token != fold), np.flatnonzero(fold_of_token == fold)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None, sequence_ids: Any = None) -> int:
        """Return the number of folds, which does not depend on the data."""
        return self.n_splits

    def _folds(self, lengths: np.ndarray) -> np.ndarray:
        """Return the fold of each sequence."""
        n_sequences = len(lengths)
        order = np.arange(n_sequences)
        if self.shuffle:
            order = check_random_state(self.random_state).permutation(n_sequences)
        ends = np.cumsum(lengths[order])
        middles = ends - lengths[order] / 2
        # the number of sequences before each fold, then moved by so much that no fold is empty
        folds = np.arange(self.n_splits)
        before = np.searchsorted(middles, ends[-1] * folds / self.n_splits)
        before = np.minimum(np.maximum.accumulate(before - folds), n_sequences - self.n_splits) + folds
        result = np.empty(n_sequences, dtype=np.int64)
        result[order] = np.repeat(folds, np.diff(before, append=n_sequences))
        return result


@overload
def read_conll(  # type: ignore[overload-overlap]  # a string is an iterable of strings too
    path: FilePath,
    columns: int | str,
    *,
    conllu: bool | None = None,
    separator: str | None = None,
    comment: str | None = None,
    encoding: str = "utf-8",
) -> list[list[str]]: ...


@overload
def read_conll(
    path: FilePath,
    columns: Iterable[int | str] = (0, -1),
    *,
    conllu: bool | None = None,
    separator: str | None = None,
    comment: str | None = None,
    encoding: str = "utf-8",
) -> tuple[list[list[str]], ...]: ...


def read_conll(
    path: FilePath,
    columns: int | str | Iterable[int | str] = (0, -1),
    *,
    conllu: bool | None = None,
    separator: str | None = None,
    comment: str | None = None,
    encoding: str = "utf-8",
) -> list[list[str]] | tuple[list[list[str]], ...]:
    """Read columns of a CoNLL file, each a list of sequences of strings.

    It knows two layouts, both with one token a line and an empty line between sentences:

    - columns separated by spaces or tabs (CoNLL-2000, 2002, 2003, WNUT). Lines whose first column is ``-DOCSTART-``
      end a sentence and are dropped. ``#`` is a token as any other unless `comment` says otherwise.
    - CoNLL-U: ten columns separated by tabs. Comments (lines that start with ``#``), ranges of multiword tokens
      (``1-2``) and empty nodes (``1.1``) are dropped.

    Only spaces and tabs separate columns. Other white space of Unicode belongs to the token.

    Parameters
    ----------
    path : str or path-like
        A file whose name ends in ``.gz`` is unpacked.
    columns : int, str, or sequence of them, default=(0, -1)
        The columns to return: numbers from 0, negative ones from the right, or in CoNLL-U the names id, form, lemma,
        upos, xpos, feats, head, deprel, deps, misc.
    conllu : bool, default=None
        True if the file is CoNLL-U. None takes it for that if its name ends in ``.conllu`` or ``.conllu.gz``, or a
        column is given by name.
    separator : str, default=None
        The string that separates columns. None is one tab in a line that has tabs, and else any number of spaces.
    comment : str, default=None
        Lines that start with it are dropped, such as ``"# id"``.
    encoding : str, default="utf-8"
        CoNLL-2002 is ``"latin-1"``.

    Returns
    -------
    list of list of str, or a tuple of them where `columns` is a sequence
        For each sentence the values of the column.

    Raises
    ------
    ValueError
        With the number of the line, if it has too few columns, or another number of columns than the lines before
        it where a column is counted from the right; in CoNLL-U, if it has not ten columns or its first is not an
        id; if the file is not in `encoding`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from skopt_solvers.sequence import read_conll
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "train.txt")
    ...     _ = path.write_text("He PRP B-NP\\nruns VBZ B-VP\\n\\nStop VB B-VP\\n")
    ...     words, chunks = read_conll(path, columns=(0, -1))
    >>> words
    [['He', 'runs'], ['Stop']]
    >>> chunks
    [['B-NP', 'B-VP'], ['B-VP']]
    """
    single = isinstance(columns, (str, numbers.Integral))
    if single:
        asked: list[Any] = [columns]
    elif isinstance(columns, Iterable):
        asked = list(columns)
    else:
        raise ValueError(f"columns must be a number, a name or a sequence of them, got {type(columns).__name__}")
    if not asked:
        raise ValueError("columns must name one column at least, got none")
    for name, value in (("separator", separator), ("comment", comment)):
        if value is not None and not (isinstance(value, str) and value):
            raise ValueError(f"{name} must be a string that is not empty, or None, got {value!r}")
    try:
        codecs.lookup(encoding)
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"encoding must be the name of an encoding, got {encoding!r}") from error
    if conllu is None:
        conllu = os.fspath(path).endswith((".conllu", ".conllu.gz")) or any(isinstance(c, str) for c in asked)
    chosen = [_column_number(column, conllu) for column in asked]
    result: list[list[list[str]]] = [[] for _ in chosen]
    token_lines = _conllu_lines(path, encoding) if conllu else _column_lines(path, encoding, separator, comment)
    for sentence in _sentences(path, token_lines, chosen):
        for column, values in zip(result, zip(*sentence, strict=True), strict=True):
            column.append(list(values))
    return result[0] if single else tuple(result)


def _column_number(column: Any, conllu: bool) -> int:
    if isinstance(column, str):
        if not conllu or column not in CONLLU_COLUMNS:
            allowed = f"one of {', '.join(CONLLU_COLUMNS)}" if conllu else "a number, as the file is not CoNLL-U"
            raise ValueError(f"columns: {column!r} is not a column; it must be {allowed}")
        return CONLLU_COLUMNS.index(column)
    if isinstance(column, bool) or not isinstance(column, numbers.Integral):
        raise ValueError(f"columns must hold numbers or names, got {column!r}")
    return int(column)


def _sentences(
    path: FilePath, token_lines: Iterable[tuple[int, list[str] | None]], chosen: list[int]
) -> Iterator[list[list[str]]]:
    """Yield sentences as lists of the chosen columns of each token; `token_lines` has (line number, fields or None)."""
    needed = max(column + 1 if column >= 0 else -column for column in chosen)
    from_the_right = min(chosen) < 0
    width: int | None = None
    first: int | None = None
    sentence: list[list[str]] = []
    for number, fields in token_lines:
        if fields is None:
            if sentence:
                yield sentence
                sentence = []
            continue
        if len(fields) != width:
            if len(fields) < needed:
                asked = ", ".join(map(str, chosen))
                raise ValueError(f"{path}, line {number}: {len(fields)} columns, too few for columns {asked}")
            if width is not None and from_the_right:
                raise ValueError(
                    f"{path}, line {number}: {len(fields)} columns where line {first} has {width}, so that columns "
                    f"counted from the right ({', '.join(str(c) for c in chosen if c < 0)}) would not be the same"
                )
            width, first = len(fields), number
        sentence.append([sys.intern(fields[column]) for column in chosen])
    if sentence:
        yield sentence


def _lines(path: FilePath, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield numbered lines. str.splitlines would also break at characters that are parts of tokens."""
    data = Path(path).read_bytes()
    if os.fspath(path).endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path} is not a whole gzip file: {error}") from error
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {number}: not {encoding} ({error.reason}); give its encoding") from error
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        yield number, line.removesuffix("\r")


def _column_lines(
    path: FilePath, encoding: str, separator: str | None, comment: str | None
) -> Iterator[tuple[int, list[str] | None]]:
    for number, line in _lines(path, encoding):
        if comment is not None and line.startswith(comment):
            continue
        if not line.strip(" \t"):
            yield number, None
            continue
        if separator is not None:
            fields = line.split(separator)
        elif "\t" in line:
            fields = line.split("\t")
        else:
            fields = re.split(" +", line.strip(" "))
        yield number, (None if fields[0] == "-DOCSTART-" else fields)


def _conllu_lines(path: FilePath, encoding: str) -> Iterator[tuple[int, list[str] | None]]:
    for number, line in _lines(path, encoding):
        if not line.strip(" \t"):
            yield number, None
        elif not line.startswith("#"):
            fields = line.split("\t")
            if len(fields) != len(CONLLU_COLUMNS):
                raise ValueError(f"{path}, line {number}: {len(fields)} columns separated by tabs, CoNLL-U has 10")
            kind = re.fullmatch(r"\d+([-.]\d+)?", fields[0])
            if kind is None:
                raise ValueError(f"{path}, line {number}: {fields[0]!r} is not the id of a CoNLL-U token")
            if kind[1] is None:
                yield number, fields
