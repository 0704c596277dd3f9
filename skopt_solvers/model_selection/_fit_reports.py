"""Report on the fits of a search: how long they took, whether they converged, what they have proven."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from .._base.typing import History
from .._estimator.base import SolverEstimator

COLUMNS = ("n_iter", "converged", "suboptimality")
_MOST_NAMED = 3  # candidates in a warning


@dataclass(frozen=True)
class FitReport:
    """The facts about the fit of one candidate in one fold.

    Attributes
    ----------
    n_iter, converged, suboptimality : float
        NaN where the last step is not of this package, where the fit failed, and where nothing is proven.
    unconverged : str, optional
        The reason why the fit, or one inside of it, has not converged.
    history : list of dict, optional
    """

    n_iter: float = np.nan
    converged: float = np.nan
    suboptimality: float = np.nan
    unconverged: str | None = None
    history: History | None = None


def report_of(estimator: Any, texts: Sequence[str], keep_history: bool) -> FitReport:
    """Return the report of a fitted estimator.

    Parameters
    ----------
    estimator : estimator
    texts : sequence of str
        Those of warnings of fits that did not converge.
    keep_history : bool
    """
    text = texts[-1] if texts else None
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    if not isinstance(estimator, SolverEstimator):
        return FitReport(unconverged=text)
    return FitReport(
        n_iter=estimator.n_iter_,
        converged=float(estimator.converged_),
        suboptimality=estimator.suboptimality_,
        unconverged=text,
        history=estimator.history_ if keep_history else None,
    )


def columns(reports: Sequence[FitReport], n_splits: int) -> dict[str, np.ndarray]:
    """Return the columns of `cv_results_` for reports by candidate and fold; none where no report has a number."""
    results = {}
    for name in COLUMNS:
        values = np.array([getattr(report, name) for report in reports], dtype=float).reshape(-1, n_splits)
        for split in range(n_splits):
            results[f"split{split}_{name}"] = values[:, split]
        results[f"mean_{name}"] = values.mean(axis=1)
    known = any(not np.isnan(report.n_iter) for report in reports)
    return results if known else {}


def histories(reports: Sequence[FitReport], n_splits: int) -> list[list[History | None]]:
    """Return the histories by candidate and fold."""
    kept = [report.history for report in reports]
    return [kept[i : i + n_splits] for i in range(0, len(kept), n_splits)]


def summary_of_unconverged(
    reports: Sequence[FitReport], candidates: Sequence[dict[str, Any]], n_splits: int
) -> str | None:
    """Return the text of one warning for all fits that did not converge; None where all did."""
    why = [report.unconverged for report in reports]
    by_candidate = [sum(text is not None for text in why[i : i + n_splits]) for i in range(0, len(why), n_splits)]
    found = [i for i, number in enumerate(by_candidate) if number]
    if not found:
        return None
    named = [f"{candidates[i]} ({by_candidate[i]} of {n_splits} folds)" for i in found[:_MOST_NAMED]]
    more = len(found) - len(named)
    return (
        f"{sum(by_candidate)} of {len(why)} fits did not converge, those of {len(found)} of {len(by_candidate)} "
        f"candidates: {', '.join(named)}{f' and {more} more' if more else ''}. "
        f"The first of them: {next(filter(None, why))} "
        "Each of them may need another remedy; or leave them out."
    )
