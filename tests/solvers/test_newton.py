"""Newton's method: directions against a Hessian by differences and a dense solve, and fits that it ends."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, load_wine, make_classification

from skopt_solvers import LinearSVC, LogisticRegression
from skopt_solvers.solvers import LBFGS, SDCA
from skopt_solvers.solvers._newton import newton_bytes, newton_way

from ..estimator.test_fit import quiet
from ..names import name_of
from ..objectives.test_objectives import MODELS, table
from ..reference import LOSSES, dense_data, linear_objective, outputs, text_like


def hessian(objective, W, h=1e-6):
    """Of the smooth part, by central differences of the gradient."""
    columns = []
    for e in np.eye(W.size):
        ahead, behind = (objective.value_and_gradient(W + s * h * e.reshape(W.shape))[1] for s in (1, -1))
        columns.append((ahead - behind).ravel() / (2 * h))
    return np.array(columns)


def direction_of(objective, W, way):
    position, D = objective.position(W), np.empty_like(W)
    if way == "direct":
        assert objective.native.newton_direct(position._Z, position.gradient.ravel(), D.ravel())
    else:
        known = position._Z, position.gradient.ravel(), objective.gram(), position.value
        assert objective.native.newton_kernel(*known, 1, D.ravel())
    return D, position.gradient


@pytest.mark.parametrize("way", ["direct", "kernel"])
@pytest.mark.parametrize("name, n_classes", MODELS)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_directions_solve_the_newton_equation(way, name, n_classes, fit_intercept, index):
    X, labels = text_like(n=70, d=11, n_classes=n_classes, index=index)  # 70 rows, a block and a part of one
    weights = np.random.RandomState(1).randint(4, size=70) / 2
    model = dict(n_outputs=outputs(n_classes), fit_intercept=fit_intercept, C=5.0, loss=LOSSES[name])
    objective = linear_objective(X, labels, weights, **model)
    W = 0.3 * table(objective)
    D, gradient = direction_of(objective, W, way)
    if objective.joint:
        # a constant added to all outputs changes nothing where it is not penalised
        np.testing.assert_allclose(D[objective.n_penalised :].sum(), 0, atol=1e-6)
    H = hessian(objective, W)
    np.testing.assert_allclose(H @ D.ravel(), -gradient.ravel(), atol=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_kernel_matrix_is_of_the_samples_that_have_weight(dtype):
    X, labels = text_like(n=37, d=200)
    weights = np.arange(37) % 3
    objective = linear_objective(X.astype(dtype), labels, weights)
    rows = X.toarray()[weights > 0]
    np.testing.assert_allclose(
        objective.gram().reshape(len(rows), -1), rows @ rows.T, rtol=1e-5 if dtype == np.float32 else 1e-14
    )


@pytest.mark.parametrize("name, n_classes", [("logistic", 2), ("logistic", 3), ("softmax", 3), ("squared_hinge", 2)])
def test_directions_have_the_same_bits_for_any_number_of_threads(name, n_classes):
    X, labels = dense_data(n=30_000, d=7, n_classes=n_classes)
    directions = []
    for n_threads in (1, 2, 3):
        objective = linear_objective(X, labels, n_outputs=outputs(n_classes), n_threads=n_threads, loss=LOSSES[name])
        W = 0.1 * table(objective)
        Z, D = np.empty((len(labels), W.shape[1])).ravel(), np.empty_like(W)
        objective.native.margins(W.ravel(), Z)
        objective.native.newton_direct(Z, table(objective, seed=1).ravel(), D.ravel())
        directions.append(D)
    np.testing.assert_array_equal(directions[0], directions[1])
    np.testing.assert_array_equal(directions[0], directions[2])


@pytest.mark.parametrize("name, n_classes", MODELS)
def test_directions_in_float32_are_near(name, n_classes):
    X, labels = dense_data(n_classes=n_classes)
    found = []
    for dtype in (np.float32, np.float64):
        objective = linear_objective(X.astype(dtype), labels, n_outputs=outputs(n_classes), loss=LOSSES[name])
        found.append(direction_of(objective, np.zeros(objective.shape, dtype), "direct")[0])
    np.testing.assert_allclose(*found, atol=0.02 * np.abs(found[1]).max())


def test_parameters_without_curvature_and_gradient_stay_where_they_are():
    """Two equal columns, one of zeros, and no penalty."""
    X, labels = dense_data()
    doubled = sp.hstack([X, X[:, :1], sp.csr_matrix((X.shape[0], 1))], format="csr")
    one, two = (linear_objective(x, labels, C=np.inf) for x in (X, doubled))
    D, D_two = (direction_of(o, np.zeros(o.shape), "direct")[0].ravel() for o in (one, two))
    np.testing.assert_allclose(D_two[:6] + np.append(D_two[6], [0.0] * 5), D[:6], rtol=1e-8)
    assert D_two[7] == 0
    model = LogisticRegression(C=np.inf, tol=1e-9).fit(doubled, labels)
    single = LogisticRegression(C=np.inf, tol=1e-9).fit(X, labels)
    np.testing.assert_allclose(model.decision_function(doubled), single.decision_function(X), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", ["smoothed_hinge", "squared_hinge", "modified_huber"])
@pytest.mark.parametrize("C", [1e-3, 1e-2, 1.0])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.98])
def test_an_intercept_without_curvature_goes_down_its_gradient(loss, C, share):
    """Where one class is rare and the penalty strong, all margins are on straight pieces of a hinge."""
    for seed in range(4):
        X, y = make_classification(500, 10, weights=[share], random_state=seed)
        model = LinearSVC(loss=loss, C=C, solver="lbfgs", tol=1e-8).fit(X, y)
        assert model.converged_
        assert model.suboptimality_bound(X, y) <= 1e-8 * model.history_[-1]["objective"]


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, load_iris])
@pytest.mark.parametrize("C", [0.01, 1.0, 1000.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        LogisticRegression(multi_class="ovr"),
        LinearSVC(),
        LinearSVC(loss="smoothed_hinge"),
        LinearSVC(loss="modified_huber"),
    ],
)
def test_features_of_any_scale(load, C, dtype, model):
    """Without a scaler: areas of thousands beside fractions of one."""
    X, y = load(return_X_y=True)
    model = quiet(model.set_params(C=C, tol=1e-6), X.astype(dtype), y)
    if dtype == np.float64:
        assert model.converged_
        assert model.suboptimality_bound(X, y) <= 100 * model.tol * model.history_[-1]["objective"]
    # in float32 such a gradient may be rounding
    pairs = quiet(model.__class__(**{**model.get_params(), "solver": LBFGS(newton=False)}), X.astype(dtype), y)
    assert model.history_[-1]["objective"] <= pairs.history_[-1]["objective"] * (1 + 1e-6)
    assert model.score(X, y) > 0.75


def test_the_ways():
    """Which problems have Newton's steps, and by which way."""
    X, labels = text_like(n=400, d=150)

    def way(n_features, n_samples=400, dtype=np.float64, **options):
        return newton_way(linear_objective(X[:n_samples, :n_features].astype(dtype), labels[:n_samples], **options))

    assert way(100) == way(100, dtype=np.float32) == way(100, C=np.inf) == "direct"
    assert way(101) == "kernel" and way(101, dtype=np.float32) is way(101, C=np.inf) is None
    assert way(100, l1_ratio=0.5) is way(100, loss=LOSSES["hinge"]) is None
    three = dict(n_outputs=3, loss=LOSSES["softmax"])
    assert way(33, **three) == "direct" and way(34, **three) is None and way(34, n_samples=166, **three) == "kernel"
    assert way(33, C=np.inf, **three) is None
    many = dict(n_outputs=104)
    assert way(100, n_samples=4, **many) == "kernel" and way(99, n_samples=4, **many) == "direct"


def one_hot(n=3000, sizes=(40, 50, 60)):
    rng, width = np.random.RandomState(0), sum(sizes)
    columns = np.column_stack([rng.randint(size, size=n) for size in sizes]) + np.cumsum((0, *sizes[:-1]))
    X = sp.csr_matrix(
        (rng.rand(n, len(sizes)).ravel() + 0.5, columns.ravel(), np.arange(n + 1) * len(sizes)), (n, width)
    )
    return X, (X @ rng.randn(width, 3) + 0.3 * rng.randn(n, 3)).argmax(axis=1).astype(np.int32)


@pytest.mark.parametrize("loss, K", [("logistic", 1), ("logistic", 3), ("softmax", 3), ("squared_hinge", 1)])
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("unsorted", [False, True])
def test_the_hessian_of_few_entries_is_that_of_dense_rows(kernels, loss, K, n_threads, unsorted):
    X, labels = one_hot()
    given = sp.csr_matrix((X.data[::-1], X.indices[::-1], X.indptr), X.shape)[::-1] if unsorted else X
    options = dict(n_outputs=K, loss=LOSSES[loss], C=3.0, n_threads=n_threads)
    W = np.random.RandomState(1).randn(151, K)
    sparse, dense = (
        linear_objective(x, labels % max(K, 2), **options).position(W).newton_direction("direct")
        for x in (given, given.toarray())
    )
    np.testing.assert_allclose(sparse, dense, rtol=1e-7, atol=1e-9)


def test_few_entries_of_some_hundred_features_have_newton_s_steps():
    X, y = one_hot(20_000, (80, 80, 80))
    y = y % 2
    model = quiet(LogisticRegression(C=10, tol=1e-6), X, y)
    pairs = quiet(LogisticRegression(C=10, tol=1e-6, solver=LBFGS(newton=False), max_iter=500), X, y)
    assert "newton" in {record["phase"] for record in model.history_} and model.converged_
    assert {record["phase"] for record in pairs.history_} == {"start", "dual", "lbfgs"}
    assert model.history_[-1]["objective"] <= pairs.history_[-1]["objective"] * (1 + 1e-6)
    assert LBFGS().newton_way(linear_objective(X.toarray(), y)) is None
    assert LBFGS().newton_way(linear_objective(X, y, l1_ratio=0.5)) is None


def test_newton_false_is_another_way_to_the_same_weights():
    X, y = load_iris(return_X_y=True)
    models = [
        model(solver=LBFGS(newton=newton), max_iter=1000, tol=1e-8).fit(X, y)
        for model in (LogisticRegression, LinearSVC)
        for newton in ("auto", False)
    ]
    for with_newton, without in (models[:2], models[2:]):
        assert with_newton.n_iter_ < without.n_iter_ / 2
        np.testing.assert_allclose(with_newton.coef_, without.coef_, atol=1e-6)


@pytest.mark.parametrize("model", [LinearSVC(), LogisticRegression()], ids=name_of)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("offset", [1e3, -1e5, 1e6, 1e7])
def test_columns_may_be_far_from_0(model, classes, offset):
    X, y = make_classification(500, 10, n_informative=5, n_classes=classes, random_state=0)
    near = clone(model).set_params(tol=1e-8).fit(X, y)
    far = clone(model).fit(X + offset, y)
    assert far.converged_ and far.n_iter_ < 40
    assert far.history_[-1]["objective"] == pytest.approx(near.history_[-1]["objective"], rel=1e-5)
    assert far.score(X + offset, y) == pytest.approx(near.score(X, y), abs=0.01)


def test_steps_are_newton_s():
    """The error of a step is of the order of the square of the one before."""
    X, labels = dense_data(n=500, d=20)
    weights = []
    model = LogisticRegression(tol=1e-12, callback=lambda info: weights.append(info.fitted().coef_))
    quiet(model, X, labels)
    errors = [np.abs(W - weights[-1]).max() for W in weights[:-1]]
    assert len(errors) <= 6 and errors[-1] < errors[-2] ** 1.5


def test_sdca_ends_with_newton_s_method_where_there_are_few_features():
    X, labels = dense_data(n=1000, d=5)
    model = LinearSVC(solver=SDCA(), random_state=0).fit(X, labels)
    assert model.converged_ and model.n_iter_ <= 10
    assert model.suboptimality_bound(X, labels) < 1e-12 * model.history_[-1]["objective"]


def test_the_hessian_takes_no_more_than_is_predicted():
    objective = linear_objective(*text_like(n=200, d=100, n_classes=100), n_outputs=100, loss=LOSSES["logistic"])
    assert newton_way(objective) == "direct"
    # 100 blocks of 104 x 104, and a block in the making
    assert 8 * (100 * 104**2 + 101**2) < newton_bytes(objective, "direct") < 2**26
    assert LBFGS().peak_bytes(objective) > newton_bytes(objective, "direct")


def test_an_unknown_newton():
    with pytest.raises(ValueError, match="newton must be 'auto' or False, got True"):
        LogisticRegression(solver=LBFGS(newton=True)).fit([[0.0], [1.0]], [0, 1])


def test_a_table_of_nothing():
    objective = linear_objective(sp.csr_matrix((3, 0)), np.array([0, 1, 1], np.int32), fit_intercept=False)
    assert objective.native.newton_direct(np.zeros(3), np.empty(0), np.empty(0))


@pytest.mark.parametrize("weights", [np.zeros(3), np.ones(3)])
def test_a_kernel_of_nothing(weights):
    objective = linear_objective(sp.csr_matrix((3, 2)), np.array([0, 1, 1], np.int32), weights, total=3.0)
    D = np.empty(3)
    assert objective.native.newton_kernel(np.zeros(3), np.zeros(3), objective.gram(), 1.0, 3, D)
    np.testing.assert_array_equal(D, 0)
