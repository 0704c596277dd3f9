"""The place of a fit in what runs it: the candidate and the fold of a search, which callbacks are told."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Place:
    """The place of a fit in a search; what is not known is None, and of no parameters there is an empty dict."""

    candidate: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    fold: int | None = None


_NOWHERE = Place()
_active: ContextVar[Callable[[Any], Place]] = ContextVar("fit_place", default=lambda estimator: _NOWHERE)


@contextmanager
def fits_have_place(place: Callable[[Any], Place]) -> Iterator[None]:
    """Give each fit inside, in this thread, the place that a function has for its estimator."""
    token = _active.set(place)
    try:
        yield
    finally:
        _active.reset(token)


def place_of(estimator: Any) -> Place:
    """Return the place of a fit that begins."""
    return _active.get()(estimator)
