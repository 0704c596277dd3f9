"""Fits with L1 that leave out features while their weights stay 0: the same optimum, and all that a callback sees."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp

from skopt_solvers import LinearSVC, LogisticRegression
from skopt_solvers.solvers import _features_in_play
from skopt_solvers.solvers._pairs import Pairs

from ..reference import text_like

MODELS = {
    "two classes": (LogisticRegression, 2, {}),
    "three classes": (LogisticRegression, 3, {}),
    "one-versus-rest": (LogisticRegression, 3, {"multi_class": "ovr"}),
    "squared hinge": (LinearSVC, 2, {"loss": "squared_hinge"}),
    "elastic net": (LogisticRegression, 2, {"l1_ratio": 0.7}),
    "no intercept": (LogisticRegression, 2, {"fit_intercept": False}),
}


def problem(n_classes=2):
    return text_like(n=150, d=900, n_classes=n_classes)


def model_of(name, **options):
    kind, n_classes, own = MODELS[name]
    options = {"C": 3.0, "l1_ratio": 1.0, "tol": 1e-9, "max_iter": 3000, **own, **options}
    return kind(**options), *problem(n_classes)


def watched(monkeypatch):
    """The numbers of features that the fits from now on make steps on."""
    sizes, begin = [], _features_in_play.FeaturesInPlay._part_of

    def counted(self, rows):
        sizes.append(len(rows))
        return begin(self, rows)

    monkeypatch.setattr(_features_in_play.FeaturesInPlay, "_part_of", counted)
    return sizes


@pytest.mark.parametrize("name", MODELS)
def test_the_optimum_is_that_of_all_features(name, monkeypatch):
    sizes = watched(monkeypatch)
    model, X, y = model_of(name)
    sparse = model.fit(X, y)
    coef, objective = sparse.coef_, sparse.history_[-1]["objective"]
    assert sizes and max(sizes) <= 451 and sparse.converged_
    n_parts = len(sizes)
    dense = model_of(name)[0].fit(X.toarray(), y)  # which has no copy of some features
    assert len(sizes) == n_parts and dense.converged_
    assert objective == pytest.approx(dense.history_[-1]["objective"], rel=1e-8)
    np.testing.assert_allclose(coef, dense.coef_, atol=1e-4 * np.abs(coef).max())
    np.testing.assert_array_equal(coef != 0, dense.coef_ != 0)


def test_features_that_come_into_play_later_are_found():
    # b and c explain what a leaves over, whose gradient at 0 is beyond that of the others
    rng = np.random.RandomState(0)
    a, b = rng.randn(2, 400)
    y = (a + 0.8 * b > 0).astype(int)
    X = np.column_stack([a, 0.05 * b, rng.randn(400, 30) * 0.01])
    model = LogisticRegression(C=30.0, l1_ratio=1.0, tol=1e-9, max_iter=3000).fit(sp.csr_matrix(X), y)
    dense = LogisticRegression(C=30.0, l1_ratio=1.0, tol=1e-9, max_iter=3000).fit(X, y)
    assert model.coef_[0, 1] != 0
    np.testing.assert_allclose(model.coef_, dense.coef_, atol=1e-4 * np.abs(dense.coef_).max())


def test_a_callback_sees_each_iteration_once_with_all_features():
    seen = []
    model, X, y = model_of("two classes", callback=lambda info: seen.append((info.iteration, info.fitted().coef_)))
    model.fit(X, y)
    assert [number for number, _ in seen] == list(range(1, model.n_iter_ + 1))
    assert {coef.shape for _, coef in seen} == {model.coef_.shape}
    np.testing.assert_array_equal(seen[-1][1], model.coef_)
    assert [record["iteration"] for record in model.history_] == list(range(1, model.n_iter_ + 1))


@pytest.mark.parametrize("limit", [1, 4, 9])
def test_a_callback_and_max_iter_end_the_fit(limit):
    stopped, X, y = model_of("two classes", callback=lambda info: info.iteration == limit)
    assert stopped.fit(X, y).n_iter_ == limit
    ended, *_ = model_of("two classes", max_iter=limit)
    with pytest.warns(UserWarning, match=f"max_iter={limit} was reached"):
        assert ended.fit(X, y).n_iter_ == limit
    np.testing.assert_array_equal(ended.coef_, stopped.coef_)


def test_pairs_go_with_their_rows():
    rng = np.random.RandomState(0)
    curvature = rng.rand(6, 1) + 0.5

    def pairs_of(rows):
        scaling = lambda: np.repeat(1 / np.sqrt(curvature[rows]), 2)  # noqa: E731
        return Pairs(3, np.zeros((len(rows), 2)), scaling, 1)

    few, moves = pairs_of([1, 3, 4]), rng.randn(5, 3, 2)
    for before, after in pairwise(moves):
        few.add(after, before, curvature[[1, 3, 4]] * after, curvature[[1, 3, 4]] * before)
    # all features: where there are no pairs, the direction is that of the scaling alone
    whole, gradient = pairs_of(range(6)), rng.randn(6, 2)
    whole.take(few, np.array([1, 3, 4]), np.arange(3))
    direction = whole.direction(gradient, 1.0)
    np.testing.assert_allclose(direction[[1, 3, 4]], few.direction(gradient[[1, 3, 4]].copy(), 1.0))
    rest = [0, 2, 5]
    np.testing.assert_allclose(direction[rest], -few.gamma * gradient[rest] / np.sqrt(curvature[rest]))
