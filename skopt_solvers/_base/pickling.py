"""Write pickles that later versions of the package read, and check what is read from them."""

import inspect
import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp

from .csr import check_structure
from .version import __version__

_VERSION = "_skopt_solvers_version"
_Object = TypeVar("_Object")


def _defaults(cls: type) -> dict[str, Any]:
    """Return the parameters of a class, in the order of their names, and their defaults; a signature takes long."""
    parameters = inspect.signature(cls).parameters
    return {name: parameters[name].default for name in sorted(parameters)}


defaults: Callable[[type], dict[str, Any]] = lru_cache(_defaults)


class Persistent:
    """Base of objects whose pickles later versions read.

    A parameter that is not in the pickle, because the version that wrote it did not have it, gets its default.
    `_check_stored` checks the fitted attributes.
    """

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        return {**state, _VERSION: __version__}

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise damaged(self, "the state", "a dict", type(state).__name__)
        missing = {k: v for k, v in defaults(type(self)).items() if v is not inspect.Parameter.empty and k not in state}
        stored = str(state.get(_VERSION, ""))
        known = {k: v for k, v in {**missing, **state}.items() if k != _VERSION}
        super().__setstate__(known)  # type: ignore[misc]
        if _release(stored) > _release(__version__):
            warnings.warn(
                f"this {type(self).__name__} was stored by skopt_solvers {stored}, and this is {__version__}: what is "
                "new there is not known here",
                UserWarning,
                stacklevel=2,
            )
        self._check_stored()

    def _check_stored(self) -> None:
        """Raise ValueError where attributes do not fit each other."""


def shallow_copy(original: _Object) -> _Object:
    """Copy an object for ``__copy__`` without the checks of a pickle, which fail while a fit changes attributes."""
    copied = type(original).__new__(type(original))
    vars(copied).update(vars(original))
    return copied


def _release(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def damaged(owner: object, name: str, allowed: object, got: object) -> ValueError:
    """Return the ValueError for an attribute that no model could have."""
    return ValueError(f"the stored {type(owner).__name__} is damaged: {name} must be {allowed}, got {got}")


def check_array(owner: object, name: str, value: Any, shape: tuple[int, ...], kinds: str = "fiu") -> None:
    """Raise ValueError unless `value` is an array, or a sound sparse matrix, of a shape and a kind of numbers."""
    described = f"an array of shape {shape}"
    if not (isinstance(value, np.ndarray) or sp.issparse(value)):
        raise damaged(owner, name, described, type(value).__name__)
    if value.shape != shape or value.dtype.kind not in kinds:
        raise damaged(owner, name, described, f"{value.dtype} of shape {value.shape}")
    if sp.issparse(value):
        check_structure(value, name=f"the stored {type(owner).__name__} is damaged: {name}", ask_canonical=False)
