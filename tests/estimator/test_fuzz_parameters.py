"""Parameters and numbers beyond all reason: an error that names one of them, or a fit whose weights are finite."""

import numpy as np
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.model_selection import C_path
from skopt_solvers.objectives import SVC_LOSSES
from skopt_solvers.solvers import LBFGS, SOLVERS

from ..fuzzing import assert_usable, attempt, examples
from ..reference import STOCHASTIC_NAMES

RNG = np.random.RandomState(0)
DENSE = np.where(RNG.rand(24, 5) < 0.6, RNG.randn(24, 5), 0.0)
LABELS = np.arange(24) % 3
LENGTHS = [3, 1, 0, 7, 5, 2, 6]

odd = st.sampled_from(
    [None, "auto", "1", b"1", True, np.True_, 1j, [1.0], np.array([1.0, 2.0]), np.nan, (), {}, object()]
)
magnitudes = st.sampled_from(
    [0, -0.0, 1, 2, -1, 5e-324, 1e-310, 1e-300, 1e-150, 1e-45, 1e-30, 1e-8, 0.5, 0.999, 1.0, 3.5, 1e8, 1e30, 1e38,
     1e150, 1e300, np.inf, -np.inf, np.nan, 10**400, np.float32(1e30), np.float16(1), np.int8(3), 2**31, 10**9]
)  # fmt: skip
value = st.one_of(magnitudes, magnitudes, odd)


def wild_schedule(kind):
    return {
        "nan": lambda t: np.full(np.shape(t), np.nan),
        "negative": lambda t: -np.ones(np.shape(t)),
        "huge": lambda t: np.full(np.shape(t), 1e300),
        "shape": lambda t: np.ones(np.size(t) + 1),
        "table": lambda t: np.ones((2, 3)),
        "none": lambda t: None,
        "text": lambda t: "fast",
        "complex": lambda t: np.ones(np.shape(t)) * 1j,
        "zero": lambda t: 0.0,
        "late nan": lambda t: np.where(np.asarray(t) < 1, 1.0, np.nan),
    }[kind]


schedules = st.one_of(
    st.sampled_from(["auto", "constant", "cosine", "inverse_sqrt", "no such", "", None, 3, object()]),
    st.sampled_from(["nan", "negative", "huge", "shape", "table", "none", "text", "complex", "zero", "late nan"]).map(
        wild_schedule
    ),
)
counts = st.one_of(st.sampled_from([0, 1, 2, 3, 10**9, 2**31, 2**63, 10**30, -1, "auto"]), value)


@st.composite
def solvers(draw):
    """A solver with some parameters that are absurd."""
    cls = draw(st.sampled_from(list(SOLVERS.values())))
    names = cls._get_param_names()
    chosen = draw(st.sets(st.sampled_from(names), max_size=3)) if names else ()
    parameters = {}
    for name in sorted(chosen):
        kind = {
            "schedule": schedules,
            "batch_size": counts,
            "start_epochs": st.sampled_from([0, 1, 3, -1, "auto", 0.5]),
            "memory": st.sampled_from([1, 2, 7, 0, -1, 1.5, "auto", None]),
            "evaluate_every": counts,
            "newton": st.sampled_from(["auto", False, True, 0, None]),
        }
        parameters[name] = draw(kind.get(name, value))
    return cls(**parameters)


names = st.sampled_from([*SOLVERS, "no such", None, 3, LBFGS])
scales = st.sampled_from(
    [
        0.0,
        5e-324,
        1e-310,
        1e-300,
        1e-160,
        1e-40,
        1e-20,
        1.0,
        1e3,
        1e18,
        1e20,
        1e30,
        1e38,
        1e100,
        1e150,
        1e160,
        1e300,
        1.7e308,
    ]
)


@st.composite
def matrices(draw):
    """Finite numbers of any magnitude, float32 or float64."""
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    X = DENSE.copy()
    columns = draw(st.lists(st.sampled_from(range(5)), max_size=2))
    with np.errstate(all="ignore"):
        X[:, columns] *= draw(scales)
        if draw(st.booleans()):
            X[draw(st.integers(0, 23))] *= draw(scales)
        if draw(st.booleans()):
            X *= draw(scales)
        most = 0.9 * float(np.finfo(dtype).max)
        X = np.clip(X, -most, most).astype(dtype)
    return X if draw(st.booleans()) else sp.csr_matrix(X)


@st.composite
def weights(draw, n):
    kind = draw(st.sampled_from(["none", "none", "scaled", "one", "mixed", "text", "shape"]))
    if kind == "none":
        return None
    if kind == "text":
        return draw(odd)
    if kind == "shape":
        return np.ones(draw(st.sampled_from([0, 1, n - 1, n + 1, (n, 1), (n, 2)])))
    w = np.ones(n)
    extreme = st.sampled_from(
        [0.0, -0.0, 5e-324, 1e-310, 1e-300, 1e-45, 1e-20, 1e20, 1e40, 1e150, 1e300, 1.7e308, -1.0, np.nan, np.inf]
    )
    if kind == "scaled":
        w *= draw(extreme)
    elif kind == "one":
        w[draw(st.integers(0, n - 1))] = draw(extreme)
    else:
        w[:] = draw(st.lists(extreme, min_size=n, max_size=n))
    return w


class_weights = st.one_of(
    st.sampled_from([None, None, "balanced", "even", 3, {}, {0: 1e300, 1: 1e-300, 2: 0}, {0: -1}, {0: np.nan},
    {0: np.inf},
                     {5: 1.0}, {"a": 1}, {None: 1}, {0: None}, {0: "1"}, {0: [1, 2]}, {0: 0, 1: 0, 2: 0}, [1, 2, 3],
                     {0: 1e300, 1: 1e300}])
)  # fmt: skip

PARAMETERS = {
    "C": value,
    "l1_ratio": st.one_of(st.sampled_from([0, 0.5, 1, 1e-300, 1 - 1e-16, 1.0000001, -1e-300]), value),
    "tol": value,
    "max_iter": st.one_of(st.sampled_from([0, 1, 2, 5, -1, 2.0]), odd),
    "n_jobs": st.sampled_from([None, 1, 2, 0, -1, -(10**6), 3, 10**6, 1.5, "2", np.int64(2), True, 2**70, -(2**70)]),
    "random_state": st.sampled_from(
        [
            None,
            0,
            2**32 - 1,
            2**32,
            -1,
            1.5,
            "seed",
            np.random,
            np.random.RandomState(0),
            np.random.default_rng(0),
            True,
        ]
    ),
    "early_stopping": st.sampled_from([False, True, None, "yes", 1]),
    "validation_fraction": value,
    "scoring": st.sampled_from([None, "accuracy", "entity_f1", "no such", 3, lambda *args: 0.5, lambda *args: np.nan]),
    "n_iter_no_change": counts,
    "warm_start": st.sampled_from([False, True, None, "yes"]),
    "class_weight": class_weights,
    "verbose": st.sampled_from([0, False, -1, None, "loud", 1.5]),
    "max_time": st.one_of(st.sampled_from([1e-300, 1e-9, 1e300]), value),
    "interrupt": st.sampled_from(["raise", "keep", "no", None]),
    "callback": st.sampled_from([None, 3, lambda info: None, lambda info: True, lambda info: np.nan]),
    "fit_intercept": st.sampled_from([True, False, None, 2]),
}
CHAIN = {
    "state_features": st.sampled_from(["all", "observed", "some", None]),
    "transitions": st.sampled_from(["all", "observed", 3]),
    "fit_boundaries": st.sampled_from([True, False, None]),
    "constraints": st.one_of(
        st.sampled_from(["bio", "none", None, np.ones((3, 3), bool), np.zeros((3, 3), bool), np.ones((2, 3)),
        np.eye(3), np.full((3, 3), np.nan),
                         lambda a, b: True, lambda a, b: None, lambda a, b: a < b, lambda a, b: np.array([1, 2]),
                         [[1, 0], [1]], 3])
    ),
    "input": st.sampled_from(["auto", "sequences", "flat"]),
}  # fmt: skip


@st.composite
def parameters(draw, model):
    possible = {**PARAMETERS, **(CHAIN if model is LinearChainCRF else {})}
    if model is LinearChainCRF:
        del possible["fit_intercept"]
    if model is LinearSVC:
        possible["loss"] = st.sampled_from([*SVC_LOSSES, "log"])
        possible["multi_class"] = st.sampled_from(["ovr", "crammer_singer", "softmax"])
    if model is LogisticRegression:
        possible["multi_class"] = st.sampled_from(["softmax", "ovr", "ovo", None])
    chosen = draw(st.sets(st.sampled_from(sorted(possible)), max_size=3))
    given = {name: draw(possible[name]) for name in sorted(chosen)}
    given.setdefault("max_iter", draw(st.sampled_from([1, 3, 25])))
    return {**given, "solver": draw(st.one_of(names, solvers(), solvers()))}


def data_for(model, X):
    if model is not LinearChainCRF:
        return X, LABELS
    ends = np.cumsum(LENGTHS)
    return [X[e - n : e] for n, e in zip(LENGTHS, ends, strict=True)], [
        LABELS[e - n : e] for n, e in zip(LENGTHS, ends, strict=True)
    ]


@examples(120)
@given(data=st.data(), model=st.sampled_from([LogisticRegression, LinearSVC, LinearChainCRF]))
def test_absurd_parameters_and_magnitudes(data, model):
    X, y = data_for(model, data.draw(matrices()))
    estimator = model(**data.draw(parameters(model)))
    w = data.draw(weights(len(y)))
    fitted = attempt(estimator.fit, X, y, sample_weight=w, estimator=estimator)
    if fitted is None:
        return
    assert_usable(estimator, X)
    for method in ("predict_proba", "suboptimality_bound", "score", "predict_topk"):
        if method == "suboptimality_bound" or method == "score":
            attempt(getattr(estimator, method), X, y)
        elif hasattr(estimator, method):
            attempt(getattr(estimator, method), X, **({"k": 2} if method == "predict_topk" else {}))


@examples(120)
@given(data=st.data(), model=st.sampled_from([LogisticRegression, LinearSVC, LinearChainCRF]))
def test_absurd_streams(data, model):
    """Calls of partial_fit; one that fails leaves the state of those before as it was."""
    solver = data.draw(st.one_of(st.sampled_from(STOCHASTIC_NAMES), solvers()))
    given = {**data.draw(parameters(model)), "solver": solver, "max_iter": 3, "early_stopping": False}
    estimator = model(**given)
    if not hasattr(estimator, "partial_fit"):
        return
    for _ in range(data.draw(st.integers(1, 4))):
        X, y = data_for(model, data.draw(matrices()))
        classes = data.draw(
            st.sampled_from([[0, 1, 2], [0, 1, 2], None, [0, 1, 2, 3], [0, 1], [], "ab", [0, None], [[0, 1, 2]]])
        )
        attempt(
            estimator.partial_fit, X, y, classes=classes, sample_weight=data.draw(weights(len(y))), estimator=estimator
        )
        if hasattr(estimator, "coef_"):
            assert_usable(estimator, X)


@examples(25)
@given(data=st.data(), model=st.sampled_from([LogisticRegression, LinearSVC, LinearChainCRF]))
def test_absurd_paths(data, model):
    X, y = data_for(model, data.draw(matrices()))
    given = data.draw(parameters(model))
    given.update(max_iter=5, n_jobs=data.draw(st.sampled_from([None, 1, 2])))
    Cs = data.draw(st.one_of(st.lists(magnitudes, max_size=3), odd))
    cv = data.draw(
        st.sampled_from(
            [
                2,
                3,
                1,
                0,
                10**9,
                None,
                "two",
                [([0], [1])],
                [([0, 1, 2, 3], [4, 5, 6])],
                [([], [0])],
                [([0, 1], [10**9])],
            ]
        )
    )
    w = data.draw(weights(len(y)))
    path = attempt(C_path, model(**given), X, y, Cs, cv=cv, sample_weight=w, return_coefs=data.draw(st.booleans()))
    if path is not None:
        assert_usable(path.best_estimator, X)


@examples(25)
@given(data=st.data(), model=st.sampled_from([LogisticRegression, LinearSVC, LinearChainCRF]))
def test_a_second_fit_that_fails_leaves_the_first(data, model):
    X, y = data_for(model, DENSE)
    solver = data.draw(st.sampled_from(["lbfgs", "adam", "momentum"]))
    estimator = model(solver=solver, max_iter=2, random_state=0, warm_start=data.draw(st.booleans()))
    assert attempt(estimator.fit, X, y) is estimator
    estimator.set_params(**data.draw(parameters(model)))
    X2, y2 = data_for(model, data.draw(matrices()))
    attempt(estimator.fit, X2, y2, sample_weight=data.draw(weights(len(y))), estimator=estimator)
    assert_usable(estimator, X)
