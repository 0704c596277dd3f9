"""The base of solvers and schedules, which have parameters and nothing else."""

from functools import total_ordering
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from .nested_parameters import NamedParameters
from .pickling import Persistent, defaults, shallow_copy


@total_ordering
class Configuration(Persistent, NamedParameters, BaseEstimator):
    """Base of solvers and schedules: they are equal by class and parameters, and ordered as they are printed.

    So pandas can sort, group and pivot a column of ``cv_results_`` in which names and objects are mixed. A name comes
    before an object of the same text, and is equal to none. The hash is that of the class: equal objects have the same,
    and it stays when `set_params` changes one that is the key of a dict.

    Examples
    --------
    >>> from skopt_solvers.solvers import Adam, Momentum
    >>> sorted(["lbfgs", Momentum(momentum=0.5), "adam", Adam(learning_rate=0.1)])
    [Adam(learning_rate=0.1), Momentum(momentum=0.5), 'adam', 'lbfgs']
    >>> Adam(learning_rate=0.1) == Adam(learning_rate=0.1), Adam() == "adam"
    (True, False)
    """

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Configuration):
            return NotImplemented
        return self is other or (
            type(self) is type(other)
            and all(_same(getattr(self, name), getattr(other, name)) for name in defaults(type(self)))
        )

    __copy__ = shallow_copy

    def __hash__(self) -> int:
        return hash(type(self))

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, (Configuration, str)):
            return NotImplemented
        return self is not other and _key(self) < _key(other)


def _key(value: object) -> tuple[str, int]:
    return (value, 0) if isinstance(value, str) else (_text(value), 1)


def _text(value: object) -> str:
    """Return ``repr(value)`` at a tenth of its cost, because a sort asks for it thousands of times."""
    if not isinstance(value, Configuration):
        return repr(value)
    both = ((name, getattr(value, name), default) for name, default in defaults(type(value)).items())
    changed = ((name, own) for name, own, default in both if not _same(own, default))
    return f"{type(value).__name__}({', '.join(f'{name}={_text(v)}' for name, v in changed)})"


def _same(a: Any, b: Any) -> bool:
    """Tell whether two values of a parameter mean the same; True and 1, of two types, do not."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    return bool(a == b)
