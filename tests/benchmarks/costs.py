"""What an epoch costs, and whether it grows with the width of the table."""

from functools import partial

import skopt_solvers

from .contenders import sgd_classifier
from .measure import CLOCKS, cell, interleaved, summary, table, timed
from .synthetic import ZIPF, planted_signs, zipf_rows

FEW, MANY = 1, 11  # epochs of two fits, whose difference is free of what a fit costs once
_DIFFERENCE = f"An epoch is a fit of {MANY} epochs less one of {FEW}, over {MANY - FEW}"
WIDTHS = (10**4, 10**5, 10**6)
ROWS, NONZEROS = 20_000, 75


def _epoch_seconds(X, y, make):
    """Seconds an epoch of ``make(epochs)``, what a fit costs once being left out."""
    few, many = (timed(partial(make(epochs).fit, X, y))[1] for epochs in (FEW, MANY))
    return {clock: (many[clock] - few[clock]) / (MANY - FEW) for clock in CLOCKS}


def _ours(solver, loss, epochs, **options):
    kind = skopt_solvers.LogisticRegression if loss == "logistic" else skopt_solvers.LinearSVC
    # nothing but the number of epochs may end the fit
    return kind(solver=solver, max_iter=epochs, tol=0.0, n_iter_no_change=10**6, random_state=0, **options)


def epochs(problem, repeats):
    """An epoch of our AdaGrad against one of SGDClassifier, in both float types: result and Markdown."""
    options = dict(C=problem.C, fit_intercept=problem.fit_intercept, n_jobs=problem.n_threads)
    measures = {}
    for dtype in ("float32", "float64"):
        for name, make in (
            ("ours adagrad", lambda epochs: _ours("adagrad", problem.loss, epochs, **options)),
            ("sklearn SGDClassifier", lambda epochs: sgd_classifier(problem, epochs, 0)),
        ):
            measures[name, dtype] = partial(_epoch_seconds, problem.dataset.matrix(dtype), problem.y, make)
    baseline = ("sklearn SGDClassifier", problem.dtype.name)
    rounds = interleaved(measures, repeats)
    results = {key: summary(rounds[key], rounds[baseline]) for key in rounds}
    result = {
        "dataset": problem.dataset.name,
        "loss": problem.loss,
        "C": problem.C,
        "fit_intercept": problem.fit_intercept,
        "epoch": [{"contender": name, "dtype": dtype, **values} for (name, dtype), values in results.items()],
    }
    X = problem.dataset.X
    several = " For several classes SGDClassifier makes one pass a class." if problem.n_outputs > 1 else ""
    text = (
        f"## An epoch on {problem.dataset.name}, {problem.loss.replace('_', ' ')}, C={problem.C:g}\n\n"
        f"{X.shape[0]:,} rows, {X.nnz:,} non-zeros. {_DIFFERENCE}; ours evaluates the objective on all rows "
        f"after each epoch, which is counted. Milliseconds, median (least-most) of {repeats} interleaved rounds, and "
        f"how many times as fast as SGDClassifier on {problem.dtype.name}.{several}\n\n"
        + table(
            ["contender", "X", "CPU", "wall"],
            [[*key, *(cell(values, clock) for clock in CLOCKS)] for key, values in results.items()],
        )
    )
    return result, text


def width(n_threads, dtype, repeats):
    """An epoch at the same non-zeros and 10^4 to 10^6 features: result and Markdown."""
    measures = {}
    for n_features in WIDTHS:
        X = zipf_rows(ROWS, n_features, NONZEROS)
        y, X = planted_signs(X), X.astype(dtype)
        for solver in ("adagrad", "adam"):
            make = partial(_ours, solver, "logistic", n_jobs=n_threads)
            measures[solver, n_features] = partial(_epoch_seconds, X, y, make)
    rounds = interleaved(measures, repeats)
    results = {(solver, d): summary(rounds[solver, d], rounds[solver, WIDTHS[0]]) for solver, d in rounds}
    result = {
        "dtype": dtype,
        "rows": ROWS,
        "nonzeros_per_row": NONZEROS,
        "zipf_exponent": ZIPF,
        "epoch": [{"solver": solver, "n_features": d, **values} for (solver, d), values in results.items()],
    }
    text = (
        f"## An epoch by width\n\nLogistic regression, C=1, {dtype}: {ROWS:,} synthetic rows of {NONZEROS} distinct "
        f"features, drawn in proportion to 1/rank^{ZIPF:g} (Zipf) and spread over the columns at random. "
        f"{_DIFFERENCE}. CPU milliseconds, median (least-most) of {repeats} interleaved rounds, and how many times as "
        f"fast as at {WIDTHS[0]:,} features.\n\n"
        + table(
            ["solver", *(f"{d:,} features" for d in WIDTHS)],
            [[solver, *(cell(results[solver, d]) for d in WIDTHS)] for solver in ("adagrad", "adam")],
        )
    )
    return result, text
