"""The curves of fits: values of their histories by iteration or by time, and their course over several fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from .._base.typing import History

Curve = tuple[np.ndarray, np.ndarray]  # times and values

# metric: key of the history, label of the axis, whether its scale is logarithmic
METRICS = {
    "objective": ("objective", "Objective", False),
    "suboptimality": ("objective", "Relative suboptimality", True),
    "validation_score": ("validation_score", "Validation score", False),
    "gradient_norm": ("gradient_norm", "Gradient norm", True),
    "duality_gap": ("duality_gap", "Duality gap", True),
}
AXES = {"iterations": ("iteration", "Iterations or epochs"), "seconds": ("seconds", "Seconds")}
# The relative error of the objectives of float32 fits, about.
_ROUNDING = 1e-6
BANDS = ("range", "std", None)


def check_named(values: Any, argument: str) -> None:
    if not isinstance(values, Mapping) or not values:
        raise TypeError(f"{argument} must be a dict of names that is not empty, got {values!r}")


def check_options(ax: Any, metric: str, x: str, optimum: Any, learning_rate: bool, band: Any = None) -> None:
    for argument, value, allowed in (("metric", metric, METRICS), ("x", x, AXES)):
        if value not in list(allowed):
            raise ValueError(f"{argument} must be one of {sorted(allowed)}, got {value!r}")
    if band not in BANDS:
        raise ValueError(f"band must be one of 'range', 'std' and None, got {band!r}")
    if optimum is not None and metric != "suboptimality":
        raise ValueError(f"optimum={optimum!r} is for metric='suboptimality', got metric={metric!r}")
    number = isinstance(optimum, Real) and not isinstance(optimum, bool)
    if optimum is not None and not (number and np.isfinite(optimum) and optimum != 0):
        raise ValueError(f"optimum must be a finite number other than 0, got {optimum!r}")
    if ax is not None and np.size(ax) != (2 if learning_rate else 1):
        wanted = "a pair of Axes" if learning_rate else "one Axes"
        raise ValueError(f"ax must be {wanted} with learning_rate={learning_rate!r}, got {ax!r}")


def checked_histories(histories: Mapping[str, History | Sequence[History]]) -> dict[str, list[History]]:
    """Return for each name a list of histories, of one or of several fits."""
    check_named(histories, "histories")
    lists: dict[str, list[Any]] = {}
    for name, given in histories.items():
        several = isinstance(given, (list, tuple)) and bool(given) and isinstance(given[0], (list, tuple))
        lists[name] = list(given) if several else [given]
        for history in lists[name]:
            _check_history(name, history)
    return lists


def _check_history(name: str, history: Any) -> None:
    records = isinstance(history, (list, tuple)) and all(isinstance(record, Mapping) for record in history)
    if not records:
        raise TypeError(
            f"histories[{name!r}] must be a list of dicts, as history_ is, or a list of such lists, got "
            f"{type(history).__name__}"
        )
    if not history:
        raise ValueError(f"histories[{name!r}] is empty: that fit had no iteration to make")
    for key in ("iteration", "seconds"):
        if any(record.get(key) is None for record in history):
            raise ValueError(f"histories[{name!r}] must have {key!r} in each record")


def curves_of(histories: Mapping[str, list[History]], x: str, metric: str) -> dict[str, list[Curve]]:
    """Return for each name the curves of a metric.

    Raises
    ------
    ValueError
        Where a history does not have the metric.
    """
    key = METRICS[metric][0]
    curves = {name: [_curve(history, x, key) for history in given] for name, given in histories.items()}
    for name, given in curves.items():
        if not all(len(values) for _, values in given):
            known = sorted({key for record in histories[name][0] for key in record} - {"iteration", "seconds"})
            raise ValueError(
                f"metric={metric!r} needs {key!r} in the records of each history, and that of {name!r} has {known}"
            )
    return curves


def learning_rates(histories: Mapping[str, list[History]], x: str) -> dict[str, list[Curve]]:
    """Return for each name the curves of the learning rate, which may be empty, but not all."""
    rates = {name: [_curve(history, x, "learning_rate") for history in given] for name, given in histories.items()}
    if not any(len(values) for given in rates.values() for _, values in given):
        raise ValueError("learning_rate=True needs a history with learning rates, and no record has one")
    return rates


def _curve(history: History, x: str, key: str) -> Curve:
    """Return the times and the values of the records that have `key`."""
    t = np.array([record[AXES[x][0]] for record in history], dtype=float)
    if x == "seconds":
        t = np.cumsum(t)
    values = np.array([record.get(key) for record in history], dtype=float)  # None becomes NaN
    known = np.isfinite(values)
    return t[known], values[known]


def relative(curves: dict[str, list[Curve]], optimum: float | None) -> dict[str, list[Curve]]:
    """Return the values less the optimum, over it: where it is not given, of the k-th fits the least value of all."""
    least = [
        min(float(given[k][1].min()) for given in curves.values() if k < len(given))
        for k in range(max(map(len, curves.values())))
    ]
    if optimum is None and 0 in least:
        raise ValueError("metric='suboptimality' is relative, and the least objective is 0: use metric='objective'")
    if optimum is not None and min(least) < optimum - _ROUNDING * abs(optimum):
        raise ValueError(f"optimum must not be above the least objective, {min(least):.8g}, got {optimum!r}")
    optima = least if optimum is None else [optimum] * len(least)
    return {
        name: [(t, (values - best) / abs(best)) for (t, values), best in zip(given, optima, strict=False)]
        for name, given in curves.items()
    }


def positive(curves: dict[str, list[Curve]]) -> dict[str, list[Curve]]:
    """Return the part of each curve that has a place on a logarithmic axis."""
    return {name: [(t[values > 0], values[values > 0]) for t, values in given] for name, given in curves.items()}


def course(curves: list[Curve], band: str | None) -> tuple[Curve, np.ndarray | None]:
    """Return the mean of curves, and the lower and upper edge of their band.

    Between its points a curve is a straight line, and after them it keeps its last value. The mean begins where all
    have begun.
    """
    curves = [(t, values) for t, values in curves if len(t)]
    if not curves:
        return (np.empty(0), np.empty(0)), None
    if len(curves) == 1:
        return curves[0], None
    t = np.unique(np.concatenate([times for times, _ in curves]))
    t = t[t >= max(times[0] for times, _ in curves)]
    values = np.array([np.interp(t, *curve) for curve in curves])
    mean = values.mean(axis=0)
    if band is None:
        return (t, mean), None
    if band == "std":
        return (t, mean), np.array([mean - values.std(axis=0), mean + values.std(axis=0)])
    return (t, mean), np.array([values.min(axis=0), values.max(axis=0)])
