"""A tour in half a minute: a text classifier, a search, an explanation, and entities in sentences.

    python examples/quickstart.py                    which package does a docstring come from?
    python examples/quickstart.py --data 20news      which newsgroup does a posting come from?

The docstrings are those of the installed numpy, scipy, scikit-learn and standard library, and `sentence_corpus.py`
makes the sentences. Only 20news is downloaded, by scikit-learn. Pictures are shown on the screen, or saved in files
where there is none.
"""

import argparse
import time
import warnings
from pathlib import Path

from docstring_corpus import load_docstrings
from sentence_corpus import load_sentences
from sklearn.datasets import fetch_20newsgroups
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline

from skopt_solvers import LinearChainCRF, LogisticRegression
from skopt_solvers.feature_extraction import TokenFeatures
from skopt_solvers.feature_extraction.text import TfidfVectorizer
from skopt_solvers.inspection import TransitionDisplay, WeightsDisplay, explain
from skopt_solvers.metrics import entity_f1
from skopt_solvers.model_selection import GridSearchCV

SEED = 0
SEARCHED = 2000  # most documents that the search sees, to keep it short

# A list, because not all solvers have the same parameters. Those of a solver and of its schedule are reached by `__`.
GRID = [
    {"logistic__solver": ["lbfgs"], "logistic__C": [1, 10, 100]},
    {
        "logistic__solver": ["adagrad"],
        "logistic__solver__schedule": ["cosine", "linear"],
        "logistic__C": [1, 10, 100],
    },
]


def main():
    options = parse_arguments()
    texts, labels = load(options)
    split = train_test_split(texts, labels, test_size=0.25, stratify=labels, random_state=SEED)
    model, text_seen = classify(split)
    searched, search_seen = search(split)
    tagger, entities_seen = find_entities()
    page = explain_one(model, split[1])
    print("\nWhat you saw")
    print(f"text:     {text_seen}")
    print(f"search:   {search_seen}")
    print(f"entities: {entities_seen}")
    if options.pictures:
        draw(model, searched, tagger, page, options)


def classify(split):
    """Step 1: from raw text to a classifier, which proves how near it is to the best one."""
    train, test, y_train, y_test = split
    began = time.perf_counter()
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True, min_df=2), LogisticRegression(C=10)).fit(train, y_train)
    seconds, accuracy = time.perf_counter() - began, model.score(test, y_test)
    return model, (
        f"{len(train)} texts of {len(model.classes_)} classes in {seconds:.1f} s, {accuracy:.1%} of {len(test)} "
        f"new ones right; at most {model[-1].suboptimality_:.2%} from the best fit"
    )


def search(split):
    """Step 2: choose solver, schedule and C by cross-validation. Candidates share the count of words, and epochs."""
    train, test, y_train, y_test = split
    if len(train) > SEARCHED:
        train, _, y_train, _ = train_test_split(
            train, y_train, train_size=SEARCHED, stratify=y_train, random_state=SEED
        )
    tfidf, logistic = TfidfVectorizer(sublinear_tf=True, min_df=2), LogisticRegression(max_iter=10, random_state=SEED)
    began = time.perf_counter()
    with warnings.catch_warnings():
        # for this one search: a candidate need not converge to be a good classifier
        warnings.simplefilter("ignore", ConvergenceWarning)
        searched = GridSearchCV(Pipeline([("tfidf", tfidf), ("logistic", logistic)]), GRID, cv=3)
        searched.fit(train, y_train)
    seconds = time.perf_counter() - began
    best = ", ".join(f"{name.rpartition('__')[2]}={value!r}" for name, value in searched.best_params_.items())
    return searched, (
        f"{len(searched.cv_results_['params'])} candidates on 3 folds of {len(train)} in {seconds:.1f} s; "
        f"best is {best}, {searched.score(test, y_test):.1%} right"
    )


def explain_one(model, texts):
    """Step 3: why is a text in its class? Print the strongest words, and return the page that colours them."""
    text = min(texts, key=lambda text: abs(len(text) - 300))
    explanation = explain(model, text)
    print(f"\nWhy is this {explanation.predicted}?  {' '.join(text.split())[:70]} ...")
    for record in explanation.records[:5]:
        print(f"  {record['contribution']:+.2f} {record['feature']}")
    return explanation.to_html()


def find_entities():
    """Step 4: names in sentences, each with the probability that it is one."""
    train, tags, test, test_tags = load_sentences()
    features, crf = TokenFeatures(), LinearChainCRF(C=10, constraints="bio")
    began = time.perf_counter()
    tagger = make_pipeline(features, crf).fit(train, tags)
    seconds, f1 = time.perf_counter() - began, entity_f1(test_tags, tagger.predict(test))
    words = "Yesterday Elena Moreau left Lincoln Motors and flew from Porto to Buenos Aires .".split()
    print("\n" + " ".join(words))
    entities = crf.predict_entities(features.transform([words]))[0]
    for entity in entities:
        print(f"  {entity.probability:.2f} {entity.type} {' '.join(words[entity.start : entity.end])}")
    return (
        tagger,
        f"{len(train)} sentences in {seconds:.1f} s, F1 {f1:.1%} on {len(test)} with names that are mostly new",
    )


def draw(model, searched, tagger, page, options):
    """Step 5: pictures of what was fitted, on the screen or in files."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        print("For pictures: pip install matplotlib")
        return
    figures = {
        "search": draw_search(searched.cv_results_, plt),
        "words": WeightsDisplay.from_estimator(model, n=8, classes=model.classes_[:4]).figure_,
        "transitions": TransitionDisplay.from_estimator(tagger).figure_,
    }
    if plt.get_backend().lower() != "agg" and options.folder is None:
        plt.show()
        return
    folder = options.folder or Path()
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"quickstart_{name}.png")
    (folder / "quickstart_explanation.html").write_text(page, encoding="utf-8")
    print(f"Pictures: {folder / 'quickstart_'}{{{','.join(figures)}}}.png and quickstart_explanation.html")


def draw_search(results, plt):
    """Draw the accuracy of all candidates against C, a line for each solver and schedule."""
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    kinds = [f"{p['logistic__solver']} {p.get('logistic__solver__schedule', '')}".strip() for p in results["params"]]
    for kind in dict.fromkeys(kinds):
        chosen = [i for i, other in enumerate(kinds) if other == kind]
        C = results["param_logistic__C"][chosen].astype(float)
        axis.errorbar(C, results["mean_test_score"][chosen], results["std_test_score"][chosen], label=kind, marker="o")
    axis.set(xscale="log", xlabel="C", ylabel="accuracy, mean and deviation of 3 folds", title="The search")
    axis.legend()
    return figure


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


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data", choices=["docstrings", "20news"], default="docstrings", help="the texts (%(default)s)"
    )
    parser.add_argument("--data-home", metavar="DIR", help="read 20news from here and download nothing")
    parser.add_argument("--folder", metavar="DIR", type=Path, help="save pictures here and show none")
    parser.add_argument("--no-pictures", dest="pictures", action="store_false")
    return parser.parse_args()


if __name__ == "__main__":
    main()
