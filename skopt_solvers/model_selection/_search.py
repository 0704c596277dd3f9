"""Searches over parameters that share what their candidates have in common."""

import warnings
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn import model_selection as sklearn_search

from .._base.caller import stacklevel_of_caller
from .._base.inherited_docs import documented_like
from .._base.rollback import unchanged_on_failure
from .._base.sklearn_compat import BaseSearchCV, Interval, MultimetricScorer, StrOptions, _fit_context, with_names
from .._estimator.unconverged import tell_unconverged
from ._fit_reports import columns, histories, summary_of_unconverged
from ._shared_rows import is_of_package
from ._shared_work import PlannedParallel, SharedWork, active_work

__all__ = ["GridSearchCV", "RandomizedSearchCV"]

_scikit_fit = with_names(BaseSearchCV.fit, Parallel=PlannedParallel)


_CONSTRAINTS = {
    "max_time": [Interval(Real, 0, None, closed="neither"), None],
    "interrupt": [StrOptions({"raise", "keep"})],
    "keep_histories": ["boolean"],
}
_OF_A_FIT = (
    *("best_index_", "best_score_", "best_params_", "best_estimator_", "refit_time_", "feature_names_in_"),
    *("cv_results_", "scorer_", "multimetric_", "memory_", "stop_reason_", "histories_"),
)


class SharesWork(BaseSearchCV):
    """Runs scikit-learn's own search, of which the fits share their work."""

    max_time: float | None = None
    interrupt: str = "raise"
    keep_histories: bool = False

    def __setattr__(self, name: str, value: Any) -> None:
        work = active_work() if name == "best_estimator_" else None
        if work is not None:  # scikit-learn fits it next
            work.refits(value, self.best_index_, self.best_params_)
        super().__setattr__(name, value)

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit and score all candidates, and fit the best to all rows.

        Parameters
        ----------
        X : array-like, sparse matrix, or list of documents or sequences
            The data, as the estimator takes them, with a length and an index.
        y : array-like, optional
            The labels.
        **params : dict
            Arguments for the `fit` of the estimator, and `groups` for `cv`. Those with an entry for each row are cut
            as X is.

        Returns
        -------
        self
        """
        with unchanged_on_failure(self):  # after callbacks have been torn down
            work = self._search(X, y, **params)
        self._warn(work)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def _search(self, X: Any, y: Any, **params: Any) -> SharedWork:
        prefer = "threads" if is_of_package(self.estimator) else None  # their kernels run side by side
        options: dict[str, Any] = dict(max_time=self.max_time, keep_histories=self.keep_histories)
        work = SharedWork(prefer, keeps=self.interrupt == "keep", **options)
        with work.active():
            for name in _OF_A_FIT:
                vars(self).pop(name, None)
            try:
                _scikit_fit(self, X, y, **params)
            except KeyboardInterrupt:
                if not work.keeps or work.results is None:
                    raise
                self._keep_without_refit(work)
        self.memory_, self.stop_reason_ = work.summary(), work.stop_reason()
        if self.keep_histories:
            self.histories_ = histories(work.reports, self.n_splits_)
        return work

    def _format_results(self, candidate_params: Any, n_splits: int, out: Any, more_results: Any = None) -> Any:
        work = active_work()
        if work is None:
            return super()._format_results(candidate_params, n_splits, out, more_results)
        finished = [candidate_params[i] for i in work.finished]
        more = {name: [values[i] for i in work.finished] for name, values in (more_results or {}).items()}
        work.results = super()._format_results(finished, n_splits, out, more)
        work.results.update(columns(work.reports, n_splits))
        self.n_splits_ = n_splits  # which scikit-learn before 1.9 sets after the last fit
        return work.results

    def _keep_without_refit(self, work: SharedWork) -> None:
        """Keep the results when Ctrl-C ends the fit of the best candidate to all rows."""
        self.cv_results_, work.refit_interrupted = work.results, True
        scorer = self._get_scorers()[0]
        self.scorer_ = vars(scorer)["_scorers"] if isinstance(scorer, MultimetricScorer) else scorer
        vars(self).pop("best_estimator_", None)

    def _warn(self, work: SharedWork) -> None:
        if work.ended_early():
            warnings.warn(
                f"{type(self).__name__}: {self.stop_reason_}, and cv_results_ has those alone"
                + (": there is no best_estimator_." if work.refit_interrupted else "."),
                stacklevel=stacklevel_of_caller(),
            )
        text = summary_of_unconverged(work.reports, self.cv_results_["params"], self.n_splits_)
        if text is not None:
            tell_unconverged(self, text)


_PARAMETERS = """max_time : float or None, default=None
        Seconds since `fit` was called, > 0, after which no further fit begins. Those that are made together are given
        up, one that is made alone ends, and the best candidate is fitted to all rows then. Candidates that are finished
        by then, which were fitted in all folds, make up `cv_results_`; the first is always finished. A warning says how
        many they are.

    interrupt : {"raise", "keep"}, default="raise"
        What Ctrl-C does in `fit`. "raise" leaves the search as it was. "keep" ends it with the candidates that are
        finished, and a warning; the best of them is fitted to all rows. Where none is finished KeyboardInterrupt is
        raised. Ctrl-C in this last fit leaves the search without `best_estimator_`.

    keep_histories : bool, default=False
        Keep the `history_` of each candidate and fold in `histories_`, for
        :meth:`ConvergenceDisplay.from_search <skopt_solvers.inspection.ConvergenceDisplay.from_search>`."""
_ATTRIBUTES = """memory_ : dict
        How often text was counted and how often its counts were there already, "text_counts" and
        "text_counts_shared"; the same of transformers, "transformers_fitted" and "transformers_shared"; and how often
        models were fitted together and how many in all, "passes" and "fits_in_passes".

    stop_reason_ : str
        Says in words whether all candidates are finished, or why not and how many are.

    histories_ : list of list of list of dict
        With `keep_histories`: ``histories_[i][k]`` is the `history_` of candidate i, as in ``cv_results_["params"]``,
        in fold k; None where the fit failed or the last step is not of this package."""


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
    _PARAMETERS,
    _ATTRIBUTES,
)
class GridSearchCV(SharesWork, sklearn_search.GridSearchCV):
    """Find the best of all combinations of parameters by cross-validation.

    This is scikit-learn's GridSearchCV with the same results, but its candidates share their work. Text is counted once
    for all of them and all folds, and transformers that are set alike are fitted once for each fold.
    """

    _parameter_constraints = {**vars(sklearn_search.GridSearchCV)["_parameter_constraints"], **_CONSTRAINTS}

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        max_time: float | None = None,
        interrupt: str = "raise",
        keep_histories: bool = False,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.max_time, self.interrupt, self.keep_histories = max_time, interrupt, keep_histories


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
    _PARAMETERS,
    _ATTRIBUTES,
)
class RandomizedSearchCV(SharesWork, sklearn_search.RandomizedSearchCV):
    """Find the best of some random combinations of parameters by cross-validation.

    A scikit-learn RandomizedSearchCV with the same results, whose candidates share their work as those of
    :class:`GridSearchCV` do.
    """

    _parameter_constraints = {**vars(sklearn_search.RandomizedSearchCV)["_parameter_constraints"], **_CONSTRAINTS}

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_iter: int = 10,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        max_time: float | None = None,
        interrupt: str = "raise",
        keep_histories: bool = False,
    ) -> None:
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.max_time, self.interrupt, self.keep_histories = max_time, interrupt, keep_histories
