"""What a change costs: two revisions of the package on the same short cases, in pairs.

Run it from the root of the repository::

    pip install -e '.[test]'                                     # once
    python -m tests.benchmarks.compare main                      # main against the working tree
    python -m tests.benchmarks.compare v0.1.0 main --json compare.json
    python -m tests.benchmarks.compare HEAD --cases 'rcv1|CRF' --rounds 15 --fail-above 1.1
    python -m tests.benchmarks.compare main --synthetic          # where the data sets are not

Each revision is installed in a virtual environment of its own, which is kept in the cache folder, and imported by a
process of its own. Both processes live as long as the comparison, run the benchmark code of the working tree, and read
the same data. They run a case in turn, A B A B ..., and never at once, so that the load of the machine meets both. The
ratio is the second's time over the first's within a round; a case is slower where even the lower quartile of that is
above 1.03. An A against itself shows what the machine's noise is.

A case that needs what a revision does not have is absent. Its data are read from ``--data``, the environment variable
SKOPT_SOLVERS_DATA or ``../shared/data``; where they are not there, it is skipped. With ``--synthetic`` nothing is read:
made-up data of the same sizes stand for each set.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import quantiles

import numpy as np

from . import datasets
from .compare_cases import CASES, DICTS, NEWS, RCV1, SENTENCES, SEQUENCES
from .crf_contenders import converted, tutorial_dicts
from .measure import CLOCKS, describe, environment, interleaved, summary, table
from .revisions import REPOSITORY, installed, tree_of
from .synthetic import planted_classes, planted_signs, zipf_rows, zipf_sentences

SLOWER = 1.03
ENOUGH = 0.05  # seconds that a measurement lasts at least
WORKING_TREE = "working tree"


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def write_data(folder, options):
    """The files that the cases need, in `folder`, as far as their raw data are there."""
    for name, file in (("rcv1", RCV1), ("20news", NEWS)):
        try:
            dataset = datasets.load(name, options.data, options.cache)
        except FileNotFoundError as error:
            say(f"skip {name}: {error}")
            continue
        _write_rows(folder / file, dataset.X, y=dataset.y)
    try:
        sentences = datasets.load_tagging("conll2000", options.data).first(SENTENCES)
    except FileNotFoundError as error:
        say(f"skip conll2000: {error}")
        return
    _write_sentences(folder, sentences.train, sentences.train_labels)


def write_synthetic(folder):
    """The same files, with random rows and sentences of the sizes of the data sets."""
    X = zipf_rows(20_242, 47_236, 74)
    _write_rows(folder / RCV1, X, y=planted_signs(X))
    X = zipf_rows(11_314, 130_107, 155)
    _write_rows(folder / NEWS, X, y=planted_classes(X, 20))
    _write_sentences(folder, *zipf_sentences(SENTENCES, 24, n_words=7_000, n_tags=44, n_labels=20))


def _write_rows(file, X, **others):
    np.savez(file, data=X.data, indices=X.indices, indptr=X.indptr, shape=X.shape, **others)


def _write_sentences(folder, sentences, labels):
    """The feature dicts of the tokens, and the same as CSR."""
    dicts = tutorial_dicts(sentences)
    (folder / DICTS).write_text(json.dumps(dicts), encoding="utf-8")
    sequences = converted(dicts)[1]
    _write_rows(folder / SEQUENCES, sequences.matrix, lengths=sequences.lengths, y=np.concatenate(labels))


class Worker:
    """A process that has imported one revision."""

    def __init__(self, python, folder):
        # the folder has this benchmark code, and no package in whose place the revision's would not be found
        command = [str(python), "-m", f"{__package__}.compare_worker", str(folder)]
        variables = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        variables.pop("PYTHONPATH", None)
        self.process = subprocess.Popen(
            command, cwd=folder, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **request):
        """Its answer to a request."""
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker ended with status {self.process.wait()} at {request}")
        return json.loads(answer)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def compared(name, workers, rounds):
    """A case: medians of both, and quartiles of the ratio; or who does not have it."""
    first = {side: worker.ask(case=name) for side, worker in workers.items()}
    absent = {side: answer["absent"] for side, answer in first.items() if "absent" in answer}
    if absent:
        return {"case": name, "absent": absent}
    longest = max(answer["wall"] for answer in first.values())
    count = max(1, math.ceil(ENOUGH / longest))
    times = interleaved({side: lambda w=worker: w.ask(count=count) for side, worker in workers.items()}, rounds)
    a, b = times.values()
    ratios = {}
    for clock in CLOCKS:
        values = [y[clock] / x[clock] for x, y in zip(a, b, strict=True)]
        ratios[clock] = dict(zip(("q1", "median", "q3"), quantiles(values, n=4, method="inclusive"), strict=True))
    return {
        "case": name,
        "count": count,
        "ratio": ratios,
        "seconds": {side: summary(values) for side, values in times.items()},
    }


def verdict(ratios):
    """Where all quartiles say slower, or faster."""
    slower = [clock for clock in CLOCKS if ratios[clock]["q1"] > SLOWER]
    faster = [clock for clock in CLOCKS if ratios[clock]["q3"] < 1 / SLOWER]
    parts = [f"{word} ({', '.join(clocks)})" for word, clocks in (("SLOWER", slower), ("faster", faster)) if clocks]
    return "; ".join(parts)


def report(results, sides):
    """A Markdown table, and what is absent."""
    rows, notes = [], []
    for result in results:
        if "absent" in result:
            rows.append([result["case"], *["absent" if side in result["absent"] else "" for side in sides]])
            rows[-1] += [""] * 5
            notes += [f"- {side} does not have {result['case']}: {why}." for side, why in result["absent"].items()]
            continue
        cells = []
        for clock in CLOCKS:
            cells += [f"{1e3 * result['seconds'][side][clock]['median']:.3g}" for side in sides]
            cells.append("{median:.3f} ({q1:.3f}-{q3:.3f})".format(**result["ratio"][clock]))
        rows.append([result["case"], *cells, verdict(result["ratio"])])
    header = ["case", *(f"{side}, {clock}" for clock in ("CPU ms", "wall ms") for side in (*sides, "ratio")), ""]
    header = [text.replace("ratio, CPU ms", "CPU ratio").replace("ratio, wall ms", "wall ratio") for text in header]
    return "\n\n".join([table(header, rows), "\n".join(notes)]).strip()


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("first", metavar="REV", help="a commit, branch or tag")
    add("second", metavar="REV2", nargs="?", help="by default the working tree")
    add("--cases", default="", metavar="REGEX")
    add("--rounds", type=int, default=7)
    add(
        "--fail-above", type=float, metavar="RATIO", help="exit status 1 where the lower quartile of a case is above it"
    )
    add("--data", type=Path, default=datasets.DEFAULT_DATA)
    add("--synthetic", action="store_true", help="made-up data of the same sizes instead of the data sets")
    add("--cache", type=Path, default=datasets.DEFAULT_CACHE, help="folder for vectorised data and environments")
    add("--json", type=Path, metavar="FILE")
    add("--markdown", type=Path, metavar="FILE")
    return parser.parse_args(arguments)


def run(options, sides):
    """Results of all cases that were asked for, one after the other."""
    pythons = {}
    for side, revision in zip(sides, (options.first, options.second), strict=True):
        say(f"install {side}")
        pythons[side] = installed(tree_of(revision), options.cache)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tests").symlink_to(REPOSITORY / "tests", target_is_directory=True)
        if options.synthetic:
            write_synthetic(folder)
        else:
            write_data(folder, options)
        workers = {side: Worker(python, folder) for side, python in pythons.items()}
        try:
            for name, case in CASES.items():
                if re.search(options.cases, name) and (case.data is None or (folder / case.data).exists()):
                    say(f"  {name}")
                    yield compared(name, workers, options.rounds)
        finally:
            for worker in workers.values():
                worker.end()


def main(arguments=None):
    options = parse(arguments)
    sides = [options.first, options.second or WORKING_TREE]
    if sides[0] == sides[1]:
        sides[1] += " again"
    machine = environment(1)
    results = list(run(options, sides))
    text = "\n\n".join(
        [
            f"# {sides[0]} against {sides[1]}",
            describe(machine),
            f"Medians of {options.rounds} rounds, and the ratio {sides[1]} / {sides[0]} within a round: median and "
            f"quartiles. SLOWER: all quartiles above {SLOWER}.",
            *["The data are made up, of the sizes of the sets that the cases name."] * options.synthetic,
            report(results, sides),
        ]
    )
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n", encoding="utf-8")
    if options.json:
        document = {"environment": machine, "options": vars(options), "sides": sides, "cases": results}
        options.json.write_text(json.dumps(document, indent=1, default=str), encoding="utf-8")
    worst = max((r["ratio"][clock]["q1"] for r in results if "ratio" in r for clock in CLOCKS), default=0.0)
    return int(options.fail_above is not None and worst > options.fail_above)


if __name__ == "__main__":
    sys.exit(main())
