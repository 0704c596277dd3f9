"""Report the weights of a fitted CRF as plain records: lists of dicts that pandas reads."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from ..sequence import CSRSequences


class ChainReport:
    """The inspection methods of :class:`~skopt_solvers.LinearChainCRF`."""

    def _feature_names(self):
        if hasattr(self, "vectorizer_"):
            return self.vectorizer_.get_feature_names_out()
        if hasattr(self, "feature_names_in_"):
            return self.feature_names_in_
        return np.array([f"x{j}" for j in range(self.n_features_in_)], dtype=object)

    def top_features(self, n: int = 20, *, feature_names: ArrayLike | None = None) -> list[dict[str, Any]]:
        """List the (feature, label) pairs of largest absolute weight.

        Parameters
        ----------
        n : int, default=20
        feature_names : array of shape (n_features,), optional
            Names of the columns of X, as a transformer's ``get_feature_names_out()`` gives them. Known already where X
            was made of dicts or had column names.

        Returns
        -------
        list of dict
            `feature`, `label`, `weight`; largest first.
        """
        check_is_fitted(self)
        names = self._feature_names() if feature_names is None else np.asarray(feature_names, dtype=object)
        if len(names) != self.n_features_in_:
            raise ValueError(f"feature_names must have {self.n_features_in_} names, got {len(names)}")
        labels = self.classes_.tolist()
        coef = self.coef_.tocoo() if sp.issparse(self.coef_) else sp.coo_matrix(self.coef_)
        return [
            {"feature": names[coef.col[i]], "label": labels[coef.row[i]], "weight": float(coef.data[i])}
            for i in _largest(coef.data, n)
        ]

    def top_transitions(self, n: int = 20) -> list[dict[str, Any]]:
        """List the transitions of largest absolute weight.

        Parameters
        ----------
        n : int, default=20

        Returns
        -------
        list of dict
            `from`, `to`, `weight`; largest first.
        """
        check_is_fitted(self)
        weights, labels, K = self.transition_coef_.ravel(), self.classes_.tolist(), len(self.classes_)
        return [
            {"from": labels[i // K], "to": labels[i % K], "weight": float(weights[i])} for i in _largest(weights, n)
        ]

    def explain(self, x: Any, *, feature_names: ArrayLike | None = None) -> list[dict[str, Any]]:
        """Explain the labels of one sequence: list the contributions to the score of the predicted path.

        Parameters
        ----------
        x : one sequence, in a form that `fit` takes
        feature_names : as in `top_features`

        Returns
        -------
        list of dict
            `position`, `label` (predicted), `kind` ("feature", "transition", "start" or "end"), `feature` (for a
            transition the label before), `value`, `weight`, and `contribution`, their product. The contributions sum to
            the score of the path, ``log p + log Z``.
        """
        check_is_fitted(self)
        names = self._feature_names() if feature_names is None else np.asarray(feature_names, dtype=object)
        tokens = self._tokens(CSRSequences(x.tocsr(), [x.shape[0]]) if sp.issparse(x) else [x])
        path = self._best_path(tokens)
        X, records = tokens.X, []
        labels = self.classes_[path].tolist()

        def add(position, kind, feature, value, weight):
            records.append(
                dict(position=position, label=labels[position], kind=kind, feature=feature, value=float(value),
                     weight=float(weight), contribution=float(value) * float(weight))
            )  # fmt: skip

        for t, k in enumerate(path):
            if t == 0:
                add(t, "start", "", 1, self.start_coef_[k])
            else:
                add(t, "transition", labels[t - 1], 1, self.transition_coef_[path[t - 1], k])
            for p in range(X.indptr[t], X.indptr[t + 1]):
                add(t, "feature", names[X.indices[p]], X.data[p], self.coef_[k, X.indices[p]])
            if t + 1 == len(path):
                add(t, "end", "", 1, self.end_coef_[k])
        return records


def _largest(weights, n):
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"n must be an integer >= 1, got {n!r}")
    size = np.abs(weights)
    n = min(n, len(size))
    chosen = np.argpartition(-size, n - 1)[:n] if 0 < n < len(size) else np.arange(len(size))[:n]
    return chosen[np.argsort(-size[chosen], kind="stable")]
