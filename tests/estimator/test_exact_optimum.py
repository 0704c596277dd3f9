"""Fits against the optimum of an independent exact solver, on random hard problems."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skopt_solvers.solvers import SOLVERS

from ..exact import random_problem

PROBLEMS = {seed: random_problem(seed) for seed in range(48)}


@pytest.mark.parametrize("seed", PROBLEMS)
def test_no_fit_is_called_converged_far_from_the_exact_optimum(seed):
    problem = PROBLEMS[seed]
    optimum = problem.optimum()
    if optimum is None:
        pytest.skip("the exact solver is not sure of its optimum")
    for solver in SOLVERS:
        model = problem.estimator(solver, max_iter=200)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(problem.X, problem.y)
        except ValueError:  # no method for this loss or penalty
            assert solver in ("lbfgs", "sdca")
            continue
        value = model.history_[-1]["objective"]
        distance = (value - optimum) / value
        assert distance > -1e-5, (solver, problem)
        assert distance <= model.suboptimality_ + 1e-5, (solver, problem)
        assert not model.converged_ or distance <= 100 * model.tol + 1e-5, (solver, problem)
        if solver == "lbfgs" and problem.loss != "log" and not problem.l1_ratio:
            # Newton's method has the last digit of these, whatever C and the scales are
            assert model.converged_ and distance < 1e-4, problem
    assert np.isfinite(optimum)
