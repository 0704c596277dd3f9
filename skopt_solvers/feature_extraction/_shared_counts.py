"""Count documents once for many fits of vectorizers, as a search over their parameters needs."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import repeat
from threading import Lock
from types import BuiltinFunctionType, FunctionType
from typing import Any
from weakref import WeakSet

import numpy as np

from .._kernels import _text
from ._text_counts import TermCounts
from ._text_rules import Plan, plan
from ._text_vocabulary import CompiledVocabulary

_active: ContextVar["SharedCounts | None"] = ContextVar("shared_counts", default=None)
_ALL = (0, 2**31 - 1)
_CHAR_WB_LOW = 3  # a padded word has three characters at least: up to this, a range begins without whole words


class Analysis:
    """The counts of all documents that have been met, as one analyzer sees them.

    Parameters
    ----------
    kind : str
        "Word" or "String".
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.counts: Any = None
        self.documents: dict[str, int] = {}
        self.lock = Lock()
        self.unusable = False

    def numbers(self, documents: Iterable[Any], steps: Plan, n_threads: int) -> np.ndarray | None:
        """Return the number of each document, which is counted if it is new; None where one is no string."""
        numbers = self._known(documents)
        if numbers is not None and (numbers < 0).any():
            new = [document for document, number in zip(documents, numbers, strict=True) if number < 0]
            if not all(type(document) in (str, np.str_) for document in new):
                return None
            self._add(list(dict.fromkeys(new)), steps, n_threads)
            numbers = self._known(documents)
        return numbers

    def _known(self, documents: Iterable[Any]) -> np.ndarray | None:
        try:
            return np.fromiter(map(self.documents.get, documents, repeat(-1)), dtype=np.int32)
        except TypeError:  # what has no hash
            return None

    def _add(self, new: list[str], steps: Plan, n_threads: int) -> None:
        if self.counts is None:
            self.counts = getattr(_text, self.kind + "Counts")(new, steps.rules, steps.source, n_threads)
        else:
            self.counts.add(new, steps.rules, steps.source, n_threads)
        self.documents.update(zip(new, range(len(self.documents), len(self.documents) + len(new)), strict=True))


class SharedVocabulary(CompiledVocabulary):
    """The vocabulary of a fit from shared counts; its table of strings is made when it is first asked for.

    Parameters
    ----------
    analysis : Analysis
    ids : ndarray of int32
        The ids of its terms there, in the order in which the fit met them.
    columns : ndarray of int32
    numpy_columns : bool
    """

    _table: Any

    def __init__(self, analysis: Analysis, ids: np.ndarray, columns: np.ndarray, numpy_columns: bool) -> None:
        self.analysis: Analysis | None = analysis
        self.ids, self.columns = ids, columns
        super().__init__(None, analysis.kind, len(columns), numpy_columns)

    @property
    def table(self) -> Any:
        """The compiled terms."""
        if self._table is None:
            analysis = self.analysis
            assert analysis is not None
            with analysis.lock:
                terms = analysis.counts.terms(self.ids)
            self._table = getattr(_text, self.kind + "Vocabulary")(terms, self.columns)
        return self._table

    @table.setter
    def table(self, table: Any) -> None:
        self._table = table

    def leave(self) -> None:
        """Make the table and let go of the counts."""
        self.table  # noqa: B018
        self.analysis = None

    def column_by_id(self) -> np.ndarray:
        """Return the column of each id, -1 for those that are no terms."""
        columns = np.full(self.ids.max(initial=-1) + 1, -1, dtype=np.int32)
        columns[self.ids] = self.columns
        return columns


class CountedDocuments:
    """Documents that an analysis has counted.

    Parameters
    ----------
    analysis : Analysis
    numbers : ndarray of int32
    ngram_range : (int, int)
    vocabularies : WeakSet
        Takes the vocabularies that depend on the analysis.
    """

    def __init__(
        self, analysis: Analysis, numbers: np.ndarray, ngram_range: tuple[int, int], vocabularies: Any
    ) -> None:
        self.analysis, self.numbers, self.ngram_range = analysis, numbers, ngram_range
        self.vocabularies = vocabularies

    def counts(self, n_threads: int) -> TermCounts:
        """Return their counts, as if they had been counted alone."""
        with self.analysis.lock:
            return TermCounts(self.analysis.counts.select(self.numbers, *self.ngram_range), n_threads)

    def knows(self, vocabulary: Any) -> bool:
        """Return whether a vocabulary is of the same analysis."""
        return isinstance(vocabulary, SharedVocabulary) and vocabulary.analysis is self.analysis

    def known_counts(self, vocabulary: SharedVocabulary, n_threads: int) -> TermCounts:
        """Return the counts of the terms of a vocabulary."""
        columns = vocabulary.column_by_id()
        with self.analysis.lock:
            rows = self.analysis.counts.rows(self.numbers, columns, vocabulary.n_columns)
        return TermCounts(rows, n_threads)

    def vocabulary(self, selection: Any, numpy_columns: bool) -> SharedVocabulary:
        """Return the vocabulary of counts that :meth:`counts` gave and that are in their final order."""
        ids, columns = selection.columns()
        vocabulary = SharedVocabulary(self.analysis, ids, columns, numpy_columns)
        self.vocabularies.add(vocabulary)
        return vocabulary


class SharedCounts:
    """Counts that the vectorizers of this package share while they are active: the same bits as without them.

    Documents are told apart by their text, so that any order and any choice of them is known. The counts take
    8 bytes for each term of each document, beside a reference to the text.

    Attributes
    ----------
    n_counts : int
        How often documents were counted.
    n_shared : int
        How often their counts were there.
    is_copy : bool
        It was sent to another process, where it counts for itself.
    """

    def __init__(self) -> None:
        self.ngram_ranges: frozenset[tuple[int, int]] = frozenset()
        self.analyses: dict[Any, Analysis] = {}
        self.vocabularies: WeakSet[SharedVocabulary] = WeakSet()
        self.lock = Lock()
        self.n_counts = self.n_shared = 0
        self.is_copy = False

    def expect(self, ngram_ranges: Iterable[tuple[int, int]]) -> None:
        """Take ranges that will be asked for: one count of the longest n-grams serves all."""
        self.ngram_ranges = self.ngram_ranges.union(ngram_ranges)

    def __reduce__(self) -> tuple[Any, ...]:
        return _in_another_process, (self.ngram_ranges,)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let vectorizers that are fitted inside, in this thread, take the counts from here."""
        token = _active.set(self)
        try:
            yield
        finally:
            _active.reset(token)

    def close(self) -> None:
        """Forget the counts; vectorizers that are still there get what they need of them."""
        for vocabulary in list(self.vocabularies):
            vocabulary.leave()
        self.analyses.clear()

    def counted(self, vectorizer: Any, documents: Iterable[Any], steps: Plan, n_threads: int) -> Any:
        """Return the counts of documents as :class:`CountedDocuments`, None where a fit has to count for itself."""
        key = _key(vectorizer)
        if key is None or isinstance(documents, Iterator) or not hasattr(documents, "__len__"):
            return None
        own = counts = (1, 1) if callable(vectorizer.analyzer) else tuple(vectorizer.ngram_range)
        if steps.kind == "Word" or vectorizer.analyzer in ("char", "char_wb"):
            counts = self._widest(vectorizer.analyzer, own)
        with self.lock:
            analysis = self.analyses.setdefault((*key, counts, steps.kind), Analysis(steps.kind))
        of_all = steps if counts == own else plan(vectorizer, documents, ngram_range=counts)
        numbers = None if of_all is None else self._numbers(analysis, documents, of_all, n_threads)
        if numbers is None:
            return None
        return CountedDocuments(analysis, numbers, own if counts != own else _ALL, self.vocabularies)

    def _numbers(self, analysis: Analysis, documents: Iterable[Any], steps: Plan, n_threads: int) -> Any:
        with analysis.lock:
            if analysis.unusable:
                return None
            before = len(analysis.documents)
            try:
                numbers = analysis.numbers(documents, steps, n_threads)
            except _text.NotStrings:
                analysis.unusable = True
                return None
            except BaseException:
                analysis.unusable = True  # some documents may be in it without their number
                raise
            if numbers is None or analysis.counts is None:
                return None
            self.n_counts += len(analysis.documents) > before
            self.n_shared += len(analysis.documents) == before
        return numbers

    def _widest(self, analyzer: Any, ngram_range: tuple[int, int]) -> tuple[int, int]:
        """Return the range of which the counts have those of `ngram_range`."""
        together = [ngram_range]
        for other in self.ngram_ranges if ngram_range in self.ngram_ranges else ():
            if analyzer != "char_wb" or max(ngram_range[0], other[0]) <= _CHAR_WB_LOW:
                together.append(other)
        lows, highs = zip(*together, strict=True)
        return min(lows), max(highs)


def _in_another_process(ngram_ranges: frozenset[tuple[int, int]]) -> SharedCounts:
    copy = SharedCounts()
    copy.expect(ngram_ranges)
    copy.is_copy = True
    return copy


def shared_counts() -> SharedCounts | None:
    """Return the counts that are active in this thread."""
    return _active.get()


def _key(vectorizer: Any) -> tuple[Any, ...] | None:
    """Return what the terms of a document depend on beside it, None where that cannot be compared."""
    if vectorizer.input != "content":
        return None
    functions = (vectorizer.preprocessor, vectorizer.tokenizer, vectorizer.analyzer, vectorizer.strip_accents)
    if not all(_is_comparable(function) for function in functions):
        return None
    stop_words = vectorizer.get_stop_words() if vectorizer.analyzer == "word" else None
    rules = (vectorizer.token_pattern, bool(vectorizer.lowercase), vectorizer.encoding, vectorizer.decode_error)
    return functions, None if stop_words is None else frozenset(stop_words), rules


def _is_comparable(function: Callable[..., Any] | str | None) -> bool:
    return function is None or isinstance(function, (str, FunctionType, BuiltinFunctionType))
