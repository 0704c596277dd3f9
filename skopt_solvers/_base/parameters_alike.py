"""Tell whether parameters of estimators are alike."""

from numbers import Number
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

_PLAIN = (str, bytes, Number, type(None), type, FunctionType, BuiltinFunctionType, np.dtype)


def set_alike(a: Any, b: Any) -> bool:
    """Return whether two values of a parameter are alike for sure: estimators with the same parameters are.

    Objects that cannot be compared are alike only to themselves.
    """
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, BaseEstimator):
        return set_alike(a.get_params(deep=False), b.get_params(deep=False))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(set_alike(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(set_alike, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.dtype != object and np.array_equal(a, b)
    return isinstance(a, _PLAIN) and bool(a == b)
