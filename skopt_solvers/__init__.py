"""Linear models for sparse text on pluggable, compiled optimisers, inside scikit-learn."""

from ._monitor import FitInfo
from ._public_names import publish
from .crf import LinearChainCRF
from .linear_model import LinearSVC, LogisticRegression

__version__ = "0.1.0"
__all__ = ["FitInfo", "LinearChainCRF", "LinearSVC", "LogisticRegression"]

publish(__name__)
