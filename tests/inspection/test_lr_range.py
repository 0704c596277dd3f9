"""The display of the learning-rate range test draws what the test has found."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from skopt_solvers import LogisticRegression
from skopt_solvers.inspection import LearningRateRangeDisplay
from skopt_solvers.model_selection import lr_range_test

from ..reference import text_like

MODEL = LogisticRegression(solver="adagrad", random_state=0)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def test_what_is_drawn_is_the_result():
    X, y = text_like(n=500)
    weights = np.arange(500.0)
    options = dict(min_lr=1e-3, max_lr=100.0, n_steps=60, smoothing=0.5, stop_factor=2.0)
    display = LearningRateRangeDisplay.from_estimator(MODEL, X, y, weights, **options, line_kw={"c": "red"})
    found = lr_range_test(MODEL, X, y, weights, **options)
    np.testing.assert_array_equal(display.line_.get_xydata(), np.c_[found.learning_rates, found.smoothed_losses])
    np.testing.assert_array_equal(display.losses_line_.get_xydata(), np.c_[found.learning_rates, found.losses])
    assert list(display.suggestion_line_.get_xdata()) == [found.suggestion] * 2
    assert display.ax_.get_xscale() == "log" and display.figure_ is display.ax_.figure
    assert display.line_.get_color() == display.losses_line_.get_color() == "red"
    bottom, top = display.ax_.get_ylim()
    assert bottom == 0 and found.smoothed_losses[0] < top


def test_a_result_is_drawn_on_given_axes():
    ax = plt.subplots()[1]
    display = LearningRateRangeDisplay(lr_range_test(MODEL, *text_like(n=500)))
    assert display.plot(ax) is display and display.ax_ is ax
    assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == ["smoothed", "steps"]
