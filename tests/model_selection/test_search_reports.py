"""Columns of `cv_results_` for what fits say of themselves, and one warning for all that did not converge."""

import warnings

import joblib
import numpy as np
import pytest
from sklearn import model_selection as sklearn_search
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import KFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler
from sklearn.utils import parallel

from skopt_solvers import LinearSVC, LogisticRegression
from skopt_solvers.model_selection import GridSearchCV
from skopt_solvers.model_selection._fit_reports import COLUMNS

X, Y = make_classification(90, 8, random_state=0)
FOLDS = KFold(3)
SOLVERS = ["lbfgs", "sdca", "adagrad", "adam"]
MODEL = LogisticRegression(max_iter=3, random_state=0, n_jobs=1)


def pipeline(model=MODEL):
    return Pipeline([("scale", MaxAbsScaler()), ("model", model)])


def caught(search, X=X, y=Y):
    """Fit a search; return the texts of its warnings."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        search.fit(X, y)
    return [str(warning.message) for warning in found]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("prefix", ["", "model__"])
def test_columns_are_those_of_single_fits(prefix):
    model = pipeline() if prefix else MODEL
    search = GridSearchCV(model, {prefix + "solver": SOLVERS}, cv=FOLDS).fit(X, Y)
    for i, solver in enumerate(SOLVERS):
        for k, (train, _) in enumerate(FOLDS.split(X)):
            rows = MaxAbsScaler().fit_transform(X[train]) if prefix else X[train]
            single = LogisticRegression(solver=solver, max_iter=3, random_state=0).fit(rows, Y[train])
            found = [search.cv_results_[f"split{k}_{name}"][i] for name in COLUMNS]
            np.testing.assert_allclose(found, [single.n_iter_, single.converged_, single.suboptimality_], rtol=1e-6)
    for name in COLUMNS:
        mean = np.mean([search.cv_results_[f"split{k}_{name}"] for k in range(3)], axis=0)
        np.testing.assert_array_equal(search.cv_results_[f"mean_{name}"], mean)
    assert not np.isnan(search.cv_results_["mean_suboptimality"]).any()


def test_suboptimality_is_a_bound():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for model in (LogisticRegression, LinearSVC):
            for solver in ("sdca", "adagrad", "ftrl", "momentum"):
                for max_iter in (1, 30):
                    fitted = model(solver=solver, max_iter=max_iter, random_state=0).fit(X, Y)
                    best = model(solver="sdca", tol=1e-9, max_iter=5000, random_state=0).fit(X, Y)
                    value, least = (m.history_[-1]["objective"] for m in (fitted, best))
                    bound = fitted.suboptimality_
                    assert value - least <= bound * value + 1e-9 * least


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fits_that_are_stopped_have_a_bound():
    for solver in ("sdca", "adagrad"):
        model = LogisticRegression(solver=solver, callback=lambda info: True, random_state=0).fit(X, Y)
        assert model.suboptimality_ > 0
        early = LogisticRegression(solver=solver, max_iter=3, early_stopping=True, random_state=0).fit(X, Y)
        assert early.suboptimality_ > 0


def test_others_have_no_such_columns():
    search = GridSearchCV(pipeline(RidgeClassifier()), {"model__alpha": [1, 2]}, cv=3).fit(X, Y)
    theirs = sklearn_search.GridSearchCV(pipeline(RidgeClassifier()), {"model__alpha": [1, 2]}, cv=3).fit(X, Y)
    assert search.cv_results_.keys() == theirs.cv_results_.keys()
    mixed = GridSearchCV(pipeline(), {"model": [RidgeClassifier(), LogisticRegression()]}, cv=3).fit(X, Y)
    assert np.isnan(mixed.cv_results_["mean_n_iter"]).tolist() == [True, False]


def test_a_fit_that_fails_has_no_numbers():
    search = GridSearchCV(LogisticRegression(), {"C": [1.0, -1.0]}, cv=3)
    with pytest.warns(FitFailedWarning), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="One or more of the test scores")
        search.fit(X, Y)
    assert search.cv_results_["mean_converged"][0] == 1 and np.isnan(search.cv_results_["split1_n_iter"][1])


def test_pipelines_with_a_memory_report_too(tmp_path):
    model = pipeline(LogisticRegression()).set_params(memory=joblib.Memory(tmp_path, verbose=0))
    search = GridSearchCV(model, {"model__C": [1.0, 2.0]}, cv=3).fit(X, Y)
    assert (search.cv_results_["mean_converged"] == 1).all()


@pytest.mark.parametrize("n_jobs, backend", [(None, None), (2, "threading"), (2, "loky")])
@pytest.mark.parametrize("solver", ["adagrad", "lbfgs"])
def test_one_warning_for_all_fits(solver, n_jobs, backend):
    grid = {"model__C": [1e-6, 0.5, 50.0, 500.0, 5000.0]}
    search = GridSearchCV(pipeline(MODEL).set_params(model__solver=solver, model__max_iter=1, model__tol=1e-7), grid,
                          cv=FOLDS, n_jobs=n_jobs, refit=False)  # fmt: skip
    with joblib.parallel_config(backend) if backend else joblib.parallel_config():
        texts = caught(search)
    failed = 1 - search.cv_results_["mean_converged"]
    assert len(texts) == 1 and (failed > 0).sum() > 3
    assert f"{round(3 * failed.sum())} of 15 fits did not converge, those of {(failed > 0).sum()} of 5" in texts[0]
    assert "{'model__C': 0.5} (3 of 3 folds)" in texts[0] and f"and {(failed > 0).sum() - 3} more" in texts[0]
    assert "did not converge: " in texts[0] and "raise max_iter" in texts[0].lower()


def test_the_warning_points_at_the_caller():
    with pytest.warns(ConvergenceWarning, match="6 of 6 fits did not converge") as found:
        GridSearchCV(MODEL, {"solver": ["adagrad"], "C": [1.0, 2.0]}, cv=3, refit=False).fit(X, Y)
    assert [warning.filename for warning in found] == [__file__]


def test_a_fit_with_an_end_of_its_own_is_not_counted():
    # one that ends as it was asked to does not warn, alone or fitted together with others
    grid = {"solver": ["adamw"], "C": [1.0, 50.0]}
    search = GridSearchCV(MODEL, grid, cv=3, refit=False)
    assert not caught(search) and search.memory_["passes"] == 3
    assert (search.cv_results_["mean_converged"] == 0).all()


def test_other_warnings_pass():
    def transform(X):
        warnings.warn("mind the gap", UserWarning, stacklevel=1)
        return X

    model = Pipeline([("first", FunctionTransformer(transform)), ("model", MODEL)])
    texts = caught(GridSearchCV(model, {"model__solver": ["adagrad"]}, cv=3, refit=False))
    assert len([text for text in texts if "mind the gap" in text]) > 1 and "3 of 3 fits" in texts[-1]


def test_fits_inside_others_are_counted():
    grid = {"estimator__solver": ["adagrad"], "estimator__C": [1.0, 2.0]}
    three = np.digitize(X[:, 0], [-0.5, 0.5])
    texts = caught(GridSearchCV(OneVsRestClassifier(MODEL), grid, cv=FOLDS, refit=False), y=three)
    assert len(texts) == 1 and "6 of 6 fits did not converge" in texts[0]
    inner = GridSearchCV(MODEL, {"C": [1.0, 2.0]}, cv=3, refit=False, scoring="accuracy")
    outer = GridSearchCV(inner, {"estimator__solver": ["adagrad"]}, cv=FOLDS, refit=False, scoring=lambda *_: 1.0)
    texts = caught(outer)
    assert len(texts) == 1 and "3 of 3 fits did not converge" in texts[0]


@pytest.mark.parametrize("rule", [{}, {"message": ".*did not"}, {"module": "joblib"}])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_warnings_that_are_errors_fail_the_fits(rule, n_jobs):
    if n_jobs > 1 and not hasattr(parallel, "_with_config_and_warning_filters"):
        pytest.skip("processes of this scikit-learn do not take the filters of warnings, and threads do")
    grid, found = {"solver": ["adagrad", "lbfgs"], "max_iter": [2], "C": [1e-9, 1.0, 2.0]}, []
    for module in (sklearn_search.GridSearchCV, GridSearchCV):
        search = module(MODEL, grid, cv=FOLDS, n_jobs=n_jobs, refit=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", category=ConvergenceWarning, **rule)
            found.append(search.fit(X, Y).cv_results_["mean_test_score"])
    np.testing.assert_allclose(*found)
    assert np.isnan(found[0]).any() and not np.isnan(found[0]).all()


def test_ignored_warnings_are_ignored():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        GridSearchCV(MODEL, {"solver": ["adagrad"]}, cv=3).fit(X, Y)
