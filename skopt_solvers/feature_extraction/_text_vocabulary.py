"""The vocabulary of a vectorizer: a compiled table, and a dict where somebody looks at it."""

from operator import index
from typing import Any

import numpy as np

from .._base.pickling import check_array, damaged
from .._kernels import _text


class CompiledVocabulary:
    """Terms and their columns.

    Parameters
    ----------
    table : _text.WordVocabulary or _text.StringVocabulary
    kind : str
        "Word" or "String".
    n_columns : int
    numpy_columns : bool
        Columns are numpy.int64 in the dict, as scikit-learn's are after a cut to `max_features`.
    source : dict, optional
        What the table was made of.
    """

    def __init__(
        self,
        table: Any,
        kind: str,
        n_columns: int,
        numpy_columns: bool = False,
        source: dict[Any, Any] | None = None,
    ) -> None:
        self.table, self.kind, self.n_columns, self.numpy_columns = table, kind, n_columns, numpy_columns
        self.made_of(source)

    def made_of(self, source: dict[Any, Any] | None) -> None:
        """Remember the dict that has the terms of the table."""
        self.source = source
        self.last_term = None if source is None else next(reversed(source), None)

    @classmethod
    def of_dict(cls, terms: dict[Any, Any], kind: str) -> "CompiledVocabulary | None":
        """Return the table of a dict, None where its columns are not integers of a matrix as wide as it is long."""
        try:
            columns = [index(column) for column in terms.values()]
        except TypeError:
            return None
        if not all(0 <= column < len(terms) for column in columns):
            return None
        # what is no string is no term of a text
        known = [(term, column) for term, column in zip(terms, columns, strict=True) if isinstance(term, str)]
        strings = [term for term, _ in known]
        table = getattr(_text, kind + "Vocabulary")(strings, np.array([column for _, column in known], dtype=np.int32))
        return cls(table, kind, len(terms), source=terms)

    def is_of(self, terms: Any) -> bool:
        """Return whether the table is that of a dict, to which a term may have been added, or one removed.

        Other columns for the terms that it has are not seen: to compare them all takes longer than a short document.
        """
        same = self.source is not None and self.source is terms and self.n_columns == len(terms)
        return same and next(reversed(terms), None) == self.last_term

    def of_kind(self, kind: str) -> Any:
        """Return the compiled table of a kind."""
        if kind == self.kind:
            return self.table
        terms, columns = self.table.items()
        return getattr(_text, kind + "Vocabulary")(terms, columns)

    def as_dict(self) -> dict[str, Any]:
        """Return the column of each term, in the order in which a fit met them."""
        terms, columns = self.table.items()
        return dict(zip(terms, columns.astype(np.int64) if self.numpy_columns else columns.tolist(), strict=True))

    def names(self) -> np.ndarray:
        """Return the terms in the order of their columns."""
        terms, columns = self.table.items()
        names = np.empty(self.n_columns, dtype=object)
        names[columns] = terms
        return names

    def stored(self) -> tuple[Any, ...]:
        """Return plain arrays that :meth:`loaded` reads."""
        return (*self.table.__getstate__(), self.kind, bool(self.numpy_columns))

    @classmethod
    def loaded(cls, stored: Any, owner: Any) -> "CompiledVocabulary":
        """Return the vocabulary of what :meth:`stored` gave; `owner` is named where it is damaged."""
        try:
            text, lengths, columns, kind, numpy_columns = stored
            table_type = getattr(_text, str(kind) + "Vocabulary")
        except (TypeError, ValueError, AttributeError):
            raise damaged(
                owner, "the vocabulary", "bytes, lengths, columns and their kind", type(stored).__name__
            ) from None
        check_array(owner, "the lengths of terms", lengths, (lengths.size,), "u")
        check_array(owner, "the columns of terms", columns, (lengths.size,), "i")
        if not np.array_equal(np.sort(columns), np.arange(len(columns))):
            raise damaged(owner, "the columns of terms", f"0 to {len(columns) - 1}, each once", columns)
        table = table_type.__new__(table_type)
        try:
            table.__setstate__((bytes(text), lengths.astype(np.uint32), columns.astype(np.int32)))
        except (ValueError, UnicodeDecodeError) as error:
            raise damaged(owner, "the vocabulary", "distinct terms in UTF-8", str(error)) from None
        return cls(table, str(kind), len(columns), bool(numpy_columns))
