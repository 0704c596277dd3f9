"""Synthetic rows and sentences whose columns and words follow Zipf's law, and labels that depend on them."""

import numpy as np
import scipy.sparse as sp

ZIPF = 1.0
_DRAWS = 2**22  # at a time


def zipf_rows(n_rows, n_features, n_nonzeros, seed=0):
    """CSR of `n_nonzeros` distinct features a row, drawn one after another in proportion to ``1 / rank ** ZIPF``.

    Ranks are spread over the columns at random, as an alphabetical vocabulary spreads them. Values are uniform in
    [0.5, 1.5) and rows have length 1.
    """
    rng = np.random.default_rng(seed)
    cumulative = _cumulative(n_features)
    columns = rng.permutation(n_features).astype(np.int32)
    indices = np.empty((n_rows, n_nonzeros), np.int32)
    block = max(1, _DRAWS // (2 * n_nonzeros))
    for begin in range(0, n_rows, block):
        part = indices[begin : begin + block]
        part[:] = np.sort(columns[_distinct(rng, cumulative, *part.shape)], axis=1)
    values = rng.random(indices.shape, dtype=np.float32) + 0.5
    values /= np.sqrt(np.einsum("ij,ij->i", values, values))[:, None]
    indptr = np.arange(0, indices.size + 1, n_nonzeros)
    return sp.csr_matrix((values.ravel(), indices.ravel(), indptr), shape=(n_rows, n_features))


def zipf_sentences(n_sentences, length, n_words, n_tags, n_labels, seed=0):
    """Sentences of tokens (word, part of speech) of one length, and a label for each token.

    A word has one part of speech, and those of a token and of the one before it make the label.
    """
    rng = np.random.default_rng(seed)
    words = np.searchsorted(_cumulative(n_words), rng.random((n_sentences, length))).clip(max=n_words - 1)
    tags = rng.integers(n_tags, size=n_words)[words]
    labels = (tags + np.roll(tags, 1, axis=1)) % n_labels
    pairs = zip(words.tolist(), tags.tolist(), strict=True)
    sentences = [[(f"word{w}", f"TAG{t}") for w, t in zip(*pair, strict=True)] for pair in pairs]
    return sentences, [[f"L{label}" for label in row] for row in labels.tolist()]


def _cumulative(n):
    """The distribution function of ranks by Zipf's law."""
    frequencies = np.arange(1, n + 1) ** -ZIPF
    return np.cumsum(frequencies / frequencies.sum())


def _distinct(rng, cumulative, n_rows, size):
    """The first `size` different ranks of an endless sequence of draws, for each row."""
    last = len(cumulative) - 1
    drawn = np.searchsorted(cumulative, rng.random((n_rows, 2 * size))).clip(max=last)
    order = np.argsort(drawn, axis=1, kind="stable")
    in_order = np.take_along_axis(drawn, order, axis=1)
    again = np.zeros(drawn.shape, bool)
    np.put_along_axis(again, order[:, 1:], in_order[:, 1:] == in_order[:, :-1], axis=1)
    number = np.cumsum(~again, axis=1)
    result = np.empty((n_rows, size), drawn.dtype)
    enough = number[:, -1] >= size
    kept = enough[:, None] & ~again & (number <= size)
    result[enough] = drawn[kept].reshape(-1, size)
    for row in np.flatnonzero(~enough):
        ranks = drawn[row]
        while len(first := np.unique(ranks, return_index=True)[1]) < size:
            more = np.searchsorted(cumulative, rng.random(len(ranks))).clip(max=last)
            ranks = np.concatenate([ranks, more])
        result[row] = ranks[np.sort(first)[:size]]
    return result


def planted_signs(X, seed=0):
    """0 or 1, the sign of a random linear function of the row and some noise."""
    rng = np.random.default_rng(seed)
    margins = X @ rng.standard_normal(X.shape[1], dtype=np.float32)
    return (margins + 0.1 * rng.standard_normal(X.shape[0]) > 0).astype(int)


def planted_classes(X, n_classes, seed=0):
    """One of `n_classes`: each feature votes for a class of its own, and the largest value decides.

    Classes are thus as unequal as the features are; the first rows have one class each, so that none is empty.
    """
    rng = np.random.default_rng(seed)
    class_of = rng.integers(n_classes, size=X.shape[1])
    by_row = (X.shape[0], -1)  # all rows have as many
    largest = np.argmax(X.data.reshape(by_row), axis=1)
    y = class_of[np.take_along_axis(X.indices.reshape(by_row), largest[:, None], axis=1)[:, 0]]
    y[:n_classes] = np.arange(n_classes)
    return y
