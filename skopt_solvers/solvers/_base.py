"""The base of solvers, which are configurations that minimise an objective."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from .._base.configuration import Configuration
from .._base.words import compared
from ..schedules import SCHEDULES

if TYPE_CHECKING:
    from ..objectives._interface import Objective
    from ..objectives._interface_points import Position


Outcome = TypeVar("Outcome")

STOPPED = "the callback asked to stop"


@dataclass
class Result:
    """The result of a solver.

    Attributes
    ----------
    W : ndarray, the table of weights; finite.
    n_iter : int, iterations or epochs done in this call.
    converged : bool, whether the solver's own criterion was met.
    stop_reason : str, in words.
    advice : str, what to try when it has not converged.
    history : list of dict, one an iteration or epoch.
    state : dict or None, with which a later call goes on as if there had been no stop.
    suboptimality : float, a proven bound of (P(W) - min P) / P(W); NaN where the solver has proven none.
    as_asked : bool, whether it ended as the user asked: by a callback, or where a solver without the same minimum ends.
    reason_at : callable or None, where a smaller bound would have made it converge: its reason at a bound.
    """

    W: np.ndarray
    n_iter: int
    converged: bool
    stop_reason: str
    advice: str = ""
    history: list = field(default_factory=list)
    state: dict | None = None
    suboptimality: float = np.nan
    as_asked: bool = False
    reason_at: Callable[[float], str] | None = None


class Epochs(Protocol):
    """The epochs of a fit, which it waits for."""

    def run_epoch(self) -> None:
        """Run the next epoch."""


def run_alone(epochs: Generator[Epochs, None, Outcome]) -> Outcome:
    """Run what leaves its epochs to the caller, and return what comes of it."""
    while True:
        try:
            next(epochs).run_epoch()  # which is not kept: it holds tables
        except StopIteration as end:
            return end.value


class Solver(Configuration):
    """Base of all solvers. A solver is configuration: `minimize` never changes it."""

    # True where `minimize` takes the `state` of an earlier result, to go on from there.
    keeps_state: bool = False
    # True where `minimize` looks at single samples or batches, which an objective over a cluster does not have.
    visits_samples: bool = False

    # True where the steps lead to the minimum of the objective; elsewhere its course says nothing of the fit.
    minimises_objective: bool = True
    # True where `epochs` is `minimize` with the epochs left to the caller, who may make them for several fits at once.
    shares_epochs: bool = False

    @property
    def remedy(self) -> str:
        """The words for a user whose fit diverges."""
        return "lower learning_rate" if "learning_rate" in self.get_params(deep=False) else "scale X or sample_weight"

    def _names(self):
        return {"schedule": SCHEDULES} if "schedule" in self.get_params(deep=False) else {}

    def minimize(
        self,
        objective: "Objective",
        W: np.ndarray,
        *,
        max_iter: int,
        tol: float,
        rng: np.random.RandomState,
        callback: Callable[[np.ndarray, dict[str, Any]], Any] | None = None,
    ) -> Result:
        """Minimise `objective` from `W`.

        Parameters
        ----------
        objective : Objective
            One of :mod:`skopt_solvers.objectives`, or any with the same members.
        W : ndarray of shape `objective.shape`
            The start, which is not changed.
        max_iter : int
            The largest number of iterations or epochs.
        tol : float
            The tolerance of the solver's own stopping rule.
        rng : numpy.random.RandomState
            The source of all random numbers of the fit.
        callback : callable, optional
            ``callback(W, record)`` after each iteration, `record` being its entry in the history; True stops.

        Returns
        -------
        Result
        """
        raise NotImplementedError

    def peak_bytes(self, objective: "Objective") -> int:
        """Return the bytes that `minimize` holds at most at once, W at the start included.

        An estimator compares them with the free memory before it begins. The base counts the start, the weights and a
        gradient; a solver that keeps more tables overrides it.

        Parameters
        ----------
        objective : Objective
            The objective of the fit, or a copy of another size that only knows its bytes.

        Returns
        -------
        int
        """
        return 3 * objective.table_bytes + 3 * objective.margin_bytes + objective.pass_bytes

    def settled(self, objective: "Objective", W: np.ndarray) -> np.ndarray:
        """Return the weights of a fit that others have ended, a callback or early stopping: here `W` itself.

        Parameters
        ----------
        objective : Objective
            The objective of the fit.
        W : ndarray of shape `objective.shape`
            The weights where the fit was ended.

        Returns
        -------
        ndarray of shape `objective.shape`
        """
        return W

    def check(self, objective: "Objective") -> None:
        """Raise ValueError where this solver has no sound method for `objective`, or a parameter is out of range."""


def check_positive(solver, *names, low=0.0, high=np.inf, closed=False, optional=False):
    """Raise a ValueError that names a parameter of `solver` outside (low, high), or [low, high) where `closed`.

    None is allowed where `optional`.
    """
    for name in names:
        value = getattr(solver, name)
        if optional and value is None:
            continue
        number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
        try:
            number = number and (low < float(value) < high or (closed and value == low))
        except OverflowError:  # an int that no float is as large as
            number = False
        if not number:
            allowed = f"{'None or ' if optional else ''}a number in {'[' if closed else '('}{low:g}, {high:g})"
            raise ValueError(f"{type(solver).__name__}: {name} must be {allowed}, got {value!r}")


def check_count(solver, name):
    """Raise a ValueError that names a parameter of `solver` that is not an integer >= 1."""
    value = getattr(solver, name)
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{type(solver).__name__}: {name} must be an integer >= 1, got {value!r}")


def allowed_suboptimality(tol: float) -> float:
    """Return the relative suboptimality that a fit must have proven to have converged at a tolerance."""
    return 100 * tol


def relative_bound(objective: "Objective", W: np.ndarray, position: "Position | None" = None) -> float:
    """Return a proven bound of ``(F(W) - min F) / F(W)``, NaN where there is none; it is cheaper at a position."""
    bound = objective.suboptimality_bound(W, 1e-6) if position is None else objective.suboptimality_bound_at(position)
    if not np.isfinite(bound):
        return np.nan
    value = objective.value(W) if position is None else position.value
    return float(bound / (objective.scale * value)) if bound else 0.0


def rounding_of_bounds(dtype: Any) -> float:
    """Return what rounding may hide of a relative bound."""
    return 64.0 * float(np.finfo(dtype).eps)


def unproven(bound: float, allowed: float, by: str = "100 tol") -> str:
    """Return in words what a proven bound says, what is allowed, and by which parameter."""
    told = compared(bound, allowed)
    return f"the objective may be {told} of itself above its minimum, and {allowed:g} ({by}) is allowed"


def remedies(objective: "Objective", *ways: str, lbfgs: bool = True) -> str:
    """Return in a sentence what may help a fit that has not converged: some ways, and those of its problem."""
    scaled = [] if objective.structured else ["scale the features"]
    other = ["use solver='lbfgs'"] if lbfgs and objective.smooth else []
    smaller = "lower C" if objective.l1 or objective.l2 else "give a finite C"
    *before, last = [*ways, *scaled, smaller, *other]
    text = f"{', '.join(before)}, or {last}." if before else f"{last}."
    return text[0].upper() + text[1:]


def least_fall(tol, dtype):
    """Return in words what a fall of the objective was compared with: `tol`, or the rounding of a type above it."""
    eps = float(np.finfo(dtype).eps)
    return f"tol={tol:g}" if tol >= eps else f"{eps:.2g}, the rounding of {np.dtype(dtype)} (tol={tol:g}),"


def curvatures(objective: "Objective") -> np.ndarray:
    """Return a bound on the diagonal of the Hessian of the smooth part, a number for each row of the table."""
    rows = objective.curvature * objective.squared_norms()
    rows[: objective.n_penalised] += objective.l2
    rows[rows <= 0] = 1.0  # a row that no sample has stays where it is; the bound only has to be positive
    return rows


def inverse_roots(rows: np.ndarray, objective: "Objective") -> np.ndarray:
    """Return ``1 / sqrt`` of a row's number for each entry of the table, as a vector; `rows` is written to."""
    np.divide(1, np.sqrt(rows, out=rows), out=rows)  # in place: the tables of a fit are there already
    table = np.empty(objective.shape, objective.dtype)
    table[...] = rows[:, None]
    return table.ravel()


def rounding_of(value: float, dtype: Any) -> float:
    """Return the differences of F that are rounding: a few units in its last place."""
    return float(np.finfo(dtype).eps) * abs(value) * (4.0 if dtype == np.float64 else 0.2)


def pseudo_gradient(objective: "Objective", W, gradient):
    """The subgradient of smallest norm of the objective, L1 included (Andrew & Gao 2007, eq. 4)."""
    if not objective.l1:
        return gradient
    n, l1 = objective.n_penalised, gradient.dtype.type(objective.l1)
    g = gradient.copy()
    w, smooth = W[:n], gradient[:n]
    at_zero = np.sign(smooth) * np.maximum(np.abs(smooth) - l1, 0)
    g[:n] = np.where(w == 0, at_zero, smooth + l1 * np.sign(w))
    return g
