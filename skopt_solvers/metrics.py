"""Metrics of label sequences: whole sequences, tokens, and entities by the rules of conlleval.

All take lists (or object arrays) of label sequences, or flat labels with the lengths or the ids of their sequences.
"""

import operator
import warnings
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils.metadata_routing import UNUSED

from ._base.typing import Sequences
from .sequence import flat_lengths

__all__ = [
    "entity_f1",
    "entity_f1_scorer",
    "entity_report",
    "make_sequence_scorer",
    "sequence_accuracy",
    "sequence_accuracy_scorer",
    "token_f1",
    "token_f1_scorer",
]

AVERAGES = ("micro", "macro", "weighted")
SCHEMES = {"iob1": "BI", "iob2": "BI", "bio": "BI", "iobes": "BIES", "bioes": "BIES"}


def sequence_accuracy(
    y_true: Sequences,
    y_pred: Sequences,
    *,
    lengths: ArrayLike | None = None,
    sequence_ids: ArrayLike | None = None,
) -> float:
    """Return the share of sequences all of whose labels are right.

    Parameters
    ----------
    y_true, y_pred : list of label sequences, or array of shape (n_tokens,)
        Flat labels need `lengths` or `sequence_ids`. An empty sequence counts as right.
    lengths : array of shape (n_sequences,), default=None
        Tokens of each sequence of flat labels.
    sequence_ids : array of shape (n_tokens,), default=None
        The sequence of each flat label; the labels of one sequence follow each other.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the sequences of `y_true` and `y_pred` do not pair up, there are none, or a label is missing.

    Examples
    --------
    >>> from skopt_solvers.metrics import sequence_accuracy
    >>> sequence_accuracy([["D", "N"], ["V"]], [["D", "V"], ["V"]])
    0.5
    """
    true, pred, tokens = _paired(y_true, y_pred, lengths, sequence_ids)
    if not len(tokens):
        raise ValueError("sequence_accuracy needs one sequence at least, y_true holds none")
    wrong = np.fromiter(map(operator.ne, true, pred), dtype=bool, count=len(true))
    sequence = np.repeat(np.arange(len(tokens)), tokens)
    return float((np.bincount(sequence[wrong], minlength=len(tokens)) == 0).mean())


def token_f1(
    y_true: Sequences,
    y_pred: Sequences,
    *,
    average: str | None = "weighted",
    labels: Sequence[Any] | np.ndarray | None = None,
    zero_division: str | float = "warn",
    lengths: ArrayLike | None = None,
    sequence_ids: ArrayLike | None = None,
) -> float | Any:
    """Return the F1 of single labels, that of ``sklearn.metrics.f1_score`` over all tokens.

    For a label with tp tokens right, p predicted and s true, ``F1 = 2 tp / (p + s)``.

    Parameters
    ----------
    y_true, y_pred : list of label sequences, or array of shape (n_tokens,)
    average : {"micro", "macro", "weighted"} or None, default="weighted"
        The F1 of the summed counts; the mean over labels; the mean weighted by s; or an array with one value a label.
    labels : list of labels, default=None
        The labels to include, in the order of the result for ``average=None``: all but ``"O"``, say. None takes those
        of `y_true` and `y_pred`, sorted.
    zero_division : {"warn", 0, 1, nan}, default="warn"
        The F1 of a label that is neither true nor predicted. "warn" is 0 with an UndefinedMetricWarning; means leave
        nan out.
    lengths, sequence_ids : array, default=None
        Sequences of flat labels. They change nothing, and are taken so that all metrics can be called alike.

    Returns
    -------
    float, or ndarray of shape (n_labels,) if average is None

    Raises
    ------
    ValueError
        If the sequences of `y_true` and `y_pred` do not pair up, or a label is missing.

    Examples
    --------
    >>> from skopt_solvers.metrics import token_f1
    >>> token_f1([["D", "N"], ["V"]], [["D", "V"], ["V"]], average="micro", labels=["N", "V"])
    0.5
    """
    true, pred, _ = _paired(y_true, y_pred, lengths, sequence_ids, structure_needed=False)
    number = {label: i for i, label in enumerate(dict.fromkeys(chain(true, pred)))}
    t, p = (np.fromiter(map(number.__getitem__, x), dtype=np.int64, count=len(x)) for x in (true, pred))
    counts = _count(t[t == p], p, t, number, labels, "labels")
    return _f1(counts, average, zero_division)


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
    return _f1(counts, average, zero_division)


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
        values = _ratio(counts, metric, zero_division)
        averages = [_ratio(total, metric, zero_division)[0]]
        averages += [_mean(values, weights, zero_division) for weights in (None, counts.support)]
        columns[metric] = [*values.tolist(), *map(float, averages)]
    for name in ("support", "predicted"):
        columns[name] = [*getattr(counts, name).tolist(), *getattr(total, name).tolist() * len(AVERAGES)]
    return [dict(zip(columns, record, strict=True)) for record in zip(*columns.values(), strict=True)]


def make_sequence_scorer(metric: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Make a scorer ``scorer(estimator, X, y)`` for ``GridSearchCV(scoring=...)`` from a metric of this module.

    For sequences it does what ``sklearn.metrics.make_scorer(metric, **options)`` does. For flat tokens it gives
    `sequence_ids`, which it requests by default where metadata routing is enabled, to the metric and to ``predict``:
    a scorer of scikit-learn's would decode each token as a sequence of its own.

    Parameters
    ----------
    metric : callable
        ``metric(y_true, y_pred, **options)``, greater is better; for flat tokens it gets `sequence_ids` too.
    **options
        Arguments of the metric, such as ``average="macro"``.

    Returns
    -------
    callable

    Examples
    --------
    >>> from skopt_solvers.metrics import entity_f1, make_sequence_scorer
    >>> scorer = make_sequence_scorer(entity_f1, scheme="iobes", average="macro")
    """
    return _SequenceScorer(metric, options)


class _SequenceScorer(BaseEstimator):
    __metadata_request__score = {"estimator": UNUSED, "sequence_ids": True}

    def __init__(self, metric: Callable[..., Any], options: dict[str, Any]) -> None:
        self.metric = metric
        self.options = options

    def score(self, estimator: Any, X: Any, y: Any, sequence_ids: ArrayLike | None = None) -> Any:
        structure = {} if sequence_ids is None else {"sequence_ids": sequence_ids}
        return self.metric(y, estimator.predict(X, **structure), **structure, **self.options)

    __call__ = score  # scikit-learn reads the metadata that a scorer requests from the method named score


sequence_accuracy_scorer = make_sequence_scorer(sequence_accuracy)
token_f1_scorer = make_sequence_scorer(token_f1)
entity_f1_scorer = make_sequence_scorer(entity_f1)


# From labels to counts


def _labels(y: Any, name: str) -> tuple[list, np.ndarray | None]:
    """Return the labels of all sequences in one list, and the lengths of the sequences, None for flat labels."""
    if isinstance(y, str) or not hasattr(y, "__iter__") or getattr(y, "ndim", 1) == 0:
        raise ValueError(f"{name} must be a list of label sequences or an array of labels, got {type(y).__name__}")
    items = y.tolist() if hasattr(y, "tolist") else list(y)
    nested = [hasattr(item, "__len__") and not isinstance(item, (str, bytes)) for item in items]
    if not any(nested):
        return items, (None if items else np.empty(0, dtype=np.int64))
    if not all(nested):
        odd = nested.index(False)
        raise ValueError(f"{name} holds sequences, but its item {odd} is the label {items[odd]!r}")
    lengths = np.fromiter(map(len, items), dtype=np.int64, count=len(items))
    return list(chain.from_iterable(x.tolist() if hasattr(x, "tolist") else x for x in items)), lengths


def _paired(
    y_true: Sequences,
    y_pred: Sequences,
    lengths: ArrayLike | None,
    sequence_ids: ArrayLike | None,
    structure_needed: bool = True,
) -> tuple[list, list, np.ndarray]:
    """Return the labels of `y_true` and of `y_pred`, each in one list, and the lengths that both have."""
    true, true_lengths = _labels(y_true, "y_true")
    pred, pred_lengths = _labels(y_pred, "y_pred")
    given = lengths is not None or sequence_ids is not None
    if given or true_lengths is None or pred_lengths is None:
        for name, found in (("y_true", true_lengths), ("y_pred", pred_lengths)):
            if found is not None and len(found):
                other = "lengths and sequence_ids are" if given else "the other one is"
                raise ValueError(f"{name} holds sequences, but {other} for flat labels")
        if len(true) != len(pred):
            raise ValueError(f"y_true has {len(true)} labels, y_pred {len(pred)}")
        if given:
            true_lengths = flat_lengths(len(true), lengths, sequence_ids)
        elif structure_needed:
            raise ValueError(
                "flat labels need lengths or sequence_ids (with metadata routing a scorer of make_sequence_scorer gets "
                "sequence_ids), got neither"
            )
        else:
            true_lengths = np.array([len(true)])
    else:
        if len(true_lengths) != len(pred_lengths):
            raise ValueError(f"y_true has {len(true_lengths)} sequences, y_pred {len(pred_lengths)}")
        ragged = np.flatnonzero(true_lengths != pred_lengths)
        if len(ragged):
            i = ragged[0]
            raise ValueError(
                f"sequence {i} (counted from 0) has {true_lengths[i]} labels in y_true and {pred_lengths[i]} in y_pred"
            )
    for name, labels in (("y_true", true), ("y_pred", pred)):
        _check_labels(labels, true_lengths, name)
    return true, pred, true_lengths


def _check_labels(labels: list, lengths: np.ndarray, name: str) -> None:
    try:
        distinct = set(labels)
    except TypeError:
        odd = next(label for label in labels if label.__hash__ is None)
        raise ValueError(f"{name}: labels must be strings or integers, got {odd!r}") from None
    missing = [label for label in distinct if label is None or label != label]
    if missing:
        token = next(i for i, label in enumerate(labels) if label is None or label != label)
        sequence = int(np.searchsorted(np.cumsum(lengths), token, side="right"))
        raise ValueError(f"{name} has a missing label ({missing[0]}) in sequence {sequence} (counted from 0)")


class _Counts(NamedTuple):
    """The numbers of right, predicted and true ones of each name, which is a label or a type."""

    names: list
    right: np.ndarray
    predicted: np.ndarray
    support: np.ndarray

    def total(self) -> "_Counts":
        counts = (self.right, self.predicted, self.support)
        return _Counts(["micro avg"], *(count.sum(keepdims=True) for count in counts))


def _count(
    right: np.ndarray, predicted: np.ndarray, support: np.ndarray, number: dict, wanted: Any, argument: str
) -> _Counts:
    """Count the names that are right, predicted and true, given by their numbers; `number` maps names to numbers."""
    if wanted is None:
        try:
            names = sorted(number)
        except TypeError:
            kinds = sorted({type(name).__name__ for name in number})
            raise ValueError(f"y_true and y_pred mix labels of the types {', '.join(kinds)}") from None
    else:
        names = wanted.tolist() if hasattr(wanted, "tolist") else list(wanted)
        if isinstance(wanted, str) or not names or len(set(names)) < len(names):
            raise ValueError(f"{argument} must be a list without repetitions of one at least, got {wanted!r}")
    rows = [number.get(name, -1) for name in names]  # the last row is that of absent names
    size = len(number) + 1
    return _Counts(names, *(np.bincount(x, minlength=size)[rows] for x in (right, predicted, support)))


def _count_entities(
    y_true: Sequences,
    y_pred: Sequences,
    scheme: str,
    types: Sequence[str] | np.ndarray | None,
    lengths: ArrayLike | None,
    sequence_ids: ArrayLike | None,
) -> _Counts:
    if scheme not in SCHEMES:
        raise ValueError(f"scheme must be one of {', '.join(SCHEMES)}, got {scheme!r}")
    true, pred, tokens = _paired(y_true, y_pred, lengths, sequence_ids)
    first = np.zeros(len(true) + 1, dtype=bool)
    first[np.cumsum(tokens) - tokens] = True
    number: dict[str | None, int] = {}
    read = [_entities(labels, first[:-1], scheme, number) for labels in (true, pred)]
    (true_types, true_ends), (pred_types, pred_ends) = read
    right = (true_ends > 0) & (true_ends == pred_ends) & (true_types == pred_types)
    return _count(true_types[right], pred_types[pred_ends > 0], true_types[true_ends > 0], number, types, "types")


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


# From counts to scores


def _f1(counts: _Counts, average: str | None, zero_division: str | float) -> float | np.ndarray:
    if average not in (None, *AVERAGES):
        raise ValueError(f"average must be one of {', '.join(AVERAGES)} or None, got {average!r}")
    if average == "micro":
        return float(_ratio(counts.total(), "f1", zero_division)[0])
    values = _ratio(counts, "f1", zero_division)
    if average is None:
        return values
    return float(_mean(values, counts.support if average == "weighted" else None, zero_division))


def _ratio(counts: _Counts, metric: str, zero_division: str | float) -> np.ndarray:
    if zero_division not in ("warn", 0, 1) and not (isinstance(zero_division, float) and np.isnan(zero_division)):
        raise ValueError(f"zero_division must be 'warn', 0, 1 or nan, got {zero_division!r}")
    numerator, denominator = {
        "precision": (counts.right, counts.predicted),
        "recall": (counts.right, counts.support),
        "f1": (2 * counts.right, counts.predicted + counts.support),
    }[metric]
    undefined = denominator == 0
    result = numerator / np.where(undefined, 1, denominator)
    if undefined.any():
        names = [repr(name) for name, is_undefined in zip(counts.names, undefined, strict=True) if is_undefined]
        result[undefined] = _undefined_value(f"{metric} of {', '.join(names)}", zero_division)
    return result


def _mean(values: np.ndarray, weights: np.ndarray | None, zero_division: str | float) -> float:
    defined = ~np.isnan(values)
    if not len(values):
        return _undefined_value("a mean over no names", zero_division)
    if not defined.any():
        return np.nan
    values = values[defined]
    weights = None if weights is None or not weights[defined].any() else weights[defined]
    return np.average(values, weights=weights)


def _undefined_value(what: str, zero_division: str | float) -> float:
    if zero_division == "warn":
        message = f"{what} is undefined, as nothing was counted, and set to 0; zero_division controls this"
        warnings.warn(message, UndefinedMetricWarning, stacklevel=2)
        return 0.0
    return float(zero_division)
