"""Memory of a fit of many classes: what each solver keeps, its peak, and float32 all the way."""

import tracemalloc

import numpy as np
import pytest

from skopt_solvers import LogisticRegression
from skopt_solvers.solvers import SOLVERS

from ..estimator.test_fit import quiet
from ..reference import NAMES, STOCHASTIC_NAMES, every_column

CLASSES, FEATURES = 50, 20_000
# docs/many_classes.md: arrays of the size of the table that `init` makes, tables at the peak of a fit, and bytes a
# feature besides. A solver that is not in it has no number in the guide.
STATE = {"momentum": 1, "adagrad": 1, "rmsprop": 1, "adam": 2, "adamw": 2, "ftrl": 2}
PEAK = {"momentum": 4, "adagrad": 4, "rmsprop": 4, "adam": 5, "adamw": 5, "ftrl": 5, "sdca": 3, "lbfgs": 18}
CLOCK = {"adam": 8, "adamw": 8, "ftrl": 8}


@pytest.fixture(scope="module")
def wide():
    return every_column(150, FEATURES).astype(np.float32), np.arange(150) % CLASSES


def test_every_solver_has_its_bytes_in_the_guide():
    assert set(PEAK) == set(NAMES)
    assert set(STATE) == set(STOCHASTIC_NAMES)


@pytest.mark.parametrize("solver", STOCHASTIC_NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_state_of_a_solver_is_so_many_tables_of_the_same_type(solver, dtype):
    W = np.zeros((FEATURES + 1, CLASSES), dtype)
    state = SOLVERS[solver]().init(W)
    tables = [array for array in state.values() if array.shape == W.shape]
    assert len(tables) == STATE[solver]
    assert all(array.dtype == dtype for array in tables)
    assert sum(array.nbytes for array in state.values()) == STATE[solver] * W.nbytes + CLOCK.get(solver, 0) * len(W)


@pytest.mark.parametrize("multi_class", ["softmax", "ovr"])
@pytest.mark.parametrize("solver", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_peak_of_a_fit(solver, multi_class, dtype, wide):
    X, y = wide[0].astype(dtype), wide[1]
    # the memory of L-BFGS fills in five iterations, after epochs of the dual
    options = dict(C=0.01, max_iter=15) if solver == "lbfgs" else dict(max_iter=2)
    tol = 0.9 if solver == "sdca" else 0  # a gap that is above tol is not proven
    model = LogisticRegression(multi_class=multi_class, solver=solver, tol=tol, random_state=0, n_jobs=1, **options)
    tracemalloc.start()
    try:
        quiet(model, X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    table = FEATURES * CLASSES * np.dtype(dtype).itemsize
    # besides: a slot, a count and a clock a feature, margins, and a byte a coefficient that says whether it is finite
    assert PEAK[solver] <= peak / table < PEAK[solver] + 0.35, f"{peak / table:.2f} tables"
    assert model.coef_.dtype == model.intercept_.dtype == dtype


@pytest.mark.parametrize("solver", NAMES)
def test_float32_stays_float32(solver, wide):
    X, y = wide
    model = quiet(LogisticRegression(solver=solver, max_iter=2, warm_start=True, random_state=0), X, y)
    results = [model.coef_, model.intercept_, model.decision_function(X), model.predict_proba(X)]
    results += [model.predict_topk(X, 3).scores, *_arrays(getattr(model, "_resume", None))]
    counts = (FEATURES + 1,)  # of a row, which may be float64
    floats = [array for array in results if array.dtype.kind == "f" and array.shape != counts]
    assert all(array.dtype == np.float32 for array in floats)


def _arrays(kept):
    """All arrays in nested dictionaries."""
    if isinstance(kept, dict):
        return [array for value in kept.values() for array in _arrays(value)]
    return [kept] if isinstance(kept, np.ndarray) else []
