"""Progress of searches: the lines of `verbose`, and scikit-learn's callbacks."""

import numpy as np
import pytest
from sklearn import model_selection as sklearn_search
from sklearn.datasets import make_classification
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler

from skopt_solvers import LogisticRegression, model_selection
from skopt_solvers.model_selection import GridSearchCV

X, Y = make_classification(90, 8, random_state=0)
FOLDS = KFold(3)
PIPELINE = Pipeline([("scale", MaxAbsScaler()), ("model", LogisticRegression(max_iter=4, n_jobs=1, random_state=0))])
GRID = [
    {"model__solver": ["adagrad"], "model__C": [1.0, 2.0], "model__solver__learning_rate": [0.1, 0.2]},
    {"scale": ["passthrough"], "model__solver": ["lbfgs"]},
]
MODULES = (sklearn_search, model_selection)

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:The estimator MaxAbsScaler does not support callbacks"),
]


class Recording:
    """A callback that keeps the calls, of the search alone or of all estimators inside."""

    def __init__(self, max_propagation_depth):
        self.calls, self.max_propagation_depth = [], max_propagation_depth

    def setup(self, estimator, context):
        self.calls.append(("setup", type(estimator).__name__, None))

    def teardown(self, estimator, context):
        self.calls.append(("teardown", type(estimator).__name__, None))

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(("begin", type(estimator).__name__, context.task_name))

    def on_fit_task_end(self, estimator, context):
        self.calls.append(("end", type(estimator).__name__, context.task_name))


@pytest.mark.parametrize("verbose", [1, 2, 3, 10])
def test_lines_are_those_of_scikit_learn_fold_by_fold(capsys, verbose):
    lines = []
    for module in MODULES:
        module.GridSearchCV(PIPELINE, GRID, cv=FOLDS, verbose=verbose).fit(X, Y)
        printed = capsys.readouterr().out.splitlines()
        lines.append([line.partition(" total time")[0].replace(".", "") for line in printed])
    theirs, ours = lines
    assert sorted(ours) == sorted(theirs) and ours[0] == theirs[0]
    if verbose == 10:
        assert [line.partition(";")[0] for line in ours[1:]] == [f"[CV {k}/3" for k in (1, 2, 3) for _ in range(2 * 5)]
        assert all(" START " in line for line in ours[1::2]) and all(" END " in line for line in ours[2::2])


@pytest.mark.parametrize("depth", [1, None])
def test_callbacks_hear_of_all_fits(depth):
    pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9")
    calls = []
    for module in MODULES:
        recording = Recording(depth)
        module.GridSearchCV(PIPELINE, GRID, cv=FOLDS).set_callbacks(recording).fit(X, Y)
        calls.append(recording.calls)
    theirs, ours = calls
    assert sorted(ours, key=repr) == sorted(theirs, key=repr)
    assert ours[0] == theirs[0] and ours[-1] == theirs[-1]
    if depth is None:
        assert ours.count(("begin", "LogisticRegression", "iteration")) > 3 * 5


def test_fits_are_made_together_where_callbacks_do_not_look_inside():
    pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9")
    for depth, n_passes in ((1, 3), (None, 0)):
        search = GridSearchCV(PIPELINE, GRID, cv=FOLDS).set_callbacks(Recording(depth)).fit(X, Y)
        assert search.memory_["passes"] == n_passes


def test_callbacks_are_torn_down_where_a_search_fails():
    pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9")

    def interrupt(estimator, X, y):
        raise KeyboardInterrupt

    recording = Recording(1)
    search = GridSearchCV(PIPELINE, GRID, cv=FOLDS, scoring=interrupt).set_callbacks(recording)
    before = vars(search).copy()
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    assert recording.calls[-1] == ("teardown", "GridSearchCV", None)
    assert vars(search) == before


def test_callbacks_of_a_search_that_ends_early():
    pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9")
    recording = Recording(0)
    search = GridSearchCV(PIPELINE, GRID, cv=FOLDS, max_time=1e-9).set_callbacks(recording)
    with pytest.warns(UserWarning, match="after 1 of 5 candidates"):
        search.fit(X, Y)
    names = [name for event, _, name in recording.calls if event == "end"]
    assert names.count("candidate-split-evaluation") == 3 and names.count("refit-with-best-params") == 1
    assert recording.calls[-2:] == [("end", "GridSearchCV", "fit"), ("teardown", "GridSearchCV", None)]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
