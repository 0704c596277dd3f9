"""Schedules that rise and fall in half cosines."""

import numpy as np
from numpy.typing import ArrayLike

from ._base import Factor, Schedule, progress


class CosineDecay(Schedule):
    """Fall in half a cosine: ``end + (1 - end) (1 + cos(pi t / epochs)) / 2``.

    This is one period of Loshchilov & Hutter (2017), eq. 5.

    Parameters
    ----------
    epochs : float or None, default=None
        Length; None is the whole of `max_iter`. Afterwards the factor stays at `end`.
    end : float, default=0.0
        The last factor, in [0, 1].

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
        return self.end + (1 - self.end) * (1 + np.cos(np.pi * progress(t, self.epochs))) / 2


class CosineRestarts(Schedule):
    """Fall in half a cosine, and start again at 1 (SGDR: Loshchilov & Hutter 2017, eq. 5).

    Period i, counted from 0, lasts ``period * multiplier ** i`` epochs.

    Parameters
    ----------
    period : float, default=10
        Epochs of the first period, > 0.
    multiplier : float, default=2.0
        Factor on the period at each restart, >= 1.
    end : float, default=0.0
        The factor at the end of each period, in [0, 1].

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
    """Rise from `start` to 1 and fall to `end`, in half cosines (Smith & Topin 2018, as in PyTorch).

    Parameters
    ----------
    epochs : float or None, default=None
        Length; None is the whole of `max_iter`.
    peak : float, default=0.3
        Fraction of the length at which the factor is 1, in (0, 1).
    start : float, default=0.04
        The first factor.
    end : float, default=0.0
        The last factor.

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
        p = progress(t, self.epochs)
        up = self.start + (1 - self.start) * (1 - np.cos(np.pi * np.minimum(p / self.peak, 1))) / 2
        down = self.end + (1 - self.end) * (1 + np.cos(np.pi * np.maximum((p - self.peak) / (1 - self.peak), 0))) / 2
        return np.where(p < self.peak, up, down)
