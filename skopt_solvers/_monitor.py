"""What watches a fit: validation scores, early stopping, printed progress."""

import numpy as np


class Monitor:
    """The callback of an estimator's fit.

    Scores the validation rows after each iteration where there are any, keeps the best weights, and stops after
    `n_iter_no_change` iterations without a score that is better by more than `tol`.
    """

    def __init__(self, estimator, classes, weights):
        self.estimator, self.classes = estimator, classes
        self.rows = None
        self.best, self.waited = (-np.inf, None, None), 0

    def watch(self, X, y, rows, weights=None):
        """Score on these rows of X."""
        self.X, self.y, self.rows = X, np.asarray(y), rows
        self.weights = None if weights is None else weights[rows]

    def __call__(self, W, record):
        estimator = self.estimator
        stop = False
        if self.rows is not None:
            score = record["validation_score"] = self._score(W)
            stop = estimator.early_stopping and self._no_better(score, W, record)
        if estimator.verbose:
            values = ", ".join(f"{k} {v:.6g}" for k, v in record.items() if k != "iteration" and v is not None)
            print(f"{type(estimator).__name__}: iteration {record['iteration']}: {values}")
        return stop

    def _score(self, W):
        n = self.X.shape[1]
        Z = self.X[self.rows] @ W[:n] if len(self.rows) < self.X.shape[0] else self.X @ W[:n]
        if len(W) > n:
            Z += W[n]
        predicted = (Z[:, 0] > 0).astype(int) if Z.shape[1] == 1 else Z.argmax(axis=1)
        return float(np.average(self.classes[predicted] == self.y[self.rows], weights=self.weights))

    def _no_better(self, score, W, record):
        if score > self.best[0] + self.estimator.tol or self.best[1] is None:
            self.best, self.waited = (score, W.copy(), record["iteration"]), 0
        else:
            self.waited += 1
        return self.waited >= self.estimator.n_iter_no_change

    def restored(self, result):
        """The result with the best weights, where early stopping has watched."""
        score, W, iteration = self.best
        if W is not None:
            result.W = W
            result.state = None  # it belongs to the last weights, not to these
            if self.waited >= self.estimator.n_iter_no_change:
                result.converged = True
                result.stop_reason = (
                    f"the validation score did not improve on {score:.6g} of iteration {iteration} by more than "
                    f"tol={self.estimator.tol:g} in {self.waited} iterations"
                )
        return result
