"""Callbacks for the parameter `callback` of the estimators: they write the course of fits down, or prune trials."""

from .._base.public_names import publish
from ._files import CSVLog, JSONLinesLog
from ._optuna import OptunaPruning
from ._trackers import MLflowLog, TensorBoardLog

__all__ = ["CSVLog", "JSONLinesLog", "MLflowLog", "OptunaPruning", "TensorBoardLog"]

publish(__name__)
