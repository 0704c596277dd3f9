"""What the parts of tagging cost: an evaluation of the objective, conversion, decoding, memory."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np

from skopt_solvers import _kernels
from skopt_solvers.feature_extraction import TokenFeatures
from skopt_solvers.solvers import LBFGS, Result, Solver

from .crf_contenders import append_seconds, converted, crfsuite_tagger, tutorial_dicts, with_dtype
from .measure import CLOCKS, interleaved, summary, table, timed

DTYPES = ("float32", "float64")
FIRST_ITERATIONS = 5  # L-BFGS iterations to weights that are like those of a fit
ENOUGH = 0.2  # seconds that a short measurement lasts at least
# as near to the tutorial's dicts as it comes
TUTORIAL_FEATURES = TokenFeatures(prefixes=(), suffixes=(2, 3), shape=False, column_prefixes=(2,))
MEMORY_ITERATIONS = 15  # enough for all vectors of both sides' L-BFGS to be there
REPOSITORY = Path(__file__).parents[2]


def seconds_cell(result, clock="wall"):
    """Seconds of a summary, as "median (min-max), ratio"."""
    values = result[clock]
    text = "{:.3g} ({:.3g}-{:.3g})".format(*(values[key] for key in ("median", "min", "max")))
    return text if values["times_as_fast"] is None else f"{text}, {values['times_as_fast']:.3g}x"


class _Stop(Solver):
    """Not a solver: leaves an evaluation of what `fit` gives it in the first record of the history."""

    def check(self, objective):
        pass

    def minimize(self, objective, W, *, max_iter, tol, rng=None, callback=None):
        W = LBFGS().minimize(objective, W, max_iter=max_iter, tol=tol).W
        record = {"evaluate": partial(objective.value_and_gradient, W)}
        return Result(W, max_iter, True, "stopped", "", [record])


def evaluations(problem, n_threads, dtypes=DTYPES):
    """Functions that measure an evaluation of our objective and its gradient, by float type and threads."""
    _, sequences = problem.tagging.converted
    measures = {}
    for dtype in dtypes:
        for threads in n_threads:
            model = problem.estimator(n_threads=threads, max_iter=FIRST_ITERATIONS, solver=_Stop())
            model.fit(with_dtype(sequences, np.dtype(dtype)), problem.tagging.y)
            evaluate = model.history_[0]["evaluate"]
            once = timed(evaluate)[1]["wall"]
            measures[dtype, threads] = partial(_seconds, evaluate, max(1, int(ENOUGH / once)))
    return measures


def _seconds(run, count=1):
    return timed(run, count)[1]


def evaluation(problem, options, run=None):
    """One evaluation, ours against CRFsuite's `run` of L-BFGS where there is one: result and Markdown."""
    rounds = interleaved(evaluations(problem, options.threads), options.repeats)
    rounds = {(*key, _kernels.variant): values for key, values in rounds.items()}
    if options.baseline_kernels:
        rounds.update(in_child("evaluation", problem, options, kernels="baseline"))
    theirs = run.evaluation() if run is not None else None
    entries = []
    for (dtype, threads, kernels), values in rounds.items():
        result = summary(values)
        if theirs:
            for clock in CLOCKS:
                median = float(np.median([seconds[clock] for seconds in theirs]))
                result[clock]["times_as_fast"] = median / result[clock]["median"]
        entries.append({"dtype": dtype, "threads": threads, "kernels": kernels, **result})
    result = {"problem": str(problem), "ours": entries, "crfsuite": summary(theirs) if theirs else None}
    rows = [
        [f"ours {e['dtype']}", e["threads"], e["kernels"], seconds_cell(e), seconds_cell(e, "cpu")] for e in entries
    ]
    if theirs:
        cells = (seconds_cell(result["crfsuite"], clock) for clock in ("wall", "cpu"))
        rows.insert(0, ["CRFsuite, float64", 1, "", *cells])
    text = (
        f"### An evaluation of objective and gradient, {problem}\n\n"
        "Seconds, median (least-most). Ours: after "
        f"{FIRST_ITERATIONS} iterations. CRFsuite: time of each iteration of L-BFGS over the trials of its line search "
        "(the two loops and the log, a small part, included); ratio of medians.\n\n"
        + table(["what", "threads", "kernels", "wall", "CPU"], rows)
    )
    return result, text


def conversion(tagging, options):
    """Building dicts, our transformers and CRFsuite's append: result and Markdown."""
    data = tagging.data
    words = data.train
    if len(words[0][0]) == 1:
        words = [[word for (word,) in sentence] for sentence in words]
    measures = {
        "dicts in Python": partial(_seconds, partial(tutorial_dicts, data.train)),
        "CRFsuite append": partial(append_seconds, tagging),
        "DictFeatures fit_transform": partial(_seconds, partial(converted, tagging.X)),
        "DictFeatures transform": partial(_seconds, partial(tagging.converted[0].transform, tagging.X)),
        "TokenFeatures fit_transform": partial(_seconds, partial(TokenFeatures().fit_transform, words)),
        "TokenFeatures like the tutorial's": partial(_seconds, partial(TUTORIAL_FEATURES.fit_transform, words)),
    }
    rounds = interleaved(measures, options.repeats)
    against = {name: "CRFsuite append" if "Dict" in name else "dicts in Python" for name in rounds}
    results = {name: summary(rounds[name], rounds[against[name]]) for name in rounds}
    for name in ("dicts in Python", "CRFsuite append"):
        results[name] = summary(rounds[name])
    text = (
        f"### Conversion, {tagging.name}\n\n{data.n_tokens:,} training tokens. Seconds, median (least-most) of "
        f"{options.repeats} interleaved rounds. DictFeatures from ready dicts, and how many times as fast as "
        "CRFsuite's append of them; TokenFeatures from words, with its defaults and as near to the dicts as it comes, "
        "and how many times as fast as building the dicts.\n\n"
        + table(
            ["what", "wall", "CPU"],
            [[name, seconds_cell(values), seconds_cell(values, "cpu")] for name, values in results.items()],
        )
    )
    return {"dataset": tagging.name, "tokens": data.n_tokens, "seconds": results}, text


def decoding(problem, options, run=None):
    """Tags of the test data with the same weights, ours against CRFsuite's tagger: result and Markdown.

    Without CRFsuite's `run` our own weights, after a few iterations.
    """
    tagging = problem.tagging
    if run is None:
        model = problem.estimator(n_threads=1, max_iter=FIRST_ITERATIONS).fit(tagging.X, tagging.y)
    else:
        model = problem.with_weights_of(run)
    sequences = model.vectorizer_.transform(tagging.X_test)
    n_tokens = sequences.matrix.shape[0]
    tagger = None if run is None else crfsuite_tagger(run)
    measures = {} if run is None else {"CRFsuite from dicts": partial(_seconds, partial(tagger, tagging.X_test))}
    for threads in options.threads:
        threaded = _with_threads(model, threads)
        label = f"{threads} thread{'s' if threads > 1 else ''}"
        for source, X in (("dicts", tagging.X_test), ("CSR", sequences)):
            run_once = partial(threaded.predict, X)
            count = max(1, int(ENOUGH / _seconds(run_once)["wall"]))
            measures[f"ours from {source}, {label}"] = partial(_seconds, run_once, count)
    rounds = interleaved(measures, options.repeats)
    results = {name: summary(rounds[name], rounds.get("CRFsuite from dicts")) for name in rounds}
    result = {"problem": str(problem), "tokens": n_tokens, "labels": len(tagging.labels), "seconds": results}
    same = ""
    if run is not None:
        pairs = zip(model.predict(sequences), tagger(tagging.X_test), strict=True)
        agreed = sum(int(np.sum(ours == np.array(theirs))) for ours, theirs in pairs)
        result["same_tags"] = agreed / n_tokens
        same = f" Of the tags {agreed:,} are the same: both sides have CRFsuite's weights, ours in float32."
    rows = [
        [name, f"{n_tokens / values['wall']['median'] / 1e6:.3g}", seconds_cell(values), seconds_cell(values, "cpu")]
        for name, values in results.items()
    ]
    text = (
        f"### Decoding, {problem}\n\n{n_tokens:,} test tokens, {len(tagging.labels)} labels.{same} Seconds, median "
        f"(least-most) of {options.repeats} interleaved rounds, and how many times as fast as CRFsuite's tagger.\n\n"
        + table(["what", "million tags a second", "wall", "CPU"], rows)
    )
    return result, text


def _with_threads(model, n_threads):
    threaded = type(model)(**model.get_params())
    threaded.__dict__.update(vars(model))
    threaded.n_jobs = n_threads
    return threaded


def memory(problem, options, with_crfsuite=True):
    """Peak memory of a fit from dicts, each in a process of its own: result and Markdown."""
    names = ["ours float32", "ours float64"] + (["CRFsuite"] if with_crfsuite else [])
    results = {name: in_child("memory", problem, options, name) for name in names}
    text = (
        f"### Peak memory, {problem}\n\nMiB of a process that builds the dicts and fits {MEMORY_ITERATIONS} iterations "
        f"(ours with {max(options.threads)} threads; CRFsuite: append, then L-BFGS).\n\n"
        + table(
            ["what", "with the dicts, before the fit", "peak", "the fit's part"],
            [
                [name, *(f"{v:.0f}" for v in (r["before"], r["peak"], r["peak"] - r["before"]))]
                for name, r in results.items()
            ],
        )
    )
    return {"problem": str(problem), "mib": results}, text


def in_child(task, problem, options, contender=None, kernels=None):
    """What `crf_child` measures in a fresh process, with the kernels asked for."""
    request = {
        "task": task,
        "dataset": problem.tagging.name,
        "data": str(options.data.resolve()),
        "without_false": options.without_false,
        "sentences": options.sentences,
        "c1": problem.c1,
        "c2": problem.c2,
        "threads": options.threads,
        "repeats": options.repeats,
        "contender": contender,
        "iterations": MEMORY_ITERATIONS,
    }
    variables = {**os.environ, **({"SKOPT_SOLVERS_KERNELS": kernels} if kernels else {})}
    command = [sys.executable, "-m", f"{__package__}.crf_child", json.dumps(request)]
    done = subprocess.run(command, env=variables, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"crf_child failed:\n{done.stderr}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if task == "evaluation":
        return {(dtype, threads, answer["kernels"]): values for dtype, threads, values in answer["rounds"]}
    return answer
