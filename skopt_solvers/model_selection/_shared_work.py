"""Run the fits of a search in the order in which they share most."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .._base.parameters_alike import set_alike
from .._base.sklearn_compat import MultimetricScorer, Parallel, delayed
from .._estimator.base import SolverEstimator
from .._estimator.fit_many import ExpectedFits
from .._estimator.shared_fits import fits_by
from ..feature_extraction._shared_counts import SharedCounts
from ._shared_steps import SharedMultimetricScorer, SharedScorer, SharedSteps

COUNTED = (
    *("text_counts", "text_counts_shared", "transformers_fitted", "transformers_shared"),
    *("passes", "fits_in_passes"),
)
_Task = tuple[Any, tuple[Any, ...], dict[str, Any]]

_active: ContextVar["SharedWork | None"] = ContextVar("shared_work", default=None)


@dataclass
class SharedWork:
    """Keep and count the work that the fits of one search share.

    Attributes
    ----------
    prefer : {"threads", None}
        Of ``joblib.Parallel``.
    texts : SharedCounts
    counts : dict of str to int
    """

    prefer: str | None
    texts: SharedCounts = field(default_factory=SharedCounts)
    counts: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let the fits of a search inside share; afterwards nothing that is left over is kept."""
        token = _active.set(self)
        try:
            with self.texts.active():
                yield
        finally:
            _active.reset(token)
            self.texts.close()

    def summary(self) -> dict[str, int]:
        """Return how often work was done, and how often it was there already."""
        here = {"text_counts": self.texts.n_counts, "text_counts_shared": self.texts.n_shared}
        return {name: self.counts[name] + here.get(name, 0) for name in COUNTED}


class PlannedParallel(Parallel):
    """Stands for the `Parallel` of scikit-learn's searches: it takes the fits of all candidates and folds at once.

    The fits of one fold follow each other, so that they share. Where the estimator is neither a pipeline nor one of
    this package, or is a pipeline with a `memory` of its own, all is left to scikit-learn.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.work = _active.get()
        super().__init__(**kwargs, prefer=self.work.prefer if self.work else None)

    def __call__(self, iterable: Iterable[_Task]) -> list[Any]:
        """Return what each task gives, in their order."""
        tasks, work = list(iterable), self.work
        if work is None or not tasks or not _is_shareable(tasks[0][1][0]):
            return super().__call__(tasks)
        work.texts.expect(_ngram_ranges(tasks))
        parts = _parts(tasks, self._effective_n_jobs())
        groups = [[[tasks[i] for i in group] for group in part] for part in parts]
        results: list[Any] = [None] * len(tasks)
        for part, done in zip(parts, super().__call__(delayed(_run)(each, work.texts) for each in groups), strict=True):
            work.counts.update(done.counts)
            for i, outcome in zip(chain.from_iterable(part), done.outcomes, strict=True):
                results[i] = outcome
        return results


def _is_shareable(estimator: Any) -> bool:
    return isinstance(estimator, SolverEstimator) or (type(estimator) is Pipeline and estimator.memory is None)


@dataclass
class _Done:
    """The outcomes of a worker, and a count of its work.

    Attributes
    ----------
    outcomes : list of dict, what scikit-learn's function gives for each task
    counts : dict, that go into :meth:`SharedWork.summary`
    """

    outcomes: list[Any] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def _run(groups: list[list[_Task]], texts: SharedCounts) -> _Done:
    """Fit and score candidates of one fold; those of a group have the same transformers."""
    done, steps = _Done(), SharedSteps()
    with texts.active():
        for group in groups:
            fits = ExpectedFits(list(_final_estimators(group)))
            with fits_by(fits):
                done.outcomes += [_fit_and_score(task, steps) for task in group]
            done.counts.update(passes=fits.n_passes, fits_in_passes=fits.n_fits)
    done.counts.update(transformers_fitted=steps.n_fitted, transformers_shared=steps.n_shared)
    if texts.is_copy:
        done.counts.update(text_counts=texts.n_counts, text_counts_shared=texts.n_shared)
    return done


def _fit_and_score(task: _Task, steps: SharedSteps) -> Any:
    function, (estimator, *rest), kwargs = task
    if isinstance(estimator, Pipeline):
        scorer = kwargs["scorer"]
        shared = SharedMultimetricScorer if isinstance(scorer, MultimetricScorer) else SharedScorer
        estimator.memory, kwargs = steps, {**kwargs, "scorer": shared(scorer, steps)}
    return function.function(estimator, *rest, **kwargs)


def _final_estimators(group: list[_Task]) -> Iterator[Any]:
    """Yield what the candidates fit to the transformed rows."""
    for _, (estimator, *_rest), kwargs in group:
        try:
            candidate = clone(estimator).set_params(**clone(kwargs["parameters"], safe=False))
        except Exception:  # scikit-learn says so when it comes to it
            continue
        yield candidate.steps[-1][1] if isinstance(candidate, Pipeline) else candidate


def _parts(tasks: list[_Task], n_jobs: int) -> list[list[list[int]]]:
    """Return the numbers of the tasks of each fold, in groups with the same transformers.

    Groups with equal beginnings are next to each other. Folds are cut where there are fewer of them than workers.
    """
    estimator = tasks[0][1][0]
    names = [name for name, _ in estimator.steps[:-1]] if isinstance(estimator, Pipeline) else []
    settings: list[list[dict[str, Any]]] = [[] for _ in range(len(names) + 1)]
    places: dict[int, tuple[int, ...]] = {}
    folds: dict[int, list[int]] = {}
    for i, (_, _, kwargs) in enumerate(tasks):
        candidate = kwargs["candidate_progress"][0]
        if candidate not in places:
            places[candidate] = _place(kwargs["parameters"], names, settings)
        folds.setdefault(kwargs["split_progress"][0], []).append(i)
    n_cuts = max(1, -(-n_jobs // len(folds)))
    parts = []

    def place(i: int) -> tuple[int, ...]:
        return places[tasks[i][2]["candidate_progress"][0]]

    for fold in folds.values():
        fold.sort(key=place)
        size = -(-len(fold) // n_cuts)
        for begin in range(0, len(fold), size):
            parts.append([list(group) for _, group in groupby(fold[begin : begin + size], key=place)])
    return parts


def _place(parameters: dict[str, Any], names: list[str], settings: list[list[dict[str, Any]]]) -> tuple[int, ...]:
    """Return the number of a candidate's setting of each step, after that of the pipeline's own parameters.

    Settings that are new are added to those of their step.
    """
    own: list[dict[str, Any]] = [{} for _ in settings]
    for key, value in parameters.items():
        step = key.partition("__")[0]
        if step in names:
            own[names.index(step) + 1][key] = value
        elif step in ("steps", "memory", "verbose", "transform_input"):
            own[0][key] = value
    place = []
    for setting, known in zip(own, settings, strict=True):
        number = next((i for i, other in enumerate(known) if set_alike(setting, other)), len(known))
        if number == len(known):
            known.append(setting)
        place.append(number)
    return tuple(place)


def _ngram_ranges(tasks: list[_Task]) -> set[tuple[int, int]]:
    """Return all ranges of n-grams in the parameters of candidates."""
    found = set()
    for _, _, kwargs in tasks:
        for key, value in kwargs["parameters"].items():
            if key.endswith("ngram_range") and isinstance(value, tuple) and len(value) == 2:
                if all(type(n) is int for n in value):
                    found.add(value)
    return found
