"""A bound of the suboptimality that a fit has of the gradients on its way."""

from typing import TYPE_CHECKING, cast

import numpy as np

from ._base import rounding_of_bounds

if TYPE_CHECKING:
    from ..objectives._interface import Objective
    from ..objectives._interface_points import Planes, Position

_ENOUGH = 20.0  # times `tol`: the bound at which a fit may end
# Times the bound that is enough. Before the objective falls by less in a window, planes are too far off to help.
_FALL = 5.0


class RunningBound:
    """The bound that the gradients at the positions of a fit give together, as a part of the objective there.

    A gradient swings along steep directions from one step to the next, and with it the bound of a position alone. The
    best combination of the gradients is a few times nearer, and costs a few products of tables.

    Parameters
    ----------
    objective : Objective
    tol : float
        The tolerance of the fit.
    allowed : float
        The relative bound that the fit has to prove; infinity asks for none.

    Attributes
    ----------
    enough : float
        The relative bound at which the fit may end; 0 where no bound is looked for.
    """

    def __init__(self, objective: "Objective", tol: float, allowed: float) -> None:
        self._objective = objective
        self._planes: Planes | None = None
        looked_for = objective.decrease_window and np.isfinite(allowed) and objective.planes() is not None
        self.enough = min(_ENOUGH * tol, allowed) if looked_for else 0.0
        self._rounding = rounding_of_bounds(objective.dtype)
        self._least = -np.inf  # that F may be

    def add(self, values: list[float], position: "Position") -> None:
        """Take the next position of a fit, the objective at all of them being `values`."""
        at_start = len(values) == 1  # which may be the end, and whose plane would linger
        if not self.enough or not (at_start or self._planes is not None or self._falls_slowly(values)):
            return
        planes = self._planes or cast("Planes", self._objective.planes())
        if not at_start:
            self._planes = planes
        with np.errstate(all="ignore"):
            self._least = max(self._least, planes.add(position))

    def relative(self, value: float) -> float:
        """Return the bound where the objective is `value`; infinite where there is none."""
        bound = 1 - self._least / value if value > 0 else np.inf
        return max(bound, 0.0) + self._rounding

    def _falls_slowly(self, values: list[float]) -> bool:
        window = self._objective.decrease_window
        return len(values) > window and values[-1 - window] - values[-1] <= _FALL * self.enough * values[-1]
