"""How far fits end from the exact optimum of random hard problems, and how near their proofs are to the truth.

    python -m tests.benchmarks.proofs                  # 1,000 problems, all solvers
    python -m tests.benchmarks.proofs --problems 100 --solvers lbfgs sdca

The problems have two classes, of which the rare one has 50 to 1 %, columns of scales from 1e-3 to 1e3, equal, constant
and far ones, and C from 1e-4 to 1e4. The optimum is that of Clarabel, an interior-point method, through cvxpy. A row
has the fits that a solver takes, how many have converged and how many of these are more than 1 % above the optimum
(none should be), the median and the worst distance of all fits, and the median quotient of bound and distance where the
distance is 0.1 to 3 %, and the quotient that 90 % of these do not exceed. The last column counts bounds below the
distance, which would be wrong. A second table has these quotients by loss and penalty.
"""

import argparse
import warnings

import numpy as np

from skopt_solvers.solvers import SOLVERS

from ..exact import LOSSES, random_problem
from .measure import table


def fitted(problem, solver, max_iter):
    """Return a fit of a problem, or None where the solver refuses it."""
    try:
        return problem.estimator(solver, max_iter=max_iter, n_jobs=1).fit(problem.X, problem.y)
    except (ValueError, FloatingPointError):
        return None


def row(name, found):
    """Return the cells of a row, from tuples of converged, distance and bound."""
    converged, distance, bound = (np.array(column) for column in zip(*found, strict=True))
    return [
        name,
        len(found),
        int(converged.sum()),
        int((converged & (distance > 0.01)).sum()),
        f"{np.median(distance):.1g}",
        f"{distance.max():.1g}",
        f"{distance[converged].max():.1g}" if converged.any() else "",
        *quotients(distance, bound),
        int((bound < distance - 1e-6).sum()),
    ]


def quotients(distance, bound):
    """Return the median and the ninth decile of bound over distance where that is 0.1 to 3 %, in words."""
    near = (distance > 1e-3) & (distance < 0.03)
    return [f"{np.quantile(bound[near] / distance[near], part):.1f}" if near.any() else "" for part in (0.5, 0.9)]


def by_penalty(found):
    """Return rows of quotients, from tuples of distance and bound by loss and penalty."""
    rows = []
    for (loss, penalty), pairs in sorted(found.items()):
        distance, bound = (np.array(column) for column in zip(*pairs, strict=True))
        near = int(((distance > 1e-3) & (distance < 0.03)).sum())
        rows.append([f"{loss}, {penalty}", near, *quotients(distance, bound)])
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--problems", type=int, default=1000)
    add("--solvers", nargs="+", default=list(SOLVERS), choices=SOLVERS)
    add("--max-iter", type=int, default=100)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    found, penalties, unsure = {}, {}, 0
    for seed in range(options.problems):
        problem = random_problem(seed)
        optimum = problem.optimum()
        if optimum is None:
            unsure += 1
            continue
        for solver in options.solvers:
            model = fitted(problem, solver, options.max_iter)
            if model is not None:
                value = model.history_[-1]["objective"]
                distance = max(value - optimum, 0.0) / value
                kinds = found.setdefault((solver, problem.loss), [])
                kinds.append((model.converged_, distance, model.suboptimality_))
                penalty = {0.0: "L2", 1.0: "L1"}.get(problem.l1_ratio, "elastic net")
                penalties.setdefault((problem.loss, penalty), []).append((distance, model.suboptimality_))
    print(f"{options.problems - unsure} problems with an exact optimum")
    header = [
        "",
        "fits",
        "converged",
        "of these > 1 %",
        "median",
        "worst",
        "worst converged",
        "bound / distance",
        "90 %",
        "wrong",
    ]
    rows = [
        row(f"{solver}, {loss}", found[solver, loss])
        for solver in options.solvers
        for loss in LOSSES
        if (solver, loss) in found
    ]
    print(table(header, rows))
    print("\n" + table(["", "fits", "bound / distance", "90 %"], by_penalty(penalties)))


if __name__ == "__main__":
    main()
