"""Models in files, and ways to other libraries."""

from .._base.public_names import publish
from ._native import native_include, save_native
from ._onnx import to_onnx
from ._sklearn import to_sklearn
from ._trusted import TRUSTED_TYPES

__all__ = ["TRUSTED_TYPES", "native_include", "save_native", "to_onnx", "to_sklearn"]

publish(__name__)
