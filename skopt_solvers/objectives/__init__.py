"""Objectives: data, loss and penalty, as a solver sees them."""

from .._base.public_names import publish
from ._chain import MISSING, ChainObjective
from ._linear import LinearObjective
from ._row_gradient import RowGradient

__all__ = ["MISSING", "ChainObjective", "LinearObjective", "RowGradient"]

publish(__name__)
