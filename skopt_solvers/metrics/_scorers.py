"""Scorers for searches, which give the sequences of flat tokens to the estimator and to the metric."""

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import UNUSED

from ._entities import entity_f1
from ._tokens import sequence_accuracy, token_f1


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
    __module__ = "skopt_solvers.metrics"  # as files of earlier versions have it
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
