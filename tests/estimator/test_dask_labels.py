"""Several labels a sample on dask arrays: the fit of one process, whatever the blocks."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from distributed import Client
from sklearn.base import clone

from skopt_solvers import LinearSVC, LogisticRegression

from ..reference import text_like
from .test_dask_fit import WEIGHTS, X, Y, rows

LABELS = np.column_stack([Y == 0, Y <= 1, Y == 2, X[:, [3]].toarray().ravel() > 0]).astype(int)
MODELS = {
    "logistic": LogisticRegression(C=2.0),
    "balanced": LogisticRegression(class_weight="balanced"),
    "weighed": LinearSVC(C=0.1, class_weight={0: 0.5, 1: 3.0}),
    "L1": LogisticRegression(l1_ratio=1.0, fit_intercept=False),
}


def exact(name):
    return clone(MODELS[name]).set_params(tol=1e-10, max_iter=3000)


def assert_same(there, here):
    np.testing.assert_allclose(there.coef_, here.coef_, atol=1e-5 * np.abs(here.coef_).max())
    np.testing.assert_allclose(there.intercept_, here.intercept_, atol=1e-5 * max(1, np.abs(here.intercept_).max()))
    assert there.classes_.tolist() == here.classes_.tolist() and there.multilabel_ and here.multilabel_
    assert there.history_[-1]["objective"] == pytest.approx(here.history_[-1]["objective"], rel=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["all", "weighted"])
@pytest.mark.parametrize("name", MODELS)
def test_labels_in_blocks_give_the_fit_of_all(name, weights):
    here, there = exact(name).fit(X, LABELS, weights), exact(name)
    there.fit(rows(X), rows(LABELS), None if weights is None else rows(weights))
    assert_same(there, here)


@pytest.mark.parametrize("form", ["array", "lists", "csr", "dask csr", "dask, columns in two blocks"])
def test_forms_of_labels(form):
    given = {
        "array": lambda: LABELS,
        "lists": lambda: LABELS.tolist(),
        "csr": lambda: sp.csr_array(LABELS),
        "dask csr": lambda: rows(sp.csr_matrix(LABELS)),
        "dask, columns in two blocks": lambda: da.from_array(LABELS, chunks=(100, 2)),
    }[form]()
    parts = rows(X, [0, 100, 200, 240]) if "two" in form else rows(X)
    here = LogisticRegression(tol=1e-10).fit(X, sp.csr_matrix(LABELS) if "csr" in form else LABELS)
    there = LogisticRegression(tol=1e-10).fit(parts, given)
    assert_same(there, here)
    ours, theirs = there.predict(X), here.predict(X)
    assert sp.issparse(ours) == sp.issparse(theirs) == ("csr" in form)
    if "csr" in form:
        ours, theirs = ours.toarray(), theirs.toarray()
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(there.decision_function(parts).compute(), there.decision_function(X))


def test_a_label_that_is_constant_in_some_blocks_is_fitted_and_one_in_all_is_not():
    labels = np.column_stack([LABELS, np.arange(240) < 50, np.ones(240, int), np.zeros(240, int)])
    here, there = (LogisticRegression(tol=1e-10, max_iter=1000) for _ in range(2))
    with pytest.warns(UserWarning, match=r"labels that no sample has: \[6\], and that all have: \[5\]"):
        here.fit(X, labels)
    with pytest.warns(UserWarning, match=r"labels that no sample has: \[6\], and that all have: \[5\]") as caught:
        there.fit(rows(X), rows(labels))
    assert caught[0].filename == __file__
    assert_same(there, here)
    assert there.coef_[4].any() and not there.coef_[5:].any()
    # a fit from there has nothing left to do
    with pytest.warns(UserWarning, match="no sample has"):
        there.set_params(warm_start=True, tol=1e-6).fit(rows(X), rows(labels))
    assert there.n_iter_ == 0


def test_predictions_scores_and_early_stopping():
    model = LogisticRegression().fit(rows(X), rows(LABELS))
    assert model.score(rows(X), rows(LABELS)) == model.score(X, LABELS) > 0.3
    np.testing.assert_array_equal(model.predict(rows(X)).compute(), model.predict(X))
    np.testing.assert_allclose(model.predict_proba(rows(X)).compute(), model.predict_proba(X))
    model.set_params(early_stopping=True, max_iter=50).fit(rows(X), LABELS, X_val=X, y_val=LABELS)
    assert model.history_[-1]["validation_score"] == pytest.approx(model.score(X, LABELS), abs=0.05)
    # one class a row again
    model.set_params(early_stopping=False).fit(rows(X), rows(Y))
    assert not model.multilabel_ and model.predict(X).shape == (240,)


def test_on_a_cluster():
    with Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=":0"):
        there = exact("balanced").fit(rows(X), rows(LABELS))
        found = there.predict(rows(X)).compute()
    assert_same(there, exact("balanced").fit(X, LABELS))
    np.testing.assert_array_equal(found, there.predict(X))


def of_block(cut, change):
    """Labels of which the block of so many rows is changed."""
    make = lambda y: change(y) if len(y) == cut else y  # noqa: E731
    return da.map_blocks(make, rows(LABELS), dtype=int, meta=LABELS[:0])


REFUSED = {
    "y must have the same labels in all blocks, got 3, 4 columns": lambda m: m.fit(
        rows(X), of_block(60, lambda y: y[:, :3])
    ),
    "one class a row or an indicator matrix in all blocks": lambda m: m.fit(rows(X), of_block(60, lambda y: y[:, 0])),
    "or an indicator matrix of 0 and 1": lambda m: m.fit(rows(X), of_block(60, lambda y: 2 * y)),
    "with one row for each of the 240 of X, got": lambda m: m.fit(rows(X), LABELS[:-1]),
    "must be an array or dask array that is 1-D or an indicator": lambda m: m.fit(rows(X), rows(LABELS[:, :, None])),
    "sample_weight must be an array or dask array that is 1-D, got": lambda m: m.fit(
        rows(X), LABELS, rows(np.ones((240, 1)))
    ),
    "sample_weight must have a positive entry": lambda m: m.fit(rows(X), LABELS, 0 * WEIGHTS),
    "class_weight must be non-negative": lambda m: m.set_params(class_weight={0: -1.0}).fit(rows(X), LABELS),
    "solver='adagrad' visits samples": lambda m: m.set_params(solver="adagrad").fit(rows(X), rows(LABELS)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_is_refused_and_changes_nothing(message):
    model = LogisticRegression().fit(*text_like(n=50, d=10))
    fitted = {name: value for name, value in vars(model).items() if name.endswith("_")}
    with pytest.raises(ValueError, match=message):
        REFUSED[message](model)
    assert all(getattr(model, name) is value for name, value in fitted.items()) and not model.multilabel_
