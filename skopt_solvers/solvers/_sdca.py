"""Stochastic dual coordinate ascent."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .._base.words import compared
from ._base import STOPPED, Result, Solver, check_count, run_alone
from ._dual_epochs import DualEpochs
from ._newton import FEW_MARGINS, newton_bytes, polished, polishing_way
from ._registry import stochastic_names

if TYPE_CHECKING:
    from ..objectives._interface import Ascent, DualObjective, NewtonWay

_EPOCHS_OF_SMALL = 10  # before Newton's method
_FEW_SAMPLES = FEW_MARGINS  # of which a fit goes on to the last digit where it has converged


class SDCA(Solver):
    r"""Stochastic dual coordinate ascent: one sample's dual variables at a time, each to its own optimum.

    .. math:: a_i \leftarrow \arg\max_a\; -c_i\, \ell_i^*(-a / c_i) - \tfrac{1}{2} \|W + x_i (a - a_i)^T\|^2,
       \qquad W = \sum_i x_i a_i^T

    with :math:`c_i` the sample's weight in the objective, C times its own. There is no learning rate. An epoch visits
    every sample once in random order, and touches of W only what a sample has; the error falls by a constant factor an
    epoch, ten or so where C times the squared norm of a row is about 1, less where it is large. It takes every loss of
    the linear models but Crammer and Singer's, the plain hinge included, needs L2 (``l1_ratio=0``, C finite), and
    keeps ``n_samples * n_outputs`` numbers besides W.

    Logistic and hinge losses have one step an output (one-versus-rest outputs in parallel threads); softmax takes all
    outputs of a sample in one step, found by Newton's method. An unpenalised intercept, whose dual constraint is
    :math:`\sum_i a_i = 0`, is fitted by the method of multipliers, once an epoch.

    A fit has converged when the duality gap, which the dual variables prove, is at most `tol` of the objective. In
    float64, problems that have steps of Newton's method end with them after 10 epochs (see :class:`LBFGS`; on 500
    margins at most whatever the smooth loss), and of 500 samples or less also where they have converged before.

    Parameters
    ----------
    evaluate_every : int, default=1
        Epochs from one evaluation of the objective and of its gap to the next. It costs a quarter of an epoch with one
        output, and half of one with many, which a fit of a known number of epochs may not want. A fit ends at an epoch
        that has one, its last always; in the records of others `objective` and `duality_gap` are None.

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
        objective, W, max_iter, tol, rng, callback, state :
            See :meth:`minimize`.

        Returns
        -------
        Result

        Yields
        ------
        DualEpochs
            Before each epoch, which the caller has to run.
        """
        if state is None or state["shares"].shape != objective.dual_shape:
            state = dict(epoch=0, seed=int(rng.randint(2**31)), shares=None, W=W)
        ascent = objective.ascent(state["shares"], state["W"][objective.n_penalised :])
        fit = _Fit(objective, ascent, polishing_way(objective), state, tol)
        # 1. epochs, until the gap is proven to be small or there are enough
        n_epochs = max_iter if fit.way is None else min(max_iter, _EPOCHS_OF_SMALL)
        for number in range(1, n_epochs + 1):
            record = yield from fit.epoch(evaluated=number % self.evaluate_every == 0 or number == n_epochs)
            if callback is not None and callback(ascent.W, record):
                fit.stop, fit.converged = STOPPED, True
                break
            if fit.proves():
                break
        kept = dict(state, shares=ascent.shares, W=ascent.W)
        # 2. the last digits, or the bound of a fit that has not proven its gap
        W = ascent.W
        if fit.stop is None:
            W = fit.finished()
            fit.conclude(f"max_iter={max_iter} was reached" if fit.way is None else "Newton's method ended")
        advice = "Raise max_iter or tol, scale the features, lower C, or use solver='lbfgs'."
        end = fit.converged, fit.stop, advice
        return Result(W, len(fit.history), *end, fit.history, kept, fit.suboptimality, fit.stop is STOPPED)


@dataclass
class _Fit:
    """The state of one fit: the problem, the point of its dual, and what was seen on the way to it.

    Attributes
    ----------
    way : str or None, that of the Newton steps at the end.
    state : dict, what a later fit goes on from.
    value, gap : float, the objective and its difference from the dual, when they were last evaluated.
    evaluated : bool, whether that was after the last epoch.
    proven : float, the distance from the minimum that is proven.
    trusted : float, the gap at which the next proof is tried.
    only_gap : bool, whether `proven` is the gap, which is none where dual variables miss the intercept's constraint.
    suboptimality : float, `proven` over the objective at the end; NaN where there is no proof.
    """

    objective: "DualObjective"
    ascent: "Ascent"
    way: "NewtonWay | None"
    state: dict
    tol: float
    work: DualEpochs = field(init=False)
    history: list = field(default_factory=list)
    value: float = np.inf
    gap: float = np.inf
    evaluated: bool = False
    proven: float = np.inf
    trusted: float = np.inf
    only_gap: bool = False
    suboptimality: float = np.nan
    stop: str | None = None
    converged: bool = False

    def __post_init__(self):
        self.work = DualEpochs(self.objective, self.ascent)

    def epoch(self, evaluated):
        """Have an epoch made; return its record, which has the objective and the gap where `evaluated`."""
        began, state, ascent = time.perf_counter(), self.state, self.ascent
        if state["epoch"]:
            ascent.move_center()
        yield self.work.next((state["seed"] << 32) + (state["epoch"] << 8), evaluated)
        state["epoch"] += 1
        record = dict(iteration=state["epoch"], objective=None, learning_rate=None, duality_gap=None)
        self.evaluated = evaluated
        if evaluated:
            self.value = self.work.value
            self.gap = abs(self.value - ascent.value())
            if not np.isfinite(self.gap):
                raise FloatingPointError(
                    f"SDCA: the objective or its dual is not finite in epoch {state['epoch']}; scale X or lower C"
                )
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

    def finished(self):
        """Return the weights at the end: by Newton's method on small problems, and else those of the dual."""
        # the last digits of few samples would depend on their order
        if self.way is not None and not (self.converged and self.objective.n_samples > _FEW_SAMPLES):
            return self._polished()
        if not self.converged:
            # where the gap is above tol already there is nothing to prove
            self.only_gap = above = self.gap > self.tol * self.value
            self.proven = self.gap if above else self.value - self.ascent.lower_bound()
        return self.ascent.W

    def _polished(self):
        objective = self.objective
        position = polished(objective, self.ascent.W, self.way)
        self.value = position.value
        self.history[-1]["objective"] = objective.scale * self.value
        # a sum of losses is not known more exactly than this, however small they are in the end
        rounding = 1024 * float(np.finfo(objective.dtype).eps) * objective.value_at_zero()
        self.proven = objective.suboptimality_bound(position.W) / objective.scale + rounding
        return position.W

    def conclude(self, ended):
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
