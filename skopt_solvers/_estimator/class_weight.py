"""Weights of samples times those of their classes."""

import numpy as np
from sklearn.utils.class_weight import compute_class_weight


def mass_of(classes, labels, weights, seen=None):
    """Return the weight of each class, with that `seen` before; labels are indices, or negative where there is none."""
    known = labels >= 0
    with np.errstate(over="ignore"):
        mass = np.bincount(labels[known], weights[known], minlength=len(classes))
        return mass if seen is None else seen + mass


def class_weighted(class_weight, classes, labels, weights, mass, part=False):
    """Return the weights times the class weights.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
    classes : ndarray of shape (n_classes,)
    labels : ndarray of shape (n_samples,)
        Indices of classes, or negative where there is none.
    weights : ndarray of shape (n_samples,)
    mass : ndarray of shape (n_classes,)
        The weight of each class, by which "balanced" goes.
    part : bool
        Whether `mass` is that of all samples, of which these are a part, perhaps without any weight.

    Raises
    ------
    ValueError
        Where the products are not finite, or none is positive.
    """
    if class_weight is None:
        return weights
    if isinstance(class_weight, str):
        with np.errstate(divide="ignore"):
            factors = np.where(mass > 0, mass.sum() / (len(classes) * mass), 0.0)
    else:
        factors = compute_class_weight(class_weight, classes=classes, y=classes)
    with np.errstate(over="ignore"):
        weights = weights * np.where(labels >= 0, factors[labels], 1.0)
        there = factors * mass if part else weights
    if not np.isfinite(weights).all() or (factors < 0).any() or not there.any():
        raise ValueError(
            "class_weight must be non-negative with a positive entry, and finite times sample_weight, got "
            f"{class_weight!r}"
        )
    return weights
