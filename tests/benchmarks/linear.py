"""Time to a given relative suboptimality of the same objective, ours against scikit-learn, on real text.

Run it from the root of the repository, where the package is installed::

    python -m tests.benchmarks.linear                                        # the whole table; takes hours
    python -m tests.benchmarks.linear --datasets rcv1 --C 1 --repeats 3      # one problem
    python -m tests.benchmarks.linear --no-intercept --loss squared_hinge    # with liblinear, which penalises it
    python -m tests.benchmarks.linear --threads 2 --contenders 'ours lbfgs'
    python -m tests.benchmarks.linear --epochs --datasets rcv1 nsmc          # cost of an epoch
    python -m tests.benchmarks.linear --width --tiny                         # cost of width, and of fits of 20 rows

Tables go to the standard output, and with ``--markdown FILE`` and ``--json FILE`` to files, which are written anew
after each problem. The data folder is ``--data``, or the environment variable SKOPT_SOLVERS_DATA, or
``../shared/data``; a data set that is not there is skipped. `contenders` has the contenders; another library is one
function there.

The objective is ``C sum_i loss_i + ||w||^2 / 2`` with an intercept that is not penalised, or none at all. Every
contender has one knob of effort, its budget of iterations or epochs. First it climbs a ladder of budgets, once, and
each result is judged by one implementation of the objective in numpy and float64; the smallest budget that meets a
target is found by bisection. Then, target by target, the contenders that meet it are timed in interleaved rounds: each
measurement is a whole fit from the matrix on, checks of the input included, in the contender's own float type and with
one fixed seed. The ratio is the median over the rounds of the ratio within a round. The optimum is the least objective
that anything here has seen, a run of our L-BFGS in float64 included, which ends when its duality gap proves it optimal
to 1e-9.
"""

import argparse
import json
import math
import os
import re
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np

import skopt_solvers

from . import costs, datasets
from .contenders import CONTENDERS, Problem
from .measure import CLOCKS, LEAST_ROUNDS, cell, describe, environment, interleaved, pinned, summary, table, timed

BASELINES = ("sklearn lbfgs", "sklearn LinearSVC dual", "sklearn SGDClassifier")
PROVEN_ENOUGH = 1e-9  # relative duality gap at which the reference run ends
SEED = 0


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def optimum(problem, cache):
    """The reference run: its objective, and a proven bound of how far that is from the optimum, relative to it.

    Kept in `cache`: remove it after a change of the package that would make it better.
    """
    key = f"{problem.dataset.key}-{problem.loss}-{problem.C:g}-{'intercept' if problem.fit_intercept else 'none'}"
    kept = Path(cache) / f"{key}.optimum.json"
    if kept.exists():
        return json.loads(kept.read_text())
    kind = skopt_solvers.LogisticRegression if problem.loss == "logistic" else skopt_solvers.LinearSVC
    model = kind(problem.C, fit_intercept=problem.fit_intercept, max_iter=5000, warm_start=True)
    ready = problem.ready(np.float64)
    for tol in (1e-6, 1e-8, 1e-10):
        model.set_params(tol=tol).fit(ready.X, ready.y)
        objective = problem.objective(model.coef_, model.intercept_)
        bound = model.suboptimality_bound(ready.X, ready.y) / objective
        if bound <= PROVEN_ENOUGH:
            break
    result = {"objective": objective, "relative_bound": bound}
    say(f"  optimum {objective:.9g}, proven to a relative {bound:.1g}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(result))
    return result


class Climb:
    """What one contender reaches on one problem, by budget."""

    def __init__(self, contender, problem, cap):
        self.contender, self.problem, self.cap = contender, problem, cap
        self.objectives, self.seconds, self.note = {}, {}, None

    def run(self, budget):
        """The fit, ready to be called; making it ready is not timed."""
        return partial(self.contender.fit, self.problem.ready(self.contender.dtype), budget, SEED)

    def attempt(self, budget):
        """Fit once with `budget`; False where it failed."""
        try:
            (coef, intercept), seconds = timed(self.run(budget))
        except Exception as error:
            self.note = f"budget {budget} failed: {error}"
            return False
        objective = self.problem.objective(coef, intercept)
        if not math.isfinite(objective):
            self.note = f"budget {budget} diverged"
            return False
        self.objectives[budget] = objective
        self.seconds[budget] = seconds
        return True

    def spent(self):
        return sum(seconds["cpu"] for seconds in self.seconds.values())

    def trials(self, best):
        """What was tried, in order of time."""
        return [
            {"budget": budget, "suboptimality": objective / best - 1, **self.seconds[budget]}
            for budget, objective in self.objectives.items()
        ]

    def ladder(self, enough):
        """Climb until the objective is at most `enough`, or the time is up."""
        for budget in self.contender.budgets:
            if self.spent() > self.cap:
                self.note = f"stopped after {self.cap:g} s"
                break
            if not self.attempt(budget) or self.objectives[budget] <= enough:
                break

    def smallest_budget(self, enough):
        """The smallest budget that reaches `enough`, by bisection between two rungs; None where no rung did."""
        ascending = self.contender.budgets[0] <= self.contender.budgets[-1]
        tried = sorted(self.objectives, reverse=not ascending)
        reached = next((budget for budget in tried if self.objectives[budget] <= enough), None)
        if reached is None or reached == tried[0]:
            return reached
        failed = tried[tried.index(reached) - 1]
        while (
            (middle := _between(failed, reached)) is not None and self.spent() <= 2 * self.cap and self.attempt(middle)
        ):
            if self.objectives[middle] <= enough:
                reached = middle
            else:
                failed = middle
        return reached


def _between(failed, reached):
    """A budget between the two, or None where they are within 10 % (50 % for tolerances), or next to each other."""
    middle = math.sqrt(failed * reached)
    if isinstance(reached, int):
        middle = round(middle)
        return middle if failed < middle < reached and reached > 1.1 * failed else None
    return middle if failed > 1.5 * reached else None


def climbed(problem, options, enough, baseline):
    """A climb for each contender that takes part, and why others that have the loss do not."""
    climbs, skipped = {}, {}
    for name, contender in CONTENDERS.items():
        if problem.loss not in contender.losses or not (name == baseline or re.search(options.contenders, name)):
            continue
        reason = contender.reason_to_skip(problem)
        if reason is not None:
            skipped[name] = reason
            continue
        climb = climbs[name] = Climb(contender, problem, options.cap)
        climb.ladder(enough)
        say(f"  {name}: {len(climb.objectives)} fits, {climb.spent():.3g} s{'; ' + climb.note if climb.note else ''}")
    return climbs, skipped


def time_to_targets(problem, options):
    """The comparison on one problem, as what goes to the JSON file."""
    reference = optimum(problem, options.cache)
    possible = (name for name in options.baseline if CONTENDERS[name].reason_to_skip(problem) is None)
    baseline = next(possible, None)
    enough = reference["objective"] * (1 + min(options.targets))
    climbs, skipped = climbed(problem, options, enough, baseline)
    best = min([reference["objective"], *(value for climb in climbs.values() for value in climb.objectives.values())])
    timings = {name: {} for name in climbs}
    for target in options.targets:
        budgets = {name: climb.smallest_budget(best * (1 + target)) for name, climb in climbs.items()}
        budgets = {name: budget for name, budget in budgets.items() if budget is not None}
        measures = {name: partial(_seconds, climbs[name], budget) for name, budget in budgets.items()}
        rounds = interleaved(measures, options.repeats, options.cap)
        say(f"  {target:g}: timed {len(measures)} contenders")
        for name, budget in budgets.items():
            result = summary(rounds[name], rounds.get(baseline))
            if baseline is not None and baseline not in budgets:
                for clock in CLOCKS:
                    longest = max((seconds[clock] for seconds in climbs[baseline].seconds.values()), default=0.0)
                    result[clock]["at_least"] = longest / result[clock]["median"]
            timings[name][f"{target:g}"] = {"budget": budget, **result}
    X = problem.dataset.X
    return {
        "dataset": problem.dataset.name,
        "n_samples": X.shape[0],
        "n_features": X.shape[1],
        "n_nonzeros": X.nnz,
        "n_classes": problem.dataset.n_classes,
        "loss": problem.loss,
        "C": problem.C,
        "fit_intercept": problem.fit_intercept,
        "optimum": best,
        "relative_bound": max(reference["relative_bound"] + 1 - reference["objective"] / best, np.finfo(float).eps),
        "baseline": baseline,
        "contenders": {
            name: {
                "dtype": np.dtype(climb.contender.dtype or problem.dtype).name,
                "note": climb.note,
                "tried": climb.trials(best),
                "targets": timings[name],
            }
            for name, climb in climbs.items()
        },
        "skipped": skipped,
    }


def _seconds(climb, budget):
    return timed(climb.run(budget))[1]


def report(result, targets):
    """Two Markdown tables, CPU and wall time, with what must be known to read them."""
    intercept = "intercept not penalised" if result["fit_intercept"] else "no intercept on either side"
    what = datasets.DATASETS[result["dataset"]][0]
    lines = [
        f"## {result['dataset']}, {result['loss'].replace('_', ' ')}, C={result['C']:g}, {intercept}",
        f"{what}: {result['n_samples']:,} rows, {result['n_features']:,} features, {result['n_nonzeros']:,} non-zeros, "
        f"{result['n_classes']} classes. Optimum {result['optimum']:.9g}, proven to a relative "
        f"{result['relative_bound']:.1g}. Baseline: {result['baseline']}.",
    ]
    labels = [f"{target:g}" for target in targets]
    for clock in CLOCKS:
        rows = []
        for name, entry in result["contenders"].items():
            cells = [cell(entry["targets"][label], clock) if label in entry["targets"] else "-" for label in labels]
            best = min((trial["suboptimality"] for trial in entry["tried"]), default=math.inf)
            rows.append([name, entry["dtype"], *cells, f"{best:.1e}"])
        lines.append(f"{'CPU' if clock == 'cpu' else 'Wall'} milliseconds to a relative suboptimality of:")
        lines.append(table(["contender", "X", *labels, "best seen"], rows))
    notes = [f"- {name}: {entry['note']}." for name, entry in result["contenders"].items() if entry["note"]]
    notes += [f"- Without {name}: {reason}." for name, reason in result["skipped"].items()]
    return "\n\n".join([*lines, "\n".join(notes)]).strip()


def caption(options):
    intercept = (
        "No contender has an intercept."
        if options.no_intercept
        else "liblinear and LinearSVC penalise the intercept, another objective: see --no-intercept."
    )
    least = min(LEAST_ROUNDS, options.repeats)
    return (
        f"Each cell: median (least-most) of {options.repeats} interleaved rounds, and how many times as fast as the "
        f"baseline; with > against its longest trial, where that did not reach the target. What takes long has fewer "
        f"rounds, {least} at least, within {options.cap:g} s of CPU time; CPU time is of all "
        f"threads. X: the float type that the contender was given. A dash: reached by no budget on the ladder, or not "
        f"in {options.cap:g} s of trials. {intercept}"
    )


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
        for C in options.C:
            yield Problem(dataset, loss, C, not options.no_intercept, options.threads, np.dtype(options.dtype))


def sections(options):
    """What was asked for: (kind, result, Markdown) one after the other."""
    if not (options.epochs or options.width or options.tiny):
        for dataset in loaded(options):
            for problem in problems(options, dataset):
                say(f"{dataset.name} {problem.loss} C={problem.C:g}")
                result = time_to_targets(problem, options)
                yield "problems", result, report(result, options.targets)
    if options.epochs:
        for dataset in loaded(options):
            for problem in problems(options, dataset):
                yield "epochs", *costs.epochs(problem, options.repeats)
    if options.width:
        yield "width", *costs.width(options.threads, options.dtype, options.repeats)
    if options.tiny:
        yield "tiny", *costs.tiny(options.threads, options.repeats)


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, default=Path(os.environ.get("SKOPT_SOLVERS_DATA") or datasets.DEFAULT_DATA))
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
    add("--loss", nargs="+", choices=["logistic", "squared_hinge"], default=["logistic", "squared_hinge"])
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
    add("--json", type=Path, metavar="FILE")
    add("--markdown", type=Path, metavar="FILE")
    add("--epochs", action="store_true", help="instead: an epoch of AdaGrad against one of SGDClassifier")
    add("--width", action="store_true", help="instead: an epoch at 10^4, 10^5 and 10^6 features")
    add("--tiny", action="store_true", help="instead: fits of 20 rows")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    warnings.simplefilter("ignore")  # most fits here are meant to end before they converge
    with pinned(options.threads):
        machine = environment(options.threads)
        document = {"environment": machine, "options": vars(options)}
        markdown = ["# Linear models", describe(machine)]
        if not (options.epochs or options.width or options.tiny):
            markdown.append(caption(options))
        print("\n\n".join(markdown), end="\n\n", flush=True)
        for kind, result, text in sections(options):
            document.setdefault(kind, []).append(result)
            markdown.append(text)
            print(text, end="\n\n", flush=True)
            write(options, document, markdown)


if __name__ == "__main__":
    main()
