"""Schedules that stay, drop in steps or fall by a power of time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ._base import Factor, Schedule, progress


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
    """Drop by a factor every few epochs: ``factor ** floor(t / every)``.

    Parameters
    ----------
    every : float, default=10
        Epochs between two drops, > 0.
    factor : float, default=0.5
        Multiplies the rate at each drop.

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
    """Take given values between given times: ``values[i]`` from ``boundaries[i - 1]`` to ``boundaries[i]``.

    Parameters
    ----------
    boundaries : sequence of float, default=(10, 20)
        Times in epochs, increasing.
    values : sequence of float, default=(1.0, 0.1, 0.01)
        The factors, one more than there are boundaries.

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
    """Fall by the same factor in each epoch: ``rate ** t``.

    Parameters
    ----------
    rate : float, default=0.9
        The factor of one epoch, in (0, 1].

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
    """Fall by a power of the time that is left: ``end + (1 - end) (1 - t / epochs) ** power``.

    Parameters
    ----------
    epochs : float or None, default=None
        Length; None is the whole of `max_iter`. Afterwards the factor stays at `end`.
    power : float, default=1.0
        The exponent, > 0. 1 is linear decay; with a larger one the factor falls faster at first.
    end : float, default=0.0
        The last factor, in [0, 1].

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
        return self.end + (1 - self.end) * (1 - progress(t, self.epochs)) ** self.power


class InverseTime(Schedule):
    """Fall as the inverse of time: ``1 / (1 + decay t)`` (Robbins & Monro 1951).

    Parameters
    ----------
    decay : float, default=1.0
        How fast the factor falls, >= 0: it is 1/2 after ``1 / decay`` epochs.

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
    """Fall as the inverse root of time: ``1 / sqrt(1 + decay t)``.

    Parameters
    ----------
    decay : float, default=1.0
        How fast the factor falls, >= 0: it is 1/2 after ``3 / decay`` epochs.

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
