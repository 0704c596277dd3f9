"""Metrics of entities, which are read from labels by the rules of conlleval."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._base.typing import Sequences
from ._counts import AVERAGES, Counts, count, f1, mean, ratio
from ._labels import paired

SCHEMES = {"iob1": "BI", "iob2": "BI", "bio": "BI", "iobes": "BIES", "bioes": "BIES"}


def entity_f1(
    y_true: Sequences,
    y_pred: Sequences,
    *,
    scheme: str = "iob2",
    average: str | None = "micro",
    types: Sequence[str] | np.ndarray | None = None,
    zero_division: str | float = "warn",
    lengths: ArrayLike | None = None,
    sequence_ids: ArrayLike | None = None,
) -> float | Any:
    """Return the F1 of entities (chunks). An entity is right if its type, first and last token are.

    For a type with tp entities right, p predicted and s true, ``F1 = 2 tp / (p + s)``. Entities are read from the
    labels as `conlleval` reads them, which takes label sequences that break the scheme too:

    - a label is ``O``, or a prefix and, after the first hyphen, a type: ``B-PER``; ``B`` alone has the type ``""``;
    - an entity begins at each B and S; at an I or E that is the first label of a sequence, stands after O, E or S, or
      has another type than the label before it;
    - it lasts up to the next label that begins one or is O, or to the end of the sequence. So it ends after each E
      and S, and ``B-PER B-PER`` are two.

    IOB1 (B only where an entity follows another of its type) and IOB2 (B wherever one begins) are therefore read in
    the same way, and take the prefixes B and I; IOBES takes E (end) and S (single) as well. conlleval itself knows
    E but not S. The rules for S, and for B after E, are those of its extensions to IOBES.

    Parameters
    ----------
    y_true, y_pred : list of label sequences, or array of shape (n_tokens,)
        Flat labels need `lengths` or `sequence_ids`.
    scheme : {"iob2", "bio", "iob1", "iobes", "bioes"}, default="iob2"
        The prefixes that may occur. "bio" is "iob2", "bioes" is "iobes".
    average : {"micro", "macro", "weighted"} or None, default="micro"
        The F1 of the summed counts, which is conlleval's overall FB1; the mean over types; the mean weighted by s; or
        an array with one value a type.
    types : list of str, default=None
        The types to include, in the order of the result for ``average=None``. None takes those of `y_true` and
        `y_pred`, sorted.
    zero_division : {"warn", 0, 1, nan}, default="warn"
        The F1 where there is no entity, true or predicted. "warn" is 0 with an UndefinedMetricWarning; means leave
        nan out.
    lengths : array of shape (n_sequences,), default=None
        Tokens of each sequence of flat labels.
    sequence_ids : array of shape (n_tokens,), default=None
        The sequence of each flat label; the labels of one sequence follow each other.

    Returns
    -------
    float, or ndarray of shape (n_types,) if average is None

    Raises
    ------
    ValueError
        If the sequences of `y_true` and `y_pred` do not pair up, or a label is not of the scheme.

    References
    ----------
    E. F. Tjong Kim Sang and S. Buchholz, "Introduction to the CoNLL-2000 shared task: chunking", CoNLL 2000, with
    its program conlleval (version of 2004-01-26).

    E. F. Tjong Kim Sang and J. Veenstra, "Representing text chunks", EACL 1999.

    Examples
    --------
    >>> from skopt_solvers.metrics import entity_f1
    >>> y_true = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-LOC"]]
    >>> y_pred = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "I-LOC"]]
    >>> round(entity_f1(y_true, y_pred), 3)
    0.667
    >>> entity_f1(y_true, y_pred, average=None, types=["PER", "LOC"]).tolist()
    [1.0, 0.5]
    """
    counts = _count_entities(y_true, y_pred, scheme, types, lengths, sequence_ids)
    return f1(counts, average, zero_division)


def entity_report(
    y_true: Sequences,
    y_pred: Sequences,
    *,
    scheme: str = "iob2",
    types: Sequence[str] | np.ndarray | None = None,
    zero_division: str | float = "warn",
    lengths: ArrayLike | None = None,
    sequence_ids: ArrayLike | None = None,
) -> list[dict[str, Any]]:
    """Return precision, recall and F1 of each type of entity and their averages, as records for ``pandas.DataFrame``.

    Parameters
    ----------
    y_true, y_pred, scheme, types, lengths, sequence_ids
        As for :func:`entity_f1`.
    zero_division : {"warn", 0, 1, nan}, default="warn"
        The precision of a type that is never predicted, the recall of one that never occurs, and the F1 of one that
        does neither. "warn" is 0 with an UndefinedMetricWarning; means leave nan out.

    Returns
    -------
    list of dict
        One for each type, then "micro avg", "macro avg" and "weighted avg", with the keys type, precision, recall,
        f1, support (true entities) and predicted (predicted entities).

    Examples
    --------
    >>> from skopt_solvers.metrics import entity_report
    >>> report = entity_report([["B-PER", "O", "B-LOC"]], [["B-PER", "B-LOC", "I-LOC"]])
    >>> report[0]
    {'type': 'LOC', 'precision': 0.0, 'recall': 0.0, 'f1': 0.0, 'support': 1, 'predicted': 1}
    >>> [(record["type"], record["f1"]) for record in report[1:]]
    [('PER', 1.0), ('micro avg', 0.5), ('macro avg', 0.5), ('weighted avg', 0.5)]
    """
    counts = _count_entities(y_true, y_pred, scheme, types, lengths, sequence_ids)
    names = counts.names + [f"{average} avg" for average in AVERAGES]
    total = counts.total()
    columns = {"type": names}
    for metric in ("precision", "recall", "f1"):
        values = ratio(counts, metric, zero_division)
        averages = [ratio(total, metric, zero_division)[0]]
        averages += [mean(values, weights, zero_division) for weights in (None, counts.support)]
        columns[metric] = [*values.tolist(), *map(float, averages)]
    for name in ("support", "predicted"):
        columns[name] = [*getattr(counts, name).tolist(), *getattr(total, name).tolist() * len(AVERAGES)]
    return [dict(zip(columns, record, strict=True)) for record in zip(*columns.values(), strict=True)]


def _count_entities(
    y_true: Sequences,
    y_pred: Sequences,
    scheme: str,
    types: Sequence[str] | np.ndarray | None,
    lengths: ArrayLike | None,
    sequence_ids: ArrayLike | None,
) -> Counts:
    if scheme not in SCHEMES:
        raise ValueError(f"scheme must be one of {', '.join(SCHEMES)}, got {scheme!r}")
    true, pred, tokens = paired(y_true, y_pred, lengths, sequence_ids)
    first = np.zeros(len(true) + 1, dtype=bool)
    first[np.cumsum(tokens) - tokens] = True
    number: dict[str | None, int] = {}
    read = [_entities(labels, first[:-1], scheme, number) for labels in (true, pred)]
    (true_types, true_ends), (pred_types, pred_ends) = read
    right = (true_ends > 0) & (true_ends == pred_ends) & (true_types == pred_types)
    return count(true_types[right], pred_types[pred_ends > 0], true_types[true_ends > 0], number, types, "types")


def _entities(labels: list, first: np.ndarray, scheme: str, number: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return for each token the number of its type, and the end of the entity that begins there (0: none begins).

    New types are added to `number`.
    """
    rows: dict[Any, int] = {}
    facts = []
    for label in dict.fromkeys(labels):
        prefix, name = _parse(label, scheme)
        rows[label] = len(rows)
        kind = -1 if prefix == "O" else number.setdefault(name, len(number))
        facts.append((kind, prefix == "O", prefix in "BS", prefix in "OES"))
    table = np.array(facts, dtype=np.int64).reshape(-1, 4)
    types, outside, opens, closes = table[np.fromiter(map(rows.__getitem__, labels), dtype=np.int64)].T
    after_closed, type_changes = first.copy(), first.copy()
    after_closed[1:] |= closes[:-1] == 1
    type_changes[1:] |= types[1:] != types[:-1]
    starts = (outside == 0) & ((opens == 1) | after_closed | type_changes)
    breaks = np.append(np.flatnonzero(starts | (outside == 1)), len(labels))
    ends = np.zeros(len(labels), dtype=np.int64)
    ends[starts] = breaks[np.searchsorted(breaks, np.flatnonzero(starts), side="right")]
    return types, ends


def _parse(label: Any, scheme: str) -> tuple[str, str]:
    """Return the prefix and the type of a label."""
    prefix, _, name = label.partition("-") if isinstance(label, str) else ("", "", "")
    if label != "O" and (not prefix or len(prefix) > 1 or prefix not in SCHEMES[scheme]):
        allowed = ", ".join(f"{letter}-TYPE" for letter in SCHEMES[scheme])
        raise ValueError(f"scheme={scheme!r} has the labels O, {allowed}, got {label!r}")
    return prefix, name
