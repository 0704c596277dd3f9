"""Validate X and y by scikit-learn's own means."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from .containers import refuse_container, refuse_labels


def numbers_of(estimator: Any, *data: Any, reset: bool) -> Any:
    """Return X, or X and y, as scikit-learn validates them: X is dense or CSR, of float32 or float64.

    Tensors of other libraries become arrays of NumPy first, over the same memory, which scikit-learn would turn into
    float64, or with `array_api_dispatch` leave as they are.
    """
    if reset and _is_numbers(data[0]) and all(_is_labels(y, data[0].shape[0]) for y in data[1:]):
        # nothing would change, and scikit-learn's look takes a quarter of a small fit
        estimator.n_features_in_ = data[0].shape[1]
        vars(estimator).pop("feature_names_in_", None)
        return data if len(data) > 1 else data[0]
    for values, name in zip(data, ("X", "y"), strict=False):
        refuse_container(values, name)
    data = tuple(map(as_numpy, data))
    options = dict(accept_sparse="csr", dtype=[np.float64, np.float32], accept_large_sparse=True)
    try:
        with np.errstate(invalid="ignore"):  # a sum of finite values may be infinite
            return validate_data(estimator, *data, reset=reset, **options)
    except TypeError:
        if len(data) > 1:
            refuse_labels(data[1], "y")
        raise
    except (OverflowError, RuntimeError, IndexError) as error:  # the last two where a list changes while it is read
        raise ValueError(f"X must hold numbers that float64 has: {error}") from error


def is_plain(estimator: Any, X: Any) -> bool:
    """Tell whether `numbers_of` would return this X as it is for a fitted estimator, in a tenth of its time.

    False means that it has to be asked.
    """
    return _is_numbers(X) and X.shape[1] == estimator.n_features_in_ and not hasattr(estimator, "feature_names_in_")


def _is_numbers(X: Any) -> bool:
    """Return whether X is an array or CSR of finite floats, with rows and columns; False where a sum overflows too."""
    values = X if type(X) is np.ndarray else X.data if type(X) in (sp.csr_matrix, sp.csr_array) else None
    if values is None or values.dtype not in (np.float32, np.float64) or X.ndim != 2 or not all(X.shape):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()))


def _is_labels(y: Any, n_samples: int) -> bool:
    """Return whether y is an array of so many integers or strings."""
    return type(y) is np.ndarray and y.shape == (n_samples,) and y.dtype.kind in "iubU"


def as_numpy(values: Any) -> Any:
    """Return a tensor of another library as an array of NumPy, over the same memory; anything else as it is."""
    is_tensor = hasattr(values, "__dlpack__") and not isinstance(values, (np.ndarray, np.generic))
    return np.asarray(values) if is_tensor else values


def _are_few_integers(y: Any) -> bool:
    """Return whether labels are integers so close together that scikit-learn does not warn of many classes."""
    if not isinstance(y, np.ndarray) or y.ndim != 1 or y.dtype.kind not in "iu" or not len(y):
        return False
    return int(y.max()) - int(y.min()) < len(y) // 2


def check_labels(y: Any, name: str = "y") -> None:
    """Raise ValueError for labels that are continuous numbers, or of types that do not compare."""
    if _are_few_integers(y):
        return  # scikit-learn accepts them too, and its look takes a fifth of a small fit
    try:
        check_classification_targets(y)
    except TypeError as error:
        refuse_labels(y, name)
        raise ValueError(f"{name} must have labels of one type: {error}") from error
