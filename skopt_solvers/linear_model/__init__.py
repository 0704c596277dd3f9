"""Linear classifiers with a pluggable solver."""

from .._base.public_names import publish
from ._logistic import LogisticRegression
from ._svc import LinearSVC
from ._topk import TopK

__all__ = ["LinearSVC", "LogisticRegression", "TopK"]

publish(__name__)
