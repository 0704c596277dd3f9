"""How a fit is timed, how contenders are compared, and on what machine: shared by the benchmarks."""

import gc
import os
import platform
import time
from contextlib import contextmanager
from importlib.metadata import version
from statistics import median

from threadpoolctl import threadpool_info, threadpool_limits

from skopt_solvers import _kernels

CLOCKS = ("cpu", "wall")
LEAST_ROUNDS = 2


@contextmanager
def pinned(n_threads):
    """BLAS and OpenMP with so many threads, those that are already loaded and those that are not."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(n_threads)
    try:
        with threadpool_limits(n_threads):
            yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def timed(run, count=1):
    """Call `run` `count` times without the garbage collector: its last result, and the seconds of one call.

    The seconds are by each clock; `cpu` is of this process, all its threads together.
    """
    gc.collect()
    gc.disable()
    try:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            result = run()
        seconds = {"cpu": (time.process_time() - cpu) / count, "wall": (time.perf_counter() - wall) / count}
    finally:
        gc.enable()
    return result, seconds


def interleaved(measures, repeats, cap=float("inf")):
    """Measure each in turn, A, B, C, A, B, C, ...

    Parameters
    ----------
    measures : dict of name to function
        That measures once and returns the seconds by each clock, or None where it failed.
    repeats : int
    cap : float
        Whatever would take more CPU seconds in all than this drops out of the later rounds, after the second.

    Returns
    -------
    dict of name to list of dict, one a round
    """
    rounds = {name: [] for name in measures}
    for number in range(repeats):
        for name, measure in measures.items():
            spent = sum(seconds["cpu"] for seconds in rounds[name])
            if number < LEAST_ROUNDS or spent * (number + 1) / number <= cap:
                seconds = measure()
                if seconds is not None:
                    rounds[name].append(seconds)
    return rounds


def summary(rounds, baseline=None):
    """Median, least and most of each clock, and how many times as fast as `baseline`.

    Parameters
    ----------
    rounds, baseline : list of dict, as `interleaved` returns
        The ratio is the median over rounds of the ratio within a round.
    """
    result = {"rounds": len(rounds)}
    for clock in CLOCKS:
        values = [seconds[clock] for seconds in rounds]
        ratio = None
        if baseline is not None:
            ratio = median(b[clock] / a[clock] for a, b in zip(rounds, baseline, strict=False))
        result[clock] = {"median": median(values), "min": min(values), "max": max(values), "times_as_fast": ratio}
    return result


def cell(result, clock="cpu"):
    """Milliseconds of a summary, as "median (min-max), ratio"."""
    values = result[clock]
    text = "{} ({}-{})".format(*(_milliseconds(values[key]) for key in ("median", "min", "max")))
    if values["times_as_fast"] is not None:
        return f"{text}, {values['times_as_fast']:.3g}x"
    if values.get("at_least") is not None:
        return f"{text}, >{values['at_least']:.3g}x"
    return text


def _milliseconds(seconds):
    value = 1e3 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def table(header, rows):
    """A Markdown table."""
    return "\n".join(map(table_row, [header, ["---"] * len(header), *rows]))


def table_row(cells):
    """A line of a Markdown table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def environment(n_threads):
    """The machine, the versions, the threads."""
    packages = ("skopt_solvers", "scikit-learn", "numpy", "scipy")
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "load_at_start": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "threads": n_threads,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "kernels": _kernels.variant,
        "blas": sorted(
            {f"{lib['internal_api']} {lib['version']}" for lib in threadpool_info() if lib["user_api"] == "blas"}
        ),
    }


def describe(environment):
    """One line for above the tables."""
    versions = ", ".join(f"{name} {number}" for name, number in environment["versions"].items())
    threads, load = environment["threads"], environment["load_at_start"]
    return (
        f"{environment['cpu']}, {environment['cores']} cores, {threads} thread{'s' if threads > 1 else ''}"
        f"{'' if load is None else f', load at start {load:.1f}'}; {environment['system']}, "
        f"Python {environment['python']}, {versions}, kernels {environment['kernels']}, "
        f"{', '.join(environment['blas'])}."
    )


def _cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
