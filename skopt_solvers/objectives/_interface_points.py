"""The interface of a point: of the table, of the dual, and of what several points prove together.

An objective makes them, and ``objectives/_interface.py`` says where.
"""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import numpy as np

NewtonWay = Literal["direct", "kernel"]


class Position(Protocol):
    """A point W, F and its smooth gradient there, and movement along a direction."""

    @property
    def W(self) -> np.ndarray:
        """The point, of the objective's shape."""

    @property
    def value(self) -> float:
        """F(W)."""

    @property
    def gradient(self) -> np.ndarray:
        """The gradient of the smooth part of F, of the shape of W; a new array after each move."""

    @property
    def cheap_trials(self) -> bool:
        """True where a trial along a line costs much less than a gradient."""

    def along(self, D: np.ndarray) -> Callable[[float], tuple[float, float]]:
        """Return the function of a step t that gives F(W + t D) and its derivative; without L1."""

    def move(self, step: float) -> None:
        """Move to W + step D, D being the direction that `along` was asked for last."""


class NewtonPosition(Position, Protocol):
    """A position that knows the direction of Newton's method."""

    def newton_direction(self, way: NewtonWay) -> np.ndarray:
        """Return the direction, by the Hessian ("direct") or by the kernel matrix ("kernel"); without L1."""


class Ascent(Protocol):
    """A point of the dual and the weights that belong to it."""

    @property
    def W(self) -> np.ndarray:
        """The weights, of the objective's shape."""

    @property
    def shares(self) -> np.ndarray:
        """The point that a fit with another C can start from, of shape `dual_shape`."""

    @property
    def moved(self) -> float:
        """The squared way of the last epoch; ``l2 / 2`` times it is a lower bound of its gain, in units of F."""

    def epoch(self, seed: int) -> None:
        """Make as many visits as there are samples, in an order that depends on `seed` only."""

    def move_center(self) -> None:
        """Between two epochs, lead the dual variables towards the intercept's constraint."""

    def value(self) -> float:
        """Return the dual: a lower bound of min F where there is no intercept, and nearly so where there is."""

    def lower_bound(self) -> float:
        """Return a proven lower bound of min F, which costs about as much as an epoch."""


class Ascents(Protocol):
    """Several points of the dual, of models of the same data."""

    def keep(self, ascents: Sequence[Ascent]) -> None:
        """Leave all but these ascents out."""

    def epoch(self, seed: int, active: Sequence[Ascent]) -> None:
        """Make an epoch of some of them, which is that of each alone."""

    def values(self) -> list[float]:
        """Return F(W) of each, after an epoch of all."""


class Planes(Protocol):
    """The lower bound of min F that the gradients at several positions give together."""

    def add(self, position: Position) -> float:
        """Take one more position; return the bound of all so far."""
