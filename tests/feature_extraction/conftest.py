"""Texts for the tests of what makes features of them."""

import pkgutil
import warnings
from importlib import import_module

import pytest
import sklearn


@pytest.fixture(scope="session")
def manual():
    """The docstrings of scikit-learn, some thousand documents of all lengths: enough for threads to share."""
    found = []
    for module in pkgutil.walk_packages(sklearn.__path__, "sklearn."):
        if any(part.startswith("_") or part in ("tests", "externals", "conftest") for part in module.name.split(".")):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            members = vars(import_module(module.name)).values()
        found += [member.__doc__ for member in members if isinstance(getattr(member, "__doc__", None), str)]
    return sorted(set(found))
