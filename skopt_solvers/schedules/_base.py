"""The base of schedules, their names, and what a fit makes of one: a function of time alone."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from .._base.configuration import Configuration
from .._base.nested_parameters import resolve

SCHEDULES: dict[str, type["Schedule"]] = {}  # by name; the package fills it in


class Schedule(Configuration):
    """Base of all schedules: subclass it and write ``__call__``.

    Wherever a schedule is expected, a plain function of one time may stand as well.

    Examples
    --------
    >>> from skopt_solvers.schedules import Schedule
    >>> class Triangle(Schedule):
    ...     def __init__(self, period=2.0):
    ...         self.period = period
    ...     def __call__(self, t):
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
        if not type(resolved).bound.__module__.startswith(
            f"{__package__}."
        ):  # a user's own may count the objectives when it is bound
            return _BoundAtEachUse(resolved, length, objectives)
        return resolved.bound(length, objectives)
    return np.vectorize(lambda t: _real(resolved(t)), otypes=[float])  # a plain function takes one time


class _BoundAtEachUse(Schedule):
    """A schedule with a `bound` of its own, whose objectives may grow."""

    def __init__(self, schedule: Schedule, length: float, objectives: Sequence[float]) -> None:
        self.schedule = schedule
        self.length = length
        self.objectives = objectives

    def __call__(self, t: ArrayLike) -> Factor:
        return self.schedule.bound(self.length, self.objectives)(t)


def _real(factor: Any) -> Any:
    if np.iscomplexobj(factor):
        raise TypeError(f"complex number {factor}")
    return factor


def progress(t: ArrayLike, epochs: Any) -> np.ndarray:
    """Return the part of a length that is over at times t, at most 1."""
    return np.clip(np.asarray(t, dtype=float) / epochs, 0.0, 1.0)
