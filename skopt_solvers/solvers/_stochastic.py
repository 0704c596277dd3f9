"""The base of all stochastic solvers."""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..schedules import PolynomialDecay, Schedule, ScheduleLike, bind
from ._base import STOPPED, Result, Solver, allowed_suboptimality, check_count, check_positive, least_fall, run_alone
from ._sparse_end import proximal_weights, sparse_end_bytes
from ._stochastic_fit import StochasticFit

_SCHEDULE_ENDED = "the learning rate has come to zero"


class StochasticSolver(Solver):
    """Base of the solvers that step on minibatches. A solver of your own is a subclass with `init` and `update`.

    An epoch visits every sample of positive weight once, in batches of `batch_size`. The order comes from the fit's
    seed and the number of the epoch; if all samples fit in one batch they keep their order. A batch touches only the
    rows of the table where it has a non-zero. The state of a row (averages, velocity, clock) advances only when the
    row is touched. Where every batch touches every row this is the textbook method, step by step.

    Parameters
    ----------
    learning_rate : float or "auto", default="auto"
        The length of a step, times the factor of the schedule. "auto" is each solver's own rule, which knows the mean
        square of the rows and, where the solver minimises the objective, `C`: a larger `C` lets weights go farther.
    schedule : Schedule, name or callable, default="auto"
        Gives the factor on the rate at each time. "auto" falls linearly to zero in 20 epochs or 1,000 steps, whichever
        is longer, but within `max_iter`; there the fit ends. AdaGrad, RMSProp and Momentum rise to the rate first, in
        a tenth of that, unless `C` is small. In `partial_fit`, whose end is not known, it is ``1 / sqrt(1 + t)``.
    batch_size : int or "auto", default="auto"
        Samples a step. "auto" is 64, or less, but at least 8, where an epoch would otherwise have fewer than 50
        batches. Up to 64 samples are one batch. A sample of a CRF is a sequence: "auto" is 16 of them, or more where
        they have fewer than 64 tokens; for `RMSProp`, `Adam` and `AdamW` up to 32, where an epoch keeps 100 batches.
    average : bool or float, default=False
        Return the mean of the weights over all steps after the first `average` epochs (Polyak & Juditsky 1992), not
        the last weights. True is 1.
    clip_norm : float or None, default=None
        Shorten the loss gradient of a batch to this Euclidean norm where it is longer. None leaves it as it is.
    record : {"epoch", "step"}, default="epoch"
        "step" adds an array "step_losses" to each record of `history_`: the mean loss of each batch of the epoch before
        its step, without the penalty. Such fits do not share their epochs with others.

    Notes
    -----
    The penalty is taken as a proximal step on the touched rows, weighted so that it averages to the full penalty
    (:class:`~skopt_solvers.objectives.RowGradient`).

    Examples
    --------
    Steps of one length, against the sign of the gradient:

    >>> import numpy as np
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.solvers import StochasticSolver
    >>> class SignSGD(StochasticSolver):
    ...     minimises_objective = False
    ...     def init(self, W):
    ...         return {}
    ...     def update(self, W, gradient, state, lr):
    ...         W[gradient.rows] = gradient.proximal_step(W[gradient.rows], np.sign(gradient.values), lr)
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], [0, 1, 0, 1]
    >>> LogisticRegression(solver=SignSGD(0.1)).fit(X, y).predict(X).tolist()
    [0, 1, 0, 1]
    """

    keeps_state = True
    visits_samples = True
    _largest_batch = 16  # of sequences
    record: str = "epoch"  # of solvers of one's own whose `__init__` does not know it

    def __init__(
        self,
        learning_rate: float | str = "auto",
        schedule: ScheduleLike = "auto",
        batch_size: int | str = "auto",
        average: bool | float = False,
        clip_norm: float | None = None,
        record: str = "epoch",
    ) -> None:
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.batch_size = batch_size
        self.average = average
        self.clip_norm = clip_norm
        self.record = record

    def init(self, W: np.ndarray) -> dict[str, np.ndarray]:
        """Return the state before the first step.

        Parameters
        ----------
        W : ndarray of shape (n_rows, n_outputs)
            The weights at the start, whose shape and dtype the state takes.

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
            The weights, which change in place.
        gradient : RowGradient
            The touched rows of the batch, the gradient of each, and the share of the penalty.
        state : dict of str to ndarray
            The arrays that `init` made, which change in place.
        lr : float
            The learning rate times the factor of the schedule.
        """
        raise NotImplementedError

    def native(self, state: dict[str, np.ndarray], dtype: DTypeLike) -> Any:
        """Return the compiled rule over the same state arrays, or None: then `update` is called for every batch."""
        return None

    @property
    def shares_epochs(self) -> bool:  # type: ignore[override]
        """True where the epochs of a fit can be those of others too: the rule is compiled and takes several models."""
        if self.record == "step":
            return False
        kind = type(self)
        own = kind.minimize is not StochasticSolver.minimize or kind.epochs is not StochasticSolver.epochs
        compiled = kind.native is not StochasticSolver.native
        return compiled and not own and self.clip_norm is None and self.average in (False, 0)

    def effective_batch(self, objective: Any) -> int:
        """Return the number of samples in a batch."""
        n, size = objective.n_samples, self.batch_size
        if size == "auto":
            few = max(16, int(64 / objective.tokens_per_sample))
            size = few if n <= few else min(max(few, min(self._largest_batch, n // 100)), max(8, n // 50))
        return min(n, int(size))

    def automatic_rate(self, objective: Any) -> float:
        """Return the learning rate for "auto". A solver overrides it, or its users give a number."""
        raise ValueError(f"{type(self).__name__}: learning_rate must be a number, got 'auto'")

    def automatic_stream_rate(self, objective: Any) -> float:
        """Return the learning rate for "auto" in `partial_fit`, where `objective` has the first piece of the stream."""
        return self.automatic_rate(objective)

    def automatic_schedule(self, objective: Any, length: float) -> Schedule:
        """Return the schedule for "auto" of a fit of `length` epochs. The base falls linearly to zero."""
        return PolynomialDecay(length)

    def check(self, objective: Any) -> None:
        if self.learning_rate != "auto":
            check_positive(self, "learning_rate")
        if self.batch_size != "auto":
            check_count(self, "batch_size")
        if self.clip_norm is not None:
            check_positive(self, "clip_norm")
        if not isinstance(self.average, (bool, np.bool_)):
            check_positive(self, "average", closed=True)
        if self.record not in ("epoch", "step"):
            raise ValueError(f"{type(self).__name__}: record must be 'epoch' or 'step', got {self.record!r}")
        if self.schedule != "auto":
            bind(self.schedule, 1.0)

    def peak_bytes(self, objective: Any, streaming: bool = False) -> int:
        """Do as :meth:`Solver.peak_bytes`, by the state that `init` makes of a table of one row.

        Parameters
        ----------
        objective : Objective
            The objective of the fit, or a copy of another size that only knows its bytes.
        streaming : bool, default=False
            True for `partial_fit`, which evaluates nothing.

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
        # four numbers (one output) or a slot, a count, the mean square of a row; whether a weight is finite is a byte
        alone = objective.shape[1] == 1 and not objective.structured
        place = 4 * objective.dtype.itemsize if alone else 4
        held += n_rows * (place + objective.dtype.itemsize + 8) + 3 * objective.margin_bytes + objective.pass_bytes
        bound = (table if averages else 0) + (objective.bound_bytes if objective.convex else 0)
        end = sparse_end_bytes(objective) if self._ends_sparse(objective) else 0
        return held + max(mean, bound, end)

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
        schedule has come to zero, or after `max_iter` epochs. With L1, steps of the whole objective then set weights to
        0; the state for a later call has the weights before them. It has converged if then the objective's
        `suboptimality_bound` is at most ``100 tol`` of the objective.

        Parameters
        ----------
        objective : Objective
            One of :mod:`skopt_solvers.objectives`, or any with the same members.
        W : ndarray of shape `objective.shape`
            The start, which is not changed.
        max_iter : int
            The largest number of epochs.
        tol : float
            The fall of the objective, relative to it, below which an epoch counts as one without progress.
        rng : numpy.random.RandomState
            Draws the seed of the orders of the samples.
        callback : callable, optional
            ``callback(W, record)`` after each epoch, `record` being its entry in the history; True stops.
        state : dict, optional
            The `state` of an earlier result, from which the epochs go on.
        n_iter_no_change : int, default=5
            Epochs without progress after which the fit ends.
        streaming : bool, default=False
            True for `partial_fit`: one epoch, the objective is not evaluated, and the history has the mean of the
            batches' losses, each before its step.

        Returns
        -------
        Result
        """
        options = dict(max_iter=max_iter, tol=tol, rng=rng, callback=callback)
        more = dict(state=state, n_iter_no_change=n_iter_no_change, streaming=streaming)
        return run_alone(self.epochs(objective, W, **options, **more))

    def epochs(
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
    ) -> Generator[StochasticFit, None, Result]:
        """Do as :meth:`minimize`, and leave the epochs to the caller.

        Parameters
        ----------
        objective, W, max_iter, tol, rng, callback, state, n_iter_no_change, streaming :
            The arguments of :meth:`minimize`, with the same meaning.

        Returns
        -------
        Result

        Yields
        ------
        StochasticFit
            Before each epoch, which the caller has to run.
        """
        fit = StochasticFit(self, objective, W, state, max_iter, rng, streaming)
        reason, proven, reason_at = None, np.nan, None
        reached = f"max_iter={max_iter} was reached"
        for left in reversed(range(1 if streaming else max_iter)):
            yield fit
            W, record = fit.recorded()
            if not streaming:
                reason = self._end_of(fit, tol, n_iter_no_change)
                if self._ends_sparse(objective) and (reason is not None or not left):
                    W = fit.made_sparse(W, record)
            if callback is not None and callback(W, record):
                reason = STOPPED
            if reason is not None:
                break
        asked = self.minimises_objective and objective.convex and not streaming
        if asked and reason is not STOPPED:
            allowed = allowed_suboptimality(tol)
            way = "raise max_iter" if len(fit.history) == max_iter else self._way_on(reason, allowed)
            *end, proven, reason_at = fit.end_by_gap(W, reason or reached, allowed, [way])
        else:
            end = self._end_without_gap(objective, reason, reached)
        as_asked = reason is STOPPED or (reason is not None and not self.minimises_objective)
        return Result(W, len(fit.history), *end, fit.history, fit.state, proven, as_asked, reason_at)

    def _end_of(self, fit, tol, n_iter_no_change):
        """Return why a fit ends after an epoch, or None."""
        improved = fit.improved(tol) or not self.minimises_objective
        fit.waited = 0 if improved or fit.will_slow_down() else fit.waited + 1
        if fit.waited >= n_iter_no_change:
            fall = least_fall(tol, fit.W.dtype)
            return f"the objective fell by less than {fall} of itself in each of {fit.waited} epochs"
        return _SCHEDULE_ENDED if fit.finished() else None

    def _ends_sparse(self, objective):
        """Return whether the end of a fit sets weights to 0: where steps of the whole objective lead to its minimum."""
        return bool(objective.l1) and self.minimises_objective

    def settled(self, objective: Any, W: np.ndarray) -> np.ndarray:
        return proximal_weights(objective, W) if self._ends_sparse(objective) else W

    def _way_on(self, reason, allowed):
        """Return in words how a fit would have gone on that has ended before `max_iter`."""
        if reason is not _SCHEDULE_ENDED:
            return "raise n_iter_no_change"
        return f"set max_suboptimality={allowed:g} to go on" if self.schedule == "auto" else "give a longer schedule"

    def _end_without_gap(self, objective, reason, reached):
        """Return whether a fit has converged that no gap is asked of, why it has ended, and the advice."""
        if reason is None:
            more = "" if self.minimises_objective else ", or give a schedule that comes to zero before"
            return False, reached, f"Raise max_iter{more}."
        if not self.minimises_objective and reason is _SCHEDULE_ENDED:
            reason += f" ({type(self).__name__} does not end at the objective's minimum: no gap is asked)"
        elif not objective.convex and reason is not STOPPED:
            reason += " (with missing labels the objective is not convex: no gap is asked)"
        return True, reason, ""
