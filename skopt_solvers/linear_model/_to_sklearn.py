"""Make scikit-learn's own linear classifiers of ours, with the same weights."""

from inspect import signature
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import LabelBinarizer
from sklearn.svm import LinearSVC

_SHARED = ("C", "fit_intercept", "class_weight", "max_iter", "tol", "random_state")


def sklearn_logistic(model: Any) -> Any:
    """Return scikit-learn's estimator with the parameters of a LogisticRegression, not fitted.

    Parameters
    ----------
    model : LogisticRegression

    Returns
    -------
    LogisticRegression of scikit-learn, or OneVsRestClassifier
    """
    parameters: dict[str, Any] = {name: getattr(model, name) for name in _SHARED}
    if model.l1_ratio:
        parameters.update(solver="saga", l1_ratio=model.l1_ratio)
        if signature(LogisticRegression).parameters["penalty"].default == "l2":  # before scikit-learn 1.8
            parameters.update(penalty="elasticnet")
    one = LogisticRegression(**parameters)
    return _one_versus_rest(one) if model.multi_class == "ovr" else one


def sklearn_svc(model: Any) -> LinearSVC:
    """Return scikit-learn's estimator with the parameters of a LinearSVC, not fitted.

    Parameters
    ----------
    model : LinearSVC

    Returns
    -------
    LinearSVC of scikit-learn
    """
    loss = model.loss if model.loss in ("hinge", "squared_hinge") else "squared_hinge"
    penalty = "l1" if model.l1_ratio == 1 else "l2"
    parameters = {name: getattr(model, name) for name in _SHARED}
    return LinearSVC(loss=loss, penalty=penalty, dual="auto", multi_class=model.multi_class, **parameters)


def _one_versus_rest(estimator: Any) -> Any:
    # scikit-learn's linear models do not import it, so that it would make the import of this package longer
    from sklearn.multiclass import OneVsRestClassifier

    return OneVsRestClassifier(estimator)


def with_weights_of(model: Any, empty: Any, sparse_labels: bool) -> Any:
    """Return a classifier of scikit-learn's with the weights of a fitted one of ours.

    Parameters
    ----------
    model : LinearClassifier
        Fitted.
    empty : estimator
        Of scikit-learn, not fitted; a OneVsRestClassifier where each class has a problem of its own.
    sparse_labels : bool
        Whether the indicator matrix of the fit was sparse.

    Returns
    -------
    estimator
    """
    one = getattr(empty, "estimator", empty)
    intercept = np.broadcast_to(model.intercept_, model.coef_.shape[:1])
    if not model.multilabel_ and (one is empty or len(model.classes_) == 2):
        return _filled(one, model, model.coef_, intercept, model.classes_)
    several, sides = _one_versus_rest(one), np.array([0, 1])
    several.estimators_ = [
        _filled(clone(one), model, model.coef_[[row]], intercept[[row]], sides) for row in range(len(intercept))
    ]
    several.label_binarizer_ = LabelBinarizer(sparse_output=True).fit(_examples(model, sparse_labels))
    several.classes_ = several.label_binarizer_.classes_
    return _with_features(several, model)


def _filled(estimator: Any, model: Any, coef: Any, intercept: np.ndarray, classes: np.ndarray) -> Any:
    """Give a linear classifier of scikit-learn's its weights, as copies."""
    estimator.coef_, estimator.intercept_, estimator.classes_ = coef.copy(), intercept.copy(), classes.copy()
    logistic = isinstance(estimator, LogisticRegression)
    estimator.n_iter_ = np.array([model.n_iter_], dtype=np.int32) if logistic else model.n_iter_
    return _with_features(estimator, model)


def _with_features(estimator: Any, model: Any) -> Any:
    """Give an estimator the number and the names of the features."""
    estimator.n_features_in_ = model.n_features_in_
    if hasattr(model, "feature_names_in_"):
        estimator.feature_names_in_ = model.feature_names_in_.copy()
    return estimator


def _examples(model: Any, sparse_labels: bool) -> Any:
    """Return labels of which a LabelBinarizer learns the classes and the form of those of the fit."""
    if not model.multilabel_:
        return model.classes_
    labels = np.ones((1, len(model.classes_)), dtype=np.int64)
    return sp.csr_matrix(labels) if sparse_labels else labels
