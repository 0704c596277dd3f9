"""CPU seconds to a relative distance from the optimum off text, at C from 1 to 1,000: ours against scikit-learn's saga.

    python -m tests.benchmarks.large_c
    python -m tests.benchmarks.large_c --sets w8a --C 10 --limit 8

A fit is watched, so that one gives the times to all targets; ours include the reading of X. scikit-learn's saga is
called in pieces that go on from its table of gradients, without its checks of X. What takes longer than the limit has
"-". "sdca, alone" makes epochs only, which `sdca` gives up where they will not suffice.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import make_classification
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model._sag import sag_solver

from skopt_solvers import LogisticRegression
from skopt_solvers.solvers import LBFGS

from . import datasets, feature_sets
from .measure import pinned, table

TARGETS = (1e-2, 1e-3, 1e-6)
OURS = {
    "lbfgs": dict(solver="lbfgs", tol=1e-9),
    "lbfgs, no epochs": dict(solver=LBFGS(start_epochs=0), tol=1e-9),
    "sdca": dict(solver="sdca", tol=1e-7),
    "sdca, alone": dict(solver="sdca", tol=0.0),
}
SETS = ("w8a", "svd384", "5000x200", "20000x300")


def rows_of(name, options):
    """Return X in float64 and labels 0 and 1."""
    if name == "w8a":
        X, y = feature_sets.w8a(options.data)
        return X, y.astype(int)
    if name == "svd384":
        data = datasets.load("20news2", options.data, options.cache)
        return TruncatedSVD(384, random_state=0).fit_transform(data.matrix(np.float64)), data.y
    rows, columns = map(int, name.split("x"))
    X, y = make_classification(
        rows, columns, n_informative=columns // 2, n_redundant=columns // 4, class_sep=0.5, flip_y=0.05, random_state=0
    )
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def ours(X, y, C, limit, **params):
    """Return pairs of CPU seconds and objectives."""
    curve, began = [], time.process_time()

    def watch(info):
        curve.append((time.process_time() - began, info.objective))
        return curve[-1][0] > limit

    LogisticRegression(C=C, max_iter=100_000, random_state=0, n_jobs=1, callback=watch, **params).fit(X, y)
    return curve


def saga(X, y, C, limit, enough):
    """Return the same of scikit-learn's saga, until the objective is at most `enough`."""
    kept, curve, used, done = {"coef": np.zeros((X.shape[1] + 1, 1))}, [], 0.0, 0
    signs, target = np.where(y == 1, 1, -1), y.astype(float)
    while used < limit and (not curve or curve[-1][1] > enough):
        epochs, began = max(1, done // 4), time.process_time()
        penalty = dict(alpha=1 / C, beta=0.0, is_saga=True)
        options = dict(max_iter=epochs, tol=0.0, check_input=False, random_state=done, warm_start_mem=kept)
        _, _, kept = sag_solver(X, target, None, "log", **penalty, **options)
        used, done, W = used + time.process_time() - began, done + epochs, kept["coef"][:, 0]
        loss = np.logaddexp(0, -signs * (X @ W[:-1] + W[-1])).sum()
        curve.append((used, C * loss + 0.5 * W[:-1] @ W[:-1]))
    return curve


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--C", nargs="+", type=float, default=(1.0, 10.0, 100.0, 1000.0))
    parser.add_argument("--limit", type=float, default=8.0, help="CPU seconds of a fit")
    parser.add_argument("--data", type=Path, default=datasets.DEFAULT_DATA)
    parser.add_argument("--cache", type=Path, default=datasets.DEFAULT_CACHE)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    with pinned(1):
        for name in options.sets:
            X, y = rows_of(name, options)
            for C in options.C:
                curves = {kind: ours(X, y, C, options.limit, **params) for kind, params in OURS.items()}
                least = min(value for curve in curves.values() for _, value in curve)
                curves["scikit-learn saga"] = saga(X, y, C, options.limit, least * (1 + TARGETS[-1]))
                rows = []
                for kind, curve in curves.items():
                    times = [next((t for t, v in curve if v <= least * (1 + goal)), None) for goal in TARGETS]
                    rows.append([kind, *("-" if t is None else f"{t:.3f}" for t in times)])
                print(
                    f"\n{name}, C = {C:g}\n\n" + table(["solver", *(f"{goal:g}" for goal in TARGETS)], rows), flush=True
                )


if __name__ == "__main__":
    main()
