"""Run the fits of a search, which share their work."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sklearn.pipeline import Pipeline

from .._base.sklearn_compat import MultimetricScorer, Parallel, delayed
from .._estimator.fit_many import ExpectedFits
from .._estimator.shared_fits import fits_by
from .._estimator.unconverged import unconverged_told_to
from ..feature_extraction._shared_counts import SharedCounts
from ._fit_reports import FitReport, report_of
from ._search_plan import Task, final_estimators, is_shareable, ngram_ranges, parts_by_fold
from ._shared_steps import SharedMultimetricScorer, SharedScorer, SharedSteps

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
    texts : SharedCounts
    counts : dict of str to int
    reports : list of FitReport
        By candidate and fold.
    """

    prefer: str | None
    texts: SharedCounts = field(default_factory=SharedCounts)
    counts: Counter[str] = field(default_factory=Counter)
    reports: list[FitReport] = field(default_factory=list)

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


def active_work() -> SharedWork | None:
    """Return the work of the search that runs in this thread."""
    return _active.get()


class PlannedParallel(Parallel):
    """Stands for the `Parallel` of scikit-learn's searches: it takes the fits of all candidates and folds at once.

    The fits of one fold follow each other, so that they share. Where the estimator is neither a pipeline nor one of
    this package, or is a pipeline with a `memory` of its own, the order is scikit-learn's and nothing is shared.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.work = _active.get()
        super().__init__(**kwargs, prefer=self.work.prefer if self.work else None)

    def __call__(self, iterable: Iterable[Task]) -> list[Any]:
        """Return what each task gives, in their order."""
        tasks, work = list(iterable), self.work
        if work is None or not tasks:
            return super().__call__(tasks)
        jobs = self._jobs_of(tasks, work)
        fits: dict[int, _Fit] = {}
        for done in super().__call__(delayed(_run)(job) for job in jobs):
            work.counts.update(done.counts)
            fits.update(done.fits)
        work.reports += [fits[i].report for i in range(len(tasks))]
        return [fits[i].scores for i in range(len(tasks))]

    def _jobs_of(self, tasks: list[Task], work: SharedWork) -> list["_Job"]:
        if not is_shareable(tasks[0][1][0]):
            return [_Job([[(i, task)]], None) for i, task in enumerate(tasks)]
        work.texts.expect(ngram_ranges(tasks))
        parts = parts_by_fold(tasks, self._effective_n_jobs())
        return [_Job([[(i, tasks[i]) for i in group] for group in part], work.texts) for part in parts]


@dataclass
class _Job:
    """The tasks that a worker does one after the other.

    Attributes
    ----------
    groups : list of list of (int, task), the number and the task; those of a group have the same transformers.
    texts : SharedCounts, None where the tasks share nothing.
    """

    groups: list[list[tuple[int, Task]]]
    texts: SharedCounts | None


@dataclass
class _Fit:
    """The outcome of a task: the dict of scikit-learn's function, and the report of the fit."""

    scores: Any
    report: FitReport


@dataclass
class _Done:
    """The work that a worker has done.

    Attributes
    ----------
    fits : dict of int to _Fit, by the numbers of tasks
    counts : dict, that go into :meth:`SharedWork.summary`
    """

    fits: dict[int, _Fit] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


def _run(job: _Job) -> _Done:
    """Fit and score candidates of one fold."""
    done, texts = _Done(), job.texts
    if texts is None:
        _fit_group(job.groups[0], None, done)
        return done
    steps = SharedSteps()
    with texts.active():
        for group in job.groups:
            fits = ExpectedFits(list(final_estimators([task for _, task in group])))
            with fits_by(fits):
                _fit_group(group, steps, done)
            done.counts.update(passes=fits.n_passes, fits_in_passes=fits.n_fits)
    done.counts.update(transformers_fitted=steps.n_fitted, transformers_shared=steps.n_shared)
    if texts.is_copy:
        done.counts.update(text_counts=texts.n_counts, text_counts_shared=texts.n_shared)
    return done


def _fit_group(group: Sequence[tuple[int, Task]], steps: SharedSteps | None, done: _Done) -> None:
    for number, (function, (estimator, *rest), kwargs) in group:
        if steps is not None and isinstance(estimator, Pipeline):
            scorer = kwargs["scorer"]
            shared = SharedMultimetricScorer if isinstance(scorer, MultimetricScorer) else SharedScorer
            estimator.memory, kwargs = steps, {**kwargs, "scorer": shared(scorer, steps)}
        texts: list[str] = []
        with unconverged_told_to(texts.append):
            scores = function.function(estimator, *rest, **kwargs)
        failed = scores["fit_error"] is not None
        done.fits[number] = _Fit(scores, FitReport() if failed else report_of(estimator, texts, keep_history=False))
