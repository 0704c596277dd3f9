"""scikit-learn's own tests of its searches, from the installed package, on ours."""

import pytest
import sklearn.model_selection as sklearn_search

from skopt_solvers.model_selection import GridSearchCV, RandomizedSearchCV
from skopt_solvers.model_selection._search import SharesWork

from ..scikit_tests import their_tests, with_our_classes

# Some of these tests cause warnings that they do not look at.
pytestmark = pytest.mark.filterwarnings("ignore")

OURS = {"GridSearchCV": GridSearchCV, "RandomizedSearchCV": RandomizedSearchCV}
THEIRS = with_our_classes(
    "sklearn.model_selection.tests.test_search",
    {sklearn_search: OURS, sklearn_search._search: {"BaseSearchCV": SharesWork}},
)
globals().update(their_tests(THEIRS))


def test_our_classes_are_the_ones_that_are_tested():
    assert {getattr(THEIRS, name) for name in OURS} == set(OURS.values())
    assert len(their_tests(THEIRS)) > 50
