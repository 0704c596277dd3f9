"""The rows of each fold of a path along C, as fits take them: of one X that all share, or as a pipeline makes them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from ..crf._problem import ChainData
from ..feature_extraction._shared_counts import SharedCounts
from ..feature_extraction._shared_vectorizers import hand_back, take_over
from ..linear_model._classifier import LinearClassifier
from ._shared_steps import asks_for_predictions
from ._warm_starts import check_solver


@dataclass
class Part:
    """The rows of the fits of one fold, or of those to all data.

    Attributes
    ----------
    template : estimator that has read the data; not fitted
    data : LinearData or ChainData
    counts : ndarray of shape (n_samples,), how often each sample of the data is taken
    score : function of a model, or None
    head : fitted transformers, or None
    """

    template: Any
    data: Any
    counts: np.ndarray
    score: Callable[[Any], float] | None = None
    head: Pipeline | None = None


class OneX:
    """Folds of one X, which is read in place: their training rows are those of positive weight.

    Parameters
    ----------
    estimator : estimator, not changed
    rows : (X, y, sample_weight), as `C_path` takes them
    scorer : callable, or None for the score of a linear model
    weighted : bool
        The scorer takes sample weights.
    """

    def __init__(self, estimator: Any, rows: tuple[Any, Any, Any], scorer: Any, weighted: bool) -> None:
        self.estimator, self.template = estimator, clone(estimator)
        self.data = self.template.__skopt_data__(*rows)
        _require_sequences(self.data)
        self.rows, self.n_samples = rows, self.data.n_samples
        self.folds: list[tuple[np.ndarray, np.ndarray]] = []
        self.scorer, self.weighted = scorer, weighted

    def cut(self, folds: list[tuple[np.ndarray, np.ndarray]], C: float) -> None:
        """Take the training and test rows of each fold; raise ValueError where a fit to them is not possible."""
        self.folds = [(np.bincount(train, minlength=self.n_samples).astype(float), test) for train, test in folds]
        for number, counts in enumerate([*(counts for counts, _ in self.folds), np.ones(self.n_samples)]):
            _require_classes(self.data.classes(counts), self.data.min_classes, number, len(folds))
        check_solver(self.template, self.data, C)

    def with_threads(self, n_threads: int) -> None:
        """Set the threads inside of each fit."""
        self.template.n_jobs = n_threads
        self.data = replace(self.data, model=replace(self.data.model, n_jobs=n_threads))

    def fold(self, number: int) -> Part:
        """Return a fold."""
        counts, test = self.folds[number]
        score = (
            self.data.score_on(test) if self.scorer is None else _scorer_of(self, [_rows(v, test) for v in self.rows])
        )
        return Part(self.template, self.data, counts, score)

    def all_data(self) -> Part:
        """Return all rows."""
        return Part(self.template, self.data, np.ones(self.n_samples))

    def finished(self, part: Part, model: Any) -> Any:
        """Return the model of all data as the estimator that was given, fitted."""
        model.n_jobs = self.estimator.n_jobs
        return model

    def close(self) -> None:
        """Forget nothing: there is one X."""


class Transformed:
    """Folds that the transformers of a pipeline make, each fitted to its training rows; text is counted once.

    Parameters
    ----------
    pipeline : Pipeline, not changed
    rows : (X, y, sample_weight), as `C_path` takes them
    scorer : callable, or None for the score of a linear model
    weighted : bool
        The scorer takes sample weights.
    """

    def __init__(self, pipeline: Pipeline, rows: tuple[Any, Any, Any], scorer: Any, weighted: bool) -> None:
        self.pipeline, self.final = pipeline, clone(pipeline.steps[-1][1])
        self.rows, self.n_samples = rows, _num_samples(rows[0])
        self.folds: list[tuple[np.ndarray, np.ndarray]] = []
        self.scorer, self.weighted = scorer, weighted
        self.texts, self.C = SharedCounts(), np.inf

    def cut(self, folds: list[tuple[np.ndarray, np.ndarray]], C: float) -> None:
        """Take the training and test rows of each fold; raise ValueError where one has too few classes."""
        self.folds, self.C = folds, C
        if isinstance(self.final, LinearClassifier):
            y, weights = np.asarray(self.rows[1]), self.rows[2]
            positive = np.ones(len(y), bool) if weights is None else np.asarray(weights) > 0
            for number, rows in enumerate([*(train for train, _ in folds), np.arange(len(y))]):
                _require_classes(np.unique(y[rows][positive[rows]]), 2, number, len(folds))

    def with_threads(self, n_threads: int) -> None:
        """Set the threads inside of each fit."""
        self.final.n_jobs = n_threads

    def fold(self, number: int) -> Part:
        """Return a fold, whose transformers are fitted here."""
        train, test = self.folds[number]
        part = self._part([_rows(values, train) for values in self.rows])
        assert part.head is not None
        rows = [_rows(values, test) for values in self.rows]
        if asks_for_predictions(self.scorer):
            with self.texts.active():
                rows[0] = part.head.transform(rows[0]) if len(part.head) else rows[0]
            part.score = _scorer_of(self, rows)
        else:
            score = _scorer_of(self, rows)
            part.score = lambda model: score(self._whole(part.head, model))
        return part

    def all_data(self) -> Part:
        """Return all rows; the transformers are fitted here."""
        return self._part(list(self.rows))

    def finished(self, part: Part, model: Any) -> Any:
        """Return the model of all data as the pipeline that was given, fitted."""
        model.n_jobs = self.pipeline.steps[-1][1].n_jobs
        hand_back(part.head)
        return self._whole(part.head, model)

    def close(self) -> None:
        """Forget the counts of the text."""
        self.texts.close()

    def _part(self, rows: list[Any]) -> Part:
        X, y, sample_weight = rows
        head, template = clone(self.pipeline)[:-1], clone(self.final)
        with self.texts.active():
            take_over(head)
            made = head.fit_transform(X, y) if len(head) else X
        data = template.__skopt_data__(made, y, sample_weight)
        _require_sequences(data)
        check_solver(template, data, self.C)
        return Part(template, data, np.ones(data.n_samples), head=head)

    def _whole(self, head: Any, model: Any) -> Pipeline:
        whole = clone(self.pipeline)
        whole.steps = [*head.steps, (self.pipeline.steps[-1][0], model)]
        return whole


def _rows(values: Any, rows: np.ndarray) -> Any:
    return None if values is None else _safe_indexing(values, rows)


def _scorer_of(owner: OneX | Transformed, rows: list[Any]) -> Callable[[Any], float]:
    """Return the function of a model that is its score of some rows."""
    X, y, weights = rows
    weighted = {"sample_weight": weights} if owner.weighted and weights is not None else {}
    return lambda model: owner.scorer(model, X, y, **weighted)


def _require_sequences(data: Any) -> None:
    """Raise ValueError where X is of tokens."""
    if isinstance(data, ChainData) and data.tokens.flat:
        raise ValueError(
            "X of a LinearChainCRF must be a list of sequences or CSRSequences, got tokens, which folds would tear "
            "out of their sequences"
        )


def _require_classes(classes: Any, least: int, number: int, n_folds: int) -> None:
    """Raise ValueError where the rows of a fold, or all rows for the number after the last fold's, lack classes."""
    if len(classes) < least:
        where = "y" if number == n_folds else f"cv: the training rows of fold {number}"
        raise ValueError(f"{where} must have {least} classes or more of positive sample_weight, got {classes}")
