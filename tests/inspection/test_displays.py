"""The displays of fits, schedules and transitions: what is drawn is what the fits have, and fits where it is drawn."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Perceptron
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skopt_solvers import LinearChainCRF, LogisticRegression
from skopt_solvers.crf._constraints import allowed_transitions
from skopt_solvers.inspection import ConvergenceDisplay, ScheduleDisplay, TransitionDisplay
from skopt_solvers.schedules import SCHEDULES, CosineDecay, ReduceOnPlateau, Schedule, StepDecay, Warmup
from skopt_solvers.solvers import Momentum


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def separable(n=80, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.rand(n, 6) * (rng.rand(n, 6) < 0.5)
    return X, (X @ rng.randn(6) + 0.3 * rng.randn(n) > 0).astype(int)


@pytest.fixture(scope="module")
def fitted():
    X, y = separable()
    models = {solver: LogisticRegression(solver=solver, max_iter=500) for solver in ("lbfgs", "sdca")}
    models["adagrad"] = LogisticRegression(solver="adagrad", early_stopping=True, random_state=0)
    return {name: model.fit(X, y) for name, model in models.items()}


def history(values, **others):
    """A history with these objectives, an iteration of 0.5 seconds each."""
    columns = {"objective": values, **others}
    rows = zip(*columns.values(), strict=True)
    return [{"iteration": i, "seconds": 0.5, **dict(zip(columns, row, strict=True))} for i, row in enumerate(rows, 1)]


def column(model, key):
    return [record[key] for record in model.history_]


def extent(artist):
    return artist.get_window_extent()


def inside(box, figure):
    return box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.width + 1 and box.y1 <= figure.bbox.height + 1


def overlapping(boxes):
    """Pairs that share more than rounding."""
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
    return [
        (a, b) for a, b in pairs if min(a.x1, b.x1) - max(a.x0, b.x0) > 0.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > 0.5
    ]


# Convergence


def test_objectives_of_fitted_estimators_are_drawn_as_they_are(fitted):
    display = ConvergenceDisplay.from_estimators(fitted)
    for line, (name, model) in zip(display.lines_, fitted.items(), strict=True):
        assert line.get_label() == name and display.histories[name] is model.history_
        np.testing.assert_array_equal(line.get_xdata(), column(model, "iteration"))
        np.testing.assert_array_equal(line.get_ydata(), column(model, "objective"))
    ax = display.ax_
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("Iterations or epochs", "Objective", "linear")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(fitted)
    assert display.figure_ is ax.figure and display.learning_rate_ax_ is display.learning_rate_lines_ is None


def test_suboptimality_is_relative_to_the_least_of_all(fitted):
    models = {name: fitted[name] for name in ("lbfgs", "sdca")}
    display = ConvergenceDisplay.from_estimators(models, metric="suboptimality")
    least = min(min(column(model, "objective")) for model in models.values())
    for line, model in zip(display.lines_, models.values(), strict=True):
        P = np.array(column(model, "objective"))
        np.testing.assert_allclose(line.get_ydata(), (P[least < P] - least) / least)
        np.testing.assert_array_equal(line.get_xdata(), np.array(column(model, "iteration"))[least < P])
    assert display.ax_.get_yscale() == "log"


def test_suboptimality_to_a_given_optimum_keeps_its_sign_for_negative_objectives():
    histories = {"a": history([-1.0, -3.0, -3.5]), "b": history([2.0, 0.0])}
    a, b = ConvergenceDisplay.from_history(histories, metric="suboptimality", optimum=-4).lines_
    np.testing.assert_allclose(a.get_ydata(), [0.75, 0.25, 0.125])
    np.testing.assert_allclose(b.get_ydata(), [1.5, 1.0])


def test_seconds_are_cumulative(fitted):
    display = ConvergenceDisplay.from_estimators(fitted, x="seconds")
    for line, model in zip(display.lines_, fitted.values(), strict=True):
        np.testing.assert_allclose(line.get_xdata(), np.cumsum(column(model, "seconds")))
        np.testing.assert_array_equal(line.get_ydata(), column(model, "objective"))
    assert display.ax_.get_xlabel() == "Seconds"


@pytest.mark.parametrize(
    "name, metric, scale",
    [("lbfgs", "gradient_norm", "log"), ("sdca", "duality_gap", "log"), ("adagrad", "validation_score", "linear")],
)
def test_other_metrics_are_those_of_the_history(fitted, name, metric, scale):
    display = ConvergenceDisplay.from_estimators({name: fitted[name]}, metric=metric)
    values = np.array(column(fitted[name], metric))
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), values[values > 0] if scale == "log" else values)
    assert display.ax_.get_yscale() == scale


def test_records_without_the_metric_are_left_out_and_their_time_is_not():
    records = history([4.0, 3.0, 2.0], gradient_norm=[1.0, None, 0.5])
    (line,) = ConvergenceDisplay.from_history({"a": records}, metric="gradient_norm", x="seconds").lines_
    np.testing.assert_array_equal(line.get_xdata(), [0.5, 1.5])
    np.testing.assert_array_equal(line.get_ydata(), [1.0, 0.5])


def test_learning_rates_are_a_panel_below(fitted):
    display = ConvergenceDisplay.from_estimators(fitted, learning_rate=True)
    below = display.learning_rate_ax_
    assert below.figure is display.figure_ and below.get_shared_x_axes().joined(below, display.ax_)
    assert below.get_position().y1 < display.ax_.get_position().y0
    for line, above, model in zip(display.learning_rate_lines_, display.lines_, fitted.values(), strict=True):
        known = [(r["iteration"], r["learning_rate"]) for r in model.history_ if r["learning_rate"] is not None]
        np.testing.assert_array_equal(line.get_xydata(), np.reshape(known, (-1, 2)))
        for style in ("color", "linestyle", "marker"):
            assert plt.getp(line, style) == plt.getp(above, style)
    assert display.ax_.get_xlabel() == "" and below.get_xlabel() == "Iterations or epochs"


def test_unfitted_estimators_are_cloned_and_fitted(fitted):
    X, y = separable()
    models = {
        "fitted": fitted["lbfgs"],
        "not": LogisticRegression(max_iter=500),
        "pipeline": make_pipeline(MaxAbsScaler(), LogisticRegression(max_iter=500)),
    }
    display = ConvergenceDisplay.from_estimators(models, X, y)
    assert not hasattr(models["not"], "coef_") and not hasattr(models["pipeline"][-1], "coef_")
    expected = fitted["lbfgs"], fitted["lbfgs"], models["pipeline"].fit(X, y)[-1]
    for line, model in zip(display.lines_, expected, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), column(model, "objective"))
    again = ConvergenceDisplay.from_estimators(models | {"not": LogisticRegression(max_iter=500).fit(X, y)})
    np.testing.assert_array_equal(again.lines_[2].get_ydata(), display.lines_[2].get_ydata())


def test_fit_params_reach_fit():
    X, y = separable()
    display = ConvergenceDisplay.from_estimators(
        {"a": LogisticRegression()}, X, y, fit_params=dict(X_val=X[:20], y_val=y[:20]), metric="validation_score"
    )
    model = LogisticRegression().fit(X, y, X_val=X[:20], y_val=y[:20])
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), column(model, "validation_score"))


def test_given_axes_are_used_and_lines_go_on_in_style(fitted):
    ax = Figure(layout="constrained").subplots()
    first = ConvergenceDisplay.from_estimators({"lbfgs": fitted["lbfgs"]}, ax=ax, line_kw={"lw": 3, "alpha": 0.5})
    second = ConvergenceDisplay.from_estimators({"sdca": fitted["sdca"]}, ax=ax)
    assert first.ax_ is second.ax_ is ax and first.figure_ is ax.figure and not plt.get_fignums()
    assert list(ax.lines) == first.lines_ + second.lines_
    assert ax.lines[0].get_linewidth() == 3 and ax.lines[0].get_alpha() == 0.5
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["lbfgs", "sdca"]
    pair = Figure().subplots(2)
    display = ConvergenceDisplay.from_estimators(fitted, ax=pair, learning_rate=True)
    assert (display.ax_, display.learning_rate_ax_) == tuple(pair)


def test_a_display_draws_again_without_a_fit(fitted):
    display = ConvergenceDisplay.from_estimators(fitted)
    before = display.ax_
    assert display.plot(metric="suboptimality", x="seconds") is display and display.ax_ is not before


def test_twenty_lines_differ_without_colour_and_the_legend_covers_none():
    histories = {f"a solver with a long name, {i}": history([1.0 + i, 0.5 + i]) for i in range(20)}
    for ax in (None, Figure().subplots(), Figure((4, 3), layout="constrained").subplots()):
        display = ConvergenceDisplay.from_history(histories, ax=ax)
        display.figure_.draw_without_rendering()
        styles = {(line.get_linestyle(), line.get_marker()) for line in display.lines_}
        assert len(styles) == 20
        legend = display.ax_.get_legend()
        assert not overlapping([extent(legend), extent(display.ax_)])
        assert inside(extent(legend), display.figure_)
        assert not overlapping([extent(text) for text in legend.get_texts()])
        assert display.ax_.bbox.width > 0.25 * display.figure_.bbox.width


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(metric="loss"), r"metric must be one of \['duality_gap', .*got 'loss'"),
        (dict(x="passes"), r"x must be one of \['iterations', 'seconds'\], got 'passes'"),
        (dict(optimum=1.0), "optimum=1.0 is for metric='suboptimality', got metric='objective'"),
        (dict(optimum=0, metric="suboptimality"), "optimum must be a finite number other than 0, got 0"),
        (dict(optimum=3.5, metric="suboptimality"), "optimum must not be above the least objective, 3, got 3.5"),
        (dict(metric="duality_gap"), r"'duality_gap' in the records of each history, and that of 'a' has \['objecti"),
        (dict(learning_rate=True), "needs a history with learning rates"),
        (dict(learning_rate=True, ax="one"), "ax must be a pair of Axes with learning_rate=True, got 'one'"),
        (dict(ax=["one", "two"]), "ax must be one Axes with learning_rate=False"),
    ],
)
def test_bad_options_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConvergenceDisplay.from_history({"a": history([4.0, 3.0])}, **arguments)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    "histories, error, message",
    [
        ([1, 2], TypeError, "histories must be a dict of names that is not empty"),
        ({}, TypeError, "not empty"),
        ({"a": []}, ValueError, r"histories\['a'\] is empty"),
        ({"a": [1.0, 2.0]}, TypeError, r"histories\['a'\] must be a list of dicts"),
        ({"a": [{"iteration": 1, "objective": 2.0}]}, ValueError, "must have 'seconds' in each record"),
    ],
)
def test_bad_histories_are_refused(histories, error, message):
    with pytest.raises(error, match=message):
        ConvergenceDisplay.from_history(histories)


def test_bad_estimators_are_refused_before_any_is_fitted():
    X, y = separable()

    class Unwanted(LogisticRegression):
        def fit(self, X, y):
            raise AssertionError("fitted")

    models = {"a": Unwanted(), "b": LogisticRegression()}
    with pytest.raises(ValueError, match=r"X and y must be given: estimators\['a'\] has no history_"):
        ConvergenceDisplay.from_estimators(models, X)
    with pytest.raises(ValueError, match="metric must be"):
        ConvergenceDisplay.from_estimators(models, X, y, metric="loss")
    with pytest.raises(TypeError, match="estimators must be a dict"):
        ConvergenceDisplay.from_estimators(list(models.values()), X, y)
    with pytest.raises(TypeError, match=r"estimators\['p'\] must keep a history_, and Perceptron does not"):
        ConvergenceDisplay.from_estimators({"p": Perceptron()}, X, y)


# Schedules


def test_schedules_are_their_factors():
    display = ScheduleDisplay.from_schedules(list(SCHEDULES), epochs=30, learning_rate=0.2)
    t = display.times
    assert t[0] == 0 and 30 - 1e-6 < t[-1] < 30 and (np.diff(t) > 0).all()
    for line, (name, kind) in zip(display.lines_, SCHEDULES.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_allclose(line.get_ydata(), 0.2 * kind().bound(30)(t))
    assert display.ax_.get_ylabel() == "Learning rate" and display.ax_.get_xlabel() == "Epochs"


def test_rates_of_a_fit_lie_on_the_curve():
    X, y = separable()
    schedule = Warmup(CosineDecay(), epochs=3)
    model = LogisticRegression(
        solver=Momentum(0.3, schedule=schedule, batch_size=20), max_iter=12, tol=0, random_state=0
    )
    with pytest.warns(match="learning rate has come to zero|max_iter"):
        model.fit(X, y)
    display = ScheduleDisplay.from_schedules(schedule, epochs=12, learning_rate=0.3)
    (line,) = display.lines_
    last = np.arange(model.n_iter_) + 3 / 4
    np.testing.assert_allclose(np.interp(last, *line.get_data()), column(model, "learning_rate"), rtol=1e-3)


def test_reactions_to_objectives_are_drawn_where_they_come():
    X, y = separable()
    schedule = ReduceOnPlateau(patience=1, threshold=0.05)
    model = LogisticRegression(solver=Momentum(0.3, schedule=schedule), max_iter=10, tol=0, random_state=0)
    with pytest.warns(match="max_iter"):
        model.fit(X, y)
    objectives = column(model, "objective")
    display = ScheduleDisplay.from_schedules(schedule, epochs=10, learning_rate=0.3, objectives=objectives)
    middle = np.arange(10) + 0.5
    np.testing.assert_allclose(np.interp(middle, *display.lines_[0].get_data()), column(model, "learning_rate"))
    assert column(model, "learning_rate")[-1] < 0.3


def test_jumps_are_upright():
    display = ScheduleDisplay.from_schedules(StepDecay(every=2, factor=0.5), epochs=6)
    t, factor = display.lines_[0].get_data()
    jumps = np.flatnonzero(np.diff(factor))
    np.testing.assert_allclose(t[jumps + 1], [2, 4])
    assert (np.diff(t)[jumps] < 1e-6).all()


def test_names_of_schedules():
    def hold(t):
        return 1.0

    class Half(Schedule):
        def __call__(self, t):
            return 0.5

    listed = ScheduleDisplay.from_schedules(["cosine", hold, hold, Half(), CosineDecay(epochs=5)], epochs=10)
    assert list(listed.factors) == ["cosine", "hold", "hold (2)", "Half()", "CosineDecay(epochs=5)"]
    assert set(listed.factors["Half()"]) == {0.5}
    assert list(ScheduleDisplay.from_schedules({"a": "linear", 2: hold}).factors) == ["a", 2]
    assert list(ScheduleDisplay.from_schedules("linear").factors) == ["linear"]


def test_schedules_use_given_axes():
    ax = Figure().subplots()
    display = ScheduleDisplay.from_schedules("cosine", ax=ax, line_kw={"color": "black"})
    assert display.ax_ is ax and list(ax.lines) == display.lines_ and ax.lines[0].get_color() == "black"
    assert ax.get_ylabel() == "Factor on the learning rate" and not plt.get_fignums()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(schedules="fast"), r"schedule must be one of .*got 'fast'"),
        (dict(schedules=[]), "schedules must not be empty"),
        (dict(schedules="cosine", epochs=0), "epochs must be a finite number > 0, got 0"),
        (dict(schedules="cosine", learning_rate="auto"), "learning_rate must be a finite number > 0, got 'auto'"),
        (dict(schedules={"down": lambda t: 1 - t}, epochs=4), "schedule 'down' must give factors .*got -"),
    ],
)
def test_bad_schedules_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ScheduleDisplay.from_schedules(**arguments)


# Transitions


def tagger(n_types=2, **options):
    """A CRF fitted on random entities of some types."""
    rng = np.random.RandomState(0)
    y = []
    for _ in range(40):
        labels = []
        for kind in rng.choice(n_types, 4):
            labels += [f"B-type {kind:02d}"] + [f"I-type {kind:02d}"] * rng.randint(0, 3) + ["O"] * rng.randint(0, 2)
        y.append(labels)
    X = [[[label[:1] + str(rng.randint(2)), f"w{rng.randint(20)}"] for label in labels] for labels in y]
    return LinearChainCRF(max_iter=20, tol=0.01, **options).fit(X, y)


@pytest.fixture(scope="module")
def bio():
    return tagger(constraints="bio")


def test_transitions_are_those_of_the_crf(bio):
    display = TransitionDisplay.from_estimator(bio)
    K = len(bio.classes_)
    allowed = allowed_transitions("bio", bio.classes_)
    shown = display.im_.get_array()
    assert shown.shape == (K + 1, K + 1)
    np.testing.assert_array_equal(shown[1:, :K].filled(np.inf), np.where(allowed[:K], bio.transition_coef_, np.inf))
    np.testing.assert_array_equal(shown[0, :K].filled(np.inf), np.where(allowed[K], bio.start_coef_, np.inf))
    np.testing.assert_array_equal(shown[1:, K].filled(np.inf), np.where(allowed[K + 1], bio.end_coef_, np.inf))
    names = bio.classes_.tolist()
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["(start)", *names]
    assert [text.get_text() for text in display.ax_.get_xticklabels()] == [*names, "(end)"]
    low, high = display.im_.get_clim()
    assert -low == high == np.abs(shown).max()
    assert len(display.forbidden_.get_paths()) == (~allowed).sum() and display.forbidden_.get_hatch()
    for (row, column), text in np.ndenumerate(display.text_):
        assert (text is None) == bool(np.ma.getmaskarray(shown)[row, column])
        assert text is None or abs(float(text.get_text()) - shown[row, column]) <= 0.05 + 1e-9


def test_without_boundaries_and_constraints(bio):
    crf = tagger(fit_boundaries=False)
    display = TransitionDisplay.from_estimator(make_pipeline(crf), colorbar=False)
    np.testing.assert_array_equal(display.im_.get_array(), crf.transition_coef_)
    assert display.forbidden_ is None and display.colorbar_ is None and display.ax_.get_legend() is None
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == crf.classes_.tolist()


def test_a_given_part_of_the_boundaries():
    weights = np.array([[1.0, -2.0], [0.0, 0.5]])
    rows = TransitionDisplay(weights, ["a", "b"], start=[3.0, 4.0]).plot().im_.get_array()
    np.testing.assert_array_equal(rows, [[3, 4], [1, -2], [0, 0.5]])
    columns = TransitionDisplay(weights, ["a", "b"], end=[3.0, 4.0]).plot().im_.get_array()
    np.testing.assert_array_equal(columns, [[1, -2, 3], [0, 0.5, 4]])


def test_options_of_the_heat_map(bio):
    ax = Figure().subplots()
    display = TransitionDisplay.from_estimator(
        bio, ax=ax, cmap="PuOr", include_values=True, values_format=".3f", im_kw={"alpha": 0.5, "vmax": 9}
    )
    assert display.ax_ is ax and display.figure_ is ax.figure and not plt.get_fignums()
    assert display.im_.get_cmap().name == "PuOr" and display.im_.get_alpha() == 0.5 and display.im_.get_clim()[1] == 9
    assert display.text_[0, 0].get_text() == f"{bio.start_coef_[0]:.3f}"
    display.plot(include_values=False)
    shown = display.im_.get_array()
    assert display.text_ is None
    columns, rows = display.signs_.get_offsets().data.T.astype(int)
    negative = np.argwhere(shown.filled(0) < -0.1 * np.abs(shown).max())
    np.testing.assert_array_equal(np.stack([rows, columns], axis=1), negative)
    assert display.ax_.get_xlim() == (-0.5, shown.shape[1] - 0.5) and display.ax_.get_ylim()[1] == -0.5


def test_forty_labels_do_not_overlap():
    rng = np.random.RandomState(0)
    names = [f"B-ENTITY_{i}" for i in range(40)]
    display = TransitionDisplay(rng.randn(40, 40), names, start=rng.randn(40), end=rng.randn(40))
    for ax in (None, Figure((4, 3.5), layout="constrained").subplots()):
        display.plot(ax)
        display.figure_.draw_without_rendering()
        for axis in (display.ax_.xaxis, display.ax_.yaxis):
            boxes = [extent(label) for label in axis.get_ticklabels() if label.get_visible()]
            assert len(boxes) >= 13 and not overlapping(boxes)
            assert all(inside(box, display.figure_) for box in boxes)
        if ax is None:  # each value within its cell
            assert all(extent(text).width < display.ax_.bbox.width / 41 for text in display.text_[5])
        assert (display.text_ is None) == (ax is not None)


def test_labels_are_not_read_as_formulas():
    display = TransitionDisplay(np.eye(2), ["$x$", "''"]).plot()
    display.figure_.draw_without_rendering()
    assert not display.ax_.get_xticklabels()[0].get_parse_math()


def test_bad_transitions_are_refused(bio):
    with pytest.raises(TypeError, match="must be a LinearChainCRF or a pipeline that ends in one, got Perceptron"):
        TransitionDisplay.from_estimator(Perceptron())
    with pytest.raises(NotFittedError):
        TransitionDisplay.from_estimator(LinearChainCRF())
    with pytest.raises(ValueError, match="include_values must be True, False or 'auto', got 'yes'"):
        TransitionDisplay.from_estimator(bio, include_values="yes")
    with pytest.raises(ValueError, match=r"start must have shape \(2,\) for 2 labels, got \(3,\)"):
        TransitionDisplay(np.eye(2), ["a", "b"], start=np.ones(3)).plot()
    with pytest.raises(ValueError, match=r"allowed must have shape \(4, 2\)"):
        TransitionDisplay(np.eye(2), ["a", "b"], allowed=np.ones((2, 2), bool)).plot()


# matplotlib


def test_importing_displays_does_not_import_matplotlib():
    script = "import sys, skopt_solvers.inspection; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "draw",
    [
        lambda: ConvergenceDisplay.from_estimators({"a": LogisticRegression()}),
        lambda: ConvergenceDisplay({"a": history([1.0])}).plot(),
        lambda: ScheduleDisplay.from_schedules("cosine"),
        lambda: TransitionDisplay(np.eye(2), "ab").plot(),
    ],
)
def test_without_matplotlib_the_extra_is_named(monkeypatch, draw):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"Display\..* needs matplotlib: pip install 'skopt_solvers\[plot\]'"):
        draw()
