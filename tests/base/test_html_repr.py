"""What notebooks show of an estimator: its solver and its schedule as blocks inside of it."""

import re

import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_html_repr

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers._base import nested_parameters
from skopt_solvers.schedules import Constant, CosineDecay, ScheduleSequence, Warmup
from skopt_solvers.solvers import LBFGS, Adam, Solver

NESTED = dict(solver=Adam(schedule=Warmup(CosineDecay(), epochs=1)))


def blocks(estimator):
    """The labels of all blocks, from the outermost one inwards."""
    html = re.sub(r"<(style|script|pre|table|a|span).*?</\1>", "", estimator_html_repr(estimator), flags=re.DOTALL)
    labels = re.findall(r"<label [^>]*>(.*?)</label>", html, flags=re.DOTALL)
    return [re.sub(r"<[^>]*>", "", label).strip() for label in labels]


@pytest.mark.parametrize("kind", [LogisticRegression, LinearSVC, LinearChainCRF])
def test_solver_and_schedule_are_nested(kind):
    assert blocks(kind(**NESTED)) == [kind.__name__, "solver: Adam", "schedule: Warmup", "CosineDecay"]


def test_a_solver_shows_its_schedule():
    assert blocks(NESTED["solver"]) == ["Adam", "schedule: Warmup", "CosineDecay"]


def test_inside_pipelines_and_grids():
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression(**NESTED))
    inner = ["logisticregression: LogisticRegression", "solver: Adam", "schedule: Warmup", "CosineDecay"]
    assert blocks(pipeline) == ["Pipeline", "TfidfVectorizer", *inner]
    grid = GridSearchCV(pipeline, {"logisticregression__C": [1.0]})
    assert blocks(grid) == ["GridSearchCV", "estimator: Pipeline", "TfidfVectorizer", *inner]


def test_a_fitted_estimator():
    model = LogisticRegression(solver=LBFGS(), max_iter=500).fit([[0.0], [1.0]], [0, 1])
    assert blocks(model) == ["LogisticRegression", "LBFGS"]
    assert "<span>Fitted</span>" in estimator_html_repr(model)


def test_a_sequence_shows_its_schedules():
    schedule = ScheduleSequence([Warmup(CosineDecay(3)), "constant", Constant()], boundaries=[1, 2])
    assert blocks(schedule) == ["ScheduleSequence", "schedules[0]: Warmup", "CosineDecay", "constant", "Constant"]
    assert blocks(ScheduleSequence(["constant", "cosine"], boundaries=[1])) == ["ScheduleSequence"]


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "sdca", Adam, None])
def test_what_is_no_object_shows_nothing_more(solver):
    assert blocks(LogisticRegression(solver=solver)) == ["LogisticRegression"]
    assert not hasattr(LogisticRegression(solver=solver), "_sk_visual_block_")


def test_a_function_as_schedule():
    assert blocks(LogisticRegression(solver=Adam(schedule=lambda t: 1.0))) == ["LogisticRegression", "Adam"]


def test_a_solver_of_ones_own():
    class Mine(Solver):
        def __init__(self, memory=3):
            self.memory = memory

    assert blocks(LogisticRegression(solver=Mine(4))) == ["LogisticRegression", "Mine"]


def test_without_the_private_class_it_is_one_block(monkeypatch):
    assert nested_parameters.VisualBlock is not None
    monkeypatch.setattr(nested_parameters, "VisualBlock", None)
    assert blocks(LogisticRegression(**NESTED)) == ["LogisticRegression"]


def test_repr_and_clone_are_as_before():
    model = LogisticRegression(**NESTED)
    assert repr(model) == "LogisticRegression(solver=Adam(schedule=Warmup(schedule=CosineDecay())))"
    assert repr(clone(model)) == repr(model)
    assert "_sk_visual_block_" not in vars(model)
