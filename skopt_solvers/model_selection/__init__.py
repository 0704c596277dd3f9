"""Choosing among many fits."""

from .._base.public_names import publish
from ._c_path import C_path, CPath
from ._search import GridSearchCV, RandomizedSearchCV

__all__ = ["CPath", "C_path", "GridSearchCV", "RandomizedSearchCV"]

publish(__name__)
