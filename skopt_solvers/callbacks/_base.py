"""The base of the callbacks that the package brings, and what they read of a fit."""

import os
from numbers import Real
from pathlib import Path
from typing import Any, Self

import numpy as np

from .._estimator.monitor import FitInfo


class Callback:
    """Base of callbacks that stand for something outside: a file, a run, a trial.

    A clone or a deep copy of an estimator, as each candidate of a search is one, has the same object.
    """

    def __call__(self, info: FitInfo) -> Any:
        raise NotImplementedError

    def __sklearn_clone__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def place_of(info: FitInfo) -> dict[str, Any]:
    """Return what the fit belongs to, as texts, integers and None."""
    return {"fit": info.fit, "candidate": info.candidate, "fold": info.fold, "seed": info.seed}


def values_of(info: FitInfo) -> dict[str, float]:
    """Return the numbers of an iteration, and the seconds since the fit began as "elapsed"."""
    numbers = {name: value for name, value in info.record.items() if _is_number(value) and name != "iteration"}
    return {**{name: float(value) for name, value in numbers.items()}, "elapsed": info.seconds}


def _is_number(value: Any) -> bool:
    return isinstance(value, (Real, np.bool_))


def absolute_path(path: Any, name: str) -> Path:
    """Return a path that workers in other folders understand too; TypeError where it is none."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{name} must be a str or a path, got {type(path).__name__}")
    return Path(path).absolute()
