"""The transitions that a scheme of labels, a matrix or a function allows."""

from functools import lru_cache

import numpy as np

from ..sequence import OUTSIDE, PREFIXES, SCHEMES, STRICT, TagForm
from ._forms import place


def allowed_transitions(constraints, classes):
    """The possible transitions of ``constraints`` over `classes`.

    Those of None and of a scheme are made once and cannot be written to; an array and a function are asked anew each
    time, since they may have changed.

    Returns
    -------
    ndarray of bool, of shape (n_labels + 2, n_labels)
        From (row) to (column); then the labels that may begin, and that may end a sequence.
    """
    K = len(classes)
    if constraints is None:
        return _all_transitions(K)
    allowed = np.ones((K + 2, K), dtype=bool)
    if isinstance(constraints, str) and constraints in SCHEMES:
        return _of_scheme(constraints, tuple(map(str, classes.tolist())))
    if callable(constraints):
        labels = classes.tolist()
        allowed[:K] = [[bool(constraints(a, b)) for b in labels] for a in labels]
        return allowed
    matrix = np.asarray(constraints)
    if matrix.shape != (K, K) or matrix.dtype != bool:
        raise ValueError(
            f"constraints must be {', '.join(map(repr, SCHEMES))}, a callable, "
            f"or a boolean array of shape ({K}, {K}), the labels being "
            f"{classes}, got an array of {matrix.dtype} and shape {matrix.shape}"
        )
    allowed[:K] = matrix
    return allowed


@lru_cache(maxsize=64)
def _all_transitions(n_labels):
    return _fixed(np.ones((n_labels + 2, n_labels), dtype=bool))


@lru_cache(maxsize=64)
def _of_scheme(scheme, labels):
    """The transitions at which no tag breaks the scheme, by the tables that read its entities strictly.

    A tag begins an entity or goes on with one, and the one before it goes on or may end there. O stands before and
    after a sequence.
    """
    letters, rules = SCHEMES[scheme], STRICT[scheme]
    form, number, facts = TagForm(letters), {}, [(OUTSIDE, -1)]
    for label in labels:
        letter, kind = form.parts(label)
        if label == "O":
            facts.append((OUTSIDE, -1))
        elif letter in letters and kind:
            facts.append((PREFIXES.index(letters[letter]), number.setdefault(kind, len(number))))
        else:
            needed = ", ".join(f"{letter}-type" for letter in letters)
            raise ValueError(f"constraints={scheme!r} needs labels 'O' and {needed}, got {label!r}")
    prefix, kind = np.array(facts).T
    before, after = np.ix_(prefix, prefix)
    pairs = before, after, (kind[:, None] == kind).astype(int)
    goes_on = rules.continues[pairs]
    begun = (after == OUTSIDE) | goes_on | rules.starts[pairs]
    allowed = begun & ((before == OUTSIDE) | goes_on | rules.ends[pairs])
    return _fixed(np.vstack([allowed[1:, 1:], allowed[0, 1:], allowed[1:, 0]]))


def _fixed(allowed):
    allowed.flags.writeable = False
    return allowed


def check_possible(codes, within, offsets, allowed, classes):
    """ValueError where `allowed` forbids the labels of a sequence."""
    K = len(classes)
    if allowed.all():
        return
    known = codes >= 0
    step = np.zeros(len(codes), bool)
    step[1:] = within[1:] & known[1:] & known[:-1]
    before = np.roll(codes, 1)
    wrong = step & ~allowed[before, codes]
    full = np.diff(offsets) > 0
    for row, tokens in ((K, offsets[:-1][full]), (K + 1, offsets[1:][full] - 1)):
        wrong[tokens] |= known[tokens] & ~allowed[row, codes[tokens]]
    if wrong.any():
        token = int(np.flatnonzero(wrong)[0])
        sequence, at = place(token, offsets)
        labels = classes[codes[token - min(at, 1) : token + 1]].tolist()
        raise ValueError(f"constraints forbid the labels {labels} of y, up to token {at} of sequence {sequence}")


def check_paths(codes, offsets, allowed, chosen):
    """ValueError where the labels of one of the chosen sequences leave those that are missing none."""
    K = allowed.shape[1]
    if allowed.all() or (codes >= 0).all():
        return
    for sequence in chosen:
        labels = codes[offsets[sequence] : offsets[sequence + 1]]
        if not len(labels) or (labels >= 0).all():
            continue
        possible = allowed[K]
        for at, label in enumerate(labels):
            possible = possible @ allowed[:K] if at else possible
            if label >= 0:
                possible = possible & (np.arange(K) == label)
        if not (possible & allowed[K + 1]).any():
            raise ValueError(
                f"constraints and the labels of y leave sequence {sequence} no labels where they are missing"
            )
