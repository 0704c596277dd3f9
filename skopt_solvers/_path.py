"""Fits along C over one X: what a fold is, and how each fit starts from those before."""

import copy
from dataclasses import dataclass

import numpy as np
from sklearn.utils import check_random_state

from ._chain_input import classes_of, flat_labels, kind_of, positive_sequences, token_weights
from ._monitor import Monitor
from .solvers import SDCA


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


def fitted_along(template, data, counts, Cs, n_threads):
    """The model fitted at each C in turn, on samples taken `counts` times; changed by the next.

    Parameters
    ----------
    template : estimator, which has read the input of `data`
    Cs : in rising order, so that the penalty goes from strong to weak
    """
    model = copy.copy(template)
    model.random_state = copy.deepcopy(template.random_state)
    model.n_jobs = n_threads
    problem, solver = data.problem(model, counts), model._resolved_solver()
    path, state = [], None
    for C in Cs:
        model.C, objective = C, problem.objective(C)
        solver.check(objective)
        start = predicted(path, objective, C), state
        rng = check_random_state(model.random_state)
        result = model._solve(solver, objective, problem.classes, Monitor(model), rng, start=start)
        # dual variables are of use at another C; a stochastic solver's state holds a clock whose schedule has run down
        state = result.state if isinstance(solver, SDCA) else None
        path = [*path[-1:], (C, result.W)]
        yield model


def predicted(path, objective, C):
    """Where to start at C: on the line in log C through the last two tables of the path."""
    if not path:
        return np.zeros(objective.shape, objective.dtype)
    last, W = path[-1]
    if len(path) < 2 or np.isinf(C):
        return W
    before, V = path[-2]
    step = W.dtype.type(np.log(C / last) / np.log(last / before))
    ahead = W + step * (W - V)
    if objective.l1:
        ahead[ahead * W <= 0] = 0  # no weight changes its sign without a stop at 0
    return ahead
