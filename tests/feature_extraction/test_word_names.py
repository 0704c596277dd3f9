"""The names of features of one word that a kernel makes are those that Python's strings give."""

from itertools import pairwise

import numpy as np
import pytest

from skopt_solvers._kernels import _features
from skopt_solvers.feature_extraction import TokenFeatures
from skopt_solvers.feature_extraction._token_columns import WordNames

ASCII = [chr(code) for code in range(128)]
USUAL = list("aAbBzZ019--'. ")
OTHERS = list("\x80ßǅÉéИи日²४①ﬁ\U0001f600")


def words_of(seed, characters, n=400):
    rng = np.random.RandomState(seed)
    made = ["".join(rng.choice(characters, size=length)) for length in rng.randint(0, 9, size=n)]
    return sorted({*made, *characters, *(2 * c for c in characters), "Titled-Word", "NOT Titled", "aB", "A1b", "1a"})


def rows_of(indptr, indices, names):
    return [sorted(names[number] for number in indices[a:b]) for a, b in pairwise(indptr)]


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("characters", [ASCII, USUAL, USUAL + OTHERS], ids=["all of ASCII", "usual", "Unicode"])
def test_a_kernel_names_features_as_python_does(characters, lowercase):
    words = words_of(len(characters), characters)
    chosen = [dict(itself=True, flags=True), dict(flags=True), dict(shape=True), dict(prefixes=(1, 3), suffixes=(4,))]
    for options in [*chosen, dict(itself=True, flags=True, shape=True, prefixes=(2**31 - 1, 2), suffixes=(1, 5))]:
        names = WordNames(words, lowercase, **options)
        each = [sorted(filter(None, given)) for given in zip(*names.lists(), strict=True)]
        known = sorted({name for given in each for name in given})
        for table_of in (known, known[::2]):
            table = _features.FeatureTable()
            _features.learnF32(table, [[table_of]])
            expected = [[name for name in given if name in set(table_of)] for given in each]
            assert rows_of(*names.rows(table), table.names()) == expected


@pytest.mark.parametrize("parameters", [{}, dict(lowercase=False, min_count=2), dict(shape=False, affix_window=(0, 1))])
def test_transform_gives_the_rows_of_fit_transform(parameters):
    rng, words = np.random.RandomState(0), words_of(3, USUAL + OTHERS)
    X = [[words[i] for i in rng.randint(len(words), size=length)] for length in rng.randint(0, 6, size=200)]
    features = TokenFeatures(**parameters)
    fitted, again = features.fit_transform(X), features.transform(X)
    assert fitted.lengths.tolist() == again.lengths.tolist()
    assert (fitted.matrix != again.matrix).nnz == 0
    assert fitted.matrix.nnz > 1000
