"""Automatic learning rates: how far the default stochastic fits are from the optimum after 20 epochs, by C.

    python -m tests.benchmarks.rates                                # every set, logistic loss or softmax
    python -m tests.benchmarks.rates --datasets rcv1 sms --best     # also the best of 20 rates and three schedules
    python -m tests.benchmarks.rates --loss hinge --datasets sms
    python -m tests.benchmarks.rates --crf conll2000 upos wnut17

A cell has the relative distance from the optimum of a rate that knows no C (that of version 0.1, which falls linearly),
that of the defaults, with ``--best`` the least of the 20 rates and three schedules, and the test accuracies of the
first two, in percent, where there are test rows. Sets have their first rows after a shuffle, ``--rows``; a CRF has all
sentences. All is float32 on one thread; the optimum is that of L-BFGS, or of sdca for the hinge, in float64, and kept.
"""

import argparse
import json
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import ConvergenceWarning

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.model_selection import fit_many
from skopt_solvers.schedules import PolynomialDecay, Warmup
from skopt_solvers.solvers import AdaGrad, Adam, Momentum, RMSProp

from . import datasets, feature_sets
from .crf_contenders import converted, tutorial_dicts
from .measure import table

EPOCHS = 20
SOLVERS = {"momentum": Momentum, "adagrad": AdaGrad, "rmsprop": RMSProp, "adam": Adam}
UNITS = {"adagrad": 1.0, "rmsprop": 0.1, "adam": 0.1}  # of version 0.1, times sqrt(2 / mean |x|^2)
FACTORS = 2.0 ** np.arange(-2, 8, 0.5)
SCHEDULES = [PolynomialDecay(EPOCHS), *(Warmup(PolynomialDecay(EPOCHS - rise), epochs=rise) for rise in (1, 2))]
SETS = ("rcv1", "20news2", "20news", "nsmc", "sms", "w8a", "dense", "categories")


def rows_of(name, options):
    """Return rows to train on and to test, and their classes: X, y, X, y."""
    test = None
    if name == "categories":
        X, y = feature_sets.categories()
    elif name == "w8a":
        X, y = feature_sets.w8a(options.data)
    else:
        data = datasets.load("20news2" if name == "dense" else name, options.data, options.cache)
        X, y, test = data.X, data.y, data.X_test
    order = np.random.RandomState(0).permutation(X.shape[0])
    kept, rest = np.split(order, [min(options.rows, len(order) if test is not None else len(order) * 4 // 5)])
    X_test, y_test = (X[rest[:5000]], y[rest[:5000]]) if test is None else (test, data.y_test)
    X, y = X[kept], y[kept]
    if name == "dense":
        svd = TruncatedSVD(384, random_state=0).fit(X)
        X, X_test = (sp.csr_matrix(svd.transform(part)) for part in (X, X_test))
    classes, y = np.unique(y, return_inverse=True)
    return X, y, X_test, np.searchsorted(classes, y_test)


def kept(path, make):
    """Return what a file has, or make it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(make()))
    return json.loads(path.read_text())


class Problem:
    """The models of a set and a loss, in scikit-learn's objective."""

    def __init__(self, name, options):
        self.name, self.options = name, options
        self.X, self.y, self.X_test, self.y_test = rows_of(name, options)
        self.X32 = sp.csr_matrix(self.X, dtype=np.float32)
        self.several = self.y.max() > 1
        self.mean_square = self.X.multiply(self.X).sum(axis=1).mean() + 1

    def model(self, C, **parameters):
        """Return a model that is not fitted."""
        if self.options.loss == "log":
            kind, loss = LogisticRegression, {}
        else:
            kind, loss = LinearSVC, {"loss": self.options.loss}
        return kind(C, l1_ratio=self.options.l1_ratio, random_state=0, **loss, **parameters)

    def optimum(self, C):
        """Return the objective at the optimum."""
        hinge = self.options.loss == "hinge"
        model = self.model(C, tol=1e-6 if hinge else 1e-8, max_iter=5000, solver="sdca" if hinge else "lbfgs")
        options = self.options
        key = f"rates-{self.name}-{len(self.y)}-{options.loss}-{options.l1_ratio:g}-{C:g}.json"
        return kept(options.cache / key, lambda: model.fit(self.X, self.y).history_[-1]["objective"])

    def unit(self, solver):
        """Return version 0.1's rate, which knows no C."""
        if solver != "momentum":
            return UNITS[solver] * np.sqrt(2 / self.mean_square)
        curvature = {"log": 0.5 if self.several else 0.25, "squared_hinge": 2, "modified_huber": 2}
        return 2.85 / (curvature.get(self.options.loss, 1) * self.mean_square)

    def epochs(self, C, solver):
        """Return a model that a stochastic solver fits in 20 epochs."""
        return self.model(C, solver=solver, max_iter=EPOCHS, tol=0, n_iter_no_change=EPOCHS)

    def fits(self, models):
        """Fit models of one solver together; return (objective, test accuracy) of each, infinite where one diverges."""
        ends = fit_many(models, self.X32, self.y, errors="return")
        return [
            (np.inf, 0)
            if isinstance(end, Exception)
            else (end.history_[-1]["objective"], end.score(self.X_test.astype(np.float32), self.y_test))
            for end in ends
        ]


def linear(name, options):
    """Return the rows of a set's table, and the ratios to the best at C of 100 and more."""
    problem, rows, ratios = Problem(name, options), [], []
    for solver in options.solvers:
        kind, unit = SOLVERS[solver], problem.unit(solver)
        found = {}
        for C in options.C:
            models = [problem.epochs(C, kind(unit, schedule="linear")), problem.epochs(C, kind())]
            if options.best:
                models += [problem.epochs(C, kind(unit * f, schedule=s)) for f in FACTORS for s in SCHEDULES]
            best = problem.optimum(C)
            found[C] = [(value / best - 1, accuracy) for value, accuracy in problem.fits(models)]
        cells = []
        for C, ((before, accuracy), (now, accuracy_now), *others) in found.items():
            least = min((value for value, _ in others), default=None)
            if least is not None and C >= 100:
                ratios.append(max(now, 1e-3) / max(least, 1e-3))
            more = "" if least is None else f" ({least:.4f})"
            cells.append(f"{before:.4f} -> {now:.4f}{more}; {accuracy:.1%}, {accuracy_now:.1%}")
        rows.append([name, solver, *cells])
        print(*rows[-1], flush=True)
    return rows, ratios


def chains(name, options):
    """Return the row of a CRF's table: the distance of each solver's default fit from the optimum."""
    sentences = datasets.load_tagging(name, options.data).first(options.sentences)
    _, X = converted(tutorial_dicts(sentences.train))
    cells = []
    for C in options.crf_C:
        model = LinearChainCRF(C, n_jobs=1, random_state=0, max_iter=EPOCHS, tol=0)
        exact = partial(model.set_params(max_iter=400).fit, X, sentences.train_labels)
        key = f"rates-{name}-{len(sentences.train)}-{C:g}.json"
        best = kept(options.cache / key, lambda exact=exact: exact().history_[-1]["objective"])
        for solver in options.solvers:
            model.set_params(solver=SOLVERS[solver](), max_iter=EPOCHS).fit(X, sentences.train_labels)
            cells.append(f"{model.history_[-1]['objective'] / best - 1:.4f}")
            print(name, C, solver, cells[-1], flush=True)
    return [name, *cells]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--datasets", nargs="*", default=SETS, metavar="NAME")
    add("--solvers", nargs="+", default=list(SOLVERS), choices=SOLVERS)
    add("--C", nargs="+", type=float, default=[0.1, 1, 10, 100, 1000])
    add("--loss", default="log", choices=("log", "hinge", "squared_hinge", "smoothed_hinge", "modified_huber"))
    add("--l1-ratio", type=float, default=0.0)
    add("--rows", type=int, default=8000)
    add("--best", action="store_true", help="the best of 20 rates and three schedules too; slow")
    add("--crf", nargs="*", default=(), metavar="NAME", help="sets of sentences, in the place of the others")
    add("--crf-C", nargs="+", type=float, default=[5.0])
    add("--sentences", type=int, default=None)
    add("--data", type=Path, default=datasets.DEFAULT_DATA)
    add("--cache", type=Path, default=datasets.DEFAULT_CACHE)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if options.crf:
        header = ["", *(f"{solver}, C={C:g}" for C in options.crf_C for solver in options.solvers)]
        print("\n" + table(header, [chains(name, options) for name in options.crf]))
        return
    rows, ratios = [], []
    for name in options.datasets:
        for total, part in zip((rows, ratios), linear(name, options), strict=True):
            total.extend(part)
    print("\n" + table(["", "", *(f"C={C:g}" for C in options.C)], rows))
    if ratios:
        print(f"\nratio to the best at C >= 100: median {np.median(ratios):.2f}, most {max(ratios):.2f}")


if __name__ == "__main__":
    main()
