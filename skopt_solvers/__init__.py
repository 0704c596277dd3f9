"""Linear models for sparse text on pluggable, compiled solvers, inside scikit-learn."""

from ._base.public_names import publish
from ._base.version import __version__
from ._estimator.monitor import FitInfo
from .crf import LinearChainCRF
from .linear_model import LinearSVC, LogisticRegression

__all__ = ["FitInfo", "LinearChainCRF", "LinearSVC", "LogisticRegression", "__version__"]

publish(__name__)
