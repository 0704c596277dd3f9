"""What every estimator here is: a model whose objective any solver fits."""

import warnings
from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight

from .._base.nested_parameters import NamedParameters, resolve
from .._base.rollback import unchanged_on_failure
from .._base.sklearn_compat import CallbackSupportMixin, Interval, StrOptions
from .._base.typing import History
from ..objectives._penalty import as_float
from ..solvers import SOLVERS, Result, Solver, StochasticSolver
from ..solvers._stochastic import mean_weights, new_state
from .memory import require_memory
from .monitor import Monitor
from .partial_fit import ChunkState, copied
from .resume_state import StoredModel


class SolverEstimator(StoredModel, CallbackSupportMixin, NamedParameters):
    """From an objective to fitted attributes: starting, resuming, streaming, storing.

    A subclass gives `_table(objective)`, its coefficients as the table of an objective, and `_unpack(W, objective)`,
    which stores them.
    """

    classes_: np.ndarray
    n_iter_: int
    history_: History
    converged_: bool
    stop_reason_: str
    solver_: Solver
    n_features_in_: int
    feature_names_in_: np.ndarray

    _parameter_constraints = {
        "C": [Interval(Real, 0, np.inf, closed="right")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "solver": [StrOptions(set(SOLVERS)), Solver],
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
        solver = resolve(self.solver, SOLVERS, "solver", lambda s: isinstance(s, Solver))
        return clone(solver) if solver is self.solver else solver

    def _with_class_weight(self, weights, labels, classes, seen=None, mass=None):
        """The weights times the class weights; labels are indices of classes, or negative where there is none.

        "balanced" goes by the weight of each class in these samples and those before, `seen`, which is raised; or by
        `mass`, that of all samples, where these are a part of them.
        """
        known = labels >= 0
        part = mass is not None
        if not part:
            mass = np.zeros(len(classes)) if seen is None else seen
            with np.errstate(over="ignore"):
                mass += np.bincount(labels[known], weights[known], minlength=len(classes))
        if self.class_weight is None:
            return weights
        if isinstance(self.class_weight, str):
            with np.errstate(divide="ignore"):
                factors = np.where(mass > 0, mass.sum() / (len(classes) * mass), 0.0)
        else:
            factors = compute_class_weight(self.class_weight, classes=classes, y=classes)
        with np.errstate(over="ignore"):
            weights = weights * np.where(known, factors[labels], 1.0)
            there = factors * mass if part else weights
        if not np.isfinite(weights).all() or (factors < 0).any() or not there.any():
            raise ValueError(
                "class_weight must be non-negative with a positive entry, and finite times sample_weight, got "
                f"{self.class_weight!r}"
            )
        return weights

    # Fitting

    def _solve(self, solver, objective, classes, monitor, rng, resumed=None, start=None, columns=None):
        """Minimise from `start`, a table and a state, and store; the solver's result.

        `columns` are the features of the objective, where these are not all.
        """
        whole, extra, after = (lambda W: W), 0, 0
        if columns is not None:
            full = objective.resized(n_features=self.n_features_in_)
            rows, more = self._table_rows(columns, full.shape[0]), full.table_bytes
            whole = partial(_spread, rows, full.shape[0])
            if (score := monitor.score) is None:
                after = more + 2 * objective.table_bytes
            else:
                monitor.score, extra = lambda W: score(whole(W)), more
        copies = bool(self.early_stopping) + (self.max_time is not None or self.interrupt == "keep")
        require_memory(type(self).__name__, solver, objective, copies, extra, after)
        W, state = self._start(objective, classes, resumed) if start is None else start
        options = dict(max_iter=self.max_iter, tol=self.tol, rng=rng, callback=monitor)
        if solver.keeps_state:
            options.update(state=state)
        if isinstance(solver, StochasticSolver):
            options.update(n_iter_no_change=self.n_iter_no_change)
        self._begin(monitor, W, solver, objective, classes, whole)
        try:
            with np.errstate(all="ignore"):  # what overflows shows in the result
                result = monitor.restored(solver.minimize(objective, W, **options))
        except KeyboardInterrupt:
            if self.interrupt == "raise":
                raise
            result = monitor.interrupted()
        state, found = result.state if self.warm_start else None, result.W
        if columns is not None:
            del W, options  # and what they hold, before there is a table of all features
            result.state = None
            result.W = whole(found)
        self._store(solver, objective, classes, result, state, changed=found)
        return result

    def _table_rows(self, columns, n_rows):
        """Which of the `n_rows` of the whole table a table over some features has: theirs, and all that follow."""
        return np.append(columns, np.arange(self.n_features_in_, n_rows))

    @staticmethod
    def _begin(monitor, W, solver, objective, classes, whole=lambda W: W):
        """Tell the monitor what begins, and how a copy of the estimator gets the attributes of a fit that is at W.

        ``whole(W)`` is the table of which W is the part that the solver has.
        """

        def unpack(estimator, W):
            result = Result(whole(W), len(monitor.history), False, "the fit goes on", history=list(monitor.history))
            estimator._store(solver, objective, classes, result, state=None)

        monitor.begin(W, unpack, descends=solver.minimises_objective)

    def _warn_unless_converged(self, result, stacklevel):
        if not self.converged_:
            warnings.warn(
                f"{type(self).__name__} with {type(self.solver_).__name__} did not converge: {self.stop_reason_}. "
                f"{result.advice}",
                ConvergenceWarning,
                stacklevel=stacklevel + 1,
            )

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
            return W, copied(resumed)
        W[:] = self._table(objective)
        # a feature that no sample has would keep its weight; its optimum is 0
        if objective.l1 or objective.l2:
            W[objective.untouched()] = 0
        return W, None

    def _store(self, solver, objective, classes, result, state, n_iter=None, streamed=False, changed=None):
        """Store a result, of whose table `changed` is what may have become infinite; all by default."""
        finite = bool(np.isfinite(result.W if changed is None else changed).all())
        last = result.history[-1].get("objective") if result.history else None  # not known, for some
        if not finite or not np.isfinite(last or 0.0):
            what = "the objective is" if finite else "weights are"
            raise FloatingPointError(f"{type(solver).__name__} diverged: {what} not finite; {solver.remedy}")
        self.classes_, self.solver_ = classes, solver
        self._unpack(result.W, objective)
        self.n_iter_ = result.n_iter if n_iter is None else n_iter
        self.history_ = result.history
        self.converged_, self.stop_reason_ = result.converged, result.stop_reason
        self.__dict__.pop("_resume", None)
        if state is not None:
            self._resume = dict(state=state, coef=self.coef_, rows=0, streamed=streamed)

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
        return self.classes_ if classes is None else classes

    def _seen_before(self, classes):
        """The weight of each class so far, in an array of this call's own, which is kept if it succeeds."""
        self._seen_classes = np.array(getattr(self, "_seen_classes", np.zeros(len(classes))))
        return self._seen_classes

    def _stream(self, classes, read):
        """One epoch over a chunk.

        ``read()`` gives a function ``make(C, total)`` of its objective, over the features that are in it alone; these
        features; its weight; and its number of samples.
        """
        solver, first = self._resolved_solver(), not hasattr(self, "classes_")
        with unchanged_on_failure(self) as undo:
            before = (0.0, 0) if first else self._seen
            make, columns, weight, n_samples = read()
            # the penalty is that of all samples so far, and their mean weight is what each is measured by
            seen, n_seen = before[0] + weight, before[1] + n_samples
            if not np.isfinite(seen):
                raise ValueError("sample_weight of all calls of partial_fit must have a finite sum, got infinity")
            total = n_samples * (seen / n_seen)
            objective = make(C=as_float(self.C) * (seen / total), total=total)
            solver.check(objective)
            if first:
                whole = objective.resized(n_features=self.n_features_in_)
                # the rows of the chunk twice, when the table of the start is gone
                extra = max(0, 2 * solver.peak_bytes(objective, streaming=True) - whole.table_bytes)
                require_memory(type(self).__name__, solver, whole, extra=extra, streaming=True)
            rng = check_random_state(self.random_state)
            state = self._state_of_stream(solver, objective, rng, None if first else self._resumable(solver))
            chunk = ChunkState(state, self._table_rows(columns, len(state["W"])))
            part = chunk.part
            part["counts"] += objective.counts()
            part["n_samples"] += objective.n_samples
            objective.count_as(part["counts"], part["n_samples"])
            monitor = Monitor(self)
            self._begin(monitor, part["W"], solver, objective, classes, lambda W: chunk.weights())
            options = dict(max_iter=self.max_iter, tol=0.0, rng=rng, callback=monitor, state=part, streaming=True)
            with np.errstate(all="ignore"):
                result = solver.minimize(objective, part["W"], **options)
            result.history = [*([] if first else getattr(self, "history_", [])), *result.history]
            result.converged, result.stop_reason = False, "partial_fit does one epoch a call"
            self._seen, changed = (seen, n_seen), result.W
            undo.append(chunk.undo())
            state = chunk.put_back()
            result.W = mean_weights(state)
            options = dict(n_iter=state["epoch"], streamed=True, changed=changed)
            self._store(solver, objective, classes, result, state, **options)
        return self

    def _state_of_stream(self, solver, objective, rng, state):
        """The state to go on from, of the whole table; `objective` has the features of a chunk alone."""
        shape = (self.n_features_in_ + objective.shape[0] - objective.coefficients[0], objective.shape[1])
        if state is None or state["W"].dtype != objective.dtype or state["W"].shape != shape:
            W = np.zeros(shape, objective.dtype)
            if hasattr(self, "classes_"):
                W[:] = self._table(objective)
            state = new_state(solver, objective, W, rng)
        elif _read_only(state):
            state = copied(state)  # loaded as a memory map
        return state if "counts" in state else dict(state, counts=np.zeros(shape[0]), n_samples=0)


def _spread(rows, n_rows, W):
    """The table of which W is some rows, and the others are 0."""
    table = np.zeros((n_rows, W.shape[1]), W.dtype)
    table[rows] = W
    return table


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


def _read_only(state):
    return any(
        _read_only(value) if isinstance(value, dict) else isinstance(value, np.ndarray) and not value.flags.writeable
        for value in state.values()
    )
