"""Entities of sequences with their probabilities, from the labels of a CRF."""

from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from ..sequence import CONLLEVAL, SCHEMES, TagForm, facts_of, form_of
from ._prediction import require_path


class Entity(NamedTuple):
    """Entity of a sequence: its tokens are ``sequence[start:end]``.

    Attributes
    ----------
    start : int
        The first token, counted from 0.
    end : int
        The token after the last one.
    type : str
        The part of the labels behind the prefix, such as "PER"; "" where labels are prefixes alone.
    probability : float
        The probability of this entity, given the whole sequence.
    """

    start: int
    end: int
    type: str
    probability: float


@dataclass
class SpanLabels:
    """The labels that spell entities.

    Attributes
    ----------
    starts : ndarray of uint8, of shape (n_labels + 1, n_labels)
        Whether an entity begins with a label (column) after another one (row), or in the last row as the first of all.
    continues : ndarray of uint8, of shape (n_labels, n_labels)
        Whether a label (column) belongs to the entity of the one before.
    kinds : ndarray of int32, of shape (n_labels,)
        The number of the type of a label, -1 for O.
    types : list of str
    """

    starts: np.ndarray
    continues: np.ndarray
    kinds: np.ndarray
    types: list[str]

    @classmethod
    def of(cls, classes: np.ndarray, delimiter: str, suffix: bool) -> "SpanLabels":
        """Read the labels, whose prefixes must be those of one scheme, by the rules of conlleval."""
        number: dict[str, int] = {}
        form = _form(classes.tolist(), delimiter, suffix)
        prefixes, kinds = facts_of(classes.tolist(), form, number, "predict_entities needs").T
        before = np.append(prefixes, 0)[:, None], np.append(kinds, -1)[:, None]
        pairs = before[0], prefixes[None], (before[1] == kinds).astype(np.int64)
        starts, continues = (table[pairs].astype(np.uint8) for table in (CONLLEVAL.starts, CONLLEVAL.continues))
        types = sorted(number)
        rank = np.array([*map(types.index, number), -1], dtype=np.int32)  # the last one is that of O, -1
        return cls(starts, continues[:-1], rank[kinds], types)


def _form(labels: list, delimiter: str, suffix: bool) -> TagForm:
    """Return the form of labels: that of the first scheme that has all their prefixes."""
    every = form_of({letter: letter for scheme in SCHEMES.values() for letter in scheme}, delimiter, suffix)
    letters = {every.parts(label)[0] for label in labels if label != "O"}
    for scheme in SCHEMES.values():
        if letters <= scheme.keys():
            return every._replace(letters=scheme)
    names = ", ".join(name for name in SCHEMES if name not in ("bio", "bioes"))
    raise ValueError(
        f"predict_entities needs the labels {every}, with the letters of one of the schemes {names}, got {labels}"
    )


def check_choice(min_probability: Any, candidates: Any) -> None:
    """ValueError where `predict_entities` was not asked for entities that it can list."""
    known = isinstance(min_probability, Real) and not isinstance(min_probability, bool)
    if not known or not 0 <= min_probability <= 1:
        raise ValueError(f"min_probability must be a number in [0, 1], got {min_probability!r}")
    if not isinstance(candidates, (bool, np.bool_)):
        raise ValueError(f"candidates must be True or False, got {candidates!r}")
    if candidates and not min_probability:
        raise ValueError("min_probability must be positive where candidates=True, got 0: there are too many entities")


def find_entities(decoder, tokens, fixed, labels, least, candidates):
    """Return the entities of each sequence, in the order of their tokens.

    Parameters
    ----------
    decoder : Decoder
    tokens : Tokens
    fixed : ndarray or None
        Labels that tokens must have, as indices of classes.
    labels : SpanLabels
    least : float
        The smallest probability.
    candidates : bool
        Whether all entities are meant, or those of the best paths.
    """
    parts = labels.starts.ravel(), labels.continues.ravel(), labels.kinds, len(labels.types)
    counts, *columns, probabilities = decoder.native(tokens, fixed).spans(*parts, least, candidates)
    require_path(np.repeat(counts < 0, tokens.lengths), tokens)
    begins, ends, kinds = (column.tolist() for column in columns)
    types = map(labels.types.__getitem__, kinds)
    found = map(Entity._make, zip(begins, ends, types, probabilities.tolist(), strict=True))
    return [[next(found) for _ in range(count)] for count in counts.tolist()]
