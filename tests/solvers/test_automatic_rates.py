"""The rates and schedules for "auto": they know C as the page says, and reach more of the optimum than the unit."""

import numpy as np
import pytest
import scipy.sparse as sp

from skopt_solvers import LinearChainCRF, LogisticRegression
from skopt_solvers.model_selection import fit_many
from skopt_solvers.objectives import LOG_LOSSES, SVC_LOSSES, LinearObjective
from skopt_solvers.solvers import FTRL, AdaGrad, Adam, AdamW, Momentum, RMSProp

from ..names import name_of
from ..reference import text_like

UNITS = {AdaGrad: 1.0, RMSProp: 0.1, Adam: 0.1, AdamW: 0.1, FTRL: 1.0}
FACTORS = {
    AdaGrad: lambda m: max(1, 1.6 * m),
    RMSProp: lambda m: max(1, 0.75 * m),
    Adam: lambda m: max(1, m),
    Momentum: lambda m: max(1, 0.1 * m**2),
    AdamW: lambda m: 1,
    FTRL: lambda m: 1,
}
solvers = pytest.mark.parametrize("kind", FACTORS, ids=name_of)


def objective_of(C, loss=LOG_LOSSES["ovr"], weight=1.0, scale=1.0):
    """An objective of 400 rows whose squares are ``scale**2`` (1 + 3), the intercept's 1 not counted."""
    rng = np.random.RandomState(0)
    X = sp.csr_matrix(scale * np.c_[np.where(rng.rand(400, 1) < 0.5, -1, 1), np.sqrt(3) * np.ones((400, 1))])
    model = dict(n_outputs=1, loss=loss, C=C, l1_ratio=0.0, fit_intercept=True)
    return LinearObjective(X, rng.randint(2, size=400).astype(np.int32), np.full(400, weight), **model)


def unit_of(kind, mean_square, curvature=0.25):
    if kind is Momentum:
        return 0.45 * 8 * 0.1 / (curvature * mean_square)  # eight samples are a batch
    return UNITS[kind] * np.sqrt(2 / mean_square)


@solvers
@pytest.mark.parametrize("C", [1e-3, 0.1, 1.0, 2.0, 100.0, 200.0, 1e7, np.inf])
def test_a_rate_is_the_unit_times_a_function_of_q(kind, C):
    q = 5 * C
    m = np.log(1 + min(q, 500 if kind is Momentum else 1e4))
    assert objective_of(C).strength() == pytest.approx(q)
    assert kind().automatic_rate(objective_of(C)) == pytest.approx(unit_of(kind, 5) * FACTORS[kind](m))


@pytest.mark.parametrize("n, d", [(90, 99), (160, 39)], ids=["wide", "long"])
@pytest.mark.parametrize("kind", [AdaGrad, RMSProp, Adam], ids=name_of)
def test_adaptive_rates_of_few_rows_end_to_grow_earlier(kind, n, d):
    X, y = text_like(n=n, d=d)
    model = dict(n_outputs=1, loss=LOG_LOSSES["ovr"], l1_ratio=0.0, fit_intercept=True)
    most = (120 if kind is Adam else 300) * max(1, n / (d + 1))
    for C in (most / 4, most / 2, most, 4 * most, np.inf):
        objective = LinearObjective(X, y, np.ones(n), C=C, **model)
        q = min(objective.strength(), 1e4)
        counts = min(q, most if kind is RMSProp else most**2 / q)
        expected = unit_of(kind, objective.mean_square()) * FACTORS[kind](np.log(1 + counts))
        assert kind().automatic_rate(objective) == pytest.approx(expected)


@solvers
def test_weights_count_as_c_and_squares_of_rows_too(kind):
    rate = kind().automatic_rate
    assert rate(objective_of(10.0, weight=3.0)) == pytest.approx(rate(objective_of(30.0)))
    large, same = objective_of(10.0, scale=2.0), objective_of(10.0 * 17 / 5)
    assert large.strength() == pytest.approx(same.strength())
    assert rate(large) / unit_of(kind, 17) == pytest.approx(rate(same) / unit_of(kind, 5))


@solvers
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "smoothed_hinge", "modified_huber"])
def test_margins_of_hinges_go_no_farther_than_1(kind, loss):
    loss = SVC_LOSSES[loss]["ovr"]
    unit = unit_of(kind, 5, loss.curvature(1) or 1)
    for C in (1.0, 100.0, np.inf):
        assert kind().automatic_rate(objective_of(C, loss)) == pytest.approx(unit * FACTORS[kind](1))


@solvers
def test_all_samples_at_once_keep_the_unit_and_fall_from_the_beginning(kind):
    solver = kind(batch_size=400)
    assert len({solver.automatic_rate(objective_of(C)) for C in (0.1, 1000.0)}) == 1
    assert solver.automatic_schedule(objective_of(1000.0), 20)(0) == 1


def course(kind, max_iter, **options):
    """The rates at the ends of the epochs of a fit, over that of the solver's rule."""
    X, y = text_like(n=1000)
    seen = []

    class Spy(kind):
        def automatic_rate(self, objective):
            seen.append(super().automatic_rate(objective))
            return seen[-1]

    # 50 batches an epoch
    model = LogisticRegression(solver=Spy(), max_iter=max_iter, tol=0, random_state=0)
    model.set_params(n_iter_no_change=max_iter, **options).fit(X, y)
    return np.array([record["learning_rate"] for record in model.history_]) / seen[0]


@pytest.mark.parametrize("kind", [AdaGrad, RMSProp, Momentum], ids=name_of)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_rate_rises_in_a_tenth_of_the_fit_where_the_penalty_is_weak(kind):
    rates = course(kind, 20, C=1000.0)
    assert rates.argmax() == 1 and rates.max() > 0.97 and 0.4 < rates[0] < 0.6
    np.testing.assert_allclose(np.diff(rates[2:]), -1 / 18, rtol=1e-6)
    short = course(kind, 3, C=1000.0)
    assert short.argmax() == 0 and short[0] > 0.97 and short[-1] < 0.02


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_rate_falls_from_the_beginning_elsewhere():
    for kind, C in ((AdaGrad, 0.1), (RMSProp, 0.1), (Momentum, 0.1), (Adam, 0.1), (Adam, 1000.0)):
        rates = course(kind, 20, C=C)
        np.testing.assert_allclose(rates, 1 - (np.arange(1, len(rates) + 1) - 1 / 50) / 20, atol=1e-3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", [AdaGrad, RMSProp, Adam, Momentum], ids=name_of)
@pytest.mark.parametrize("max_iter", [2, 5, 20])
def test_large_c_ends_nearer_to_the_optimum_than_at_the_unit(kind, max_iter):
    X, y = text_like(n=1000, d=300, length=12)
    options = dict(C=100.0, max_iter=max_iter, tol=0, random_state=0)
    objective = LogisticRegression(C=100.0, tol=1e-8, max_iter=1000).fit(X, y).history_[-1]["objective"]
    mean_square = (X.multiply(X)).sum(axis=1).mean() + 1
    unit = 0.9 / (0.25 * mean_square) if kind is Momentum else unit_of(kind, mean_square)  # 20 samples are a batch
    before = LogisticRegression(solver=kind(unit, schedule="linear"), **options).fit(X, y)
    now = LogisticRegression(solver=kind(), **options).fit(X, y)
    assert now.history_[-1]["objective"] - objective < 0.8 * (before.history_[-1]["objective"] - objective)


def test_momentum_keeps_its_unit_in_a_stream():
    assert Momentum().automatic_stream_rate(objective_of(1000.0)) == pytest.approx(unit_of(Momentum, 5))


def test_a_stream_begins_at_a_rate_that_needs_no_warm_up():
    X, y = text_like()
    for kind, factor in ((AdaGrad, 0.8), (RMSProp, 0.75), (Adam, 1.0)):
        model = LogisticRegression(C=10.0, solver=kind()).partial_fit(X[:60], y[:60], classes=np.unique(y))
        mean_square = X[:60].multiply(X[:60]).sum(axis=1).mean() + 1
        m = np.log(1 + 10 * mean_square)
        # 60 samples are a batch, the first at t=0
        assert model.history_[0]["learning_rate"] == pytest.approx(unit_of(kind, mean_square) * factor * m, rel=1e-5)
        model.partial_fit(X[60:120], y[60:120])
        assert kind().automatic_stream_rate(objective_of(1e-3)) == kind().automatic_rate(objective_of(1e-3))
        assert model.history_[1]["learning_rate"] == pytest.approx(model.history_[0]["learning_rate"] / np.sqrt(2))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fits_together_have_each_their_own_rates():
    X, y = text_like()
    fits = [LogisticRegression(C, solver=AdaGrad(), max_iter=4, random_state=0) for C in (0.1, 10.0, 1000.0)]
    together = fit_many(fits, X, y)
    rates = []
    for model in together:
        alone = LogisticRegression(model.C, solver=AdaGrad(), max_iter=4, random_state=0).fit(X, y)
        rates.append([record["learning_rate"] for record in model.history_])
        assert rates[-1] == [record["learning_rate"] for record in alone.history_]
    assert rates[0] != rates[1] != rates[2]


def sentences(n=40):
    X = [[{f"w={i % 7}": 1.0, f"v={(i + t) % 5}": 1.0} for t in range(4)] for i in range(n)]
    return X, [["a" if (i + t) % 3 else "b" for t in range(4)] for i in range(n)]


def rate_of_chains(solver, C, n=40):
    solver.set_params(schedule="constant")
    model = LinearChainCRF(C, solver=solver, max_iter=1, tol=0, random_state=0).fit(*sentences(n))
    return model.history_[0]["learning_rate"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_crf_has_factors_of_its_own():
    for kind, most in ((AdaGrad, 5), (RMSProp, 1), (Adam, 2)):
        rates = [rate_of_chains(kind(), C) for C in (0.01, 100.0, 1e6)]
        assert rates[1] == rates[2] == pytest.approx(most * rates[0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_momentum_on_chains_is_bounded_by_what_a_token_moves():
    def rate(batch_size, momentum=0.9, C=1e6):
        return rate_of_chains(Momentum(batch_size=batch_size, momentum=momentum), C)

    assert rate(20) == pytest.approx(2.5 * rate(8))
    assert rate(8, momentum=0.5) == pytest.approx(5 * rate(8))
    assert rate(8, C=1e7) == rate(8)  # margins of a strength of 1e4
    unit, all_at_once = rate(8, C=0.01), rate(40)
    assert rate(8) == pytest.approx(0.5 * np.log(1 + 1e4) * unit)
    assert all_at_once == pytest.approx(2.85 / (0.45 * 8 * 4 * 0.1) * unit)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_moving_averages_take_more_sentences_a_batch():
    X, y = sentences(2000)
    for kind, n_batches in ((Momentum, 125), (AdaGrad, 125), (RMSProp, 100), (Adam, 100)):
        model = LinearChainCRF(solver=kind(record="step"), max_iter=1, random_state=0).fit(X, y)
        assert len(model.history_[0]["step_losses"]) == n_batches
    for kind in (AdaGrad, Adam):
        model = LinearChainCRF(solver=kind(record="step"), max_iter=1, random_state=0).fit(X[:400], y[:400])
        assert len(model.history_[0]["step_losses"]) == 50
