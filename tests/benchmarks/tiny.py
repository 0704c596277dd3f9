"""What a fit of few rows costs, ours against each of scikit-learn's solvers."""

from functools import partial

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

import skopt_solvers
from skopt_solvers.solvers import SOLVERS

from .measure import cell, interleaved, summary, table, timed
from .synthetic import zipf_rows

ROWS = (20, 100, 300, 1000)
CLASSES = (2, 3)
FITS = 20  # in a measurement of the smallest; fewer of more rows
BINARY = ("sklearn liblinear",)  # for two classes only
FEW_FEATURES = ("sklearn newton-cholesky",)  # has the Hessian as a matrix


def _inputs(n_rows):
    rng = np.random.RandomState(0)
    return {
        "sparse, 300 features": sp.random(n_rows, 300, density=0.1, format="csr", random_state=0),
        "text, 100,000 features": zipf_rows(n_rows, 100_000, 100).astype(float),
        **{f"dense, {n} features": rng.standard_normal((n_rows, n)) for n in (5, 10, 20, 50)},
        "dense, 30 features not scaled": rng.standard_normal((n_rows, 30)) * 10.0 ** rng.uniform(-2, 3, 30),
    }


def _models(n_threads):
    """Estimators by family and name, everything at its default but the solver."""
    ours = [None, *(name for name in ("sdca", "adagrad") if name in SOLVERS)]
    named = {name: {} if name is None else {"solver": name} for name in ours}
    logistic = {
        f"ours {name or 'default'}": skopt_solvers.LogisticRegression(n_jobs=n_threads, **options)
        for name, options in named.items()
    }
    svm = {
        f"ours {name or 'default'}": skopt_solvers.LinearSVC(n_jobs=n_threads, **options)
        for name, options in named.items()
    }
    for solver in ("lbfgs", "liblinear", "newton-cholesky"):
        logistic[f"sklearn {solver}"] = LogisticRegression(solver=solver)
    svm["sklearn LinearSVC"] = LinearSVC()
    return {"LogisticRegression": logistic, "LinearSVC": svm}


def tiny(n_threads, repeats):
    """A fit of 20 to 1,000 rows, ours against scikit-learn's, tolerances at their defaults: result, Markdown."""
    results = []
    for n_rows in ROWS:
        for kind, X in _inputs(n_rows).items():
            for n_classes in CLASSES:
                y = np.arange(n_rows) % n_classes
                left_out = (BINARY if n_classes > 2 else ()) + (FEW_FEATURES if X.shape[1] > 1000 else ())
                for family, models in _models(n_threads).items():
                    takes_part = {name: m for name, m in models.items() if name not in left_out}
                    results.append(_compared(family, kind, n_classes, takes_part, X, y, repeats))
    text = (
        "## Fits of few rows\n\nEach with its own defaults but the solver, tolerance included, on random float64 data. "
        f"CPU milliseconds of a fit, median (least-most) of {repeats} interleaved rounds, and how many times as fast "
        "as the fastest of scikit-learn, by medians. A dash: not for so many classes or features.\n\n"
    )
    for family in ("LogisticRegression", "LinearSVC"):
        of_family = [result for result in results if result["model"] == family]
        names = list(of_family[0]["fits"])
        rows = [
            [
                result["rows"],
                result["input"],
                result["n_classes"],
                *(cell(result["fits"][name]) if name in result["fits"] else "-" for name in names),
            ]
            for result in of_family
        ]
        text += f"{family}:\n\n" + table(["rows", "X", "classes", *names], rows) + "\n\n"
    return results, text.strip()


def _compared(family, kind, n_classes, models, X, y, repeats):
    count = max(2, FITS * ROWS[0] // X.shape[0])
    measures = {name: partial(_fit_seconds, model, X, y, count) for name, model in models.items()}
    for model in models.values():
        model.fit(X, y)  # the first may load something
    rounds = interleaved(measures, repeats)
    medians = {name: summary(values)["cpu"]["median"] for name, values in rounds.items()}
    fastest = min((name for name in rounds if name.startswith("sklearn")), key=medians.get)
    return {
        "model": family,
        "rows": X.shape[0],
        "input": kind,
        "n_classes": n_classes,
        "fastest_of_sklearn": fastest,
        "fits": {name: summary(values, rounds[fastest]) for name, values in rounds.items()},
    }


def _fit_seconds(model, X, y, count):
    return timed(partial(model.fit, X, y), count=count)[1]
