"""GridSearchCV of this package against scikit-learn's, from raw text or ready X: CPU and wall seconds to the same.

Run it from the root of the repository, where the package is installed::

    python -m tests.benchmarks.search --documents 1500          # of each corpus
    python -m tests.benchmarks.search --repeats 1               # many minutes
    python -m tests.benchmarks.search --cases '20news, 20'
    python -m tests.benchmarks.search --cases ready --sides our
    python -m tests.benchmarks.search --cases docstrings --sides 'ours|scikit-learn'

The sides take the same documents, folds and candidates in turn. "ours" is all of this package; "their vectorizer" is
the same with scikit-learn's vectorizer; "our models" are the same models in scikit-learn's search behind its own
vectorizer; "scikit-learn" is as many candidates of its own LogisticRegression. The data are read from ``--data``, the
environment variable SKOPT_SOLVERS_DATA or ``../shared/data``; docstrings are those of this installation.
Paths along C and several labels a sample have benchmarks of their own, with scikit-learn's side too::

    python -m tests.benchmarks.c_path --datasets rcv1 20news2 sms 20news
    python -m tests.benchmarks.many_labels --solvers lbfgs --scikit-learn
"""

import argparse
import importlib
import re
import sys
import warnings
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np
from sklearn import model_selection as sklearn_search
from sklearn.feature_extraction.text import TfidfVectorizer as TheirTfidfVectorizer
from sklearn.linear_model import LogisticRegression as TheirRegression
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline

from skopt_solvers import LogisticRegression
from skopt_solvers.feature_extraction.text import TfidfVectorizer
from skopt_solvers.model_selection import GridSearchCV
from skopt_solvers.schedules import CosineDecay, Warmup
from skopt_solvers.solvers import AdaGrad, Adam

from .datasets import DEFAULT_CACHE, DEFAULT_DATA, binary_texts, load, raw_texts
from .measure import describe, environment, pinned, table, table_row, timed


@dataclass(frozen=True)
class Case:
    """A search.

    Attributes
    ----------
    texts : function of the folder of the data that returns documents, or a matrix, and labels
    options : dict of parameters of the vectorizer, or None where there is none
    grid : dict or list of dicts, of our models
    theirs : dict, of as many candidates of scikit-learn's model
    n_folds : int
    parameters : dict, of our model
    """

    texts: object
    options: dict | None
    grid: object
    theirs: dict
    n_folds: int
    parameters: dict = field(default_factory=dict)

    def search(self, side, n_threads):
        """Return the search of a side, not fitted."""
        folds = StratifiedKFold(self.n_folds)
        if side == "scikit-learn":
            model, grid = TheirRegression(max_iter=1000), self.theirs
        else:
            model, grid = LogisticRegression(random_state=0, **self.parameters), self.grid
        vectorizer = TfidfVectorizer if side == "ours" else TheirTfidfVectorizer
        steps = [] if self.options is None else [("text", vectorizer(**self.options))]
        search = GridSearchCV if side in ("ours", "their vectorizer") else sklearn_search.GridSearchCV
        pipeline = Pipeline([*steps, ("model", model)])
        return search(pipeline, grid, cv=folds, n_jobs=None if n_threads == 1 else n_threads)


def twenty_classes(data):
    texts, labels = raw_texts("20news", data)[:2]
    return texts, labels


def two_classes(data):
    return binary_texts("20news2", data)[:2]


def nsmc(data):
    return binary_texts("nsmc", data)[:2]


def docstrings(data):
    """Return docstrings of installed packages, as the gallery of examples loads them."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
    texts, labels = importlib.import_module("docstring_corpus").load_docstrings()
    texts, _, labels, _ = train_test_split(texts, labels, train_size=6000, stratify=labels, random_state=0)
    return texts, np.array(labels)


def ready(name):
    """Return the function of the data that gives X and y of a data set."""

    def rows(data):
        dataset = load(name, data, DEFAULT_CACHE)
        return dataset.matrix(np.float64), dataset.y

    return rows


C6 = [0.1, 1, 3, 10, 30, 100]
C8 = {"model__C": np.geomspace(0.1, 30, 8)}
STOCHASTIC_32 = {
    "model__C": [1, 3, 10, 30],
    "model__solver": [
        solver(learning_rate=rate, schedule=schedule)
        for solver, rates in ((AdaGrad, (0.3, 1.0)), (Adam, (0.01, 0.03)))
        for rate, schedule in product(rates, ("cosine", "linear"))
    ],
}
STOCHASTIC = [solver(schedule=schedule) for solver, schedule in product((AdaGrad, Adam), ("cosine", "linear"))]
DOCSTRINGS_23 = [
    {"model__solver": ["lbfgs"], "model__max_iter": [100], "model__C": [1, 10, 100]},
    {
        "model__solver": ["adagrad", "adam"],
        "model__solver__learning_rate": ["auto", 0.3],
        "model__solver__schedule": ["cosine", "linear"],
        "model__C": [10, 100],
    },
    {
        "model__solver": [Adam()],
        "model__solver__schedule": [Warmup(CosineDecay())],
        "model__solver__schedule__epochs": [1, 5],
        "model__C": [10, 100],
    },
]
CASES = {
    "20news, 2 classes, 24 x 5": Case(
        two_classes,
        {},
        {"model__C": C6, "model__solver": STOCHASTIC},
        {"model__C": np.geomspace(0.1, 100, 24)},
        5,
        {"max_iter": 20},
    ),
    "20news, 20 classes, 12 x 3": Case(
        twenty_classes,
        {"sublinear_tf": True},
        {"model__C": [1, 10, 100], "text__min_df": [1, 2], "text__norm": ["l2", None]},
        {"model__C": [1, 10, 100], "text__min_df": [1, 2], "text__norm": ["l2", None]},
        3,
    ),
    "20news, 20 classes, C only, 12 x 3": Case(
        twenty_classes, {}, {"model__C": np.geomspace(0.1, 100, 12)}, {"model__C": np.geomspace(0.1, 100, 12)}, 3
    ),
    "nsmc, char 1-3, 8 x 3": Case(nsmc, {"analyzer": "char", "ngram_range": (1, 3)}, C8, C8, 3),
    "rcv1 ready, stochastic, 32 x 5": Case(
        ready("rcv1"), None, STOCHASTIC_32, {"model__C": np.geomspace(0.1, 100, 32)}, 5, {"max_iter": 20}
    ),
    **{
        f"{name} ready, {solver}, 8 x 5": Case(ready(name), None, C8, C8, 5, {"solver": solver})
        for name, solver in product(("rcv1", "nsmc"), ("lbfgs", "sdca"))
    },
    "docstrings, 23 x 3": Case(
        docstrings,
        {"sublinear_tf": True, "min_df": 2},
        DOCSTRINGS_23,
        {"model__C": np.geomspace(1, 100, 23)},
        3,
        {"max_iter": 20},
    ),
}
SIDES = ("ours", "their vectorizer", "our models", "scikit-learn")


def same(ours, theirs):
    """Return the largest difference of a score of our models."""
    scores = [name for name in ours if re.fullmatch(r"split\d+_test_score", name)]
    return max(np.abs(ours[name] - theirs[name]).max() for name in scores)


def row(case, options):
    """Return the cells of a case: seconds of each side, ratios, and how far scores are apart."""
    texts, labels = case.texts(options.data)
    texts, labels = texts[: options.documents], labels[: options.documents]
    sides = [side for side in SIDES if re.search(options.sides, side)]
    seconds = {side: [] for side in sides}
    results = {}
    for _ in range(options.repeats):
        for side in sides:
            search = case.search(side, options.threads)
            fitted, took = timed(lambda search=search: search.fit(texts, labels))
            seconds[side].append(took)
            results[side] = fitted.cv_results_
    cells = [f"{median(took[clock] for took in seconds[side]):.3g}" for side in sides for clock in ("cpu", "wall")]
    for side in sides[1:]:
        for clock in ("cpu", "wall"):
            ratios = [a[clock] / b[clock] for a, b in zip(seconds[side], seconds[sides[0]], strict=True)]
            cells.append(f"{median(ratios):.1f}")
    apart = f"{same(results['ours'], results['our models']):.2g}" if {"ours", "our models"} <= set(sides) else ""
    return [*cells, apart]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--cases", default="", metavar="PATTERN", help="a regular expression of the names of cases")
    add("--sides", default="", metavar="PATTERN", help="a regular expression of the sides")
    add("--documents", type=int, help="the first so many of each corpus; all by default")
    add("--threads", type=int, default=1)
    add("--repeats", type=int, default=5)
    add("--data", type=Path, default=DEFAULT_DATA)
    options = parser.parse_args(arguments)
    print("# Searches from raw text", describe(environment(options.threads)), sep="\n\n", end="\n\n", flush=True)
    sides = [side for side in SIDES if re.search(options.sides, side)]
    header = ["case", *(f"{side}, {clock} s" for side in sides for clock in ("CPU", "wall"))]
    header += [f"{side} / {sides[0]}, {clock}" for side in sides[1:] for clock in ("CPU", "wall")]
    print(table([*header, "scores apart"], []))
    with pinned(options.threads), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, case in CASES.items():
            if re.search(options.cases, name):
                print(table_row([name, *row(case, options)]), flush=True)


if __name__ == "__main__":
    main()
