"""The facts and capabilities of an objective that does not say otherwise."""

from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from ._interface import Objective
    from ._interface_points import Ascent, Planes, Position


class ObjectiveDefaults:
    """The facts and capabilities of an objective that does not say otherwise.

    They are described in ``objectives/_interface.py``. An objective of your own is a subclass.
    """

    structured = False
    separable = False
    joint = False
    kinked_gradient = False
    gradient_unit = 1.0
    decrease_window = 0
    pairs = None
    has_samples = False
    has_newton = False
    has_adagrad_epochs = False
    has_curvature_block = False
    can_observe = False
    tokens_per_sample = 1.0
    narrowed_bytes = 0
    convex = True

    smooth_losses: str = ""

    def dual_obstacle(self) -> str | None:
        """Return what keeps dual coordinate ascent from this problem: here that there is no dual."""
        return "no dual"

    def suboptimality_bound(self, W: np.ndarray, precision: float = 1e-12) -> float:
        """Return infinity: no bound is known."""
        return np.inf

    def suboptimality_bound_at(self, position: "Position") -> float:
        """Return the bound of the weights at a position."""
        return self.suboptimality_bound(position.W, 1e-6)

    def smoothed(self, width: float) -> "Objective":
        """Return the objective itself."""
        return cast("Objective", self)

    def ascent_from(self, W: np.ndarray) -> "Ascent | None":
        """Return None: there is no dual."""
        return None

    def planes(self) -> "Planes | None":
        """Return None: gradients alone give no bound."""
        return None
