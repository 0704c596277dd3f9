"""The learning-rate range test: its losses are those of a fit whose rate grows, and its suggestion is of use."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.model_selection import lr_range_test
from skopt_solvers.solvers import SOLVERS, AdaGrad, Adam, Momentum, StochasticSolver

from ..reference import EXACT_NAMES, STOCHASTIC_NAMES, text_like

DIGITS = load_digits().data / 16, load_digits().target
TEXT = text_like(n=2000, d=300, length=12, seed=1)
WEIGHTS = np.random.RandomState(0).randint(0, 3, len(TEXT[1])).astype(float)


def quiet(estimator, *data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(*data, **options)


@pytest.mark.filterwarnings("ignore:the loss is least at one of the last steps")
@pytest.mark.parametrize("model", [LogisticRegression, LinearSVC])
@pytest.mark.parametrize("name", STOCHASTIC_NAMES)
def test_losses_are_those_of_a_fit_whose_rate_grows(model, name):
    (X, y), n_steps = TEXT, 130
    solver = SOLVERS[name](batch_size=40)
    found = lr_range_test(
        model(solver=solver, random_state=3),
        X,
        y,
        WEIGHTS,
        min_lr=1e-4,
        max_lr=1.0,
        n_steps=n_steps,
        stop_factor=np.inf,
    )
    n_batches = -(-np.count_nonzero(WEIGHTS) // 40)
    growing = clone(solver).set_params(
        learning_rate=1e-4, schedule=lambda t: 1e4 ** (t * n_batches / (n_steps - 1)), record="step"
    )
    assert n_batches < n_steps < 4 * n_batches
    fit = quiet(
        model(solver=growing, max_iter=4, tol=0, n_iter_no_change=9, random_state=3), X, y, sample_weight=WEIGHTS
    )
    losses = np.concatenate([record["step_losses"] for record in fit.history_])[:n_steps]
    np.testing.assert_allclose(found.losses, losses, rtol=1e-9)
    np.testing.assert_allclose(found.learning_rates, np.geomspace(1e-4, 1.0, n_steps))
    assert not found.stopped


@pytest.mark.parametrize("data", [DIGITS, TEXT], ids=["digits", "text"])
@pytest.mark.parametrize("name", [name for name in STOCHASTIC_NAMES if name in EXACT_NAMES])
def test_the_suggestion_is_near_the_best_of_a_grid(name, data):
    """Three epochs at the suggested rate leave little more than at the best of nine rates over four decades."""
    estimator = LogisticRegression(solver=SOLVERS[name](schedule="constant"), max_iter=3, tol=0, random_state=0)
    found = lr_range_test(estimator, *data)

    def objective(rate):
        try:
            return quiet(clone(estimator).set_params(solver__learning_rate=rate), *data).history_[-1]["objective"]
        except FloatingPointError:
            return np.inf

    unit = quiet(clone(estimator).set_params(C=1e-3), *data).history_[-1]["learning_rate"]  # with no factor for C
    at_grid = [objective(unit * factor) for factor in np.logspace(-2, 2, 9)]
    reached, best, worst = objective(found.suggestion), min(at_grid), max(at_grid)
    assert reached < 1.25 * best < worst
    assert 0.1 * found.minimum == found.suggestion


def test_smoothing_and_end_are_the_formulas():
    found = lr_range_test(LogisticRegression(solver="adagrad", random_state=0), *TEXT, smoothing=0.8, stop_factor=1.5)
    rest = lr_range_test(LogisticRegression(solver="adagrad", random_state=0), *TEXT, smoothing=0.8, stop_factor=np.inf)
    factors = 0.8 ** np.arange(200)
    n = len(found.losses)
    expected = [
        np.average(rest.losses[: i + 1], weights=factors[i::-1] if i else factors[:1]) for i in range(len(rest.losses))
    ]
    np.testing.assert_allclose(rest.smoothed_losses, expected, rtol=1e-9)
    np.testing.assert_allclose(found.smoothed_losses, expected[:n], rtol=1e-9)
    assert found.stopped and n < len(expected)
    assert (
        expected[n] > 1.5 * min(expected[:n])
        and max(np.array(expected[:n]) / np.minimum.accumulate(expected[:n])) < 1.5
    )
    assert found.minimum == found.learning_rates[np.argmin(expected[:n])]


def test_what_overflows_ends_the_test():
    X, y = DIGITS
    estimator = LogisticRegression(C=np.inf, solver=Momentum(batch_size=100), random_state=0)
    found = lr_range_test(estimator, X.astype(np.float32), y, max_lr=1e38, stop_factor=np.inf)
    assert found.stopped and 50 < len(found.losses) < 200
    assert np.isfinite(found.losses).all() and found.losses[-1] > 1e6
    assert found.suggestion < 10


def test_few_samples_are_one_batch():
    X, y = TEXT[0][:30], TEXT[1][:30]
    with pytest.warns(UserWarning, match=r"at one of the last steps.*beyond max_lr=0\.01"):
        found = lr_range_test(LogisticRegression(solver="adagrad"), X, y, min_lr=1e-3, max_lr=1e-2, n_steps=25)
    assert len(found.losses) == 25 and (np.diff(found.losses) < 0).all()


def test_a_range_that_begins_too_high_warns():
    with pytest.warns(UserWarning, match="at one of the first steps.*begin below min_lr=1e"):
        found = lr_range_test(LogisticRegression(solver="momentum", random_state=0), *DIGITS, min_lr=1e3, max_lr=1e4)
    assert found.stopped


def test_a_chain():
    rng = np.random.RandomState(0)
    y = [[int(t) for t in rng.randint(0, 3, 5)] for _ in range(200)]
    X = [sp.csr_matrix(np.eye(3)[labels] + 0.1 * rng.randn(5, 3)) for labels in y]
    found = lr_range_test(LinearChainCRF(solver="adam", random_state=0), X, y)
    np.testing.assert_allclose(found.losses[0], np.log(3), rtol=1e-6)
    assert found.smoothed_losses.min() < 0.5 and 1e-3 < found.suggestion < 10


def test_a_pipeline_is_tested_on_its_transformed_rows_and_nothing_is_fitted():
    X, y = DIGITS
    pipeline = make_pipeline(MaxAbsScaler(), LogisticRegression(solver="adam", random_state=0))
    found = lr_range_test(pipeline, 16 * X, y)
    alone = lr_range_test(pipeline[-1], MaxAbsScaler().fit_transform(16 * X), y)
    np.testing.assert_array_equal(found.losses, alone.losses)
    assert not hasattr(pipeline[0], "scale_") and vars(pipeline[-1]) == vars(clone(pipeline[-1]))


class Plain(StochasticSolver):
    """Gradient steps, of a user who gives no rule for the rate."""

    def init(self, W):
        return {}

    def update(self, W, gradient, state, lr):
        W[gradient.rows] = gradient.proximal_step(W[gradient.rows], gradient.values, lr)


def test_a_users_solver():
    model = LogisticRegression(solver=Plain(batch_size=32), random_state=0)
    with pytest.raises(ValueError, match="learning_rate must be a number, got 'auto'"):
        lr_range_test(model, *TEXT)
    found = lr_range_test(model, *TEXT, min_lr=1e-2, max_lr=1e3)
    same = LogisticRegression(solver=Momentum(momentum=0, batch_size=32), random_state=0)
    np.testing.assert_allclose(found.losses, lr_range_test(same, *TEXT, min_lr=1e-2, max_lr=1e3).losses, rtol=1e-9)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(min_lr=0.0), "min_lr must be None or a finite number > 0, got 0.0"),
        (dict(max_lr=np.inf), "max_lr must be None or a finite number > 0, got inf"),
        (dict(min_lr=1.0, max_lr=1.0), "min_lr must be below max_lr, got min_lr=1 and max_lr=1"),
        (dict(n_steps=9), "n_steps must be an integer >= 10, got 9"),
        (dict(n_steps=20.0), "n_steps must be an integer >= 10, got 20.0"),
        (dict(smoothing=1.0), r"smoothing must be a number in \[0, 1\), got 1.0"),
        (dict(stop_factor=1), "stop_factor must be a number > 1, got 1"),
        (dict(estimator=LogisticRegression()), "estimator must have a stochastic solver.*got solver=LBFGS"),
        (dict(estimator=LogisticRegression(solver=AdaGrad(batch_size=0))), "AdaGrad: batch_size must be"),
        (dict(estimator=LogisticRegression(C=-1, solver="adam")), "'C' parameter"),
    ],
    ids=str,
)
def test_bad_input_is_named(options, message):
    arguments = dict(estimator=LogisticRegression(solver=Adam()), X=DIGITS[0], y=DIGITS[1])
    with pytest.raises(ValueError, match=message):
        lr_range_test(**{**arguments, **options})


def test_other_estimators_are_refused():
    with pytest.raises(TypeError, match=r"estimator must be a LogisticRegression.*got SGDClassifier"):
        lr_range_test(make_pipeline(MaxAbsScaler(), SGDClassifier()), *DIGITS)
