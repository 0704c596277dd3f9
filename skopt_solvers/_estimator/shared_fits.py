"""Let fits be made by others: a search fits its candidates together."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

# Takes (estimator, X, y, sample_weight), and returns whether the estimator is fitted to them now; it may raise what its
# fit would raise.
Fit = Callable[[Any, Any, Any, Any], bool]

_active: ContextVar[Fit | None] = ContextVar("shared_fits", default=None)


@contextmanager
def fits_by(fit: Fit | None) -> Iterator[None]:
    """Ask a function first in the fits inside, in this thread; None asks nobody."""
    token = _active.set(fit)
    try:
        yield
    finally:
        _active.reset(token)


def fitted_by_others(estimator: Any, X: Any, y: Any, sample_weight: Any) -> bool:
    """Return whether an estimator has been fitted by the function that is active."""
    fit = _active.get()
    return fit is not None and fit(estimator, X, y, sample_weight)
