"""Learning-rate schedules: functions of time that multiply a solver's learning rate.

Time `t` is counted in epochs, with fractions inside an epoch, so that a schedule does not depend on the batch size. A
schedule is a pure function: it keeps no state, so a fit that is interrupted and resumed has the rates of one run.
A length of `None` is the whole of the estimator's `max_iter`, in epochs.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ._base.configuration import Configuration
from ._base.nested_parameters import has_parameters, resolve

__all__ = [
    "Constant",
    "CosineDecay",
    "CosineRestarts",
    "ExponentialDecay",
    "InverseSquareRoot",
    "InverseTime",
    "OneCycle",
    "Piecewise",
    "PolynomialDecay",
    "ReduceOnPlateau",
    "Schedule",
    "ScheduleSequence",
    "StepDecay",
    "Warmup",
]


class Schedule(Configuration):
    """Base of all schedules: subclass it and write ``__call__``.

    Wherever a schedule is expected, a plain function of one time may stand as well.

    Examples
    --------
    >>> from skopt_solvers.schedules import Schedule
    >>> class Triangle(Schedule):
    ...     def __init__(self, period=2.0):
    ...         self.period = period
    ...     def __call__(self, t: ArrayLike) -> Factor:
    ...         return 1 - abs(t / self.period % 1 * 2 - 1)
    >>> Triangle(4)(1.0)
    0.5
    """

    def _names(self) -> dict[str, Mapping[str, Callable[[], Any]]]:
        return {"schedule": SCHEDULES} if "schedule" in self.get_params(deep=False) else {}

    def __call__(self, t: Any) -> Any:
        """Return the factor on the learning rate.

        Parameters
        ----------
        t : float or ndarray
            Epochs done, >= 0.

        Returns
        -------
        float or ndarray of the shape of t, >= 0
        """
        raise NotImplementedError

    def bound(self, length: float, objectives: Sequence[float] = ()) -> "Schedule":
        """Return this schedule with its open lengths filled in, a function of t alone.

        Parameters
        ----------
        length : float
            The epochs that a length of None stands for.
        objectives : sequence of float
            The objective after each epoch so far, for schedules that react to it. A fit binds its schedule once, and
            the list grows with the epochs.

        Returns
        -------
        Schedule
        """
        schedule: Any = copy(self)
        if getattr(self, "epochs", length) is None:
            schedule.epochs = length
        return schedule


ScheduleLike: TypeAlias = str | Schedule | Callable[[float], float]
Factor: TypeAlias = np.ndarray | np.floating


def bind(schedule: ScheduleLike, length: float, objectives: Sequence[float] = ()) -> Callable[[Any], Any]:
    """Return ``schedule.bound(length, objectives)``, for the name of a schedule and for a plain function too."""
    resolved = resolve(schedule, SCHEDULES, "schedule", callable)
    if isinstance(resolved, Schedule):
        if type(resolved).bound.__module__ != __name__:  # a user's own may count the objectives when it is bound
            return _BoundAtEachUse(resolved, length, objectives)
        return resolved.bound(length, objectives)
    return np.vectorize(lambda t: _real(resolved(t)), otypes=[float])  # a plain function takes one time


def _real(factor: Any) -> Any:
    if np.iscomplexobj(factor):
        raise TypeError(f"complex number {factor}")
    return factor


def _progress(t: ArrayLike, epochs: Any) -> np.ndarray:
    return np.clip(np.asarray(t, dtype=float) / epochs, 0.0, 1.0)


class Constant(Schedule):
    """The factor is always 1.

    Examples
    --------
    >>> from skopt_solvers.schedules import Constant
    >>> float(Constant()(3.5))
    1.0
    """

    def __call__(self, t: ArrayLike) -> Factor:
        return np.ones_like(np.asarray(t, dtype=float))


class StepDecay(Schedule):
    """``factor ** floor(t / every)``.

    Parameters
    ----------
    every : float, default=10
        Epochs between two drops, > 0.
    factor : float, default=0.5

    Examples
    --------
    >>> from skopt_solvers.schedules import StepDecay
    >>> StepDecay(every=10, factor=0.5)([0, 9.9, 10, 25]).tolist()
    [1.0, 1.0, 0.5, 0.25]
    """

    def __init__(self, every: float = 10, factor: float = 0.5) -> None:
        self.every = every
        self.factor = factor

    def __call__(self, t: ArrayLike) -> Factor:
        return self.factor ** np.floor(np.asarray(t, dtype=float) / self.every)


class Piecewise(Schedule):
    """``values[i]`` between ``boundaries[i - 1]`` and ``boundaries[i]``.

    Parameters
    ----------
    boundaries : sequence of float, default=(10, 20)
        Times in epochs, increasing.
    values : sequence of float, default=(1.0, 0.1, 0.01)
        One more than there are boundaries.

    Examples
    --------
    >>> from skopt_solvers.schedules import Piecewise
    >>> Piecewise(boundaries=(2, 4), values=(1.0, 0.5, 0.1))([0, 2, 7]).tolist()
    [1.0, 0.5, 0.1]
    """

    def __init__(self, boundaries: Sequence[float] = (10, 20), values: Sequence[float] = (1.0, 0.1, 0.01)) -> None:
        self.boundaries = boundaries
        self.values = values

    def __call__(self, t: ArrayLike) -> Factor:
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(
                f"Piecewise: values must be one more than boundaries, got {len(self.values)} and {len(self.boundaries)}"
            )
        return np.asarray(self.values, dtype=float)[np.searchsorted(self.boundaries, t, side="right")]


class ExponentialDecay(Schedule):
    """``rate ** t``.

    Parameters
    ----------
    rate : float, default=0.9
        Factor an epoch, in (0, 1].

    Examples
    --------
    >>> from skopt_solvers.schedules import ExponentialDecay
    >>> ExponentialDecay(rate=0.5)([0, 1, 2]).tolist()
    [1.0, 0.5, 0.25]
    """

    def __init__(self, rate: float = 0.9) -> None:
        self.rate = rate

    def __call__(self, t: ArrayLike) -> Factor:
        return self.rate ** np.asarray(t, dtype=float)


class PolynomialDecay(Schedule):
    """``end + (1 - end) (1 - t / epochs) ** power``; linear decay with the default power.

    Parameters
    ----------
    epochs : float or None, default=None
        Length; None is the whole of `max_iter`. Afterwards the factor stays at `end`.
    power : float, default=1.0
    end : float, default=0.0

    Examples
    --------
    >>> from skopt_solvers.schedules import PolynomialDecay
    >>> PolynomialDecay(epochs=10)([0, 5, 10, 12]).tolist()
    [1.0, 0.5, 0.0, 0.0]
    """

    def __init__(self, epochs: float | None = None, power: float = 1.0, end: float = 0.0) -> None:
        self.epochs = epochs
        self.power = power
        self.end = end

    def __call__(self, t: ArrayLike) -> Factor:
        return self.end + (1 - self.end) * (1 - _progress(t, self.epochs)) ** self.power


class InverseTime(Schedule):
    """``1 / (1 + decay t)`` (Robbins & Monro 1951).

    Parameters
    ----------
    decay : float, default=1.0

    Examples
    --------
    >>> from skopt_solvers.schedules import InverseTime
    >>> InverseTime(decay=1.0)([0, 1, 3]).tolist()
    [1.0, 0.5, 0.25]
    """

    def __init__(self, decay: float = 1.0) -> None:
        self.decay = decay

    def __call__(self, t: ArrayLike) -> Factor:
        return 1 / (1 + self.decay * np.asarray(t, dtype=float))


class InverseSquareRoot(Schedule):
    """``1 / sqrt(1 + decay t)``.

    Parameters
    ----------
    decay : float, default=1.0

    Examples
    --------
    >>> from skopt_solvers.schedules import InverseSquareRoot
    >>> InverseSquareRoot()([0, 3]).tolist()
    [1.0, 0.5]
    """

    def __init__(self, decay: float = 1.0) -> None:
        self.decay = decay

    def __call__(self, t: ArrayLike) -> Factor:
        return 1 / np.sqrt(1 + self.decay * np.asarray(t, dtype=float))


class CosineDecay(Schedule):
    """``end + (1 - end) (1 + cos(pi t / epochs)) / 2`` (Loshchilov & Hutter 2017, eq. 5, one period).

    Parameters
    ----------
    epochs : float or None, default=None
        Length; None is the whole of `max_iter`. Afterwards the factor stays at `end`.
    end : float, default=0.0

    Examples
    --------
    >>> from skopt_solvers.schedules import CosineDecay
    >>> CosineDecay(epochs=10)([0, 5, 10]).round(6).tolist()
    [1.0, 0.5, 0.0]
    """

    def __init__(self, epochs: float | None = None, end: float = 0.0) -> None:
        self.epochs = epochs
        self.end = end

    def __call__(self, t: ArrayLike) -> Factor:
        return self.end + (1 - self.end) * (1 + np.cos(np.pi * _progress(t, self.epochs))) / 2


class CosineRestarts(Schedule):
    """Cosine decay that starts again at 1 (SGDR: Loshchilov & Hutter 2017, eq. 5).

    Period i, counted from 0, lasts ``period * multiplier ** i`` epochs.

    Parameters
    ----------
    period : float, default=10
        Epochs of the first period, > 0.
    multiplier : float, default=2.0
        Factor on the period at each restart, >= 1.
    end : float, default=0.0

    Examples
    --------
    >>> from skopt_solvers.schedules import CosineRestarts
    >>> CosineRestarts(period=2, multiplier=2)([0, 1, 2, 4, 6]).round(6).tolist()
    [1.0, 0.5, 1.0, 0.5, 1.0]
    """

    def __init__(self, period: float = 10, multiplier: float = 2.0, end: float = 0.0) -> None:
        self.period = period
        self.multiplier = multiplier
        self.end = end

    def __call__(self, t: ArrayLike) -> Factor:
        # 1e-12: a restart's own time, however it is rounded, is in the period that begins
        cycles = np.asarray(t, dtype=float) / self.period
        if self.multiplier == 1:
            fraction = np.clip(cycles - np.floor(cycles + 1e-12), 0, 1)
        else:
            # i full periods take (m^i - 1) / (m - 1) first periods
            m = self.multiplier
            i = np.floor(np.log1p(cycles * (m - 1)) / np.log(m) + 1e-12)
            fraction = np.clip((cycles - (m**i - 1) / (m - 1)) / m**i, 0, 1)
        return self.end + (1 - self.end) * (1 + np.cos(np.pi * fraction)) / 2


class OneCycle(Schedule):
    """The factor rises from `start` to 1 and falls to `end`, in half cosines (Smith & Topin 2018, as in PyTorch).

    Parameters
    ----------
    epochs : float or None, default=None
        Length; None is the whole of `max_iter`.
    peak : float, default=0.3
        Fraction of the length at which the factor is 1, in (0, 1).
    start : float, default=0.04
    end : float, default=0.0

    Examples
    --------
    >>> from skopt_solvers.schedules import OneCycle
    >>> OneCycle(epochs=10, peak=0.5, start=0.0)([0, 2.5, 5, 10]).round(6).tolist()
    [0.0, 0.5, 1.0, 0.0]
    """

    def __init__(self, epochs: float | None = None, peak: float = 0.3, start: float = 0.04, end: float = 0.0) -> None:
        self.epochs = epochs
        self.peak = peak
        self.start = start
        self.end = end

    def __call__(self, t: ArrayLike) -> Factor:
        p = _progress(t, self.epochs)
        up = self.start + (1 - self.start) * (1 - np.cos(np.pi * np.minimum(p / self.peak, 1))) / 2
        down = self.end + (1 - self.end) * (1 + np.cos(np.pi * np.maximum((p - self.peak) / (1 - self.peak), 0))) / 2
        return np.where(p < self.peak, up, down)


class ReduceOnPlateau(Schedule):
    """``factor ** (number of plateaus so far)``.

    A plateau is `patience` epochs in a row whose objective is not below ``(1 - threshold)`` times the best so far. The
    number is counted from the objectives of the epochs done, which a resumed fit keeps: there is no hidden state.

    Parameters
    ----------
    factor : float, default=0.5
    patience : int, default=2
    threshold : float, default=1e-3
    end : float, default=0.0
        The least factor.

    Examples
    --------
    >>> from skopt_solvers.schedules import ReduceOnPlateau
    >>> schedule = ReduceOnPlateau(factor=0.1, patience=2)
    >>> float(schedule.bound(100, objectives=[5.0, 4.0, 4.0])(3.0))
    1.0
    >>> float(schedule.bound(100, objectives=[5.0, 4.0, 4.0, 4.0])(4.0))
    0.1
    """

    def __init__(self, factor: float = 0.5, patience: int = 2, threshold: float = 1e-3, end: float = 0.0) -> None:
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.end = end

    def bound(self, length: float, objectives: Sequence[float] = ()) -> Schedule:
        return _OnPlateau(self, objectives)

    def __call__(self, t: ArrayLike) -> Factor:
        return np.ones_like(np.asarray(t, dtype=float))


class _OnPlateau(Schedule):
    """A :class:`ReduceOnPlateau` that counts in a list of objectives, which may grow."""

    def __init__(self, plateau: "ReduceOnPlateau", objectives: Sequence[float]) -> None:
        self.plateau = plateau
        self.objectives = objectives

    def __call__(self, t: ArrayLike) -> Factor:
        plateau, best, waited, count = self.plateau, np.inf, 0, 0
        for objective in self.objectives:
            if objective < best - plateau.threshold * abs(best) or best == np.inf:
                best, waited = objective, 0
            else:
                waited += 1
                if waited >= plateau.patience:
                    count, waited = count + 1, 0
        return max(plateau.factor**count, plateau.end) * plateau(t)


class _BoundAtEachUse(Schedule):
    """A schedule with a `bound` of its own, whose objectives may grow."""

    def __init__(self, schedule: Schedule, length: float, objectives: Sequence[float]) -> None:
        self.schedule = schedule
        self.length = length
        self.objectives = objectives

    def __call__(self, t: ArrayLike) -> Factor:
        return self.schedule.bound(self.length, self.objectives)(t)


class Warmup(Schedule):
    """A linear rise in front of another schedule, whose own time begins when the rise ends.

    ``start + (1 - start) t / epochs`` for ``t < epochs``, then ``schedule(t - epochs)``.

    Parameters
    ----------
    schedule : Schedule, name or callable, default="constant"
        The schedule that follows. Where its length is None it lasts to the end of `max_iter`.
    epochs : float, default=1
        Length of the rise, > 0.
    start : float, default=0.01

    Examples
    --------
    >>> from skopt_solvers.schedules import PolynomialDecay, Warmup
    >>> Warmup(PolynomialDecay(epochs=8), epochs=2, start=0.0)([0, 1, 2, 6, 10]).tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    def __init__(self, schedule: ScheduleLike = "constant", epochs: float = 1, start: float = 0.01) -> None:
        self.schedule = schedule
        self.epochs = epochs
        self.start = start

    def bound(self, length: float, objectives: Sequence[float] = ()) -> Schedule:
        return _BoundWarmup(self, bind(self.schedule, max(length - self.epochs, 1e-9), objectives))

    def __call__(self, t: ArrayLike) -> Factor:
        return _BoundWarmup(self, bind(self.schedule, np.inf))(t)


class _BoundWarmup(Schedule):
    """A :class:`Warmup` in front of a function of time."""

    def __init__(self, warmup: Warmup, after: Callable[[Any], Any]) -> None:
        self.warmup = warmup
        self.after = after

    def __call__(self, t: ArrayLike) -> Factor:
        time, epochs, start = np.asarray(t, dtype=float), self.warmup.epochs, self.warmup.start
        rise = start + (1 - start) * _progress(time, epochs)
        return np.where(time < epochs, rise, self.after(np.maximum(time - epochs, 0)))


class ScheduleSequence(Schedule):
    """One schedule after another, each beginning its own time at its boundary.

    Parameters
    ----------
    schedules : sequence of Schedule, name or callable
    boundaries : sequence of float
        Times in epochs, increasing, one fewer than there are schedules. A schedule whose length is None lasts to the
        next boundary, or to `max_iter`.

    Examples
    --------
    >>> from skopt_solvers.schedules import Constant, ScheduleSequence, ExponentialDecay
    >>> ScheduleSequence([Constant(), ExponentialDecay(0.5)], boundaries=[3])([0, 3, 4, 5]).tolist()
    [1.0, 1.0, 0.5, 0.25]
    """

    def __init__(self, schedules: Sequence[ScheduleLike] = ("constant",), boundaries: Sequence[float] = ()) -> None:
        self.schedules = schedules
        self.boundaries = boundaries

    def _nested(self) -> dict[str, Any]:
        parts = {f"schedules[{i}]": schedule for i, schedule in enumerate(self.schedules)}
        return parts if any(map(has_parameters, self.schedules)) else {}

    def _starts(self) -> list[float]:
        if len(self.schedules) != len(self.boundaries) + 1:
            raise ValueError(
                "ScheduleSequence: schedules must be one more than boundaries, "
                f"got {len(self.schedules)} and {len(self.boundaries)}"
            )
        return [0.0, *self.boundaries]

    def bound(self, length: float, objectives: Sequence[float] = ()) -> Schedule:
        starts = self._starts()
        ends = [*starts[1:], max(length, starts[-1] + 1e-9)]
        parts = [bind(s, end - start, objectives) for s, start, end in zip(self.schedules, starts, ends, strict=True)]
        return _BoundSequence(parts, starts)

    def __call__(self, t: ArrayLike) -> Factor:
        starts = self._starts()
        return _BoundSequence([bind(schedule, np.inf) for schedule in self.schedules], starts)(t)


class _BoundSequence(Schedule):
    """A :class:`ScheduleSequence` of functions of time."""

    def __init__(self, parts: list[Callable[[Any], Any]], starts: list[float]) -> None:
        self.parts = parts
        self.starts = starts

    def __call__(self, t: ArrayLike) -> Factor:
        time = np.asarray(t, dtype=float)
        factor = np.zeros_like(time)
        for part, start in zip(self.parts, self.starts, strict=True):
            factor = np.where(time >= start, part(np.maximum(time - start, 0)), factor)
        return factor


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "step": StepDecay,
    "piecewise": Piecewise,
    "exponential": ExponentialDecay,
    "linear": PolynomialDecay,
    "inverse_time": InverseTime,
    "inverse_sqrt": InverseSquareRoot,
    "cosine": CosineDecay,
    "cosine_restarts": CosineRestarts,
    "one_cycle": OneCycle,
    "plateau": ReduceOnPlateau,
    "warmup": Warmup,
}
