"""Reports of a fitted CRF as plain records, lists of dicts that pandas reads: its weights, and why it gives a label."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from ..sequence import CSRSequences
from ._conditioned import Conditioned
from ._tokens import encode, flat_labels


class ChainReports:
    """The reports of a :class:`~skopt_solvers.LinearChainCRF`."""

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
            Names of the columns of X, as a transformer's ``get_feature_names_out()`` gives them. They are known already
            where X was made of dicts or had column names.

        Returns
        -------
        list of dict
            `feature`, `label`, `weight`; largest first.
        """
        check_is_fitted(self)
        return largest_features(self.coef_, self.classes_, self._checked_names(feature_names), n)

    def _checked_names(self, given):
        """The names of the features, checked where they are given."""
        names = self._feature_names() if given is None else np.asarray(given, dtype=object)
        if len(names) != self.n_features_in_:
            raise ValueError(f"feature_names must have {self.n_features_in_} names, got {len(names)}")
        return names

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
        return largest_transitions(self.transition_coef_, self.classes_, n)

    def top_transition_features(self, n: int = 20, *, feature_names: ArrayLike | None = None) -> list[dict[str, Any]]:
        """List the weights of `transition_features` that are largest in absolute value.

        Parameters
        ----------
        n : int, default=20
        feature_names : as in `top_features`

        Returns
        -------
        list of dict
            `feature`, `from`, `to`, `weight`; largest first. It is empty where transitions depend on no features.

        Examples
        --------
        >>> from skopt_solvers import LinearChainCRF
        >>> X = [[{"pos": "DT"}, {"pos": "NN"}, {"pos": "VB"}], [{"pos": "NN"}, {"pos": "NN"}]]
        >>> y = [["B", "I", "O"], ["B", "B"]]
        >>> crf = LinearChainCRF(C=10, transition_features="pos").fit(X, y)
        >>> [(record["feature"], record["from"], record["to"]) for record in crf.top_transition_features(1)]
        [('pos:VB', 'I', 'O')]
        """
        check_is_fitted(self)
        names, conditioned = self._checked_names(feature_names), Conditioned.of(self)
        if conditioned is None:
            return largest_transition_features(None, None, self.classes_, names, n)
        return largest_transition_features(*conditioned.conditions(len(names)), self.classes_, names, n)

    def explain(self, x: Any, *, labels: Any = None, feature_names: ArrayLike | None = None) -> list[dict[str, Any]]:
        """Explain by contributions to a score why one sequence got its labels, or why it did not get others.

        Parameters
        ----------
        x : list of dicts, list of lists of strings, array or CSR matrix of shape (n_tokens, n_features)
            One sequence, in a form that `fit` takes.
        labels : list with a label for each token, or dict from token (counted from 0) to label, optional
            The labels that were expected. Tokens that have none in the dict, or None in the list, take the labels that
            are best together with these.
        feature_names : array of shape (n_features,), optional
            Names of the columns of X, as a transformer's ``get_feature_names_out()`` gives them. They are known already
            where X was made of dicts or had column names.

        Returns
        -------
        list of dict
            `position`, `label` (predicted), `kind` ("feature", "transition", "transition_feature", "start" or "end"),
            `feature` (for a transition the label before), `value`, `weight`, and `contribution`, their product. The
            contributions sum to the score of the path, ``log p + log Z``. Records of "transition_feature" are of the
            `transition_features`, and have the label before as `before`.

            With `labels` the records are of what differs, and have `other`, the label that was expected. `weight` is
            that for `label` less that for `other`, or for the transition to it from the `other` of the token before.
            The contributions sum to ``log p(predicted) - log p(expected)``. Where the labels are those predicted, there
            are no records.

        Examples
        --------
        >>> from skopt_solvers import LinearChainCRF
        >>> X = [[["the"], ["old"], ["dog"], ["barks"]], [["a"], ["cat"], ["sleeps"]]]
        >>> crf = LinearChainCRF().fit(X, [["D", "A", "N", "V"], ["D", "N", "V"]])
        >>> why_not = crf.explain(X[1], labels={1: "A"})
        >>> [(record["label"], record["other"]) for record in why_not if record["feature"] == "cat"]
        [('N', 'A')]
        >>> bool(sum(record["contribution"] for record in why_not) > 0)
        True
        """
        sequence = CSRSequences(x.tocsr(), [x.shape[0]]) if sp.issparse(x) else [x]
        tokens, decoder, _ = self._decoding(sequence)
        names = self._checked_names(feature_names)
        paths = [decoder.best_path(tokens)]
        if labels is not None:
            expected = flat_labels([_listed(labels, len(paths[0]))], tokens, "labels")
            paths.append(decoder.best_path(tokens, encode(expected, self.classes_, tokens.offsets, "labels"), "labels"))
        return contributions(tokens.all_features, decoder, paths, self.classes_, names)


def _listed(labels: Any, n_tokens: int) -> Any:
    """Labels of tokens as a list with None where there is none."""
    if not isinstance(labels, Mapping):
        return labels
    wrong = [token for token in labels if token not in range(n_tokens)]
    if wrong:
        raise ValueError(f"labels must be of the {n_tokens} tokens of x, counted from 0, got {wrong[0]!r}")
    return [labels.get(token) for token in range(n_tokens)]


def largest_features(coef, classes, names, n):
    """Return the n (feature, label) pairs of largest absolute weight, as records."""
    labels = classes.tolist()
    coef = coef.tocoo() if sp.issparse(coef) else sp.coo_matrix(coef)
    return [
        {"feature": names[coef.col[i]], "label": labels[coef.row[i]], "weight": float(coef.data[i])}
        for i in _largest(coef.data, n)
    ]


def largest_transitions(transition_coef, classes, n):
    """Return the n transitions of largest absolute weight, as records."""
    weights, labels, K = transition_coef.ravel(), classes.tolist(), len(classes)
    return [{"from": labels[i // K], "to": labels[i % K], "weight": float(weights[i])} for i in _largest(weights, n)]


def largest_transition_features(conditions, weights, classes, names, n):
    """Return the n triples (feature, from, to) of largest absolute weight, as records."""
    if conditions is None:
        return []
    labels, K, columns = classes.tolist(), len(classes), np.repeat(conditions.columns, np.diff(conditions.first))
    return [
        {
            "feature": names[columns[i]],
            "from": labels[conditions.pair[i] // K],
            "to": labels[conditions.pair[i] % K],
            "weight": float(weights[i]),
        }
        for i in _largest(weights, n)
    ]


def contributions(X, model, paths, classes, names):
    """Return what adds to the score of a path through one sequence, or to the difference of two, as records.

    Parameters
    ----------
    X : CSR of shape (n_tokens, n_features)
    model : Decoder
    paths : list of one or two ndarray of shape (n_tokens,), indices of classes
        The second one's score is subtracted, and records are of what differs.
    classes : ndarray of shape (n_labels,)
    names : sequence of str, of the features
    """
    records, labels = [], [classes[path].tolist() for path in paths]

    def add(position, kind, feature, value, weights, **more):
        weight = float(weights[0]) - sum(map(float, weights[1:]))
        found = dict(zip(("label", "other"), (of_path[position] for of_path in labels), strict=False))
        records.append(
            dict(position=position, **found, kind=kind, feature=feature, value=float(value),
                 weight=weight, contribution=float(value) * weight, **more)
        )  # fmt: skip

    for t, here in enumerate(zip(*paths, strict=True)):
        steps = [(path[t - 1], path[t]) for path in paths] if t else []
        if t and steps[0] not in steps[1:]:
            add(t, "transition", labels[0][t - 1], 1, [model.transitions[step] for step in steps])
            for p in range(X.indptr[t], X.indptr[t + 1]):
                if model.conditioned(X.indices[p]):
                    weights = [model.triple(X.indices[p], *step) for step in steps]
                    name = names[X.indices[p]]
                    add(t, "transition_feature", name, X.data[p], weights, before=labels[0][t - 1])
        if here[0] in here[1:]:
            continue
        if t == 0:
            add(t, "start", "", 1, [model.start[k] for k in here])
        for p in range(X.indptr[t], X.indptr[t + 1]):
            add(t, "feature", names[X.indices[p]], X.data[p], [model.coef[k, X.indices[p]] for k in here])
        if t + 1 == len(paths[0]):
            add(t, "end", "", 1, [model.end[k] for k in here])
    return records


def _largest(weights, n):
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"n must be an integer >= 1, got {n!r}")
    size = np.abs(weights)
    n = min(n, len(size))
    chosen = np.argpartition(-size, n - 1)[:n] if 0 < n < len(size) else np.arange(len(size))[:n]
    return chosen[np.argsort(-size[chosen], kind="stable")]
