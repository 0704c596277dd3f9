"""Looking into fits: what a linear model has learned, and why it decides as it does."""

from ._explain import Explanation, explain
from ._top_features import top_features
from ._weights_display import WeightsDisplay

__all__ = ["Explanation", "WeightsDisplay", "explain", "top_features"]
