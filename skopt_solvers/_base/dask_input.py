"""Tell collections of dask from other input, without importing dask."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

_Method = TypeVar("_Method", bound=Callable[..., Any])


def is_collection(X: object) -> bool:
    """Tell whether X is a collection of dask, or any other object with a graph of tasks."""
    return hasattr(X, "__dask_graph__")


def refuse_collection(X: object, name: str = "X") -> None:
    """Raise ValueError for a collection, where only data in this process will do."""
    if is_collection(X):
        raise ValueError(
            f"{name} must be in this process here, got a dask {type(X).__name__}: fit, predict, predict_proba, "
            "predict_log_proba and decision_function take dask collections as X, and nothing else does. Give "
            f"{name}.compute(), or one block at a time"
        )


def refuse_options(**options: object) -> None:
    """Raise ValueError where an option is given that is for data in this process."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ValueError(f"{given[0]} is for data in this process, and X is a dask collection")


def over_blocks(method: _Method) -> _Method:
    """Let a method take a dask collection as X too, and return one whose blocks are computed when they are asked for.

    The class has a `_predict_on_blocks(method, X)`, which calls the method of that name on each block.
    """

    @wraps(method)
    def on_blocks(self: Any, X: Any, **options: Any) -> Any:
        if not is_collection(X):
            return method(self, X, **options)
        refuse_options(**options)
        return self._predict_on_blocks(method.__name__, X)

    return cast(_Method, on_blocks)
