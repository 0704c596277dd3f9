"""Choosing among many fits."""

from .._base.public_names import publish
from .._estimator.lr_range import LearningRateRange, lr_range_test
from ._c_path import C_path, CPath
from ._fit_many import fit_many
from ._search import GridSearchCV, RandomizedSearchCV

__all__ = ["CPath", "C_path", "GridSearchCV", "LearningRateRange", "RandomizedSearchCV", "fit_many", "lr_range_test"]

publish(__name__)
