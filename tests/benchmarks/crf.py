"""Tagging by a linear-chain CRF from feature dicts, ours against python-crfsuite: time, cost of each part, memory.

Run it from the root of the repository, where the package and python-crfsuite are installed::

    python -m tests.benchmarks.crf --output crf.json                            # everything; the first time an hour
    python -m tests.benchmarks.crf --datasets wnut17 --sections targets         # one table of one small set
    python -m tests.benchmarks.crf --datasets conll2000 --penalties 0,0.1 --threads 2 --fresh
    python -m tests.benchmarks.crf --sections evaluation --baseline-kernels     # also the code for every x86-64
    python -m tests.benchmarks.crf --datasets icepahc --large-crfsuite 3        # minutes an iteration
    python -m tests.benchmarks.crf --sections peers --peer-cap 300              # after python -m tests.benchmarks.peers

Tables go to the standard output, and with ``--markdown FILE`` and ``--output FILE`` (JSON) to files, which are written
anew after each table. The data folder is ``--data``, or the environment variable SKOPT_SOLVERS_DATA, or
``../shared/data``; a data set that is not there is skipped.

Both sides get the feature dicts of sklearn-crfsuite's tutorial and minimise ``sum_s nll_s + c2 ||w||_2^2 +
c1 ||w||_1`` over the (feature, label) pairs and the transitions that occur. To CRFsuite a feature that is False occurs,
with value 0, so it has pairs that ours has not, and an optimum that is lower by some hundredths of a percent. Goals are
set by that lower one for both, unless ``--without-false`` gives both sides the same. What either reaches is computed by
one judge in float64. The sections:

targets     Seconds from dicts to a model at a given objective: that of CRFsuite at its 100th iteration, and 5, 1 and
            0.1 % above the optimum; and to the test score of CRFsuite's 100 iterations. Ours are whole fits, conversion
            included, that end at the first iteration there; they are deterministic, so that a run before tells which.
fits        Whole fits by each side's algorithms: conversion and training, objective, test scores.
peers       Each library in an environment of its own, see `peers`, in interleaved rounds with ours: seconds to 5, 1 and
            0.1 % above the optimum, and fits with their own stopping rules.
evaluation  One objective and gradient.
conversion  DictFeatures and TokenFeatures, against CRFsuite's append and against building dicts in Python.
decoding    Tags of the test data, both sides with CRFsuite's weights.
memory      Peak memory of a fit, each in a process of its own.

CRFsuite's training takes minutes and is deterministic, so it runs once and is kept in the cache folder, with the time
of each of its iterations; ``--fresh`` measures it again. All else runs anew, in interleaved rounds. The optimum is that
of our L-BFGS in float64; it is kept as well, so remove it from the cache where the package would now do better.
"""

import argparse
import json
import re
import warnings
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from . import crf_costs as costs
from . import crf_peers, datasets
from . import peers as peer_environments
from .crf_contenders import NO_LIMIT, Problem, Tagging
from .crf_targets import (
    LIMIT,
    SCORES,
    crfsuite,
    optimum,
    say,
    score_cells,
    scores_of_run,
    targets,
    targets_report,
)
from .measure import describe, environment, interleaved, pinned, summary, table

SECTIONS = ("targets", "fits", "peers", "evaluation", "conversion", "decoding", "memory")
LARGE = ("icepahc", "upos_feats")  # ours alone, and no optimum
EPOCHS = 10


def whole_fits(problem, options):
    """Fits of either side's algorithms with their own end: result and Markdown."""
    tagging, large = problem.tagging, problem.tagging.name in LARGE
    threads = max(options.threads)
    ours = {("ours lbfgs", "float32"): dict(solver="lbfgs", max_iter=100, tol=1e-4)}
    if large:
        ours["ours lbfgs", "float32"].update(max_iter=options.large_iterations)
    else:
        ours["ours lbfgs", "float64"] = ours["ours lbfgs", "float32"]
        ours["ours adagrad", "float32"] = dict(solver="adagrad", max_iter=EPOCHS)
        ours["ours adam", "float32"] = dict(solver="adam", max_iter=EPOCHS)
    models = {}

    def measure(key):
        models[key] = problem.estimator(n_threads=threads, **ours[key])
        return problem.fit(models[key], np.dtype(key[1]))

    repeats = 1 if large else options.repeats
    rounds = interleaved({key: partial(measure, key) for key in ours}, repeats, options.cap)
    best = None if large else optimum(problem, options)["crfsuite"]["objective"]
    runs = _their_runs(problem, options)
    baseline = [runs["CRFsuite lbfgs 100"].total()] * repeats if "CRFsuite lbfgs 100" in runs else None
    test = tagging.converted[0].transform(tagging.X_test)
    entries = []
    for (name, dtype), model in models.items():
        values = rounds[name, dtype]
        parts = {part: summary([seconds[part] for seconds in values]) for part in ("conversion", "training")}
        entries.append(
            {
                "what": f"{name} {dtype}",
                "iterations": model.n_iter_,
                "objective": problem.objective(model),
                **tagging.scores(model.predict(test)),
                **parts,
                **summary(values, baseline),
            }
        )
    for name, run in runs.items():
        parts = {"conversion": summary([run.append]), "training": summary([run.train])}
        entry = {"what": name, "iterations": len(run.curve), **scores_of_run(tagging, run), **parts}
        objective = problem.objective(problem.with_weights_of(run))
        entries.append({**entry, "objective": objective, "load": run.load, **summary([run.total()], baseline)})
    result = {"problem": str(problem), "optimum": best, "threads": threads, "fits": entries}
    return result, fits_report(result)


def _their_runs(problem, options):
    if problem.tagging.name in LARGE:
        budget = options.large_crfsuite
        return {f"CRFsuite lbfgs {budget}": crfsuite(problem, "lbfgs", budget, options)} if budget else {}
    wanted = {"lbfgs 100": ("lbfgs", LIMIT)}
    if not options.no_unlimited:
        wanted["lbfgs unlimited"] = ("lbfgs", NO_LIMIT)
    # the others do not know c1
    if not problem.c1:
        wanted.update({"l2sgd": ("l2sgd", 1000), "averaged perceptron": ("ap", 100)})
    return {f"CRFsuite {name}": crfsuite(problem, *settings, options) for name, settings in wanted.items()}


def fits_report(result):
    best, rows = result["optimum"], []
    for entry in result["fits"]:
        above = "" if best is None else f"{entry['objective'] / best - 1:.2%}"
        parts = (f"{entry[part]['wall']['median']:.3g}" for part in ("conversion", "training"))
        total = (costs.seconds_cell(entry, clock) for clock in ("wall", "cpu"))
        rows.append(
            [
                entry["what"],
                entry["iterations"],
                *parts,
                *total,
                f"{entry['objective']:.7g}",
                above,
                *score_cells(entry),
            ]
        )
    header = [
        "what",
        "iterations",
        "conversion",
        "training",
        "both, wall",
        "both, CPU",
        "objective",
        "above the optimum",
    ]
    return (
        f"### Whole fits, {result['problem']}\n\nSeconds from dicts, ours with {result['threads']} threads: median "
        "(least-most), how many times as fast as CRFsuite's 100 iterations of L-BFGS; CRFsuite once, ours lbfgs with "
        f"its defaults (tol=1e-4, max_iter=100, less on {', '.join(LARGE)}), our stochastic solvers with {EPOCHS} "
        "epochs.\n\n" + table([*header, *SCORES], rows)
    )


def sections(options):
    """What was asked for: (section, result, Markdown) one after the other."""
    for name in options.datasets:
        try:
            data = datasets.load_tagging(name, options.data)
        except FileNotFoundError as error:
            say(f"skip {name}: {error}")
            continue
        tagging = Tagging(data.first(options.sentences) if options.sentences else data)
        if options.without_false:
            tagging.without_false()
        yield "datasets", *dataset_section(tagging)
        if "conversion" in options.sections:
            yield "conversion", *costs.conversion(tagging, options)
        for number, (c1, c2) in enumerate(options.penalties):
            problem = Problem(tagging, c1, c2)
            say(str(problem))
            if "targets" in options.sections and name not in LARGE:
                result = targets(problem, options)
                yield "targets", result, targets_report(result, options)
            if "fits" in options.sections:
                yield "fits", *whole_fits(problem, options)
            if "peers" in options.sections and name not in LARGE:
                yield "peers", *crf_peers.peers(problem, options)
            if number == 0:
                yield from cost_sections(problem, options)


def dataset_section(tagging):
    data, X = tagging.data, tagging.converted[1].matrix
    result = {
        "name": data.name,
        "sentences": len(data.train),
        "tokens": data.n_tokens,
        "labels": len(tagging.labels),
        "features": X.shape[1],
        "features_a_token": X.nnz / X.shape[0],
    }
    text = (
        f"## {data.name}\n\n{datasets.TAGGING[data.name][0]}: {result['sentences']:,} sentences, {result['tokens']:,} "
        f"tokens, {result['labels']} labels, {X.shape[1]:,} features, {result['features_a_token']:.1f} a token that "
        "are not zero."
    )
    return result, text


def cost_sections(problem, options):
    """The costs that do not depend on the penalty."""
    runs, large = {}, problem.tagging.name in LARGE
    if {"evaluation", "decoding"} & set(options.sections) and (not large or options.large_crfsuite):
        limit = options.large_crfsuite if large else LIMIT
        runs = {"run": crfsuite(problem, "lbfgs", limit, options)}
    if "evaluation" in options.sections:
        yield "evaluation", *costs.evaluation(problem, options, **runs)
    if "decoding" in options.sections:
        yield "decoding", *costs.decoding(problem, options, **runs)
    if "memory" in options.sections:
        yield "memory", *costs.memory(problem, options, with_crfsuite=not large or options.large_crfsuite > 0)


def penalty(text):
    """The argument "c1,c2"."""
    c1, c2 = map(float, text.split(","))
    if c1 < 0 or c2 < 0 or not c1 + c2:
        raise argparse.ArgumentTypeError(f"{text!r}: c1 and c2 must not be negative, nor both 0")
    return c1, c2


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, default=datasets.DEFAULT_DATA)
    add("--cache", type=Path, default=datasets.DEFAULT_CACHE, help="folder for CRFsuite's runs and for optima")
    add("--fresh", action="store_true", help="train CRFsuite again, instead of what is in the cache")
    names = list(datasets.TAGGING)
    add("--datasets", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    add("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="NAME", help=", ".join(SECTIONS))
    add("--sentences", type=int, help="only the first sentences of each data set, to try things out")
    add("--without-false", action="store_true", help="drop what is False from the dicts of both sides")
    add("--penalties", nargs="+", type=penalty, default=[(0.0, 0.1), (0.1, 0.1)], metavar="C1,C2")
    add("--threads", nargs="+", type=int, default=[1, 2], help="of ours; CRFsuite has one")
    add("--repeats", type=int, default=5, help="interleaved rounds")
    add("--cap", type=float, default=60.0, help="CPU seconds for all rounds of one fit, two rounds at least")
    add("--no-unlimited", action="store_true", help=f"CRFsuite's L-BFGS with {LIMIT} iterations only")
    add(
        "--score-iterations",
        nargs="*",
        type=int,
        default=[25, 50],
        metavar="N",
        help=f"whether CRFsuite has the test score of its {LIMIT} iterations earlier; a training each",
    )
    add("--baseline-kernels", action="store_true", help="evaluation: also the code that runs on every x86-64")
    add("--large-iterations", type=int, default=10, help=f"of our L-BFGS on {', '.join(LARGE)} (%(default)s)")
    add("--large-crfsuite", type=int, default=0, metavar="N", help="iterations of CRFsuite there (%(default)s: none)")
    add("--peers", type=Path, default=peer_environments.DEFAULT_FOLDER, metavar="FOLDER", help="their environments")
    add("--contenders", default="", metavar="REGEX", help="peers: those of other libraries that take part")
    add("--peer-cap", type=float, default=120.0, help="peers: CPU seconds for the ladder of one (%(default)g)")
    add("--limit", type=float, default=1800.0, help="peers: seconds that one fit may take (%(default)g)")
    add("--output", type=Path, metavar="FILE", help="JSON")
    add("--markdown", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    options.pattern = re.compile(options.contenders)
    return options


def main(arguments=None):
    options = parse(arguments)
    shown = dict(vars(options))
    options.done = set()
    warnings.simplefilter("ignore")  # most fits here are meant to end before they converge
    threads = max(options.threads)
    with pinned(threads):
        machine = environment(threads)
        machine["versions"]["python-crfsuite"] = version("python-crfsuite")
        machine["peers"] = peer_environments.versions(options.peers)
        document = {"environment": machine, "options": shown}
        markdown = ["# Linear-chain CRF", describe(machine)]
        print("\n\n".join(markdown), end="\n\n", flush=True)
        for section, result, text in sections(options):
            document.setdefault(section, []).append(result)
            markdown.append(text)
            print(text, end="\n\n", flush=True)
            if options.markdown:
                options.markdown.write_text("\n\n".join(markdown) + "\n", encoding="utf-8")
            if options.output:
                options.output.write_text(json.dumps(document, indent=1, default=str), encoding="utf-8")


if __name__ == "__main__":
    main()
