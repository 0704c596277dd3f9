"""Tagging by other libraries in environments of their own, in rounds with ours: time to a target, and with defaults."""

import pickle
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np

from . import crf_costs as costs
from .climb import SEED, Climb
from .crf_contenders import with_dtype
from .crf_targets import SHARES, optimum, say
from .measure import interleaved, summary, table
from .peer_process import Crew, PeerError
from .peers import python_of
from .workers import crf_fits  # noqa: F401
from .workers.registry import CRF_FITS, ITERATIONS
from .workers.torch_crf_fits import Tokens


@dataclass(frozen=True)
class Ours:
    """Our L-BFGS from dicts."""

    name: str
    dtype: str
    n_threads: int
    budgets: tuple = ITERATIONS

    def measured(self, problem, budget, seed):
        options = {"max_iter": 100, "tol": 1e-4} if budget is None else {"max_iter": budget}
        model = problem.estimator(n_threads=self.n_threads, **options).set_params(random_state=seed)
        return model, problem.fit(model, np.dtype(self.dtype))


@dataclass(frozen=True)
class Peer:
    """A fit that a worker makes and measures."""

    fit: object
    python: str
    n_threads: int

    @property
    def name(self):
        return self.fit.name

    @property
    def budgets(self):
        return self.fit.budgets

    def measured(self, problem, budget, seed, new=False):
        ask = problem.crew.ask_new if new else problem.crew.ask
        request = dict(method=self.name, budget=budget, c1=problem.c1, c2=problem.c2, threads=self.n_threads, seed=seed)
        # a worker tells by these whether it has run something like it before
        request.update(loss="", dtype="", fit_intercept=False)
        answer = ask(self.fit.peer, self.python, "crf_fits", **request)
        return _model(problem, answer), answer


def _model(problem, answer):
    """Our estimator with the weights of a peer."""
    if "model" in answer:
        return problem.with_weights_of(SimpleNamespace(model=answer["model"]))
    options = dict(state_features="all", transitions="all")
    model = problem.estimator(n_threads=1, max_iter=1).set_params(**options)
    model.fit(problem.tagging.converted[1], problem.tagging.y)
    with np.load(answer["weights"]) as weights:
        model.coef_, model.transition_coef_ = weights["coef"], weights["transitions"]
    return model


def write(tagging, folder):
    """Leave the training data where the workers load it."""
    with (folder / "dicts.pickle").open("wb") as file:
        pickle.dump((tagging.X, tagging.y), file)
    matrix = with_dtype(tagging.converted[1], np.dtype(np.float32)).matrix
    lengths = np.array([len(labels) for labels in tagging.y])
    index = {label: k for k, label in enumerate(tagging.labels)}
    labels = [np.array([index[label] for label in sentence]) for sentence in tagging.y]
    tokens = Tokens(matrix.data, matrix.indices, matrix.indptr, lengths, matrix.shape[1], len(index))
    with (folder / "tokens.pickle").open("wb") as file:
        pickle.dump((tokens, labels), file)


def _contenders(problem, options):
    """Those that have the penalty, or another objective; and why others are left out."""
    threads = max(options.threads)
    found = {f"ours {dtype}": Ours(f"ours {dtype}", dtype, threads) for dtype in costs.DTYPES}
    skipped = {}
    for name, fit in CRF_FITS.items():
        if not options.pattern.search(name):
            continue
        python = python_of(fit.peer, options.peers)
        if python is None:
            skipped[name] = f"its environment is not there (python -m tests.benchmarks.peers {fit.peer})"
        elif ("l1" if problem.c1 else "l2") not in fit.losses and "other" not in fit.losses:
            skipped[name] = "does not have this penalty"
        else:
            found[name] = Peer(fit, python, threads)
    return found, skipped


def peers(problem, options):
    """Time to each share above the optimum, and fits with defaults: what goes to the JSON file, and Markdown."""
    best = optimum(problem, options)["crfsuite"]["objective"]
    contenders, skipped = _contenders(problem, options)
    with Crew(partial(write, problem.tagging), max(options.threads), options.limit) as problem.crew:
        climbs = _climbed(problem, contenders, best, options)
        goals = _goals(climbs, best, options)
        defaults = _defaults(problem, contenders, options)
        memory = _memory(problem, contenders, climbs, options)
    result = {
        "problem": str(problem),
        "optimum": best,
        "threads": max(options.threads),
        "contenders": {
            name: {"note": climb.note, "tried": climb.trials(best), "goals": goals[name]}
            for name, climb in climbs.items()
        },
        "defaults": defaults,
        "memory": memory,
        "skipped": skipped,
    }
    return result, report(result, problem.tagging, options)


def _climbed(problem, contenders, best, options):
    climbs = {}
    for name, contender in contenders.items():
        if contender.budgets:
            climb = climbs[name] = Climb(contender, problem, options.peer_cap)
            climb.ladder(best * (1 + min(SHARES)))
            note = f"; {climb.note}" if climb.note else ""
            say(f"  {name}: {len(climb.objectives)} fits, {climb.spent():.3g} s{note}")
    return climbs


def _goals(climbs, best, options):
    """Summaries by contender and goal."""
    results = {name: {} for name in climbs}
    for share in SHARES:
        budgets = {name: climb.smallest_budget(best * (1 + share)) for name, climb in climbs.items()}
        budgets = {name: budget for name, budget in budgets.items() if budget is not None}
        measures = {name: partial(climbs[name].seconds_of, budget) for name, budget in budgets.items()}
        rounds = interleaved(measures, options.repeats, options.cap)
        baseline = rounds.get("python-crfsuite lbfgs")
        for name, values in rounds.items():
            if values:
                score = climbs[name].scores[budgets[name]]
                results[name][f"{share:.1%}"] = {"budget": budgets[name], "score": score, **summary(values, baseline)}
        say(f"  {share:.1%}: timed {len(rounds)} contenders")
    return results


def _defaults(problem, contenders, options):
    """Fits that end by themselves."""
    solutions, notes = {}, {}

    def measure(name):
        if name in notes:
            return None
        try:
            solutions[name], seconds = contenders[name].measured(problem, None, SEED)
        except PeerError as error:
            notes[name] = str(error)
            return None
        return seconds

    with_defaults = [name for name, one in contenders.items() if isinstance(one, Ours) or one.fit.default]
    rounds = interleaved({name: partial(measure, name) for name in with_defaults}, options.repeats, options.cap)
    say(f"  defaults: timed {len(rounds)} contenders")
    results = {}
    for name, values in rounds.items():
        if values:
            objective, _ = problem.judged(solutions[name])
            scores = problem.tagging.scores(solutions[name].predict(problem.tagging.test))
            results[name] = {"objective": objective, **scores, **summary(values)}
        else:
            results[name] = {"note": notes[name]}
    return results


def _memory(problem, contenders, climbs, options):
    """MiB that a fit of some iterations takes above the data, each in a new process."""
    results = {}
    for name, climb in climbs.items():
        try:
            if isinstance(climb.contender, Ours):
                usage = costs.in_child("memory", problem, options, name)
            else:
                budget = next((b for b in climb.objectives if b >= costs.MEMORY_ITERATIONS), max(climb.objectives))
                usage = contenders[name].measured(problem, budget, SEED, new=True)[1]
        except (RuntimeError, ValueError) as error:
            say(f"  no memory of {name}: {error}")
            continue
        results[name] = usage["peak"] - usage["before"]
    return results


def report(result, tagging, options):
    """Markdown tables."""
    best, goals = result["optimum"], [f"{share:.1%}" for share in SHARES]
    lines = [
        f"### Peers, {result['problem']}\n\nEach library in an environment of its own, in rounds with ours; "
        f"{result['threads']} threads for those that have threads. Seconds from dicts (torch: from indices) to a model "
        f"this far above the optimum {best:.9g}: median (least-most), how many times as fast as python-crfsuite's "
        "L-BFGS."
    ]
    for clock, title in (("cpu", "CPU"), ("wall", "Wall")):
        rows = []
        for name, entry in result["contenders"].items():
            cells = [
                costs.seconds_cell(entry["goals"][goal], clock) if goal in entry["goals"] else "-" for goal in goals
            ]
            least = min(entry["tried"], key=lambda trial: trial["suboptimality"], default=None)
            seen = ["", ""] if least is None else [f"{least['suboptimality']:.2%}", f"{least['score']:.4f}"]
            memory = result["memory"].get(name)
            rows.append([name, *cells, *seen, "" if memory is None else f"{memory:.0f}"])
        lines.append(f"{title} seconds:")
        lines.append(table(["contender", *goals, "best seen", f"its {tagging.score_name}", "MiB"], rows))
    rows = []
    for name, entry in result["defaults"].items():
        if "note" not in entry:
            above = "" if _other(name) else f"{entry['objective'] / best - 1:.2%}"
            scores = [f"{entry[key]:.4f}" if key in entry else "" for key in ("accuracy", "token_f1", "chunk_f1")]
            rows.append([name, costs.seconds_cell(entry, "cpu"), costs.seconds_cell(entry), above, *scores])
    lines.append("With their own stopping rules; perceptrons and their kin have another objective:")
    lines.append(table(["contender", "CPU", "wall", "above the optimum", "accuracy", "token F1", "chunk F1"], rows))
    notes = [f"- {name}: {entry['note']}." for name, entry in result["contenders"].items() if entry["note"]]
    notes += [f"- {name}: {entry['note']}." for name, entry in result["defaults"].items() if "note" in entry]
    notes += [f"- Without {name}: {reason}." for name, reason in result["skipped"].items()]
    return "\n\n".join([*lines, "\n".join(notes)]).strip()


def _other(name):
    return name in CRF_FITS and "other" in CRF_FITS[name].losses
