"""Fit many estimators to the same data."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._estimator.fit_many import fit_each
from .._estimator.fit_place import Place, fits_have_place


def fit_many(
    estimators: Sequence[Any], X: Any, y: Any, sample_weight: Any = None, *, errors: str = "raise"
) -> list[Any]:
    """Fit estimators in place to the same data, at the price of a few fits where they share their epochs.

    Fits of `LogisticRegression` or of `LinearSVC` by one stochastic solver read each minibatch once for all models. So
    do fits by "sdca", and by "lbfgs" in the epochs that it begins with, unless the loss is softmax. The models may
    differ in `C`, `l1_ratio`, `max_iter`, `tol`, `n_iter_no_change`, `max_time`, `callback`, `verbose`, and in the
    solver's learning rate and schedule. Each has its own history, end and proof. Each sees the same batches in the same
    order as alone, so that its weights are the same up to rounding.

    All others are fitted one after the other: fits with FTRL, with `clip_norm`, `average`, ``record="step"``,
    `early_stopping`, `warm_start` or ``interrupt="keep"``, and estimators of other libraries.

    Parameters
    ----------
    estimators : sequence of estimators
        The models. Each is changed as by its `fit`.
    X : array, sparse matrix or what the estimators take
        The training data of all of them.
    y : array-like of shape (n_samples,)
        The classes.
    sample_weight : array-like of shape (n_samples,), list of these or None, default=None
        The weights of the samples for all estimators, or a list with those of each, where None weighs all samples
        alike. Fits share their work if their weights are equal.
    errors : {"raise", "return"}, default="raise"
        What to do where a fit raises, once all others are fitted: raise the first of these errors, or return each in
        the place of its estimator. The estimator is then as it was.

    Returns
    -------
    list of estimators
        The same objects; with ``errors="return"`` with exceptions among them.

    Notes
    -----
    Up to 64 outputs go together, or fewer where the memory is short: the tables of each model are there twice. Where
    `random_state` is None, the order of the samples is drawn once for all that share.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.model_selection import fit_many
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> models = [LogisticRegression(C=C, solver="adagrad", random_state=0) for C in (0.01, 0.1)]
    >>> [round(model.score(scale(X), y), 3) for model in fit_many(models, scale(X), y)]
    [0.956, 0.982]
    """
    if errors not in ("raise", "return"):
        raise ValueError(f"errors must be 'raise' or 'return', got {errors!r}")
    estimators = list(estimators)
    if len({id(estimator) for estimator in estimators}) < len(estimators):
        raise ValueError("estimators must be different objects, got one twice")
    places = {id(estimator): Place(candidate=i) for i, estimator in enumerate(estimators)}
    with fits_have_place(lambda estimator: places.get(id(estimator), Place())):
        found = fit_each(estimators, X, y, _weights_of_each(sample_weight, len(estimators)))
    if errors == "raise":
        for error in found:
            if error is not None:
                raise error
    return [estimator if error is None else error for estimator, error in zip(estimators, found, strict=True)]


def _weights_of_each(sample_weight: Any, n: int) -> list[Any]:
    if not isinstance(sample_weight, (list, tuple)) or not any(w is None or np.ndim(w) > 0 for w in sample_weight):
        return [sample_weight] * n
    if len(sample_weight) != n:
        raise ValueError(f"sample_weight as a list must have {n} entries, one an estimator, got {len(sample_weight)}")
    return [None if weights is None else np.asarray(weights) for weights in sample_weight]
