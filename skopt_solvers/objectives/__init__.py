"""Objectives: data, loss and penalty, as a solver sees them."""

from .._base.public_names import publish
from ._chain import MISSING, ChainObjective
from ._defaults import ObjectiveDefaults
from ._indicator import Indicator
from ._linear import LinearObjective
from ._losses import LOG_LOSSES, SVC_LOSSES, Loss
from ._row_gradient import RowGradient

__all__ = [
    "LOG_LOSSES",
    "MISSING",
    "SVC_LOSSES",
    "ChainObjective",
    "Indicator",
    "LinearObjective",
    "Loss",
    "ObjectiveDefaults",
    "RowGradient",
]

publish(__name__)
