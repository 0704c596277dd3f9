"""Limited-memory BFGS, and its form for L1 (OWL-QN)."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _kernels
from ._base import Result, Solver, check_count, pseudo_gradient
from ._line_search import backtrack, strong_wolfe
from ._newton import POLISHED, newton_step
from ._registry import stochastic_names
from ._rules import warm_up
from ._sdca import ascend, obstacle_of

_STALLED = 10  # iterations in which neither the objective nor the gradient falls: what is left is rounding


class LBFGS(Solver):
    r"""Limited-memory BFGS on the full data; with L1, OWL-QN.

    .. math:: d = -H g, \qquad W \leftarrow W + t d

    where H comes from the last `memory` pairs of moves and gradient changes by the two-loop recursion, and t meets the
    strong Wolfe conditions. With L1 the direction is made of the pseudo-gradient, and no step leaves the orthant in
    which it starts, which gives exact zeros.

    The recursion starts from :math:`\gamma D^{-1/2}`, with D a bound on the diagonal of the Hessian where the
    objective has one (for linear models the loss's curvature times :math:`\sum_i \omega_i x_{ij}^2`, plus the ridge),
    and from :math:`\gamma I` without `precondition`.

    Where the Hessian is cheap and there is no L1, steps are Newton's instead, :math:`d = -\nabla^2 F(W)^{-1} g`: linear
    models of at most 100 features (with softmax, features times classes) by Cholesky's decomposition, whatever the
    scale of the features; in float64 the hinges of at most 500 margins (samples times outputs), and other losses of at
    most 150, by conjugate gradients.

    Iterations end when the largest entry of the (pseudo-)gradient of the objective divided by ``C sum_i s_i``, which is
    the mean loss and its penalty, is at most `tol`. For a CRF the gradient is that of the sum over all sequences, and
    they also end when the objective has fallen by less than `tol` of itself in 10 iterations: its largest entries
    belong to a few common features and say little of the many rare ones.

    Parameters
    ----------
    memory : int or "auto", default="auto"
        Pairs kept, >= 1. They take ``2 memory`` times the bytes of the table of parameters. "auto" is 10, and 20 for a
        CRF of a thousand to a million parameters, whose passes cost far more than the recursion.
    precondition : bool, default=True
    start_epochs : int or "auto", default="auto"
        Stochastic epochs before the first iteration, in an order of the samples that is always the same; all together
        are the first record of the history. They are epochs of :class:`SDCA` where that has a method, fewer where one
        gains nearly nothing and up to twice as many while each gains less than half of the one before, and of
        :class:`AdaGrad` at a constant rate elsewhere; where they lead up they are dropped. "auto" is what the objective
        asks for where W starts from zeros: 5 for a linear model with L2, without Newton's steps, and more than 5,000
        margins (500 for the hinges); 4, or 6 with L1, for a CRF with 500 sequences or more; else 0.
    newton : "auto" or False, default="auto"
        False: no steps of Newton's method.

    References
    ----------
    Nocedal & Wright (2006), algorithms 7.4, 7.5, 3.5 and 3.6; Andrew & Gao (2007), algorithm 1 (OWL-QN).

    Examples
    --------
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.solvers import LBFGS
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], [0, 1, 0, 1]
    >>> model = LogisticRegression(solver=LBFGS(memory=5), tol=1e-8).fit(X, y)
    >>> model.converged_, bool(model.suboptimality_bound(X, y) < 1e-12)
    (True, True)
    """

    def __init__(
        self,
        memory: int | str = "auto",
        precondition: bool = True,
        start_epochs: int | str = "auto",
        newton: bool | str = "auto",
    ) -> None:
        self.memory = memory
        self.precondition = precondition
        self.start_epochs = start_epochs
        self.newton = newton

    @property
    def visits_samples(self) -> bool:  # type: ignore[override]
        """True where epochs come first, whatever the objective asks for."""
        return self.start_epochs not in ("auto", 0)

    def check(self, objective: Any) -> None:
        if self.memory != "auto":
            check_count(self, "memory")
        if self.start_epochs != "auto" and not (self.start_epochs == 0 and type(self.start_epochs) is int):
            check_count(self, "start_epochs")
        if not (self.newton is False or self.newton == "auto"):
            raise ValueError(f"LBFGS: newton must be 'auto' or False, got {self.newton!r}")
        if not objective.smooth:
            raise ValueError(
                "solver='lbfgs' needs a loss with a gradient everywhere, and this one has kinks. Use "
                f"{objective.smooth_losses}, or one of the solvers 'sdca' "
                f"(multi_class='ovr', l1_ratio=0), {stochastic_names()}."
            )

    def pairs_kept(self, objective: Any) -> int:
        """Return the number of pairs that `memory` means for an objective.

        Parameters
        ----------
        objective : an objective

        Returns
        -------
        int
        """
        return getattr(objective, "memory", 10) if self.memory == "auto" else self.memory

    def takes_newton_steps(self, objective: Any) -> bool:
        """Tell whether the steps are Newton's."""
        return self.newton == "auto" and getattr(objective, "prefers_newton", False)

    def peak_bytes(self, objective: Any) -> int:
        if self.takes_newton_steps(objective):
            return 8 * objective.table_bytes + objective.position_bytes + objective.pass_bytes + objective.newton_bytes
        tables = 2 * self.pairs_kept(objective) + (8 if self.precondition else 6) + (5 if objective.l1 else 0)
        squares = 8 * objective.shape[0] if self.precondition else 0
        # a trial under L1 is a position of its own
        positions = (2 if objective.l1 else 1) * objective.position_bytes
        return tables * objective.table_bytes + squares + positions + objective.pass_bytes

    def minimize(
        self,
        objective: Any,
        W: np.ndarray,
        *,
        max_iter: int,
        tol: float,
        rng: np.random.RandomState | None = None,
        callback: Callable[[np.ndarray, dict[str, Any]], Any] | None = None,
    ) -> Result:
        history, stop, converged, advice = [], None, False, ""
        newton = self.takes_newton_steps(objective)
        # where L-BFGS would stop between the kinks of a hinge depends on rounding; Newton's method gets to the end
        exact = newton and objective.kinked_gradient and objective.dtype == np.float64
        best, waited, values = (np.inf, np.inf), 0, []
        position = self._started(objective, W, history)
        if not (np.isfinite(position.value) and np.isfinite(position.gradient).all()):
            raise FloatingPointError(
                f"LBFGS: the objective or its gradient is not finite in {W.dtype} where the fit begins; scale X"
            )
        pairs = None if newton else self._pairs(objective, position.W)
        while True:
            began = time.perf_counter()
            W, gradient = position.W, position.gradient
            steepest = pseudo_gradient(objective, W, gradient)
            norm = float(np.abs(steepest).max())
            if history:
                history[-1]["gradient_norm"] = norm
                history[-1]["seconds"] += time.perf_counter() - began
                if callback is not None and callback(W, history[-1]):
                    stop, converged = "the callback asked to stop", True
                    break
                began = time.perf_counter()
            values.append(position.value)
            stop = stop if converged else _criterion(objective, norm, values, tol)
            converged = bool(stop)
            if converged and (not exact or norm <= POLISHED):
                break
            waited = 0 if position.value < best[0] or norm < best[1] else waited + 1
            best = (min(position.value, best[0]), min(norm, best[1]))
            if len(history) >= max_iter:
                if converged:
                    break
                stop = f"max_iter={max_iter} was reached with max|gradient| {norm:.3g} above tol={tol:g}"
                advice = "Raise max_iter or tol, scale the features, or lower C."
                break
            if waited >= _STALLED:
                step = None
            elif newton:
                step = newton_step(position)
            else:
                before = W.copy()
                step, position = self._step(objective, position, pairs, steepest)
            if step is None:
                if converged:
                    break
                stop = f"no step lowers the objective any more in {W.dtype}, max|gradient| {norm:.3g}, tol={tol:g}"
                advice = "Raise tol" + ("." if W.dtype == np.float64 else ", or give X in float64.")
                break
            if not newton:
                pairs.add(position.W, before, position.gradient, gradient)
            record = dict(
                iteration=len(history) + 1,
                objective=objective.scale * position.value,
                learning_rate=step,
                seconds=time.perf_counter() - began,
            )
            history.append(record)
        return Result(position.W, len(history), converged, stop, advice, history)

    def _started(self, objective, W, history):
        """The position after the start, where it has led down."""
        epochs = self.start_epochs
        if epochs == "auto":
            none = W.any() or self.takes_newton_steps(objective)
            epochs = 0 if none else getattr(objective, "start_epochs", 0)
        if not epochs:
            return objective.position(W)
        began = time.perf_counter()
        if obstacle_of(objective) is None:
            # where C |x|^2 is large the epochs may lead up, and they start from 0 whatever W is
            most = objective.value(W) if W.any() else objective.value_at_zero()
            position, rate = objective.position(ascend(objective, epochs)), None
            if not position.value <= most:
                return objective.position(W)
        else:
            try:
                W_start, first_loss, rate = warm_up(objective, W, epochs, batch_size=16)
            except FloatingPointError:
                return objective.position(W)
            position = objective.position(W_start)
            # with a strong penalty the epochs may lead up: what the first of them saw tells
            if not position.value <= first_loss:
                return objective.position(W)
        history.append(
            dict(
                iteration=1,
                objective=objective.scale * position.value,
                learning_rate=rate,
                seconds=time.perf_counter() - began,
            )
        )
        return position

    def _pairs(self, objective, W):
        return _Pairs(self.pairs_kept(objective), W, self._scaling(objective), objective.n_threads)

    def _scaling(self, objective):
        if not self.precondition or not hasattr(objective, "squared_norms"):
            return None
        rows = objective.curvature * objective.squared_norms()
        rows[: objective.n_penalised] += objective.l2
        # a row that no sample has stays where it is; its scaling only has to be finite
        rows = np.where(rows > 0, rows, 1.0)
        return np.repeat(1 / np.sqrt(rows), objective.shape[1]).astype(objective.dtype)

    def _step(self, objective, position, pairs, steepest):
        """The step length and the position downhill; None where there is none, even along the gradient itself."""
        value = position.value
        # differences of F below a few units in its last place are rounding
        noise = float(np.finfo(position.W.dtype).eps) * abs(value) * (4.0 if objective.dtype == np.float64 else 0.2)
        for _ in range(2):
            D = pairs.direction(steepest)
            if objective.l1:
                n = objective.n_penalised
                D[:n][D[:n] * steepest[:n] >= 0] = 0
            slope = _kernels.dot(steepest.ravel(), D.ravel())
            if np.isfinite(slope) and slope < 0:
                if objective.l1:
                    t, position = backtrack(objective, position, D, steepest, pairs.first_step(), noise)
                else:
                    options = dict(step=pairs.first_step(), noise=noise)
                    if hasattr(position, "curvature_condition"):
                        options["curvature"] = position.curvature_condition
                    t = strong_wolfe(position.along(D), value, slope, **options)
                    if t is not None:
                        position.move(t)
                if t is not None:
                    return t, position
            if not pairs.forget():
                break
        return None, position


def _criterion(objective, norm, values, tol):
    """Why the iterations may end, or None."""
    unit, window = getattr(objective, "gradient_unit", 1.0), getattr(objective, "decrease_window", 0)
    if norm * unit <= tol:
        return f"max|gradient| {norm * unit:.3g} is at most tol={tol:g}"
    if window and len(values) > window and values[-1 - window] - values[-1] <= tol * abs(values[-1]):
        return f"the objective fell by less than tol={tol:g} of itself in {window} iterations"
    return None


class _Pairs:
    """The pairs (s, y) of the recursion, newest first in `order`, and the scaling that it starts from."""

    def __init__(self, memory, W, scaling, n_threads):
        self.memory, self.shape, self.dtype, self.n_threads = memory, W.shape, W.dtype, n_threads
        self.S = np.empty((memory, W.size), W.dtype)
        self.Y = np.empty_like(self.S)
        self.rho = np.zeros(memory)
        self.order, self.gamma = [], 1.0
        self.h0 = np.empty(0, W.dtype) if scaling is None else scaling
        self._direction = np.empty_like(W)

    def forget(self):
        """Start again from the gradient; False where there was nothing to forget."""
        had, self.order, self.gamma = bool(self.order), [], 1.0
        return had

    def first_step(self):
        """The first trial: 1 for a quasi-Newton direction; for a gradient, one that moves W by about 1."""
        if self.order:
            return 1.0
        return 1.0 / max(1.0, float(np.sqrt(_kernels.dot(self._direction.ravel(), self._direction.ravel()))))

    def direction(self, g):
        d = self._direction
        order = np.array(self.order, dtype=np.int64)
        _kernels.two_loop(
            self.S.ravel(), self.Y.ravel(), self.rho, order, g.ravel(), self.h0, self.gamma, d.ravel(), self.n_threads
        )
        return d

    def add(self, W, before, gradient, gradient_before):
        slot = (self.order[0] + 1) % self.memory if self.order else 0
        s, y = self.S[slot], self.Y[slot]
        np.subtract(W.ravel(), before.ravel(), out=s)
        np.subtract(gradient.ravel(), gradient_before.ravel(), out=y)
        self.order = [i for i in self.order if i != slot]
        curvature = _kernels.dot(s, y)
        length = _kernels.dot(y, y * self.h0 if self.h0.size else y)
        # a pair without curvature, or lost in rounding, would make H indefinite (Nocedal & Wright, section 6.1)
        if curvature > np.finfo(self.dtype).eps * length * self.gamma:
            self.rho[slot] = 1 / curvature
            self.gamma = curvature / length
            self.order.insert(0, slot)
