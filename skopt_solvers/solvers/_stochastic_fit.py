"""The one epoch loop of all stochastic solvers."""

import time

import numpy as np

from .. import _kernels
from .._base.aligned import aligned_copy, aligned_zeros_like
from .._base.words import compared
from ..schedules import PolynomialDecay, ScheduleSequence, bind
from ._base import remedies
from ._sparse_end import sparse_end

# The default schedule falls to zero within so many epochs or steps, whichever is longer, and at most `max_iter` epochs.
AUTO_EPOCHS = 20
AUTO_STEPS = 1000
_STEPS_AHEAD = 1024  # whose rates are computed at once, where they are a matter of time alone
_NONE = np.empty(0, np.int64)


def new_state(solver, objective, W, rng, streaming=False):
    """The state of a fit that begins at W, a table of which that of `objective` may be a part."""
    rate = solver.learning_rate
    if rate == "auto":
        rate = solver.automatic_stream_rate(objective) if streaming else solver.automatic_rate(objective)
    state = dict(
        epoch=0,
        seed=int(rng.randint(2**31)),
        W=aligned_copy(W),
        tables=solver.init(W),
        objectives=[],
        learning_rate=float(rate),
        start=None,
    )
    if not isinstance(solver.average, (bool, np.bool_)) or solver.average:
        n_rows = W.shape[0]
        state["average"] = dict(
            sum=aligned_zeros_like(W), since=np.zeros(n_rows, np.int64), steps=np.zeros(1, np.int64)
        )
    return state


def mean_weights(state):
    """The weights to use at a state: the last, or their mean where averaging has begun."""
    W, average = state["W"], state.get("average")
    if average is None or average["steps"][0] == 0:
        return W
    passed = (average["steps"] - average["since"])[:, None].astype(W.dtype)
    return (average["sum"] + passed * W) / average["steps"].astype(W.dtype)


class StochasticFit:
    """The running state of one fit by a stochastic solver."""

    def __init__(self, solver, objective, W, state, max_iter, rng, streaming):
        self.solver, self.objective, self.streaming = solver, objective, streaming
        self.batch_size = solver.effective_batch(objective)
        self.n_batches = -(-objective.n_samples // self.batch_size)
        horizon = min(max_iter, max(AUTO_EPOCHS, -(-AUTO_STEPS // self.n_batches)))
        if state is None:
            state = new_state(solver, objective, W, rng, streaming)
            state["start"] = None if streaming else objective.value(W)
        self.state, self.W, self.lr = state, state["W"], state["learning_rate"]
        self.start = state["start"]
        self.length = max_iter if streaming else state["epoch"] + max_iter
        schedule, self.rates_ahead = solver.schedule, np.empty((0, self.n_batches))
        automatic = isinstance(schedule, str) and schedule == "auto"
        # a solver of one's own may have a schedule that looks at the objectives
        own_rule = type(solver).automatic_schedule.__module__.startswith(f"{__package__}.")
        self.timed = automatic and own_rule and not streaming
        if automatic:
            # time counts on in a resumed fit, but the decay begins with it; the state is warm then, and a rate that is
            # given is not the one that needs a warmup
            own = solver.learning_rate == "auto" and not state["epoch"]
            decay = solver.automatic_schedule(objective, horizon) if own else PolynomialDecay(horizon)
            decay = ScheduleSequence(["constant", decay], boundaries=[state["epoch"]])
            schedule = "inverse_sqrt" if streaming else decay
        # the list of objectives grows, and the schedule sees it
        self.schedule = bind(schedule, self.length, state["objectives"])
        self.history = []
        self.value = None  # of the objective after an epoch, where it is known already
        self.last = np.nan  # of the objective at the weights of the last record
        self.waited = 0  # epochs without progress
        self.highest = 0.0  # of the rates so far
        self.step_losses = np.full(self.n_batches if solver.record == "step" else 0, np.nan)  # of the last epoch
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
        """Return the learning rates of the next epoch."""
        epoch = self.state["epoch"]
        if not self.timed:
            return self._rates_of(epoch, 1)[0]
        place = epoch - self.first_ahead if len(self.rates_ahead) else 0
        if place >= len(self.rates_ahead):
            self.first_ahead, place = epoch, 0
            self.rates_ahead = self._rates_of(epoch, max(1, _STEPS_AHEAD // self.n_batches))
        return self.rates_ahead[place]

    def _rates_of(self, epoch, n_epochs):
        """Return the learning rates of some epochs, a row for each."""
        times = np.arange(epoch, epoch + n_epochs)[:, None] + np.arange(self.n_batches) / self.n_batches
        return self.lr * self.factor(times)

    def finished(self):
        return not self.rates().any()

    def will_slow_down(self):
        """Tell whether the rate will fall below half of what it is now: a pause in progress is then not the end."""
        now = self.state["epoch"]
        ahead = self.factor(np.linspace(now, max(self.length - 1, now), 64))
        return bool(ahead.min() < 0.5 * ahead[0])

    def diverged(self):
        return FloatingPointError(
            f"{type(self.solver).__name__} diverged in epoch {self.state['epoch']}: the objective is not finite; "
            f"{self._rates_told()} too large"
        )

    def _rates_told(self):
        """Return the rate that was at fault, in words."""
        if np.isclose(self.highest, self.lr, rtol=1e-6, atol=0):
            return f"learning_rate={self.lr:g} is"
        return f"learning_rate={self.lr:g} and a schedule that made it {self.highest:.3g} are"

    def recorded(self):
        """Evaluate the objective after an epoch; return the weights to use and the record."""
        W, objective = mean_weights(self.state), self.objective
        value = self.value
        if value is None:
            value = self.loss if self.streaming else objective.value(W)
        if not np.isfinite(value):
            raise self.diverged()
        self.state["objectives"].append(value)
        self.last = value
        record = dict(
            iteration=self.state["epoch"],
            objective=objective.scale * value,
            learning_rate=self.last_rate,
            seconds=time.perf_counter() - self.began,
        )
        if self.solver.record == "step":
            record["step_losses"] = self.step_losses.copy()
        self.history.append(record)
        return W, record

    def made_sparse(self, W, record):
        """Return the weights after the steps that end a fit with L1, of which the record of the last epoch is then."""
        began = time.perf_counter()
        W, self.last = sparse_end(self.objective, W)
        record["objective"] = self.objective.scale * self.last
        record["seconds"] += time.perf_counter() - began
        return W

    def improved(self, tol):
        """Tell whether the last objective is below the best of those before by more than ``tol`` of that."""
        *before, last = self.state["objectives"]
        best = min(before, default=np.inf)
        return best == np.inf or last < best - tol * abs(best)

    def end_by_gap(self, W, reason, allowed, ways):
        """Return whether the gap at W is `allowed`, why the fit has ended, the advice, the gap or NaN, and `reason_at`.

        The last is None where the fit has converged. `ways` are those in which a longer fit is had, for the advice.
        """
        scale, value = self.objective.scale, self.last
        gap = self.objective.suboptimality_bound(W, precision=1e-6) / (scale * value) if value else 0.0
        worse = ""
        if self.start is not None and value > 1.1 * self.start:
            worse = (
                f"; the objective ends at {scale * value:.6g}, above {scale * self.start:.6g} where "
                f"it began: {self._rates_told()} too large"
            )
            ways = ["lower learning_rate", *ways]

        def reason_at(gap):
            if not np.isfinite(gap):
                return f"{reason}; without a penalty no bound tells how far it is from the optimum{worse}"
            told = f"{'at most' if gap <= allowed else 'above'} {allowed:g} (100 tol)"
            return f"{reason}, with a duality gap of {compared(gap, allowed, 2)} of the objective, {told}{worse}"

        converged = gap <= allowed
        if np.isfinite(gap):
            advice = remedies(self.objective, *ways, "give another learning_rate or schedule")
        else:
            other = ", or use solver='lbfgs'" if self.objective.smooth else ""
            advice = f"Give a finite C{other}."
        finite = gap if np.isfinite(gap) else np.nan
        return converged, reason_at(gap), advice, finite, None if converged else reason_at

    def order(self):
        """Return the samples in the order of the next epoch."""
        if self.n_batches == 1:
            return self.objective.samples
        seed = (self.state["seed"] << 32) + self.state["epoch"]
        return self.objective.order(lambda samples, block: _kernels.shuffled(samples, _kernels.block_seed(seed, block)))

    def run_epoch(self):
        """Run the next epoch."""
        self.began = time.perf_counter()
        state, rates = self.state, self.rates()
        average = state.get("average")
        if average is not None and state["epoch"] < float(self.solver.average):
            average = None
        run = self._python if self.rule is None else self._compiled
        self.step_losses.fill(np.nan)
        self.end_epoch(run(self.order(), rates, average), rates)

    def end_epoch(self, loss, rates):
        """Take note of an epoch: the mean loss of its batches, each before its step, and their learning rates."""
        self.loss, self.last_rate, self.highest = loss, float(rates[-1]), max(self.highest, float(rates.max()))
        self.state["epoch"] += 1
        if not np.isfinite(loss):
            raise self.diverged()

    def _compiled(self, order, rates, average):
        sums = (self.W[:0].ravel(), _NONE, _NONE)
        if average is not None:
            sums = (average["sum"].ravel(), average["since"], average["steps"])
        clip_norm = self.solver.clip_norm or 0.0
        return _kernels.run_epoch(
            *(self.objective.native, self.rule, self.W.ravel(), order, self.batch_size, rates, clip_norm),
            *(*sums, self.step_losses),
        )

    def _python(self, order, rates, average):
        total = 0.0
        for b, lr in enumerate(rates):
            batch = order[b * self.batch_size : (b + 1) * self.batch_size]
            gradient = self.objective.gradient(self.W, batch)
            if len(self.step_losses):
                self.step_losses[b] = gradient.loss
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
