"""Leave an estimator as it was when a call fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def unchanged_on_failure(estimator: Any) -> Iterator[list[Callable[[], object]]]:
    """Put the estimator's attributes back as they were before when anything is raised inside.

    The functions in the list that it yields are called first: they put back arrays that were changed in place.
    """
    before = vars(estimator).copy()
    undo: list[Callable[[], object]] = []
    try:
        yield undo
    except BaseException:
        while True:
            try:
                for put_back in undo:
                    put_back()
                estimator.__dict__ = before  # one step: another Ctrl-C finds all or nothing
                break
            except KeyboardInterrupt:
                continue
        raise
