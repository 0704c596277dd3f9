"""Default settings against default settings: each library's own stopping rule, and what it has reached there."""

import numpy as np

from . import datasets, linear_peers
from .climb import SEED
from .contenders import CONTENDERS
from .linear_targets import mib, say, share
from .measure import cell, interleaved, summary, table
from .optimum import optimum

BASELINES = ("sklearn lbfgs", "sklearn LinearSVC", "sklearn SGDClassifier")


class _Defaults:
    """Fits of one contender that ends when it wants; the last solution and the use of memory are kept."""

    def __init__(self, contender, problem):
        self.contender, self.problem = contender, problem
        self.solution = self.note = self.memory = None

    def measure(self):
        if self.note:
            return None
        try:
            self.solution, seconds = self.contender.measured(self.problem, None, SEED)
        except Exception as error:
            self.note = f"failed: {error}"
            return None
        return seconds

    def measure_memory(self):
        try:
            self.memory = linear_peers.memory(self.contender, self.problem, None, SEED)
        except RuntimeError as error:
            self.note = f"no memory: {error}"


def defaults(problem, options):
    """What goes to the JSON file, and Markdown."""
    reference = optimum(problem, options.cache)
    entries, skipped = {}, {}
    with linear_peers.crew(problem, options.limit) as problem.crew:
        for name, contender in CONTENDERS.items():
            if problem.loss not in contender.default or not options.pattern.search(name):
                continue
            reason = contender.reason_to_skip(problem)
            if reason is None:
                entries[name] = _Defaults(contender, problem)
            else:
                skipped[name] = reason
        rounds = interleaved({name: entry.measure for name, entry in entries.items()}, options.repeats, options.cap)
        rounds = {name: values for name, values in rounds.items() if values}
        if options.memory:
            for name in rounds:
                entries[name].measure_memory()
    objectives = {name: problem.objective(*entries[name].solution) for name in rounds}
    best = min([reference["objective"], *objectives.values()])
    baseline = next((name for name in BASELINES if name in rounds), next(iter(rounds), None))
    say(f"  defaults: timed {len(rounds)} contenders")
    results = {
        name: {
            "dtype": np.dtype(entries[name].contender.dtype or problem.dtype).name,
            "suboptimality": objectives[name] / best - 1,
            "accuracy": problem.accuracy(*entries[name].solution),
            "memory": entries[name].memory,
            **summary(values, rounds[baseline]),
        }
        for name, values in rounds.items()
    }
    notes = {name: entry.note for name, entry in entries.items() if entry.note} | skipped
    result = {
        "dataset": problem.dataset.name,
        "loss": problem.loss,
        "C": problem.C,
        "fit_intercept": problem.fit_intercept,
        "l1_ratio": problem.l1_ratio,
        "optimum": best,
        "baseline": baseline,
        "contenders": results,
        "notes": notes,
    }
    return result, report(result, options)


def report(result, options):
    """A Markdown table."""
    intercept = "with" if result["fit_intercept"] else "without"
    penalty = f", l1_ratio={result['l1_ratio']:g}" if result["l1_ratio"] else ""
    rows = [
        [
            name,
            entry["dtype"],
            cell(entry),
            cell(entry, "wall"),
            f"{entry['suboptimality']:.1e}",
            share(entry["accuracy"]),
            mib(entry["memory"]),
        ]
        for name, entry in result["contenders"].items()
    ]
    text = (
        f"## Defaults on {result['dataset']}, {result['loss'].replace('_', ' ')}, C={result['C']:g}{penalty}, "
        f"{intercept} intercept\n\n{datasets.DATASETS[result['dataset']][0]}. Every library's own method and stopping "
        f"rule, the same objective. Milliseconds, median (least-most) of {options.repeats} interleaved rounds, and how "
        f"many times as fast as {result['baseline']}; how far the objective is above the optimum, relative to it.\n\n"
        + table(["contender", "X", "CPU", "wall", "above the optimum", "accuracy", "MiB"], rows)
    )
    notes = "\n".join(f"- {name}: {note}." for name, note in result["notes"].items())
    return f"{text}\n\n{notes}".strip()
