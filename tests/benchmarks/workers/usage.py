"""What a call used: seconds of this process and its children, and peak memory. Standard library only."""

import contextlib
import gc
import os
import resource
import sys
import time
from pathlib import Path

MIB = 2**20


def memory_use():
    """MiB in memory now, and at the peak since the last `forget_peak`, of this process.

    getrusage will not do on Linux: its peak is inherited from the parent.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return tuple(int(fields[name].split()[0]) * 1024 / MIB for name in ("VmRSS", "VmHWM"))
    except (OSError, KeyError):
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB
        return peak, peak


def forget_peak():
    """Where the system allows, start to measure the peak here."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _cpu_seconds():
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def used(run):
    """The result of ``run()``, and its cpu and wall seconds and MiB before it and at its peak.

    CPU time is of all threads, and of child processes that have ended. The garbage collector is off.
    """
    gc.collect()
    forget_peak()
    before, _ = memory_use()
    gc.disable()
    try:
        wall, cpu = time.perf_counter(), _cpu_seconds()
        result = run()
        seconds = {"cpu": _cpu_seconds() - cpu, "wall": time.perf_counter() - wall}
    finally:
        gc.enable()
    return result, {**seconds, "before": before, "peak": memory_use()[1]}
