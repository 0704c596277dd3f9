"""Searches over parameters that share what their candidates have in common."""

from typing import Any, Self

from sklearn import model_selection as sklearn_search
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline

from .._base.inherited_docs import documented_like
from .._base.sklearn_compat import _fit_context, with_names
from .._estimator.unconverged import tell_unconverged
from ._fit_reports import columns, summary_of_unconverged
from ._shared_work import PlannedParallel, SharedWork, active_work

__all__ = ["GridSearchCV", "RandomizedSearchCV"]

_scikit_fit = with_names(BaseSearchCV.fit, Parallel=PlannedParallel)


class SharesWork(BaseSearchCV):
    """Runs scikit-learn's own search, of which the fits share their work."""

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit and score all candidates, and fit the best to all rows.

        Parameters
        ----------
        X : array-like, sparse matrix, or list of documents or sequences
            As the estimator takes it, with a length and an index.
        y : array-like, optional
        **params : dict
            For the `fit` of the estimator, and `groups` for `cv`. Those with an entry for each row are cut as X is.

        Returns
        -------
        self
        """
        work = SharedWork("threads" if _is_compiled(self.estimator) else None)
        with work.active():
            _scikit_fit(self, X, y, **params)
        self.memory_ = work.summary()
        text = summary_of_unconverged(work.reports, self.cv_results_["params"], self.n_splits_)
        if text is not None:
            tell_unconverged(text)
        return self

    def _format_results(self, candidate_params: Any, n_splits: int, out: Any, more_results: Any = None) -> Any:
        results = super()._format_results(candidate_params, n_splits, out, more_results)
        work = active_work()
        return results if work is None else {**results, **columns(work.reports, n_splits)}


_MEMORY = """memory_ : dict
        How often text was counted and how often its counts were there already, "text_counts" and
        "text_counts_shared"; the same of transformers, "transformers_fitted" and "transformers_shared"; and how often
        models were fitted together and how many in all, "passes" and "fits_in_passes"."""


@documented_like(
    sklearn_search.GridSearchCV,
    """>>> from sklearn.pipeline import make_pipeline
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.feature_extraction.text import TfidfVectorizer
    >>> from skopt_solvers.model_selection import GridSearchCV
    >>> texts, labels = ["a good film", "a bad film", "good actors", "bad actors"] * 5, [1, 0, 1, 0] * 5
    >>> pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    >>> search = GridSearchCV(pipeline, {"logisticregression__C": [1, 10]}, n_jobs=1).fit(texts, labels)
    >>> search.best_score_
    np.float64(1.0)
    >>> search.memory_["text_counts"], search.memory_["transformers_fitted"], search.memory_["transformers_shared"]
    (1, 5, 5)""",
    attributes=_MEMORY,
)
class GridSearchCV(SharesWork, sklearn_search.GridSearchCV):
    """Find the best of all combinations of parameters by cross-validation.

    A scikit-learn GridSearchCV with the same results, whose candidates share their work: text is counted once for all
    of them and all folds, and transformers that are set alike are fitted once a fold.
    """


@documented_like(
    sklearn_search.RandomizedSearchCV,
    """>>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.model_selection import RandomizedSearchCV
    >>> pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    >>> rates = {"logisticregression__C": loguniform(0.01, 100)}
    >>> search = RandomizedSearchCV(pipeline, rates, n_iter=4, random_state=0, n_jobs=1)
    >>> search.fit(*load_iris(return_X_y=True)).memory_["transformers_fitted"]
    5""",
    attributes=_MEMORY,
)
class RandomizedSearchCV(SharesWork, sklearn_search.RandomizedSearchCV):
    """Find the best of some random combinations of parameters by cross-validation.

    A scikit-learn RandomizedSearchCV with the same results, whose candidates share their work as those of
    :class:`GridSearchCV` do.
    """


def _is_compiled(estimator: Any) -> bool:
    """Return whether all steps of an estimator are of this package: their kernels run side by side in threads."""
    steps = [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else [estimator]
    return all(step in (None, "passthrough") or type(step).__module__.startswith("skopt_solvers.") for step in steps)
