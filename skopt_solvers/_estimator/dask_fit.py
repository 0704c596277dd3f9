"""What fits on rows and on sequences share: refusals, what blocks say of themselves, and the fit."""

import copy
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from sklearn.utils import check_random_state

from .._base.dask_input import refuse_collection
from .._base.rollback import unchanged_on_failure
from ..objectives._summed import SummedObjective
from ..solvers import LBFGS
from .monitor import Monitor, require_together


@dataclass
class Facts:
    """What a block says of itself.

    Attributes
    ----------
    number : int, of the block.
    n_features : int
    dtype : dtype of X.
    labels : the distinct labels of positive weight.
    mass : ndarray, the weight of each.
    """

    number: int
    n_features: int
    dtype: np.dtype
    labels: np.ndarray
    mass: np.ndarray


def fit_collection(estimator, X, y, sample_weight, X_val, y_val, read, score_of):
    """Fit an estimator on a collection.

    ``read(estimator, X, y, sample_weight)`` gives the objective, the classes and the weight of each;
    ``score_of(estimator, X_val, y_val, classes, objective)`` the function of the table that is the validation score.
    """
    monitor = Monitor(estimator, (X, y, sample_weight))
    with unchanged_on_failure(estimator):
        solver = estimator._resolved_solver()
        _refuse(estimator, solver, X_val, y_val)
        objective, classes, mass = read(estimator, X, y, sample_weight)
        with objective.parts:
            if X_val is not None:
                monitor.score = score_of(estimator, X_val, y_val, classes, objective)
            solver.check(objective)
            rng = check_random_state(estimator.random_state)
            result = estimator._solve(solver, objective, classes, monitor, rng)
        estimator._seen, estimator._seen_classes = (objective.weight, objective.n_samples), mass
    monitor.end()
    estimator._warn_unless_converged(result, stacklevel=6)
    return estimator


def _refuse(estimator, solver, X_val, y_val):
    if solver.visits_samples:
        raise ValueError(
            f"solver={estimator.solver!r} visits samples one after another, and those of a dask collection lie apart. "
            "Use solver='lbfgs', whose passes run where the data are; partial_fit over the blocks; or X.compute(), "
            "where X fits into one process"
        )
    require_together(X_val, y_val)
    refuse_collection(X_val, "X_val")
    refuse_collection(y_val, "y_val")
    if estimator.early_stopping and X_val is None:
        raise ValueError("early_stopping=True needs X_val and y_val where X is a dask collection")


def portable(estimator):
    """A copy for the workers, without what is only for the fit itself and perhaps cannot be sent."""
    sent = copy.copy(estimator)
    sent.callback, sent.solver = None, "lbfgs"
    if hasattr(sent, "solver_"):
        sent.solver_ = LBFGS()
    for name in ("history_", "_resume", "_skl_callbacks", "_callback_fit_ctx", "_skl_callbacks_to_teardown"):
        vars(sent).pop(name, None)
    return sent


@contextmanager
def block(number):
    """An error inside says in which block it was."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in block {number} of X")
        raise


def agreed(facts):
    """The number of features and the dtype of all blocks; `facts` has None for blocks without rows."""
    facts = [fact for fact in facts if fact is not None]
    if not facts:
        raise ValueError("X must have a row, got a collection whose blocks have none")
    first = facts[0]
    for fact in facts:
        if fact.n_features != first.n_features:
            raise ValueError(
                f"X has {fact.n_features} features in block {fact.number} and {first.n_features} in block "
                f"{first.number}: all must agree"
            )
    return first.n_features, np.result_type(*(fact.dtype for fact in facts))


def masses(facts, classes):
    """The weight of each class in all blocks."""
    mass = np.zeros(len(classes))
    for fact in facts:
        if fact is not None and len(fact.labels):
            mass[np.searchsorted(classes, fact.labels)] += fact.mass
    return mass


def sum_of(parts, like):
    """The objective of held parts (None where nothing has weight).

    ``like(weight)`` gives an objective whose only sample has that weight.
    """
    sizes = parts.gather(_sizes)
    parts = parts.those([size is not None for size in sizes])
    sizes = zip(*(size for size in sizes if size is not None), strict=True)
    weight, n_samples, of_samples = (float(sum(values)) for values in sizes)
    like = like(weight)
    unit = n_samples * weight / of_samples if like.structured else 1.0
    return SummedObjective(parts, like, weight, int(n_samples), unit)


def _sizes(part):
    return None if part is None else part.sizes()
