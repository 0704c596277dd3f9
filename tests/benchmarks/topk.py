"""Time and memory of `predict_topk` against all scores and a partition of them.

Run it from the root of the repository, where the package is installed::

    python -m tests.benchmarks.topk --quick          # one narrow synthetic case
    python -m tests.benchmarks.topk                  # job titles and wide synthetic weights; minutes
    python -m tests.benchmarks.topk --cases onet --data ../shared/data

Weights are sparse float32. Those of `onet` are of a fit with L1, those of `synthetic` are drawn: a number of features a
class, uniformly, with normal values and intercepts; their samples have 30 features each by Zipf's law. Each measurement
is a process of its own, which loads the model and the samples and predicts: the first time for the peak of its
resident memory beyond what was there, then for the medians. The ways:

topk
    ``predict_topk(X, k)``, the weights being sparse
sparse scores
    ``decision_function`` and ``np.argpartition``, the weights being sparse
dense scores
    the same with the weights as a dense table, where that fits
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import scipy.sparse as sp

from skopt_solvers import LinearSVC, LogisticRegression

from .datasets import DATASETS, DEFAULT_CACHE, DEFAULT_DATA, load
from .measure import describe, environment, pinned, table
from .synthetic import zipf_rows
from .workers.usage import used

REPOSITORY = Path(__file__).parents[2]
GIB = 2**30
WAYS = ("topk", "sparse scores", "dense scores")
PER_SAMPLE = 30  # features of a synthetic sample


@dataclass(frozen=True)
class Synthetic:
    classes: int
    density: float
    rows: int
    features: int = 20_000
    intercept: bool = True

    @property
    def name(self):
        return f"{self.classes:,} classes, {self.density:.1%}" + ("" if self.intercept else ", no intercept")

    def make(self, options):
        rng = np.random.default_rng(0)
        each = round(self.density * self.features)
        columns = rng.integers(0, self.features, (self.classes, each), dtype=np.int32)
        values = rng.standard_normal(columns.shape, dtype=np.float32)
        indptr = np.arange(0, columns.size + 1, each)
        coef = sp.csr_matrix((values.ravel(), columns.ravel(), indptr), shape=(self.classes, self.features))
        coef.sum_duplicates()
        X = zipf_rows(self.rows, self.features, PER_SAMPLE)
        return X, coef, rng.standard_normal(self.classes, dtype=np.float32) * np.float32(self.intercept)


@dataclass(frozen=True)
class Titles:
    l1: float = 1.0
    C: float = 10.0
    name: str = "onet, 1,016 classes"

    def make(self, options):
        data = load("onet", options.data, options.cache)
        model = LogisticRegression(
            multi_class="ovr", C=self.C, l1_ratio=self.l1, solver="adagrad", tol=1e-2, max_iter=5, random_state=0
        )
        model.fit(data.matrix(np.float32), data.y).sparsify()
        return data.X_test.astype(np.float32), model.coef_, model.intercept_


CASES = {
    "onet": [Titles()],
    "10k": [Synthetic(10_000, density, 5_000) for density in (0.001, 0.01, 0.05)],
    "100k": [Synthetic(100_000, density, 2_000) for density in (0.001, 0.01, 0.05)],
    "no intercept": [
        Synthetic(10_000, 0.001, 5_000, intercept=False),
        Synthetic(100_000, 0.001, 2_000, intercept=False),
    ],
    "quick": [Synthetic(1_000, 0.01, 2_000)],
}


def best_of_all(model, X, k):
    """The usual way: labels and scores."""
    Z = model.decision_function(X)
    top = np.argpartition(Z, -k, axis=1)[:, -k:]
    order = np.argsort(-np.take_along_axis(Z, top, axis=1), axis=1)
    top = np.take_along_axis(top, order, axis=1)
    return model.classes_[top], np.take_along_axis(Z, top, axis=1)


def child(path, way, k, threads, repeats):
    """Predict in this process: a line of JSON, and the scores beside the file."""
    with np.load(path) as arrays:
        X, coef = (
            sp.csr_matrix((arrays[p + "data"], arrays[p + "indices"], arrays[p + "indptr"]), shape=arrays[p + "shape"])
            for p in ("X_", "coef_")
        )
        model = LinearSVC(n_jobs=threads)
        model.coef_, model.intercept_ = coef, arrays["intercept"]
    model.classes_, model.n_features_in_ = np.arange(coef.shape[0]), coef.shape[1]
    if way == "dense scores":
        # as `densify` and a fit leave it: a transposed table
        model.coef_ = np.ascontiguousarray(coef.T.toarray()).T
        del coef
    few = X[:2]
    run = {"topk": lambda X: model.predict_topk(X, k)}.get(way, lambda X: best_of_all(model, X, k))
    run(few)  # imports
    with pinned(threads):
        measured = [used(lambda: run(X)) for _ in range(repeats)]
    (_, scores), first = measured[0]
    np.save(f"{path}.{way}.npy", scores)
    print(json.dumps({"first": first, "runs": [seconds for _, seconds in measured]}))


def measured(path, way, options):
    command = [sys.executable, "-m", f"{__package__}.topk", "--child", str(path), way]
    command += ["-k", str(options.k), "--threads", str(options.threads), "--repeats", str(options.repeats)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def reason_to_skip(way, X, coef, limit):
    """Why this way is not measured, or None."""
    needed = 0 if way == "topk" else 12 * X.shape[0] * coef.shape[0]
    if way == "dense scores":
        needed += 2 * 4 * coef.shape[0] * coef.shape[1]
    return f"would take {needed / GIB:.0f} GiB" if needed > limit * GIB else None


def compare(case, options):
    """Rows of the table."""
    X, coef, intercept = case.make(options)
    seen = np.diff(coef.tocsc().indptr)[X.indices].mean() / coef.shape[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.npz"
        parts = {f"{p}_{name}": getattr(A, name) for p, A in (("X", X), ("coef", coef)) for name in
                 ("data", "indices", "indptr", "shape")}  # fmt: skip
        np.savez(path, intercept=intercept, **parts)
        rows, base = [], None
        for way in WAYS:
            reason = reason_to_skip(way, X, coef, options.memory_limit)
            result = {"failed": reason} if reason else measured(path, way, options)
            start = [case.name, f"{X.shape[0]:,}", f"{coef.nnz / np.prod(coef.shape):.2%}", f"{seen:.2%}", way]
            if "failed" in result:
                rows.append([*start, "", "", "", result["failed"]])
                continue
            cpu, wall = (median(run[clock] for run in result["runs"]) for clock in ("cpu", "wall"))
            mib = result["first"]["peak"] - result["first"]["before"]
            base = base or (cpu, mib)
            ratio = "" if way == "topk" else f"{cpu / base[0]:.1f}, {mib / base[1]:.1f}"
            if way != "topk":
                ours, theirs = np.load(f"{path}.topk.npy"), np.load(f"{path}.{way}.npy")
                np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
            rows.append([*start, f"{cpu:.3g}", f"{wall:.3g}", f"{mib:.0f}", ratio])
    return rows


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--cases", nargs="+", choices=list(CASES), default=["onet", "10k", "100k", "no intercept"], metavar="CASE")
    add("--quick", action="store_true")
    add("-k", type=int, default=5)
    add("--threads", type=int, default=1)
    add("--repeats", type=int, default=3)
    add("--memory-limit", type=float, default=6.0, metavar="GIB", help="ways that would take more are skipped")
    add("--data", type=Path, default=DEFAULT_DATA)
    add("--cache", type=Path, default=DEFAULT_CACHE)
    add("--child", nargs=2, metavar=("FILE", "WAY"), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    if options.child:
        child(*options.child, options.k, options.threads, options.repeats)
        return
    print(f"# The {options.k} best classes", describe(environment(options.threads)), sep="\n\n", end="\n\n", flush=True)
    header = [
        "weights",
        "samples",
        "density",
        "products",
        "way",
        "CPU, s",
        "wall, s",
        "peak, MiB",
        "times topk's CPU, peak",
    ]
    rows = []
    for name in ["quick"] if options.quick else options.cases:
        for case in CASES[name]:
            if name == "onet" and not (options.data / DATASETS["onet"][1]).exists():
                print("onet: its file is missing", file=sys.stderr)
                continue
            rows += compare(case, options)
            print(case.name, file=sys.stderr, flush=True)
    print(table(header, rows))


if __name__ == "__main__":
    main()
