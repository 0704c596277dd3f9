"""Pruning of Optuna's trials, alone and under cross-validation."""

import pickle
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import cross_val_score

from skopt_solvers import LogisticRegression
from skopt_solvers.callbacks import OptunaPruning
from skopt_solvers.model_selection import GridSearchCV

optuna = pytest.importorskip("optuna")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)


class PruneAt(optuna.pruners.BasePruner):
    """Prunes every trial at a step."""

    def __init__(self, step):
        self.step = step

    def prune(self, study, trial):
        return trial.last_step >= self.step


def model(pruning, **options):
    options = dict(dict(early_stopping=True), **options)
    fixed = dict(solver="adagrad", max_iter=10, tol=0.0, n_iter_no_change=100, random_state=0)
    return LogisticRegression(**fixed, **options, callback=pruning)


def trial(step=10**6):
    return optuna.create_study(direction="maximize", pruner=PruneAt(step)).ask()


def reported(one):
    return one.study.trials[0].intermediate_values


def test_each_iteration_is_reported_and_a_pruned_fit_leaves_the_model_as_it_was():
    one = trial()
    fitted = model(OptunaPruning(one)).fit(X, Y)
    assert reported(one) == {r["iteration"]: r["validation_score"] for r in fitted.history_}
    before = fitted.coef_.copy()
    with pytest.raises(optuna.TrialPruned, match="pruned at step 4"):
        fitted.set_params(callback=[OptunaPruning(trial(4))], C=3).fit(X, Y)
    np.testing.assert_array_equal(fitted.coef_, before)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_folds_follow_each_other(n_jobs):
    one = trial()
    with joblib.parallel_config("threading"):
        cross_val_score(model(OptunaPruning(one)), X, Y, cv=3, n_jobs=n_jobs, error_score="raise")
    assert list(sorted(reported(one))) == list(range(1, 31))
    spaced = trial()
    cross_val_score(model(OptunaPruning(spaced, fold_steps=100)), X, Y, cv=2, error_score="raise")
    assert list(reported(spaced)) == [*range(1, 11), *range(101, 111)]


def test_a_trial_is_pruned_in_a_later_fold():
    one = trial(step=14)
    with pytest.raises(optuna.TrialPruned, match="pruned at step 14"):
        cross_val_score(model(OptunaPruning(one)), X, Y, cv=3, error_score="raise")
    assert max(reported(one)) == 14


def test_folds_of_a_search_of_this_package_are_known():
    one = trial()
    GridSearchCV(model(OptunaPruning(one)), {"C": [1.0]}, cv=3, refit=False, error_score="raise").fit(X, Y)
    assert list(sorted(reported(one))) == list(range(1, 31))


def test_a_study_prunes_what_is_worse_in_the_first_fold():
    def objective(one):
        shuffled = one.suggest_categorical("shuffled", [False, True])
        pruning = OptunaPruning(one, metric=lambda info: info.fitted().score(X, Y))
        labels = np.random.RandomState(0).permutation(Y) if shuffled else Y
        scores = cross_val_score(model(pruning, early_stopping=False), X, labels, cv=2, error_score="raise")
        return scores.mean()

    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=1))
    for shuffled in (False, True):
        study.enqueue_trial({"shuffled": shuffled})
    study.optimize(objective, n_trials=2)
    assert [one.state.name for one in study.trials] == ["COMPLETE", "PRUNED"]
    assert max(study.trials[1].intermediate_values) <= 10


def test_the_objective_is_a_metric_and_what_is_not_there_is_named():
    one = trial()
    fitted = model(OptunaPruning(one, metric="objective"), early_stopping=False).fit(X, Y)
    assert list(reported(one).values()) == [record["objective"] for record in fitted.history_]
    with pytest.raises(ValueError, match=r"metric must be an entry of the record \(objective.*early_stopping"):
        model(OptunaPruning(trial()), early_stopping=False).fit(X, Y)


def test_a_trial_does_not_leave_its_process():
    with pytest.raises(TypeError, match="OptunaPruning cannot go to another process"):
        pickle.dumps(OptunaPruning(trial()))
    fitted = model(OptunaPruning(trial())).fit(X, Y)
    assert pickle.loads(pickle.dumps(fitted)).callback is None


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((3,), TypeError, "trial must be a trial of Optuna, got int"),
        ((None, 3), TypeError, "metric must be a str or a callable, got 3"),
        ((None, "objective", 0), ValueError, "fold_steps must be None or an integer >= 1, got 0"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    fake = SimpleNamespace(report=print, should_prune=bool)
    with pytest.raises(error, match=message):
        OptunaPruning(*(fake if value is None else value for value in arguments))
