"""The benchmark's side of `workers.serve`: a process for each peer, asked for one fit at a time."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class PeerError(RuntimeError):
    """What went wrong in the other process."""


class PeerProcess:
    """A worker that runs.

    Parameters
    ----------
    python : path of the interpreter
    module : of `workers`, which has the fits
    folder : where the data lie; a fit may leave files there
    threads : that BLAS, OpenMP and numba have
    limit : float
        Seconds that a fit may take; a worker that takes longer is ended.
    variables : dict
        More of its environment variables.
    """

    def __init__(self, python, module, folder, threads, limit, variables):
        self.limit = limit
        variables = {**os.environ, **{name: str(threads) for name in THREAD_VARIABLES}, **variables}
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(
            [str(python), "-m", f"{__package__}.workers.serve", module, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            cwd=REPOSITORY,
            env=variables,
            text=True,
        )

    def ask(self, **request):
        """The answer to a request; PeerError where there is none, or it says that the fit failed."""
        if self.process.poll() is not None:
            raise PeerError("its process has ended")
        late = threading.Timer(self.limit, self.process.kill)
        late.start()
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            in_time = late.is_alive()
            late.cancel()
        if not line:
            raise PeerError(self._last_words() if in_time else f"ended after {self.limit:g} s")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def _last_words(self):
        self.process.wait()
        self.log.seek(0)
        lines = self.log.read().strip().splitlines()
        return f"its process ended with {self.process.returncode}: {lines[-1] if lines else 'no word'}"

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Crew:
    """The workers of one problem, started when they are first asked; a context that ends them.

    Parameters
    ----------
    write : function of a folder
        That leaves there what the workers load.
    """

    def __init__(self, write, threads, limit):
        self.write, self.threads, self.limit = write, threads, limit
        self.folder, self.workers = None, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for worker in self.workers.values():
            worker.close()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, peer, python, module, **request):
        """The answer of the worker for `peer`; one that has ended is started again."""
        worker = self.workers.get(peer)
        if worker is None or worker.process.poll() is not None:
            if worker is not None:
                worker.close()
            worker = self.workers[peer] = self._start(peer, python, module)
        return worker.ask(**request)

    def ask_new(self, peer, python, module, **request):
        """The answer of a worker that has done nothing else, and whose arrays are returned to the system at once."""
        worker = self._start(peer, python, module, MALLOC_MMAP_THRESHOLD_="65536")
        try:
            return worker.ask(**request)
        finally:
            worker.close()

    def _start(self, peer, python, module, **variables):
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="skopt_solvers_peers_"))
            self.write(self.folder)
        # a folder each, so that none finds another's files, and the data once
        own = self.folder / peer
        own.mkdir(exist_ok=True)
        for file in self.folder.iterdir():
            if file.is_file() and not (own / file.name).exists():
                os.link(file, own / file.name)
        return PeerProcess(python or sys.executable, module, own, self.threads, self.limit, variables)
