"""CPU seconds of a fit of 90 labels at once, and of scikit-learn's OneVsRestClassifier over the same estimator.

The data are topics of Reuters-21578, TF-IDF of the texts. Run it from the root of the repository, where the package is
installed::

    python -m tests.benchmarks.many_labels --data ../shared/data
    python -m tests.benchmarks.many_labels --solvers sdca --Cs 1 10 --float32
    python -m tests.benchmarks.many_labels --solvers lbfgs --scikit-learn    # and over scikit-learn's own estimator
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression as TheirRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC as TheirSVC

from skopt_solvers import LinearSVC, LogisticRegression
from skopt_solvers.feature_extraction.text import TfidfVectorizer
from skopt_solvers.solvers import SOLVERS

from .datasets import DEFAULT_DATA, reuters_topics
from .measure import describe, environment, pinned, timed


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--solvers", nargs="+", choices=list(SOLVERS), default=["lbfgs", "sdca", "adagrad"])
    add("--Cs", type=float, nargs="+", default=[1.0, 10.0])
    add("--float32", action="store_true")
    add("--scikit-learn", action="store_true", help="OneVsRestClassifier over scikit-learn's own estimator too")
    add("--threads", type=int, default=1)
    add("--data", type=Path, default=DEFAULT_DATA)
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    texts, Y, test_texts, test_Y = reuters_topics(options.data)
    vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32 if options.float32 else np.float64)
    X, X_test = vectorizer.fit_transform(texts), vectorizer.transform(test_texts)
    print(describe(environment(options.threads)))
    print(
        f"{X.shape[0]:,} x {X.shape[1]:,}, {X.nnz:,} non-zeros, {Y.shape[1]} labels, {Y.sum() / len(texts):.2f} a text"
    )
    warnings.simplefilter("ignore")  # fits that end at their last epoch
    for kind in (LogisticRegression, LinearSVC):
        for solver in options.solvers:
            for C in options.Cs:
                model = kind(solver=solver, C=C, random_state=0, n_jobs=options.threads)
                with pinned(options.threads):
                    ours, f1 = measured(model, X, Y, X_test, test_Y)
                    print(f"{kind.__name__} {solver} C={C:g}: {ours:.2f} s, micro-F1 {f1:.4f}", flush=True)
                    for name, one in one_by_one(model, options.scikit_learn).items():
                        theirs, f1 = measured(OneVsRestClassifier(one), X, Y, X_test, test_Y)
                        print(f"    {name}: {theirs:.2f} s, {theirs / ours:.1f} times, micro-F1 {f1:.4f}", flush=True)


def one_by_one(model, with_theirs):
    """Return the estimators that fit a label at a time, by what they are called."""
    theirs = TheirRegression if isinstance(model, LogisticRegression) else TheirSVC
    wrapped = {"one by one": model}
    return {**wrapped, "one by one in scikit-learn": theirs(C=model.C, max_iter=1000)} if with_theirs else wrapped


def measured(model, X, Y, X_test, test_Y):
    """Return the CPU seconds of a fit and the micro-averaged F1 of the test texts."""
    seconds = timed(lambda: model.fit(X, Y))[1]["cpu"]
    return seconds, f1_score(test_Y, model.predict(X_test), average="micro")


if __name__ == "__main__":
    main()
