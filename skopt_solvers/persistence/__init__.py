"""Models in files, and ways to other libraries."""

from .._base.public_names import publish
from ._onnx import to_onnx
from ._sklearn import to_sklearn
from ._trusted import TRUSTED_TYPES

__all__ = ["TRUSTED_TYPES", "to_onnx", "to_sklearn"]

publish(__name__)
