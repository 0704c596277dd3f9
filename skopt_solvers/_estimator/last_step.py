"""The model at the end of a pipeline, and the rows that reach it."""

from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .._base.dask_input import refuse_collection
from .base import SolverEstimator


def model_and_rows(estimator: Any, X: Any, y: Any, X_val: Any = None) -> tuple[Any, Any, Any]:
    """Return a clone of the model at the end of an estimator, and X and X_val as it gets them.

    The transformers of a pipeline are fitted to X. All parameters of the model are checked.

    Raises
    ------
    TypeError
        Where the model is not one of this package.
    ValueError
        Where X or X_val is a collection of dask.
    """
    model = estimator
    while isinstance(model, Pipeline):
        model = model[-1]
    if not isinstance(model, SolverEstimator):
        raise TypeError(
            "estimator must be a LogisticRegression, LinearSVC or LinearChainCRF, or a pipeline that ends with one, "
            f"got {type(model).__name__}"
        )
    for name, rows in (("X", X), ("X_val", X_val)):
        refuse_collection(rows, name)
    model.__skopt_check__()
    while isinstance(estimator, Pipeline):
        if len(estimator) > 1:
            before = clone(estimator[:-1])
            X = before.fit_transform(X, y)
            X_val = None if X_val is None else before.transform(X_val)
        estimator = estimator[-1]
    return clone(model), X, X_val
