"""Stochastic dual coordinate ascent."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base.words import compared
from ._base import STOPPED, Result, Solver, check_count, remedies, run_alone
from ._dual_epochs import DualEpochs
from ._hand_over import LEAST_EPOCHS, epochs_left, go_on, taker, will_not_do
from ._lbfgs import LBFGS
from ._newton import FEW_MARGINS, newton_bytes, polished, polishing_way
from ._registry import stochastic_names

if TYPE_CHECKING:
    from ..objectives._interface import DualObjective
    from ..objectives._interface_points import Ascent, NewtonWay

_EPOCHS_OF_SMALL = 10  # before Newton's method
_FEW_SAMPLES = FEW_MARGINS  # of which a fit goes on to the last digit where it has converged


class SDCA(Solver):
    r"""Set the dual variables of one sample at a time to their optimum (stochastic dual coordinate ascent).

    .. math:: a_i \leftarrow \arg\max_a\; -c_i\, \ell_i^*(-a / c_i) - \tfrac{1}{2} \|W + x_i (a - a_i)^T\|^2,
       \qquad W = \sum_i x_i a_i^T

    with :math:`c_i` the sample's weight in the objective, C times its own. There is no learning rate. An epoch visits
    every sample once in random order, and a visit touches only the rows of W that its sample has. The error falls by a
    constant factor in each epoch: by about ten where C times the squared norm of a row is about 1, by less where it is
    large. The solver takes every loss of the linear models but Crammer and Singer's, also the plain hinge. It needs L2
    (``l1_ratio=0``, C finite), and keeps ``n_samples * n_outputs`` numbers besides W.

    Logistic and hinge losses have one step for each output, and threads share one-versus-rest outputs. Softmax takes
    all outputs of a sample in one step, which Newton's method finds. An intercept has no penalty, and its dual
    constraint is :math:`\sum_i a_i = 0`. The method of multipliers fits it, once an epoch.

    A fit has converged when the duality gap, which the dual variables prove, is at most `tol` of the objective. In
    float64, problems that have steps of Newton's method end with them after 10 epochs (see :class:`LBFGS`; with 500
    margins at most whatever the smooth loss). With 500 samples or less they also do so where they have converged
    before.

    Data that are not text may need thousands of epochs at a large C. Where the gaps show this, L-BFGS goes on from the
    weights, and the fit ends where the same gap is proven. This needs a gradient, which the plain hinge does not have,
    and memory: no more than dual ascent takes, or 64 MB. `n_iter_` and `max_iter` count iterations as epochs. The
    records of `history_` have a `phase`, "sdca" or "lbfgs". With ``tol=0`` a fit makes `max_iter` epochs.

    Parameters
    ----------
    evaluate_every : int, default=1
        Epochs from one evaluation of the objective and of its gap to the next. An evaluation costs a quarter of an
        epoch with one output, and half of one with many. A fit ends only at an epoch that has one, and its last epoch
        always has one. In the records of the other epochs `objective` and `duality_gap` are None.

    References
    ----------
    Hsieh et al. (2008), algorithm 1; Yu, Huang & Lin (2011), section 3; Shalev-Shwartz & Zhang (2013), procedure SDCA.

    Examples
    --------
    >>> from skopt_solvers import LinearSVC
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], [0, 1, 0, 1]
    >>> model = LinearSVC(loss="hinge", solver="sdca", random_state=0).fit(X, y)
    >>> model.converged_, model.predict(X).tolist()
    (True, [0, 1, 0, 1])
    """

    keeps_state = True
    visits_samples = True

    def __init__(self, evaluate_every: int = 1) -> None:
        self.evaluate_every = evaluate_every

    @property
    def shares_epochs(self) -> bool:  # type: ignore[override]
        """True but for a subclass with a way of its own."""
        return type(self).minimize is SDCA.minimize

    def check(self, objective: Any) -> None:
        check_count(self, "evaluate_every")
        obstacle = objective.dual_obstacle()
        if obstacle:
            raise ValueError(
                f"solver='sdca' works on the dual of a linear model with an L2 penalty, and this one has {obstacle}. "
                f"Use solver='lbfgs', or one of {stochastic_names()}."
            )

    def peak_bytes(self, objective: Any) -> int:
        # one array of dual variables and up to six more while a bound is sought; Newton's method has tables of its own
        way = polishing_way(objective)
        tables, scratch = (3, 0) if way is None else (8, newton_bytes(objective, way))
        return tables * objective.table_bytes + 7 * objective.margin_bytes + objective.pass_bytes + scratch

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
    ) -> Result:
        """Do as :meth:`Solver.minimize`, from the dual variables in `state`, or from zeros whatever `W` is."""
        options = dict(max_iter=max_iter, tol=tol, rng=rng, callback=callback, state=state)
        return run_alone(self.epochs(objective, W, **options))

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
    ) -> Generator[DualEpochs, None, Result]:
        """Do as :meth:`minimize`, and leave the epochs to the caller.

        Parameters
        ----------
        objective : Objective
            One of :mod:`skopt_solvers.objectives`, or any with the same members.
        W : ndarray of shape `objective.shape`
            The start, which is not changed.
        max_iter : int
            The largest number of iterations or epochs.
        tol : float
            The duality gap, relative to the objective, at which a fit ends.
        rng : numpy.random.RandomState
            The source of all random numbers of the fit.
        callback : callable, optional
            ``callback(W, record)`` after each iteration or epoch, `record` being its entry in the history; True stops.
        state : dict, optional
            The `state` of an earlier result, whose dual variables are the start; without it they are zeros.

        Returns
        -------
        Result

        Yields
        ------
        DualEpochs
            Before each epoch, which the caller has to run.
        """
        other = taker(objective, self.peak_bytes(objective))
        if state is None or not _resumes(state, objective, other):
            state = dict(epoch=0, seed=int(rng.randint(2**31)), shares=None, W=W)
        fit = _Fit(objective, other, state, max_iter, tol)
        # 1. epochs, until the gap is proven to be small, or there are enough, or they will not suffice
        n_epochs = max_iter if fit.way is None else min(max_iter, _EPOCHS_OF_SMALL)
        for number in range(1, n_epochs + 1 if fit.ascent is not None else 1):
            record = yield from fit.epoch(evaluated=number % self.evaluate_every == 0 or number == n_epochs)
            if callback is not None and callback(fit.W, record):
                fit.stop, fit.converged = STOPPED, True
                break
            if fit.proves() or fit.is_slow():
                break
        # 2. the rest of the way, the last digits, or the bound of a fit that has not proven its gap
        if fit.stop is None:
            fit.finish(callback)
        end = fit.converged, fit.stop, fit.advice
        return Result(fit.W, len(fit.history), *end, fit.history, fit.kept, fit.suboptimality, fit.stop is STOPPED)


def _resumes(state: dict[str, Any], objective: "DualObjective", other: LBFGS | None) -> bool:
    """Return whether a fit can go on from a state: of the same samples, and of L-BFGS where that can go on."""
    if "shares" in state:
        return bool(state["shares"].shape == objective.dual_shape)
    return bool(state["dual_shape"] == objective.dual_shape) and other is not None


@dataclass
class _Fit:
    """The state of one fit: the problem, the point of its dual, and what was seen on the way to it.

    Attributes
    ----------
    taker : LBFGS or None, the solver that goes on where epochs will not suffice.
    state : dict, what the fit goes on from; `kept` is what a later one goes on from.
    ascent : Ascent or None, the point of the dual; None where an earlier fit has gone over to L-BFGS.
    way : str or None, that of the Newton steps at the end.
    W : ndarray, the weights.
    value, gap : float, the objective and its difference from the dual, when they were last evaluated.
    gaps : list, the epochs with an evaluation and their gaps.
    doubts : int, evaluations in a row that tell that the epochs will not suffice.
    evaluated : bool, whether there was one after the last epoch.
    proven : float, the distance from the minimum that is proven.
    trusted : float, the gap at which the next proof is tried.
    only_gap : bool, whether `proven` is the gap, which is none where dual variables miss the intercept's constraint.
    suboptimality : float, `proven` over the objective at the end; NaN where there is no proof.
    """

    objective: "DualObjective"
    taker: LBFGS | None
    state: dict
    max_iter: int
    tol: float
    ascent: "Ascent | None" = None
    way: "NewtonWay | None" = field(init=False)
    history: list = field(default_factory=list)
    value: float = np.inf
    gap: float = np.inf
    gaps: list = field(default_factory=list)
    doubts: int = 0
    evaluated: bool = False
    proven: float = np.inf
    trusted: float = np.inf
    only_gap: bool = False
    suboptimality: float = np.nan
    stop: str | None = None
    converged: bool = False

    def __post_init__(self):
        objective, state = self.objective, self.state
        self.way = polishing_way(objective)
        if "shares" in state:
            self.ascent = objective.ascent(state["shares"], state["W"][objective.n_penalised :])
            self.work = DualEpochs(objective, self.ascent)
        self.W = state["W"] if self.ascent is None else self.ascent.W

    @property
    def kept(self):
        """The state of this fit at its end."""
        if self.ascent is None:
            return self.state
        return dict(self.state, shares=self.ascent.shares, W=self.ascent.W)

    def epoch(self, evaluated):
        """Have an epoch made; return its record, which has the objective and the gap where `evaluated`."""
        began, state, ascent = time.perf_counter(), self.state, self.ascent
        if state["epoch"]:
            ascent.move_center()
        yield self.work.next((state["seed"] << 32) + (state["epoch"] << 8), evaluated)
        state["epoch"] += 1
        record = dict(iteration=state["epoch"], phase="sdca", objective=None, learning_rate=None, duality_gap=None)
        self.evaluated = evaluated
        if evaluated:
            self.value = self.work.value
            self.gap = abs(self.value - ascent.value())
            if not np.isfinite(self.gap):
                raise FloatingPointError(
                    f"SDCA: the objective or its dual is not finite in epoch {state['epoch']}; scale X or lower C"
                )
            self.gaps.append((len(self.history) + 1, self.gap))
            scale = self.objective.scale
            record.update(objective=scale * self.value, duality_gap=scale * self.gap)
        record["seconds"] = time.perf_counter() - began
        self.history.append(record)
        return record

    def proves(self):
        """Return whether the gap is proven to be within `tol`; it is tried where that can succeed."""
        # the proof costs as much as an epoch
        if self.evaluated and self.gap <= min(self.tol * self.value, self.trusted):
            self.proven, self.trusted = self.value - self.ascent.lower_bound(), self.gap / 2
            self.converged = self.proven <= self.tol * self.value
        return self.converged

    def is_slow(self):
        """Return whether the epochs will not suffice, at the rate that two evaluations in a row tell."""
        left = self.max_iter - len(self.history)
        if self.way is not None or self.taker is None or not (self.evaluated and self.tol and left):
            return False
        self.doubts = self.doubts + 1 if will_not_do(self.gaps, self.tol * self.value, left) else 0
        return self.doubts > 1

    def finish(self, callback):
        """Go to the end: by L-BFGS, by Newton's method on small problems, or with the weights of the dual."""
        if self.ascent is None or self.doubts > 1:
            self._hand_over(callback)
        # the last digits of few samples would depend on their order
        elif self.way is not None and not (self.converged and self.objective.n_samples > _FEW_SAMPLES):
            self._polish()
            self._conclude("Newton's method ended")
        else:
            if not self.converged:
                # where the gap is above tol already there is nothing to prove
                self.only_gap = above = self.gap > self.tol * self.value
                self.proven = self.gap if above else self.value - self.ascent.lower_bound()
            self._conclude(f"max_iter={self.max_iter} was reached")

    @property
    def advice(self):
        """The advice where the fit has not converged."""
        if self.converged:
            return ""
        if not self.objective.smooth:
            return remedies(self.objective, "raise max_iter or tol", f"use {self.objective.smooth_losses}", lbfgs=False)
        ways = "raise max_iter or tol" if self.way is None else "raise tol"
        return remedies(self.objective, ways, lbfgs=self.ascent is not None)

    def _hand_over(self, callback):
        """Go on by L-BFGS, from zeros where the epochs have led up."""
        objective, done = self.objective, len(self.history)
        if self.ascent is not None and not self.value <= objective.value_at_zero():
            self.W = np.zeros_like(self.W)
        options = dict(max_iter=self.max_iter - done, tol=self.tol, allowed=self.tol)
        result = go_on(self.taker, objective, self.W, self.state["epoch"], callback, **options)
        self.W, self.ascent, self.history = result.W, None, self.history + result.history
        last = result.history[-1]["objective"] / objective.scale if result.history else objective.value(self.W)
        self.value, self.proven = last, result.suboptimality * last
        epoch = self.state["epoch"] + result.n_iter
        self.state = dict(epoch=epoch, seed=self.state["seed"], dual_shape=objective.dual_shape, W=self.W)
        if result.as_asked:
            self.stop, self.converged, self.suboptimality = STOPPED, True, result.suboptimality
            return
        full = len(self.history) >= self.max_iter
        self._conclude(f"max_iter={self.max_iter} was reached" if full else result.stop_reason)

    def _polish(self):
        objective = self.objective
        position = polished(objective, self.W, self.way)
        self.value = position.value
        self.history[-1]["objective"] = objective.scale * self.value
        # a sum of losses is not known more exactly than this, however small they are in the end
        rounding = 1024 * float(np.finfo(objective.dtype).eps) * objective.value_at_zero()
        self.proven = objective.suboptimality_bound(position.W) / objective.scale + rounding
        self.W = position.W

    def _conclude(self, ended):
        """Say whether the fit has converged, and why it has ended."""
        self.converged = self.proven <= self.tol * self.value
        quotient = float(self.proven / self.value) if self.value else 0.0
        relative = compared(quotient, self.tol, 2)
        # the gap alone is that of dual variables that need not meet the intercept's constraint
        self.suboptimality = np.nan if self.only_gap else quotient
        if self.converged:
            self.stop = f"the duality gap, {relative} of the objective, is at most tol={self.tol:g}"
        else:
            self.stop = f"{ended} with a duality gap of {relative} of the objective, above tol={self.tol:g}"
            self.stop += self._outlook()

    def _outlook(self):
        """Return in words how many more epochs it would take, where their rate is known and they are the way."""
        if self.ascent is None or self.way is not None or not self.only_gap or len(self.history) < LEAST_EPOCHS:
            return ""
        left = epochs_left(self.gaps, self.tol * self.value)
        if np.isnan(left) or not self.tol:
            return ""
        if np.isinf(left):
            return ", and it has not fallen in the last half of the epochs"
        return f", and would take about {left:.2g} epochs more at the rate of the last ones"
