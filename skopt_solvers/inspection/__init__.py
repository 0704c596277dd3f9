"""Look into fits: list the weights, explain decisions, and draw pictures, for which matplotlib is needed."""

from .._base.public_names import publish
from ._comparison import SolverComparisonDisplay
from ._convergence import ConvergenceDisplay
from ._explain import Explanation, explain
from ._lr_range import LearningRateRangeDisplay
from ._schedule import ScheduleDisplay
from ._top_features import top_features
from ._transition import TransitionDisplay
from ._weights_display import WeightsDisplay

__all__ = [
    "ConvergenceDisplay",
    "Explanation",
    "LearningRateRangeDisplay",
    "ScheduleDisplay",
    "SolverComparisonDisplay",
    "TransitionDisplay",
    "WeightsDisplay",
    "explain",
    "top_features",
]

publish(__name__)
