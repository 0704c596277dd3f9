"""The proof at the end of a fit: how far the weights may be from the optimum, whatever the solver was."""

from typing import Any

import numpy as np

from ..solvers import Result
from ..solvers._base import allowed_suboptimality, relative_bound, unproven

_ADVICE = "Raise max_iter, lower tol, scale the features, lower C, or use solver='lbfgs'."


def proven(objective: Any, result: Result, tol: float) -> Result:
    """Give a result the bound that its solver has not made, and let it count.

    The bound costs one pass over the samples. A fit whose bound is above ``100 tol`` has not converged, whatever its
    solver says; where no bound exists, its solver's word stands.
    """
    if np.isnan(result.suboptimality) and np.isfinite(result.W).all():
        result.suboptimality = relative_bound(objective, result.W)
    allowed = allowed_suboptimality(tol)
    if result.converged and result.suboptimality > allowed:
        result.converged = False
        if not result.as_asked:
            result.stop_reason += f"; {unproven(result.suboptimality, allowed)}"
            result.advice = result.advice or _ADVICE
    return result
