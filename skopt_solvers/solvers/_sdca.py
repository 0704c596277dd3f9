"""Stochastic dual coordinate ascent."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ._base import Result, Solver, check_count
from ._newton import can_polish, polished
from ._registry import stochastic_names

_EPOCHS_OF_SMALL = 10  # before Newton's method
_FEW_SAMPLES = 500  # of which a fit goes on to the last digit where it has converged


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

    def check(self, objective: Any) -> None:
        check_count(self, "evaluate_every")
        obstacle = obstacle_of(objective)
        if obstacle:
            raise ValueError(
                f"solver='sdca' works on the dual of a linear model with an L2 penalty, and this one has {obstacle}. "
                f"Use solver='lbfgs', or one of {stochastic_names()}."
            )

    def peak_bytes(self, objective: Any) -> int:
        # one array of dual variables and up to six more while a bound is sought; Newton's method has tables of its own
        tables, scratch = (8, objective.newton_bytes) if can_polish(objective) else (3, 0)
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
        if state is None or len(state["shares"]) != objective.X.shape[0]:
            state = dict(epoch=0, seed=int(rng.randint(2**31)), shares=None, W=W)
        ascent = objective.ascent(state["shares"], state["W"][objective.n_penalised :])
        small = can_polish(objective)
        history, stop, converged, trusted, proven = [], None, False, np.inf, np.inf
        n_epochs = min(max_iter, _EPOCHS_OF_SMALL) if small else max_iter
        for number in range(1, n_epochs + 1):
            began = time.perf_counter()
            if state["epoch"]:
                ascent.move_center()
            ascent.epoch((state["seed"] << 32) + (state["epoch"] << 8))
            state["epoch"] += 1
            record = dict(iteration=state["epoch"], objective=None, learning_rate=None, duality_gap=None)
            evaluated = number % self.evaluate_every == 0 or number == n_epochs
            if evaluated:
                value = objective.value(ascent.W)
                gap = abs(value - ascent.value())
                if not np.isfinite(gap):
                    raise FloatingPointError(
                        f"SDCA: the objective or its dual is not finite in epoch {state['epoch']}; scale X or lower C"
                    )
                record.update(objective=objective.scale * value, duality_gap=objective.scale * gap)
            record["seconds"] = time.perf_counter() - began
            history.append(record)
            if callback is not None and callback(ascent.W, record):
                stop, converged = "the callback asked to stop", True
                break
            # the proof costs as much as an epoch, so it waits until it can succeed
            if evaluated and gap <= min(tol * value, trusted):
                proven, trusted = value - ascent.lower_bound(), gap / 2
                if proven <= tol * value:
                    converged = True
                    break
        W = ascent.W
        kept = dict(state, shares=ascent.shares, W=W)
        if stop is None and small and not (converged and objective.n_samples > _FEW_SAMPLES):
            # the last digits of few samples would depend on their order
            position = polished(objective, W)
            W, value = position.W, position.value
            history[-1]["objective"] = objective.scale * value
            # a sum of losses is not known more exactly than this, however small they are in the end
            rounding = 1024 * float(np.finfo(objective.dtype).eps) * objective.value_at_zero()
            proven = objective.suboptimality_bound(W) / objective.scale + rounding
        elif stop is None and not converged:
            # where the gap is above tol already there is nothing to prove
            proven = gap if gap > tol * value else value - ascent.lower_bound()
        if stop is None:
            converged = proven <= tol * value
            relative = f"{proven / value if value else 0.0:.2g}"
            ended = "Newton's method ended" if small else f"max_iter={max_iter} was reached"
            if converged:
                stop = f"the duality gap, {relative} of the objective, is at most tol={tol:g}"
            else:
                stop = f"{ended} with a duality gap of {relative} of the objective, above tol={tol:g}"
        advice = "Raise max_iter or tol, scale the features, lower C, or use solver='lbfgs'."
        return Result(W, len(history), converged, stop, advice, history, kept)


def obstacle_of(objective):
    """What keeps this solver from `objective`, in words, or None."""
    ask = getattr(objective, "dual_obstacle", None)
    return "a model of sequences" if ask is None else ask()


def ascend(objective, epochs):
    """The weights after some epochs, the same for every call: what another solver can start from.

    It ends early where an epoch gains less than 3e-4 of the dual, and goes on for as many again while each gains less
    than half of the one before, which tells that less than that is missing.
    """
    ascent, values = objective.ascent(), [0.0]
    for epoch in range(2 * epochs):
        if epoch:
            ascent.move_center()
        ascent.epoch(epoch << 8)
        values.append(ascent.value())
        gain, before = values[-1] - values[-2], values[-2] - values[max(epoch - 1, 0)]
        if abs(gain) <= 3e-4 * abs(values[-1]) or (epoch + 1 >= epochs and not gain < before / 2):
            break
    return ascent.W
