"""
Chunks of CoNLL-2000: a grid search by F1
=========================================

A linear-chain CRF with its solver, schedule and C chosen in a grid search, and a figure. It needs the data, which are
not part of the library, and is shown here without its output::

    python examples/plot_chunking.py --data FOLDER

FOLDER holds ``conll2000/train.txt.gz`` and ``conll2000/test.txt.gz``; it may also be given by the environment variable
SKOPT_SOLVERS_DATA. The files have a word, its part of speech and its chunk in a line, and an empty line between
sentences; they may be packed or not.
"""

import argparse
import os
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib.figure import Figure
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline

from skopt_solvers import LinearChainCRF
from skopt_solvers.feature_extraction import TokenFeatures
from skopt_solvers.metrics import entity_f1_scorer, entity_report
from skopt_solvers.sequence import read_conll

# sphinx_gallery_thumbnail_path = "_static/plots/sequences_transitions.svg"
SEED = 0
PENALTIES = [0.1, 1, 10, 100]

# A list of dicts, because not all solvers have the same parameters: lbfgs has no schedule, and iterations, not epochs.
GRID = [
    {"crf__solver": ["lbfgs"], "crf__max_iter": [100], "crf__C": PENALTIES},
    {
        "crf__solver": ["adagrad", "adam"],
        "crf__solver__schedule": ["constant", "cosine"],
        "crf__max_iter": [15],
        "crf__C": PENALTIES,
    },
]


def main():
    began = time.perf_counter()
    options = parse_arguments()
    sentences, chunks = read(options.data, "train")
    test_sentences, test_chunks = read(options.data, "test")
    print(f"{len(sentences)} sentences to train on, {len(test_sentences)} to test")

    few, few_chunks = sentences[: options.sentences], chunks[: options.sentences]
    with TemporaryDirectory() as cache, warnings.catch_warnings():
        # for these fits: a model need not converge to be a good tagger
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = grid_search(few, few_chunks, cache)
        model = make_pipeline().set_params(**search.best_params_).fit(sentences, chunks)
    print(f"\n{len(few)} sentences in {search.n_splits_} folds; F1 of chunks")
    print_results(search.cv_results_)
    print(f"\nBest: {search.best_params_}")
    print(f"Fitted to all {len(sentences)}, its test F1 is {entity_f1_scorer(model, test_sentences, test_chunks):.2%}")
    print_report(entity_report(test_chunks, model.predict(test_sentences), zero_division=0))
    plot(search.cv_results_, model[-1], options.output)
    print(f"\nFigure: {options.output}; {time.perf_counter() - began:.0f} seconds in all")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.strip().partition("\n")[0])
    data = os.environ.get("SKOPT_SOLVERS_DATA")
    parser.add_argument("--data", metavar="FOLDER", type=Path, default=data and Path(data), required=not data)
    parser.add_argument("--output", metavar="FILE", default="chunking.png", help="where the figure goes (%(default)s)")
    parser.add_argument(
        "--sentences", metavar="N", type=int, default=2000, help="how many the grid search sees (%(default)s)"
    )
    return parser.parse_args()


def read(folder, part):
    """Read sentences as lists of (word, part of speech), and their chunk labels."""
    names = [f"{subfolder}{part}.txt{packed}" for subfolder in ("conll2000/", "") for packed in (".gz", "")]
    for path in (folder / name for name in names):
        if path.is_file():
            words, parts_of_speech, chunks = read_conll(path, columns=(0, 1, 2))
            return [list(zip(*pair, strict=True)) for pair in zip(words, parts_of_speech, strict=True)], chunks
    raise FileNotFoundError(f"{folder} has none of {', '.join(names)}")


def make_pipeline(memory=None):
    features = TokenFeatures(window=(-2, -1, 0, 1, 2), bigrams=((-1, 0), (0, 1)))
    return Pipeline([("features", features), ("crf", LinearChainCRF(random_state=SEED))], memory=memory)


def grid_search(sentences, chunks, cache):
    # with a memory the features of each fold are made once, not once a candidate
    folds = KFold(3, shuffle=True, random_state=SEED)
    search = GridSearchCV(make_pipeline(cache), GRID, scoring=entity_f1_scorer, cv=folds, refit=False)
    return search.fit(sentences, chunks)


def solver_name(parameters):
    return " ".join(filter(None, [parameters["crf__solver"], parameters.get("crf__solver__schedule")]))


def print_results(results):
    print(f"{'solver and schedule':<20} {'C':>6} {'F1':>8} {'± fold':>7} {'seconds':>8}")
    for i in np.argsort(results["rank_test_score"], kind="stable"):
        parameters = results["params"][i]
        print(
            f"{solver_name(parameters):<20} {parameters['crf__C']:>6g} {results['mean_test_score'][i]:>8.2%} "
            f"{results['std_test_score'][i]:>7.2%} {results['mean_fit_time'][i]:>8.2f}"
        )


def print_report(report):
    print(f"\n{'type':<10} {'precision':>10} {'recall':>8} {'F1':>8} {'chunks':>7}")
    for row in report:
        print(
            f"{row['type']:<10} {row['precision']:>10.2%} {row['recall']:>8.2%} {row['f1']:>8.2%} {row['support']:>7}"
        )


def plot(results, model, output):
    """Draw F1 against C for each solver and schedule, and the transitions of the best model."""
    figure = Figure(figsize=(15, 7), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.3])
    plot_scores(left, results)
    plot_transitions(figure, right, model)
    figure.savefig(output, dpi=120)


def plot_scores(axes, results):
    parameters = results["params"]
    for name in dict.fromkeys(map(solver_name, parameters)):
        rows = [i for i, candidate in enumerate(parameters) if solver_name(candidate) == name]
        values = [parameters[i]["crf__C"] for i in rows]
        axes.plot(values, results["mean_test_score"][rows], marker="o", label=name)
    axes.set(xscale="log", xlabel="C, the weight of the likelihood against the penalty", ylabel="F1 of chunks")
    axes.set_xticks(PENALTIES, PENALTIES)
    axes.set_title("Mean of the folds")
    axes.grid(alpha=0.3)
    axes.legend()


def plot_transitions(figure, axes, model):
    weights = model.transition_coef_
    most = np.abs(weights).max()
    image = axes.imshow(weights, cmap="RdBu", vmin=-most, vmax=most)
    axes.set_xticks(range(len(model.classes_)), model.classes_, rotation=90)
    axes.set_yticks(range(len(model.classes_)), model.classes_)
    axes.set(xlabel="to", ylabel="from", title="Weights of the transitions of the best model")
    figure.colorbar(image, ax=axes, shrink=0.8)


if __name__ == "__main__":
    main()

# sphinx_gallery_thumbnail_path = '_static/plots/inspection_transitions.svg'
