"""The vectorizers of text against scikit-learn's: MB of UTF-8 a second, and the whole job from raw text to labels.

Run it from the root of the repository, where the package is installed::

    python -m tests.benchmarks.text --quick                     # 2,000 documents
    python -m tests.benchmarks.text                             # minutes
    python -m tests.benchmarks.text --cases '20news words' --threads 2
    python -m tests.benchmarks.text --job                       # raw text to fitted model to labels of the test part
    python -m tests.benchmarks.text --memory                    # peaks, each of a process of its own

Both classes of a case take the same documents in turn, in one process, and give the same matrix, which is compared
once. `eager` also asks for `vocabulary_` as a dict, which scikit-learn's fit has made. The data are read from
``--data``, the environment variable SKOPT_SOLVERS_DATA or ``../shared/data``.
"""

import argparse
import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from sklearn.feature_extraction import text as sklearn_text
from sklearn.linear_model import LogisticRegression as TheirRegression
from sklearn.pipeline import make_pipeline

from skopt_solvers import LogisticRegression
from skopt_solvers.feature_extraction import text

from .datasets import DEFAULT_DATA, raw_texts
from .measure import describe, environment, interleaved, pinned, summary, table, timed
from .workers.usage import forget_peak, memory_use

REPOSITORY = Path(__file__).parents[2]
PAIRS, TRIPLES = {"ngram_range": (1, 2)}, {"ngram_range": (1, 3)}
CHARACTERS = {"analyzer": "char", "ngram_range": (1, 3)}
WITHIN_WORDS = {"analyzer": "char_wb", "ngram_range": (2, 5)}
ENGLISH, KOREAN = 3_000, 60_000  # documents for characters, some 5 MB


@dataclass(frozen=True)
class Case:
    corpus: str
    kind: str
    parameters: dict = field(default_factory=dict)
    method: str = "fit_transform"
    n_documents: int | None = None

    def documents(self, data, limit):
        parts = raw_texts(self.corpus, data)
        most = min(self.n_documents or len(parts[0]), limit or len(parts[0]))
        return list(parts[0][:most]), list(parts[2][:3_000])

    def run(self, module, documents, others, n_jobs, eager=False):
        """Return a function that does the job once; a `transform` is of a vectorizer that is fitted already."""
        own = {"n_jobs": n_jobs} if module is text else {}
        vectorizer = getattr(module, f"{self.kind}Vectorizer")(**self.parameters, **own)
        if self.method == "fit_transform":
            return lambda: (vectorizer.fit_transform(documents), eager and vectorizer.vocabulary_)[0]
        vectorizer.fit(documents)
        return lambda: vectorizer.transform(others)


CASES = {
    "20news words": Case("20news", "Count"),
    "20news words, transform": Case("20news", "Count", method="transform"),
    "20news pairs": Case("20news", "Count", PAIRS),
    "20news triples": Case("20news", "Count", TRIPLES),
    "20news pairs, transform": Case("20news", "Count", PAIRS, "transform"),
    "nsmc words": Case("nsmc", "Count"),
    "nsmc pairs": Case("nsmc", "Count", PAIRS),
    "language_id words": Case("language_id", "Count"),
    "language_id pairs": Case("language_id", "Count", PAIRS),
    "English char 1-3": Case("20news", "Count", CHARACTERS, n_documents=ENGLISH),
    "Korean char 1-3": Case("nsmc", "Count", CHARACTERS, n_documents=KOREAN),
    "English char_wb 2-5": Case("20news", "Count", WITHIN_WORDS, n_documents=ENGLISH),
    "Korean char_wb 2-5": Case("nsmc", "Count", WITHIN_WORDS, n_documents=KOREAN),
    "20news hashing": Case("20news", "Hashing"),
    "20news hashing pairs": Case("20news", "Hashing", PAIRS),
    "20news TF-IDF": Case("20news", "Tfidf"),
    "20news TF-IDF pairs, min_df=2": Case("20news", "Tfidf", {**PAIRS, "min_df": 2}),
    "nsmc TF-IDF": Case("nsmc", "Tfidf"),
    "20news own tokenizer": Case("20news", "Count", {"tokenizer": str.split, "token_pattern": None}),
}


def megabytes(documents):
    return sum(len(document.encode("utf-8", "surrogatepass")) for document in documents) / 1e6


def same(ours, theirs):
    theirs = theirs.sorted_indices()
    return all(np.array_equal(getattr(ours, name), getattr(theirs, name)) for name in ("indptr", "indices", "data"))


def clocked(run):
    return timed(run)[1]


def row(name, case, options):
    """The row of a case in the table."""
    documents, others = case.documents(options.data, 2_000 if options.quick else None)
    runs = {
        "scikit-learn": case.run(sklearn_text, documents, others, None),
        "ours": case.run(text, documents, others, options.threads),
    }
    if case.method == "fit_transform" and case.kind != "Hashing":
        runs["eager"] = case.run(text, documents, others, options.threads, eager=True)
    equal = same(runs["ours"](), runs["scikit-learn"]())
    rounds = interleaved({side: partial(clocked, run) for side, run in runs.items()}, options.repeats, options.cap)
    size = megabytes(documents if case.method == "fit_transform" else others)
    results = {side: summary(rounds[side], rounds["scikit-learn"]) for side in runs}
    seconds = {side: summary(rounds[side])["cpu"]["median"] for side in runs}
    times = {side: [result[clock]["times_as_fast"] for clock in ("cpu", "wall")] for side, result in results.items()}
    cells = [f"{seconds['scikit-learn']:.3g}", f"{seconds['ours']:.3g}", f"{size / seconds['ours']:.0f}"]
    cells += [f"{ratio:.1f}" for ratio in times["ours"]]
    return [
        name,
        f"{size:.1f}",
        *cells,
        f"{times['eager'][0]:.1f}" if "eager" in runs else "",
        "yes" if equal else "NO",
    ]


def one_document(options):
    """Rows of the latency of a single document: median microseconds of `transform`, and from raw text to a label."""
    documents, others = CASES["20news words"].documents(options.data, 2_000 if options.quick else None)
    rows = []
    for kind in ("Count", "Tfidf", "Hashing", "label"):
        jobs = [fitted_job(module, kind, documents) for module in (sklearn_text, text)]
        for n_words in (8, 200, 500):
            document = [" ".join(" ".join(others).split()[:n_words])]
            runs = [partial(run, document) for run in jobs]
            measures = {i: lambda run=run: timed(run, 200)[1] for i, run in enumerate(runs)}
            theirs, ours = interleaved(measures, max(options.repeats, 7)).values()
            a, b = (median(seconds["cpu"] for seconds in side) for side in (theirs, ours))
            rows.append([kind, n_words, f"{1e6 * a:.0f}", f"{1e6 * b:.0f}", f"{a / b:.1f}"])
    return rows


def fitted_job(module, kind, documents):
    """Return the `transform` of a vectorizer of a kind; of "label" the `predict` of a pipeline with a classifier."""
    own = {"n_jobs": 1} if module is text else {}
    if kind != "label":
        return getattr(module, f"{kind}Vectorizer")(**own).fit(documents).transform
    model = LogisticRegression(n_jobs=1) if module is text else TheirRegression()
    return make_pipeline(module.TfidfVectorizer(**own), model).fit(documents, np.arange(len(documents)) % 2).predict


def job(module, model, parts):
    """Seconds of each part of the way from raw text to the labels of the test part, and the share that are right."""
    train, y, test, y_test = parts
    vectorizer, seconds = module.TfidfVectorizer(), {}
    X, seconds["fit_transform"] = timed(lambda: vectorizer.fit_transform(train))
    _, seconds["fit"] = timed(lambda: model.fit(X, y))
    X_test, seconds["transform"] = timed(lambda: vectorizer.transform(test))
    labels, seconds["predict"] = timed(lambda: model.predict(X_test))
    return seconds, np.mean(labels == y_test)


def job_rows(corpus, options):
    parts = raw_texts(corpus, options.data)
    sides = {
        "scikit-learn": lambda: job(sklearn_text, TheirRegression(max_iter=1000), parts),
        "ours": lambda: job(text, LogisticRegression(n_jobs=options.threads), parts),
    }
    found = {side: [] for side in sides}
    for _ in range(options.repeats):
        for side, run in sides.items():
            found[side].append(run())
    rows, totals = [], {}
    for side, rounds in found.items():
        steps = {step: median(seconds[step]["cpu"] for seconds, _ in rounds) for step in rounds[0][0]}
        totals[side] = [sum(part["cpu"] for part in seconds.values()) for seconds, _ in rounds]
        ratio = median(a / b for a, b in zip(totals["scikit-learn"], totals[side], strict=True))
        cells = [f"{value:.3g}" for value in steps.values()]
        rows.append([corpus, side, *cells, f"{median(totals[side]):.3g}", f"{ratio:.1f}", f"{rounds[0][1]:.4f}"])
    return rows


def child(name, side, data):
    """Print the MiB in memory before a job, and its peak."""
    case = CASES[name]
    documents, others = case.documents(data, None)
    run = case.run(text if side == "ours" else sklearn_text, documents, others, 1)
    case.run(text if side == "ours" else sklearn_text, documents[:10], others[:10], 1)()  # imports and tables
    forget_peak()
    before = memory_use()[0]
    result = run()
    print(json.dumps([before, memory_use()[1], result.nnz]))


def memory_row(name, options):
    cells = [name]
    for side in ("scikit-learn", "ours"):
        command = [sys.executable, "-m", f"{__package__}.text", "--data", str(options.data), "--child", name, side]
        before, peak, _ = json.loads(subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE).stdout)
        cells.append(f"{peak - before:.0f}")
    return cells


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--cases", default="", metavar="PATTERN", help="a regular expression of the names of cases")
    add("--quick", action="store_true")
    add("--job", action="store_true")
    add("--latency", action="store_true")
    add("--memory", action="store_true")
    add("--threads", type=int, default=1)
    add("--repeats", type=int, default=5)
    add("--cap", type=float, default=60.0, help="CPU seconds that a side of a case may take in all")
    add("--data", type=Path, default=DEFAULT_DATA)
    add("--child", nargs=2, metavar=("CASE", "SIDE"), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    if options.child:
        child(*options.child, options.data)
        return
    print("# Vectorizers of text", describe(environment(options.threads)), sep="\n\n", end="\n\n", flush=True)
    names = [name for name in CASES if re.search(options.cases, name)]
    with pinned(options.threads):
        if options.job:
            header = ["corpus", "side", "fit_transform, s", "fit", "transform", "predict", "all", "times", "accuracy"]
            print(table(header, [line for corpus in ("20news", "nsmc") for line in job_rows(corpus, options)]))
        elif options.latency:
            header = ["kind", "words", "scikit-learn, us", "ours, us", "times as fast"]
            print(table(header, one_document(options)))
        elif options.memory:
            header = ["case", "scikit-learn, MiB", "ours, MiB"]
            print(table(header, [memory_row(name, options) for name in names]))
        else:
            header = ["case", "MB", "scikit-learn, CPU s", "ours", "MB/s", "times, CPU", "times, wall", "eager", "same"]
            print(table(header, [row(name, CASES[name], options) for name in names]))


if __name__ == "__main__":
    main()
