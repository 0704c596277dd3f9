"""Time to a given relative suboptimality: budgets are found, then fits of these budgets are timed in rounds."""

import sys
from functools import partial

import numpy as np

from . import datasets, linear_peers
from .climb import SEED, Climb
from .contenders import CONTENDERS
from .measure import CLOCKS, LEAST_ROUNDS, cell, interleaved, summary, table
from .optimum import optimum


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def climbed(problem, options, enough, baseline):
    """A climb for each contender that takes part, and why others that have the loss do not."""
    climbs, skipped = {}, {}
    for name, contender in CONTENDERS.items():
        if problem.loss not in contender.losses or not contender.budgets:
            continue
        if not (name == baseline or options.pattern.search(name)):
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
    with linear_peers.crew(problem, options.limit) as problem.crew:
        return _time_to_targets(problem, options)


def _time_to_targets(problem, options):
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
        trials = climbs[baseline].seconds.values() if baseline is not None else ()
        for name, result in _timed(climbs, budgets, baseline, trials, options, target).items():
            score = climbs[name].scores[budgets[name]]
            timings[name][f"{target:g}"] = {"budget": budgets[name], "score": score, **result}
    n_samples, n_features = problem.dataset.X.shape
    return {
        "dataset": problem.dataset.name,
        "n_samples": n_samples,
        "n_features": n_features,
        "n_nonzeros": problem.dataset.n_nonzeros,
        "n_classes": problem.dataset.n_classes,
        "loss": problem.loss,
        "C": problem.C,
        "fit_intercept": problem.fit_intercept,
        "l1_ratio": problem.l1_ratio,
        "optimum": best,
        "relative_bound": _bound(reference, best),
        "baseline": baseline,
        "contenders": {
            name: {
                "dtype": np.dtype(climb.contender.dtype or problem.dtype).name,
                "note": climb.note,
                "tried": climb.trials(best),
                "targets": timings[name],
                "memory": _memory(climb, timings[name]) if options.memory else None,
            }
            for name, climb in climbs.items()
        },
        "skipped": skipped,
    }


def _timed(climbs, budgets, baseline, trials, options, target):
    """A summary of the interleaved rounds of each budget; `trials` are the seconds of the baseline's."""
    measures = {name: partial(climbs[name].seconds_of, budget) for name, budget in budgets.items()}
    rounds = interleaved(measures, options.repeats, options.cap)
    say(f"  {target:g}: timed {len(measures)} contenders")
    results = {name: summary(rounds[name], rounds.get(baseline)) for name in budgets if rounds[name]}
    if baseline is not None and baseline not in budgets:
        for result in results.values():
            for clock in CLOCKS:
                longest = max((seconds[clock] for seconds in trials), default=0.0)
                result[clock]["at_least"] = longest / result[clock]["median"]
    return results


def timed_again(problem, options, earlier):
    """The comparison `earlier` with new times of the budgets that it has found, and its contenders asked for alone."""
    baseline = earlier["baseline"]
    chosen = {
        name: entry
        for name, entry in earlier["contenders"].items()
        if name in CONTENDERS and (name == baseline or options.pattern.search(name))
    }
    timings = {name: {} for name in chosen}
    with linear_peers.crew(problem, options.limit) as problem.crew:
        climbs = {name: Climb(CONTENDERS[name], problem, options.cap) for name in chosen}
        for target in options.targets:
            known = {name: entry["targets"].get(f"{target:g}") for name, entry in chosen.items()}
            known = {name: cell for name, cell in known.items() if cell is not None}
            budgets = {name: cell["budget"] for name, cell in known.items()}
            trials = chosen[baseline]["tried"] if baseline is not None else ()
            for name, result in _timed(climbs, budgets, baseline, trials, options, target).items():
                timings[name][f"{target:g}"] = {**known[name], **result}
    return {**earlier, "contenders": {name: {**chosen[name], "targets": timings[name]} for name in chosen}}


def _bound(reference, best):
    """How far `best` is from the optimum at most, relative to it; None where nothing is proven."""
    if reference["relative_bound"] is None:
        return None
    return max(reference["relative_bound"] + 1 - reference["objective"] / best, np.finfo(float).eps)


def _memory(climb, timings):
    """MiB before and at the peak of a fit to the hardest target that was reached, in a process of its own."""
    if not timings:
        return None
    try:
        return linear_peers.memory(climb.contender, climb.problem, list(timings.values())[-1]["budget"], SEED)
    except RuntimeError as error:
        say(f"  no memory of {climb.contender.name}: {error}")
        return None


def report(result, targets):
    """Two Markdown tables, CPU and wall time, with what must be known to read them."""
    intercept = "intercept not penalised" if result["fit_intercept"] else "no intercept on either side"
    penalty = f", l1_ratio={result['l1_ratio']:g}" if result["l1_ratio"] else ""
    what = datasets.DATASETS[result["dataset"]][0]
    bound = result["relative_bound"]
    proven = "the least that was seen" if bound is None else f"proven to a relative {bound:.1g}"
    lines = [
        f"## {result['dataset']}, {result['loss'].replace('_', ' ')}, C={result['C']:g}{penalty}, {intercept}",
        f"{what}: {result['n_samples']:,} rows, {result['n_features']:,} features, {result['n_nonzeros']:,} non-zeros, "
        f"{result['n_classes']} classes. Optimum {result['optimum']:.9g}, {proven}. "
        f"Baseline: {result['baseline']}.",
    ]
    labels = [f"{target:g}" for target in targets]
    for clock in CLOCKS:
        rows = []
        for name, entry in result["contenders"].items():
            cells = [cell(entry["targets"][label], clock) if label in entry["targets"] else "-" for label in labels]
            best = min(entry["tried"], key=lambda trial: trial["suboptimality"], default=None)
            seen = ["", ""] if best is None else [f"{best['suboptimality']:.1e}", share(best["score"])]
            rows.append([name, entry["dtype"], *cells, *seen, mib(entry["memory"])])
        lines.append(f"{'CPU' if clock == 'cpu' else 'Wall'} milliseconds to a relative suboptimality of:")
        lines.append(table(["contender", "X", *labels, "best seen", "its accuracy", "MiB"], rows))
    notes = [f"- {name}: {entry['note']}." for name, entry in result["contenders"].items() if entry["note"]]
    notes += [f"- Without {name}: {reason}." for name, reason in result["skipped"].items()]
    return "\n\n".join([*lines, "\n".join(notes)]).strip()


def share(accuracy):
    return "" if accuracy is None else f"{accuracy:.4f}"


def mib(memory):
    return "" if memory is None else f"{memory['peak'] - memory['before']:.0f}"


def caption(options):
    intercept = (
        "No contender has an intercept."
        if options.no_intercept
        else "What penalises the intercept, as liblinear's duals do, has another objective: see --no-intercept."
    )
    least = min(LEAST_ROUNDS, options.repeats)
    return (
        f"Each cell: median (least-most) of {options.repeats} interleaved rounds, and how many times as fast as the "
        f"baseline; with > against its longest trial, where that did not reach the target. What takes long has fewer "
        f"rounds, {least} at least, within {options.cap:g} s of CPU time; CPU time is of all "
        f"threads. X: the float type that the contender was given. A dash: reached by no budget on the ladder, or not "
        f"in {options.cap:g} s of trials. Accuracy: of the test rows. MiB: peak memory above what X and y take, of a "
        f"fit to the hardest target reached, in a process of its own. {intercept}"
    )
