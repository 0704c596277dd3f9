"""Choosing among many fits."""

from .._base.public_names import publish
from ._c_path import C_path, CPath
from ._fit_many import fit_many
from ._search import GridSearchCV, RandomizedSearchCV

__all__ = ["CPath", "C_path", "GridSearchCV", "RandomizedSearchCV", "fit_many"]

publish(__name__)
