"""Choosing among many fits."""

from .._base.public_names import publish
from .._estimator.lr_range import LearningRateRange, lr_range_test
from ._c_path import C_path, CPath
from ._compare import compare_solvers
from ._fit_many import fit_many
from ._search import GridSearchCV, RandomizedSearchCV

__all__ = [
    "CPath",
    "C_path",
    "GridSearchCV",
    "LearningRateRange",
    "RandomizedSearchCV",
    "compare_solvers",
    "fit_many",
    "lr_range_test",
]

publish(__name__)
