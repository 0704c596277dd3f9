"""Fits along C over one X: what a fold is, and how each fit starts from those before."""

import copy
from dataclasses import dataclass

import numpy as np
from sklearn.utils import check_random_state

from .._estimator.monitor import Monitor
from ..crf._tokens import classes_of, flat_labels, kind_of, positive_sequences, token_weights
from ..linear_model._classifier import accuracy
from ..solvers import SDCA


@dataclass
class Problem:
    """The classes of some samples, and their objective as a function of C."""

    classes: np.ndarray
    objective: object


class LinearData:
    """X, y and weights of a linear classifier, checked once for all fits."""

    def __init__(self, model, X, y, sample_weight):
        self.model = model
        self.X, self.y = model._validated(X, y)
        self.weights, _ = model._weights(self.X, self.y, sample_weight)
        self.distinct, self.codes = np.unique(self.y, return_inverse=True)

    @property
    def n_samples(self):
        return len(self.y)

    def classes(self, counts):
        """The classes of the samples, each taken `counts` times."""
        return self.distinct[np.bincount(self.codes, self.weights * counts, minlength=len(self.distinct)) > 0]

    def problem(self, model, counts):
        weights = self.weights * counts
        classes = self.classes(counts)
        labels, weights = model._encoded(self.y, classes, weights, weights > 0)
        first = model._objective(self.X, labels, weights, len(classes))
        return Problem(classes, first.at)

    def accuracy(self, rows):
        """The function of a model that is its `score` of some rows; the checks of a prediction cost what it costs."""
        X, y, weights = self.X[rows], self.y[rows], self.weights[rows]

        def score(model):
            return accuracy(X @ model.coef_.T + model.intercept_, y, model.classes_, weights)

        return score


class ChainData:
    """Sequences, labels and weights of a CRF, checked once for all fits."""

    def __init__(self, model, X, y, sample_weight):
        if kind_of(X, model.input == "sequences") == "flat":
            raise ValueError(
                "X of a LinearChainCRF must be a list of sequences or CSRSequences, got tokens, which folds would tear "
                "out of their sequences"
            )
        self.tokens = model._tokens(X, reset=True)
        self.labels = flat_labels(y, self.tokens)
        self.weights = token_weights(sample_weight, self.tokens)
        positive_sequences(self.weights, self.tokens)
        model._structured = bool((self.tokens.lengths > 1).any())

    @property
    def n_samples(self):
        return self.tokens.n_sequences

    def _parts(self, counts):
        weights = self.weights * np.repeat(counts, self.tokens.lengths)
        positive = positive_sequences(weights, self.tokens)
        return weights, positive, classes_of(self.labels, np.repeat(positive, self.tokens.lengths))

    def classes(self, counts):
        """The labels of the sequences, each taken `counts` times."""
        return self._parts(counts)[2]

    def problem(self, model, counts):
        weights, positive, classes = self._parts(counts)
        codes, weights = model._weighted(self.tokens, self.labels, weights, classes, positive)
        return Problem(classes, lambda C: model._objective(self.tokens, codes, weights, classes, C=C))


def check_solver(template, data, C):
    """Raise the ValueError of the solver where it has no method for this problem at the largest C."""
    problem = data.problem(template, np.ones(data.n_samples))
    template._resolved_solver().check(problem.objective(C))


def fitted_along(template, data, counts, Cs):
    """The model fitted at each C in turn, on samples taken `counts` times; changed by the next.

    Parameters
    ----------
    template : estimator, which has read the input of `data`
    Cs : in rising order, so that the penalty goes from strong to weak
    """
    model = copy.copy(template)
    model.random_state = copy.deepcopy(template.random_state)
    problem, solver = data.problem(model, counts), model._resolved_solver()
    predictor, state = _Predictor(orders=(0,) if model.l1_ratio else (1, 2)), None
    for C in Cs:
        model.C, objective = float(C), problem.objective(float(C))
        W = predictor.start(C) if predictor.points else np.zeros(objective.shape, objective.dtype)
        rng = check_random_state(model.random_state)
        result = model._solve(solver, objective, problem.classes, Monitor(model), rng, start=(W, state))
        # dual variables are of use at another C; a stochastic solver's state holds a clock whose schedule has run down
        state = result.state if isinstance(solver, SDCA) else None
        predictor.add(C, result.W)
        yield model


class _Predictor:
    """Where a path of tables leads: by polynomials in log C through its last points.

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
