"""The learning-rate range test: one short run in which the rate grows from step to step."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from .._base.caller import stacklevel_of_caller
from .._base.typing import Matrix, Sequences
from ..solvers import StochasticSolver
from ..solvers._stochastic_fit import StochasticFit, new_state
from .base import resolved_solver
from .last_step import model_and_rows

# The range where none is given, in automatic rates.
_BELOW, _ABOVE = 1e-4, 1e3
# The suggestion is this part of the rate where the loss is least.
_MARGIN = 0.1


@dataclass(repr=False)
class LearningRateRange:
    """The result of :func:`lr_range_test`. Arrays have an entry for each step until the test was stopped.

    Attributes
    ----------
    learning_rates : ndarray of shape (n_steps,)
    losses : ndarray of shape (n_steps,)
        The mean loss of each batch before its step, without the penalty.
    smoothed_losses : ndarray of shape (n_steps,)
        Their exponentially weighted mean.
    minimum : float
        The learning rate where the smoothed loss is least.
    suggestion : float
        A tenth of `minimum`.
    stopped : bool
        True where the loss has gone beyond its bound before `max_lr`.
    """

    learning_rates: np.ndarray
    losses: np.ndarray
    smoothed_losses: np.ndarray
    minimum: float
    suggestion: float
    stopped: bool

    def __repr__(self) -> str:
        return f"LearningRateRange(suggestion={self.suggestion:.3g}, {len(self.losses)} steps)"


def lr_range_test(
    estimator: Any,
    X: Matrix | Sequences,
    y: Any,
    sample_weight: Any = None,
    *,
    min_lr: float | None = None,
    max_lr: float | None = None,
    n_steps: int = 200,
    smoothing: float = 0.9,
    stop_factor: float = 4.0,
) -> LearningRateRange:
    r"""Find a learning rate: let it grow from step to step, and see where the loss falls and where it rises.

    Step i of n has the rate

    .. math:: \eta_i = \eta_{min} (\eta_{max} / \eta_{min})^{i / (n - 1)},

    and the loss of its batch before the step is kept. Losses are smoothed by

    .. math:: m_i = \beta m_{i-1} + (1 - \beta) \ell_i, \qquad \hat m_i = m_i / (1 - \beta^{i + 1}).

    The test ends where :math:`\hat m_i` is not finite, or more than `stop_factor` times the least before. It suggests a
    tenth of the rate where :math:`\hat m` is least: there the steps are about to become too large. The solver's own
    learning rate and schedule play no part.

    Parameters
    ----------
    estimator : LogisticRegression, LinearSVC or LinearChainCRF, or a pipeline that ends with one
        The model, with a stochastic solver. It is not changed.
    X, y : as `fit` takes them
        The training data, for a CRF lists of sequences.
    sample_weight : as `fit` takes it, default=None
        The weights of the samples; None weighs all alike.
    min_lr, max_lr : float or None, default=None
        The first and the last learning rate, > 0. None is a ten-thousandth of the solver's automatic rate, and a
        thousand times that rate.
    n_steps : int, default=200
        The number of steps, at least 10. If an epoch has fewer batches, they take several epochs.
    smoothing : float, default=0.9
        The factor :math:`\beta` of the smoothed losses, in [0, 1). A larger one makes them smoother.
    stop_factor : float, default=4.0
        The test ends when the smoothed loss is this many times the least before; > 1, or ``np.inf``.

    Returns
    -------
    LearningRateRange

    Raises
    ------
    TypeError, ValueError
        For bad input, before any step, by the name of the argument.

    Warns
    -----
    UserWarning
        Where the loss is least at one of the first or at one of the last steps, so that the range must begin lower or
        end higher.

    Notes
    -----
    The test knows the first steps of a fit alone, and the loss without the penalty. A constant rate for many epochs may
    have to be smaller, and that of AdamW, whose decay grows with the rate, up to ten times smaller. A loss that comes
    near zero, as that of separable data does, ends the test earlier.

    References
    ----------
    Smith (2017), Cyclical learning rates for training neural networks, section 3.3. The smoothing and the end are those
    of Howard & Gugger (2020), fastai: a layered API for deep learning.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.model_selection import lr_range_test
    >>> X, y = load_digits(return_X_y=True)
    >>> model = LogisticRegression(C=0.1, solver="adam", random_state=0)
    >>> found = lr_range_test(model, X / 16, y)
    >>> 0.03 < found.suggestion < 0.3
    True
    >>> model = model.set_params(solver__learning_rate=found.suggestion).fit(X / 16, y)
    """
    _check_numbers(min_lr, max_lr, n_steps, smoothing, stop_factor)
    model, X, _ = model_and_rows(estimator, X, y)
    solver = resolved_solver(model)
    if not isinstance(solver, StochasticSolver) or type(solver).minimize is not StochasticSolver.minimize:
        raise ValueError(f"estimator must have a stochastic solver, whose steps have a rate, got solver={solver!r}")
    problem = model.__skopt_data__(X, y, sample_weight).problem().on_few_columns()
    run = model.__skopt_run__(problem, check_random_state(model.random_state))
    low, high = _bounds(run, min_lr, max_lr)
    run.solver.record, run.solver.learning_rate = "step", low
    run.require_memory()
    steps = _GrowingRates(run, np.geomspace(low, high, n_steps))
    with np.errstate(all="ignore"):  # what overflows ends the test
        losses = steps.run_until(lambda losses: _end(smoothed(losses, smoothing), stop_factor) < len(losses))
        means = smoothed(losses, smoothing)
    return _result(steps.all_rates, losses, means, _end(means, stop_factor))


class _GrowingRates(StochasticFit):
    """A fit that makes one step at each of some rates."""

    def __init__(self, run, rates):
        W = np.zeros(run.objective.shape, run.objective.dtype)
        state = new_state(run.solver, run.objective, W, run.rng)
        super().__init__(run.solver, run.objective, W, state, 1, run.rng, streaming=False)
        self.all_rates = rates

    def rates(self):
        begin = self.state["epoch"] * self.n_batches
        return self.all_rates[begin : begin + self.n_batches]

    def order(self):
        return super().order()[: len(self.rates()) * self.batch_size]

    def run_until(self, ended):
        """Return the losses of the steps; no epoch follows one after which ``ended(losses)`` is true."""
        losses = np.empty(0)
        while len(losses) < len(self.all_rates) and not ended(losses):
            n_steps = len(self.rates())
            try:
                self.run_epoch()
            except FloatingPointError:  # the losses after it are not numbers, which ends the test
                pass
            losses = np.append(losses, self.step_losses[:n_steps])
        return losses


def smoothed(losses: np.ndarray, smoothing: float) -> np.ndarray:
    """Return the exponentially weighted means of the losses up to each step, without the bias of their start at 0."""
    mean, means = 0.0, np.empty(len(losses))
    for i, loss in enumerate(losses):
        mean = smoothing * mean + (1 - smoothing) * loss
        means[i] = mean / (1 - smoothing ** (i + 1))
    return means


def _end(means, stop_factor):
    """Return the number of steps before the loss is beyond its bound."""
    least = np.fmin.accumulate(means) if len(means) else means
    beyond = ~np.isfinite(means) | (means > stop_factor * least)
    return int(np.argmax(beyond)) if beyond.any() else len(means)


def _result(rates, losses, means, n_kept):
    best = int(np.argmin(means[:n_kept])) if n_kept else 0
    edge = max(2, len(rates) // 20)
    if best < edge:
        _warn(f"first steps, so that no rate is known to lower it: begin below min_lr={rates[0]:.3g}")
    elif best >= len(rates) - edge:
        _warn(f"last steps, so that larger rates may lower it more: go beyond max_lr={rates[-1]:.3g}")
    minimum = float(rates[best])
    kept = rates[:n_kept].copy(), losses[:n_kept].copy(), means[:n_kept].copy()
    return LearningRateRange(*kept, minimum, _MARGIN * minimum, n_kept < len(losses))


def _warn(where):
    warnings.warn(f"the loss is least at one of the {where}", UserWarning, stacklevel=stacklevel_of_caller())


def _bounds(run, min_lr, max_lr):
    automatic = run.solver.automatic_rate(run.objective) if min_lr is None or max_lr is None else None
    low = _BELOW * automatic if min_lr is None else float(min_lr)
    high = _ABOVE * automatic if max_lr is None else float(max_lr)
    if not low < high:
        raise ValueError(f"min_lr must be below max_lr, got min_lr={low:g} and max_lr={high:g}")
    return low, high


def _check_numbers(min_lr, max_lr, n_steps, smoothing, stop_factor):
    def number(value):
        return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))

    for name, value in (("min_lr", min_lr), ("max_lr", max_lr)):
        if value is not None and not (number(value) and 0 < value < np.inf):
            raise ValueError(f"{name} must be None or a finite number > 0, got {value!r}")
    if not isinstance(n_steps, Integral) or isinstance(n_steps, bool) or n_steps < 10:
        raise ValueError(f"n_steps must be an integer >= 10, got {n_steps!r}")
    if not (number(smoothing) and 0 <= smoothing < 1):
        raise ValueError(f"smoothing must be a number in [0, 1), got {smoothing!r}")
    if not (number(stop_factor) and stop_factor > 1):
        raise ValueError(f"stop_factor must be a number > 1, got {stop_factor!r}")
