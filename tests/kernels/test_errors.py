"""Memory or threads that a kernel does not get: an exception in Python, no thread is left, and the next call works."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
@pytest.mark.skipif("SKOPT_SOLVERS_SANITIZER" in os.environ, reason="sanitizers reserve the address space")
@pytest.mark.parametrize("what", ["memory", "threads"])
def test_a_kernel_that_does_not_get_it_raises(what):
    settings = dict(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="2")
    settings.update(MALLOC_ARENA_MAX="1", MALLOC_MMAP_THRESHOLD_="65536")  # what is freed is not kept
    done = subprocess.run(
        [sys.executable, "-m", "tests.kernels.limits", what],
        env=dict(os.environ, **settings),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.stdout.strip() == "all right", (done.returncode, done.stdout, done.stderr[-3000:])
