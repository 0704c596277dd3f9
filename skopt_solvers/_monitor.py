"""What watches a fit: validation scores, early stopping, printed progress."""

import numpy as np


class Monitor:
    """The callback of an estimator's fit.

    Scores the validation data after each iteration where there are any (``score(W)``), keeps the best weights, and
    stops after `n_iter_no_change` iterations without a score that is better by more than `tol`.
    """

    def __init__(self, estimator, score=None):
        self.estimator, self.score = estimator, score
        self.best, self.waited = (-np.inf, None, None), 0

    def __call__(self, W, record):
        estimator = self.estimator
        stop = False
        if self.score is not None:
            score = record["validation_score"] = self.score(W)
            stop = estimator.early_stopping and self._no_better(score, W, record)
        if estimator.verbose:
            values = ", ".join(f"{k} {v:.6g}" for k, v in record.items() if k != "iteration" and v is not None)
            print(f"{type(estimator).__name__}: iteration {record['iteration']}: {values}")
        return stop

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
