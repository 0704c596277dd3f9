"""Functions on tables give what NumPy gives."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_columns", [1, 3, 10])
def test_sums_of_columns_and_a_row_for_all(kernels, dtype, n_columns):
    table = np.random.RandomState(0).standard_normal((57, n_columns)).astype(dtype)
    sums = np.empty(n_columns)
    kernels.column_sums(table.ravel(), sums)
    assert_allclose(sums, table.sum(axis=0, dtype=float), rtol=1e-12)
    moved = table.copy()
    kernels.add_to_rows(table[5], moved.ravel())
    assert_array_equal(moved, table + table[5])


def test_a_table_that_has_other_columns_is_refused(kernels):
    with pytest.raises(ValueError, match="a number for each column"):
        kernels.column_sums(np.ones(7), np.empty(2))
    with pytest.raises(ValueError, match="a number for each column"):
        kernels.add_to_rows(np.ones(2), np.ones(7))
