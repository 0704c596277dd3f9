"""Step lengths: the strong Wolfe conditions, and backtracking within an orthant."""

import numpy as np

_SUFFICIENT = 1e-4  # c1
# |phi'| falls to this part of |phi'(0)|, c2. Quasi-Newton methods usually stop at 0.9; where a trial is much cheaper
# than a gradient, closer steps save a third of the iterations.
_CURVATURE, _CURVATURE_OF_CHEAP = 0.9, 0.2
MAX_TRIALS, _MAX_HALVINGS = 25, 40


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
    for _ in range(_MAX_HALVINGS):
        trial = W + W.dtype.type(step) * D
        trial[:n][trial[:n] * orthant <= 0] = 0
        moved = objective.position(trial)
        gain = _SUFFICIENT * float(np.vdot(steepest, trial - W))
        if np.isfinite(moved.value) and moved.value <= position.value + gain + noise and not np.array_equal(trial, W):
            return step, moved
        step /= 2
    return None, position
