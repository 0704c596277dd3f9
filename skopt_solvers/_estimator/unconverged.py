"""Warn of fits that have not converged, or tell somebody: a search sums them up in one warning."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from .._base.caller import module_of_caller, stacklevel_of_caller

Listener = Callable[[Any, str], object]  # takes a fitted estimator and the text of its warning

_active: ContextVar[Listener | None] = ContextVar("unconverged", default=None)


@contextmanager
def unconverged_told_to(listener: Listener) -> Iterator[None]:
    """Give a function each fit inside that would warn, in this thread, and its text, in the place of warnings.

    Where the filters make errors of such warnings, the fits raise as ever.
    """
    token = _active.set(listener)
    try:
        yield
    finally:
        _active.reset(token)


def unconverged(estimator: Any, advice: str) -> str:
    """Return in words that a fitted estimator has not converged, why, and what may help."""
    name = f"{type(estimator).__name__} with {type(estimator.solver_).__name__}"
    return f"{name} did not converge: {estimator.stop_reason_}. {advice}"


def tell_unconverged(estimator: Any, text: str) -> None:
    """Warn of a fit that has not converged, unless somebody listens."""
    listener = _active.get()
    if listener is None or _is_error(text):
        warnings.warn(text, ConvergenceWarning, stacklevel=stacklevel_of_caller())
    else:
        listener(estimator, text)


def _is_error(text: str) -> bool:
    """Return whether the filters make an error of a ConvergenceWarning with this text."""
    here = module_of_caller()
    filters = getattr(warnings, "_get_filters", lambda: warnings.filters)()  # those of a context, in later Pythons
    for action, message, category, module, line in filters:
        about = issubclass(ConvergenceWarning, category) and _matches(message, text) and _matches(module, here)
        if about and line == 0:
            return bool(action == "error")
    return False


def _matches(pattern: object, text: str) -> bool:
    if pattern is None or isinstance(pattern, str):
        return pattern in (None, text)
    return pattern.match(text) is not None  # type: ignore[attr-defined]
