"""A tour: eight solvers, learning-rate schedules, a grid search and a convergence plot, on real text; and tagging.

    python examples/quickstart.py                    which package does a docstring come from?
                                                     and which role has each name in a line of source code?
    python examples/quickstart.py --data 20news      which newsgroup does a posting come from?
    python examples/quickstart.py --task tokens      the second half alone

The docstrings are those of the installed numpy, scipy, scikit-learn and standard library, the source code is the
standard library's: nothing is downloaded.
"""

import argparse
import time
import warnings

import numpy as np
from docstring_corpus import load_docstrings
from sklearn.datasets import fetch_20newsgroups
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from source_corpus import load_tokens

from skopt_solvers import LinearChainCRF, LogisticRegression
from skopt_solvers.feature_extraction import TokenFeatures
from skopt_solvers.feature_extraction.text import TfidfVectorizer
from skopt_solvers.metrics import sequence_accuracy
from skopt_solvers.model_selection import GridSearchCV
from skopt_solvers.schedules import CosineDecay, CosineRestarts, StepDecay, Warmup
from skopt_solvers.solvers import LBFGS, Adam

C = 10  # weight of the loss against the penalty; the grid below looks for a better one
SEED = 0
GRID_DOCUMENTS = 6000  # most documents that the grid search sees, to keep it short


def main():
    began = time.perf_counter()
    options = parse_arguments()
    if options.task != "tokens":
        classify_documents(options)
    if options.task != "documents":
        tag_tokens(options)
    print(f"\n{time.perf_counter() - began:.0f} seconds in all")


def classify_documents(options):
    # Step 1: text and labels, and TF-IDF rows. The matrix stays sparse in every solver.
    texts, labels = load(options)
    train_texts, test_texts, y_train, y_test = train_test_split(
        texts, labels, test_size=0.25, stratify=labels, random_state=SEED
    )
    vectorizer = make_vectorizer()
    X_train, X_test = vectorizer.fit_transform(train_texts), vectorizer.transform(test_texts)
    print(
        f"{options.data}: {len(set(labels))} classes, {X_train.shape[0]} documents to train on, {X_test.shape[0]} to "
        f"test, {X_train.shape[1]} features, {X_train.nnz / X_train.shape[0]:.0f} of them in a document"
    )
    data = X_train, X_test, y_train, y_test

    # Step 2: every solver by its name, nothing tuned. All minimise the same objective, AdamW excepted.
    print(f"\nSolvers at their defaults, C={C}")
    print_header()
    solvers = {name: fit_and_report(name, "", data, solver=name) for name in SOLVERS}

    # Step 3: one solver, several schedules. max_iter is the length of those that have no length of their own.
    print(f"\nSchedules of Adam, all in {EPOCHS} epochs")
    print_header()
    schedules = {
        name: fit_and_report("adam", name, data, solver=Adam(schedule=schedule), max_iter=EPOCHS)
        for name, schedule in SCHEDULES.items()
    }
    print(NOTES)

    # Step 4: choose among solvers, rates, schedules and C by cross-validation, the whole pipeline at once.
    search(train_texts, y_train, test_texts, y_test)

    # Step 5: the course of each fit is in its history_.
    if options.plot:
        plot(solvers, schedules, X_train, y_train, options)


def tag_tokens(options):
    # Step 6: sequences of tokens. What a token and its neighbours look like becomes a sparse row.
    train, y_train, test, y_test = load_tokens()
    features = TokenFeatures()
    X_train, X_test = features.fit_transform(train), features.transform(test)
    n_roles, (n_tokens, n_features) = len(np.unique(np.concatenate(y_train))), X_train.matrix.shape
    print(
        f"\nSource code: {n_roles} roles, {len(train)} lines of {n_tokens} tokens to train on, {len(test)} lines of "
        f"other modules to test, {n_features} features, {X_train.matrix.nnz / n_tokens:.0f} of them in a token"
    )
    data = X_train, X_test, y_train, y_test

    # Step 7: the same solvers by the same names, but for sdca, whose dual is that of a linear model.
    print(f"\nLinear-chain CRF, C={C}")
    print(
        f"{'solver':<9} {'epochs':>6} {'seconds':>8} {'objective':>10} {'bound':>8} {'tokens right':>13} "
        f"{'lines right':>12}  converged"
    )
    models = {name: fit_and_report_crf(name, data) for name in SOLVERS if name != "sdca"}
    report_without_transitions(data)
    if options.task == "tokens":
        print(NOTES)

    # Step 8: what it has learned.
    model = models["lbfgs"]
    for line in LINES:
        print_tagged(model, features, line)
    print("\nThe transitions of largest weight")
    for transition in model.top_transitions(10):
        print(f"{transition['weight']:>6.2f}  {transition['from']} -> {transition['to']}")


SOLVERS = ["lbfgs", "sdca", "momentum", "adagrad", "rmsprop", "adam", "adamw", "ftrl"]

EPOCHS = 21  # three periods of the warm restarts: 3 + 6 + 12


def triangle(t):
    """Rise for a quarter of the epochs and fall for the rest: any function of the time in epochs is a schedule."""
    return np.clip(np.minimum(4 * t / EPOCHS + 0.05, (1 - t / EPOCHS) / 0.75), 0, 1)


# A schedule is a name, an object, or a function. It multiplies the learning rate.
SCHEDULES = {
    "constant": "constant",
    "1/sqrt(1 + t)": "inverse_sqrt",
    "halved every 3": StepDecay(every=3, factor=0.5),
    "cosine": "cosine",
    "warm restarts": CosineRestarts(period=3, multiplier=2),
    "warmup + cosine": Warmup(CosineDecay(), epochs=2),
    "one-cycle": "one_cycle",
    "a function": triangle,
}

NOTES = """
objective  C * sum of losses + penalty at the end, the same function in all rows
bound      the objective is at most so much above its minimum: proven by suboptimality_bound, whatever the solver.
           AdamW's decay of the weights is another penalty, so that its end is not the minimum of this objective
converged  by the solver's own criterion; stop_reason_ says it in words. A fit that has not converged gives a
           ConvergenceWarning. Here a fixed number of epochs is the point of the comparison"""


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--task", choices=["documents", "tokens", "both"], default="both")
    parser.add_argument(
        "--data", choices=["docstrings", "20news"], default="docstrings", help="the documents (%(default)s)"
    )
    parser.add_argument("--data-home", metavar="DIR", help="read 20news from here and download nothing")
    parser.add_argument("--plot", metavar="FILE", default="quickstart.png", help="where the plot goes (%(default)s)")
    parser.add_argument("--no-plot", dest="plot", action="store_const", const=None)
    return parser.parse_args()


def load(options):
    """Return texts and the names of their classes."""
    if options.data == "docstrings":
        return load_docstrings()
    bunch = fetch_20newsgroups(
        subset="all",
        remove=("headers", "footers", "quotes"),  # they name the group
        data_home=options.data_home,
        download_if_missing=options.data_home is None,
    )
    return bunch.data, [bunch.target_names[k] for k in bunch.target]


def make_vectorizer():
    return TfidfVectorizer(sublinear_tf=True, min_df=2)


def print_header():
    print(
        f"{'solver':<9} {'schedule':<16} {'epochs':>6} {'seconds':>8} {'objective':>10} {'bound':>8} "
        f"{'test accuracy':>14}  converged"
    )


def fit_and_report(name, schedule, data, **parameters):
    """Fit one model, print its line of the table, return it."""
    X_train, X_test, y_train, y_test = data
    model = LogisticRegression(C=C, random_state=SEED, **parameters)
    began = time.perf_counter()
    with warnings.catch_warnings():
        # for this one fit: the last column says the same
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X_train, y_train)
    seconds = time.perf_counter() - began
    objective = model.history_[-1]["objective"]
    bound = model.suboptimality_bound(X_train, y_train) / objective
    print(
        f"{name:<9} {schedule:<16} {model.n_iter_:>6} {seconds:>8.2f} {objective:>10.1f} {bound:>8.2%} "
        f"{model.score(X_test, y_test):>14.2%}  {'yes' if model.converged_ else 'no'}",
        flush=True,
    )
    return model


# A list of dicts, because not all solvers have the same parameters. Parameters are nested, in solvers and schedules
# that are given by name too; "auto" is the default rate. The 20 epochs of the pipeline are the length of the
# schedules, and too few iterations for lbfgs.
GRID = [
    {"logistic__solver": ["lbfgs"], "logistic__max_iter": [100], "logistic__C": [1, 10, 100]},
    {
        "logistic__solver": ["adagrad", "adam"],
        "logistic__solver__learning_rate": ["auto", 0.3],
        "logistic__solver__schedule": ["cosine", "linear"],
        "logistic__C": [10, 100],
    },
    {
        "logistic__solver": [Adam()],
        "logistic__solver__schedule": [Warmup(CosineDecay())],
        "logistic__solver__schedule__epochs": [1, 5],
        "logistic__C": [10, 100],
    },
]


def search(train_texts, y_train, test_texts, y_test):
    """Cross-validate the whole pipeline over solver, learning rate, schedule and C."""
    if len(train_texts) > GRID_DOCUMENTS:
        train_texts, _, y_train, _ = train_test_split(
            train_texts, y_train, train_size=GRID_DOCUMENTS, stratify=y_train, random_state=SEED
        )
    pipeline = Pipeline(
        [("tfidf", make_vectorizer()), ("logistic", LogisticRegression(max_iter=20, random_state=SEED))]
    )
    # the candidates share their work: the words are counted once, and those of AdaGrad, say, are fitted together
    grid_search = GridSearchCV(pipeline, GRID, cv=3)
    began = time.perf_counter()
    with warnings.catch_warnings():
        # for this one search: a column says the same, and a candidate need not converge to be a good classifier
        warnings.simplefilter("ignore", ConvergenceWarning)
        grid_search.fit(train_texts, y_train)
    seconds = time.perf_counter() - began
    test_accuracy = grid_search.score(test_texts, y_test)
    results = grid_search.cv_results_
    print(
        f"\nGrid search: {len(results['params'])} candidates, 3 folds of {len(train_texts)} documents, "
        f"{seconds:.0f} seconds; the best ten"
    )
    print_results(results)
    print(f"Best: {grid_search.best_params_}")
    print(f"Fitted again to all {len(train_texts)}, its test accuracy is {test_accuracy:.2%}")


def print_results(results):
    """Print the best ten candidates of a grid search, with a column for each parameter."""
    order = np.argsort(results["rank_test_score"], kind="stable")[:10]
    names = sorted({name for parameters in results["params"] for name in parameters})
    columns = {
        "accuracy": [f"{results['mean_test_score'][i]:.2%}" for i in order],
        "± fold": [f"{results['std_test_score'][i]:.2%}" for i in order],
        "seconds": [f"{results['mean_fit_time'][i]:.2f}" for i in order],
        "converged": [f"{results['mean_converged'][i]:.0%}" for i in order],
    }
    for name in names:
        header = name.removeprefix("logistic__").removeprefix("solver__")
        columns[header] = [str(results["params"][i].get(name, "")) for i in order]
    widths = {header: max(map(len, [header, *cells])) for header, cells in columns.items()}
    for cells in [columns, *zip(*columns.values(), strict=True)]:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths.values(), strict=True)).rstrip())


def plot(solvers, schedules, X, y, options):
    """Draw the distance from the optimum, and the learning rate below it, against epochs."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("\nNo plot: matplotlib is not installed")
        return
    # the zero of the upper scale: a fit whose bound is orders of magnitude below all others
    reference = LogisticRegression(C=C, solver=LBFGS(memory=20), tol=1e-7, max_iter=1000).fit(X, y)
    optimum = reference.history_[-1]["objective"]
    figure = Figure(figsize=(12, 7.5), layout="constrained")
    axes = figure.subplots(2, 2, sharex="col", height_ratios=[2, 1])
    for (above, below), models in zip(axes.T, [solvers, schedules], strict=True):
        for name, model in models.items():
            known = [record for record in model.history_ if record["objective"] is not None]
            epochs = [record["iteration"] for record in known]
            objectives = np.array([record["objective"] for record in known])
            (line,) = above.plot(epochs, np.maximum(objectives / optimum - 1, 1e-7), label=name)
            if name not in ("lbfgs", "sdca"):  # step lengths are not rates, and sdca has neither
                rates = [record["learning_rate"] for record in model.history_]
                below.plot(epochs, rates, color=line.get_color())
        above.set(yscale="log", ylabel="objective / optimum - 1")
        above.legend(ncols=2)
        below.set(xlabel="epochs", ylabel="learning rate")
        below.locator_params(axis="x", integer=True)
        for axis in above, below:
            axis.grid(alpha=0.3)
    axes[0, 0].set_title("Solvers at their defaults (iterations for lbfgs)")
    axes[0, 1].set_title("Schedules of Adam")
    axes[0, 1].sharey(axes[0, 0])
    axes[1, 0].set(yscale="log", ylim=(1e-3, 5))
    figure.suptitle(f"Logistic regression on {options.data}, C={C}")
    figure.savefig(options.plot, dpi=120)
    print(f"\nConvergence plot: {options.plot}")


def fit_and_report_crf(name, data):
    """Fit one model to sequences, print its line of the table, return it."""
    X_train, X_test, y_train, y_test = data
    model = LinearChainCRF(C=C, solver=name, random_state=SEED)
    began = time.perf_counter()
    with warnings.catch_warnings():
        # for this one fit: the last column says the same
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X_train, y_train)
    seconds = time.perf_counter() - began
    objective = model.history_[-1]["objective"]
    bound = model.suboptimality_bound(X_train, y_train) / objective
    predicted = model.predict(X_test)
    print(
        f"{name:<9} {model.n_iter_:>6} {seconds:>8.2f} {objective:>10.1f} {bound:>8.2%} "
        f"{model.score(X_test, y_test):>13.2%} {sequence_accuracy(y_test, predicted):>12.2%}  "
        f"{'yes' if model.converged_ else 'no'}",
        flush=True,
    )
    return model


def report_without_transitions(data):
    """Fit the same features by a model that tags each token by itself."""
    X_train, X_test, y_train, y_test = data
    model = LogisticRegression(C=C).fit(X_train.matrix, np.concatenate(y_train))
    predicted = model.predict(X_test.matrix)
    accuracy = np.mean(predicted == np.concatenate(y_test))
    lines_right = sequence_accuracy(y_test, np.split(predicted, X_test.offsets[1:-1]))
    print(
        f"\nLogisticRegression on the same rows, each token by itself: {accuracy:.2%} of the tokens right, "
        f"{lines_right:.2%} of the lines"
    )


# what is between the brackets looks the same to each of its tokens
LINES = ["def scale ( box , factor ) :", "return scale ( box , factor )"]


def print_tagged(model, features, line):
    """Print a line of code, and below it the best tags and their probabilities."""
    words = line.split()
    X = features.transform([words])
    (tags,) = model.predict(X)
    (probabilities,) = model.predict_proba(X)
    rows = words, tags, [f"{probability:.0%}" for probability in probabilities.max(axis=1)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print()
    for row in rows:
        print(" ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
