"""Values that stay where they were made, one a block, and sums over them: on the workers of a cluster, or here."""

import traceback
from concurrent.futures import CancelledError
from contextlib import contextmanager

import dask
from dask.base import get_scheduler
from dask.optimization import cull

from .._base.threads import in_dask_task
from ..objectives._summed import summed

_FAN = 4  # values that a task of a tree brings together
_ATTEMPTS = 5  # of a sum, where workers die in the middle of it
_PATIENCE = 600  # seconds that a sum waits for a worker where all are gone


def hold(blocks):
    """Compute delayed values and keep them: on the workers where there is a `distributed.Client`, else here."""
    if in_dask_task():
        raise ValueError(
            "fit on a dask collection waits for tasks, which a task must not do: call it where the Client is"
        )
    client = getattr(get_scheduler(), "__self__", None)
    if not hasattr(client, "scatter"):
        whole = dask.config.set({"admin.traceback.shorten": []})
        with _noted(lambda error: _blocks_that_need(error, blocks)), whole:
            return Here(dask.compute(*blocks))
    return OnCluster(client, client.compute(list(blocks)))


@contextmanager
def _noted(failed):
    """An error says which blocks could not be made, by ``failed(error)``; those that read a block say so themselves."""
    try:
        yield
    except Exception as error:
        numbers = [] if getattr(error, "__notes__", None) else failed(error)
        if numbers:
            some = ", ".join(map(str, numbers[:3])) + (", ..." if len(numbers) > 3 else "")
            noun = "block" if len(numbers) == 1 else "blocks"
            error.add_note(f"in a task that makes {noun} {some} of X, y or sample_weight")
        raise


def _blocks_that_need(error, blocks):
    """The numbers of the blocks that need the task of dask's own schedulers in which an error was raised.

    The key of a task is in the frame that runs it, if dask has not shortened the traceback, and nowhere else. The
    scheduler of processes brings no frames back, and then no block is named.
    """
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    keys = [frame.f_locals.get("key") for frame in frames if frame.f_code.co_name == "execute_task"]
    return [i for i, block in enumerate(blocks) if any(key in cull(dict(block.dask), [block.key])[0] for key in keys)]


class _Held:
    """Values that are let go at the end of a `with`, also where an error keeps its traceback."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.release()


class Here(_Held):
    """Values in this process."""

    def __init__(self, values):
        self.values = list(values)

    def release(self):
        """Let the values go."""
        self.values = []

    def map(self, function, *arguments):
        """The values ``function(value, *arguments)``."""
        return Here([function(value, *arguments) for value in self.values])

    def gather(self, function):
        """A list of ``function(value)``, which are small."""
        return [function(value) for value in self.values]

    def merged(self, merge):
        """One value of all, by ``merge(list of values)``; what `map` takes as an argument."""
        return merge(self.values)

    def fetch(self, merged):
        """Bring the value that `merged` has given into this process."""
        return merged

    def those(self, chosen):
        """The values that are chosen, by a list of bool."""
        return Here([value for value, kept in zip(self.values, chosen, strict=True) if kept])

    def total(self, method, *arguments):
        """The sum of what a method of the values gives, a tuple of numbers and arrays."""
        return summed(getattr(value, method)(*arguments) for value in self.values)


class OnCluster(_Held):
    """Values on the workers of a cluster, with the methods of :class:`Here`.

    The scheduler knows how each was made, and has it made again where a worker that had it is gone. A future that a
    task needs is kept until that task is done: the scheduler reads tasks in the background, and a future that is let go
    in the meantime is cancelled with all that needs it.
    """

    def __init__(self, client, futures):
        self.client, self.futures, self._kept = client, futures, []

    def release(self):
        for future in (*self.futures, *self._kept):
            future.release()

    def map(self, function, *arguments):
        return OnCluster(self.client, [self._submit(function, value, *arguments) for value in self.futures])

    def gather(self, function):
        with self.map(function) as results, _noted(lambda error: _failed(results.futures)):
            return self.client.gather(results.futures)

    def merged(self, merge):
        self._kept = self._tree(self.futures, merge)
        return self._kept[-1]

    def fetch(self, merged):
        return merged.result()

    def those(self, chosen):
        return OnCluster(self.client, [value for value, kept in zip(self.futures, chosen, strict=True) if kept])

    def total(self, method, *arguments):
        """The arguments go to each worker once; each thread sums over its values, and the sums are added as a tree.

        What was sent is data that nobody can make again: where it has died with the workers that had it, the sum begins
        again; where all workers are gone, it waits for one. It goes to one worker, and from there to those whose tasks
        ask for it: a broadcast (of distributed 2026.8) never ends if a worker dies in the middle.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                sent = self.client.scatter(list(arguments), hash=False, timeout=_PATIENCE) if arguments else []
                sums = self._tree(
                    [self._submit(_partial_sum, method, group, *sent) for group in self._groups()], summed
                )
                return sums[-1].result()
            except (CancelledError, OSError) as error:  # OSError: a connection is lost, or a time is over
                if isinstance(error, TimeoutError) and not self.client.nthreads():
                    message = f"the cluster has lost all its workers, and none came in {_PATIENCE} s"
                    raise TimeoutError(message) from error
                if attempt == _ATTEMPTS:
                    raise

    def _groups(self):
        """The values by the workers that have them, in as many groups as these have threads."""
        where, threads = self.client.who_has(self.futures), self.client.nthreads()
        values = {}
        for value in self.futures:
            values.setdefault(min(where.get(value.key) or [""]), []).append(value)
        for worker in sorted(values):
            count = threads.get(worker, len(values[worker]))
            yield from (group for i in range(count) if (group := values[worker][i::count]))

    def _tree(self, futures, merge):
        """All futures of a tree, its root the last."""
        every = list(futures)
        while len(futures) > 1:
            futures = [self._submit(merge, futures[i : i + _FAN]) for i in range(0, len(futures), _FAN)]
            every += futures
        return every

    def _submit(self, function, *arguments):
        return self.client.submit(function, *arguments, pure=False)


def _failed(futures):
    return [i for i, future in enumerate(futures) if future.status == "error"]


def _partial_sum(method, values, *arguments):
    return summed(getattr(value, method)(*arguments) for value in values)
