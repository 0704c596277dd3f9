"""FTRL-Proximal against AdaGrad and Adam: how far from the optimum after 20 epochs, and zeros and accuracy of a stream.

    python -m tests.benchmarks.ftrl --epochs rcv1 sms 20news2
    python -m tests.benchmarks.ftrl --stream nsmc 20news2

The first table has the relative distance of the objective from that of L-BFGS, by `C` and `l1_ratio`. The second is
progressive validation: texts come once, 256 at a time, through a HashingVectorizer, and each chunk is predicted before
it is learned.
"""

import argparse
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import HashingVectorizer

from skopt_solvers import LogisticRegression
from skopt_solvers.solvers import FTRL, AdaGrad

from . import datasets
from .measure import table

CHUNK = 256
SOLVERS = ("adagrad", "adam", "ftrl")
PENALTIES = [(C, l1_ratio) for l1_ratio in (0.0, 1.0) for C in (0.1, 1.0, 10.0)]


def distance(data, solver, C, l1_ratio):
    """The objective after 20 epochs in float32, relative to the optimum, less 1."""
    fit = partial(LogisticRegression, C=C, l1_ratio=l1_ratio, random_state=0)
    best = fit(tol=1e-7, max_iter=3000).fit(data.matrix(np.float64), data.y)
    model = fit(solver=solver, tol=0, max_iter=20).fit(data.matrix(np.float32), data.y)
    return model.history_[-1]["objective"] / best.history_[-1]["objective"] - 1


def epochs(names, load):
    for name in names:
        data = load(name)
        rows = [
            [C, l1_ratio, *(f"{distance(data, solver, C, l1_ratio):.2%}" for solver in SOLVERS)]
            for C, l1_ratio in PENALTIES
        ]
        print(f"\n{name}\n\n" + table(["C", "l1_ratio", *SOLVERS], rows), flush=True)


def chunks_of(name, folder):
    """The texts of a data set in a random order, hashed, with their labels."""
    texts, labels, options = datasets.binary_texts(name, folder)
    order = np.random.RandomState(0).permutation(len(texts))
    vectorizer = HashingVectorizer(n_features=2**18, alternate_sign=False, dtype=np.float32, **options)
    for begin in range(0, len(order), CHUNK):
        chunk = order[begin : begin + CHUNK]
        yield vectorizer.transform([texts[i] for i in chunk]), labels[chunk]


def progressive(model, chunks):
    """Accuracy on the chunks, each before it is learned, and the coefficients that are not 0 at the end."""
    right = total = 0
    for X, y in chunks:
        if total:
            right += np.count_nonzero(model.predict(X) == y)
        total += len(y)
        model.partial_fit(X, y, classes=[0, 1])
    return right / (total - CHUNK), np.count_nonzero(model.coef_)


def stream(names, folder):
    for name in names:
        chunks, rows = list(chunks_of(name, folder)), []
        models = {f'`"{s}"`, C={C:g}': LogisticRegression(C, l1_ratio=1, solver=s) for C in (3, 30) for s in SOLVERS}
        models["`AdaGrad()`, no penalty"] = LogisticRegression(np.inf, solver=AdaGrad())
        for l1 in (0.0, 0.003, 0.01, 0.03, 0.1):
            models[f"`FTRL(l1={l1:g}, l2=0)`"] = LogisticRegression(solver=FTRL(l1=l1, l2=0.0))
        for label, model in models.items():
            accuracy, used = progressive(model, chunks)
            rows.append([label, f"{accuracy:.4f}", f"{used:,}"])
        print(f"\n{name}\n\n" + table(["solver", "accuracy", "coefficients that are not 0"], rows), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--epochs", nargs="+", default=[], metavar="NAME")
    add("--stream", nargs="+", default=[], metavar="NAME")
    add("--data", type=Path, default=datasets.DEFAULT_DATA)
    add("--cache", type=Path, default=datasets.DEFAULT_CACHE)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    epochs(options.epochs, lambda name: datasets.load(name, options.data, options.cache))
    stream(options.stream, options.data)


if __name__ == "__main__":
    main()
