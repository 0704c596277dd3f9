"""The triples that occur, against a loop over the tokens."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from skopt_solvers.objectives._chain import MISSING
from skopt_solvers.objectives._observed_triples import observed_triples


def by_loops(X, columns, labels, offsets, n_labels):
    X = X.toarray()
    triples = [set() for _ in columns]
    for begin, end in itertools.pairwise(offsets):
        for t in range(begin + 1, end):
            if MISSING in (labels[t - 1], labels[t]):
                continue
            for q, j in enumerate(columns):
                if X[t, j]:
                    triples[q].add(n_labels * labels[t - 1] + labels[t])
    return [sorted(of_feature) for of_feature in triples]


@pytest.mark.parametrize("columns", [[], [0], [2, 5], list(range(7))], ids=str)
@pytest.mark.parametrize("missing", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_loop_finds_the_same(columns, missing, dtype):
    rng = np.random.default_rng(len(columns))
    offsets = np.array([0, 0, 1, 6, 6, 18, 40, 40])
    X = sp.random(40, 7, 0.3, format="csr", random_state=rng, dtype=dtype)
    labels = rng.integers(0, 4, 40).astype(np.int32)
    labels[rng.random(40) < missing] = MISSING
    first, pairs = observed_triples(X, np.array(columns, np.int64), labels, offsets, 4)
    expected = by_loops(X, columns, labels, offsets, 4)
    assert [pairs[a:b].tolist() for a, b in itertools.pairwise(first)] == expected
    assert (first.dtype, pairs.dtype, first[-1]) == (np.int64, np.int32, len(pairs))
    if missing < 1 and columns:
        assert len(pairs)  # or the comparison would tell nothing


def test_no_tokens():
    first, pairs = observed_triples(
        sp.csr_matrix((0, 3)), np.array([1]), np.empty(0, np.int32), np.zeros(1, np.int64), 2
    )
    assert first.tolist() == [0, 0]
    assert not len(pairs)
