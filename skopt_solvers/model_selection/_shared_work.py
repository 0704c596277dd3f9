"""Run the fits of a search, which share their work."""

import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from .._base.sklearn_compat import SEARCHES_COUNT_FITS, Parallel, delayed
from .._estimator.fit_place import Place, fits_have_place
from ..feature_extraction._shared_counts import SharedCounts
from ..feature_extraction._shared_vectorizers import hand_back, take_over
from ._fit_reports import FitReport
from ._search_jobs import Fit, Job, JobOptions, KeptSteps, run
from ._search_plan import Task, candidate_of, is_shareable, ngram_ranges, parts_by_candidate, parts_by_fold

COUNTED = (
    *("text_counts", "text_counts_shared", "transformers_fitted", "transformers_shared"),
    *("passes", "fits_in_passes"),
)

_active: ContextVar["SharedWork | None"] = ContextVar("shared_work", default=None)


@dataclass
class SharedWork:
    """Keep and count the work that the fits of one search share, and what the fits report.

    Attributes
    ----------
    prefer : {"threads", None}
        Of ``joblib.Parallel``.
    max_time : float, optional
    keeps : bool
        Whether Ctrl-C ends the search with the candidates that are finished.
    keep_histories : bool
    texts : SharedCounts
    counts : dict of str to int
    reports : list of FitReport
        Of the candidates that are finished, by candidate and fold.
    finished : list of int
        The numbers of these candidates.
    n_candidates : int
        All of them.
    interrupted, refit_interrupted : bool
        Whether Ctrl-C has ended the candidates' fits, or that of the best to all rows.
    results : dict, optional
        `cv_results_`, when they are known.
    refitted : list of estimators
    place : Place
        Of a fit in this thread that is not one of the candidates': that of the best to all rows, when it is known.
    """

    prefer: str | None
    max_time: float | None = None
    keeps: bool = False
    keep_histories: bool = False
    texts: SharedCounts = field(default_factory=SharedCounts)
    counts: Counter[str] = field(default_factory=Counter)
    reports: list[FitReport] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    n_candidates: int = 0
    interrupted: bool = False
    refit_interrupted: bool = False
    results: dict[str, Any] | None = None
    refitted: list[Any] = field(default_factory=list)
    began: float = field(default_factory=time.time)
    place: Place = field(default_factory=Place)

    def refits(self, estimator: Any, best: int, parameters: dict[str, Any]) -> None:
        """Let the best estimator of `cv_results_`, which is fitted next, take the counts until the search ends."""
        take_over(estimator)
        self.place = Place(self.finished[best], parameters)
        self.refitted.append(estimator)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let the fits of a search inside share; afterwards nothing that is left over is kept."""
        token = _active.set(self)
        try:
            with self.texts.active(), fits_have_place(lambda estimator: self.place):
                yield
        finally:
            _active.reset(token)
            for estimator in self.refitted:
                hand_back(estimator)
            self.texts.close()

    @property
    def may_end_early(self) -> bool:
        """True where candidates should be finished one after the other."""
        return self.keeps or self.max_time is not None

    def summary(self) -> dict[str, int]:
        """Return how often work was done, and how often it was there already."""
        here = {"text_counts": self.texts.n_counts, "text_counts_shared": self.texts.n_shared}
        return {name: self.counts[name] + here.get(name, 0) for name in COUNTED}

    def ended_early(self) -> bool:
        """Return whether something is left undone."""
        return self.interrupted or self.refit_interrupted or len(self.finished) < self.n_candidates

    def stop_reason(self) -> str:
        """Return in words why the search has ended."""
        done = f"after {len(self.finished)} of {self.n_candidates} candidates"
        if self.refit_interrupted:
            return f"it was interrupted in the fit of the best candidate to all rows, {done}"
        if self.interrupted:
            return f"it was interrupted {done}"
        if self.ended_early():
            return f"max_time={self.max_time:g} seconds were over {done}"
        return f"all {self.n_candidates} candidates are finished"

    def take(self, tasks: Sequence[Task], fits: dict[int, Fit]) -> list[Any]:
        """Keep the reports of the candidates that were fitted in all folds; return their scores in order.

        Raises
        ------
        KeyboardInterrupt
            Where there was one, and no candidate is finished.
        """
        numbers: dict[int, list[int]] = {}
        for i, task in enumerate(tasks):
            numbers.setdefault(candidate_of(task), []).append(i)
        finished = [candidate for candidate, own in numbers.items() if all(i in fits for i in own)]
        if self.interrupted and not finished:
            raise KeyboardInterrupt
        self.finished += [self.n_candidates + candidate for candidate in finished]
        self.n_candidates += len(numbers)
        kept = [fits[i] for candidate in finished for i in numbers[candidate]]
        self.reports += [fit.report for fit in kept]
        scores = [fit.scores for fit in kept]
        return _AsManyAsAsked(scores, len(tasks)) if SEARCHES_COUNT_FITS else scores


class _AsManyAsAsked(list[Any]):
    """The scores of finished candidates, for a scikit-learn that compares their number with that of all."""

    def __init__(self, scores: list[Any], n_asked: int) -> None:
        super().__init__(scores)
        self.n_asked = n_asked

    def __len__(self) -> int:
        return self.n_asked


def active_work() -> SharedWork | None:
    """Return the work of the search that runs in this thread."""
    return _active.get()


class PlannedParallel(Parallel):
    """Stands for the `Parallel` of scikit-learn's searches: it takes the fits of all candidates and folds at once.

    The fits of one fold follow each other, so that they share. Where the search may end early, the folds of a few
    candidates follow each other instead, and the transformers of all folds are kept. Where the estimator is neither a
    pipeline nor one of this package, or is a pipeline with a `memory` of its own, the order is scikit-learn's and
    nothing is shared.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.work = _active.get()
        if self.work is not None:
            kwargs["prefer"] = self.work.prefer
            if self.work.may_end_early:
                kwargs["return_as"] = "generator"
        super().__init__(**kwargs)

    def __call__(self, iterable: Iterable[Task]) -> list[Any]:
        """Return what each task gives, in their order, of the candidates that were finished."""
        tasks, work = list(iterable), self.work
        if work is None or not tasks:
            return list(super().__call__(tasks))
        jobs, fits, outputs = self._jobs_of(tasks, work), {}, None
        try:
            outputs = super().__call__(delayed(run)(job) for job in jobs if job.groups_now())
            for done in outputs:
                work.counts.update(done.counts)
                fits.update(done.fits)
                if done.interrupted:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            if not work.keeps:
                raise
            work.interrupted = True
            if outputs is not None:
                outputs.close()
        return work.take(tasks, fits)

    def _warn_exit_early(self) -> None:
        """Leave it to the search to say that jobs of joblib are not done."""

    def _jobs_of(self, tasks: list[Task], work: SharedWork) -> list[Job]:
        shares = is_shareable(tasks[0][1][0])
        if shares:
            work.texts.expect(ngram_ranges(tasks))
        common: dict[str, Any] = dict(texts=work.texts if shares else None, keep_histories=work.keep_histories)
        if shares and not work.may_end_early:
            parts = parts_by_fold(tasks, self._effective_n_jobs())
            options = JobOptions(**common)
            return [Job([[(i, tasks[i]) for i in group] for group in part], options) for part in parts]
        if work.max_time is not None:
            common["until"] = work.began + work.max_time
        if not shares:
            options = JobOptions(**common, keeps=work.keeps, always=candidate_of(tasks[0]))
            return [Job([[(i, task)]], options) for i, task in enumerate(tasks)]
        placed = parts_by_candidate(tasks, self._effective_n_jobs())
        first = candidate_of(tasks[placed[0][1][0]])
        options = JobOptions(**common, kept=KeptSteps(uuid.uuid4().hex), keeps=work.keeps, always=first)
        return [Job([[(i, tasks[i]) for i in part]], options, place) for place, part in placed]
