"""Read files of CoNLL's formats."""

import gzip
import numbers
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, overload

from .._base.typing import FilePath

CONLLU_COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")


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
        "a".encode(encoding)  # which refuses those of bytes, as hex, too
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"encoding must be the name of an encoding of text, got {encoding!r}") from error
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
    except UnicodeError as error:  # of an encoding that does not say where
        raise ValueError(f"{path}: not {encoding} ({error}); give its encoding") from error
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
