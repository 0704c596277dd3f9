"""What every estimator here is: a model whose objective any solver fits."""

import warnings
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight

from ._base import CallbackSupportMixin, HasMethods, Interval, StrOptions, unchanged_on_failure
from ._monitor import Monitor
from ._named import NamedParameters, resolve
from .solvers import SOLVERS, Result, StochasticSolver


class SolverEstimator(CallbackSupportMixin, NamedParameters):
    """From an objective to fitted attributes: starting, resuming, streaming, storing.

    A subclass gives `_table(objective)`, its coefficients as the table of an objective, and `_unpack(W, objective)`,
    which stores them.
    """

    _parameter_constraints = {
        "C": [Interval(Real, 0, np.inf, closed="right")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "solver": [StrOptions(set(SOLVERS)), HasMethods(["minimize", "check"])],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "callback": [callable, None],
        "interrupt": [StrOptions({"raise", "keep"})],
    }

    def _names(self):
        return {"solver": SOLVERS}

    def _resolved_solver(self):
        solver = resolve(self.solver, SOLVERS, "solver", lambda s: hasattr(s, "minimize"))
        return clone(solver) if solver is self.solver else solver

    def _with_class_weight(self, weights, labels, classes):
        """The weights times the class weights; labels are indices of classes, or negative where there is none."""
        if self.class_weight is None:
            return weights
        known = labels >= 0
        if isinstance(self.class_weight, str):
            mass = np.bincount(labels[known], weights[known], minlength=len(classes))
            with np.errstate(divide="ignore"):
                factors = np.where(mass > 0, weights[known].sum() / (len(classes) * mass), 0.0)
        else:
            factors = compute_class_weight(self.class_weight, classes=classes, y=classes)
        with np.errstate(over="ignore"):
            weights = weights * np.where(known, factors[labels], 1.0)
        if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
            raise ValueError(
                "class_weight must be non-negative with a positive entry, and finite times sample_weight, got "
                f"{self.class_weight!r}"
            )
        return weights

    # Fitting

    def _solve(self, solver, objective, classes, monitor, rng, resumed=None, start=None):
        """Minimise from `start`, a table and a state, and store; the solver's result."""
        W, state = self._start(objective, classes, resumed) if start is None else start
        options = dict(max_iter=self.max_iter, tol=self.tol, rng=rng, callback=monitor)
        if getattr(solver, "keeps_state", False):
            options.update(state=state)
        if isinstance(solver, StochasticSolver):
            options.update(n_iter_no_change=self.n_iter_no_change)
        self._begin(monitor, W, solver, objective, classes)
        try:
            with np.errstate(all="ignore"):  # what overflows shows in the result
                result = monitor.restored(solver.minimize(objective, W, **options))
        except KeyboardInterrupt:
            if self.interrupt == "raise":
                raise
            result = monitor.interrupted()
        self._store(solver, objective, classes, result, state=result.state if self.warm_start else None)
        return result

    @staticmethod
    def _begin(monitor, W, solver, objective, classes):
        """Tell the monitor what begins, and how a copy of the estimator gets the attributes of a fit that is at W."""

        def unpack(estimator, W):
            result = Result(W, len(monitor.history), False, "the fit goes on", history=list(monitor.history))
            estimator._store(solver, objective, classes, result, state=None)

        monitor.begin(W, unpack, descends=getattr(solver, "minimises_objective", True))

    def _warn_unless_converged(self, result, stacklevel):
        if not self.converged_:
            warnings.warn(
                f"{type(self).__name__} with {type(self.solver_).__name__} did not converge: {self.stop_reason_}. "
                f"{result.advice}",
                ConvergenceWarning,
                stacklevel=stacklevel + 1,
            )

    def _resumable(self, solver):
        """The state of an earlier fit or partial_fit with the same solver."""
        kept = getattr(self, "_resume", None)
        if kept is None or kept["solver"] != repr(solver):
            return None
        # coefficients that were changed by hand are the truth; joblib loads a shared array as two
        same = kept["coef"] is self.coef_ or (not sp.issparse(self.coef_) and np.array_equal(kept["coef"], self.coef_))
        return kept["state"] if same else None

    def _start(self, objective, classes, resumed):
        """Where the solver starts: zeros, or with `warm_start` the last weights, and its state."""
        W = np.zeros(objective.shape, objective.dtype)
        if not self.warm_start or not hasattr(self, "coef_"):
            return W, None
        n_outputs, n_features = self.coef_.shape
        if (n_features, n_outputs) != objective.coefficients or not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"warm_start=True needs the classes and features of the last fit: got classes {classes} and "
                f"{objective.coefficients[0]} features, had {self.classes_} and {n_features}"
            )
        if resumed is not None and resumed["W"].shape == W.shape and resumed["W"].dtype == W.dtype:
            return W, _copied(resumed)
        W[:] = self._table(objective)
        # a feature that no sample has would keep its weight; its optimum is 0
        if objective.l1 or objective.l2:
            W[objective.untouched()] = 0
        return W, None

    def _store(self, solver, objective, classes, result, state, n_iter=None):
        last = [record["objective"] for record in result.history[-1:]]
        if not np.isfinite(result.W).all() or not np.isfinite(last).all():
            remedy = "lower learning_rate" if hasattr(solver, "learning_rate") else "scale X or sample_weight"
            what = "the objective is" if np.isfinite(result.W).all() else "weights are"
            raise FloatingPointError(f"{type(solver).__name__} diverged: {what} not finite; {remedy}")
        self.classes_, self.solver_ = classes, solver
        self._unpack(result.W, objective)
        self.n_iter_ = result.n_iter if n_iter is None else n_iter
        self.history_ = result.history
        self.converged_, self.stop_reason_ = result.converged, result.stop_reason
        self.__dict__.pop("_resume", None)
        if state is not None:
            self._resume = dict(solver=repr(solver), state=state, coef=self.coef_)

    # Streaming

    def _classes_of_stream(self, classes):
        """The classes, given at the first call of partial_fit."""
        first = not hasattr(self, "classes_")
        if first and classes is None:
            raise ValueError("classes must be given at the first call of partial_fit, got None")
        if classes is not None:
            try:
                classes = np.unique(classes)
            except TypeError as error:
                raise ValueError(f"classes must be of one type, got {classes!r}") from error
            if not first and not np.array_equal(classes, self.classes_):
                raise ValueError(f"classes must be those of the first call, {self.classes_}, got {classes}")
        if self.early_stopping:
            raise ValueError("early_stopping=True is not for partial_fit, which does one epoch a call")
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' is not for partial_fit, which sees a part of the data: give a dict"
            )
        return self.classes_ if classes is None else classes

    def _stream(self, classes, read):
        """One epoch; ``read(C_of)`` gives the objective and its weight, `C_of` being C for a weight of this call."""
        solver, first = self._resolved_solver(), not hasattr(self, "classes_")
        with unchanged_on_failure(self) as undo:
            state = None if first else self._resumable(solver)
            before = 0.0 if first else self._seen
            # the penalty is that of all samples seen so far
            objective, weight = read(lambda weight: self.C * (before + weight) / weight)
            solver.check(objective)
            W = np.zeros(objective.shape, objective.dtype)
            if state is not None and state["W"].dtype != W.dtype:
                state = None
            if state is None and not first:
                W[:] = self._table(objective)
            if state is not None and not state["W"].flags.writeable:
                state = _copied(state)  # loaded as a read-only memory map
            if state is not None:
                undo.append(_Undo(state, objective.touched()))
                state = dict(state, tables=dict(state["tables"]), objectives=list(state["objectives"]))
            monitor = Monitor(self)
            self._begin(monitor, W, solver, objective, classes)
            with np.errstate(all="ignore"):
                result = solver.minimize(
                    objective,
                    W,
                    max_iter=self.max_iter,
                    tol=0.0,
                    rng=check_random_state(self.random_state),
                    callback=monitor,
                    state=state,
                    streaming=True,
                )
            self._seen = before + weight
            n_iter = result.state["epoch"]
            history = [] if first else list(getattr(self, "history_", []))
            result.history = [*history, *result.history]
            result.converged, result.stop_reason = False, "partial_fit does one epoch a call"
            self._store(solver, objective, classes, result, state=result.state, n_iter=n_iter)
        return self


def is_stochastic(estimator):
    """For `available_if`: whether the estimator has a `partial_fit`."""
    solver = SOLVERS.get(estimator.solver) if isinstance(estimator.solver, str) else type(estimator.solver)
    if solver is not None and issubclass(solver, StochasticSolver):
        return True
    stochastic = sorted(name for name, kind in SOLVERS.items() if issubclass(kind, StochasticSolver))
    raise AttributeError(
        f"partial_fit needs a stochastic solver ({', '.join(stochastic)}), got "
        f"solver={estimator.solver!r}: that one needs all the data in every iteration"
    )


def _copied(state):
    return {
        key: _copied(value)
        if isinstance(value, dict)
        else value.copy()
        if isinstance(value, (np.ndarray, list))
        else value
        for key, value in state.items()
    }


class _Undo:
    """Puts back the rows that a call may change: what partial_fit keeps instead of a copy of the table."""

    def __init__(self, state, rows):
        n_rows = len(state["W"])
        arrays = [state["W"], *state["tables"].values(), *state.get("average", {}).values()]
        self.kept = [(a, rows, a[rows]) if len(a) == n_rows else (a, slice(None), a.copy()) for a in arrays]

    def __call__(self):
        for array, rows, values in self.kept:
            array[rows] = values
