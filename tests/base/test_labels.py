"""Labels are accepted, refused and warned of as scikit-learn does it, also where it is not asked."""

import warnings

import numpy as np
import pytest
from sklearn.utils.multiclass import check_classification_targets

from skopt_solvers._base.validation import check_labels


def outcome(check, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            check(y)
        except ValueError as error:
            return str(error)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8, np.uint64, np.float64, bool])
@pytest.mark.parametrize("n_classes", [1, 2, 3, 9, 10, 11, 12, 13, 20, 40])
@pytest.mark.parametrize("n", [1, 2, 20, 21, 22, 24, 25])
def test_as_scikit_learn(n, n_classes, dtype):
    y = (np.arange(n) % n_classes).astype(dtype)
    assert outcome(check_labels, y) == outcome(check_classification_targets, y)


@pytest.mark.parametrize(
    "y",
    [
        np.array([], dtype=int),
        np.array([[0], [1]]),
        np.array([[0, 1], [1, 0]]),
        np.array([-(2**63), 2**63 - 1] * 20),
        np.array([0, 2**64 - 1] * 20, dtype=np.uint64),
        np.array([0.5, 1.5]),
        np.array(["a", "b"]),
    ],
    ids=repr,
)
def test_others_as_scikit_learn(y):
    assert outcome(check_labels, y) == outcome(check_classification_targets, y)
