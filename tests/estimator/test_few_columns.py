"""Fits of few samples over many features: what no sample has stays out of the tables, and nobody can tell."""

import numpy as np
import pytest
import scipy.sparse as sp

from skopt_solvers import LinearSVC, LogisticRegression
from skopt_solvers.solvers import LBFGS, Result, Solver

from ..reference import NAMES, every_column, text_like
from .test_callbacks import interrupts_at
from .test_fit import quiet

X, Y = text_like(n=80, n_classes=3)
COLUMNS = np.sort(np.random.RandomState(0).choice(50_000, X.shape[1], replace=False))
PRESENT = X.getnnz(axis=0) > 0
X, COLUMNS = X[:, PRESENT], COLUMNS[PRESENT]
WIDE = sp.csr_matrix((X.data, COLUMNS[X.indices], X.indptr), shape=(X.shape[0], 50_000))


def assert_same(wide, narrow):
    coef = np.zeros((narrow.coef_.shape[0], 50_000))
    coef[:, COLUMNS] = narrow.coef_
    np.testing.assert_array_equal(wide.coef_, coef)
    np.testing.assert_array_equal(wide.intercept_, narrow.intercept_)
    assert wide.n_features_in_ == 50_000 and wide.stop_reason_ == narrow.stop_reason_
    assert [record["objective"] for record in wide.history_] == [record["objective"] for record in narrow.history_]


@pytest.mark.parametrize("solver", NAMES)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", [LogisticRegression, LinearSVC])
def test_the_fit_is_that_of_the_columns_that_are_there(kind, solver, fit_intercept):
    model = kind(solver=solver, fit_intercept=fit_intercept, max_iter=8, random_state=0)
    narrow = quiet(model, X, Y).__dict__.copy()
    wide = quiet(kind(**model.get_params()), WIDE, Y)
    model.__dict__.update(narrow)
    assert_same(wide, model)
    np.testing.assert_array_equal(wide.predict(WIDE), model.predict(X))


@pytest.mark.parametrize("solver", ["lbfgs", "adam"])
@pytest.mark.parametrize("given", [0, 20])
def test_what_watches_the_fit_sees_all_features(solver, given):
    shown = []
    options = dict(solver=solver, max_iter=20, tol=1e-3, random_state=0, early_stopping=True, n_iter_no_change=3)
    wide = LogisticRegression(**options, callback=lambda info: shown.append(info.fitted()))
    wide.fit(WIDE, Y, **(dict(X_val=WIDE[:given], y_val=Y[:given]) if given else {}))
    narrow = LogisticRegression(**options).fit(X, Y, **(dict(X_val=X[:given], y_val=Y[:given]) if given else {}))
    assert_same(wide, narrow)
    assert len(shown) == wide.n_iter_ and all(model.coef_.shape == (3, 50_000) for model in shown)
    assert shown[-1].score(WIDE, Y) == pytest.approx(wide.score(WIDE, Y), abs=0.1)


def test_an_interrupted_fit_has_all_features():
    options = dict(interrupt="keep", random_state=0, tol=1e-9, callback=interrupts_at(3))
    assert_same(*(quiet(LogisticRegression(**options), data, Y) for data in (WIDE, X)))


@pytest.mark.parametrize("solver", ["lbfgs", "adagrad"])
def test_a_warm_start_knows_what_the_samples_before_had(solver):
    model = LogisticRegression(solver=solver, warm_start=True, max_iter=3, tol=0, random_state=0)
    quiet(quiet(model, WIDE[:40], Y[:40]), WIDE, Y)
    other = LogisticRegression(solver=solver, warm_start=True, max_iter=3, tol=0, random_state=0)
    quiet(quiet(other, X[:40], Y[:40]), X, Y)
    # the sums over the table are formed in parts, and the other features lie between
    tolerance = dict(rtol=1e-8, atol=1e-10) if solver == "lbfgs" else dict(rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(model.coef_[:, COLUMNS], other.coef_, **tolerance)


class Shapes(Solver):
    """Not a solver: notes the table that it is given."""

    shapes = []

    def minimize(self, objective, W, **options):
        self.shapes.append(W.shape)
        return Result(W, 1, True, "noted")


def test_a_solver_has_a_table_of_these_columns_alone():
    for data, warm_start in ((WIDE, False), (WIDE, True), (X, False)):
        quiet(LogisticRegression(solver=Shapes(), warm_start=warm_start), data, Y)
    n = X.shape[1] + 1
    assert Shapes.shapes == [(n, 3), (50_001, 3), (n, 3)]


def test_where_most_columns_are_there_nothing_is_copied(monkeypatch):
    kept = []
    minimize = LBFGS.minimize
    monkeypatch.setattr(LBFGS, "minimize", lambda self, f, W, **o: kept.append(f.X) or minimize(self, f, W, **o))
    full = sp.hstack([every_column(80, 5000), sp.csr_matrix((80, 1000))], format="csr")
    quiet(LogisticRegression(max_iter=2), full, Y)
    assert kept[0] is full
