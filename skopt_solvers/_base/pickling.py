"""What a pickle holds, and what is checked when one is read: a later version fills in what it lacks."""

import inspect
import re
import warnings
from functools import lru_cache

import numpy as np
import scipy.sparse as sp

from .csr import check_structure
from .version import __version__

_VERSION = "_skopt_solvers_version"


@lru_cache
def defaults(cls):
    """The parameters, in the order of their names, and their defaults: a signature is slow to ask for."""
    parameters = inspect.signature(cls).parameters
    return {name: parameters[name].default for name in sorted(parameters)}


class Persistent:
    """Pickles that later versions read.

    A parameter that the version which wrote it did not have gets its default; what is fitted is looked at by
    `_check_stored`.
    """

    def __getstate__(self):
        return {**super().__getstate__(), _VERSION: __version__}

    def __setstate__(self, state):
        if not isinstance(state, dict):
            raise damaged(self, "the state", "a dict", type(state).__name__)
        missing = {k: v for k, v in defaults(type(self)).items() if v is not inspect.Parameter.empty and k not in state}
        stored = str(state.get(_VERSION, ""))
        super().__setstate__({k: v for k, v in {**missing, **state}.items() if k != _VERSION})
        if _release(stored) > _release(__version__):
            warnings.warn(
                f"this {type(self).__name__} was stored by skopt_solvers {stored}, and this is {__version__}: what is "
                "new there is not known here",
                UserWarning,
                stacklevel=2,
            )
        self._check_stored()

    def _check_stored(self):
        """Raise ValueError where attributes do not fit each other."""


def shallow_copy(original):
    """For ``__copy__``: within a fit attributes are of two models, which the way of a pickle would find damaged."""
    copied = type(original).__new__(type(original))
    vars(copied).update(vars(original))
    return copied


def _release(version):
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def damaged(owner, name, allowed, got):
    """The error of an attribute that no model could have."""
    return ValueError(f"the stored {type(owner).__name__} is damaged: {name} must be {allowed}, got {got}")


def check_array(owner, name, value, shape, kinds="fiu"):
    """Raise ValueError unless `value` is an array, or a sound sparse matrix, of a shape and a kind of numbers."""
    described = f"an array of shape {shape}"
    if not (isinstance(value, np.ndarray) or sp.issparse(value)):
        raise damaged(owner, name, described, type(value).__name__)
    if value.shape != shape or value.dtype.kind not in kinds:
        raise damaged(owner, name, described, f"{value.dtype} of shape {value.shape}")
    if sp.issparse(value):
        check_structure(value, name=f"the stored {type(owner).__name__} is damaged: {name}", ask_canonical=False)
