"""Step lengths: the strong Wolfe conditions, and backtracking within an orthant."""

import numpy as np

_SUFFICIENT = 1e-4  # c1
# |phi'| falls to this part of |phi'(0)|, c2. Quasi-Newton methods usually stop at 0.9; where a trial is much cheaper
# than a gradient, closer steps save a third of the iterations.
_CURVATURE, _CURVATURE_OF_CHEAP = 0.9, 0.2
MAX_TRIALS, _MAX_HALVINGS = 25, 40
_SHORT = 1000  # a step along which the value falls by so many units in its last place at most


def strong_wolfe(phi, value, slope, *, step=1.0, noise=0.0, cheap_trials=True):
    """A step t > 0 with ``phi(t) <= phi(0) + c1 t phi'(0)`` and ``|phi'(t)| <= c2 |phi'(0)|``.

    Nocedal & Wright (2006), algorithms 3.5 and 3.6 with cubic interpolation. Near the optimum differences of `phi`
    drown in rounding: up to `noise` above ``phi(0)`` the slope decides alone (Hager & Zhang 2005, eq. 4.1).

    Parameters
    ----------
    phi : callable, t -> (value, derivative)
    value, slope : float
        At 0; slope < 0.
    step : float
        First trial.
    noise : float
    cheap_trials : bool
        Whether a trial costs much less than a gradient: then c2 is 0.2, and else 0.9.

    Returns
    -------
    float or None
        Where no step meets both conditions, the longest found that lowers `phi`; None where none does.
    """
    curvature = _CURVATURE_OF_CHEAP if cheap_trials else _CURVATURE
    low, high = (0.0, value, slope), None
    for _ in range(MAX_TRIALS):
        f, s = phi(step)
        if not (np.isfinite(f) and np.isfinite(s)):
            high = (step, np.inf, np.nan)
        elif f > value + _SUFFICIENT * step * slope + noise or f > low[1] + noise:
            high = (step, f, s)
        elif abs(s) <= -curvature * slope:
            return step
        elif s < 0:
            beyond, low = _beyond(low, step, s), (step, f, s)
        else:
            high = (step, f, s)
        if high is not None and high[0] - low[0] <= 1e-10 * high[0]:
            break
        step = beyond if high is None else _between(low, high)
    return low[0] if low[0] > 0 else None


class SeenRounding:
    """The rounding in values of a convex function, as the trials of a fit have shown it.

    A convex `phi` has ``t phi'(0) <= phi(t) - phi(0) <= t phi'(t)``. A value beyond is wrong by at least what it is
    beyond, since slopes keep their digits where a difference of values has none left.

    Attributes
    ----------
    most : float
        The largest that was seen; 0 before.
    """

    def __init__(self, dtype):
        self.most, self._eps = 0.0, float(np.finfo(dtype).eps)

    def watched(self, phi, value, slope):
        """Return `phi` with the trapezoidal rule of the slopes in the place of values that rounding has spoilt.

        It looks at short steps alone: a longer one falls by more than rounding, also that of its slope.
        """

        def trial(step):
            f, s = phi(step)
            short = -step * slope <= _SHORT * self._eps * abs(value)
            if not (short and np.isfinite(f) and slope <= s < np.inf):
                return f, s
            beyond = max(f - value - step * s, value + step * slope - f)
            if beyond <= 0:
                return f, s
            self.most = max(self.most, beyond)
            return value + step * (slope + s) / 2, s

        return trial


def _beyond(low, step, slope):
    """Return the zero of the line through the last two slopes, at most 64 steps away: exact where phi is quadratic."""
    bend = (slope - low[2]) / (step - low[0])
    return min(max(step - slope / bend, 1.2 * step), 64.0 * step) if bend > 0 else 4.0 * step


def _between(low, high):
    """The minimum of the cubic through two points, kept away from both (Nocedal & Wright, eq. 3.59)."""
    (a, fa, sa), (b, fb, sb) = low, high
    t = np.nan
    if np.isfinite(fb) and np.isfinite(sb):
        d1 = sa + sb - 3 * (fa - fb) / (a - b)
        square = d1 * d1 - sa * sb
        if 0 <= square < np.inf:
            d2 = np.sqrt(square)
            t = b - (b - a) * (sb + d2 - d1) / (sb - sa + 2 * d2) if sb - sa + 2 * d2 else np.nan
    else:
        t = a + 0.1 * (b - a)
    margin = 0.05 * (b - a)
    return min(max(t, a + margin), b - margin) if np.isfinite(t) else (a + b) / 2


def backtrack(objective, position, D, steepest, step, noise):
    """A point along D within the orthant of W (of -steepest where W is 0), the step being halved until it pays.

    Andrew & Gao (2007), eq. 5 and 6: ``F(pi(W + t D)) <= F(W) + c1 steepest . (pi(W + t D) - W)``.

    Returns
    -------
    step : float or None
    position : the new one, or the old where no step pays
    """
    W, n = position.W, objective.n_penalised
    orthant = np.where(W[:n] != 0, np.sign(W[:n]), -np.sign(steepest[:n]))

    def at(step):
        trial = W + W.dtype.type(step) * D
        trial[:n][trial[:n] * orthant <= 0] = 0
        return trial

    return _halved(objective, position, at, lambda step, trial: float(np.vdot(steepest, trial - W)), step, noise)


def backtrack_model(objective, position, D, change, noise):
    """A point along D, the step being halved from 1 until it pays, where `change` is that of the linear model and L1.

    Tseng & Yun (2009), eq. 9: ``F(W + t D) <= F(W) + c1 t (g . D + l1 |W + D|_1 - l1 |W|_1)``.

    Returns
    -------
    step : float or None
    position : the new one, or the old where no step pays
    """
    W = position.W
    return _halved(
        objective, position, lambda step: W + W.dtype.type(step) * D, lambda step, _: step * change, 1.0, noise
    )


def _halved(objective, position, at, change, step, noise):
    """Return the first of the steps, each half of the one before, whose fall is enough of the change, and the position.

    ``at(step)`` is the trial, and ``change(step, trial)`` the change that a linear model expects of it.
    """
    for _ in range(_MAX_HALVINGS):
        trial = at(step)
        moved = objective.position(trial)
        enough = position.value + _SUFFICIENT * change(step, trial) + noise
        if np.isfinite(moved.value) and moved.value <= enough and not np.array_equal(trial, position.W):
            return step, moved
        step /= 2
    return None, position
