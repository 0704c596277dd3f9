"""Do a part of a search in a worker: the fits of some candidates in one fold, which share their work."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from .._base.sklearn_compat import MultimetricScorer
from .._estimator.fit_many import ExpectedFits
from .._estimator.fit_place import Place, fits_have_place
from .._estimator.shared_fits import fits_by
from .._estimator.shared_scores import SharedProducts, products_by
from .._estimator.unconverged import unconverged_told_to
from ..feature_extraction._shared_counts import SharedCounts
from ..solvers._together import TimeIsOver
from ._fit_reports import FitReport, report_of
from ._search_plan import Task, candidate_of, final_estimator, fold_of
from ._shared_rows import SharedRows
from ._shared_steps import SharedMultimetricScorer, SharedScorer, SharedSteps


class KeptSteps:
    """The transformers of all folds, for searches whose parts take a few candidates in one fold after the other.

    Copies for processes are empty, and all those of one process are the same.

    Parameters
    ----------
    token : str
        A name that no other search has.
    """

    def __init__(self, token: str) -> None:
        self.token, self.lock = token, Lock()
        self.places: dict[Any, tuple[Lock, SharedSteps]] = {}

    def __reduce__(self) -> tuple[Callable[[str], "KeptSteps"], tuple[str]]:
        return _kept_here, (self.token,)

    def at(self, place: Any) -> tuple[Lock, SharedSteps]:
        """Return the transformers of a place, and a lock for those who use them."""
        with self.lock:
            return self.places.setdefault(place, (Lock(), SharedSteps()))


_here: dict[str, KeptSteps] = {}  # of the last search that this process works for


def _kept_here(token: str) -> KeptSteps:
    if token not in _here:
        _here.clear()
    return _here.setdefault(token, KeptSteps(token))


@dataclass(frozen=True)
class JobOptions:
    """The common part of all jobs of a search.

    Attributes
    ----------
    texts : SharedCounts, None where fits share nothing
    kept : KeptSteps, None where all candidates of a fold are in one job
    until : float, the ``time.time()`` after which no job begins
    always : int, the candidate that is fitted after that too
    keeps : bool, whether a KeyboardInterrupt ends a job early instead of being raised
    keep_histories : bool, whether the reports of fits have their histories
    """

    texts: SharedCounts | None
    kept: KeptSteps | None = None
    until: float = np.inf
    always: int = -1
    keeps: bool = False
    keep_histories: bool = False


Shared = tuple[SharedSteps, SharedRows]  # of one fold


@dataclass
class Job:
    """The tasks of one fold that a worker does one after the other.

    Attributes
    ----------
    groups : list of list of (int, task), the number and the task; those of a group have the same transformers
    options : JobOptions
    place : tuple, of the transformers in `options.kept`
    """

    groups: list[list[tuple[int, Task]]]
    options: JobOptions
    place: tuple[int, ...] = ()

    def groups_now(self) -> list[list[tuple[int, Task]]]:
        """Return the groups that are to be fitted now: when the time is over, those of one candidate or none."""
        if time.time() < self.options.until:
            return self.groups
        left = [[each for each in group if candidate_of(each[1]) == self.options.always] for group in self.groups]
        return list(filter(None, left))


@dataclass
class Fit:
    """The outcome of a task: the dict of scikit-learn's function, and the report of the fit."""

    scores: Any
    report: FitReport


@dataclass
class Done:
    """The work that a worker has done.

    Attributes
    ----------
    fits : dict of int to Fit, by the numbers of tasks
    counts : dict, that go into :meth:`SharedWork.summary`
    interrupted : bool
    """

    fits: dict[int, Fit] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False


def run(job: Job) -> Done:
    """Fit and score the candidates of a job."""
    done, options = Done(), job.options
    try:
        if options.texts is None:
            for group in job.groups_now():
                _fit_group(group, None, done, options.keep_histories)
        elif options.kept is None:
            _run_shared(job, SharedSteps(), options.texts, done)
        else:
            lock, steps = options.kept.at(job.place)
            with lock:
                _run_shared(job, steps, options.texts, done)
    except KeyboardInterrupt:
        if not options.keeps:
            raise
        done.interrupted = True
    return done


def _run_shared(job: Job, steps: SharedSteps, texts: SharedCounts, done: Done) -> None:
    n_fitted, n_shared, rows = steps.n_fitted, steps.n_shared, SharedRows()
    try:
        with texts.active():
            for group in job.groups_now():
                _fit_sharing_passes(group, (steps, rows), done, job.options)
    finally:
        counts = {"transformers_fitted": steps.n_fitted - n_fitted, "transformers_shared": steps.n_shared - n_shared}
        if texts.is_copy:
            counts.update(text_counts=texts.n_counts, text_counts_shared=texts.n_shared)
        done.counts.update(counts)


def _fit_sharing_passes(group: Sequence[tuple[int, Task]], shared: Shared, done: Done, options: JobOptions) -> None:
    until = [np.inf if candidate_of(task) == options.always else options.until for _, task in group]
    finals = [final_estimator(task) for _, task in group]
    fits = ExpectedFits(finals, until)
    places = {id(final): _place(task) for final, (_, task) in zip(finals, group, strict=True)}
    try:
        with fits_by(fits), products_by(SharedProducts(fits.groups, lambda X: any(each.keeps(X) for each in shared))):
            _fit_group(group, shared, done, options.keep_histories, places)
    finally:
        done.counts.update(passes=fits.n_passes, fits_in_passes=fits.n_fits)


def _place(task: Task) -> Place:
    return Place(candidate_of(task), task[2]["parameters"], fold_of(task))


def _fit_group(
    group: Sequence[tuple[int, Task]],
    shared: Shared | None,
    done: Done,
    keep: bool,
    together: dict[int, Place] | None = None,
) -> None:
    """Fit and score one after the other; `together` has the places of those that are fitted when the first is."""
    for number, task in group:
        function, (estimator, *rest), kwargs = task
        own, others = _place(task), together or {}
        fit_and_score, scorer = function.function, kwargs["scorer"]
        if shared is not None:
            steps, rows = shared
            fit_and_score = rows.sharing(fit_and_score, scorer, kwargs["return_train_score"])
            if isinstance(estimator, Pipeline):
                shares = SharedMultimetricScorer if isinstance(scorer, MultimetricScorer) else SharedScorer
                estimator.memory, kwargs = steps, {**kwargs, "scorer": shares(scorer, steps)}
        told: list[tuple[Any, str]] = []
        try:
            with (
                unconverged_told_to(lambda *one, told=told: told.append(one)),
                fits_have_place(lambda one, own=own, others=others: others.get(id(one), own)),
            ):
                scores = fit_and_score(estimator, *rest, **kwargs)
        except TimeIsOver:
            continue
        failed = scores["fit_error"] is not None
        done.fits[number] = Fit(
            scores, FitReport() if failed else report_of(estimator, [text for _, text in told], keep)
        )
