"""What a vectorizer of text makes of documents, in a form in which ours and scikit-learn's can be compared."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction import text as sklearn_text

from skopt_solvers.feature_extraction import text


def exact(matrix):
    """Return the shape, type, pointers, columns and bits of the values of a matrix whose rows are put in order."""
    if not sp.issparse(matrix):
        return type(matrix).__name__, matrix.dtype, matrix.shape, matrix.tobytes()
    matrix = matrix.copy()
    matrix.sort_indices()
    rows = matrix.indptr.tolist(), matrix.indices.tolist()
    return type(matrix).__name__, matrix.shape, matrix.dtype, *rows, matrix.data.tobytes()


def attempt(make):
    """Return whether `make` succeeds, what it returns or raises, and the warnings on the way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = True, make()
        except Exception as error:
            result = False, type(error), str(error)
    return *result, [(warning.category, str(warning.message)) for warning in caught]


def outcome(module, name, parameters, documents, others):
    """Return all that a fit to documents gives, and how it transforms others."""
    vectorizer = getattr(module, name)(**parameters)
    found = {"fit_transform": attempt(lambda: exact(vectorizer.fit_transform(documents)))}
    if not found["fit_transform"][0]:
        return found  # ours is as it was, where scikit-learn's may be half fitted
    found["transform"] = attempt(lambda: exact(vectorizer.transform(others)))
    if name == "HashingVectorizer":
        return found
    found["names"] = attempt(lambda: vectorizer.get_feature_names_out().tolist())
    found["vocabulary"] = attempt(
        lambda: [(term, type(column), column) for term, column in vectorizer.vocabulary_.items()]
    )
    found["inverse"] = attempt(
        lambda: [sorted(terms) for terms in vectorizer.inverse_transform(vectorizer.transform(others))]
    )
    if name == "TfidfVectorizer":
        found["idf"] = attempt(lambda: (vectorizer.idf_.dtype, vectorizer.idf_.tobytes()))
    refit = getattr(module, name)(**parameters)
    found["fit"] = attempt(lambda: exact(refit.fit(documents).transform(others)))
    return found


def assert_same(name, parameters, documents, others=None, n_jobs=(1, 2)):
    """Compare all outcomes of our vectorizer with those of scikit-learn's, for some numbers of threads."""
    others = documents if others is None else others
    theirs = outcome(sklearn_text, name, parameters, documents, others)
    for threads in n_jobs:
        ours = outcome(text, name, {**parameters, "n_jobs": threads}, documents, others)
        for part, expected in theirs.items():
            if ours[part] != expected:  # without pytest's comparison, which takes long for all of Unicode
                pytest.fail(f"{part} with {threads} threads: {first_difference(ours[part], expected)}")


def first_difference(ours, expected):
    """Return the first parts of two outcomes that differ."""
    while isinstance(ours, (list, tuple)) and isinstance(expected, (list, tuple)) and len(ours) == len(expected):
        ours, expected = next((a, b) for a, b in zip(ours, expected, strict=True) if a != b)
    return f"{ours!r:.300} instead of {expected!r:.300}"


def assert_known_form(matrix):
    """Assert that rows are sorted, without duplicates, with int32 columns, and that scipy knows it."""
    assert matrix.has_sorted_indices and matrix.has_canonical_format
    assert matrix.indices.dtype == matrix.indptr.dtype == np.int32
    again = sp.csr_matrix((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
    assert again.has_canonical_format and again.has_sorted_indices
