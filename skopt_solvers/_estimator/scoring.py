"""The score of a fit that goes on, by the user's `scoring`: of the estimator as it would be if the fit had ended."""

import warnings
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np


class Scoring:
    """Score the estimator at some weights on validation data.

    Parameters
    ----------
    name : str or callable
        The parameter `scoring`.
    scorer : callable
        ``scorer(estimator, X, y)``; one of a name is given ``sample_weight`` too, where weights differ.
    samples : tuple
        X, y, and their weights or None.
    fitted : callable
        ``fitted(W)`` returns the estimator at the weights W.
    """

    def __init__(self, name: Any, scorer: Callable[..., Any], samples: Any, fitted: Callable[..., Any]) -> None:
        self.name, self.scorer, self.fitted = name, scorer, fitted
        self.X, self.y, weights = samples
        differ = isinstance(name, str) and weights is not None and np.ptp(weights) > 0
        self.more = {"sample_weight": weights} if differ else {}

    def __call__(self, W: np.ndarray) -> float:
        """Return the score at W."""
        model = self.fitted(W)
        vars(model).pop("feature_names_in_", None)  # the rows are those of a matrix
        score = self.scorer(model, self.X, self.y, **self.more)
        if not isinstance(score, Real) or not np.isfinite(score):
            raise ValueError(f"scoring={self.name!r} must give a finite number, got {score!r}")
        return float(score)

    def try_at(self, W: np.ndarray) -> None:
        """Raise ValueError, before the first iteration, where the validation data cannot be scored."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # weights of 0 predict one class
                self(W)
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"scoring={self.name!r} does not score the validation data: {error}") from error
