"""One call at a time of a method that changes an object in place."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_busy: set[tuple[int, int]] = set()  # (process, object): a forked process has none of its parent's calls


@contextmanager
def one_call_at_a_time(instance: object, method: str) -> Iterator[None]:
    """Raise RuntimeError where a call on the same object goes on, in another thread or around this one."""
    key = os.getpid(), id(instance)
    with _lock:
        if key in _busy:
            raise RuntimeError(
                f"{method} was called on a {type(instance).__name__} while another call of it on the same object goes "
                "on: calls on one object follow each other, those on different objects may go side by side"
            )
        _busy.add(key)
    try:
        yield
    finally:
        with _lock:
            _busy.discard(key)
