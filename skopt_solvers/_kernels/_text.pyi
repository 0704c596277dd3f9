"""Types of the compiled module that counts the terms of texts. A matrix is (data, indices, indptr).

Names with an F32, F64, I32 or I64 behind them are for values of that type. "Word" is for terms that are n-grams of
words as tuples of numbers, "String" for terms that are strings.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int32] | NDArray[np.int64]
Matrix = tuple[NDArray[Any], Index, Index]
Weight = NDArray[Any] | None

class Characters:
    """A table of characters; `runs` are of the class of tokens."""

    def __init__(self, lower: bool, runs: re.Pattern[str] | None) -> None: ...

class Rules:
    """`units`: 0 words, 1 n-grams of words as strings, 2 characters, 3 characters in words.

    `token` is (shortest length, whether word boundaries are asked for, whether the class is that of words).
    """

    def __init__(
        self,
        units: int,
        low: int,
        high: int,
        token: tuple[int, bool, bool],
        lower: bool,
        characters: Characters,
        as_is: Characters,
        stop_words: list[str] | None,
        seeks_surrogates: bool,
    ) -> None: ...

class Source:
    """`way`: 0 texts as they are, 1 `prepare` those that are not ASCII, 2 `prepare` all, 3 `prepare` gives tokens."""

    def __init__(
        self, way: int, decodes: bool, decode: Callable[[Any], Any], prepare: Callable[[Any], Any]
    ) -> None: ...

class _Countable:
    n_documents: int
    n_columns: int
    largest: int
    def matrixI32(self, binary: bool, tf: Weight, idf: Weight, norm: int, n_threads: int) -> Matrix: ...
    def matrixI64(self, binary: bool, tf: Weight, idf: Weight, norm: int, n_threads: int) -> Matrix: ...
    def matrixF32(self, binary: bool, tf: Weight, idf: Weight, norm: int, n_threads: int) -> Matrix: ...
    def matrixF64(self, binary: bool, tf: Weight, idf: Weight, norm: int, n_threads: int) -> Matrix: ...

class Rows(_Countable): ...

class _Vocabulary:
    def __init__(self, terms: list[str], columns: NDArray[np.int32]) -> None: ...
    def __len__(self) -> int: ...
    def items(self) -> tuple[list[str], NDArray[np.int32]]: ...
    def rows(self, documents: Iterable, rules: Rules, source: Source, n_columns: int, n_threads: int) -> Rows: ...

class WordVocabulary(_Vocabulary): ...
class StringVocabulary(_Vocabulary): ...

Known = TypeVar("Known", bound=_Vocabulary)

class _Counts(_Countable, Generic[Known]):
    def __init__(self, documents: Iterable, rules: Rules, source: Source, n_threads: int) -> None: ...
    def totals(self, of_documents: bool) -> NDArray[np.int64]: ...
    def keep(self, kept: NDArray[np.bool_]) -> None: ...
    def sort(self) -> None: ...
    def take_vocabulary(self) -> Known: ...

class WordCounts(_Counts[WordVocabulary]): ...
class StringCounts(_Counts[StringVocabulary]): ...

def hashed_rows(
    documents: Iterable, rules: Rules, source: Source, n_features: int, alternate_sign: bool, n_threads: int
) -> Rows: ...
