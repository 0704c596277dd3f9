"""Read spans from tags, by the rules of conlleval or strictly by a scheme.

A tag is ``O``, or a prefix and a type. The prefixes of all schemes are those of IOBES under other letters: M is I, L is
E, and U is S. Rules are tables over two prefixes that follow each other and whether their types are equal; before and
after a sequence stands O.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PREFIXES = "OBIES"
OUTSIDE = 0

# The letters of each scheme, and the prefixes that they stand for.
_IOB, _IOE, _IOBES = {"B": "B", "I": "I"}, {"I": "I", "E": "E"}, {letter: letter for letter in "BIES"}
SCHEMES = {
    "iob1": _IOB,
    "iob2": _IOB,
    "bio": _IOB,
    "ioe1": _IOE,
    "ioe2": _IOE,
    "iobes": _IOBES,
    "bioes": _IOBES,
    "bilou": {"B": "B", "I": "I", "L": "E", "U": "S"},
    "bmes": {"B": "B", "M": "I", "E": "E", "S": "S"},
}


class Rules(NamedTuple):
    """Tables of shape (5, 5, 2): prefix before, prefix, and whether their types are equal.

    A span starts at a token where `starts` is True, goes on while `continues` is, and counts if `ends` is True where
    it stops.
    """

    starts: NDArray[np.bool_]
    continues: NDArray[np.bool_]
    ends: NDArray[np.bool_]

    @classmethod
    def of(cls, starts: str, continues: str, ends: str) -> "Rules":
        """Make the tables of patterns: two prefixes, "." for any, then "=" or "!" for equal or different types."""
        return cls(*map(_table, (starts, continues, ends)))


def _table(patterns: str) -> NDArray[np.bool_]:
    table = np.zeros((len(PREFIXES), len(PREFIXES), 2), dtype=bool)
    for before, after, *types in map(list, patterns.split()):
        rows = slice(None) if before == "." else PREFIXES.index(before)
        columns = slice(None) if after == "." else PREFIXES.index(after)
        table[rows, columns, "!=".index(types[0]) if types else slice(None)] = True
    return table


# As conlleval, extended to IOBES: whatever is no O belongs to a span.
CONLLEVAL = Rules.of(".B .S OI OE EI EE SI SE BI! BE! II! IE!", "BI= BE= II= IE=", "..")

# As seqeval with mode="strict": what breaks the scheme is no span.
_STRICT_IOBES = Rules.of(".B .S", "BI= BE= II= IE=", "E. S.")
STRICT = {
    "iob1": Rules.of("OI II! BI IB= BB=", "BI= II=", "II! IO IB BO BI! BB="),
    "iob2": Rules.of(".B", "BI= II=", ".."),
    "ioe1": Rules.of("OI II! EI EE=", "II= IE=", "II! IO IE! EI= EE="),
    "ioe2": Rules.of("OI OE EI EE II! IE!", "II= IE=", "E."),
    "iobes": _STRICT_IOBES,
    "bilou": _STRICT_IOBES,
    "bmes": _STRICT_IOBES,
}
STRICT |= {"bio": STRICT["iob2"], "bioes": STRICT["iobes"]}


class TagForm(NamedTuple):
    """The letters of tags, and the way in which a letter and a type are written as one."""

    letters: dict[str, str]
    delimiter: str = "-"
    suffix: bool = False

    def parts(self, tag: Any) -> tuple[Any, Any]:
        """Return the letter and the type of a tag, which is not O."""
        if not isinstance(tag, str):
            return None, None
        if self.suffix:
            kind, _, letter = tag.rpartition(self.delimiter)
        else:
            letter, _, kind = tag.partition(self.delimiter)
        return letter, kind

    def __str__(self) -> str:
        forms = (("TYPE", letter) if self.suffix else (letter, "TYPE") for letter in self.letters)
        return ", ".join(["O", *map(self.delimiter.join, forms)])


def form_of(letters: dict[str, str], delimiter: str, suffix: bool) -> TagForm:
    """Return the form of tags, after a check of its arguments."""
    if not isinstance(delimiter, str) or not delimiter:
        raise ValueError(f"delimiter must be a string of one character at least, got {delimiter!r}")
    if not isinstance(suffix, (bool, np.bool_)):
        raise ValueError(f"suffix must be True or False, got {suffix!r}")
    return TagForm(letters, delimiter, bool(suffix))


def facts_of(tags: Iterable[Any], form: TagForm, number: dict[Any, int], owner: str) -> NDArray[np.int64]:
    """Return the prefix and the number of the type (-1: none) of each tag; new types are added to `number`.

    A tag that is not of the form is a ValueError, in which `owner` ("scheme='bio' has") stands before the form.
    """
    facts = []
    for tag in tags:
        letter, kind = form.parts(tag)
        if tag == "O":
            facts.append((OUTSIDE, -1))
        elif letter in form.letters:
            facts.append((PREFIXES.index(form.letters[letter]), number.setdefault(kind, len(number))))
        else:
            raise ValueError(f"{owner} the labels {form}, got {tag!r}")
    return np.array(facts, dtype=np.int64).reshape(-1, 2)


def spans(
    prefixes: NDArray[np.int64], types: NDArray[np.int64], first: NDArray[np.bool_], rules: Rules
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the spans of tokens begin, and where they end (the token after the last one).

    Parameters
    ----------
    prefixes, types : ndarray of shape (n_tokens,)
        As `facts_of` gives them.
    first : ndarray of shape (n_tokens,)
        True for the first token of each sequence.
    rules : Rules
    """
    n = len(prefixes)
    # the places of each token and the one before it in the tables
    pairs = 2 * prefixes
    pairs[1:] += 2 * len(PREFIXES) * prefixes[:-1] + (types[1:] == types[:-1])
    pairs[first] = 2 * prefixes[first]
    continues, starts = rules.continues.ravel()[pairs], rules.starts.ravel()[pairs]
    # in IOB1 an I starts after a B that starts nothing, and goes on after one that does
    starts[1:] &= ~(continues[1:] & starts[:-1])
    stops = np.append(np.flatnonzero(~continues), n)
    begins = np.flatnonzero(starts)
    ends = stops[np.searchsorted(stops, begins, side="right")]
    if not rules.ends.all():
        last, after = ends - 1, np.minimum(ends, n - 1)
        over = (ends == n) | first[after]
        counts = rules.ends.ravel()[np.where(over, 2 * len(PREFIXES) * prefixes[last], pairs[after])]
        begins, ends = begins[counts], ends[counts]
    return begins, ends
