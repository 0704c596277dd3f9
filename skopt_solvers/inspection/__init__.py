"""Pictures of fits, schedules and models, as scikit-learn's displays are; they need matplotlib, the extra `plot`."""

from ._convergence import ConvergenceDisplay
from ._schedule import ScheduleDisplay
from ._transition import TransitionDisplay

__all__ = ["ConvergenceDisplay", "ScheduleDisplay", "TransitionDisplay"]
