"""The memory that a process may still take."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import psutil

resource: Any
try:
    import resource
except ImportError:  # Windows has no limits of this kind
    resource = None

# What is asked for no more than this is not compared: to ask the system takes longer than a small fit.
ALWAYS_FREE = 2**26


def free_bytes() -> int:
    """Return the bytes that the process may still take: of the machine, of its control groups, and of its limits."""
    return max(0, min([psutil.virtual_memory().available, *_free_in_groups(), *_free_below_limits()]))


def _free_below_limits() -> Iterator[int]:
    if resource is None:
        return
    used = None
    for limit, kind in ((resource.RLIMIT_AS, "vms"), (resource.RLIMIT_DATA, "data")):
        most = resource.getrlimit(limit)[0]
        if most == resource.RLIM_INFINITY:
            continue
        used = used or psutil.Process().memory_info()
        if hasattr(used, kind):
            yield most - getattr(used, kind)


def _free_in_groups(proc: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup") -> Iterator[int]:
    """For each control group of the process, and those around it, its limit less what cannot be given back."""
    try:
        lines = Path(proc).read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base, names, prefix = Path(root), ("memory.max", "memory.current"), ""
        elif "memory" in controllers.split(","):
            base, names, prefix = Path(root, "memory"), ("memory.limit_in_bytes", "memory.usage_in_bytes"), "total_"
        else:
            continue
        # in a container the path may be the host's, and its own group is at the root
        inner = PurePosixPath(path.lstrip("/"))
        for folder in (base / part for part in (inner, *inner.parents)):
            try:
                most, used = ((folder / name).read_text().strip() for name in names)
                if most == "max":
                    continue
                stat = dict(pair.split() for pair in (folder / "memory.stat").read_text().splitlines())
                cached = sum(int(stat.get(f"{prefix}{state}_file", 0)) for state in ("inactive", "active"))
                yield int(most) - int(used) + cached
            except (OSError, ValueError):
                continue
