"""Plan a search: put its fits into the order in which they share most."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .._base.parameters_alike import set_alike
from .._estimator.base import SolverEstimator

Task = tuple[Any, tuple[Any, ...], dict[str, Any]]  # function, arguments, keyword arguments


def is_shareable(estimator: Any) -> bool:
    """Return whether fits share: those of an estimator of this package, or of a pipeline without a `memory`."""
    return isinstance(estimator, SolverEstimator) or (type(estimator) is Pipeline and estimator.memory is None)


def candidate_of(task: Task) -> int:
    """Return the number of the candidate that a task fits."""
    return task[2]["candidate_progress"][0]


def fold_of(task: Task) -> int:
    """Return the number of its fold."""
    return task[2]["split_progress"][0]


def final_estimators(tasks: Sequence[Task]) -> Iterator[Any]:
    """Yield what the candidates fit to the transformed rows."""
    for _, (estimator, *_rest), kwargs in tasks:
        try:
            candidate = clone(estimator).set_params(**clone(kwargs["parameters"], safe=False))
        except Exception:  # scikit-learn says so when it comes to it
            continue
        yield candidate.steps[-1][1] if isinstance(candidate, Pipeline) else candidate


def parts_by_fold(tasks: Sequence[Task], n_jobs: int) -> list[list[list[int]]]:
    """Return the numbers of the tasks of each fold, in groups with the same transformers.

    Groups with equal beginnings are next to each other. Folds are cut where there are fewer of them than workers.
    """
    places = _places(tasks)
    folds: dict[int, list[int]] = {}
    for i, task in enumerate(tasks):
        folds.setdefault(fold_of(task), []).append(i)
    n_cuts = max(1, -(-n_jobs // len(folds)))
    parts = []

    def place(i: int) -> tuple[int, ...]:
        return places[candidate_of(tasks[i])]

    for fold in folds.values():
        fold.sort(key=place)
        size = -(-len(fold) // n_cuts)
        for begin in range(0, len(fold), size):
            parts.append([list(group) for _, group in groupby(fold[begin : begin + size], key=place)])
    return parts


def _places(tasks: Sequence[Task]) -> dict[int, tuple[int, ...]]:
    """Return for each candidate the numbers of the settings of its steps."""
    estimator = tasks[0][1][0]
    names = [name for name, _ in estimator.steps[:-1]] if isinstance(estimator, Pipeline) else []
    settings: list[list[dict[str, Any]]] = [[] for _ in range(len(names) + 1)]
    places: dict[int, tuple[int, ...]] = {}
    for task in tasks:
        if candidate_of(task) not in places:
            places[candidate_of(task)] = _place(task[2]["parameters"], names, settings)
    return places


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


def ngram_ranges(tasks: Sequence[Task]) -> set[tuple[int, int]]:
    """Return all ranges of n-grams in the parameters of candidates."""
    found = set()
    for _, _, kwargs in tasks:
        for key, value in kwargs["parameters"].items():
            if key.endswith("ngram_range") and isinstance(value, tuple) and len(value) == 2:
                if all(type(n) is int for n in value):
                    found.add(value)
    return found
