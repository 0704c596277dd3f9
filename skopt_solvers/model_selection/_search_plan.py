"""Plan a search: put its fits into the order in which they share most."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .._base.parameters_alike import set_alike
from .._estimator.base import SolverEstimator
from .._estimator.fit_many import fitted_together

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


def final_estimator(task: Task) -> Any:
    """Return what the candidate fits to the transformed rows; None where its parameters cannot be set."""
    try:
        estimator, parameters = task[1][0], task[2]["parameters"]
        if isinstance(estimator, Pipeline):
            if "steps" in parameters:
                return clone(estimator).set_params(**clone(parameters, safe=False)).steps[-1][1]
            name, estimator = estimator.steps[-1]
            estimator = parameters.get(name, estimator)
            parameters = {key[len(name) + 2 :]: parameters[key] for key in parameters if key.startswith(name + "__")}
        return clone(estimator).set_params(**clone(parameters, safe=False))
    except Exception:  # scikit-learn says so when it comes to it
        return None


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


def parts_by_candidate(tasks: Sequence[Task], n_jobs: int) -> list[tuple[tuple[int, int], list[int]]]:
    """Return parts of few candidates, so that some are soon finished: the folds of a part follow each other.

    Candidates that are fitted together are in one part. They have the order of :func:`parts_by_fold`.

    Returns
    -------
    list of ((int, int), list of int)
        The place that parts with common transformers share, of which there are enough for all workers; and the numbers
        of the tasks.
    """
    places = _places(tasks)
    numbers: dict[int, dict[int, int]] = {}
    for i, task in enumerate(tasks):
        numbers.setdefault(candidate_of(task), {})[fold_of(task)] = i
    folds = list(next(iter(numbers.values())))
    n_cuts = max(1, -(-n_jobs // len(folds)))
    units: list[list[int]] = []
    for _, group in groupby(sorted(numbers, key=places.__getitem__), key=places.__getitem__):
        candidates = list(group)
        finals = [final_estimator(tasks[numbers[candidate][folds[0]]]) for candidate in candidates]
        units += [[candidates[i] for i in unit] for unit in fitted_together(finals, [None] * len(finals))]
    return [
        ((fold, number % n_cuts), [numbers[candidate][fold] for candidate in unit])
        for number, unit in enumerate(units)
        for fold in folds
    ]


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
