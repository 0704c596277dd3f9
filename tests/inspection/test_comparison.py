"""The display of a comparison draws the frame: the median and the range over the seeds, a colour a solver."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from skopt_solvers import LogisticRegression
from skopt_solvers.inspection import SolverComparisonDisplay
from skopt_solvers.model_selection import compare_solvers

from ..reference import text_like


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def frame_of(fits):
    """A frame of (solver, schedule, seed, outcome, suboptimalities), each epoch of seed s taking 1 + s seconds."""
    rows = [
        dict(
            solver=solver, schedule=schedule, seed=seed, epoch=epoch, seconds=epoch * (1.0 + seed), objective=1 + value,
            suboptimality=value, validation_score=np.nan, outcome=outcome, stop_reason="",
        )
        for solver, schedule, seed, outcome, values in fits
        for epoch, value in enumerate(values, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


FRAME = frame_of(
    [
        ("adam", "linear", 0, "converged", [1.0, 0.5, 0.1]),
        ("adam", "linear", 1, "converged", [3.0, 0.3]),
        ("adam", "linear", 2, "diverged", [2.0, 4.0, np.nan]),
        ("adam", "cosine", 0, "not converged", [0.9, 0.8]),
        ("sdca", "none", 0, "converged", [0.5, np.nan, 0.25, 0.0]),
        ("ftrl", "linear", 0, "diverged", [5.0, np.nan]),
        ("momentum", "linear", 0, "diverged", [np.nan]),
    ]
)


def band(collection):
    """Return the least and the largest ordinate at each abscissa of a band."""
    points = collection.get_paths()[0].vertices
    return {float(x): (points[points[:, 0] == x, 1].min(), points[points[:, 0] == x, 1].max()) for x in points[:, 0]}


def test_curves_are_medians_and_bands_ranges():
    display = SolverComparisonDisplay.from_frame(FRAME)
    lines = {key: line.get_xydata().tolist() for key, line in display.lines_.items()}
    assert lines == {
        ("adam", "linear"): [[1, 2.0], [2, 0.5], [3, 0.2]],  # the second has ended, the third diverged
        ("adam", "cosine"): [[1, 0.9], [2, 0.8]],
        ("sdca", "none"): [[1, 0.5], [3, 0.25]],  # 0 has no place on a logarithmic axis
        ("ftrl", "linear"): [[1, 5.0]],
        ("momentum", "linear"): [],
    }
    assert list(display.bands_) == [("adam", "linear")]
    assert band(display.bands_["adam", "linear"]) == {1: (1.0, 3.0), 2: (0.3, 4.0), 3: (0.1, 0.3)}
    assert display.ax_.get_yscale() == "log" and display.ax_.get_xlabel() == "Epochs"


def test_by_time_a_point_is_at_the_mean_time_of_its_epoch():
    display = SolverComparisonDisplay.from_frame(FRAME, x="seconds", metric="objective")
    times = display.lines_["adam", "linear"].get_xdata()
    np.testing.assert_allclose(times, [np.mean([1, 2, 3]), np.mean([2, 4, 6]), np.mean([3, 4, 6])])
    assert display.ax_.get_xlabel() == "Seconds" and display.ax_.get_yscale() == "linear"
    assert display.lines_["sdca", "none"].get_ydata().tolist() == [1.5, 1.25, 1.0]


def test_a_colour_a_solver_and_a_line_style_a_schedule():
    lines = SolverComparisonDisplay.from_frame(FRAME).lines_
    colours = {solver: {line.get_color() for key, line in lines.items() if key[0] == solver} for solver, _ in lines}
    assert all(len(found) == 1 for found in colours.values()) and len(set.union(*colours.values())) == 4
    styles = {
        schedule: {line.get_linestyle() for key, line in lines.items() if key[1] == schedule} for _, schedule in lines
    }
    assert styles["linear"] == {"-"} and styles["cosine"] == {"--"}
    assert [line.get_label() for line in lines.values()] == [
        *("adam, linear (1 of 3 diverged)", "adam, cosine", "sdca", "ftrl, linear (diverged)"),
        "momentum, linear (diverged)",
    ]
    assert [line.get_marker() == "x" for line in lines.values()] == [False, False, False, True, True]


def test_a_frame_of_compare_solvers_on_given_axes():
    X, y = text_like(n=200)
    frame = compare_solvers(LogisticRegression(), X, y, solvers=["lbfgs", "adam"], seeds=[0, 1], max_iter=5)
    ax = plt.subplots()[1]
    display = SolverComparisonDisplay(frame)
    assert display.plot(ax, line_kw={"linewidth": 5}) is display and display.ax_ is ax
    assert [line.get_label() for line in ax.lines] == ["lbfgs", "adam"]
    assert {line.get_linewidth() for line in ax.lines} == {5}
    alone = frame[(frame["solver"] == "adam")].groupby("epoch")["suboptimality"]
    np.testing.assert_allclose(display.lines_["adam", "auto"].get_ydata(), alone.median())


@pytest.mark.parametrize(
    "frame, options, message",
    [
        (FRAME, dict(metric="loss"), "metric must be one of .*got 'loss'"),
        (FRAME, dict(x="iterations"), r"x must be one of \['epoch', 'seconds'\], got 'iterations'"),
        (FRAME, dict(metric="validation_score"), "metric='validation_score' needs values"),
        (FRAME.assign(seconds=np.nan), dict(x="seconds"), r"x='seconds' needs values.*share=False"),
        (FRAME.drop(columns=["seed", "outcome"]), {}, r"columns of compare_solvers, and \['seed', 'outcome'\]"),
    ],
    ids=["metric", "x", "scores", "times", "columns"],
)
def test_bad_input_is_named(frame, options, message):
    with pytest.raises(ValueError, match=message):
        SolverComparisonDisplay.from_frame(frame, **options)
