"""Read two collections of label sequences, which have to pair up."""

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._base.plain_lists import plain_sequences
from .._base.typing import Sequences
from ..sequence import flat_lengths


def _labels(y: Any, name: str) -> tuple[list, np.ndarray | None]:
    """Return the labels of all sequences in one list, and the lengths of the sequences, None for flat labels."""
    if isinstance(y, str) or not hasattr(y, "__iter__") or getattr(y, "ndim", 1) == 0:
        raise ValueError(f"{name} must be a list of label sequences or an array of labels, got {type(y).__name__}")
    y = plain_sequences(y)
    items = y.tolist() if hasattr(y, "tolist") else list(y)
    nested = [hasattr(item, "__len__") and not isinstance(item, (str, bytes)) for item in items]
    if not any(nested):
        return items, (None if items else np.empty(0, dtype=np.int64))
    if not all(nested):
        odd = nested.index(False)
        raise ValueError(f"{name} holds sequences, but its item {odd} is the label {items[odd]!r}")
    lengths = np.fromiter(map(len, items), dtype=np.int64, count=len(items))
    return list(chain.from_iterable(x.tolist() if hasattr(x, "tolist") else x for x in items)), lengths


def paired(
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
