"""Cut the training and test rows of a fold out once, for all of its candidates."""

from collections.abc import Callable
from typing import Any

from sklearn.pipeline import Pipeline

from .._base.sklearn_compat import rows_of, with_names
from ..feature_extraction._shared_vectorizers import is_taken_over
from ._shared_steps import asks_for_predictions


class SharedRows:
    """The training and test rows of one fold, cut out of X and y once.

    Candidates whose steps are all of this package get the same rows, since they write into none. All others, and
    scorers of the user's own, get rows that nobody else has, as in scikit-learn.
    """

    def __init__(self) -> None:
        self.shares: dict[str, bool] = {}
        self.cut: dict[str, tuple[tuple[Any, ...], tuple[Any, Any]]] = {}

    def sharing(self, fit_and_score: Callable[..., Any], scorer: Any, scores_train: bool) -> Callable[..., Any]:
        """Return a copy of scikit-learn's function of one fit that takes its rows from here.

        Parameters
        ----------
        fit_and_score : callable
        scorer : callable
        scores_train : bool
            Whether the scorer gets the training rows too.
        """
        known = asks_for_predictions(scorer)
        self.shares = {"train": known or not scores_train, "test": known}
        return with_names(fit_and_score, _safe_split=self.split)

    def split(self, estimator: Any, X: Any, y: Any, indices: Any, train_indices: Any = None) -> tuple[Any, Any]:
        """Return rows of X and y: with `train_indices` those to test. The parameters are those of scikit-learn's."""
        part = "train" if train_indices is None else "test"
        if not self.shares[part] or not is_of_package(estimator):
            return rows_of(estimator, X, y, indices, train_indices)
        source, rows = self.cut.get(part, ((), (None, None)))
        if list(map(id, source)) != list(map(id, (X, y, indices))):
            rows = rows_of(estimator, X, y, indices, train_indices)
            self.cut[part] = (X, y, indices), rows
        return rows

    def keeps(self, X: Any) -> bool:
        """Return whether X is rows that candidates share."""
        return any(X is rows[0] for _, rows in self.cut.values())


def is_of_package(estimator: Any) -> bool:
    """Return whether all steps of an estimator are of this package."""
    steps = [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else [estimator]
    return all(
        step in (None, "passthrough") or type(step).__module__.startswith("skopt_solvers.") or is_taken_over(step)
        for step in steps
    )
