"""scikit-learn's own tests of its vectorizers of text, from the installed package, on the compiled ones."""

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location

import pytest
from sklearn.feature_extraction import text as sklearn_text

from skopt_solvers.feature_extraction import text

# Some of these tests cause warnings that they do not look at.
pytestmark = pytest.mark.filterwarnings("ignore")

TESTS = "sklearn.feature_extraction.tests.test_text"


def with_our_classes():
    """Return scikit-learn's module of tests, imported anew with our classes under the names of its own."""
    spec = spec_from_file_location("sklearn_tests_of_our_vectorizers", find_spec(TESTS).origin)
    module = sys.modules[spec.name] = module_from_spec(spec)  # which pickles of its functions look for
    with pytest.MonkeyPatch.context() as patch:
        for name in text.__all__:
            patch.setattr(sklearn_text, name, getattr(text, name))
        spec.loader.exec_module(module)
    return module


def with_lists(test):
    """Return a test whose parameters are in lists, since pytest deprecates the iterators that some are in."""
    marks = getattr(test, "pytestmark", [])
    test.pytestmark = [
        pytest.mark.parametrize(mark.args[0], list(mark.args[1]), *mark.args[2:], **mark.kwargs).mark
        if mark.name == "parametrize"
        else mark
        for mark in marks
    ]
    return test


THEIRS = with_our_classes()
globals().update({name: with_lists(test) for name, test in vars(THEIRS).items() if name.startswith("test_")})


def test_our_classes_are_the_ones_that_are_tested():
    assert {getattr(THEIRS, name).__module__ for name in text.__all__} == {"skopt_solvers.feature_extraction.text"}
    assert sum(name.startswith("test_") for name in vars(THEIRS)) > 50
