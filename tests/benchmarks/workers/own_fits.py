"""Fits of the contenders that need no environment of their own, in a process of their own: for their memory."""

import numpy as np

from tests.benchmarks.contenders import CONTENDERS, Problem
from tests.benchmarks.datasets import Dataset

from .linear_fits import answered, loaded

__all__ = ["answered", "prepared"]


def prepared(ask, small=False):
    """The fit that is asked for, and its arguments."""
    return _fit, *loaded(ask, small), ask


def _fit(X, y, ask):
    dataset, dtype = Dataset("", X, y, ""), np.dtype(ask.dtype)
    problem = Problem(dataset, ask.loss, ask.C, ask.fit_intercept, ask.threads, dtype, ask.l1_ratio, X)
    return (yield lambda: CONTENDERS[ask.method].fit(problem, ask.budget, ask.seed))
