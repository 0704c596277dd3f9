"""Fits along C over one X: how each fit starts from those before."""

import copy

import numpy as np
from sklearn.utils import check_random_state

from .._estimator.base import resolved_solver
from .._estimator.fit_run import FitRun
from .._estimator.monitor import Monitor
from ..solvers import SDCA


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
    problem, solver = data.problem(counts=counts), resolved_solver(model)
    predictor, state = _Predictor(orders=(0,) if model.l1_ratio else (1, 2)), None
    Cs = [float(C) for C in Cs]
    for C, objective in zip(Cs, problem.objectives(Cs), strict=True):
        model.C = C
        W = predictor.start(C) if predictor.points else np.zeros(objective.shape, objective.dtype)
        run = FitRun(model, problem, solver, objective, Monitor(model), check_random_state(model.random_state))
        run.require_memory()
        result = run.minimise(W, state)
        # dual variables are of use at another C; a stochastic solver's state holds a clock whose schedule has run down
        state = result.state if isinstance(solver, SDCA) else None
        vars(model).update(run.attributes(result))
        predictor.add(C, result.W)
        yield model


class _Predictor:
    """Predict the next table of a path by polynomials in log C through its last points.

    The order is the one of `orders` that was nearest at the last point: a higher one follows a curve better, and
    enlarges more what the tolerance has left in the points.
    """

    def __init__(self, orders):
        self.orders = orders
        self.points, self.tried, self.best = [], {}, orders[0]

    def start(self, C):
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
