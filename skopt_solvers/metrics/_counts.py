"""Count what is right, predicted and true, and make scores of it."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning

AVERAGES = ("micro", "macro", "weighted")


class Counts(NamedTuple):
    """The numbers of right, predicted and true ones of each name, which is a label or a type."""

    names: list
    right: np.ndarray
    predicted: np.ndarray
    support: np.ndarray

    def total(self) -> "Counts":
        counts = (self.right, self.predicted, self.support)
        return Counts(["micro avg"], *(count.sum(keepdims=True) for count in counts))


def count(
    right: np.ndarray, predicted: np.ndarray, support: np.ndarray, number: dict, wanted: Any, argument: str
) -> Counts:
    """Count the names that are right, predicted and true, given by their numbers; `number` maps names to numbers."""
    if wanted is None:
        try:
            names = sorted(number)
        except TypeError:
            kinds = sorted({type(name).__name__ for name in number})
            raise ValueError(f"y_true and y_pred mix labels of the types {', '.join(kinds)}") from None
    else:
        names = wanted.tolist() if hasattr(wanted, "tolist") else list(wanted)
        if isinstance(wanted, str) or not names or len(set(names)) < len(names):
            raise ValueError(f"{argument} must be a list without repetitions of one at least, got {wanted!r}")
    rows = [number.get(name, -1) for name in names]  # the last row is that of absent names
    size = len(number) + 1
    return Counts(names, *(np.bincount(x, minlength=size)[rows] for x in (right, predicted, support)))


def f1(counts: Counts, average: str | None, zero_division: str | float) -> float | np.ndarray:
    if average not in (None, *AVERAGES):
        raise ValueError(f"average must be one of {', '.join(AVERAGES)} or None, got {average!r}")
    if average == "micro":
        return float(ratio(counts.total(), "f1", zero_division)[0])
    values = ratio(counts, "f1", zero_division)
    if average is None:
        return values
    return float(mean(values, counts.support if average == "weighted" else None, zero_division))


def ratio(counts: Counts, metric: str, zero_division: str | float) -> np.ndarray:
    if zero_division not in ("warn", 0, 1) and not (isinstance(zero_division, float) and np.isnan(zero_division)):
        raise ValueError(f"zero_division must be 'warn', 0, 1 or nan, got {zero_division!r}")
    numerator, denominator = {
        "precision": (counts.right, counts.predicted),
        "recall": (counts.right, counts.support),
        "f1": (2 * counts.right, counts.predicted + counts.support),
    }[metric]
    undefined = denominator == 0
    result = numerator / np.where(undefined, 1, denominator)
    if undefined.any():
        names = [repr(name) for name, is_undefined in zip(counts.names, undefined, strict=True) if is_undefined]
        result[undefined] = _undefined_value(f"{metric} of {', '.join(names)}", zero_division)
    return result


def mean(values: np.ndarray, weights: np.ndarray | None, zero_division: str | float) -> float:
    defined = ~np.isnan(values)
    if not len(values):
        return _undefined_value("a mean over no names", zero_division)
    if not defined.any():
        return np.nan
    values = values[defined]
    weights = None if weights is None or not weights[defined].any() else weights[defined]
    return np.average(values, weights=weights)


def _undefined_value(what: str, zero_division: str | float) -> float:
    if zero_division == "warn":
        message = f"{what} is undefined, as nothing was counted, and set to 0; zero_division controls this"
        warnings.warn(message, UndefinedMetricWarning, stacklevel=2)
        return 0.0
    return float(zero_division)
