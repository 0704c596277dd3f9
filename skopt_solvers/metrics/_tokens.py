"""Metrics of whole sequences and of tokens."""

import operator
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._base.typing import Sequences
from ._counts import count, f1
from ._labels import paired


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
    true, pred, tokens = paired(y_true, y_pred, lengths, sequence_ids)
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
        The true labels, and the predicted ones.
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
    true, pred, _ = paired(y_true, y_pred, lengths, sequence_ids, structure_needed=False)
    number = {label: i for i, label in enumerate(dict.fromkeys(chain(true, pred)))}
    t, p = (np.fromiter(map(number.__getitem__, x), dtype=np.int64, count=len(x)) for x in (true, pred))
    counts = count(t[t == p], p, t, number, labels, "labels")
    return f1(counts, average, zero_division)
