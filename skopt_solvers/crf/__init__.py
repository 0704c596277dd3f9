"""The linear-chain conditional random field, with a pluggable solver."""

from .._base.public_names import publish
from ._estimator import LinearChainCRF

__all__ = ["LinearChainCRF"]

publish(__name__)
