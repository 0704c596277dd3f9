"""Memory of a fit, before it is taken: what it needs, and what would fit."""

import numpy as np
from sklearn.base import clone

from .._base.memory import ALWAYS_FREE, free_bytes
from ..solvers import LBFGS, SOLVERS, StochasticSolver


def require_memory(name, solver, objective, copies=0, extra=0, after=0, **options):
    """Raise MemoryError where a fit needs more than is free; the message has what would fit.

    Parameters
    ----------
    name : str, of the estimator
    solver, objective
    copies : int
        Tables that the estimator keeps besides.
    extra : int
        Bytes of what does not depend on the number of features.
    after : int
        Bytes of all that is held when the solver is done, where these may be more.
    options : of the solver's `peak_bytes`
    """

    def needed(solver, objective):
        return max(solver.peak_bytes(objective, **options), after) + copies * objective.table_bytes + extra

    need = needed(solver, objective)
    if need <= ALWAYS_FREE:
        return
    free = free_bytes()
    if need <= free:
        return
    # what streams is stochastic
    others = {k: v for k, v in SOLVERS.items() if not options or issubclass(v, StochasticSolver)}
    rows, outputs = objective.shape
    advice = [f"{text} ({_text(n)})" if n else text for text, n in _what_fits(solver, objective, others, needed, free)]
    raise MemoryError(
        f"{name} with {type(solver).__name__} needs {_text(need)} beside X for a table of {rows:,} x {outputs:,} in "
        f"{objective.dtype.name} and what the solver keeps, and {_text(free)} are free. "
        + (f"What would fit: {'; '.join(advice)}." if advice else "Nothing that was tried would fit.")
    )


def _what_fits(solver, objective, others, needed, free):
    """Return each single change that is enough, in words, and the bytes that are needed then."""
    found = list(_of_dtype(solver, objective, others, needed, free))
    if objective.dtype != np.float32:
        half = objective.resized(dtype=np.float32)
        if (n := needed(solver, half)) <= free:
            found.insert(0, ("X in float32", n))
        elif not found:
            found = [(f"X in float32 with {text}", n) for text, n in _of_dtype(solver, half, others, needed, free)]
    n_features = objective.coefficients[0]
    if objective.pairs is None and needed(solver, objective.resized(n_features=1)) <= free:
        enough, too_many = 1, n_features
        while too_many - enough > 1:
            middle = (enough + too_many) // 2
            if needed(solver, objective.resized(n_features=middle)) <= free:
                enough = middle
            else:
                too_many = middle
        found.append((f"{enough:,} features instead of {n_features:,}", None))
    return found


def _of_dtype(solver, objective, others, needed, free):
    """Yield the changes that need no other X: of the solver, its memory, the pairs of a CRF."""
    for other_name, kind in others.items():
        other = kind()
        if other.visits_samples and not objective.has_samples:
            continue
        try:
            other.check(objective)
        except ValueError:
            continue
        if kind is not type(solver) and (n := needed(other, objective)) <= free:
            yield f"solver='{other_name}'", n
    if isinstance(solver, LBFGS):
        for memory in range(solver.pairs_kept(objective) - 1, 0, -1):
            if (n := needed(clone(solver).set_params(memory=memory), objective)) <= free:
                yield f"solver=LBFGS(memory={memory})", n
                break
    if objective.can_observe and objective.observed_bytes <= free:
        if (n := needed(solver, objective.observed())) <= free:
            yield "state_features='observed'", n


def _text(n_bytes):
    return f"{n_bytes / 1e9:.3g} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.3g} MB"
