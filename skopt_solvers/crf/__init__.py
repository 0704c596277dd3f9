"""The linear-chain conditional random field, with a pluggable solver."""

from .._base.public_names import publish
from ._crfsuite import CRF
from ._crfsuite_file import load_crfsuite, save_crfsuite
from ._entities import Entity
from ._estimator import LinearChainCRF

__all__ = ["CRF", "Entity", "LinearChainCRF", "load_crfsuite", "save_crfsuite"]

publish(__name__)
