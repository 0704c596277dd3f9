"""Fits along C over one X: how each fit starts from those before."""

import copy

import numpy as np
from sklearn.utils import check_random_state

from .._estimator.base import resolved_solver
from .._estimator.fit_run import FitRun
from .._estimator.monitor import Monitor
from ..solvers import LBFGS, SDCA
from ..solvers._base import allowed_suboptimality, run_alone
from ..solvers._starts import ascend, start_epochs
from ._dual_points import DualPoints


def check_solver(template, data, C):
    """Raise the ValueError of the solver where it has no method for this problem at the largest C."""
    resolved_solver(template).check(data.problem(counts=np.ones(data.n_samples)).objective(C=C))


def fitted_along(template, data, counts, Cs):
    """Yield the model fitted at each C in turn, on samples taken `counts` times; it is changed by the next.

    Parameters
    ----------
    template : estimator, which has read the input of `data`
    data : LinearData or ChainData
    counts : ndarray of shape (n_samples,)
    Cs : in rising order, so that the penalty goes from strong to weak
    """
    model = copy.copy(template)
    model.random_state = copy.deepcopy(template.random_state)
    problem, solver = data.problem(counts=counts).on_few_columns(), resolved_solver(model)
    predictor, dual, state = _Predictor(orders=(0,) if model.l1_ratio else (1, 2)), DualPoints(), None
    Cs, ascends = [float(C) for C in Cs], isinstance(solver, SDCA)
    for C, objective in zip(Cs, problem.objectives(Cs), strict=True):
        model.C = C
        # a stochastic solver's state is left: it holds a clock whose schedule has run down
        state = _predicted(dual, C, objective, state) if ascends else None
        by_dual = not ascends and _begins_by_dual(solver, objective)
        W = _ascended(dual, C, objective, model.tol) if by_dual else predictor.start(C, objective)
        run = FitRun(model, problem, solver, objective, Monitor(model), check_random_state(model.random_state))
        run.require_memory()
        result = run.minimise(W, state)
        vars(model).update(run.attributes(result))
        if ascends:
            state = result.state
            if "shares" in state:  # which a fit that has gone over to L-BFGS has not
                dual.add(C, state["shares"], state["W"][objective.n_penalised :].copy())
        elif not by_dual:
            predictor.add(C, result.W)
        yield model


def _begins_by_dual(solver, objective):
    """Return whether a path of L-BFGS goes from dual point to dual point, with a few epochs at each.

    That is where a fit from zeros begins with such epochs and has several outputs: one of its iterations costs as much
    as three epochs then, and with one output as much as one.
    """
    if not isinstance(solver, LBFGS) or solver.start_epochs != "auto" or objective.dual_obstacle() is not None:
        return False
    return objective.shape[1] > 1 and solver.newton_way(objective) is None and start_epochs(objective) > 0


def _ascended(dual, C, objective, tol):
    """Return the weights after dual epochs from the predicted point; zeros where the first ones lead up."""
    ascent, resumed = objective.ascent(*dual.ahead(C, objective)), bool(dual.points)
    goal = tol, allowed_suboptimality(tol)
    W, _ = run_alone(ascend(objective, ascent, start_epochs(objective), goal, resumed=resumed))
    if not resumed and not objective.value(W) <= objective.value_at_zero():
        return np.zeros(objective.shape, objective.dtype)
    dual.add(C, ascent.shares, W[objective.n_penalised :].copy())
    return W


def _predicted(dual, C, objective, state):
    """Return the state of sdca from which it goes on at another C, None at first."""
    if not dual.points or "shares" not in state:
        return state
    shares, intercept = dual.ahead(C, objective)
    W = np.zeros(objective.shape, objective.dtype)  # of which the last row is read
    W[objective.n_penalised :] = intercept
    return {**state, "shares": shares, "W": W}


class _Predictor:
    """Predict the next table of a path by polynomials in log C through its last points.

    The order is the one of `orders` that was nearest at the last point: a higher one follows a curve better, and
    enlarges more what the tolerance has left in the points.
    """

    def __init__(self, orders):
        self.orders = orders
        self.points, self.tried, self.best = [], {}, orders[0]

    def start(self, C, objective):
        if not self.points:
            return np.zeros(objective.shape, objective.dtype)
        usable = [order for order in self.orders if order < len(self.points)]
        # an infinite C is no point of a logarithmic scale
        self.tried = {} if np.isinf(C) else {order: self._ahead(C, order) for order in usable}
        return self.tried.get(self.best, self.points[-1][1])

    def add(self, C, W):
        if len(self.tried) > 1:
            self.best = min(self.tried, key=lambda order: np.linalg.norm(self.tried[order] - W))
        self.tried = {}
        self.points = [*self.points[-max(self.orders) :], (C, W)] if max(self.orders) else [(C, W)]

    def _ahead(self, C, order):
        points = self.points[-1 - order :]
        t = [np.log(at) for at, _ in points]
        ahead = np.zeros_like(points[0][1])
        for i, (_, W) in enumerate(points):
            others = [u for j, u in enumerate(t) if j != i]
            ahead += W.dtype.type(np.prod([(np.log(C) - u) / (t[i] - u) for u in others])) * W
        return ahead
