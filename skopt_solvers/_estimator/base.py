"""The base of the estimators, which fit a model by any solver."""

from contextlib import ExitStack
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .._base.dask_input import is_collection, refuse_collection, refuse_options
from .._base.nested_parameters import NamedParameters, resolve
from .._base.one_call import one_call_at_a_time
from .._base.pickling import defaults
from .._base.rollback import unchanged_on_failure
from .._base.sklearn_compat import CallbackSupportMixin, Interval, StrOptions, validate_parameter_constraints
from .._base.typing import History
from ..objectives._penalty import as_float
from ..solvers import SOLVERS, Solver, StochasticSolver
from ..solvers._stochastic_fit import mean_weights
from .fit_run import FitRun
from .known_chunks import Count, record_of_fit
from .monitor import Monitor, callbacks_of, require_together
from .partial_fit import present_columns
from .proof import check_provable, goal_of, nearest_bound, refuse_proof
from .resume_state import StoredModel
from .shared_fits import fitted_by_others
from .stream import StreamRun, require_total
from .unconverged import tell_unconverged, unconverged

CONSTRAINTS = {
    "C": [Interval(Real, 0, np.inf, closed="right")],
    "l1_ratio": [Interval(Real, 0, 1, closed="both")],
    "solver": [StrOptions(set(SOLVERS)), Solver],
    "class_weight": [dict, StrOptions({"balanced"}), None],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "early_stopping": ["boolean"],
    "scoring": [StrOptions(set(get_scorer_names())), callable, None],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "n_jobs": [None, Integral],
    "verbose": ["verbose"],
    "max_time": [Interval(Real, 0, None, closed="neither"), None],
    "callback": [callable, list, tuple, None],
    "interrupt": [StrOptions({"raise", "keep"})],
    "max_suboptimality": [Interval(Real, 0, 1, closed="neither"), None],
}

_NO_DEFAULT = object()


class SolverEstimator(StoredModel, CallbackSupportMixin, NamedParameters):
    """The fit that all estimators share: from data to a problem, by a solver, to fitted attributes.

    A subclass gives

    - ``_read(X, y, sample_weight, reset, **form)``: the data of this process, with `problem` and `min_classes`;
    - ``_read_collection(X, y, sample_weight)``: the problem of a dask collection, inside a `with`;
    - ``_held_out(X_val, y_val, problem)``: validation data, whose ``accuracy(objective, W)`` is the score without
      `scoring`, and whose ``samples()`` are X, y and weights for a scorer.
    """

    classes_: np.ndarray
    n_iter_: int
    history_: History
    converged_: bool
    stop_reason_: str
    suboptimality_: float
    solver_: Solver
    n_features_in_: int
    feature_names_in_: np.ndarray

    _parameter_constraints = CONSTRAINTS
    __skopt_shares_epochs__ = False  # whether a solver can make its epochs with those of others

    def _names(self):
        return {"solver": SOLVERS}

    def _validate_params(self) -> None:
        """Do as scikit-learn does, but pass over what is the default itself: that is in range."""
        values, known = {name: getattr(self, name) for name in self._get_param_names()}, defaults(type(self))
        other = {name: value for name, value in values.items() if value is not known.get(name, _NO_DEFAULT)}
        validate_parameter_constraints(self._parameter_constraints, other, caller_name=type(self).__name__)
        for number, callback in enumerate(callbacks_of(self.callback)):
            if not callable(callback):
                raise ValueError(
                    f"The 'callback' parameter of {type(self).__name__} must be a callable, a list of callables or "
                    f"None, got a list with {callback!r} at {number}"
                )

    def __skopt_check__(self) -> None:
        """Raise scikit-learn's error where a parameter is out of range; before a copy, which some values refuse."""
        self._validate_params()

    def __skopt_data__(self, X, y, sample_weight=None):
        """Read X, y and weights as `fit` does; for those who make the fits themselves, as `C_path`.

        The parameters are checked, and the estimator learns the number and names of the features.

        Returns
        -------
        LinearData or ChainData
        """
        self._validate_params()
        return self._read(X, y, sample_weight, reset=True)

    def __skopt_run__(self, problem, rng):
        """Return the run of a fit to a problem that others have read, and who make its epochs.

        The parameters have been checked; the estimator is not changed.
        """
        solver = resolved_solver(self)
        run = FitRun(self, replace(problem, model=self._model), solver, None, Monitor(self), rng)
        run.objective = run.problem.objective()
        solver.check(run.objective)
        return run

    def __skopt_keep__(self, run, result, seen):
        """Take the result of such a run; `seen` is the amount of the data, the weight of each class, and its record."""
        with unchanged_on_failure(self):
            self._keep(run.attributes(run.finished(result)), None)
            self._seen, self._seen_classes, self._fitted_chunk = seen
        self._warn_unless_converged(result)

    def _fit(self, X, y, sample_weight, X_val, y_val, **form):
        plain = X_val is None and not form and not hasattr(self, "_skl_callbacks")  # which hear of each iteration
        if plain and fitted_by_others(self, X, y, sample_weight):
            return self
        collection = is_collection(X)
        if collection:
            refuse_options(**form)
        monitor = self._monitor(X, y, sample_weight)
        with unchanged_on_failure(self), ExitStack() as stack:
            solver, resumed, record = resolved_solver(self), None, b""
            if collection:
                self._refuse_for_collections(solver, X_val, y_val)
                problem = stack.enter_context(self._read_collection(X, y, sample_weight))
            else:
                resumed = self._resumable(solver)
                data = self._read(X, y, sample_weight, reset=True, **form)
                problem = data.problem()
                record = record_of_fit(solver, data, problem)
                del data  # X in another form
            rng, mass = check_random_state(self.random_state), problem.mass
            problem, held = self._validation(problem, X_val, y_val, rng)
            amount = problem.amount
            # a weight that no sample has stays 0, unless a fit before has left one
            problem = problem if self.warm_start else problem.on_few_columns()
            run = FitRun(self, problem, solver, problem.objective(), monitor, rng)
            solver.check(run.objective)
            check_provable(self, solver, run.objective)
            if held is not None:
                run.score_by(held, self._scorer())
            result = self._solve(run, resumed)
            self._seen, self._seen_classes = amount, mass
            self._fitted_chunk = record if held is None or X_val is not None else b""
        monitor.end()
        self._warn_unless_converged(result)
        return self

    def _monitor(self, X, y, sample_weight):
        """The monitor of a fit, with the context of scikit-learn's callbacks where there are any."""
        if not hasattr(self, "_skl_callbacks"):
            return Monitor(self)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        context = self._init_callback_context(max_subtasks=self.max_iter)
        return Monitor(self, context, dict(estimator=self, X=X, y=y, metadata=metadata))

    def _refuse_for_collections(self, solver, X_val, y_val):
        if solver.visits_samples:
            raise ValueError(
                f"solver={self.solver!r} visits samples one after another, and those of a dask collection lie apart. "
                "Use solver='lbfgs', whose passes run where the data are; partial_fit over the blocks; or X.compute(), "
                "where X fits into one process"
            )
        refuse_proof(self, "nothing is proven where X is a dask collection")
        require_together(X_val, y_val)
        refuse_collection(X_val, "X_val")
        refuse_collection(y_val, "y_val")
        if self.early_stopping and X_val is None:
            raise ValueError("early_stopping=True needs X_val and y_val where X is a dask collection")

    def _validation(self, problem, X_val, y_val, rng):
        """The problem to fit, and the samples that score it, or None."""
        require_together(X_val, y_val)
        if X_val is not None:
            return problem, self._held_out(X_val, y_val, problem)
        return problem.hold_out(self.validation_fraction, rng) if self.early_stopping else (problem, None)

    def _scorer(self):
        """Return the scorer of validation data that `scoring` means, or None."""
        return get_scorer(self.scoring) if isinstance(self.scoring, str) else self.scoring

    def _solve(self, run, resumed):
        """Minimise, and keep what comes of it; the solver's result."""
        run.require_memory()
        result = run.minimise(*run.start(resumed))
        state = result.state if self.warm_start else None
        if run.problem.columns is not None:
            result.state = None  # before there is a table of all features
        self._keep(run.attributes(result), state)
        return result

    def _keep(self, attributes, state, streamed=False):
        """Take fitted attributes, and the state of the solver where a later call goes on from it."""
        self.drop_state()
        vars(self).update(attributes)
        if state is not None:
            self._resume = dict(state=state, coef=self.coef_, rows=0, streamed=streamed)

    def _warn_unless_converged(self, result):
        if not self.converged_ and not result.as_asked:
            tell_unconverged(self, unconverged(self, result.advice))

    # Streaming

    def _classes_of_stream(self, classes, needed=True):
        """The classes, given at the first call of partial_fit; None where they are not needed and not given."""
        first = not hasattr(self, "classes_")
        if first and classes is None and needed:
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
        refuse_proof(self, "partial_fit does one epoch a call")
        return self.classes_ if classes is None and not first else classes

    def _partial_fit(self, X, y, classes, sample_weight, n_samples=None, **form):
        solver = resolved_solver(self)
        with one_call_at_a_time(self, "partial_fit"), unchanged_on_failure(self) as undo:
            first = not hasattr(self, "classes_")
            seen = 0.0 if first else getattr(self, "_seen_classes", None)
            data = self._read(X, y, sample_weight, reset=first, **form)
            problem = data.problem(classes, seen=seen)
            require_total(n_samples, problem)
            state = None if first else self._resumable(solver)
            records = (state or {}).get("chunks", b"") + getattr(self, "_fitted_chunk", b"")
            count = Count.of(data, problem, records) if n_samples is None else Count()
            if count.again:
                balanced = self.class_weight == "balanced"  # then its weights go by those of the whole
                problem = data.problem(classes, seen=seen, mass=seen) if balanced else replace(problem, mass=seen)
            problem = problem.on_columns(present_columns)
            del data  # X in another form
            before = (0.0, 0) if first else self._seen
            amount, objective = self._objective_of_stream(problem, before, count, n_samples)
            solver.check(objective)
            rng = check_random_state(self.random_state)
            run = StreamRun(self, problem, solver, objective, Monitor(self, goes_on=not first), rng)
            if first:
                run.require_memory()
            chunk = run.chunk(state, count)
            result = run.epoch(chunk)
            undo.append(chunk.undo())
            state = chunk.put_back()
            self._keep(run.attributes(result, mean_weights(state), state["epoch"]), state, streamed=True)
            self._seen, self._seen_classes = amount, problem.mass
        return self

    def _objective_of_stream(self, problem, before, count, n_total):
        """The weight and number of all samples so far, and the objective of a chunk in this measure."""
        weight, n_samples = problem.amount
        # the penalty is that of all samples so far, and their mean weight is what each is measured by
        if count.again:
            seen, n_seen = before[0] + (weight - count.before), before[1]
        else:
            seen, n_seen = before[0] + weight, before[1] + n_samples
        if not np.isfinite(seen):
            raise ValueError("sample_weight of all calls of partial_fit must have a finite sum, got infinity")
        total = n_samples * (seen / n_seen)
        whole = seen if n_total is None else n_total * (seen / n_seen)
        return (seen, n_seen), problem.objective(C=as_float(self.C) * (whole / total), total=total)

    # Afterwards

    def _bound(self, X, y, sample_weight, **form):
        """The proven distance from the minimum of the objective of these data."""
        check_is_fitted(self)
        problem = self._read(X, y, sample_weight, reset=False, **form).problem(self.classes_).in_float64()
        objective = problem.objective()
        W = np.ascontiguousarray(problem.model.table(self, objective), dtype=objective.dtype)
        bound = objective.suboptimality_bound(W)
        if not 0 < bound < np.inf:
            return bound
        value = objective.scale * objective.value(W)
        relative = bound / value
        nearer = nearest_bound(objective, W, relative, goal_of(self.tol, self.max_suboptimality))
        return bound if nearer == relative else nearer * value


def resolved_solver(estimator):
    """Return the solver of an estimator, which no one else has."""
    solver = resolve(estimator.solver, SOLVERS, "solver", lambda s: isinstance(s, Solver))
    return clone(solver) if solver is estimator.solver else solver


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
