"""Fixtures that several files of tests share."""

import importlib
import os

import pytest
from hypothesis import settings

from skopt_solvers import _kernels

os.environ.setdefault("MPLBACKEND", "Agg")  # no windows, in doctests neither

# The same random problems in every run, so that a failure belongs to the change that brought it;
# `pytest --hypothesis-profile=default` looks for new ones.
settings.register_profile("repeatable", max_examples=60, derandomize=True, deadline=None)
# `pytest --hypothesis-profile=long tests/*/test_fuzz*.py` is eighty times as long, with new inputs every time.
settings.register_profile("long", max_examples=5000, deadline=None, print_blob=True)
settings.load_profile("repeatable")


@pytest.fixture(params=["_core", "_core_v3"])
def kernels(request, monkeypatch):
    """Each compiled variant that this processor can run."""
    core = importlib.import_module("skopt_solvers._kernels._core")
    if request.param != "_core":
        if not core.cpu_is_v3():
            pytest.skip("needs x86-64-v3")
        core = importlib.import_module(f"skopt_solvers._kernels.{request.param}")
    monkeypatch.setattr(_kernels, "_core", core)
    return core
