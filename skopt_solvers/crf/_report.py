"""Reports of the weights of a fitted CRF as plain records: lists of dicts that pandas reads."""

import numpy as np
import scipy.sparse as sp


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


def contributions(X, model, path, classes, names):
    """Return what adds to the score of a path through one sequence, as records.

    Parameters
    ----------
    X : CSR of shape (n_tokens, n_features)
    model : Decoder
    path : ndarray of shape (n_tokens,), indices of classes
    classes : ndarray of shape (n_labels,)
    names : sequence of str, of the features
    """
    records, labels = [], classes[path].tolist()

    def add(position, kind, feature, value, weight):
        records.append(
            dict(position=position, label=labels[position], kind=kind, feature=feature, value=float(value),
                 weight=float(weight), contribution=float(value) * float(weight))
        )  # fmt: skip

    for t, k in enumerate(path):
        if t == 0:
            add(t, "start", "", 1, model.start[k])
        else:
            add(t, "transition", labels[t - 1], 1, model.transitions[path[t - 1], k])
        for p in range(X.indptr[t], X.indptr[t + 1]):
            add(t, "feature", names[X.indices[p]], X.data[p], model.coef[k, X.indices[p]])
        if t + 1 == len(path):
            add(t, "end", "", 1, model.end[k])
    return records


def _largest(weights, n):
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"n must be an integer >= 1, got {n!r}")
    size = np.abs(weights)
    n = min(n, len(size))
    chosen = np.argpartition(-size, n - 1)[:n] if 0 < n < len(size) else np.arange(len(size))[:n]
    return chosen[np.argsort(-size[chosen], kind="stable")]
