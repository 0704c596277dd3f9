"""Limited-memory BFGS, and its forms for L1."""

from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ._base import STOPPED, Result, Solver, allowed_suboptimality, check_count, curvatures, inverse_roots, run_alone
from ._by_output import SHARED_EPOCHS, minimize_by_output
from ._curvature_block import CurvatureBlock, CurvatureMatrix, block_bytes, curvature_block, curvature_matrix
from ._dual_epochs import DualEpochs
from ._features_in_play import make_steps
from ._lbfgs_fit import LBFGSFit
from ._newton import newton_bytes, preferred_way, steps_are_cheap
from ._pairs import Pairs
from ._proximal_pairs import ProximalPairs
from ._registry import stochastic_names
from ._starts import record_of, start_epochs, started

if TYPE_CHECKING:
    from ..objectives._interface import NewtonObjective, Objective
    from ..objectives._interface_points import Position

_FEW_PAIRS = 5  # after epochs of the dual, where there are many outputs
_CACHE, _SHARE = 2**25, 10  # bytes of a history that no cache holds, and non-zeros of X in tables of weights


def _has_large_history(objective):
    """Return whether ten pairs of a log-loss with a dual leave the cache: iterations cost more by them than by X."""
    if objective.shape[1] == 1 or objective.kinked_gradient or 20 * objective.table_bytes <= _CACHE:
        return False
    return not objective.structured


def _has_small_rows(objective):
    """Return whether the squares of X are small beside the table, so that better iterations are worth a pass."""
    size = objective.shape[0] * objective.shape[1]
    return objective.has_newton and cast("NewtonObjective", objective).products()[1] <= _SHARE * size


class LBFGS(Solver):
    r"""Make quasi-Newton steps on the full data (limited-memory BFGS; with L1, OWL-QN).

    .. math:: d = -H g, \qquad W \leftarrow W + t d

    where H comes from the last `memory` pairs of moves and gradient changes by the two-loop recursion, and t meets the
    strong Wolfe conditions. With L1 the direction comes from the pseudo-gradient, and no step leaves the orthant in
    which it starts, which gives exact zeros (OWL-QN). For a CRF of 500 sequences or more, a step with L1 goes instead
    to where :math:`g^\top d + \tfrac{1}{2} d^\top H^{-1} d + l_1 \|W + d\|_1` is least, by coordinate descent. For
    sparse X of a linear model in memory, steps with L1 use a copy of the columns whose features have a weight, or a
    gradient that would give them one, while these are at most half of all.

    The recursion starts from :math:`\gamma D^{-1/2}`, with D a bound on the diagonal of the Hessian where the
    objective has one. For linear models D is the loss's curvature times :math:`\sum_i \omega_i x_{ij}^2`, plus the
    ridge. Where "auto" sets `memory` to 5, it starts from the diagonal at that point to the power -3/4. For a CRF with
    a penalty it starts from an estimate of a block of the Hessian, made once where the epochs end. The block is that of
    up to 2,500 weights that are used most often.

    Where the Hessian is cheap and there is no L1, the steps are Newton's, :math:`d = -\nabla^2 F(W)^{-1} g`. By
    Cholesky's decomposition these are linear models with at most 100 features (with softmax, features times classes),
    or with some hundred of which each sample has few, whatever the scale of the features. By the kernel matrix of the
    samples, in float64, they are the hinges with at most 500 margins (samples times outputs), and other losses with at
    most 150.

    Iterations end when the largest entry of the (pseudo-)gradient of the objective divided by ``C sum_i s_i``, which is
    the mean loss and its penalty, is at most `tol`. For a CRF the gradient is that of the sum over all sequences, whose
    largest entries belong to a few common features and say little of the many rare ones. So its iterations also end
    when the gradients so far prove together that the objective is at most ``20 tol`` of itself above its minimum, and
    when it has fallen by less than `tol` of itself in 10 iterations.

    Parameters
    ----------
    memory : int or "auto", default="auto"
        Pairs kept, >= 1. They take ``2 memory`` times the bytes of the table of weights, and up to ``4 memory`` times
        for a CRF with L1. "auto" is 10. It is 20 for a CRF with L2 alone of a thousand to a million weights, whose
        passes cost far more than the recursion. It is 5 for a log-loss with several outputs that begins with epochs of
        the dual, where 10 take more than 32 MB.
    precondition : bool, default=True
        True starts the recursion from what is known of the Hessian, as above. False starts it from
        :math:`\gamma I`, which takes two tables of weights less.
    start_epochs : int or "auto", default="auto"
        Stochastic epochs before the first iteration, in an order of the samples that is always the same. Each has a
        record in the history, and together they count as one iteration. They are epochs of :class:`SDCA` where that
        takes the problem, and fewer where the fit may be at its end or they are slow. Elsewhere they are epochs of
        :class:`AdaGrad` at a constant rate. Epochs that lead up are dropped. "auto" is 0 but where W starts from
        zeros: at most 40 for a linear model with L2, without cheap steps of Newton's method, and with more than 5,000
        margins (500 for the hinges); 4, or 6 with L1, for a CRF with 500 sequences or more.
    newton : "auto" or False, default="auto"
        "auto" makes steps of Newton's method where they are cheap. False makes none.

    References
    ----------
    Nocedal & Wright (2006), algorithms 7.4, 7.5, 3.5 and 3.6; Andrew & Gao (2007), algorithm 1 (OWL-QN). A CRF with L1:
    Byrd, Nocedal & Schnabel (1994), theorem 2.3; Schmidt, van den Berg, Friedlander & Murphy (2009); Tang & Scheinberg
    (2016), section 4.

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
    def shares_epochs(self) -> bool:  # type: ignore[override]
        """True but for a subclass with a way of its own."""
        return type(self).minimize is LBFGS.minimize

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
        objective : Objective
            The objective of the fit.

        Returns
        -------
        int
        """
        if self.memory != "auto":
            return self.memory
        # 20 save a tenth of the passes of 10, where these cost more than the recursion; in few dimensions so many pairs
        # say more of rounding than of curvature
        if self._epochs(objective) and _has_large_history(objective):
            return _FEW_PAIRS
        n_rows, n_outputs = objective.shape
        if objective.l1 and self._has_block(objective):  # which are packed for each step
            return 10
        return 20 if objective.structured and 1000 <= n_rows * n_outputs <= 10**6 else 10

    def newton_way(self, objective: Any) -> str | None:
        """Return the way of Newton's steps, "direct" or "kernel"; None where the steps are not Newton's.

        Parameters
        ----------
        objective : Objective
            The objective of the fit.

        Returns
        -------
        str or None
        """
        return preferred_way(objective) if self.newton == "auto" else None

    def _epochs(self, objective, from_zeros=True):
        """Return the number of stochastic epochs before the first iteration."""
        if self.start_epochs != "auto":
            return self.start_epochs
        cheap = self.newton == "auto" and steps_are_cheap(objective)
        return start_epochs(objective) if from_zeros and not cheap else 0

    def peak_bytes(self, objective: Any) -> int:
        way = self.newton_way(objective)
        if way is not None:
            newton, ascent = newton_bytes(objective, way), 4 * objective.margin_bytes if self._epochs(objective) else 0
            return 7 * objective.table_bytes + objective.position_bytes + objective.pass_bytes + newton + ascent
        # two sets of pairs of half the rows are in the place of one of all
        narrowed = objective.narrowed_bytes if objective.l1 else 0
        proximal = objective.l1 and self._has_block(objective)
        pairs = (4 if proximal else 2) * self.pairs_kept(objective)
        tables = pairs + (8 if self.precondition else 6) + (5 if objective.l1 else 0)
        if objective.planes() is not None:  # of the running bound, less what a trial needs
            tables += 2 if objective.l1 else 1
        squares = 8 * objective.shape[0]  # of the scaling, or of the bound
        block = block_bytes(objective) if self._has_block(objective) else 0
        # a trial under L1 is a position of its own, and so is that of the features in play
        positions = (1 + bool(objective.l1) + bool(narrowed)) * objective.position_bytes
        passes = (1 + bool(narrowed)) * objective.pass_bytes
        left = objective.adagrad_bytes if objective.has_adagrad_epochs and self._epochs(objective) else 0
        return tables * objective.table_bytes + squares + positions + narrowed + passes + left + block

    def minimize(
        self,
        objective: Any,
        W: np.ndarray,
        *,
        max_iter: int,
        tol: float,
        rng: np.random.RandomState | None = None,
        callback: Callable[[np.ndarray, dict[str, Any]], Any] | None = None,
        allowed: float | None = None,
    ) -> Result:
        """Do as :meth:`Solver.minimize`, until a relative bound of `allowed` is proven, by default ``100 tol``."""
        options = dict(max_iter=max_iter, tol=tol, rng=rng, callback=callback, allowed=allowed)
        return run_alone(self.epochs(objective, W, **options))

    def epochs(
        self,
        objective: Any,
        W: np.ndarray,
        *,
        max_iter: int,
        tol: float,
        rng: np.random.RandomState | None = None,
        callback: Callable[[np.ndarray, dict[str, Any]], Any] | None = None,
        allowed: float | None = None,
    ) -> Generator[DualEpochs, None, Result]:
        """Do as :meth:`minimize`, and leave the epochs of the dual to the caller.

        Parameters
        ----------
        objective : Objective
            One of :mod:`skopt_solvers.objectives`, or any with the same members.
        W : ndarray of shape `objective.shape`
            The start, which is not changed.
        max_iter : int
            The largest number of iterations or epochs.
        tol : float
            The largest entry of the gradient at which a fit ends.
        rng : numpy.random.RandomState
            The source of all random numbers of the fit.
        callback : callable, optional
            ``callback(W, record)`` after each iteration or epoch, `record` being its entry in the history; True stops.
        allowed : float, optional
            The relative bound that is to be proven at the end; None is ``100 tol``.

        Returns
        -------
        Result

        Yields
        ------
        DualEpochs
            Before each epoch, which the caller has to run.
        """
        epochs = self._epochs(objective, from_zeros=not W.any())
        allowed = allowed_suboptimality(tol) if allowed is None else allowed
        limits = max_iter, tol, allowed
        by_output = objective.separable and self.newton_way(objective) is None
        if by_output and not (epochs and objective.dual_obstacle()):
            epochs = min(epochs, SHARED_EPOCHS) if self.start_epochs == "auto" else epochs
            # what is proven is the sum
            begin = lambda one, W, record, tol: self.fit_from(one, one.position(W), (max_iter, tol, np.inf), [record])  # noqa: E731
            return minimize_by_output(objective, W, begin, epochs=epochs, limits=limits, callback=callback)
        fit, before = yield from self._begin(objective, W, epochs, limits)
        make_steps(fit, self.fit_from, callback)
        n_iter, end = len(fit.history), (fit.converged, fit.reason, fit.advice)
        if not n_iter:  # the start is the end
            known = dict(objective=objective.scale * fit.position.value, gradient_norm=fit.norm)
            fit.history.append(record_of(fit.phase, **known))
        history = before + fit.history
        end = *end, history, None, fit.suboptimality(), fit.reason is STOPPED
        return Result(fit.position.W, n_iter, *end, fit.reason_at)

    def _begin(self, objective, W, epochs, limits):
        """Return the state of a fit at its first position, the stochastic epochs being done, and the records before it.

        The epochs count as one iteration.
        """
        if epochs:
            position, records = yield from started(objective, W, epochs, limits[1:])
        else:
            position, records = objective.position(W), []
        if not (np.isfinite(position.value) and np.isfinite(position.gradient).all()):
            raise FloatingPointError(
                f"LBFGS: the objective or its gradient is not finite in {W.dtype} where the fit begins; scale X"
            )
        before = [record for record in records if record["iteration"] == 0]
        made = curvature_matrix if objective.l1 else curvature_block
        block = made(objective, position.W) if self._has_block(objective) and position.W.any() else None
        return self.fit_from(objective, position, limits, records[len(before) :], block), before

    def fit_from(
        self,
        objective: "Objective",
        position: "Position",
        limits: tuple[int, float, float],
        history: list[dict[str, Any]],
        block: CurvatureBlock | CurvatureMatrix | None = None,
    ) -> LBFGSFit:
        """Return the state of a fit at a position, from where its steps are made one by one.

        Parameters
        ----------
        objective : Objective
            The objective of the fit.
        position : Position
            The weights at the start with their margins, which move with the fit.
        limits : tuple of int and two floats
            `max_iter`, `tol` and the relative bound that it has to prove; infinity is none.
        history : list of dict
            The records so far.
        block : CurvatureBlock or CurvatureMatrix, optional
            The block of the Hessian from which the recursion starts; the latter with L1, where it is a model's.

        Returns
        -------
        LBFGSFit
        """
        way, pairs = self.newton_way(objective), None
        if isinstance(block, CurvatureMatrix):
            pairs = ProximalPairs(self.pairs_kept(objective), position.W, block, objective.l1)
        elif way is None:
            memory, scaling = self.pairs_kept(objective), partial(self._scaling, objective)
            after_dual = self.memory == "auto" and bool(history) and history[0]["phase"] == "dual"
            if after_dual and _has_large_history(objective) and _has_small_rows(objective):
                scaling = partial(self._scaling_at, position, objective)
            pairs = Pairs(memory, position.W, scaling, objective.n_threads, block)
        return LBFGSFit(objective, position, way, pairs, *limits, history)

    def _has_block(self, objective):
        """Return whether the recursion starts from a block of the Hessian, where W is not 0."""
        return self.precondition and objective.has_curvature_block and start_epochs(objective) > 0

    def _scaling_at(self, position, objective):
        """Return the diagonal of the Hessian at a position to the power -3/4; where there is none, the same as else."""
        table = objective.curvatures_at(position) if self.precondition else None
        if table is None or not np.isfinite(table).all():
            return self._scaling(objective)
        table[table <= 0] = 1.0
        np.sqrt(table, out=table)
        table *= np.sqrt(table)
        return np.divide(1, table, out=table).ravel()

    def _scaling(self, objective):
        """Return the diagonal that the recursion starts from, one number for each entry of W, or None."""
        if not self.precondition:
            return None
        return inverse_roots(curvatures(objective), objective)
