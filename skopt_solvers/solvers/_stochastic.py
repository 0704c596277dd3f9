"""The one epoch loop of all stochastic solvers."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import _kernels
from ..schedules import PolynomialDecay, ScheduleLike, ScheduleSequence, bind
from ._base import Result, Solver, check_count, check_positive

# The default schedule falls to zero within so many epochs or steps, whichever is longer, and at most `max_iter` epochs.
AUTO_EPOCHS = 20
AUTO_STEPS = 1000

_STOPPED = "the callback asked to stop"
_SCHEDULE_ENDED = "the learning rate has come to zero"


class StochasticSolver(Solver):
    """Base of the solvers that step on minibatches. A solver of your own is a subclass with `init` and `update`.

    An epoch visits every sample of positive weight once, in an order drawn from the fit's seed and the number of the
    epoch, in batches of `batch_size`; if all fit in one batch they keep their order. A batch touches only the rows of
    the table where it has a non-zero, and the state of a row (averages, velocity, clock) advances only when the row is
    touched. Where every batch touches every row this is the textbook method, step by step.

    Parameters
    ----------
    learning_rate : float or "auto", default="auto"
        Multiplied by the schedule's factor. "auto" is each solver's own rule, see its class.
    schedule : Schedule, name or callable, default="auto"
        "auto" falls linearly to zero in 20 epochs or 1,000 steps, whichever is longer, but within `max_iter`; there
        the fit ends. In `partial_fit`, whose end is not known, it is ``1 / sqrt(1 + t)``.
    batch_size : int or "auto", default="auto"
        "auto" is 64, or less, but at least 8, where an epoch would otherwise have fewer than 50 batches. Up to 64
        samples are one batch. A CRF's samples are sequences, and 64 is about 64 tokens, but at least 16 sequences.
    average : bool or float, default=False
        Return the mean of the weights over all steps after the first `average` epochs (Polyak & Juditsky 1992) instead
        of the last. True is 1.
    clip_norm : float or None, default=None
        A batch's gradient is scaled down to this norm when it is longer.

    Notes
    -----
    The penalty is taken as a proximal step on the touched rows, weighted so that it averages to the full penalty
    (:class:`~skopt_solvers.objectives.RowGradient`).
    """

    keeps_state = True
    visits_samples = True

    def __init__(
        self,
        learning_rate: float | str = "auto",
        schedule: ScheduleLike = "auto",
        batch_size: int | str = "auto",
        average: bool | float = False,
        clip_norm: float | None = None,
    ) -> None:
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.batch_size = batch_size
        self.average = average
        self.clip_norm = clip_norm

    def init(self, W: np.ndarray) -> dict[str, np.ndarray]:
        """Return the state before the first step.

        Parameters
        ----------
        W : ndarray of shape (n_rows, n_outputs)

        Returns
        -------
        dict of str to ndarray
            Arrays whose first axis is the rows of `W`, of its dtype unless they count. They belong to the fit.
        """
        raise NotImplementedError

    def update(self, W: np.ndarray, gradient: Any, state: dict[str, np.ndarray], lr: float) -> None:
        """Make one step: change `W` and the arrays of `state` in place, on the rows of `gradient` only.

        Parameters
        ----------
        W : ndarray of shape (n_rows, n_outputs)
        gradient : RowGradient
        state : dict, as `init` made it
        lr : float
            Learning rate times schedule.
        """
        raise NotImplementedError

    def native(self, state: dict[str, np.ndarray], dtype: DTypeLike) -> Any:
        """Return the compiled rule over the same state arrays, or None: then `update` is called for every batch."""
        return None

    def effective_batch(self, objective: Any) -> int:
        """Return the number of samples in a batch."""
        n, size = objective.n_samples, self.batch_size
        if size == "auto":
            largest = max(16, int(64 / objective.tokens_per_sample))
            size = largest if n <= largest else min(largest, max(8, n // 50))
        return min(n, int(size))

    def automatic_rate(self, objective: Any) -> float:
        """Return the learning rate for "auto". A solver overrides it, or its users give a number."""
        raise ValueError(f"{type(self).__name__}: learning_rate must be a number, got 'auto'")

    def check(self, objective: Any) -> None:
        if self.learning_rate != "auto":
            check_positive(self, "learning_rate")
        if self.batch_size != "auto":
            check_count(self, "batch_size")
        if self.clip_norm is not None:
            check_positive(self, "clip_norm")
        if not isinstance(self.average, (bool, np.bool_)):
            check_positive(self, "average", closed=True)
        if self.schedule != "auto":
            bind(self.schedule, 1.0)

    def peak_bytes(self, objective: Any, streaming: bool = False) -> int:
        """Do as :meth:`Solver.peak_bytes`, by the state that `init` makes of a table of one row.

        Parameters
        ----------
        objective : see :meth:`Solver.peak_bytes`
        streaming : bool, default=False
            For `partial_fit`, which evaluates nothing.

        Returns
        -------
        int
        """
        n_rows, table = objective.shape[0], objective.table_bytes
        row = np.zeros((1, objective.shape[1]), objective.dtype)
        state = sum(array.nbytes for array in self.init(row).values())
        averages = not isinstance(self.average, (bool, np.bool_)) or self.average
        # the start, the weights, the state, the sum of the averages
        held = (3 if averages else 2) * table + n_rows * (state + (8 if averages else 0))
        # then the mean in the making beside the last one
        mean = 3 * table if averages else 0
        if streaming:
            return held + 8 * n_rows + mean  # a count a row
        # a slot, a count and the mean square of a row; whether a weight is finite is a byte
        held += n_rows * (4 + objective.dtype.itemsize + 8) + 3 * objective.margin_bytes + objective.pass_bytes
        asked = self.minimises_objective and objective.convex
        bound = (table if averages else 0) + (objective.bound_bytes if asked else 0)
        return held + max(mean, bound)

    def minimize(
        self,
        objective: Any,
        W: np.ndarray,
        *,
        max_iter: int,
        tol: float,
        rng: np.random.RandomState,
        callback: Callable[[np.ndarray, dict[str, Any]], Any] | None = None,
        state: dict[str, Any] | None = None,
        n_iter_no_change: int = 5,
        streaming: bool = False,
    ) -> Result:
        """Do as :meth:`Solver.minimize`; `state` resumes an earlier call.

        It stops after `n_iter_no_change` epochs in which the objective fell by less than ``tol`` of itself, or when the
        schedule has come to zero, or after `max_iter` epochs. It has converged if then the objective's
        `suboptimality_bound` is at most ``100 tol`` of the objective.

        Parameters
        ----------
        objective, W, max_iter, tol, rng, callback :
            See :meth:`Solver.minimize`.
        state : dict, optional
            Of an earlier result.
        n_iter_no_change : int, default=5
        streaming : bool, default=False
            For `partial_fit`: one epoch, the objective is not evaluated, and the history has the mean of the batches'
            losses, each before its step.

        Returns
        -------
        Result
        """
        fit = _Fit(self, objective, W, state, max_iter, rng, streaming)
        waited, reason = 0, None
        for _ in range(1 if streaming else max_iter):
            W, record = fit.recorded_epoch()
            if callback is not None and callback(W, record):
                reason = _STOPPED
                break
            if streaming:
                continue
            improved = fit.improved(tol) or not self.minimises_objective
            waited = 0 if improved or fit.will_slow_down() else waited + 1
            if waited >= n_iter_no_change:
                reason = f"the objective fell by less than tol={tol:g} of itself in {waited} epochs"
                break
            if fit.finished():
                reason = _SCHEDULE_ENDED
                break
        asked = self.minimises_objective and objective.convex and not streaming
        if asked and reason is not _STOPPED:
            end = fit.end_by_gap(W, reason or f"max_iter={max_iter} was reached", 100 * tol)
        else:
            end = self._end_without_gap(objective, reason, max_iter)
        return Result(W, len(fit.history), *end, fit.history, fit.state)

    def _end_without_gap(self, objective, reason, max_iter):
        """Return whether a fit has converged that no gap is asked of, why it has ended, and the advice."""
        if reason is None:
            return False, f"max_iter={max_iter} was reached", "Raise max_iter."
        if not self.minimises_objective and reason is _SCHEDULE_ENDED:
            reason += f" ({type(self).__name__} does not end at the objective's minimum: no gap is asked)"
        elif not objective.convex and reason is not _STOPPED:
            reason += " (with missing labels the objective is not convex: no gap is asked)"
        return True, reason, ""


def new_state(solver, objective, W, rng):
    """The state of a fit that begins at W, a table of which that of `objective` may be a part."""
    rate = solver.learning_rate
    state = dict(
        epoch=0,
        seed=int(rng.randint(2**31)),
        W=W.copy(),
        tables=solver.init(W),
        objectives=[],
        learning_rate=float(solver.automatic_rate(objective) if rate == "auto" else rate),
        start=None,
    )
    if not isinstance(solver.average, (bool, np.bool_)) or solver.average:
        n_rows = W.shape[0]
        state["average"] = dict(sum=np.zeros_like(W), since=np.zeros(n_rows, np.int64), steps=np.zeros(1, np.int64))
    return state


def mean_weights(state):
    """The weights to use at a state: the last, or their mean where averaging has begun."""
    W, average = state["W"], state.get("average")
    if average is None or average["steps"][0] == 0:
        return W
    passed = (average["steps"] - average["since"])[:, None].astype(W.dtype)
    return (average["sum"] + passed * W) / average["steps"].astype(W.dtype)


class _Fit:
    """The running state of one call of `minimize`."""

    def __init__(self, solver, objective, W, state, max_iter, rng, streaming):
        self.solver, self.objective, self.streaming = solver, objective, streaming
        self.batch_size = solver.effective_batch(objective)
        self.n_batches = -(-objective.n_samples // self.batch_size)
        horizon = min(max_iter, max(AUTO_EPOCHS, -(-AUTO_STEPS // self.n_batches)))
        if state is None:
            state = new_state(solver, objective, W, rng)
            state["start"] = None if streaming else objective.value(W)
        self.state, self.W, self.lr = state, state["W"], state["learning_rate"]
        self.start = state["start"]
        self.length = max_iter if streaming else state["epoch"] + max_iter
        schedule = solver.schedule
        if isinstance(schedule, str) and schedule == "auto":
            # time counts on in a resumed fit, but the decay begins with it
            decay = ScheduleSequence(["constant", PolynomialDecay(horizon)], boundaries=[state["epoch"]])
            schedule = "inverse_sqrt" if streaming else decay
        # the list of objectives grows, and the schedule sees it
        self.schedule = bind(schedule, self.length, state["objectives"])
        self.history = []
        self.rule = solver.native(state["tables"], W.dtype) if objective.native is not None else None

    def factor(self, t):
        """The schedule at times t."""
        try:
            factor = np.broadcast_to(np.asarray(self.schedule(t), dtype=float), t.shape)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"schedule {self.solver.schedule!r} must give real numbers, one for each time: {error}"
            ) from error
        bad = ~(np.isfinite(factor) & (factor >= 0))
        if bad.any():
            raise ValueError(
                f"schedule {self.solver.schedule!r} must give factors that are finite and >= 0, got {factor[bad][0]} "
                f"at t={t[bad][0]:g} epochs"
            )
        return factor

    def rates(self):
        return self.lr * self.factor(self.state["epoch"] + np.arange(self.n_batches) / self.n_batches)

    def finished(self):
        return not self.rates().any()

    def will_slow_down(self):
        """Tell whether the rate will fall below half of what it is now: a pause in progress is then not the end."""
        now = self.state["epoch"]
        ahead = self.factor(np.linspace(now, max(self.length - 1, now), 64))
        return bool(ahead.min() < 0.5 * ahead[0])

    def diverged(self):
        return FloatingPointError(
            f"{type(self.solver).__name__} diverged in epoch {self.state['epoch'] + 1}: the objective is not finite; "
            f"learning_rate={self.lr:g} is too large"
        )

    def recorded_epoch(self):
        """Run one epoch and evaluate the objective; return the weights to use and the record."""
        began = time.perf_counter()
        rate = self.epoch()
        W, objective = mean_weights(self.state), self.objective
        value = self.loss if self.streaming else objective.value(W)
        if not np.isfinite(value):
            raise self.diverged()
        self.state["objectives"].append(value)
        record = dict(
            iteration=self.state["epoch"],
            objective=objective.scale * value,
            learning_rate=rate,
            seconds=time.perf_counter() - began,
        )
        self.history.append(record)
        return W, record

    def improved(self, tol):
        """Tell whether the last objective is below the best of those before by more than ``tol`` of that."""
        *before, last = self.state["objectives"]
        best = min(before, default=np.inf)
        return best == np.inf or last < best - tol * abs(best)

    def end_by_gap(self, W, reason, allowed):
        """Return whether the gap at W is `allowed`, why the fit has ended, and the advice."""
        scale, value = self.objective.scale, self.state["objectives"][-1]
        gap = self.objective.suboptimality_bound(W, precision=1e-6) / (scale * value) if value else 0.0
        converged = gap <= allowed
        if np.isfinite(gap):
            reason += f", with a duality gap of {gap:.2g} of the objective, "
            reason += f"{'at most' if converged else 'above'} {allowed:g} (100 tol)"
        else:
            reason += "; without a penalty no bound tells how far it is from the optimum"
        if self.start is not None and value > 1.1 * self.start:
            reason += (
                f"; the objective ends at {scale * value:.6g}, above {scale * self.start:.6g} where "
                f"it began: learning_rate={self.lr:g} is too large"
            )
        advice = "Raise max_iter, scale the features, give another learning_rate or schedule, or use solver='lbfgs'."
        return converged, reason, advice

    def epoch(self):
        """Run one epoch; the learning rate at its end."""
        objective, state, rates = self.objective, self.state, self.rates()
        order = objective.samples
        if self.n_batches > 1:
            seed = (state["seed"] << 32) + state["epoch"]
            order = objective.order(lambda samples, block: _kernels.shuffled(samples, _kernels.block_seed(seed, block)))
        average = state.get("average")
        if average is not None and state["epoch"] < float(self.solver.average):
            average = None
        run = self._python if self.rule is None else self._compiled
        self.loss = run(order, rates, average)
        if not np.isfinite(self.loss):
            raise self.diverged()
        state["epoch"] += 1
        return float(rates[-1])

    def _compiled(self, order, rates, average):
        none = np.empty(0, np.int64)
        sums = (self.W[:0].ravel(), none, none)
        if average is not None:
            sums = (average["sum"].ravel(), average["since"], average["steps"])
        clip_norm = self.solver.clip_norm or 0.0
        return _kernels.run_epoch(
            self.objective.native, self.rule, self.W.ravel(), order, self.batch_size, rates, clip_norm, *sums
        )

    def _python(self, order, rates, average):
        total = 0.0
        for b, lr in enumerate(rates):
            batch = order[b * self.batch_size : (b + 1) * self.batch_size]
            gradient = self.objective.gradient(self.W, batch)
            if not np.isfinite(gradient.loss):
                return np.nan
            total += gradient.loss * len(batch) / len(order)
            clip = self.solver.clip_norm
            if clip is not None:
                length = np.sqrt((gradient.values.astype(float) ** 2).sum())
                if length > clip:
                    gradient.values *= self.W.dtype.type(clip / length)
            if average is not None:
                rows = gradient.rows
                passed = (average["steps"] - average["since"][rows])[:, None].astype(self.W.dtype)
                average["sum"][rows] += passed * self.W[rows]
                average["since"][rows] = average["steps"]
                average["steps"] += 1
            self.solver.update(self.W, gradient, self.state["tables"], lr)
        return total
