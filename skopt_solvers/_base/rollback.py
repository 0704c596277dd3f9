"""A failed call leaves an estimator as it was."""

from contextlib import contextmanager


@contextmanager
def unchanged_on_failure(estimator):
    """Whatever is raised inside, the estimator's attributes are as they were before.

    What is appended to the list that it gives is called first, to put back what was changed in place.
    """
    before, undo = vars(estimator).copy(), []
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
