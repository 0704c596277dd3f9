"""Make the features of TokenFeatures: their names for each distinct value, and the offsets at which they look."""

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from .._kernels import _features


class Block(NamedTuple):
    """The features of one value of each token, such as its word, at some places.

    places : list of (str, int), the beginning of the names, and the offset of the token whose value is looked at
    value : int32 array of shape (n_tokens,), the number of a distinct value, -1 for none
    names : list of lists of str, for each feature the end of its name for each distinct value, "" where it has none; or
        WordNames
    """

    places: list[tuple[str, int]]
    value: np.ndarray
    names: "list[list[str]] | WordNames"


class WordNames(NamedTuple):
    """The names of features that depend on one word alone, of each of distinct words.

    A kernel looks up those of words of ASCII without making them as strings of Python.
    """

    words: list[str]
    lowercase: bool
    itself: bool = False
    flags: bool = False
    shape: bool = False
    prefixes: tuple[int, ...] = ()
    suffixes: tuple[int, ...] = ()

    def lists(self) -> list[list[str]]:
        """Return the names as a block has them."""
        words = self.words
        spelt = [word.lower() for word in words] if self.lowercase else words
        shapes = [word.translate(_SHAPES) for word in words] if self.shape or self.flags else []
        names = [["=" + word for word in spelt]] if self.itself else []
        if self.flags:
            names.append([":isupper" if word.isupper() else "" for word in words])
            names.append([":istitle" if word.istitle() else "" for word in words])
            names.append([":isdigit" if word.isdigit() else "" for word in words])
            names.append([":hasdigit" if "d" in shape else "" for shape in shapes])
            names.append([":hashyphen" if "-" in word else "" for word in words])
        names += _affixes("prefix", self.prefixes, spelt) + _affixes("suffix", self.suffixes, spelt)
        if self.shape:
            collapsed = {shape: ":shape=" + re.sub(r"(.)\1+", r"\1", shape, flags=re.DOTALL) for shape in set(shapes)}
            names.append([collapsed[shape] for shape in shapes])
        return names

    def rows(self, table: _features.FeatureTable) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of each word's features in a table, as `indptr` and `indices` of rows."""
        return _features.word_rows(table, *self, lambda word: [name for (name,) in self._replace(words=[word]).lists()])


def token_blocks(parameters: Any, lengths: np.ndarray, columns: list[tuple[list[str], np.ndarray]]) -> list[Block]:
    """Make the blocks of all features of tokens with these columns, in the order of the numbers of a token's features.

    Parameters
    ----------
    parameters : TokenFeatures
    lengths : array of shape (n_sequences,)
    columns : list of (list of str, int32 array of shape (n_tokens,))
        For each column of the tokens the distinct strings, and the number of each token's string.
    """
    window = integers("window", parameters.window)
    others = range(1, len(columns)) if parameters.columns is None else integers("columns", parameters.columns, 1)
    if len(others) and max(others) >= len(columns):
        raise ValueError(f"columns={parameters.columns!r}: the tokens have columns 0 to {len(columns) - 1} only")
    words, value = columns[0]
    lowercase, flags, shape = bool(parameters.lowercase), bool(parameters.flags), bool(parameters.shape)
    affixes = WordNames(
        words,
        lowercase,
        shape=shape,
        prefixes=integers("prefixes", parameters.prefixes, 1),
        suffixes=integers("suffixes", parameters.suffixes, 1),
    )
    blocks = [Block(_places("word", window), value, WordNames(words, lowercase, itself=True, flags=flags))]
    if shape or affixes.prefixes or affixes.suffixes:
        blocks.append(Block(_places("word", integers("affix_window", parameters.affix_window)), value, affixes))
    column_prefixes = integers("column_prefixes", parameters.column_prefixes, 1)
    for i in others:
        distinct, value = columns[i]
        names = [["=" + name for name in distinct], *_affixes("prefix", column_prefixes, distinct)]
        blocks.append(Block(_places(f"column{i}", window), value, names))
    spelt = [word.lower() for word in words] if lowercase and parameters.bigrams else words
    for i, label, distinct in [(0, "word", spelt), *((i, f"column{i}", columns[i][0]) for i in others)]:
        for first, second in _pairs(parameters.bigrams):
            value, pairs = _pair_values(lengths, columns[i][1], first, second, len(distinct))
            names = [[f"={distinct[a]}|{distinct[b]}" for a, b in pairs]]
            blocks.append(Block([(f"{label}[{first}]|{label}[{second}]", 0)], value, names))
    everywhere = np.zeros(len(value), dtype=np.int32)
    for offset in window if parameters.boundaries else ():
        if offset:
            value = np.where(shifted(lengths, everywhere, offset) < 0, 0, -1).astype(np.int32)
            blocks.append(Block([("", 0)], value, [[f"{'BOS' if offset < 0 else 'EOS'}[{offset}]"]]))
    if parameters.bias:
        blocks.append(Block([("", 0)], everywhere, [["bias"]]))
    return blocks


class _Shapes(dict):
    """Map characters to their shapes for str.translate; each is worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        shape = (
            "X" if character.isupper() else "x" if character.isalpha() else "d" if character.isdigit() else character
        )
        self[code] = shape
        return shape


_SHAPES = _Shapes()


def integers(name: str, values: Any, minimum: int | None = None) -> tuple[int, ...]:
    """Return the values of a parameter, which must be distinct integers >= minimum, as a tuple."""
    try:
        result: tuple[Any, ...] = tuple(values)
    except TypeError:
        result = (None,)
    lowest = -(2**31) if minimum is None else minimum
    right = all(isinstance(v, Integral) and not isinstance(v, bool) and lowest <= int(v) < 2**31 for v in result)
    if not right or len(set(result)) < len(result):
        at_least = "" if minimum is None else f" >= {minimum}"
        raise ValueError(f"{name} must be a tuple of distinct integers{at_least}, got {values!r}")
    return tuple(map(int, result))


def _pairs(bigrams: Any) -> list[tuple[int, ...]]:
    try:
        pairs = [integers("bigrams", pair) for pair in bigrams]
        if all(len(pair) == 2 for pair in pairs) and len(set(pairs)) == len(pairs):
            return pairs
    except (TypeError, ValueError):
        pass
    raise ValueError(f"bigrams must be a tuple of distinct pairs of two offsets, got {bigrams!r}")


def shifted(lengths: np.ndarray, value: np.ndarray, offset: int) -> np.ndarray:
    """Return the value at an offset from each token, -1 outside of its sequence."""
    position = np.arange(len(value)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + offset
    inside = np.flatnonzero((position >= 0) & (position < np.repeat(lengths, lengths)))
    result = np.full(len(value), -1, dtype=np.int32)
    result[inside] = value[inside + offset]
    return result


def _pair_values(
    lengths: np.ndarray, value: np.ndarray, first: int, second: int, n: int
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Return the number of each token's pair of values at two offsets (-1 for none), and the distinct pairs."""
    a, b = (shifted(lengths, value, offset).astype(np.int64) for offset in (first, second))
    inside = (a >= 0) & (b >= 0)
    keys, numbers = np.unique(a[inside] * n + b[inside], return_inverse=True)
    result = np.full(len(value), -1, dtype=np.int32)
    result[inside] = numbers
    return result, [divmod(key, n) for key in keys.tolist()]


def _places(label: str, offsets: Iterable[int]) -> list[tuple[str, int]]:
    return [(f"{label}[{offset}]", offset) for offset in offsets]


def _affixes(kind: str, sizes: Iterable[int], strings: Sequence[str]) -> list[list[str]]:
    """Return for each size the names of the affixes of the strings, "" where a string is shorter."""
    cuts = [(size, slice(size) if kind == "prefix" else slice(-size, None)) for size in sizes]
    return [[f":{kind}{n}={string[cut]}" if len(string) >= n else "" for string in strings] for n, cut in cuts]


def _rows(table: _features.FeatureTable, names: list[list[str]], learn: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of each value's features in a table, as `indptr` and `indices` of rows."""
    kernel = _features.learnF32 if learn else _features.look_upF32
    numbers, none = (kernel(table, [[token]])[0][1] for token in (list(chain(*names)), [""]))
    numbers = np.where(numbers == none, -1, numbers).reshape(len(names), -1).T
    starts = np.arange(len(numbers) + 1, dtype=np.int32) * len(names)
    _, indices, indptr = _features.canonicalF32(np.empty(0, np.float32), numbers.ravel(), starts)
    return indptr, indices


def gathered_parts(blocks: list[Block], tables: list[_features.FeatureTable], learn: bool) -> tuple[list, int]:
    """Return the arrays that the kernel gathers for each place of each block, and the number of all columns.

    With `learn` the tables get the names that they do not have.
    """
    parts: list[tuple] = []
    n_columns = 0
    for (places, value, names), table in zip(blocks, tables, strict=True):
        if isinstance(names, WordNames) and not learn:
            indptr, indices = names.rows(table)
        else:
            indptr, indices = _rows(table, names.lists() if isinstance(names, WordNames) else names, learn)
        for _, offset in places:
            parts.append((value, indptr, indices, offset, n_columns))
            n_columns += len(table)
    return parts, n_columns


def without_unused(blocks: list[Block], tables: list[_features.FeatureTable], column: np.ndarray) -> list[tuple]:
    """Return for each block its places, the table of its used names, and their columns at each place, -1 for none."""
    fitted, begin = [], 0
    for (places, _, _), table in zip(blocks, tables, strict=True):
        end = begin + len(places) * len(table)
        columns = column[begin:end].reshape(len(places), len(table))
        used = (columns >= 0).any(axis=0)
        number = np.where(used, np.cumsum(used) - 1, -1).astype(np.int32)
        fitted.append((places, table.reordered(number, int(used.sum())), np.ascontiguousarray(columns[:, used])))
        begin = end
    return fitted
