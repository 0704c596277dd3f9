"""How much memory this process has, and had at its peak."""

import contextlib
import resource
import sys
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
    """Reading the data may have taken more than they do; where the system allows, start to measure here."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
