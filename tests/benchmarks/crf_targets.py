"""Time from dicts to a model at a goal: an objective that CRFsuite or the optimum sets, or a test score."""

import json
import sys
from functools import partial

import numpy as np

from . import crf_costs as costs
from .crf_contenders import NO_LIMIT, append_seconds, crfsuite_tagger, with_dtype
from .measure import interleaved, summary, table

LIMIT = 100  # iterations of CRFsuite that the goals are set by
SHARES = (0.05, 0.01, 0.001)
BUDGETS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 70, 100)  # iterations until the score is there
LONGEST = 3200
PROVEN_ENOUGH = 1e-6  # relative duality gap at which a reference run ends
AT_LIMIT = f"CRFsuite at {LIMIT}"


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def optimum(problem, options):
    """The reference runs: objectives, and proven bounds of how far they are from the optima, relative to them.

    `crfsuite` is the optimum over CRFsuite's pairs, `ours` that over ours, which are fewer.
    """
    path = options.cache / f"optimum-{problem.tagging.key}-c1={problem.c1:g}-c2={problem.c2:g}.json"
    if path.exists():
        return json.loads(path.read_text())
    result = {}
    for name, sequences in (("ours", problem.tagging.converted[1]), ("crfsuite", problem.tagging.with_false())):
        model = problem.estimator(n_threads=max(options.threads), max_iter=LONGEST).set_params(warm_start=True)
        for tol in (1e-5, 1e-6, 1e-7):
            model.set_params(tol=tol).fit(sequences, problem.tagging.y)
            objective = problem.objective(model, sequences)
            bound = model.suboptimality_bound(sequences, problem.tagging.y) / problem.C / objective
            if bound <= PROVEN_ENOUGH:
                break
        result[name] = {"objective": objective, "relative_bound": bound}
        say(f"  optimum {objective:.9g} ({name}), proven to {bound:.1g}; at the end {model.stop_reason_}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result))
    return result


def crfsuite(problem, algorithm, max_iterations, options):
    """The run of CRFsuite, kept or new; with --fresh once anew in each call of the program."""
    key = (problem.tagging.key, problem.c1, problem.c2, algorithm, max_iterations)
    fresh = options.fresh and key not in options.done
    run = problem.crfsuite(algorithm, max_iterations, options.cache, fresh)
    options.done.add(key)
    say(f"  CRFsuite {algorithm} {max_iterations}: {len(run.curve)} iterations, {run.train['wall']:.1f} s ({run.when})")
    return run


def budgets_by_objective(problem, dtype, n_threads, goals):
    """The iterations that our L-BFGS needs to each objective; None where it does not get there."""
    sequences = with_dtype(problem.tagging.converted[1], np.dtype(dtype))
    limit = 50
    while True:
        model = problem.estimator(n_threads=n_threads, max_iter=limit).fit(sequences, problem.tagging.y)
        objectives = [record["objective"] / problem.C for record in model.history_ if record["iteration"]]
        if min(objectives) <= min(goals.values()) or len(objectives) < limit or limit >= LONGEST:
            break
        limit *= 4
    return {
        goal: next((number for number, value in enumerate(objectives, 1) if value <= enough), None)
        for goal, enough in goals.items()
    }


def budget_by_score(problem, dtype, n_threads, enough):
    """The iterations, of BUDGETS, that our L-BFGS needs to the test score; None where it does not get there."""
    tagging = problem.tagging
    features, sequences = tagging.converted
    sequences, test = with_dtype(sequences, np.dtype(dtype)), features.transform(tagging.X_test)
    for budget in BUDGETS:
        model = problem.estimator(n_threads=n_threads, max_iter=budget).fit(sequences, tagging.y)
        if tagging.scores(model.predict(test))[tagging.score_name] >= enough:
            return budget
    return None


class OurFits:
    """Timed whole fits of our L-BFGS, by float type, threads and iterations; the last model of each is kept."""

    def __init__(self, problem):
        self.problem, self.models = problem, {}

    def measure(self, dtype, n_threads, budget):
        model = self.problem.estimator(n_threads=n_threads, max_iter=budget)
        seconds = self.problem.fit(model, np.dtype(dtype))
        self.models[dtype, n_threads, budget] = model
        in_history = sum(record["seconds"] for record in model.history_)
        return {**seconds, "in_history": in_history / seconds["training"]["wall"]}


def targets(problem, options):
    """Time to each goal: what goes to the JSON file."""
    tagging, score_name = problem.tagging, problem.tagging.score_name
    reference = optimum(problem, options)
    run = crfsuite(problem, "lbfgs", LIMIT, options)
    long_run = run if options.no_unlimited else crfsuite(problem, "lbfgs", NO_LIMIT, options)
    found = reference["crfsuite"]["objective"]
    best = min(found, *(record["objective"] for record in long_run.curve))
    goals = {AT_LIMIT: run.curve[-1]["objective"], **{f"{share:.1%}": best * (1 + share) for share in SHARES}}
    score = scores_of_run(tagging, run)[score_name]
    score_goal = f"{score_name} of {AT_LIMIT}"
    threads = max(options.threads)
    budgets = {}
    for dtype in costs.DTYPES:
        budgets[dtype] = budgets_by_objective(problem, dtype, threads, goals)
        budgets[dtype][score_goal] = budget_by_score(problem, dtype, threads, score)
    say(f"  iterations: {budgets}")
    fits = OurFits(problem)
    measures = {"append": partial(append_seconds, tagging)}
    for dtype in costs.DTYPES:
        for n_threads in options.threads:
            for budget in sorted({budget for budget in budgets[dtype].values() if budget}):
                measures[dtype, n_threads, budget] = partial(fits.measure, dtype, n_threads, budget)
    rounds = interleaved(measures, options.repeats, options.cap)
    theirs = {goal: _their_rounds(run, long_run, rounds["append"], value) for goal, value in goals.items()}
    theirs[score_goal] = _rounds_to_score(problem, run, rounds["append"], score, options)
    entries = []
    for dtype in costs.DTYPES:
        for n_threads in options.threads:
            reached = {
                goal: _our_result(fits, rounds, theirs[goal], (dtype, n_threads, budget), tagging)
                for goal, budget in budgets[dtype].items()
                if budget
            }
            entries.append({"dtype": dtype, "threads": n_threads, "goals": reached})
    shares = [seconds["in_history"] for key, values in rounds.items() if key != "append" for seconds in values]
    return {
        "problem": str(problem),
        "optimum": best,
        "relative_bound": max(reference["crfsuite"]["relative_bound"] + 1 - found / best, np.finfo(float).eps),
        "our_optimum": reference["ours"]["objective"],
        "goals": {**goals, score_goal: score},
        "crfsuite": {goal: summary(values) if values else None for goal, values in theirs.items()},
        "crfsuite_runs": [_run_record(one) for one in ([run] if long_run is run else [run, long_run])],
        "ours": entries,
        "history_seconds_in_training": [min(shares), max(shares)] if shares else None,
    }


def scores_of_run(tagging, run):
    return tagging.scores(crfsuite_tagger(run)(tagging.X_test))


def _run_record(run):
    return {name: value for name, value in vars(run).items() if name != "model"}


def _their_rounds(run, long_run, appends, value):
    """CRFsuite's seconds to the objective, one a round of append, which alone is measured more than once."""
    run = run if value >= run.curve[-1]["objective"] else long_run
    if run.seconds_to(value) is None:
        return None
    return [run.seconds_to(value, append) for append in appends]


def _rounds_to_score(problem, run, appends, score, options):
    """As `_their_rounds`, to the test score: the first of some numbers of iterations that gets there."""
    for budget in sorted(options.score_iterations):
        shorter = crfsuite(problem, "lbfgs", budget, options)
        if scores_of_run(problem.tagging, shorter)[problem.tagging.score_name] >= score:
            run = shorter
            break
    return [{**run.total(append), "iterations": len(run.curve)} for append in appends]


def _our_result(fits, rounds, baseline, key, tagging):
    model, values = fits.models[key], rounds[key]
    tags = model.predict(tagging.converted[0].transform(tagging.X_test))
    return {
        "iterations": key[-1],
        "objective": fits.problem.objective(model),
        **tagging.scores(tags),
        **summary(values, baseline),
        "conversion": summary([seconds["conversion"] for seconds in values]),
        "training": summary([seconds["training"] for seconds in values]),
    }


def targets_report(result, options):
    goals, theirs = result["goals"], result["crfsuite"]
    at_limit, ours = (value / result["optimum"] - 1 for value in (goals[AT_LIMIT], result["our_optimum"]))
    lines = [
        f"### Time to a goal, {result['problem']}\n\nOptimum {result['optimum']:.9g}, proven to a relative "
        f"{result['relative_bound']:.1g}; {AT_LIMIT} iterations has {goals[AT_LIMIT]:.9g}, {at_limit:.2%} above. The "
        f"optimum over our pairs is {ours:.3%} above; the goals of both sides are the same. "
        f"Scores: {', '.join(f'{goal} {goals[goal]:.4f}' for goal in goals if 'of CRF' in goal)}."
    ]
    for clock, name in (("wall", "Wall"), ("cpu", "CPU")):
        rows = [["CRFsuite", 1, *(_cell(theirs[goal], clock) for goal in goals)]]
        for entry in result["ours"]:
            cells = (_cell(entry["goals"].get(goal), clock) for goal in goals)
            rows.append([f"ours {entry['dtype']}", entry["threads"], *cells])
        lines.append(f"{name} seconds from dicts to the model:")
        lines.append(table(["what", "threads", *goals], rows))
    rows = []
    for entry in result["ours"]:
        if entry["threads"] == max(options.threads):
            for goal, values in entry["goals"].items():
                parts = (costs.seconds_cell(values[part]) for part in ("conversion", "training"))
                above = f"{values['objective'] / result['optimum'] - 1:.3%}"
                rows.append([entry["dtype"], goal, values["iterations"], *parts, above, *score_cells(values)])
    lines.append(f"Our models with {max(options.threads)} threads, wall seconds:")
    lines.append(table(["ours in", "goal", "iterations", "conversion", "training", "above the optimum", *SCORES], rows))
    low, high = result["history_seconds_in_training"] or (0, 0)
    measured = ", ".join(f"{len(run['curve'])} iterations {run['when']}" for run in result["crfsuite_runs"])
    lines.append(
        f"CRFsuite trained once ({measured}), its append was measured in each round. The seconds in `history_` are "
        f"{low:.0%} to {high:.0%} of the time of our training, which has them all."
    )
    return "\n\n".join(lines)


SCORES = ("accuracy", "token F1", "chunk F1")


def score_cells(values):
    return [f"{values[name]:.4f}" if name in values else "" for name in ("accuracy", "token_f1", "chunk_f1")]


def _cell(values, clock):
    return "-" if values is None else costs.seconds_cell(values, clock)
