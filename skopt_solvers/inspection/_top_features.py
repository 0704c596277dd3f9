"""List the features of largest weight for and against each class."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._linear_parts import check_count, linear_parts, name_of


def top_features(
    estimator: Any, n: int = 10, *, feature_names: ArrayLike | None = None, classes: Any = None
) -> list[dict[str, Any]]:
    """List the n features of largest positive weight, and the n of largest negative weight, of each class.

    Parameters
    ----------
    estimator : fitted linear classifier, LinearChainCRF, or Pipeline or search that ends in one
        Of a CRF these are the weights of features, not those of transitions. `coef_` may be sparse: it stays so.
    n : int, default=10
        At most this many of each sign; weights of 0 are not listed.
    feature_names : array of shape (n_features,), optional
        Names of the columns of `coef_`. None takes the names that the pipeline's steps, `feature_names_in_` or a CRF's
        own vectorizer give, and else ``x0``, ``x1``, ...
    classes : class or list of classes, optional
        The classes to list. None takes all. Of two classes that share one row of `coef_` None takes the second; the
        first has the same weights with their signs changed.

    Returns
    -------
    list of dict
        `class`, `feature`, `weight`, and `rank`, which is 1 for the largest of its class and sign. A class's positive
        weights are first, largest first; ties are in the order of the columns.

    Raises
    ------
    ValueError
        For an unknown class, an `n` below 1, or names of another number than the features.
    TypeError
        Where the estimator has no `coef_` and `classes_`.

    See Also
    --------
    WeightsDisplay : The same as bars.
    explain : The contributions of these weights in one document.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.inspection import top_features
    >>> texts = ["a good film", "a bad film", "good, so good", "bad, so bad"]
    >>> model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)).fit(texts, ["pro", "con", "pro", "con"])
    >>> for record in top_features(model, n=1, classes="pro"):
    ...     print(record["class"], record["feature"], f"{record['weight']:+.2f}", record["rank"])
    pro good +2.25 1
    pro bad -2.25 1
    """
    check_count(n, "n")
    parts = linear_parts(estimator)
    indices = parts.indices_of(classes)
    names = parts.feature_names(feature_names)
    records = []
    for k in indices:
        columns, weights = parts.row(k)
        for sign in (1, -1):
            for rank, i in enumerate(_largest(sign * weights, n), 1):
                records.append(
                    {
                        "class": parts.classes[k],
                        "feature": name_of(names, columns[i]),
                        "weight": float(weights[i]),
                        "rank": rank,
                    }
                )
    return records


def _largest(values: np.ndarray, n: int) -> np.ndarray:
    """Return the places of the n largest positive values, largest first, ties in their order."""
    chosen = np.flatnonzero(values > 0)
    if len(chosen) > n:
        chosen = chosen[values[chosen] >= np.partition(values[chosen], -n)[-n]]
    return chosen[np.argsort(-values[chosen], kind="stable")][:n]
