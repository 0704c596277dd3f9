"""Find the number of threads that a fit may use beside others, in this process and in those of joblib and dask."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from numbers import Integral
from typing import Any

import joblib
from joblib.parallel import get_active_backend
from threadpoolctl import ThreadpoolController


@lru_cache
def _cores(limit: str | None) -> int:
    """Return the cores that joblib counts. It is asked once a `limit`, since that costs a tenth of a small fit."""
    return joblib.cpu_count()


def effective_threads(n_jobs: int | None) -> int:
    """Return the number of threads for `n_jobs`, so that fits side by side have no more threads than there are cores.

    None is all that this fit may use: the cores, or the number in OMP_NUM_THREADS or in an enclosing
    ``joblib.parallel_config``, or in a worker its share of the cores. Negative numbers count down from there, -1 being
    all; positive ones are taken as they are.
    """
    if n_jobs == 0 or not isinstance(n_jobs, (Integral, type(None))):
        raise ValueError(f"n_jobs must be None or an integer other than 0, got {n_jobs!r}")
    if n_jobs is not None and n_jobs > 0:
        return min(n_jobs, 2**31 - 1)
    backend, context_jobs = get_active_backend()
    available = _available(backend)
    if n_jobs is None:
        n_jobs = context_jobs or -1
    return min(available, n_jobs) if n_jobs > 0 else max(1, available + 1 + n_jobs)


def _available(backend: Any) -> int:
    if in_dask_task():
        return 1  # its siblings have the other threads of the worker, and other workers may be in this process
    limits = [_cores(os.environ.get("LOKY_MAX_CPU_COUNT"))]
    if not getattr(backend, "nesting_level", 0):
        omp = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
        return min(limits + [int(omp)] if omp.isdigit() and int(omp) > 0 else limits)
    # A process of loky is told its share, cores // n_jobs or inner_max_num_threads, in every variable that its parent
    # had not set; other workers of joblib, such as threads, are told nothing: their siblings have the other cores.
    shares = [os.environ.get(name, "") for name in getattr(backend, "MAX_NUM_THREADS_VARS", ())]
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not shares or not in_main_thread or not all(share.isdigit() for share in shares):
        return 1
    return max(1, min(limits + [int(share) for share in shares]))


def in_dask_task() -> bool:
    """Tell whether this runs in a task of dask.

    joblib cannot tell: its backend for dask has no level of nesting, and a task of a client has no backend.
    """
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except (ValueError, AttributeError):  # no task; half imported
        return False
    return True


class _OneBlasThread:
    """Hold BLAS to one thread inside a ``with``, in the whole process, because its setting has no other scope.

    The setting is put back when the last of several threads leaves, also after Ctrl-C.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside: set[object] = set()
        self.libraries: list[Any] | None = None
        self.before: list[int] | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        who = object()
        try:
            with self.lock:
                self.inside.add(who)
                if self.libraries is None:
                    self.libraries = ThreadpoolController().select(user_api="blas").lib_controllers
                if self.before is None:  # known as a whole before any is changed
                    self.before = [library.num_threads for library in self.libraries]
                for library in self.libraries:
                    library.set_num_threads(1)
            yield
        finally:
            interrupted = None
            while True:
                try:
                    self._leave(who)
                    break
                except KeyboardInterrupt as interrupt:
                    interrupted = interrupt
            if interrupted is not None:
                raise interrupted

    def _leave(self, who: object) -> None:
        with self.lock:
            self.inside.discard(who)
            if not self.inside and self.libraries is not None and self.before is not None:
                for library, n_threads in zip(self.libraries, self.before, strict=True):
                    library.set_num_threads(n_threads)
                self.before = None


one_blas_thread = _OneBlasThread()
