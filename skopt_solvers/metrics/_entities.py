"""Metrics of entities, which are read from labels by the rules of conlleval or strictly by a scheme."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._base.typing import Sequences
from ..sequence import CONLLEVAL, SCHEMES, STRICT, Rules, TagForm, facts_of, form_of, spans
from ._counts import AVERAGES, Counts, count, f1, mean, ratio
from ._labels import paired


def entity_f1(
    y_true: Sequences,
    y_pred: Sequences,
    *,
    scheme: str = "iob2",
    mode: str | None = None,
    delimiter: str = "-",
    suffix: bool = False,
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
    the same way, and take the prefixes B and I; so are IOE1 and IOE2, with I and E (end). IOBES takes E and S (single)
    as well; L and U of BILOU are E and S, and M of BMES is I. conlleval itself knows E but not S. The rules for S, and
    for B after E, are those of its extensions to IOBES.

    With ``mode="strict"`` only what follows the scheme is an entity, by the rules of seqeval: of IOB2 it begins with B,
    of IOBES it is S, or B, any number of I, and E, all of one type. In IOE1 seqeval takes no entity that ends with E
    unless another of its type follows, as IOE1 demands.

    Parameters
    ----------
    y_true, y_pred : list of label sequences, or array of shape (n_tokens,)
        Flat labels need `lengths` or `sequence_ids`.
    scheme : {"iob2", "bio", "iob1", "ioe1", "ioe2", "iobes", "bioes", "bilou", "bmes"}, default="iob2"
        The prefixes that may occur. "bio" is "iob2", "bioes" is "iobes".
    mode : {"strict"} or None, default=None
        Whether labels that break the scheme make no entity. None reads them by the rules above.
    delimiter : str, default="-"
        The characters between prefix and type: "_" for ``B_PER``.
    suffix : bool, default=False
        Whether the prefix stands behind the type, after the last delimiter: ``PER-B``.
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

    H. Nakayama, "seqeval: a Python framework for sequence labeling evaluation", 2018.

    Examples
    --------
    >>> from skopt_solvers.metrics import entity_f1
    >>> y_true = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-LOC"]]
    >>> y_pred = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "I-LOC"]]
    >>> round(entity_f1(y_true, y_pred), 3)
    0.667
    >>> entity_f1(y_true, y_pred, average=None, types=["PER", "LOC"]).tolist()
    [1.0, 0.5]

    An I that follows no B is an entity for conlleval, and none strictly:

    >>> broken = [["I-PER", "I-PER", "O", "B-LOC"], ["O", "B-LOC"]]
    >>> entity_f1(y_true, broken), entity_f1(y_true, broken, mode="strict")
    (1.0, 0.8)
    """
    reading = _Reading.of(scheme, mode, delimiter, suffix)
    counts = _count_entities(reading, types, *paired(y_true, y_pred, lengths, sequence_ids))
    return f1(counts, average, zero_division)


def entity_report(
    y_true: Sequences,
    y_pred: Sequences,
    *,
    scheme: str = "iob2",
    mode: str | None = None,
    delimiter: str = "-",
    suffix: bool = False,
    types: Sequence[str] | np.ndarray | None = None,
    zero_division: str | float = "warn",
    lengths: ArrayLike | None = None,
    sequence_ids: ArrayLike | None = None,
) -> list[dict[str, Any]]:
    """Return precision, recall and F1 of each type of entity and their averages, as records for ``pandas.DataFrame``.

    Parameters
    ----------
    y_true, y_pred, scheme, mode, delimiter, suffix, types, lengths, sequence_ids
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
    reading = _Reading.of(scheme, mode, delimiter, suffix)
    counts = _count_entities(reading, types, *paired(y_true, y_pred, lengths, sequence_ids))
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


class _Reading(NamedTuple):
    """The way in which entities are read from labels."""

    form: TagForm
    rules: Rules
    owner: str

    @classmethod
    def of(cls, scheme: str, mode: str | None, delimiter: str, suffix: bool) -> "_Reading":
        if not isinstance(scheme, str) or scheme not in SCHEMES:
            raise ValueError(f"scheme must be one of {', '.join(SCHEMES)}, got {scheme!r}")
        if mode not in (None, "strict"):
            raise ValueError(f"mode must be None or 'strict', got {mode!r}")
        form = form_of(SCHEMES[scheme], delimiter, suffix)
        return cls(form, CONLLEVAL if mode is None else STRICT[scheme], f"scheme={scheme!r} has")

    def entities(self, labels: list, first: np.ndarray, number: dict) -> tuple[np.ndarray, np.ndarray]:
        """Return for each token the number of its type, and the end of the entity that begins there (0: none begins).

        New types are added to `number`.
        """
        distinct = list(dict.fromkeys(labels))
        rows = {label: row for row, label in enumerate(distinct)}
        facts = facts_of(distinct, self.form, number, self.owner)
        row = np.fromiter(map(rows.__getitem__, labels), dtype=np.int64, count=len(labels))
        prefixes, types = facts[:, 0][row], facts[:, 1][row]
        begins, after_last = spans(prefixes, types, first, self.rules)
        ends = np.zeros(len(labels), dtype=np.int64)
        ends[begins] = after_last
        return types, ends


def _count_entities(
    reading: _Reading, wanted: Sequence[str] | np.ndarray | None, true: list, pred: list, tokens: np.ndarray
) -> Counts:
    first = np.zeros(len(true) + 1, dtype=bool)
    first[np.cumsum(tokens) - tokens] = True
    number: dict[Any, int] = {}
    true_types, true_ends = reading.entities(true, first[:-1], number)
    pred_types, pred_ends = reading.entities(pred, first[:-1], number)
    right = true_types[(true_ends > 0) & (true_ends == pred_ends) & (true_types == pred_types)]
    predicted, support = pred_types[pred_ends > 0], true_types[true_ends > 0]
    # with mode="strict" a type may have labels but no entity: it is left out
    found = np.bincount(np.concatenate([predicted, support]), minlength=len(number)) > 0
    place = np.cumsum(found) - 1
    names = {name: int(place[i]) for name, i in number.items() if found[i]}
    return count(place[right], place[predicted], place[support], names, wanted, "types")
