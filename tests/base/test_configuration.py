"""Solvers and schedules as values: equal by class and parameters, ordered as they are printed, names among them."""

import itertools
import pickle
import random

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skopt_solvers.schedules import SCHEDULES, CosineDecay, Piecewise, ScheduleSequence, Warmup
from skopt_solvers.solvers import LBFGS, SOLVERS, Adam, Momentum, StochasticSolver

from ..names import name_of


def root(t):
    return 1 / (1 + t) ** 0.5


class Own(StochasticSolver):
    pass


VALUES = [
    "adam",
    "Adam()",
    "lbfgs",
    Adam(),
    Adam(learning_rate=0.1),
    Adam(learning_rate=0.1, schedule=Warmup(CosineDecay(), epochs=2)),
    Adam(average=1),
    Adam(average=True),
    Momentum(schedule=root),
    LBFGS(memory=3),
    CosineDecay(epochs=3),
    Piecewise((1.0, 2.0), (1.0, 0.5, 0.1)),
    Piecewise(np.array([1.0, 2.0]), np.array([1.0, 0.5, 0.1])),
    ScheduleSequence(["linear", CosineDecay()], [3]),
    Own(),
]
OBJECTS = [value for value in VALUES if not isinstance(value, str)]
DEFAULTS = [kind() for kind in [*SOLVERS.values(), *SCHEDULES.values()]]


def copied(value):
    return value if isinstance(value, str) else clone(value)


def test_exactly_one_of_less_equal_and_greater_holds():
    for a, b in itertools.product(VALUES, VALUES):
        b = copied(b)
        assert (a < b) + (a == b) + (a > b) == 1, (a, b)
        assert (a <= b) == (a < b or a == b) and (a >= b) == (a > b or a == b) and (a != b) == (not a == b)


def test_the_order_is_that_of_the_text():
    expected = sorted(VALUES, key=lambda value: (str(value), not isinstance(value, str)))
    for seed in range(20):
        shuffled = [copied(value) for value in VALUES]
        random.Random(seed).shuffle(shuffled)
        assert sorted(shuffled) == expected


@pytest.mark.parametrize("value", OBJECTS + DEFAULTS, ids=name_of)
def test_copies_are_equal_and_have_one_hash(value):
    for copy in (clone(value), pickle.loads(pickle.dumps(value))):
        assert copy is not value and copy == value and hash(copy) == hash(value)
        assert {value: 1}[copy] == 1


def test_what_differs_is_unequal():
    for a, b in itertools.combinations(DEFAULTS + [v for v in OBJECTS if v not in DEFAULTS], 2):
        assert a != b
    assert Adam() != "Adam()" and Adam() != 1 and Adam() is not None and Adam() not in ("adam", None)
    with pytest.raises(TypeError, match="not supported"):
        _ = Adam() < 1


def test_a_key_that_is_changed_is_still_found():
    solver = Adam()
    kept = {solver: "here"}
    solver.set_params(learning_rate=0.5, schedule="cosine")
    assert kept[solver] == "here" and Adam() not in kept


def test_long_values_are_compared_to_their_ends():
    """scikit-learn's repr leaves out the middle of what is long."""
    boundaries = list(range(2000))
    a, b = (Piecewise(boundaries, [*boundaries, last]) for last in (1, 2))
    assert a != b and a == clone(a)


def test_pandas_sorts_groups_and_pivots():
    table = pd.DataFrame({"solver": [*VALUES, *map(copied, VALUES)], "score": 1.0})
    ordered = table.sort_values("solver")["solver"].tolist()
    assert ordered == sorted(ordered)
    assert (table.groupby("solver")["score"].sum() == 2).all()
    assert table.pivot_table(index="solver", values="score", aggfunc="sum").index.tolist() == sorted(VALUES)
    assert table.loc[table["solver"] == "adam"].shape == (2, 2)
    assert table["solver"].nunique() == len(VALUES) and len(table.drop_duplicates()) == len(VALUES)


def test_names_of_parameters_are_read_once_for_each_class(monkeypatch):
    class More(Adam):
        def __init__(self, learning_rate=0.5, more=3):
            super().__init__(learning_rate=learning_rate)
            self.more = more

    assert list(More().get_params()) == ["learning_rate", "more"] and "beta1" in Adam().get_params()
    with pytest.raises(ValueError, match=r"Valid parameters are: \['learning_rate', 'more'\]"):
        More().set_params(beta1=0.5)
    monkeypatch.setattr("inspect.signature", None)
    assert clone(More(more=4)).get_params() == {"learning_rate": 0.5, "more": 4}
