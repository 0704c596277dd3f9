"""The transitions that a scheme of labels, a matrix or a function allows."""

import numpy as np

from ..sequence import SCHEMES as TAG_SCHEMES
from ..sequence import TagForm
from ._forms import place

SCHEMES = {name: TAG_SCHEMES[name] for name in ("bio", "iob2", "iobes", "bioes")}


def allowed_transitions(constraints, classes):
    """The possible transitions of ``constraints`` over `classes`.

    Returns
    -------
    ndarray of bool, of shape (n_labels + 2, n_labels)
        From (row) to (column); then the labels that may begin, and that may end a sequence.
    """
    K = len(classes)
    allowed = np.ones((K + 2, K), dtype=bool)
    if constraints is None:
        return allowed
    if isinstance(constraints, str) and constraints in SCHEMES:
        return _of_scheme(constraints, [str(c) for c in classes])
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


def _of_scheme(scheme, labels):
    prefixes = SCHEMES[scheme]
    form, parsed = TagForm(prefixes), []
    for label in labels:
        prefix, kind = form.parts(label)
        if label != "O" and (prefix not in prefixes or not kind):
            raise ValueError(
                f"constraints={scheme!r} needs labels 'O' and {', '.join(p + '-type' for p in prefixes)}, got {label!r}"
            )
        parsed.append((prefix, kind))
    inside, unfinished = ("IE", "BI") if "E" in prefixes else ("I", "")  # go on with an entity; must be gone on with

    def follows(a, b):
        same = a[0] in "BI" and b[0] in inside and a[1] == b[1]
        return same or (b[0] not in inside and a[0] not in unfinished)

    rows = [[follows(a, b) for b in parsed] for a in parsed]
    return np.array([*rows, [b[0] not in inside for b in parsed], [a[0] not in unfinished for a in parsed]], dtype=bool)


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
