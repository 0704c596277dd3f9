"""ConvergenceDisplay of several fits under one name, and of the candidates of a search."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.datasets import make_classification
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler

from skopt_solvers import LogisticRegression
from skopt_solvers.inspection import ConvergenceDisplay
from skopt_solvers.model_selection import GridSearchCV

X, Y = make_classification(90, 8, random_state=0)
MODEL = LogisticRegression(max_iter=4, random_state=0, n_jobs=1)
PIPELINE = Pipeline([("scale", MaxAbsScaler()), ("model", MODEL)])
GRID = {
    "model__solver": ["adagrad", "adam"],
    "model__solver__schedule": ["linear", "cosine"],
    "model__C": [1.0, 2.0, 4.0],
}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def no_figures_are_left():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def search():
    return GridSearchCV(PIPELINE, GRID, cv=3, keep_histories=True).fit(X, Y)


def history(*values, seconds=0.5):
    return [{"iteration": i, "objective": v, "seconds": seconds} for i, v in enumerate(values, 1)]


def texts(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_mean_and_band_of_several_fits():
    folds = [history(8.0, 4.0), history(6.0, 4.0, 2.0)]
    display = ConvergenceDisplay.from_history({"many": folds, "one": history(5.0, 1.0)})
    many, one = display.lines_
    assert many.get_xdata().tolist() == [1, 2, 3] and many.get_ydata().tolist() == [7, 4, 3]  # 4 stays
    assert one.get_ydata().tolist() == [5, 1] and display.bands_[1] is None
    edges = display.bands_[0].get_paths()[0].vertices
    assert {tuple(point) for point in edges} >= {(1, 6), (1, 8), (2, 4), (3, 2), (3, 4)}
    display.plot(band="std")
    edges = display.bands_[0].get_paths()[0].vertices
    assert {tuple(point) for point in edges} >= {(1, 6), (1, 8), (3, 2), (3, 4)}
    assert display.plot(band=None).bands_ == [None, None]


def test_times_of_several_fits_are_brought_together():
    folds = [history(8.0, 4.0, seconds=1.0), history(6.0, 2.0, seconds=3.0)]
    (line,) = ConvergenceDisplay.from_history({"many": folds}, x="seconds").lines_
    assert line.get_xdata().tolist() == [3, 6] and line.get_ydata().tolist() == [(4 + 6) / 2, (4 + 2) / 2]


def test_suboptimality_is_that_of_each_fold():
    histories = {"a": [history(4.0, 2.0), history(30.0, 20.0)], "b": [history(3.0, 2.5), history(15.0, 10.0)]}
    a, b = ConvergenceDisplay.from_history(histories, metric="suboptimality").lines_
    np.testing.assert_allclose(a.get_ydata(), [1.5, 1.0])  # a value of 0 has no place
    np.testing.assert_allclose(b.get_ydata(), [0.5, 0.375])


def test_histories_of_a_search_are_those_of_its_fits(search):
    assert [[len(fold) for fold in folds] for folds in search.histories_] == [[4] * 3] * 12
    train = next(StratifiedKFold(3).split(X, Y))[0]
    single = PIPELINE.set_params(**search.cv_results_["params"][5]).fit(X[train], Y[train])["model"]
    found, expected = ([record["objective"] for record in h] for h in (search.histories_[5][0], single.history_))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_histories_of_fits_that_fail_and_of_others(n_jobs):
    with pytest.warns(match="3 fits failed|non-finite"):
        search = GridSearchCV(MODEL, {"C": [1.0, -1.0]}, cv=3, keep_histories=True, n_jobs=n_jobs).fit(X, Y)
    assert search.histories_[1] == [None] * 3 and len(search.histories_[0]) == 3
    assert len(ConvergenceDisplay.from_search(search).lines_) == 1
    others = GridSearchCV(RidgeClassifier(), {"alpha": [1, 2]}, cv=3, keep_histories=True).fit(X, Y)
    assert others.histories_ == [[None] * 3] * 2
    with pytest.raises(ValueError, match="must have a candidate with a history_"):
        ConvergenceDisplay.from_search(others)


def test_histories_are_gone_with_the_option():
    search = GridSearchCV(MODEL, {"C": [1.0]}, cv=3, keep_histories=True).fit(X, Y)
    assert hasattr(search, "histories_")
    with pytest.raises(ValueError, match="must be fitted with keep_histories=True"):
        ConvergenceDisplay.from_search(search.set_params(keep_histories=False).fit(X, Y))


def test_colours_and_styles_tell_parameters(search):
    display = ConvergenceDisplay.from_search(search, color_by="C", style_by="model__solver")
    for line, parameters in zip(display.lines_, search.cv_results_["params"], strict=True):
        assert line.get_linestyle() == {"adagrad": "-", "adam": "--"}[parameters["model__solver"]]
    colors = {
        p["model__C"]: line.get_color() for line, p in zip(display.lines_, search.cv_results_["params"], strict=True)
    }
    assert len(set(colors.values())) == 3
    assert texts(display) == ["C: 1.0", "C: 2.0", "C: 4.0", "solver: adagrad", "solver: adam"]
    legend = display.ax_.get_legend().get_lines()
    assert [line.get_color() for line in legend[:3]] == list(colors.values())
    assert [line.get_linestyle() for line in legend[3:]] == ["-", "--"]
    assert all((band.get_facecolor()[0][:3] == matplotlib.colors.to_rgb(line.get_color())).all()
               for band, line in zip(display.bands_, display.lines_, strict=True))  # fmt: skip
    again = display.plot(x="seconds", metric="suboptimality", learning_rate=True)
    assert len(texts(again)) == 5 and len(again.learning_rate_lines_) == 12


def test_candidates_are_named_by_what_differs(search):
    display = ConvergenceDisplay.from_search(search)
    assert texts(display)[:2] == ["C=1.0, solver=adagrad, schedule=linear", "C=1.0, solver=adagrad, schedule=cosine"]
    assert texts(ConvergenceDisplay.from_search(search, style_by="schedule")) == [
        "schedule: linear",
        "schedule: cosine",
    ]


def test_parameters_that_some_candidates_do_not_have():
    grid = [{"solver": ["lbfgs"]}, {"solver": ["adam"], "solver__schedule": ["linear", "cosine"]}]
    search = GridSearchCV(MODEL, grid, cv=3, keep_histories=True).fit(X, Y)
    display = ConvergenceDisplay.from_search(search, color_by="schedule")
    assert texts(display) == ["schedule: not set", "schedule: linear", "schedule: cosine"]
    assert texts(ConvergenceDisplay.from_search(search))[0] == "solver=lbfgs"


def test_bad_arguments(search):
    for arguments, message in (
        (dict(color_by="alpha"), "color_by must be one parameter of .*, got 'alpha', which is none"),
        (dict(style_by="model"), "style_by must be one parameter"),
        (dict(band="all"), "band must be one of 'range', 'std' and None, got 'all'"),
        (dict(metric="duality_gap"), "metric='duality_gap' needs"),
    ):
        with pytest.raises(ValueError, match=message):
            ConvergenceDisplay.from_search(search, **arguments)
    many = GridSearchCV(MODEL, {"C": [1.0, 2.0, 3.0, 4.0, 5.0]}, cv=3, keep_histories=True).fit(X, Y)
    with pytest.raises(ValueError, match=r"style_by='C' has 5 values, .*: use color_by"):
        ConvergenceDisplay.from_search(many, style_by="C")
    assert not plt.get_fignums()
