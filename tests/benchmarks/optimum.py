"""The reference run of a linear problem, and a proven bound of how far it is from the optimum."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.svm import LinearSVC

import skopt_solvers
from skopt_solvers.solvers import SOLVERS

PROVEN_ENOUGH = 1e-9  # relative duality gap at which the reference run ends


def optimum(problem, cache):
    """Its objective, and a proven bound of how far that is from the optimum, relative to it; None where none is known.

    Kept in `cache`: remove it after a change of the package that would make it better.
    """
    parts = [problem.dataset.key, problem.loss, f"{problem.C:g}", "intercept" if problem.fit_intercept else "none"]
    key = "-".join(parts + [f"l1-{problem.l1_ratio:g}"] * (problem.l1_ratio > 0))
    kept = Path(cache) / f"{key}.optimum.json"
    if kept.exists():
        return json.loads(kept.read_text())
    ready = problem.ready(np.float64)
    if problem.loss == "hinge":
        objective, bound = _hinge(ready)
    elif problem.loss == "logistic_ovr":
        # as many binary problems as there are classes, whose optima add up
        parts = [_smooth(_binary(ready, k)) for k in range(problem.n_outputs)]
        objective, bound = np.sum(parts, axis=0)
    else:
        objective, bound = _smooth(ready)
    result = {"objective": objective, "relative_bound": None if bound is None else bound / objective}
    said = "not proven" if bound is None else f"proven to a relative {bound / objective:.1g}"
    print(f"  optimum {objective:.9g}, {said}", file=sys.stderr, flush=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(result))
    return result


def _binary(ready, k):
    dataset = replace(ready.dataset, y=(ready.y == k).astype(int))
    return replace(ready, dataset=dataset, loss="logistic")


def _smooth(ready):
    """Objective and bound of our L-BFGS, which is asked for more until it is proven."""
    kind, options = ready.ours
    options.update(fit_intercept=ready.fit_intercept, max_iter=5000, warm_start=True)
    model = kind(ready.C, l1_ratio=ready.l1_ratio, **options)
    for tol in (1e-6, 1e-8, 1e-10):
        model.set_params(tol=tol).fit(ready.X, ready.y)
        objective = ready.objective(model.coef_, model.intercept_)
        bound = model.suboptimality_bound(ready.X, ready.y)
        if bound <= PROVEN_ENOUGH * objective:
            break
    return objective, bound


def _hinge(ready):
    """Objective and bound of coordinate descent in the dual; what has kinks is not for L-BFGS."""
    if "sdca" in SOLVERS:
        options = dict(loss="hinge", solver="sdca", fit_intercept=ready.fit_intercept, max_iter=3000, random_state=0)
        model = skopt_solvers.LinearSVC(ready.C, tol=1e-10, **options).fit(ready.X, ready.y)
        bound = model.suboptimality_bound(ready.X, ready.y)
    elif not ready.fit_intercept:
        options = dict(loss="hinge", fit_intercept=False, tol=1e-8, max_iter=20_000, random_state=0)
        model, bound = LinearSVC(C=ready.C, **options).fit(ready.X, ready.y), None
    else:
        options = dict(loss="hinge", solver="adagrad", max_iter=200, random_state=0)
        model, bound = skopt_solvers.LinearSVC(ready.C, **options).fit(ready.X, ready.y), None
    return ready.objective(model.coef_, model.intercept_), bound
