"""Report the iterations of a fit to a trial of Optuna, which may be pruned."""

import threading
from collections.abc import Callable
from numbers import Integral
from typing import Any, NoReturn

from .._base.optional_package import needed
from .._estimator.monitor import FitInfo
from ._base import Callback, values_of


class OptunaPruning(Callback):
    """Report a value of each iteration to a trial of Optuna, and end the fit where the trial is to be pruned.

    The fit raises `optuna.TrialPruned` then, as Optuna wants it of an objective, and the estimator is as it was. Within
    a cross-validation the steps of each fold follow those of the fold before, so that a pruner compares a trial with
    others at the same iteration of the same fold. There scikit-learn must hand the exception on:
    ``cross_val_score(model, X, y, error_score="raise")``. It needs Optuna: ``pip install 'skopt_solvers[optuna]'``.

    Parameters
    ----------
    trial : optuna.Trial
        The trial that the fit belongs to.
    metric : str or callable, default="validation_score"
        The value: an entry of the record, such as "objective" in a study that minimises it, or ``metric(info)``. The
        validation score is there with ``early_stopping=True``, and where `fit` gets `X_val` and `y_val`.
    fold_steps : int, optional
        The steps between the beginnings of two folds, by default the `max_iter` of the estimator. Give the greatest
        where trials differ in `max_iter`.

    Raises
    ------
    ImportError
        Where Optuna is not installed.
    TypeError, ValueError
        For another kind of argument; in the fit, where the record does not have the metric.

    Notes
    -----
    A trial belongs to its process: folds may run in threads (``joblib.parallel_config("threading")``), where they count
    in the order in which they begin, and not in processes.

    Examples
    --------
    >>> import optuna  # doctest: +SKIP
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import cross_val_score
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.callbacks import OptunaPruning
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> def objective(trial):
    ...     C = trial.suggest_float("C", 1e-4, 1, log=True)
    ...     pruning = OptunaPruning(trial)
    ...     options = dict(solver="adagrad", early_stopping=True, random_state=0)
    ...     model = LogisticRegression(C=C, callback=pruning, **options)
    ...     return cross_val_score(model, X, y, error_score="raise").mean()
    >>> study = optuna.create_study(direction="maximize")  # doctest: +SKIP
    >>> study.optimize(objective, n_trials=20)  # doctest: +SKIP
    """

    def __init__(
        self, trial: Any, metric: str | Callable[[FitInfo], float] = "validation_score", fold_steps: int | None = None
    ) -> None:
        needed("optuna", "OptunaPruning", "optuna")
        if not all(hasattr(trial, name) for name in ("report", "should_prune")):
            raise TypeError(f"trial must be a trial of Optuna, got {type(trial).__name__}")
        if not (isinstance(metric, str) or callable(metric)):
            raise TypeError(f"metric must be a str or a callable, got {metric!r}")
        if fold_steps is not None and (
            isinstance(fold_steps, bool) or not isinstance(fold_steps, Integral) or fold_steps < 1
        ):
            raise ValueError(f"fold_steps must be None or an integer >= 1, got {fold_steps!r}")
        self.trial, self.metric, self.fold_steps = trial, metric, fold_steps
        self._fits: dict[str, int] = {}
        self._lock = threading.Lock()
        self._pruned_at: int | None = None

    def __call__(self, info: FitInfo) -> None:
        """Report an iteration.

        Parameters
        ----------
        info : FitInfo

        Raises
        ------
        optuna.TrialPruned
            Where the pruner says so, and in every fit after that.
        """
        with self._lock:  # folds in threads
            if self._pruned_at is None:
                order = self._fits.setdefault(info.fit, len(self._fits))
                fold = order if info.fold is None else info.fold
                step = fold * (self.fold_steps or info.estimator.max_iter) + info.iteration
                self.trial.report(self._value(info), step)
                if self.trial.should_prune():
                    self._pruned_at = step
        if self._pruned_at is not None:
            self._raise_pruned()

    def _value(self, info: FitInfo) -> float:
        if not isinstance(self.metric, str):
            return float(self.metric(info))
        values = values_of(info)
        if self.metric not in values:
            text = "; a validation score needs early_stopping=True, or X_val and y_val in fit"
            there = ", ".join(values)
            raise ValueError(
                f"metric must be an entry of the record ({there}), got {self.metric!r}"
                + text * (self.metric == "validation_score")
            )
        return values[self.metric]

    def _raise_pruned(self) -> NoReturn:
        raise needed("optuna", "OptunaPruning", "optuna").TrialPruned(f"the trial was pruned at step {self._pruned_at}")

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "OptunaPruning cannot go to another process, since its trial belongs to this one: use n_jobs=1, or threads "
            "with joblib.parallel_config('threading')"
        )

    def __repr__(self) -> str:
        return f"OptunaPruning(metric={self.metric!r})"
