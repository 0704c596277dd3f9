"""Schedules that are made of others: a rise in front of one, and one after another."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._base.nested_parameters import has_parameters
from ._base import Factor, Schedule, ScheduleLike, bind, progress


class Warmup(Schedule):
    """Rise linearly, and then follow another schedule, whose own time begins when the rise ends.

    ``start + (1 - start) t / epochs`` for ``t < epochs``, then ``schedule(t - epochs)``.

    Parameters
    ----------
    schedule : Schedule, name or callable, default="constant"
        The schedule that follows. If its length is None, it lasts to the end of `max_iter`.
    epochs : float, default=1
        Length of the rise, > 0.
    start : float, default=0.01
        The first factor.

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
        rise = start + (1 - start) * progress(time, epochs)
        return np.where(time < epochs, rise, self.after(np.maximum(time - epochs, 0)))


class ScheduleSequence(Schedule):
    """Follow one schedule after another; the time of each begins at its boundary.

    Parameters
    ----------
    schedules : sequence of Schedule, name or callable
        The schedules in their order. A plain function of time may stand among them.
    boundaries : sequence of float
        Times in epochs, increasing, one fewer than there are schedules. If the length of a schedule is None, it lasts
        to the next boundary, or to `max_iter`.

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
