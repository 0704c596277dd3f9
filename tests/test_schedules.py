"""Schedules: values against formulas, purity, open lengths, compositions, and how a fit uses them."""

import inspect
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from skopt_solvers import LogisticRegression, schedules
from skopt_solvers.schedules import (
    SCHEDULES,
    Constant,
    CosineDecay,
    CosineRestarts,
    ExponentialDecay,
    InverseSquareRoot,
    InverseTime,
    OneCycle,
    Piecewise,
    PolynomialDecay,
    ReduceOnPlateau,
    Schedule,
    ScheduleSequence,
    StepDecay,
    Warmup,
    _composed,
    bind,
)
from skopt_solvers.solvers import Adam, Momentum, StochasticSolver, _stochastic_fit

from .names import name_of
from .reference import linear_objective, text_like

TIMES = np.concatenate([np.linspace(0, 30, 241), [99.5, 1e4]])


def cosine(progress, end=0.0):
    return end + (1 - end) * (1 + math.cos(math.pi * progress)) / 2


def restarts(t, period, multiplier, end):
    """SGDR by walking from period to period."""
    while t >= period:
        t, period = t - period, period * multiplier
    return cosine(t / period, end)


def one_cycle(t, epochs, peak, start, end):
    progress = min(t / epochs, 1.0)
    if progress < peak:
        return 1 - cosine(progress / peak, 0.0) * (1 - start)
    return cosine((progress - peak) / (1 - peak), end)


# a schedule and its formula for one t
FORMULAS = [
    (Constant(), lambda t: 1.0),
    (StepDecay(), lambda t: 0.5 ** (t // 10)),
    (StepDecay(every=2.5, factor=0.1), lambda t: 0.1 ** math.floor(t / 2.5)),
    (Piecewise(), lambda t: 1.0 if t < 10 else 0.1 if t < 20 else 0.01),
    (Piecewise(boundaries=[3.5], values=[0.0, 2.0]), lambda t: 0.0 if t < 3.5 else 2.0),
    (ExponentialDecay(), lambda t: 0.9**t),
    (PolynomialDecay(epochs=20), lambda t: max(1 - t / 20, 0.0)),
    (PolynomialDecay(epochs=7.5, power=2.5, end=0.1), lambda t: 0.1 + 0.9 * max(1 - t / 7.5, 0.0) ** 2.5),
    (InverseTime(decay=0.3), lambda t: 1 / (1 + 0.3 * t)),
    (InverseSquareRoot(), lambda t: (1 + t) ** -0.5),
    (CosineDecay(epochs=12), lambda t: cosine(min(t / 12, 1.0))),
    (CosineDecay(epochs=12, end=0.2), lambda t: cosine(min(t / 12, 1.0), 0.2)),
    (CosineRestarts(), lambda t: restarts(t, 10, 2.0, 0.0)),
    (CosineRestarts(period=3, multiplier=1, end=0.1), lambda t: restarts(t, 3, 1, 0.1)),
    (CosineRestarts(period=1.5, multiplier=1.25), lambda t: restarts(t, 1.5, 1.25, 0.0)),
    (OneCycle(epochs=10), lambda t: one_cycle(t, 10, 0.3, 0.04, 0.0)),
    (OneCycle(epochs=25, peak=0.5, start=0.2, end=0.1), lambda t: one_cycle(t, 25, 0.5, 0.2, 0.1)),
    (ReduceOnPlateau(), lambda t: 1.0),
    (Warmup(), lambda t: min(0.01 + 0.99 * t, 1.0)),
    (Warmup("exponential", epochs=4, start=0.2), lambda t: 0.2 + 0.2 * t if t < 4 else 0.9 ** (t - 4)),
    (ScheduleSequence(), lambda t: 1.0),
    (ScheduleSequence(["inverse_time", lambda t: 0.5 + 0 * t, ExponentialDecay(0.5)], [2, 5.5]),
     lambda t: 1 / (1 + t) if t < 2 else 0.5 if t < 5.5 else 0.5 ** (t - 5.5)),
]  # fmt: skip
PLAIN = [schedule for schedule, _ in FORMULAS]
OPEN = [PolynomialDecay(), CosineDecay(end=0.1), OneCycle()]


def test_the_formulas_cover_every_schedule():
    classes = {value for name in schedules.__all__ if inspect.isclass(value := getattr(schedules, name))} - {Schedule}
    assert {type(schedule) for schedule in PLAIN} == classes
    assert set(SCHEDULES.values()) == classes - {ScheduleSequence}


# Values


@pytest.mark.parametrize("schedule, formula", FORMULAS, ids=lambda value: name_of(value) if value in PLAIN else "")
def test_factors_are_those_of_the_formula(schedule, formula):
    factors = schedule(TIMES)
    expected = np.array([formula(t) for t in TIMES.tolist()])
    assert factors.shape == TIMES.shape
    # where a schedule jumps, a time that is a boundary to rounding may fall on either side
    close = np.isclose(factors, expected, rtol=1e-9, atol=1e-9)
    assert close.all(), (TIMES[~close], factors[~close], expected[~close])


@pytest.mark.parametrize("schedule", PLAIN, ids=name_of)
def test_arrays_give_what_numbers_give(schedule):
    numbers = [schedule(float(t)) for t in TIMES]
    assert all(np.ndim(number) == 0 for number in numbers)
    np.testing.assert_allclose(schedule(TIMES), numbers, rtol=1e-14)
    np.testing.assert_allclose(schedule(TIMES[:240].reshape(6, 40)).ravel(), numbers[:240], rtol=1e-14)
    assert float(schedule(3)) == float(schedule(3.0))


@pytest.mark.parametrize("period, multiplier", [(0.1, 1), (0.7, 1), (1.1, 1), (3, 1), (0.1, 2), (1.1, 1.5), (3, 1.1)])
def test_restarts_restart_on_time(period, multiplier):
    """A time that is a restart up to rounding has the factor 1: 0 there could end a fit."""
    for i in range(40):
        periods = i if multiplier == 1 else (multiplier**i - 1) / (multiplier - 1)
        exact = period * periods
        for t in (exact, round(10 * exact) / 10 if multiplier == 1 else exact):
            assert CosineRestarts(period, multiplier)(t) == pytest.approx(1.0, abs=1e-6), t


def test_wrong_numbers_of_values_are_refused():
    with pytest.raises(ValueError, match="values must be one more than boundaries, got 2 and 2"):
        Piecewise(boundaries=[1, 2], values=[1.0, 0.5])(0)
    sequence = ScheduleSequence(["constant"], [1])
    for use in (lambda: sequence(0), lambda: sequence.bound(10)):
        with pytest.raises(ValueError, match="schedules must be one more than boundaries, got 1 and 1"):
            use()


# Open lengths


@pytest.mark.parametrize("schedule", OPEN, ids=name_of)
@pytest.mark.parametrize("length", [1, 7, 30])
def test_an_open_length_is_max_iter(schedule, length):
    closed = clone(schedule).set_params(epochs=length)
    np.testing.assert_array_equal(schedule.bound(length)(TIMES), closed(TIMES))
    np.testing.assert_array_equal(closed.bound(3 * length)(TIMES), closed(TIMES))
    assert float(schedule.bound(length)(length)) == pytest.approx(schedule.end)


@pytest.mark.parametrize("schedule", OPEN, ids=name_of)
def test_open_lengths_inside_others_last_for_what_is_left(schedule):
    def closed(epochs):
        return clone(schedule).set_params(epochs=epochs)

    after = TIMES[TIMES >= 3]
    warm = Warmup(schedule, epochs=3).bound(20)
    np.testing.assert_allclose(warm(after), closed(17)(after - 3))
    sequence = ScheduleSequence([schedule, "constant", schedule], [4, 6]).bound(20)
    first, last = TIMES[TIMES < 4], TIMES[TIMES >= 6]
    np.testing.assert_allclose(sequence(first), closed(4)(first))
    np.testing.assert_allclose(sequence(last), closed(14)(last - 6))
    nested = Warmup(ScheduleSequence([schedule, schedule], [5]), epochs=2).bound(20)
    late = TIMES[TIMES >= 7]
    np.testing.assert_allclose(nested(late), closed(13)(late - 7))


def test_a_fit_binds_open_lengths_to_max_iter():
    X, labels = text_like()
    model = LogisticRegression(solver=Momentum(0.5, schedule="cosine", batch_size=30), tol=0, random_state=0)
    with pytest.warns(match="the learning rate has come to zero"):
        model.set_params(max_iter=8).fit(X, labels)
    rates = [record["learning_rate"] for record in model.history_]
    np.testing.assert_allclose(rates, [0.5 * cosine((epoch + 3 / 4) / 8) for epoch in range(8)])


# Purity


@pytest.mark.parametrize("schedule", PLAIN + OPEN, ids=name_of)
def test_a_schedule_is_a_pure_function_of_time(schedule):
    shown, params = repr(schedule), schedule.get_params()
    objectives = [3.0, 2.0, 2.0, 2.0, 2.0]
    bound = schedule.bound(25, objectives)
    forward, times = [float(bound(t)) for t in TIMES], TIMES.copy()
    assert [float(bound(t)) for t in TIMES[::-1]] == forward[::-1]
    np.testing.assert_array_equal(bound(times), schedule.bound(25, objectives)(times))
    np.testing.assert_array_equal(times, TIMES)
    assert bound is not schedule and repr(schedule) == shown and objectives == [3.0, 2.0, 2.0, 2.0, 2.0]
    assert all(value is params[key] for key, value in schedule.get_params().items())


def is_picklable(schedule):
    return not any(inspect.isfunction(part) for part in getattr(schedule, "schedules", ()))


@pytest.mark.parametrize("schedule", PLAIN + OPEN, ids=name_of)
def test_get_params_clone_repr_and_pickle(schedule):
    copied = clone(schedule)
    assert copied is not schedule and type(copied) is type(schedule)
    assert repr(copied).startswith(type(schedule).__name__ + "(")
    np.testing.assert_array_equal(copied.bound(9)(TIMES), schedule.bound(9)(TIMES))
    if is_picklable(schedule):
        restored = pickle.loads(pickle.dumps(schedule))
        np.testing.assert_array_equal(restored.bound(9)(TIMES), schedule.bound(9)(TIMES))
        rebuilt = eval(repr(schedule), vars(schedules))
        np.testing.assert_array_equal(rebuilt.bound(9)(TIMES), schedule.bound(9)(TIMES))


# Names and nested parameters


@pytest.mark.parametrize("name", SCHEDULES)
def test_names_are_the_default_objects(name):
    np.testing.assert_array_equal(bind(name, 20)(TIMES), SCHEDULES[name]().bound(20)(TIMES))


def test_unknown_names_are_refused_with_those_that_exist():
    with pytest.raises(ValueError, match=r"schedule must be one of \['constant', 'cosine'.*got 'fast'"):
        bind("fast", 20)
    with pytest.raises(ValueError, match="got <class"):
        bind(CosineDecay, 20)


def test_parameters_are_set_by_name_at_every_depth():
    model = LogisticRegression(solver="adam")
    model.set_params(solver__schedule="warmup", solver__schedule__schedule="cosine_restarts")
    model.set_params(solver__schedule__epochs=2, solver__schedule__schedule__period=5)
    assert isinstance(model.solver, Adam) and isinstance(model.solver.schedule, Warmup)
    assert isinstance(model.solver.schedule.schedule, CosineRestarts)
    assert model.get_params()["solver__schedule__schedule__period"] == 5
    copied = clone(model)
    assert copied.solver.schedule.epochs == 2 and copied.solver.schedule.schedule.period == 5
    model.set_params(solver__schedule__schedule__period=8)
    assert copied.solver.schedule.schedule.period == 5
    with pytest.raises(ValueError, match="Invalid parameter 'length'"):
        model.set_params(solver__schedule__length=3)


def test_an_object_given_together_with_its_parameters_is_not_changed():
    """A grid gives one object to many candidates."""
    shared = CosineDecay(epochs=5)
    model = LogisticRegression(solver=Adam()).set_params(solver__schedule=shared, solver__schedule__epochs=9)
    assert shared.epochs == 5 and model.solver.schedule.epochs == 9


# Compositions


@pytest.mark.parametrize("schedule", [*PLAIN, *OPEN, *SCHEDULES, lambda t: 1 / (2 + t)], ids=name_of)
@pytest.mark.parametrize("epochs", [0.5, 3])
def test_warmup_goes_in_front_of_each(schedule, epochs):
    warm = Warmup(schedule, epochs=epochs, start=0.1).bound(20)
    before, after = TIMES[TIMES < epochs], TIMES[TIMES >= epochs]
    np.testing.assert_allclose(warm(before), 0.1 + 0.9 * before / epochs)
    np.testing.assert_array_equal(warm(after), bind(schedule, 20 - epochs)(after - epochs))


def test_a_sequence_is_its_parts_one_after_another():
    parts = ["cosine", Warmup("linear", epochs=1), lambda t: 0.25 + 0 * t]
    sequence = ScheduleSequence(parts, boundaries=[5, 11]).bound(30)
    for part, begin, end in zip(parts, [0, 5, 11], [5, 11, np.inf], strict=True):
        t = TIMES[(begin <= TIMES) & (end > TIMES)]
        np.testing.assert_array_equal(sequence(t), bind(part, min(end, 30) - begin)(t - begin))


def test_a_plain_callable_will_do():
    X, labels = text_like()
    solver = Momentum(0.5, schedule=lambda t: 1 / (1 + t) ** 2, batch_size=60)
    history = LogisticRegression(solver=solver, max_iter=5, tol=0, random_state=0)
    with pytest.warns(match="max_iter"):
        history = history.fit(X, labels).history_
    np.testing.assert_allclose([r["learning_rate"] for r in history], [0.5 / (1.5 + e) ** 2 for e in range(5)])


def test_a_callable_that_gives_a_number_will_do():
    X, labels = text_like()
    solver = Momentum(0.5, schedule=lambda t: 0.25)
    model = LogisticRegression(solver=solver, max_iter=3, tol=0, random_state=0)
    with pytest.warns(match="max_iter"):
        assert {r["learning_rate"] for r in model.fit(X, labels).history_} == {0.125}


# Plateaus


def plateaus(objectives, patience, threshold):
    """How often `patience` epochs in a row have not been below (1 - threshold) times the best."""
    count, since, best = 0, 0, None
    for value in objectives:
        if best is None or value < best - threshold * abs(best):
            best, since = value, 0
            continue
        since += 1
        if since == patience:
            count, since = count + 1, 0
    return count


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from([4.0, 3.0, 2.999, 2.0, 1.0, -1.0]), max_size=30),
    st.integers(1, 4),
    st.sampled_from([0.0, 1e-3, 0.4]),
    st.sampled_from([0.0, 0.2]),
)
def test_plateaus_are_a_function_of_the_objectives(objectives, patience, threshold, end):
    schedule = ReduceOnPlateau(factor=0.5, patience=patience, threshold=threshold, end=end)
    expected = max(0.5 ** plateaus(objectives, patience, threshold), end)
    np.testing.assert_array_equal(schedule.bound(100, objectives)(TIMES), np.full(len(TIMES), expected))
    warm = Warmup(schedule, epochs=2).bound(100, objectives)
    np.testing.assert_array_equal(warm(TIMES[TIMES >= 2]), np.full((TIMES >= 2).sum(), expected))


NESTED_PLATEAU = Warmup(ScheduleSequence(["constant", ReduceOnPlateau(patience=1)], [2]), epochs=1)


@pytest.mark.parametrize("schedule, parts", [("auto", 3), ("cosine", 1), ("plateau", 1), (NESTED_PLATEAU, 4)], ids=str)
def test_a_fit_binds_its_schedule_once(schedule, parts, monkeypatch):
    X, labels = text_like()
    objective = linear_objective(X, labels)
    bound = []
    for module in (_composed, _stochastic_fit):
        monkeypatch.setattr(module, "bind", lambda *arguments: bound.append(arguments) or bind(*arguments))
    options = dict(max_iter=6, tol=0.0, rng=np.random.RandomState(0))
    Adam(schedule=schedule).minimize(objective, np.zeros(objective.shape), **options)
    assert len(bound) == parts


def test_a_bound_of_ones_own_may_count_objectives():
    class Halved(Schedule):
        def bound(self, length, objectives=()):
            factor = 0.5 ** len(objectives)
            return lambda t: np.full(np.shape(t), factor)

    X, labels = text_like()
    for schedule in (Halved(), ScheduleSequence([Halved()])):
        model = LogisticRegression(solver=Momentum(0.5, schedule=schedule), max_iter=4, tol=0, random_state=0)
        with pytest.warns(match="max_iter"):
            history = model.fit(X, labels).history_
        assert [record["learning_rate"] for record in history] == [0.5, 0.25, 0.125, 0.0625]


def test_a_fit_lowers_the_rate_at_plateaus_and_resumes_them():
    X, labels = text_like()
    objective = linear_objective(X, labels)
    solver = Momentum(0.2, schedule=ReduceOnPlateau(patience=2, threshold=0.02), batch_size=16)
    options = dict(tol=0.0, n_iter_no_change=10**6)
    W = np.zeros(objective.shape)

    def run(max_iter, state=None):
        return solver.minimize(objective, W, max_iter=max_iter, rng=np.random.RandomState(0), state=state, **options)

    whole = run(20)
    values = [record["objective"] for record in whole.history]
    expected = [0.2 * 0.5 ** plateaus(values[:epoch], 2, 0.02) for epoch in range(20)]
    np.testing.assert_allclose([record["learning_rate"] for record in whole.history], expected)
    assert expected[-1] < 0.1
    half = run(10)
    np.testing.assert_array_equal(run(10, pickle.loads(pickle.dumps(half.state))).W, whole.W)


# Properties

FACTORS = st.floats(0.0, 1.0)
LENGTHS = st.floats(1e-2, 1e4)
ANY = st.one_of(
    st.builds(StepDecay, every=LENGTHS, factor=FACTORS),
    st.builds(ExponentialDecay, rate=FACTORS),
    st.builds(PolynomialDecay, epochs=st.none() | LENGTHS, power=st.floats(0.1, 10), end=FACTORS),
    st.builds(InverseTime, decay=st.floats(0, 1e3)),
    st.builds(InverseSquareRoot, decay=st.floats(0, 1e3)),
    st.builds(CosineDecay, epochs=st.none() | LENGTHS, end=FACTORS),
    st.builds(CosineRestarts, period=LENGTHS, multiplier=st.floats(1, 5), end=FACTORS),
    st.builds(OneCycle, epochs=st.none() | LENGTHS, peak=st.floats(0.01, 0.99), start=FACTORS, end=FACTORS),
    st.builds(ReduceOnPlateau, factor=FACTORS, patience=st.integers(1, 5)),
    st.sampled_from(sorted(SCHEDULES)),
)
NESTED = st.one_of(
    ANY,
    st.builds(Warmup, schedule=ANY, epochs=LENGTHS, start=FACTORS),
    st.builds(lambda a, b, at: ScheduleSequence([a, b], [at]), ANY, ANY, LENGTHS),
)


@settings(max_examples=100)
@given(NESTED, st.lists(st.floats(0, 1e4), min_size=1, max_size=20), st.integers(1, 10**4))
def test_factors_are_finite_and_between_0_and_1(schedule, times, length):
    factors = bind(schedule, length, [1.0, 1.0, 1.0, 1.0])(np.array(times))
    assert np.isfinite(factors).all() and (factors >= 0).all() and (factors <= 1 + 1e-12).all()


class Rates(StochasticSolver):
    """Keeps the rate of each step in its state."""

    def init(self, W):
        return {"rates": []}

    def update(self, W, gradient, state, lr):
        state["rates"].append(float(lr))


@settings(max_examples=40)
@given(NESTED, st.integers(1, 5))
def test_the_batch_size_leaves_the_schedule_alone(schedule, max_iter):
    """The rates of large batches are those of small ones at the same times."""
    X, labels = text_like(n=64)
    objective = linear_objective(X, labels)
    rates = {}
    for batch_size in (8, 16, 64):
        result = Rates(0.5, schedule, batch_size).minimize(
            objective,
            np.zeros(objective.shape),
            max_iter=max_iter,
            tol=0.0,
            n_iter_no_change=10**6,
            rng=np.random.RandomState(0),
        )
        rates[batch_size] = result.state["tables"]["rates"]
    for batch_size in (16, 64):
        every = batch_size // 8
        common = rates[8][::every][: len(rates[batch_size])]
        np.testing.assert_array_equal(rates[batch_size][: len(common)], common)
