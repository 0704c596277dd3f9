"""The monitor of a fit: validation scores, early stopping, callbacks, the clock, Ctrl-C."""

import copy
import time
import uuid
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np

from ..solvers import Result
from .fit_place import place_of


@dataclass(frozen=True)
class FitInfo:
    """The argument of ``callback(info)`` after each iteration or epoch.

    Attributes
    ----------
    estimator : the estimator that is being fitted; its parameters are there, its fitted attributes are those of before.
    iteration : int
    objective : float, or None in an epoch of SDCA without an evaluation
    learning_rate : float or None
    seconds : float, since `fit` was called.
    record : dict, the entry of ``history_``; what a callback adds to it stays there.
    fit : str, the name of this fit, or of this stream of `partial_fit`, which no other has.
    candidate : int or None
        The number of the candidate in the searches of `skopt_solvers.model_selection`, as all are tried; of the
        estimator in `fit_many`, of C in `C_path`, and of the solver with its schedule in `compare_solvers`.
    parameters : dict, the parameters of that candidate; empty elsewhere.
    fold : int or None
        The number of the fold in these searches and in `C_path`. The fit to all rows has none.
    seed : int or None, `random_state` where that is an integer.

    Examples
    --------
    >>> from skopt_solvers import LogisticRegression
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], [0, 1, 0, 1]
    >>> def enough(info):
    ...     info.record["training_accuracy"] = info.fitted().score(X, y)
    ...     return info.record["training_accuracy"] == 1.0
    >>> model = LogisticRegression(solver="adagrad", callback=enough, random_state=0).fit(X, y)
    >>> model.n_iter_, model.stop_reason_
    (1, 'the callback asked to stop')
    """

    estimator: Any
    iteration: int
    objective: float | None
    learning_rate: float | None
    seconds: float
    record: dict
    _fitted: Callable = field(repr=False)
    fit: str = ""
    candidate: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    fold: int | None = None
    seed: int | None = None

    def fitted(self) -> Any:
        """Return the estimator as if the fit had ended here, with a copy of the parameters."""
        return self._fitted()


_NAMES: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()  # of the last fits, by their estimators


def callbacks_of(value: Any) -> list[Callable[[FitInfo], Any]]:
    """Return what the parameter `callback` means, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def require_together(X_val, y_val):
    """ValueError where a fit is given one of the two alone."""
    if (X_val is None) != (y_val is None):
        raise ValueError("X_val and y_val must be given together")


class Monitor:
    """The callback of an estimator's fit: what happens after each iteration, and what is left where it ends early.

    With ``score(W)`` the weights are scored on validation data, and early stopping ends the fit after
    `n_iter_no_change` iterations without a score that is better by more than `tol`, of which the first `settling` do
    not count. Then come a printed line, the
    estimator's own callback, those of scikit-learn, and `max_time`.

    Parameters
    ----------
    estimator : SolverEstimator
    context : CallbackContext, optional
        Of the fit, for scikit-learn's callbacks, which are not called without.
    told : dict, optional
        What these are told of the fit.
    goes_on : bool, default=False
        Whether the fit is a part of the stream that the estimator's last fit was of.
    """

    def __init__(self, estimator, context=None, told=None, goes_on=False):
        self.estimator, self.began = estimator, time.perf_counter()
        self.score = self.attributes = self.stopped = None
        self.settling = 0
        self.history, self.waited = [], 0
        self.best = (-np.inf, None, None)  # validation score, weights, iteration
        self.least = (np.inf, None)  # objective, weights
        self.errstate = np.geterr()  # of the one who called fit, for callbacks
        self.callbacks = callbacks_of(estimator.callback)
        self.belongs = self._belongs(goes_on) if self.callbacks else {}
        self.context, self.told = context, told
        if context is not None:
            context.call_on_fit_task_begin(**told)

    def begin(self, W, attributes, descends):
        """Begin, before the first iteration from W.

        ``attributes(W)`` is a dict of the fitted attributes that an estimator has at W. Where the solver does not
        descend on the objective, the best weights are the last.
        """
        self.attributes, self.descends = attributes, descends
        if self._keeps_best:
            self.least = (np.inf, W.copy())

    def __call__(self, W, record):
        estimator = self.estimator
        self.history.append(record)
        if self._keeps_best:
            value = record["objective"]
            if value is None or not self.descends:  # the last will have to do
                self.least = (np.inf, W.copy())
            elif value < self.least[0]:
                self.least = (value, W.copy())
        stop = False
        if self.score is not None:
            with np.errstate(**self.errstate):
                score = record["validation_score"] = self.score(W)
            stop = estimator.early_stopping and self._no_better(score, W, record)
        if estimator.verbose:
            shown = {k: v for k, v in record.items() if k != "iteration" and v is not None and np.ndim(v) == 0}
            values = ", ".join(f"{k} {v}" if isinstance(v, str) else f"{k} {v:.6g}" for k, v in shown.items())
            print(f"{type(estimator).__name__}: iteration {record['iteration']}: {values}")
        if self.callbacks or self.context is not None:
            with np.errstate(**self.errstate):
                stop = self._callbacks(W, record) or stop
        if not stop and estimator.max_time is not None and self._seconds() >= estimator.max_time:
            self.stopped = f"max_time={estimator.max_time:g} seconds were over after iteration {record['iteration']}"
        return stop or self.stopped is not None

    def end(self):
        """After the fit, for scikit-learn's callbacks."""
        if self.context is not None:
            fitted = vars(self.estimator)
            self.context.call_on_fit_task_end(**self.told, reconstruction_attributes=lambda: fitted)

    def restored(self, result):
        """The result with the best weights, where early stopping has watched or the time was over."""
        score, W, iteration = self.best
        if W is None and self.stopped:
            W = self.least[1]
        if W is not None:
            result.W, result.suboptimality = W, np.nan
            result.state = None  # it belongs to the last weights, not to these
        if self.stopped:
            result.converged, result.stop_reason, result.advice = False, self.stopped, "Raise max_time."
            result.as_asked, result.reason_at = False, None
        elif W is not None and self.waited >= self.estimator.n_iter_no_change:
            result.converged, result.as_asked, result.reason_at = True, True, None
            result.stop_reason = (
                f"the validation score did not improve on {score:.6g} of iteration {iteration} by more than "
                f"tol={self.estimator.tol:g} in {self.waited} iterations"
            )
        return result

    def took_over(self):
        """Tell whether the weights of the result are not those at which the solver or a callback has ended the fit."""
        return self.best[1] is not None or self.stopped is not None

    def accepts(self, W):
        """Tell whether the weights score no less than those that early stopping has found the best."""
        return self.best[1] is None or self.score(W) >= self.best[0]

    def interrupted(self):
        """Return the result when Ctrl-C ends the fit: the best weights of the iterations that were finished."""
        iterations = len(self.history)
        self.stopped = f"it was interrupted after {iterations} finished iterations"
        result = Result(self.least[1], iterations, False, self.stopped, history=self.history)
        result = self.restored(result)
        result.advice = "The weights are the best so far."
        return result

    @property
    def _keeps_best(self):
        return self.estimator.max_time is not None or self.estimator.interrupt == "keep"

    def _seconds(self):
        return time.perf_counter() - self.began

    def _callbacks(self, W, record):
        """Tell them all; whether one asks to stop."""
        estimator, stop = self.estimator, False
        if self.callbacks:
            values = (record["iteration"], record["objective"], record["learning_rate"])
            info = FitInfo(estimator, *values, self._seconds(), record, lambda: self.fitted(W), **self.belongs)
        for number, callback in enumerate(self.callbacks):
            try:
                stop = bool(callback(info)) or stop
            except Exception as error:
                which = f"callback[{number}]" if isinstance(estimator.callback, (list, tuple)) else "callback"
                error.add_note(
                    f"{which} of {type(estimator).__name__} raised this after iteration {info.iteration}: {callback!r}"
                )
                raise
        if self.context is not None:
            task = self.context.subcontext(task_name="iteration")
            task.call_on_fit_task_begin(**self.told)
            attributes = dict(reconstruction_attributes=lambda: vars(self.fitted(W)))
            stop = task.call_on_fit_task_end(**self.told, **attributes) or stop
        return stop

    def _belongs(self, goes_on):
        """Return the name of the fit and its place, for callbacks."""
        place, seed = place_of(self.estimator), self.estimator.random_state
        if not goes_on or self.estimator not in _NAMES:
            _NAMES[self.estimator] = uuid.uuid4().hex[:12]
        return dict(
            fit=_NAMES[self.estimator],
            candidate=place.candidate,
            parameters=place.parameters,
            fold=place.fold,
            seed=int(seed) if isinstance(seed, Integral) else None,
        )

    def fitted(self, W):
        """Return the estimator as if the fit had ended at W."""
        fitted = copy.copy(self.estimator)
        for name in ("_skl_callbacks", "_callback_fit_ctx", "_skl_callbacks_to_teardown"):
            vars(fitted).pop(name, None)
        fitted.callback = None
        vars(fitted.drop_state()).update(self.attributes(W.copy()))
        return fitted

    def _no_better(self, score, W, record):
        if score > self.best[0] + self.estimator.tol or self.best[1] is None:
            self.best, self.waited = (score, W.copy(), record["iteration"]), 0
        else:
            self.waited += len(self.history) > self.settling
        return self.waited >= self.estimator.n_iter_no_change
