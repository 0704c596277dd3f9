"""Run the fits of a search in the order in which they share most."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sklearn.pipeline import Pipeline

from .._base.parameters_alike import set_alike
from .._base.sklearn_compat import MultimetricScorer, Parallel, delayed
from ..feature_extraction._shared_counts import SharedCounts
from ._shared_steps import SharedMultimetricScorer, SharedScorer, SharedSteps

_Task = tuple[Any, tuple[Any, ...], dict[str, Any]]

_active: ContextVar["SharedWork | None"] = ContextVar("shared_work", default=None)


@dataclass
class SharedWork:
    """Keep and count the work that the fits of one search share.

    Attributes
    ----------
    prefer : {"threads", None}
        Of ``joblib.Parallel``.
    counts : SharedCounts
    transformers_fitted, transformers_shared : int
    """

    prefer: str | None
    counts: SharedCounts = field(default_factory=SharedCounts)
    transformers_fitted: int = 0
    transformers_shared: int = 0

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let the fits of a search inside share; afterwards nothing that is left over is kept."""
        token = _active.set(self)
        try:
            with self.counts.active():
                yield
        finally:
            _active.reset(token)
            self.counts.close()

    def summary(self) -> dict[str, int]:
        """Return how often work was done, and how often it was there already."""
        return {
            "text_counts": self.counts.n_counts,
            "text_counts_shared": self.counts.n_shared,
            "transformers_fitted": self.transformers_fitted,
            "transformers_shared": self.transformers_shared,
        }


class PlannedParallel(Parallel):
    """Stands for the `Parallel` of scikit-learn's searches: it takes the fits of all candidates and folds at once.

    The fits of one fold follow each other, so that they share. Where the estimator is no pipeline, or is one with a
    `memory` of its own, all is left to scikit-learn.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.work = _active.get()
        super().__init__(**kwargs, prefer=self.work.prefer if self.work else None)

    def __call__(self, iterable: Iterable[_Task]) -> list[Any]:
        """Return what each task gives, in their order."""
        tasks, work = list(iterable), self.work
        if work is None or not tasks or not _is_shareable(tasks[0][1][0]):
            return super().__call__(tasks)
        work.counts.expect(_ngram_ranges(tasks))
        parts = _parts(tasks, self._effective_n_jobs())
        done = super().__call__(delayed(_run)([tasks[i] for i in part], work.counts) for part in parts)
        results: list[Any] = [None] * len(tasks)
        for part, (outcomes, steps, counts) in zip(parts, done, strict=True):
            work.transformers_fitted += steps[0]
            work.transformers_shared += steps[1]
            work.counts.n_counts += counts[0]
            work.counts.n_shared += counts[1]
            for i, outcome in zip(part, outcomes, strict=True):
                results[i] = outcome
        return results


def _is_shareable(estimator: Any) -> bool:
    return type(estimator) is Pipeline and estimator.memory is None


def _run(tasks: list[_Task], counts: SharedCounts) -> tuple[list[Any], tuple[int, int], tuple[int, int]]:
    """Fit and score the candidates of one fold, and return beside the outcomes what was done anew and what shared."""
    steps = SharedSteps()
    outcomes = []
    with counts.active():
        for function, (estimator, *rest), kwargs in tasks:
            scorer = kwargs["scorer"]
            shared = SharedMultimetricScorer if isinstance(scorer, MultimetricScorer) else SharedScorer
            estimator.memory = steps
            outcomes.append(function.function(estimator, *rest, **{**kwargs, "scorer": shared(scorer, steps)}))
    here = (counts.n_counts, counts.n_shared) if counts.is_copy else (0, 0)
    return outcomes, (steps.n_fitted, steps.n_shared), here


def _parts(tasks: list[_Task], n_jobs: int) -> list[list[int]]:
    """Return the numbers of the tasks of each fold, those with equal beginnings next to each other.

    Folds are cut where there are fewer of them than workers.
    """
    names = [name for name, _ in tasks[0][1][0].steps[:-1]]
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
    for fold in folds.values():
        fold.sort(key=lambda i: places[tasks[i][2]["candidate_progress"][0]])
        size = -(-len(fold) // n_cuts)
        parts += [fold[begin : begin + size] for begin in range(0, len(fold), size)]
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
