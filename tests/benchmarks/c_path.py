"""Cross-validation along C: `C_path` against a grid search over the same estimator, and scikit-learn's own path.

Run it from the root of the repository, where the package is installed::

    python -m tests.benchmarks.c_path                             # rcv1, 20news2 and sms, 10 and 30 values of C
    python -m tests.benchmarks.c_path --datasets sms --n-C 10 --tol 1e-6
    python -m tests.benchmarks.c_path --threads 2                 # folds side by side; GridSearchCV with processes

Everybody has five stratified folds, the same C from 0.01 to 100, `tol` and `max_iter`, accuracy as the score and an
intercept. Rounds are interleaved; a measurement is the whole call. `C_path` with the weights at every C makes six fits
a C, all others five a C and one more. Beside the times stands the largest difference of a mean score from a grid search
at a hundredth of `tol`, and whether the same C is best there: what the tolerance and warm starts leave in the scores.

CPU time is that of this process: with ``--threads 2`` the workers of GridSearchCV and LogisticRegressionCV are others,
and only wall time compares.
"""

import argparse
import json
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import GridSearchCV

from skopt_solvers import LogisticRegression
from skopt_solvers.model_selection import C_path

from . import datasets
from .measure import cell, describe, environment, interleaved, pinned, summary, table, timed

BASELINES = ("GridSearchCV of ours", "sklearn LogisticRegressionCV")


def _contenders(X, y, Cs, options):
    """Name to a function that gives the mean scores at `Cs`."""
    limits = dict(tol=options.tol, max_iter=1000)
    ours = LogisticRegression(n_jobs=1, **limits)
    jobs = options.threads

    def sklearn_path():
        path = LogisticRegressionCV(
            Cs=Cs, cv=5, l1_ratios=(0,), scoring="accuracy", use_legacy_attributes=False, n_jobs=jobs, **limits
        )
        return path.fit(X, y).scores_.mean(axis=0).ravel()

    return {
        "C_path": lambda: C_path(ours, X, y, Cs, n_jobs=jobs).mean_scores,
        "C_path, best fit only": lambda: C_path(ours, X, y, Cs, n_jobs=jobs, return_coefs=False).mean_scores,
        BASELINES[0]: lambda: _searched(ours, X, y, Cs, jobs),
        BASELINES[1]: sklearn_path,
    }


def _searched(model, X, y, Cs, n_jobs):
    search = GridSearchCV(model, {"C": list(Cs)}, cv=5, n_jobs=n_jobs).fit(X, y)
    return search.cv_results_["mean_test_score"]


def compared(dataset, n_C, options):
    """All contenders on one data set: result, and rows of the table."""
    X, y, Cs = dataset.X, dataset.y, np.logspace(-2, 2, n_C)
    contenders = _contenders(X, y, Cs, options)
    scores = {name: run() for name, run in contenders.items()}  # the first may load something
    exact = _searched(LogisticRegression(tol=options.tol / 100, max_iter=5000), X, y, Cs, options.threads)
    rounds = interleaved({name: partial(_seconds, run) for name, run in contenders.items()}, options.repeats)
    against = {baseline: {name: summary(r, rounds[baseline]) for name, r in rounds.items()} for baseline in BASELINES}
    result = {"dataset": dataset.name, "n_C": n_C, "exact_scores": exact, "contenders": {}}
    rows = []
    for name in contenders:
        grid, path = (against[baseline][name] for baseline in BASELINES)
        off = float(np.abs(scores[name] - exact).max())
        same = bool(scores[name].argmax() == exact.argmax())
        result["contenders"][name] = {"seconds": grid, "against_path": path, "off": off, "same_best": same}
        ratios = (f"{path[clock]['times_as_fast']:.3g}x" for clock in ("cpu", "wall"))
        rows.append(
            [name, cell(grid), next(ratios), cell(grid, "wall"), next(ratios), f"{off:.2g}", "yes" if same else "no"]
        )
    return result, rows


def _seconds(run):
    return timed(run)[1]


def _options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--datasets", nargs="+", choices=datasets.DATASETS, default=["rcv1", "20news2", "sms"])
    add("--n-C", nargs="+", type=int, default=[10, 30], help="how many values of C between 0.01 and 100")
    add("--tol", type=float, default=1e-4)
    add("--repeats", type=int, default=5)
    add("--threads", type=int, default=1)
    add("--data", type=Path, default=datasets.DEFAULT_DATA)
    add("--cache", type=Path, default=datasets.DEFAULT_CACHE)
    add("--markdown", type=Path)
    add("--json", type=Path)
    return parser.parse_args()


def main():
    options = _options()
    with pinned(options.threads), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        machine = environment(options.threads)
        markdown, results = [f"# Cross-validation along C\n\n{describe(machine)} tol={options.tol:g}."], []
        header = ["", "CPU ms, against the grid", "CPU, against sklearn", "wall ms, against the grid"]
        header += ["wall, against sklearn", "off by", "same best C"]
        for name in options.datasets:
            try:
                dataset = datasets.load(name, options.data, options.cache)
            except FileNotFoundError as error:
                print(f"{name} is skipped: {error}")
                continue
            for n_C in options.n_C:
                result, rows = compared(dataset, n_C, options)
                results.append(result)
                markdown.append(f"## {name}, {n_C} C\n\n" + table(header, rows))
                print(markdown[-1], flush=True)
                if options.markdown:
                    options.markdown.write_text("\n\n".join(markdown) + "\n", encoding="utf-8")
                if options.json:
                    document = {"environment": machine, "results": results}
                    options.json.write_text(json.dumps(document, indent=1, default=str), encoding="utf-8")


if __name__ == "__main__":
    main()
