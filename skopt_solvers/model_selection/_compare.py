"""Compare solvers and schedules: their courses on the same data, as one table."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring

from .._base.named import named
from .._base.typing import Matrix, Sequences
from .._estimator.base import resolved_solver
from .._estimator.fit_many import fit_each
from .._estimator.fit_place import Place, fits_have_place
from .._estimator.last_step import model_and_rows
from .._estimator.monitor import callbacks_of, require_together
from ..schedules import ScheduleLike
from ..solvers import LBFGS, SDCA, Solver

if TYPE_CHECKING:
    import pandas as pd

# The tolerance of the fit that gives the optimum, and the most iterations that it may take.
_TIGHT, _LONG = 1e-9, 10_000


def compare_solvers(
    estimator: Any,
    X: Matrix | Sequences,
    y: Any,
    sample_weight: Any = None,
    *,
    solvers: Mapping[str, str | Solver] | Sequence[str | Solver],
    schedules: Mapping[str, ScheduleLike] | Sequence[ScheduleLike] | None = None,
    seeds: Sequence[int] = (0,),
    X_val: Any = None,
    y_val: Any = None,
    scoring: str | Callable[[Any, Any, Any], float] | None = None,
    max_iter: int | None = None,
    optimum: str | float = "reference",
    share: bool = False,
) -> pd.DataFrame:
    r"""Fit an estimator by each solver, schedule and seed, and return the courses of all fits as a data frame.

    The frame shows how near to the optimum each solver comes in how many epochs or seconds. A fit that diverges does
    not stop the others.

    Parameters
    ----------
    estimator : LogisticRegression, LinearSVC or LinearChainCRF, or a pipeline that ends with one
        It is not changed. Its own `solver` and `random_state` play no part, and `early_stopping` must be off. The
        transformers of a pipeline are fitted once, to X.
    X, y : as `fit` takes them
        The training data, for a CRF lists of sequences.
    sample_weight : as `fit` takes it, default=None
        The weights of the samples; None weighs all alike.
    solvers : dict or list of solvers
        Names or objects. The label of one in a list is its name, or its class and parameters.
    schedules : dict or list of schedules, default=None
        Each solver that has a schedule is fitted with each of these; None leaves it its own.
    seeds : sequence of int, default=(0,)
        The `random_state` of the fits.
    X_val, y_val : default=None
        Validation data, to be scored after each epoch.
    scoring : str, callable ``(estimator, X, y) -> float`` or None, default=None
        The validation score; None is the estimator's `score`.
    max_iter : int or None, default=None
        The largest number of epochs, or of iterations of L-BFGS. None is the estimator's own.
    optimum : "reference", "least" or float, default="reference"
        :math:`P^*` of the suboptimality. "reference" makes one more fit, by L-BFGS, or by SDCA where the loss has
        kinks, with ``tol=1e-9``; it is the least objective of this and all other fits. "least" is that of the others
        alone, which "reference" falls back to where neither solver has a method. A float is taken as it is.
    share : bool, default=False
        True lets fits share their passes as :func:`fit_many` does, which is faster. Such a fit has no time of its own:
        `seconds` is then NaN, for all.

    Returns
    -------
    DataFrame
        A row for each epoch, with the columns

        - `solver`, `schedule`: the labels; the schedule is "none" where the solver has none;
        - `seed`, `epoch`: integers;
        - `seconds`: wall time of the epochs so far, with the evaluation of the objective, without the validation score;
        - `objective`: :math:`P` after the epoch, in the unit of `history_`; NaN where SDCA has not evaluated it;
        - `suboptimality`: :math:`(P - P^*) / |P^*|`;
        - `validation_score`: NaN without validation data;
        - `outcome`: "converged", "not converged" or "diverged", of the whole fit;
        - `stop_reason`: why the fit has ended.

        A fit that diverges has one row more, for the epoch in which it did, without values. ``attrs`` has "optimum" and
        "optimum_from": "lbfgs", "sdca", "least" or "given".

    Raises
    ------
    TypeError, ValueError
        For bad input, before any fit: also where a solver has no method for the problem.
    ImportError
        Where pandas is not installed.

    See Also
    --------
    skopt_solvers.inspection.SolverComparisonDisplay : Draws the frame.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.model_selection import compare_solvers
    >>> X, y = load_digits(return_X_y=True)
    >>> solvers, schedules = ["adagrad", "adam"], ["linear", "cosine"]
    >>> frame = compare_solvers(LogisticRegression(C=0.1), X / 16, y, solvers=solvers, schedules=schedules, max_iter=10)
    >>> frame.groupby(["solver", "schedule"])["suboptimality"].last().lt(0.1).all()
    np.True_
    """
    pd = _pandas()
    _check_options(seeds, scoring, max_iter, optimum, X_val, y_val)
    model, X, X_val = model_and_rows(estimator, X, y, X_val)
    if model.early_stopping:
        raise ValueError("estimator must have early_stopping=False: its fits would have other data, and end elsewhere")
    model.set_params(warm_start=False, **({} if max_iter is None else {"max_iter": max_iter}))
    score = None if X_val is None else _score(model, scoring, X_val, y_val)
    courses = _courses(model, solvers, schedules, seeds, score)
    reader = clone(model)
    problem = reader.__skopt_data__(X, y, sample_weight).problem()
    for course in courses:
        _require_method(reader, problem, course.model.solver)
    reference = _reference(reader, problem) if optimum == "reference" else None
    del problem, reader
    data = X, y, sample_weight
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the outcome says it
        _fit(courses, data, share)
        known, source = _optimum(courses, model, reference, optimum, data)
    columns = ["solver", "schedule", "seed", "epoch", "seconds", "objective", "suboptimality", "validation_score"]
    rows = [row for course in courses for row in course.rows(known, timed=not share)]
    frame = pd.DataFrame(rows, columns=[*columns, "outcome", "stop_reason"])
    frame.attrs.update(optimum=known, optimum_from=source)
    return frame


@dataclass
class _Course:
    """One fit and its course.

    Attributes
    ----------
    labels : tuple of str and int
        Of the solver, the schedule and the seed.
    model : estimator
        Fitted in place; its callback keeps the records.
    score : callable or None
        The validation score of a fitted estimator.
    """

    labels: tuple[str, str, int]
    model: Any
    score: Callable[[Any], float] | None
    records: list[dict[str, Any]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    outcome: str = ""
    stop_reason: str = ""

    def watch(self):
        """Make the model keep its records here, besides its own callback."""

        def keep(info):
            self.records.append(info.record)
            self.scores.append(np.nan if self.score is None else float(self.score(info.fitted())))

        self.model.callback = [keep, *callbacks_of(self.model.callback)]

    def end(self, error):
        """Take note of how the fit has ended; raise its error where it is another than divergence."""
        if error is None:
            self.outcome = "converged" if self.model.converged_ else "not converged"
            self.stop_reason = self.model.stop_reason_
        elif isinstance(error, FloatingPointError):
            self.outcome, self.stop_reason = "diverged", str(error)
        else:
            raise error
        self.model = None  # its weights are not needed any more

    @property
    def objectives(self):
        """The objective of each epoch, NaN where it is not known."""
        return [np.nan if record["objective"] is None else record["objective"] for record in self.records]

    def rows(self, optimum, timed):
        """Return the rows of the frame."""
        objectives, end = np.array(self.objectives, dtype=float), (self.outcome, self.stop_reason)
        seconds = np.cumsum([record["seconds"] if timed else np.nan for record in self.records])
        relative = (objectives - optimum) / abs(optimum) if optimum else np.full(len(objectives), np.nan)
        epochs = [record["iteration"] for record in self.records]
        values = zip(epochs, seconds, objectives, relative, self.scores, strict=True)
        rows = [(*self.labels, *row, *end) for row in values]
        if self.outcome == "diverged":
            rows.append((*self.labels, len(rows) + 1, *[np.nan] * 4, *end))
        return rows


def _pandas():
    try:
        import pandas
    except ImportError as error:
        raise ImportError("compare_solvers needs pandas: pip install pandas") from error
    return pandas


def _check_options(seeds, scoring, max_iter, optimum, X_val, y_val):
    if isinstance(seeds, (str, Integral)) or not len(seeds):
        raise ValueError(f"seeds must be a sequence of integers that is not empty, got {seeds!r}")
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < 2**32:
            raise ValueError(f"seeds must be integers in [0, 2**32), got {seed!r}")
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be different, got {seeds!r}")
    require_together(X_val, y_val)
    if scoring is not None and X_val is None:
        raise ValueError(f"scoring={scoring!r} needs X_val and y_val, got None")
    if max_iter is not None and (isinstance(max_iter, bool) or not isinstance(max_iter, Integral) or max_iter < 1):
        raise ValueError(f"max_iter must be None or an integer >= 1, got {max_iter!r}")
    number = isinstance(optimum, Real) and not isinstance(optimum, bool) and np.isfinite(optimum) and optimum != 0
    if not number and optimum not in ("reference", "least"):
        raise ValueError(f"optimum must be 'reference', 'least' or a finite number other than 0, got {optimum!r}")


def _score(model, scoring, X_val, y_val):
    scorer = check_scoring(model, scoring)
    return lambda fitted: scorer(fitted, X_val, y_val)


def _courses(model, solvers, schedules, seeds, score):
    """Return a course for each fit, those of a seed after each other."""
    given = None if schedules is None else named(schedules, "schedules")
    courses = []
    for seed in seeds:
        for label, solver in named(solvers, "solvers").items():
            for schedule, configured in _with_schedules(clone(model).set_params(solver=solver), given):
                one = clone(model).set_params(solver=configured, random_state=int(seed))
                courses.append(_Course((str(label), str(schedule), int(seed)), one, score))
                courses[-1].watch()
    return courses


def _with_schedules(model, schedules):
    """Yield the solver of a model with each schedule, after the label of that."""
    solver = resolved_solver(model)
    if "schedule" not in solver.get_params(deep=False):
        yield "none", solver
    elif schedules is None:
        yield next(iter(named(solver.schedule, "schedule"))), solver
    else:
        for label, schedule in schedules.items():
            yield label, clone(solver).set_params(schedule=schedule)


def _require_method(reader, problem, solver):
    """Raise the ValueError of a solver that has no method for the problem, or a parameter out of range."""
    reader.solver = solver
    reader.__skopt_run__(problem, np.random.RandomState(0))


def _reference(reader, problem):
    """Return the solver of the fit that gives the optimum, or None."""
    for solver in (LBFGS(), SDCA()):
        try:
            _require_method(reader, problem, solver)
        except ValueError:
            continue
        return solver
    return None


def _fit(courses, data, share):
    X, y, weights = data
    together = [courses] if share else [[course] for course in courses]
    places = _places(courses)
    for part in together:
        with fits_have_place(lambda model: places.get(id(model), Place())):
            errors = fit_each([course.model for course in part], X, y, [weights] * len(part))
        for course, error in zip(part, errors, strict=True):
            course.end(error)


def _places(courses):
    """Return the place of each model, by its id: seeds of one solver with one schedule are one candidate."""
    pairs = list(dict.fromkeys(course.labels[:2] for course in courses))
    named = {pair: Place(i, dict(zip(("solver", "schedule"), pair, strict=True))) for i, pair in enumerate(pairs)}
    return {id(course.model): named[course.labels[:2]] for course in courses}


def _optimum(courses, model, reference, optimum, data):
    """Return the optimum, NaN where none is known, and where it is from."""
    if not isinstance(optimum, str):
        return float(optimum), "given"
    source, fits = "least", list(courses)
    if reference is not None:
        source = "lbfgs" if isinstance(reference, LBFGS) else "sdca"
        tight = clone(model).set_params(solver=reference, tol=_TIGHT, max_iter=_LONG, random_state=0)
        fits.append(_Course(("", "", 0), tight.set_params(max_time=None, callback=None, verbose=0), None))
        fits[-1].watch()
        _fit(fits[-1:], data, share=False)
    known = [value for fit in fits for value in fit.objectives if np.isfinite(value)]
    return min(known, default=np.nan), source
