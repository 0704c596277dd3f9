"""Draw the plots of the pages, with the package's own displays where there is one.

    python docs/make_plots.py                        # all of them, in half a minute
    python docs/make_plots.py convergence_proof      # only those that are named

Each function below writes one file of docs/_static/plots. The data are scikit-learn's toy data and short texts, or a
table of the page itself, so that nothing is downloaded and two runs write the same bytes. The lines and letters are
mid-grey without a background: the pictures can be read on light and on dark pages.
"""

import re
import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skopt_solvers import LinearChainCRF, LogisticRegression
from skopt_solvers.feature_extraction.text import TfidfVectorizer
from skopt_solvers.inspection import (
    ConvergenceDisplay,
    LearningRateRangeDisplay,
    ScheduleDisplay,
    SolverComparisonDisplay,
    TransitionDisplay,
    WeightsDisplay,
    explain,
)
from skopt_solvers.model_selection import C_path, GridSearchCV, compare_solvers
from skopt_solvers.schedules import CosineDecay, Warmup

PAGES = Path(__file__).parent
TARGET = PAGES / "_static" / "plots"
GREY = "#7c7c7c"
OURS, THEIRS = "#3b82c4", "#a8a8a8"
STYLE = {
    **{f"{part}.color": GREY for part in ("text", "xtick", "ytick", "grid")},
    **{f"axes.{part}": GREY for part in ("edgecolor", "labelcolor")},
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.figsize": (6.4, 3.6),
    "font.size": 10,
    "legend.frameon": False,
    "savefig.transparent": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "skopt_solvers",
}
TEXTS = [
    "the striker scored twice",
    "a late goal won the match",
    "the keeper saved a penalty",
    "shares fell after the report",
    "the bank raised its rates",
    "profits rose, shares rose too",
    "stir the sauce and add salt",
    "bake the bread for an hour",
    "add garlic to the sauce",
]
TOPICS = ["sport"] * 3 + ["money"] * 3 + ["food"] * 3


def digits():
    """Return the digits with values from 0 to 1."""
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def topics():
    """Return the model of the page about explaining."""
    return make_pipeline(TfidfVectorizer(), LogisticRegression(C=10, tol=1e-8)).fit(TEXTS, TOPICS)


def table_below(page, heading):
    """Return the cells of the first table below a heading of a page, without the line of dashes."""
    lines = (PAGES / page).read_text(encoding="utf-8").split(f"\n{heading}\n", 1)[1].splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[begin:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return [rows[0], *rows[2:]]


def numbered_bars(labels, values, texts, colour=OURS):
    """Return axes with a horizontal bar for each label, the first on top, and a text at its end."""
    ax = plt.subplots(figsize=(6.4, 0.6 + 0.24 * len(labels)), layout="constrained")[1]
    bars = ax.barh(labels, values, color=colour, height=0.7)
    ax.bar_label(bars, texts, padding=4, color=GREY, fontsize=9)
    ax.invert_yaxis()
    ax.margins(x=0.12, y=0.02)
    ax.tick_params(left=False, bottom=False, labelbottom=False)
    ax.spines[:].set_visible(False)
    return ax


def convergence_proof():
    """Objective and lower bound of a fit by SDCA, and the gap between them."""
    X, y = digits()
    history = LogisticRegression(C=0.1, solver="sdca", tol=1e-6, random_state=0).fit(X, y).history_
    shown = [record for record in history if record["objective"] is not None][:8]
    epochs = [record["iteration"] for record in shown]
    above = np.array([record["objective"] for record in shown])
    below = above - [record["duality_gap"] for record in shown]
    ax = plt.subplots(layout="constrained")[1]
    ax.fill_between(epochs, below, above, color=OURS, alpha=0.18, label="duality gap", linewidth=0)
    ax.plot(epochs, above, "o-", color=OURS, markersize=4, label="objective")
    ax.plot(epochs, below, "s--", color="#d4711b", markersize=4, label="lower bound")
    ax.set(xlabel="Epochs", ylabel="Objective")
    ax.set_xticks(epochs)
    ax.legend()


def convergence_early_stopping():
    """Score on validation data of a fit that it stops, and the weights that the fit returns."""
    X, y = digits()
    X_train, X_val, y_train, y_val = train_test_split(X, y, random_state=0)
    model = LogisticRegression(solver="adagrad", early_stopping=True, random_state=0)
    model.fit(X_train, y_train, X_val=X_val, y_val=y_val)
    display = ConvergenceDisplay.from_history({"adagrad": model.history_}, metric="validation_score")
    ax, best = display.ax_, model.history_[-6]
    ax.axvline(best["iteration"], color="#d4711b", linestyle="--", label="the weights that are kept")
    ax.legend()


def inspection_convergence():
    """Suboptimality of four solvers, and their learning rates."""
    X, y = digits()
    optimum = LogisticRegression(C=0.01, tol=1e-8, max_iter=1000).fit(X, y).history_[-1]["objective"]
    models = {
        name: LogisticRegression(C=0.01, solver=name, random_state=0) for name in ("lbfgs", "sdca", "adagrad", "adam")
    }
    options = dict(metric="suboptimality", optimum=optimum, learning_rate=True)
    ConvergenceDisplay.from_estimators(models, X, y, **options).figure_.set_size_inches(6.4, 4.8)


def inspection_search():
    """Candidates of a search, by solver and schedule."""
    X, y = digits()
    grid = {"solver": ["adagrad", "adam"], "solver__schedule": ["linear", "cosine"], "max_iter": [30]}
    model = LogisticRegression(C=0.01, random_state=0, n_jobs=1)
    search = GridSearchCV(model, grid, cv=3, keep_histories=True).fit(X, y)
    ConvergenceDisplay.from_search(search, metric="suboptimality", color_by="solver", style_by="schedule")


def inspection_comparison():
    """Suboptimality by epoch of solvers and schedules, over three seeds."""
    X, y = digits()
    options = dict(solvers=["sdca", "adagrad"], schedules=["linear", "cosine"], seeds=range(3), max_iter=10)
    SolverComparisonDisplay.from_frame(compare_solvers(LogisticRegression(C=0.1), X, y, **options))


def inspection_schedules():
    """Three schedules."""
    schedules = {
        "cosine": "cosine",
        "after a rise": Warmup(CosineDecay(), epochs=3),
        "halves": lambda t: 0.5 ** (t // 5),
    }
    ScheduleDisplay.from_schedules(schedules, epochs=20, learning_rate=0.1)


def inspection_rates():
    """Loss of each step of a range test, and the suggested rate."""
    X, y = digits()
    LearningRateRangeDisplay.from_estimator(LogisticRegression(solver="momentum", random_state=0), X, y)


def inspection_transitions():
    """Weights between the labels of a small CRF."""
    X = [[["the"], ["old"], ["dog"], ["barks"]], [["a"], ["cat"], ["sleeps"]]]
    y = [["O", "B-NP", "I-NP", "O"], ["O", "B-NP", "O"]]
    TransitionDisplay.from_estimator(LinearChainCRF(constraints="bio").fit(X, y))


def explaining_weights():
    """Largest weights of three topics."""
    WeightsDisplay.from_estimator(topics(), n=5)


def model_selection_path():
    """Mean score and the scores of the folds by C."""
    X, y = digits()
    path = C_path(LogisticRegression(), X, y, np.logspace(-4, 1, 11), cv=5, n_jobs=1)
    ax = plt.subplots(layout="constrained")[1]
    ax.semilogx(path.Cs, path.scores, color=GREY, alpha=0.45, linewidth=0.8)
    ax.semilogx(path.Cs, path.scores.mean(axis=1), "o-", color=OURS, markersize=4, label="mean of the folds")
    ax.axvline(path.best_C, color="#d4711b", linestyle="--", label=f"best C: {path.best_C:.2g}")
    ax.set(xlabel="C", ylabel="Accuracy")
    ax.legend()


def estimators_losses():
    """Loss of a sample by its margin."""
    margin = np.linspace(-1.6, 2.6, 85)
    short = 1 - margin
    losses = {
        "LogisticRegression": np.log1p(np.exp(-margin)),
        "squared_hinge": np.maximum(short, 0) ** 2,
        "smoothed_hinge": np.where(short <= 1, np.maximum(short, 0) ** 2 / 2, short - 0.5),
        "hinge": np.maximum(short, 0),
        "modified_huber": np.where(short <= 2, np.maximum(short, 0) ** 2, 4 * short - 4),
    }
    ax = plt.subplots(layout="constrained")[1]
    for (name, values), line in zip(losses.items(), ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1))), strict=True):
        ax.plot(margin, values, linestyle=line, label=name)
    ax.axvline(0, color=GREY, linewidth=0.8)
    ax.text(-0.06, 3.9, "wrong", ha="right")
    ax.text(0.06, 3.9, "right")
    ax.set(xlabel="Margin of a sample", ylabel="Loss", ylim=(-0.05, 4.2))
    ax.legend(loc="center right")


def text_speed():
    """Bars of the table of text.md."""
    names, *rows = table_below("text.md", "## Speed")
    column = names.index("times as fast, CPU")
    values = [float(row[column]) for row in rows]
    ax = numbered_bars([row[0] for row in rows], values, [f"{value:.0f} times" for value in values])
    ax.axvline(1, color=GREY, linewidth=1)


def many_classes_memory():
    """Bars of the table of many_classes.md."""
    names, *rows = table_below("many_classes.md", "## Bytes a coefficient")
    column = next(i for i, name in enumerate(names) if name.startswith("1,016 classes"))
    values = [float(row[column].removesuffix(" GB")) for row in rows]
    numbered_bars([row[0].strip("`") for row in rows], values, [row[column] for row in rows])


def explaining_document():
    """Return what a notebook shows of an explained document, as HTML."""
    return explain(topics(), "The BANK fell late, and the keeper saw shares fall").to_html() + "\n"


PLOTS = [
    convergence_proof,
    convergence_early_stopping,
    estimators_losses,
    explaining_document,
    explaining_weights,
    inspection_comparison,
    inspection_convergence,
    inspection_rates,
    inspection_schedules,
    inspection_search,
    inspection_transitions,
    many_classes_memory,
    model_selection_path,
    text_speed,
]


def lean(svg):
    """Return an SVG with fewer digits, and with grey lines where a display draws black ones."""
    svg = re.sub(r"(\d+\.\d\d)\d+", r"\1", svg)
    svg = svg.replace("stroke: #000000", f"stroke: {GREY}")
    return re.sub(r"[ \t]+\n", "\n", svg)


def main():
    matplotlib.use("svg")
    plt.rcParams.update(STYLE)
    TARGET.mkdir(exist_ok=True)
    chosen = set(sys.argv[1:])
    if unknown := chosen - {plot.__name__ for plot in PLOTS}:
        raise SystemExit(f"no such plot: {', '.join(sorted(unknown))}")
    for plot in PLOTS:
        if chosen and plot.__name__ not in chosen:
            continue
        html = plot()
        path = TARGET / f"{plot.__name__}.{'svg' if html is None else 'html'}"
        if html is None:
            plt.savefig(path, metadata={"Date": None})
            html = lean(path.read_text(encoding="utf-8"))
            plt.close("all")
        path.write_text(html, encoding="utf-8")
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
