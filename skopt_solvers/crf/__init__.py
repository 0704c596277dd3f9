"""The linear-chain conditional random field, with a pluggable solver."""

from .._base.public_names import publish
from ._crfsuite import CRF
from ._entities import Entity
from ._estimator import LinearChainCRF

__all__ = ["CRF", "Entity", "LinearChainCRF"]

publish(__name__)
