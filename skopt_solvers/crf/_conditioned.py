"""Transitions that depend on features: from what `transition_features` chooses to triples, and to fitted attributes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from .._base.pickling import check_array, damaged
from ..objectives._conditions import Conditions
from ._transition_columns import transition_columns


def chosen_columns(chosen: Any, tokens: Any) -> np.ndarray | None:
    """Return the columns of the matrix of tokens that `transition_features` chooses, None where it is None.

    Raises
    ------
    ValueError
        Where it chooses none, or a number of the vectors.
    """
    if chosen is None:
        return None
    n_columns = tokens.X.shape[1]
    n_features = n_columns + (0 if tokens.vectors is None else tokens.vectors.shape[1])
    names = tokens.names
    if hasattr(names, "get_feature_names_out"):
        names = names.get_feature_names_out()
    columns = transition_columns(chosen, n_features, names)
    if not len(columns):
        raise ValueError(f"transition_features must choose a column of X, or be None, got {chosen!r}, which has none")
    if columns[-1] >= n_columns:
        raise ValueError(
            f"transition_features must be columns of the matrix, from 0 to {n_columns - 1}, got {columns[-1]}, "
            "which is a number of the vectors"
        )
    return columns


@dataclass
class Conditioned:
    """The fitted weights of transitions that depend on features.

    Attributes
    ----------
    columns : ndarray of int64
        The features, which increase.
    coef : ndarray of shape (n_chosen, n_labels, n_labels), or CSR of shape (n_chosen, n_labels ** 2)
    """

    columns: np.ndarray
    coef: Any

    @classmethod
    def of(cls, estimator: Any) -> "Conditioned | None":
        """Return those of a fitted estimator, None where it has none, as models of 0.1."""
        columns = getattr(estimator, "transition_features_", None)
        return None if columns is None or not len(columns) else cls(columns, estimator.transition_feature_coef_)

    @classmethod
    def at(cls, W: np.ndarray, objective: Any) -> "Conditioned":
        """Return those of a table W of an objective."""
        conditions, K = objective.conditions, objective.coefficients[1]
        if conditions is None:
            return cls(np.empty(0, np.int64), np.zeros((0, K, K), W.dtype))
        weights = objective.triple_weights(W).copy()
        if conditions.complete:
            return cls(conditions.columns, weights.reshape(-1, K, K))
        shape = len(conditions.columns), K * K
        coef = sp.csr_matrix((weights, conditions.pair, conditions.first), shape=shape)
        if objective.l1:
            coef.eliminate_zeros()
        return cls(conditions.columns, coef)

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of a fitted estimator."""
        return {"transition_features_": self.columns, "transition_feature_coef_": self.coef}

    def conditions(self, n_columns: int) -> tuple[Conditions, np.ndarray]:
        """Return the triples, of an X with so many columns, and their weights."""
        if not sp.issparse(self.coef):
            return Conditions.all_pairs(self.columns, n_columns, self.coef.shape[1]), self.coef.ravel()
        coef = self.coef
        if not coef.has_sorted_indices:
            coef = coef.sorted_indices()
        first, pair = coef.indptr.astype(np.int64), coef.indices.astype(np.int32)
        return Conditions.of(self.columns, n_columns, first, pair), coef.data

    def weights_of(self, conditions: Conditions) -> np.ndarray:
        """Return the weights of other triples, 0 where these have none."""
        coef = self.coef if sp.issparse(self.coef) else self.coef.reshape(len(self.coef), -1)
        feature = np.repeat(conditions.columns, np.diff(conditions.first))
        row = np.minimum(np.searchsorted(self.columns, feature), len(self.columns) - 1)
        known = self.columns[row] == feature
        weights = np.zeros(len(feature), coef.dtype)
        weights[known] = np.asarray(coef[row[known], conditions.pair[known]]).ravel()
        return weights

    def check(self, estimator: Any) -> None:
        """Raise ValueError where the arrays could be of no model."""
        K, n = len(estimator.classes_), len(self.columns)
        check_array(estimator, "transition_features_", self.columns, (n,), "i")
        shape = (n, K * K) if sp.issparse(self.coef) else (n, K, K)
        check_array(estimator, "transition_feature_coef_", self.coef, shape, "f")
        within = self.columns[0] >= 0 and self.columns[-1] < estimator.n_features_in_
        if not within or (np.diff(self.columns) <= 0).any():
            raise damaged(estimator, "transition_features_", "columns that increase", repr(self.columns))
