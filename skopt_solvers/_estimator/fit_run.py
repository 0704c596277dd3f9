"""One fit: from an objective, by a solver, to the attributes of a fitted estimator."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..solvers import LBFGS, Result, StochasticSolver
from .memory import require_memory
from .monitor import Monitor
from .partial_fit import copied
from .problem import Problem
from .proof import goal_of, proven, until_proven
from .scoring import Scoring

# A validation score that does not rise says nothing before so many steps: the first rates may be small.
SETTLING_STEPS = 200


@dataclass
class FitRun:
    """The objects that belong to one fit.

    Attributes
    ----------
    estimator : SolverEstimator
        Its parameters are read, and where it is fitted its weights. It is not changed: :meth:`attributes` says what it
        becomes.
    problem : Problem
    solver : Solver
    objective : LinearObjective, ChainObjective or SummedObjective
        That of the problem.
    monitor : Monitor
        It is told of the fit by functions of a copy of this without it: in a circle, memory would outlive the fit.
    rng : RandomState
    """

    estimator: Any
    problem: Problem
    solver: Any
    objective: Any
    monitor: Monitor | None
    rng: np.random.RandomState

    @property
    def n_rows(self):
        """The rows of the table of all features."""
        objective = self.objective
        return self.estimator.n_features_in_ + objective.shape[0] - objective.coefficients[0]

    @property
    def rows(self):
        """Those of them that the solver's table has: of the problem's columns, and all that follow the features."""
        return np.append(self.problem.columns, np.arange(self.estimator.n_features_in_, self.n_rows))

    def whole(self, W):
        """Return the table of all features, where W has those of the problem and the others are 0."""
        if self.problem.columns is None:
            return W
        table = np.zeros((self.n_rows, W.shape[1]), W.dtype)
        table[self.rows] = W
        return table

    def require_memory(self):
        """Raise MemoryError where the fit needs more than is free."""
        estimator, objective, extra, after = self.estimator, self.objective, 0, 0
        if self.problem.columns is not None:
            more = objective.resized(n_features=estimator.n_features_in_).table_bytes
            if self.monitor.score is None:
                after = more + 2 * objective.table_bytes
            else:
                extra = more
        copies = bool(estimator.early_stopping) + 2 * isinstance(self.monitor.score, Scoring)
        copies += estimator.max_time is not None or estimator.interrupt == "keep"
        require_memory(type(estimator).__name__, self.solver, objective, copies=copies, extra=extra, after=after)

    def start(self, resumed=None):
        """Return where the solver starts: zeros, or with `warm_start` the last weights, and its state."""
        estimator, objective, classes = self.estimator, self.objective, self.problem.classes
        W = np.zeros(objective.shape, objective.dtype)
        if not estimator.warm_start or not hasattr(estimator, "coef_"):
            return W, None
        n_outputs, n_features = estimator.coef_.shape
        if (n_features, n_outputs) != objective.coefficients or not np.array_equal(classes, estimator.classes_):
            raise ValueError(
                f"warm_start=True needs the classes and features of the last fit: got classes {classes} and "
                f"{objective.coefficients[0]} features, had {estimator.classes_} and {n_features}"
            )
        same = resumed is not None and resumed["W"].shape == W.shape and resumed["W"].dtype == W.dtype
        if same and self.problem.resumes(resumed, estimator):
            return W, copied(resumed)
        W[:] = self.problem.model.table(estimator, objective)
        # a feature that no sample has would keep its weight; its optimum is 0
        if objective.l1 or objective.l2:
            W[objective.untouched()] = 0
        return W, None

    def score_by(self, held, scorer=None):
        """Score the iterations by ``held.accuracy(objective, W)``, W being the table of all features, or by a scorer.

        Early stopping is told how many epochs have no say.
        """
        run, monitor = replace(self, monitor=None), self.monitor
        if scorer is None:
            monitor.score = lambda W: held.accuracy(run.objective, run.whole(W))
        else:
            monitor.score = Scoring(self.estimator.scoring, scorer, held.samples(), monitor.fitted)
        if isinstance(self.solver, StochasticSolver):
            batches = -(-self.objective.n_samples // self.solver.effective_batch(self.objective))
            monitor.settling = -(-SETTLING_STEPS // batches)

    def begin(self, W, whole=None):
        """Tell the monitor what begins, and how a copy of the estimator gets the attributes of a fit that is at W.

        ``whole(W)`` is the table of all features; by default that of the same name.
        """
        run, history = replace(self, monitor=None), self.monitor.history
        whole = whole or run.whole

        def attributes(W):
            result = Result(W, len(history), False, "the fit goes on", history=list(history))
            return run.attributes(result, whole(W))

        self.monitor.begin(W, attributes, descends=self.solver.minimises_objective)

    @property
    def _options(self):
        """The arguments of the solver."""
        estimator = self.estimator
        options = dict(max_iter=estimator.max_iter, tol=estimator.tol, rng=self.rng, callback=self.monitor)
        if isinstance(self.solver, StochasticSolver):
            options.update(n_iter_no_change=estimator.n_iter_no_change)
        elif isinstance(self.solver, LBFGS) and self.solver.shares_epochs:
            options.update(allowed=goal_of(estimator.tol, estimator.max_suboptimality))
        return options

    def epochs(self):
        """Return the epochs of a solver from zeros, each of which the caller makes."""
        W = np.zeros(self.objective.shape, self.objective.dtype)
        self.begin(W)
        return self.solver.epochs(self.objective, W, **self._options)

    def minimise(self, W, state=None):
        """Return the solver's result from a table W and a state, or that of the best weights where it is stopped."""
        estimator, solver, options = self.estimator, self.solver, self._options
        if solver.keeps_state:
            options.update(state=state)
        self.begin(W)
        if isinstance(self.monitor.score, Scoring):
            self.monitor.score.try_at(W)
        try:
            with np.errstate(all="ignore"):  # what overflows shows in the result
                result = self.finished(solver.minimize(self.objective, W, **options))
                goal = estimator.max_suboptimality
                if goal is None:
                    return result
                fit = lambda solver, W, **more: self.finished(solver.minimize(self.objective, W, **more))  # noqa: E731
                return until_proven(fit, (solver, self.objective), result, goal, options)
        except KeyboardInterrupt:
            if estimator.interrupt == "raise":
                raise
            return self.finished(self.monitor.interrupted(), restored=True)

    def finished(self, result, restored=False):
        """Return the result of a solver, or of the best weights where the monitor has stopped it, with its proof.

        With L1, weights at which early stopping, the clock or Ctrl-C has ended the fit get their zeros first.
        """
        result = result if restored else self.monitor.restored(result)
        if self.monitor.took_over():
            W = self.solver.settled(self.objective, result.W)
            if W is not result.W and self.monitor.accepts(W):
                result.W = W
        return proven(self.objective, result, self.estimator.tol, self.estimator.max_suboptimality)

    def attributes(self, result, W=None, n_iter=None):
        """Return the fitted attributes of a result.

        Parameters
        ----------
        result : Result
        W : ndarray, optional
            The table of all features; by default made of that of the result.
        n_iter : int, optional
            Epochs of all calls, of a stream.

        Raises
        ------
        FloatingPointError
            Where the result is not finite.
        """
        finite = bool(np.isfinite(result.W).all())
        last = result.history[-1].get("objective") if result.history else None  # not known, for some
        if not finite or not np.isfinite(last or 0.0):
            what = "the objective is" if finite else "weights are"
            raise FloatingPointError(f"{type(self.solver).__name__} diverged: {what} not finite; {self.solver.remedy}")
        return {
            "classes_": self.problem.classes,
            "solver_": self.solver,
            **self.problem.form_of_labels,
            **self.problem.model.attributes(self.whole(result.W) if W is None else W, self.objective),
            "n_iter_": result.n_iter if n_iter is None else n_iter,
            "history_": result.history,
            "converged_": result.converged,
            "stop_reason_": result.stop_reason,
            "suboptimality_": float(result.suboptimality),
        }
