"""How time and memory of a fit grow with rows, columns, non-zeros, classes, labels, threads and batches.

Run it from the root of the repository, where the package is installed::

    python -m tests.benchmarks.scaling --quick                     # small sizes; about a minute
    python -m tests.benchmarks.scaling                             # all axes; takes a quarter of an hour
    python -m tests.benchmarks.scaling --axes rows columns --solvers lbfgs --json scaling.json

Data are synthetic: rows of distinct features drawn by Zipf's law, see `synthetic`, in float32. One size varies at a
time, the others being those of `Size`; classes and labels have fewer rows and columns, see `AXES`. Each point is
measured in a process of its own, which loads the data and fits once, for the peak of memory, and then several times,
for the medians. An iteration (an epoch of a stochastic solver) is clocked from the end of the first to the end of the
last. The rest of a fit is all else: checks of the input, and the proof of convergence that a stochastic solver gives.

An exponent is the slope between a point and the one before on doubly logarithmic axes: 1 is proportional.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from skopt_solvers.solvers import SOLVERS, StochasticSolver

from .measure import CLOCKS, describe, environment, table
from .synthetic import ZIPF, planted_classes, zipf_rows

REPOSITORY = Path(__file__).parents[2]
GIB = 2**30
BYTES = 4  # of float32
PER_TOKEN = 20  # tokens of a sequence
# tables of parameters that a fit takes at its peak, see docs/input_and_memory.md; of another solver: as many as lbfgs
TABLES = {"lbfgs": 28, "adagrad": 4}
# iterations after the first, by the operations that one takes at most
ITERATIONS = {10**8: 10, 10**9: 5, math.inf: 2}


@dataclass(frozen=True)
class Size:
    """One point: data, and how it is fitted. `labels` > 0 makes a CRF of it, with sequences of `PER_TOKEN` rows."""

    rows: int = 20_000
    columns: int = 100_000
    nonzeros: int = 30
    classes: int = 2
    labels: int = 0
    threads: int = 1
    batch_size: int = 0

    @property
    def outputs(self):
        if self.labels:
            return self.labels
        return 1 if self.classes == 2 else self.classes

    @property
    def operations(self):
        """Multiplications of a pass over the data, and entries of a table, whichever are more."""
        passes = self.rows * (self.nonzeros * self.outputs + self.labels**2)
        return max(passes, self.columns * self.outputs)

    def bytes_of(self, solver):
        """An estimate of the peak of a fit, data included."""
        table = self.columns * self.outputs * BYTES
        margins = 0 if self.labels else 3 * self.rows * self.outputs * BYTES
        padded = 2 * table if self.labels else 0
        data = self.rows * self.nonzeros * (BYTES + 4)
        return TABLES.get(solver, TABLES["lbfgs"]) * table + margins + padded + data


# axis: (the field of Size, its values, those of --quick, what else differs from Size)
AXES = {
    "rows": ("rows", (10**3, 10**4, 10**5, 10**6), (10**3, 10**4), {}),
    "columns": ("columns", (10**4, 10**5, 10**6, 10**7), (10**4, 10**5), {}),
    "nonzeros": ("nonzeros", (10, 30, 100, 300), (10, 30), {}),
    "classes": ("classes", (2, 10, 100, 1000, 10**4), (2, 50), {"rows": 10_000, "columns": 10_000}),
    "labels": ("labels", (5, 20, 50, 100, 200, 500), (5, 50), {"rows": 5_000, "columns": 10_000}),
    "threads": ("threads", (1, 2), (1, 2), {"rows": 100_000}),
    "batch": ("batch_size", (1, 4, 16, 64, 256, 1024), (16, 64), {}),
}
QUICK_ROWS = 5_000


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def points(axis, quick):
    """The sizes of an axis, in ascending order."""
    name, values, few, other = AXES[axis]
    size = replace(Size(), **other)
    if quick:
        size = replace(size, rows=min(size.rows, QUICK_ROWS))
    return [replace(size, **{name: value}) for value in (few if quick else values)]


def reason_to_skip(size, solver, axis, options):
    """Why this point is not measured, or None."""
    if axis == "batch" and not issubclass(SOLVERS[solver], StochasticSolver):
        return "has no batches"
    if size.bytes_of(solver) > options.memory_limit * GIB:
        return f"would take about {size.bytes_of(solver) / GIB:.0f} GiB of memory (--memory-limit)"
    if size.threads > (os.cpu_count() or 1):
        return f"the machine has {os.cpu_count()} cores"
    return None


@contextmanager
def data_of(size):
    """A file of the synthetic data of `size`."""
    X = zipf_rows(size.rows, size.columns, size.nonzeros)
    y = planted_classes(X, size.labels or size.classes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        np.savez(path, data=X.data, indices=X.indices, indptr=X.indptr, shape=X.shape, y=y)
        del X, y
        yield path


def measured(size, solver, path, options):
    """What `scaling_child` says of a point, or why it says nothing."""
    request = {
        "data": str(path),
        "solver": solver,
        "lengths": PER_TOKEN if size.labels else 0,
        "threads": size.threads,
        "batch_size": size.batch_size,
        "iterations": next(count for most, count in ITERATIONS.items() if size.operations <= most),
        "repeats": options.repeats,
        "cap": options.cap,
    }
    command = [sys.executable, "-m", f"{__package__}.scaling_child", json.dumps(request)]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            output, errors = process.communicate(timeout=options.cap)
            reason = (errors.strip().splitlines() or [f"ended with status {process.returncode}"])[-1]
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            reason = f"took more than {options.cap:g} s (--cap)"
    if not output:
        return {"skipped": reason}
    answer = json.loads(output.splitlines()[-1])
    result = {"mib": answer["mib"], "rounds": len(answer["stopped"]), "iterations": request["iterations"]}
    for name, part in (("stopped", "iteration"), ("whole", "rest")):
        if name in answer:
            result[part] = {clock: median(fit[part][clock] for fit in answer[name]) for clock in CLOCKS}
    if "rest" not in result:
        result["without_rest"] = reason
    return result


def scan(axis, options):
    """All points of an axis: a list of dict."""
    results = []
    for size in points(axis, options.quick):
        wanted = {solver: reason_to_skip(size, solver, axis, options) for solver in options.solvers}
        results += [
            {"solver": solver, "size": asdict(size), "skipped": reason} for solver, reason in wanted.items() if reason
        ]
        fitting = [solver for solver, reason in wanted.items() if reason is None]
        if not fitting:
            continue
        with data_of(size) as path:
            for solver in fitting:
                say(f"  {axis} {getattr(size, AXES[axis][0]):,} {solver}")
                results.append({"solver": solver, "size": asdict(size), **measured(size, solver, path, options)})
    return results


def exponent(before, after, size_before, size_after):
    """The slope between two points on doubly logarithmic axes, or None where it means nothing."""
    if not (before > 0 and after > 0) or size_before == size_after:
        return None
    return math.log(after / before) / math.log(size_after / size_before)


def report(axis, results, options):
    """A Markdown table, and why points are missing."""
    name = AXES[axis][0]
    first = points(axis, options.quick)[0]
    unsaid = {name, "threads", "classes" if first.labels else "labels"}
    fixed = ", ".join(f"{field} {value:,}" for field, value in asdict(first).items() if value and field not in unsaid)
    rows, notes = [], []
    for solver in options.solvers:
        last = None
        for result in (result for result in results if result["solver"] == solver):
            value = result["size"][name]
            if "skipped" in result:
                notes.append(f"- Without {solver} at {value:,}: {result['skipped']}.")
                continue
            rest = result.get("rest", {"cpu": math.nan})["cpu"]
            if "without_rest" in result:
                notes.append(f"- The rest of {solver} at {value:,}: {result['without_rest']}.")
            columns = [1e3 * seconds for seconds in (*result["iteration"].values(), rest)] + [result["mib"]]
            slopes = [None] * len(columns)
            if last is not None:
                slopes = [exponent(a, b, last[0], value) for a, b in zip(last[1], columns, strict=True)]
            cells = [
                ("-" if math.isnan(number) else f"{number:.3g}") + ("" if slope is None else f" ({slope:.2f})")
                for number, slope in zip(columns, slopes, strict=True)
            ]
            rows.append([solver, f"{value:,}", *cells, result["rounds"]])
            last = value, columns
    header = ["solver", name, "iteration CPU, ms", "wall, ms", "rest of a fit CPU, ms", "fit's peak, MiB", "rounds"]
    return "\n\n".join([f"## {axis}", f"{fixed}.", table(header, rows), "\n".join(notes)]).strip()


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    known = [name for name in ("lbfgs", "adagrad", "sdca") if name in SOLVERS]
    add("--axes", nargs="+", choices=list(AXES), default=list(AXES), metavar="AXIS", help=", ".join(AXES))
    add("--solvers", nargs="+", choices=list(SOLVERS), default=known, metavar="SOLVER", help=", ".join(SOLVERS))
    add("--quick", action="store_true", help="small sizes")
    add("--repeats", type=int, default=5)
    add("--cap", type=float, default=120.0, help="seconds for a point; what is not known by then is missing")
    add("--memory-limit", type=float, default=16.0, metavar="GIB", help="points that would take more are skipped")
    add("--json", type=Path, metavar="FILE")
    add("--markdown", type=Path, metavar="FILE")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    machine = environment(1)
    document = {"environment": machine, "options": vars(options), "axes": {}}
    markdown = [
        "# Growth",
        describe(machine),
        f"Medians of rounds on synthetic float32 rows, features drawn in proportion to 1/rank^{ZIPF:g}; in brackets, "
        "the exponent of growth since the row above. MiB are what a fit takes beyond the data.",
    ]
    print("\n\n".join(markdown), end="\n\n", flush=True)
    for axis in options.axes:
        results = scan(axis, options)
        document["axes"][axis] = results
        markdown.append(report(axis, results, options))
        print(markdown[-1], end="\n\n", flush=True)
        if options.markdown:
            options.markdown.write_text("\n\n".join(markdown) + "\n", encoding="utf-8")
        if options.json:
            options.json.write_text(json.dumps(document, indent=1, default=str), encoding="utf-8")


if __name__ == "__main__":
    main()
