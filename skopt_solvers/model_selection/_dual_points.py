"""Dual variables along C: where dual ascent starts at the next one."""

import numpy as np


class DualPoints:
    """Predict the dual variables at the next C by the line in log C through those of the last two.

    They are kept as shares of their bounds, as :class:`LinearAscent` takes them, and a line is cut where it leaves the
    domain of the dual: shares are 0 or of the sign of the label, and are up to 1 or as large as those before; those of
    a joint loss are what probabilities lack.
    """

    def __init__(self):
        self.points = []

    def add(self, C, shares, intercept):
        """Take the shares after a fit, and the last row of the table that belongs to them."""
        self.points = [*self.points[-1:], (np.log(C), shares, intercept)]

    def ahead(self, C, objective):
        """Return shares and the intercept at a C; None and 0 where there are none."""
        if not self.points:
            return None, 0
        (at, shares, intercept), (before, earlier, intercept_before) = self.points[-1], self.points[0]
        if at == before or not np.isfinite(C):
            return shares, intercept
        step = shares.dtype.type((np.log(C) - at) / (at - before))
        line = shares + step * (shares - earlier)
        if objective.joint:
            line = _as_probabilities(line, objective.labels)
        else:
            sign, most = np.sign(shares + earlier), np.maximum(1, np.maximum(np.abs(shares), np.abs(earlier)))
            line = sign * np.clip(sign * line, 0, most)
        return line, intercept + step * (intercept - intercept_before)


def _as_probabilities(shares, labels):
    """Return the shares of a joint loss in its domain: those that the label has, less a distribution."""
    lacking, rows = -shares, np.arange(len(shares))
    lacking[rows, labels] += 1
    np.maximum(lacking, 0, out=lacking)
    lacking /= lacking.sum(axis=1, keepdims=True)
    np.negative(lacking, out=lacking)
    lacking[rows, labels] += 1
    return lacking
