"""Fits of a matrix that is larger than the memory they are given, against the same in memory.

    python -m tests.benchmarks.out_of_core [--gigabytes 1.5] [--limit 300]
    python -m tests.benchmarks.out_of_core --calls 300

Synthetic rows are written to a temporary folder. Each fit is a process of its own; one on disk may have so many
megabytes of data (RLIMIT_DATA: all that can be written to, resident or not) beyond what Python and its libraries have.
The second form is the cost of calls of partial_fit with 100 rows and one output, for several numbers of features.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from skopt_solvers import LogisticRegression
from skopt_solvers.out_of_core import load_csr_memmap, save_csr_memmap

from .synthetic import planted_signs, zipf_rows

N_FEATURES, N_NONZEROS, ROWS = 2**18, 100, 50_000
SOLVERS = {"lbfgs": 10, "adagrad": 3, "sdca": 3}


def status(*names):
    """Megabytes, as the kernel says."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return [int(lines[name].split()[0]) / 1024 for name in names]


class Peak(threading.Thread):
    """The largest anonymous memory that was seen, in megabytes."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most, self.over = 0.0, threading.Event()

    def run(self):
        while not self.over.wait(0.01):
            self.most = max(self.most, status("RssAnon")[0])


def fit(folder, solver, limit):
    X, y = load_csr_memmap(folder / "X"), np.load(folder / "y.npy")
    if not limit:
        X = X.copy()
    model = LogisticRegression(solver=solver, max_iter=SOLVERS[solver], tol=0, random_state=0, n_jobs=1)
    model.fit(X[:1000], y[:1000])
    peak = Peak()
    peak.start()
    before, data = status("RssAnon", "VmData")
    if limit:
        most = int((data + limit) * 2**20)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    began, cpu = time.perf_counter(), time.process_time()
    model.fit(X, y)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak.over.set()
    peak.join()
    anonymous, resident = peak.most - before, status("VmHWM")[0]
    rows = X.shape[0] * model.n_iter_
    accuracy = model.score(X, y)
    print(
        json.dumps(dict(anonymous=anonymous, resident=resident, seconds=seconds, cpu=cpu, rows=rows, accuracy=accuracy))
    )


def chunks(n_chunks, labels):
    """Blocks of rows over one vocabulary; to `labels` go theirs."""
    columns = np.random.default_rng(0).permutation(N_FEATURES)
    for seed in range(n_chunks):
        X = zipf_rows(ROWS, N_FEATURES, N_NONZEROS, seed=seed)
        ranks = np.argsort(np.random.default_rng(seed).permutation(N_FEATURES))  # of its own columns
        X = sp.csr_matrix((X.data, columns[ranks[X.indices]].astype(np.int32), X.indptr), shape=X.shape)
        labels.append(planted_signs(X))
        yield X


def calls(n_calls):
    for bits in (14, 20, 23):
        pieces = [zipf_rows(100, 2**bits, 80, seed=seed) for seed in range(20)]
        labels = [planted_signs(X) for X in pieces]
        model = LogisticRegression(solver="adagrad", random_state=0, n_jobs=1)
        model.partial_fit(pieces[0], labels[0], classes=[0, 1])
        began = time.process_time()
        for call in range(n_calls):
            model.partial_fit(pieces[call % 20], labels[call % 20])
        milliseconds = 1e3 * (time.process_time() - began) / n_calls
        print(f"2^{bits} features: {milliseconds:.1f} ms of CPU a call")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.5, help="of X on disk")
    parser.add_argument("--limit", type=float, default=300, help="megabytes of data for a fit on disk")
    parser.add_argument("--calls", type=int, help="of partial_fit")
    parser.add_argument("--fit", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.fit:
        folder, solver, limit = arguments.fit
        return fit(Path(folder), solver, float(limit))
    if arguments.calls:
        return calls(arguments.calls)
    n_chunks = max(1, round(arguments.gigabytes * 1e9 / (8 * N_NONZEROS * ROWS)))
    with tempfile.TemporaryDirectory() as folder:
        labels, began = [], time.perf_counter()
        X = save_csr_memmap(Path(folder, "X"), chunks(n_chunks, labels))
        np.save(Path(folder, "y.npy"), np.concatenate(labels))
        size = (X.data.nbytes + X.indices.nbytes) / 2**20
        seconds = time.perf_counter() - began
        print(f"{X.shape[0]} rows, {size:.0f} MB, written in {seconds:.0f} s; limit {arguments.limit:g} MB")
        heads = (f"{head:>14}" for head in ("X", "anonymous MB", "peak RSS MB", "rows/s", "rows/CPU s", "accuracy"))
        print(f"{'solver':10}" + "".join(heads))
        for solver in SOLVERS:
            for where, limit in (("memory", 0), ("disk", arguments.limit)):
                command = [
                    sys.executable,
                    "-W",
                    "ignore",
                    "-m",
                    "tests.benchmarks.out_of_core",
                    "--fit",
                    folder,
                    solver,
                ]
                child = subprocess.run([*command, str(limit)], check=True, stdout=subprocess.PIPE, text=True)
                r = json.loads(child.stdout)
                numbers = (r["anonymous"], r["resident"], r["rows"] / r["seconds"], r["rows"] / r["cpu"])
                numbers = "".join(f"{number:14.0f}" for number in numbers)
                print(f"{solver:10}{where:>14}{numbers}{r['accuracy']:14.4f}", flush=True)


if __name__ == "__main__":
    main()
