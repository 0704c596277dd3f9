"""Draw the pictures of the pages on solvers, schedules, sequences and benchmarks: SVG files for light and dark pages.

    python docs/make_plots_solvers.py           # some seconds; writes docs/_static/plots

The bars of the benchmarks are read from the tables of their page, and the transitions are those of the model that the
page on sequences fits, so that a picture and its page agree.
"""

import doctest
import re
import warnings
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from skopt_solvers import LogisticRegression
from skopt_solvers.schedules import SCHEDULES, ReduceOnPlateau, ScheduleSequence, Warmup
from skopt_solvers.solvers import SOLVERS

DOCS = Path(__file__).parent
WIDTH = 5.4  # inches, little enough for letters that can be read on a telephone
GREY, OURS, THEIRS = "#7c7c7c", "#3b82c4", "#a8a8a8"
COLOURS = [OURS, "#e0823d", "#45a36b", "#d0565e", "#9573cc", "#a07a5f", "#d66fb0", GREY]
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "skopt_solvers",  # the same names of parts in each run
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.alpha": 0.25,
    "path.simplify": False,
    "legend.frameon": False,
    "savefig.transparent": True,
    **{name: GREY for name in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")},
}


def save(figure, name):
    """Write a figure without its date."""
    path = DOCS / "_static" / "plots" / f"{name}.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


# Schedules


def example(name):
    """Return a schedule with parameters that show its shape within twenty epochs."""
    parameters = {
        "step": dict(every=5),
        "piecewise": dict(boundaries=[6, 14], values=[1, 0.5, 0.1]),
        "cosine_restarts": dict(period=20 / 3),
        "warmup": dict(schedule="cosine", epochs=4),
    }
    return SCHEDULES[name](**parameters.get(name, {}))


def draw_schedules():
    """Draw the factor of each schedule over twenty epochs."""
    schedules = {f'"{name}"': example(name) for name in SCHEDULES}
    schedules["ScheduleSequence"] = ScheduleSequence(["constant", Warmup("linear", epochs=3)], boundaries=[8])
    time = np.arange(40) / 2
    # an objective that stands still twice
    objectives = [5, 4, 3, 2.6, 2.4, 2.4, 2.4, 2, 1.8, 1.7, 1.65, 1.65, 1.65, 1.5, 1.45, 1.44, 1.43, 1.42, 1.41, 1.4]
    n_rows = -(-len(schedules) // 3)
    figure = Figure(figsize=(WIDTH, 1.1 * n_rows + 0.3), layout="constrained")
    axes = figure.subplots(n_rows, 3, sharex=True, sharey=True).ravel()
    for axis, (name, schedule) in zip(axes, schedules.items(), strict=False):
        if isinstance(schedule, ReduceOnPlateau):
            factors = [float(schedule.bound(20, objectives[: int(t)])(t)) for t in time]
        else:
            factors = np.broadcast_to(schedule.bound(20)(time), time.shape)
        jumps = any(f'"{kind}"' == name for kind in ("step", "piecewise", "plateau"))
        axis.plot(time, factors, color=OURS, linewidth=2, drawstyle="steps-post" if jumps else None)
        axis.set(title=name, ylim=(-0.05, 1.08), yticks=[0, 1], xticks=[0, 10, 20])
        axis.tick_params(bottom=False, left=False)
    for axis in axes[len(schedules) :]:
        axis.set_axis_off()
    figure.supxlabel("epoch", fontsize=10)
    save(figure, "schedules_curves")


# Solvers


def draw_solvers():
    """Draw how far each solver is from the optimum after each epoch, on the digits."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    options = dict(C=0.1, random_state=0, n_jobs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        optimum = LogisticRegression(**options, tol=1e-10, max_iter=1000).fit(X, y).history_[-1]["objective"]
        names = ["lbfgs", "sdca", *(name for name in SOLVERS if name not in ("lbfgs", "sdca"))]
        fits = {s: LogisticRegression(solver=s, max_iter=40, tol=1e-8, **options).fit(X, y).history_ for s in names}
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    axis = figure.subplots()
    for colour, (name, history) in zip(COLOURS, fits.items(), strict=True):
        # an epoch before the first iteration of L-BFGS may have no objective
        gaps = np.array([record["objective"] for record in history], dtype=float) / optimum - 1
        epochs = np.arange(1, len(gaps) + 1)
        axis.semilogy(epochs, np.maximum(gaps, 1e-9), color=colour, label=name)
    axis.set(xlabel="epoch or iteration", ylabel="above the optimum", ylim=(1e-7, 3))
    figure.legend(loc="outside lower center", ncols=4)
    save(figure, "solvers_convergence")


# Sequences


def first_model(page):
    """Return the first CRF that a page fits, by its own blocks of code."""
    names = {}
    for example in doctest.DocTestParser().get_examples((DOCS / page).read_text(encoding="utf-8")):
        exec(compile(example.source, page, "single"), names)
        if "crf" in names:
            return names["crf"]
    raise ValueError(f"{page} fits no crf")


def draw_transitions():
    """Draw the weights of the transitions of the model of the page on sequences."""
    crf = first_model("sequences.md")
    weights, labels = crf.transition_coef_, list(crf.classes_)
    size = np.abs(weights).max()
    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axis = figure.subplots()
    axis.grid(False)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    for (row, column), weight in np.ndenumerate(weights):
        colour = COLOURS[0] if weight > 0 else COLOURS[1]
        place = (column - 0.48, row - 0.48)
        strength = 0.05 + 0.3 * abs(weight) / size
        axis.add_patch(Rectangle(place, 0.96, 0.96, facecolor=colour, alpha=strength, linewidth=0))
        axis.text(column, row, f"{weight:.1f}", ha="center", va="center")
    axis.set(xlim=(-0.5, len(labels) - 0.5), ylim=(len(labels) - 0.5, -0.5), xlabel="to", ylabel="from")
    axis.set_xticks(range(len(labels)), labels)
    axis.set_yticks(range(len(labels)), labels)
    save(figure, "sequences_transitions")


# Benchmarks


def tables(text):
    """Return the tables of a page: for each the cells of its head, and those of its rows."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        head, _, *rows = ([cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines())
        found.append((head, rows))
    return found


def table(found, *head, row=""):
    """Return the head and the rows of the one table whose head has these words, and one of whose rows begins so."""
    (only,) = [
        (cells, rows)
        for cells, rows in found
        if all(any(part in cell for cell in cells) for part in head) and any(r[0].startswith(row) for r in rows)
    ]
    return only


def number(cell, place=0):
    """Return the number at a place of a cell such as `18 / 27 / 43`, or nan."""
    parts = [part.strip().replace(",", "") for part in cell.split(" / ")]
    found = re.match(r"[\d.]+", parts[place]) if place < len(parts) else None
    return float(found.group()) if found else np.nan


def column(found, head, name, place=0, keep=lambda row: True):
    """Return the numbers of a column by the first cells of the rows, where there is one."""
    cells, rows = table(found, *head)
    where = next(i for i, cell in enumerate(cells) if i and name in cell)  # C=1 is before C=10
    numbers = {row[0].replace("`", ""): number(row[where], place) for row in rows if keep(row)}
    return {label: value for label, value in numbers.items() if np.isfinite(value)}


def is_ours(name):
    return name.startswith(("lbfgs", "sdca", "adagrad", "ours", "C_path", "best fit only", "predict_topk", "at once"))


def bars(name, panels, unit, pick=is_ours):
    """Draw horizontal bars, the shortest first; each panel is a title and the numbers by their labels."""
    heights = [len(numbers) + 1.6 for _, numbers in panels]
    figure = Figure(figsize=(WIDTH, 0.21 * sum(heights) + 0.2), layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(panels), 1, height_ratios=heights))
    for axis, (title, numbers) in zip(axes, panels, strict=True):
        labels = sorted(numbers, key=numbers.get)
        values = [numbers[label] for label in labels]
        drawn = axis.barh(labels, values, color=[OURS if pick(label) else THEIRS for label in labels])
        axis.bar_label(drawn, [f"{value:g} {unit}" for value in values], padding=4, fontsize=9)
        axis.set(title=title, xlim=(0, 1.25 * max(values)), xticks=[])
        axis.grid(False)
        axis.invert_yaxis()
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0)
    save(figure, name)


def without_ratio(row):
    return not row[0].startswith("best of ours")


def draw_binary(found):
    text, nsmc = ("rcv1 C=0.1", "20news2 C=10"), ("nsmc", "C=0.1")
    panels = [
        ("rcv1", column(found, text, "rcv1 C=1", 1, without_ratio)),
        ("binary 20 newsgroups", column(found, text, "20news2 C=1", 1, without_ratio)),
        ("nsmc", column(found, nsmc, "C=1", 1, without_ratio)),
    ]
    bars("benchmarks_binary", panels, "ms")


def draw_classes(found):
    heads = {"softmax": "20 newsgroups, softmax", "one-versus-rest squared hinge": "20 newsgroups, squared hinge"}
    panels = [(title, column(found, (head,), "1e-3", 1)) for title, head in heads.items()]
    bars("benchmarks_classes", panels, "ms")


def draw_defaults(found):
    cells, rows = table(found, "rcv1", "20news2", "nsmc", row="Vowpal Wabbit")
    panels = []
    for place, title in enumerate(cells[1:], 1):
        both = {row[0].replace("`", ""): row[place].split(", ") for row in rows}
        panels.append((title, {f"{label} ({gap} above)": float(time) for label, (time, gap) in both.items()}))
    bars("benchmarks_defaults", panels, "ms")


def draw_features(found):
    two, dense, softmax = ("unscaled (20,000 x 30)",), ("nsmc_svd, C=1",), ("20news_svd (20 classes",)
    panels = [
        ("columns without a common scale", column(found, two, "unscaled", 1, without_ratio)),
        ("w8a: columns of 0 and 1", column(found, two, "w8a", 1, without_ratio)),
        ("categories as columns of 0 and 1", column(found, two, "categories", 1, without_ratio)),
        ("nsmc_svd: dense, two classes", column(found, dense, "nsmc_svd", 1, without_ratio)),
        ("20news_svd: dense, 20 classes", column(found, softmax, "20news_svd", 1, without_ratio)),
    ]
    bars("benchmarks_features", panels, "ms")


def draw_l1(found):
    head = ("rcv1, L1", "w8a, L1")
    names = ("rcv1, L1", "20news2, L1", "w8a, L1")
    bars("benchmarks_l1", [(name, column(found, head, name, 1, without_ratio)) for name in names], "ms")


def draw_tagging(found):
    panels = []
    for title in ("WNUT-17, 13 labels", "CoNLL-2000, 22 labels", "EWT, 17 universal tags"):
        (head,) = [cells[0] for cells, _ in found if cells[0].startswith(title)]
        panels.append((title, column(found, (head,), "to 5 / 1 / 0.1 %", 1)))
    bars("benchmarks_tagging", panels, "s")


def draw_paths(found):
    cells, rows = table(found, "best fit only", "LogisticRegressionCV")
    names = [cell.strip("`") for cell in cells[1:5]]
    panels = [(row[0], dict(zip(names, map(number, row[1:5]), strict=True))) for row in rows]
    bars("benchmarks_paths", panels, "s")


def draw_labels(found):
    cells, rows = table(found, "at once", "one by one")
    panels, estimator = [], ""
    for name, solver, *times in rows:
        estimator = name or estimator
        title = f"{estimator}, {solver}".replace("`", "")
        panels.append((title, dict(zip(cells[2:4], map(number, times[:2]), strict=True))))
    bars("benchmarks_labels", panels, "s")


def draw_growth(found):
    """Draw how the time of an epoch or iteration grows, on logarithmic axes."""
    cells, rows = table(found, "lbfgs", "adagrad", "sdca")
    axis_of, points = "", {}
    for row in rows:
        axis_of = row[0] or axis_of
        for solver, cell in zip(cells[2:], row[2:], strict=True):
            points.setdefault(axis_of, {}).setdefault(solver, []).append((number(row[1]), number(cell.split(", ")[0])))
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    for axis, (title, of_solvers) in zip(axes, points.items(), strict=True):
        for colour, (solver, pairs) in zip(COLOURS, of_solvers.items(), strict=False):
            axis.loglog(*np.array(pairs).T, color=colour, marker="o", markersize=3, label=solver)
        axis.set(title=title)
        axis.minorticks_off()
    figure.supylabel("ms of an epoch or iteration", fontsize=10)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save(figure, "benchmarks_growth")


def main():
    with rc_context(STYLE):
        draw_schedules()
        draw_solvers()
        draw_transitions()
        found = tables((DOCS / "benchmarks.md").read_text(encoding="utf-8"))
        for draw in (
            draw_binary,
            draw_classes,
            draw_defaults,
            draw_features,
            draw_l1,
            draw_tagging,
            draw_paths,
            draw_labels,
        ):
            draw(found)
        draw_growth(found)


if __name__ == "__main__":
    main()
