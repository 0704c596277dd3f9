"""Time to a given relative suboptimality of the same objective, ours against other libraries, on real text.

Run it from the root of the repository, where the package is installed::

    python -m tests.benchmarks.peers                                         # once: environments of other libraries
    python -m tests.benchmarks.linear                                        # the whole table; takes hours
    python -m tests.benchmarks.linear --datasets rcv1 --C 1 --repeats 3      # one problem
    python -m tests.benchmarks.linear --no-intercept --loss squared_hinge    # with what penalises the intercept
    python -m tests.benchmarks.linear --no-intercept --datasets onet --loss logistic_ovr hinge
    python -m tests.benchmarks.linear --threads 2 --contenders 'ours|sklearn lbfgs|^liblinear'
    python -m tests.benchmarks.linear --datasets w8a --json FILE             # on a busy machine; and when it is quiet
    python -m tests.benchmarks.linear --datasets w8a --again FILE --contenders 'ours lbfgs|newton'
    python -m tests.benchmarks.linear --no-intercept --datasets rcv1 --l1-ratio 1 0.5 --loss logistic
    python -m tests.benchmarks.linear --defaults --no-intercept              # every library's own stopping rule
    python -m tests.benchmarks.linear --epochs --datasets rcv1 nsmc          # cost of an epoch
    python -m tests.benchmarks.linear --width --tiny                         # cost of width, and of fits of few rows

Tables go to the standard output, and with ``--markdown FILE`` and ``--json FILE`` to files, which are written anew
after each problem. The data folder is ``--data``, or the environment variable SKOPT_SOLVERS_DATA, or
``../shared/data``; a data set that is not there is skipped. `contenders` has the contenders of this environment, and
`workers` those in environments of their own; another library is one function there. A library whose environment is
not there is left out, and the report says so.

The objective is ``C sum_i loss_i + (1 - r) ||w||^2 / 2 + r ||w||_1``, r being ``--l1-ratio``, with an intercept that is
not penalised, or none at all. Every contender has one knob of effort, its budget of iterations or epochs, or its
tolerance. First it climbs a ladder of budgets, once, and each result is judged by one implementation of the objective
in numpy and float64; the smallest budget that meets a target is found by bisection. Then, target by target, the
contenders that meet it are timed in interleaved rounds: each measurement is a whole fit from the matrix on, checks of
the input included, in the contender's own float type and with one fixed seed, by the clocks of the process that makes
it. The ratio is the median over the rounds of the ratio within a round. The optimum is the least objective that
anything here has seen, a reference run included, which ends when its duality gap proves it optimal to 1e-9; for the
hinge it may not be proven.
"""

import argparse
import json
import re
import warnings
from pathlib import Path

import numpy as np

from . import costs, datasets, linear_defaults, linear_peers, peers, tiny
from .contenders import CONTENDERS, LOSSES, Problem
from .linear_targets import caption, report, say, time_to_targets, timed_again
from .measure import describe, environment, pinned

BASELINES = ("sklearn lbfgs", "sklearn LinearSVC dual", "sklearn SGDClassifier")
INSTEAD = ("defaults", "epochs", "width", "tiny")


def write(options, document, markdown):
    text = "\n\n".join(markdown) + "\n"
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")
    if options.json:
        options.json.write_text(json.dumps(document, indent=1, default=str), encoding="utf-8")


def loaded(options):
    """The data sets asked for that are there."""
    for name in options.datasets:
        try:
            dataset = datasets.load(name, options.data, options.cache)
        except FileNotFoundError as error:
            say(f"skip {name}: {error}")
            continue
        yield dataset.first(options.rows) if options.rows else dataset


def problems(options, dataset):
    for loss in options.loss:
        if loss == "logistic_ovr" and dataset.n_classes == 2:
            continue  # is logistic
        for C in options.C:
            for l1_ratio in options.l1_ratio:
                intercept, dtype = not options.no_intercept, np.dtype(options.dtype)
                yield Problem(dataset, loss, C, intercept, options.threads, dtype, l1_ratio)


def earlier(problem, options):
    """The problem's result in the file that ``--again`` names, or None."""
    results = json.loads(options.again.read_text(encoding="utf-8"))["problems"] if options.again else ()
    asked = {name: getattr(problem, name) for name in ("loss", "C", "fit_intercept", "l1_ratio")}
    asked |= {"dataset": problem.dataset.name, "n_samples": problem.dataset.X.shape[0]}
    return next((result for result in results if asked.items() <= result.items()), None)


def sections(options):
    """What was asked for: (kind, result, Markdown) one after the other."""
    if not any(getattr(options, name) for name in INSTEAD):
        for dataset in loaded(options):
            for problem in problems(options, dataset):
                say(f"{dataset.name} {problem.loss} C={problem.C:g} {problem.penalty}")
                known = earlier(problem, options)
                if known is None and options.again:
                    say(f"  skip: {options.again} has no such problem")
                    continue
                result = time_to_targets(problem, options) if known is None else timed_again(problem, options, known)
                yield "problems", result, report(result, options.targets)
    if options.defaults:
        for dataset in loaded(options):
            for problem in problems(options, dataset):
                say(f"{dataset.name} {problem.loss} C={problem.C:g}")
                yield "defaults", *linear_defaults.defaults(problem, options)
    if options.epochs:
        for dataset in loaded(options):
            for problem in problems(options, dataset):
                yield "epochs", *costs.epochs(problem, options.repeats)
    if options.width:
        yield "width", *costs.width(options.threads, options.dtype, options.repeats)
    if options.tiny:
        yield "tiny", *tiny.tiny(options.threads, options.repeats)


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, default=datasets.DEFAULT_DATA)
    add("--cache", type=Path, default=datasets.DEFAULT_CACHE, help="folder for vectorised data and optima")
    names = list(datasets.DATASETS)
    add(
        "--datasets",
        nargs="+",
        choices=names,
        default=[name for name in names if name != "sms"],
        metavar="NAME",
        help=", ".join(names),
    )
    add("--rows", type=int, help="only the first rows of each data set, to try things out")
    add("--C", nargs="+", type=float, default=[0.1, 1.0, 10.0])
    add("--loss", nargs="+", choices=LOSSES, default=["logistic", "squared_hinge"])
    add("--l1-ratio", nargs="+", type=float, default=[0.0], help="0 is L2, 1 is L1, between is elastic net")
    add("--no-intercept", action="store_true", help="no contender fits an intercept; liblinear takes part")
    add(
        "--dtype",
        choices=["float32", "float64"],
        default="float64",
        help="of X, for contenders that do not name their own",
    )
    add("--targets", nargs="+", type=float, default=[1e-1, 1e-2, 1e-3, 1e-4, 1e-6])
    add("--threads", type=int, default=1)
    add("--repeats", type=int, default=5)
    add("--cap", type=float, default=60.0, help="CPU seconds for the ladder of one contender on one problem")
    add("--contenders", default="", metavar="REGEX", help="the baseline always takes part")
    add(
        "--baseline",
        nargs="+",
        choices=list(CONTENDERS),
        default=list(BASELINES),
        metavar="NAME",
        help="the first that can solve the problem",
    )
    add("--again", type=Path, metavar="FILE", help="of --json: time the budgets found there, without a search for them")
    add("--json", type=Path, metavar="FILE")
    add("--markdown", type=Path, metavar="FILE")
    add("--epochs", action="store_true", help="instead: an epoch of AdaGrad against one of SGDClassifier")
    add("--width", action="store_true", help="instead: an epoch at 10^4, 10^5 and 10^6 features")
    add("--tiny", action="store_true", help="instead: fits of 20 to 1,000 rows")
    add("--defaults", action="store_true", help="instead: each library's own default method and stopping rule")
    add("--peers", type=Path, default=peers.DEFAULT_FOLDER, metavar="FOLDER", help="environments of other libraries")
    add("--limit", type=float, default=600.0, help="seconds that a fit of a peer may take (%(default)g)")
    add("--no-memory", dest="memory", action="store_false", help="leave out peak memory, which takes one more fit each")
    options = parser.parse_args(arguments)
    options.pattern = re.compile(options.contenders)
    return options


def main(arguments=None):
    options = parse(arguments)
    linear_peers.register(options.peers)
    warnings.simplefilter("ignore")  # most fits here are meant to end before they converge
    with pinned(options.threads):
        machine = environment(options.threads)
        machine["peers"] = peers.versions(options.peers)
        document = {"environment": machine, "options": vars(options)}
        markdown = ["# Linear models", describe(machine)]
        if not any(getattr(options, name) for name in INSTEAD):
            markdown.append(caption(options))
        print("\n\n".join(markdown), end="\n\n", flush=True)
        for kind, result, text in sections(options):
            document.setdefault(kind, []).append(result)
            markdown.append(text)
            print(text, end="\n\n", flush=True)
            write(options, document, markdown)


if __name__ == "__main__":
    main()
