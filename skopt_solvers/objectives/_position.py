"""A point that moves along lines, each trial being a full evaluation."""

from .. import _kernels


class EvaluatedPosition:
    """A point W with F(W) and its gradient, of an objective that keeps nothing between two evaluations."""

    cheap_trials = False

    def __init__(self, objective, W):
        self.objective = objective
        self.W = W.copy()
        self.value, self.gradient = objective.value_and_gradient(self.W)

    def along(self, D):
        """The function of a step t that returns F(W + t D) and its derivative; without L1."""
        self._D, self._trial = D, None

        def trial(step):
            W = self.W + self.W.dtype.type(step) * D
            value, gradient = self.objective.value_and_gradient(W)
            self._trial = (step, W, value, gradient)
            return value, _kernels.dot(gradient.ravel(), D.ravel())

        return trial

    def move(self, step):
        """Move to W + step D, D being the last direction."""
        if self._trial is None or self._trial[0] != step:
            W = self.W + self.W.dtype.type(step) * self._D
            self._trial = (step, W, *self.objective.value_and_gradient(W))
        _, self.W, self.value, self.gradient = self._trial
