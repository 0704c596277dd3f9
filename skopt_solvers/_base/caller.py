"""The line of a user that a warning points at."""

import inspect

_INSIDE = ("skopt_solvers", "sklearn")


def stacklevel_of_caller() -> int:
    """Return the `stacklevel`, for a warning of the function that asks, of the line that called into this package.

    scikit-learn's wrappers around methods, its pipelines and its searches are taken as parts of the package.
    """
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _INSIDE:
        frame, level = frame.f_back, level + 1
    return level
