"""The parts that fits on rows and on sequences share: the facts about each block, and the problem of all together."""

import copy
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ..objectives._summed import SummedObjective
from ..solvers import LBFGS
from .problem import Problem


@dataclass
class Facts:
    """The facts about a block.

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


@dataclass
class SummedProblem(Problem):
    """The problem of data that lie apart, whose objective is a sum over their parts."""

    summed: SummedObjective = None

    def objective(self):
        return self.summed

    @property
    def amount(self):
        return self.summed.weight, self.summed.n_samples


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
