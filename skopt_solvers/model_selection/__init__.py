"""Choosing among many fits."""

from .._base.public_names import publish
from ._c_path import C_path, CPath

__all__ = ["CPath", "C_path"]

publish(__name__)
