"""Make scikit-learn's own estimators of ours, inside of pipelines and of whatever holds estimators."""

import copy
from collections.abc import Iterator
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from .._base.sklearn_compat import BaseSearchCV


def to_sklearn(model: Any) -> Any:
    """Return a copy of a fitted estimator in which scikit-learn's own classes stand for those of this package.

    A Pipeline, FeatureUnion, ColumnTransformer, OneVsRestClassifier, CalibratedClassifierCV or another estimator of
    scikit-learn may hold ours at any depth. Of a search its ``best_estimator_`` is taken. What is returned predicts the
    same, needs this package no longer, and what reads models of scikit-learn reads it: PMML (sklearn2pmml), eli5,
    skl2onnx.

    Parameters
    ----------
    model : estimator
        Fitted. See :meth:`skopt_solvers.LogisticRegression.to_sklearn` for the class that each becomes.

    Returns
    -------
    estimator
        It shares no arrays with `model`. Predictions are equal up to rounding in the type of the weights.

    Raises
    ------
    TypeError
        Where `model` is no estimator, or holds one of this package that scikit-learn has no counterpart to, as
        LinearChainCRF and TokenFeatures.
    NotFittedError
        Where `model`, or the last step of a pipeline, is not fitted.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.feature_extraction.text import TfidfVectorizer
    >>> from skopt_solvers.persistence import to_sklearn
    >>> texts = ["good and cheap", "cheap but good", "bad, and dear", "dear, too"]
    >>> ours = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)).fit(texts, [1, 1, 0, 0])
    >>> theirs = to_sklearn(ours)
    >>> [type(step).__module__.split(".")[0] for _, step in theirs.steps]
    ['sklearn', 'sklearn']
    >>> theirs.predict(["cheap and good"]).tolist()
    [1]
    """
    if not isinstance(model, BaseEstimator):
        raise TypeError(f"model must be an estimator, got {type(model).__name__}")
    model = best_of(model)
    if _is_ours(model):
        return _converter(model)()
    check_is_fitted(model)
    found = {id(inner): inner for inner in _inner(model, set())}
    known = {number: _of_inner(inner) for number, inner in found.items()}
    return copy.deepcopy(model, known)  # which takes what is known for the copy of each


def best_of(model: Any) -> Any:
    """Return the best estimator of a search, and any other estimator itself."""
    if not isinstance(model, BaseSearchCV):
        return model
    if not hasattr(model, "best_estimator_"):
        raise NotFittedError(f"model must have a best_estimator_, and this {type(model).__name__} has none")
    return best_of(model.best_estimator_)


def _is_ours(value: Any) -> bool:
    return isinstance(value, BaseEstimator) and type(value).__module__.startswith("skopt_solvers.")


def _converter(model: Any) -> Any:
    """Return the `to_sklearn` of an estimator of this package."""
    if not hasattr(model, "to_sklearn"):
        raise TypeError(f"model must be what scikit-learn has a counterpart to, and has none to {type(model).__name__}")
    return model.to_sklearn


def _of_inner(model: Any) -> Any:
    """Return scikit-learn's estimator for one that another holds, fitted if it is."""
    if isinstance(model, BaseSearchCV):
        return to_sklearn(model)
    convert = _converter(model)
    try:
        return convert()
    except NotFittedError:  # the pattern that a meta-estimator has copied
        return model.__skopt_sklearn__()


def _inner(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the estimators of this package that an object of scikit-learn, or a collection, holds."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if _is_ours(value):
        yield value
    elif isinstance(value, dict):
        yield from _of_each(value.values(), seen)
    elif isinstance(value, (list, tuple)):
        yield from _of_each(value, seen)
    elif isinstance(value, BaseEstimator) or type(value).__module__.startswith("sklearn."):
        yield from _of_each(getattr(value, "__dict__", {}).values(), seen)


def _of_each(values: Any, seen: set[int]) -> Iterator[Any]:
    for value in values:
        yield from _inner(value, seen)
