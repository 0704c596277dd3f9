"""scikit-learn's own tests of its vectorizers of text, from the installed package, on the compiled ones."""

import pytest
from sklearn.feature_extraction import text as sklearn_text

from skopt_solvers.feature_extraction import text

from ..scikit_tests import their_tests, with_our_classes

# Some of these tests cause warnings that they do not look at.
pytestmark = pytest.mark.filterwarnings("ignore")

OURS = {name: getattr(text, name) for name in text.__all__}
THEIRS = with_our_classes("sklearn.feature_extraction.tests.test_text", {sklearn_text: OURS})
globals().update(their_tests(THEIRS))


def test_our_classes_are_the_ones_that_are_tested():
    assert {getattr(THEIRS, name).__module__ for name in text.__all__} == {"skopt_solvers.feature_extraction.text"}
    assert len(their_tests(THEIRS)) > 50
