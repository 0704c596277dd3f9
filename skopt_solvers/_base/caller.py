"""The line of a user that a warning points at."""

import inspect

_INSIDE = ("skopt_solvers", "sklearn", "contextlib")  # the last is between functions of a `with` in the package


def stacklevel_of_caller() -> int:
    """Return the `stacklevel`, for a warning of the function that asks, of the line that called into this package.

    scikit-learn's wrappers around methods, its pipelines and its searches are taken as parts of the package.
    """
    return _caller()[1] - 1


def module_of_caller() -> str:
    """Return the name of the module of that line."""
    return _caller()[0]


def _caller() -> tuple[str, int]:
    frame, level, name = inspect.currentframe(), 0, ""
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.partition(".")[0] not in _INSIDE:
            break
        frame, level = frame.f_back, level + 1
    return name, level
