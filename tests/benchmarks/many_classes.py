"""Peak resident memory and seconds of one fit of 1,016 occupations on hashed character n-grams in float32.

Run it from the root of the repository, where the package is installed::

    python -m tests.benchmarks.many_classes --data ../shared/data
    python -m tests.benchmarks.many_classes --solver sdca --multi-class ovr --epochs 10
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer

from skopt_solvers import LogisticRegression
from skopt_solvers.solvers import SOLVERS

from .datasets import DEFAULT_DATA, title_texts
from .measure import describe, environment, pinned
from .workers.usage import used


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--features", type=int, default=100_000)
    add("--solver", choices=list(SOLVERS), default="adagrad")
    add("--multi-class", choices=("softmax", "ovr"), default="softmax")
    add("--epochs", type=int, default=5)
    add("--threads", type=int, default=1)
    add("--data", type=Path, default=DEFAULT_DATA)
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    texts, labels, test_texts, test_labels = title_texts(options.data)
    vectorizer = HashingVectorizer(
        n_features=options.features, analyzer="char_wb", ngram_range=(2, 4), alternate_sign=False, dtype=np.float32
    )
    X, X_test = vectorizer.transform(texts), vectorizer.transform(test_texts)
    model = LogisticRegression(
        C=10.0, solver=options.solver, multi_class=options.multi_class, max_iter=options.epochs, random_state=0,
        n_jobs=options.threads,
    )  # fmt: skip
    print(describe(environment(options.threads)))
    warnings.simplefilter("ignore")  # fits of a few epochs
    with pinned(options.threads):
        _, fit = used(lambda: model.fit(X, labels))
        top, predict = used(lambda: model.predict_topk(X_test, 5))
    print(f"{X.shape[0]:,} titles, {X.nnz:,} non-zeros, {model.coef_.shape} {model.coef_.dtype} coefficients")
    print(f"a table: {model.coef_.nbytes / 2**20:.0f} MiB; {model.n_iter_} epochs: {model.stop_reason_}")
    for name, use in (("fit", fit), ("predict_topk", predict)):
        print(
            "{}: CPU {cpu:.3g} s, wall {wall:.3g} s, {before:.0f} MiB before, peak {peak:.0f} MiB".format(name, **use)
        )
    hits = top.labels == test_labels[:, None]
    print(f"accuracy {hits[:, 0].mean():.4f}, among the best five {hits.any(axis=1).mean():.4f}")


if __name__ == "__main__":
    main()
