"""The unit of an objective and what its penalty weighs in it."""

import numpy as np


def as_float(C):
    """C in float64, whatever type of number it is."""
    try:
        return float(C)
    except OverflowError as error:
        raise ValueError(f"C must be infinite or a number of float64, got a larger {type(C).__name__}") from error


def penalty(C, l1_ratio, total, dtype):
    r""":math:`C \sum_i s_i`, which the estimator's objective is divided by, and what L1 and L2 weigh then.

    Raises
    ------
    ValueError
        Where the type has no such numbers.
    """
    if not np.finfo(float).tiny <= total < np.inf:
        raise ValueError(f"sample_weight must have a sum of a magnitude that float64 has, got {total:g}")
    C = as_float(C)
    if np.isinf(C):
        return total, 0.0, 0.0
    scale, least = C * total, 1e8 / float(np.finfo(dtype).max)
    if not least <= scale < np.inf:
        raise ValueError(
            f"C times the sum of sample_weight must be finite and at least {least:.1g} in {np.dtype(dtype).name}, got "
            f"C={C:g} and {total:g}"
        )
    return scale, l1_ratio / scale, (1 - l1_ratio) / scale
