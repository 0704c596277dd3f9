"""Measure and draw the picture of README.md: the time of a search from raw text, and an explained sentence.

    python docs/make_picture.py                    # downloads 20 newsgroups, takes some minutes, writes the picture
    python docs/make_picture.py --data-home DIR    # reads 20 newsgroups from a folder of scikit-learn's data

Both sides run the same search in turn, on one thread: text to TF-IDF rows to a logistic regression, 5 values of C in 3
folds of eight newsgroups. The picture has the median of the seconds of one processor. It is one SVG for light and dark
pages.
"""

import argparse
import time
from html import escape
from pathlib import Path
from statistics import median

from sklearn import linear_model as their_models
from sklearn import model_selection as their_search
from sklearn.datasets import fetch_20newsgroups
from sklearn.feature_extraction import text as their_text
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from skopt_solvers import LogisticRegression
from skopt_solvers.feature_extraction.text import TfidfVectorizer
from skopt_solvers.inspection import explain
from skopt_solvers.model_selection import GridSearchCV

TARGET = Path(__file__).parent / "_static" / "first_look.svg"
CS = [0.3, 1, 3, 10, 30]
GRID = {"logisticregression__C": CS}
GROUPS = [f"rec.{name}" for name in ("autos", "motorcycles", "sport.baseball", "sport.hockey")]
GROUPS += [f"sci.{name}" for name in ("crypt", "electronics", "med", "space")]
SENTENCE = (
    "The goalie saved every shot, and the team won the game in overtime, in less time than a shuttle takes to orbit."
)
WIDTH, MARGIN, CHARACTER = 760, 24, 7.8
STYLE = """
  text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1f2328 }
  .title { font: 600 15px system-ui, sans-serif } .note { font: 12px system-ui, sans-serif; fill: #59636e }
  .name { font: 14px system-ui, sans-serif } .theirs { fill: #8c959f } .ours { fill: #0969da }
  .for { fill: #0969da } .against { fill: #d4711b }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .note { fill: #9198a1 } .theirs { fill: #656c76 } .ours, .for { fill: #4493f8 }
    .against { fill: #f0883e }
  }"""


def searches():
    """Return the search of either side."""
    theirs = make_pipeline(their_text.TfidfVectorizer(), their_models.LogisticRegression(max_iter=1000))
    ours = make_pipeline(TfidfVectorizer(), LogisticRegression())
    return {
        "scikit-learn": their_search.GridSearchCV(theirs, GRID, cv=3),
        "skopt_solvers": GridSearchCV(ours, GRID, cv=3),
    }


def measure(texts, labels, rounds):
    """Return the median of the seconds of either side and its best accuracy, and our model."""
    seconds, scores = {name: [] for name in searches()}, {}
    with threadpool_limits(1):
        for number in range(rounds):
            for name, search in searches().items():
                began = time.process_time()
                search.fit(texts, labels)
                seconds[name].append(time.process_time() - began)
                scores[name] = search.best_score_
                print(f"round {number + 1}: {name} {seconds[name][-1]:.1f} s, {search.best_params_}", flush=True)
    return {name: (median(values), scores[name]) for name, values in seconds.items()}, search.best_estimator_


def bars(results):
    """Return the bars of the seconds of both sides, and the height below them."""
    longest, begin = max(seconds for seconds, _ in results.values()), 150
    top, parts = 76, []
    for name, (seconds, score) in results.items():
        width = max((WIDTH - begin - 190) * seconds / longest, 2)
        kind = "ours" if name == "skopt_solvers" else "theirs"
        parts += [
            f'<text class="name" x="{MARGIN}" y="{top + 18}">{name}</text>',
            f'<rect class="{kind}" x="{begin}" y="{top}" width="{width:.1f}" height="26" rx="4"/>',
            f'<text class="name" x="{begin + width + 8:.1f}" y="{top + 18}">{seconds:.1f} s, {score:.1%} right</text>',
        ]
        top += 38
    return parts, top


def highlighted(explanation, label, top):
    """Return the sentence, each word behind a colour as deep as its share of the score, and the height below it."""
    spans = explanation.spans[label]
    strongest = max(abs(share) for _, _, share in spans)
    shares = {begin: (end, share) for begin, end, share in spans}
    per_line = int((WIDTH - 2 * MARGIN) / CHARACTER)
    parts, place, row = [], 0, 0
    for word in explanation.text.split(" "):
        begin = explanation.text.index(word, place)
        place = begin + len(word)
        column = begin - row
        if column + len(word) > per_line:
            row, column, top = begin, 0, top + 28
        x = MARGIN + column * CHARACTER
        if begin in shares:
            end, share = shares[begin]
            parts.append(
                f'<rect class="{"for" if share > 0 else "against"}" fill-opacity="{0.65 * abs(share) / strongest:.2f}" '
                f'x="{x - 2:.1f}" y="{top - 16}" width="{(end - begin) * CHARACTER + 4:.1f}" height="23" rx="3"/>'
            )
        length = f'textLength="{len(word) * CHARACTER:.1f}" lengthAdjust="spacingAndGlyphs"'
        parts.append(f'<text x="{x:.1f}" y="{top}" {length}>{escape(word)}</text>')
    return parts, top + 28


def picture(results, n_documents, model, names):
    """Return the SVG."""
    ratio = results["scikit-learn"][0] / results["skopt_solvers"][0]
    parts = [
        f'<text class="title" x="{MARGIN}" y="34">From raw text to a tuned model: {ratio:.0f} times as fast</text>',
        f'<text class="note" x="{MARGIN}" y="56">{n_documents:,} documents of 8 newsgroups, the best of {len(CS)} '
        "values of C in 3 folds; seconds of one processor</text>",
    ]
    drawn, top = bars(results)
    parts += drawn
    explanation = explain(model, SENTENCE)
    label = explanation.predicted
    top += 38
    parts += [
        f'<text class="title" x="{MARGIN}" y="{top}">And why: this is {names[label]}</text>',
        f'<text class="note" x="{MARGIN}" y="{top + 20}">blue words speak for it, orange words against it; the deeper, '
        "the more</text>",
    ]
    drawn, top = highlighted(explanation, label, top + 52)
    parts += drawn
    taken = [f"{name} {seconds:.1f} s" for name, (seconds, _) in results.items()]
    alternative = f"Time of a search: {', '.join(taken)}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" role="img">'
    return "\n".join([head, f"<title>{alternative}</title>", f"<style>{STYLE}\n</style>", *parts, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-home", metavar="DIR", help="where 20 newsgroups lies; nothing is downloaded then")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    where = dict(data_home=options.data_home, download_if_missing=options.data_home is None)
    bunch = fetch_20newsgroups(categories=GROUPS, **where)
    results, model = measure(bunch.data, bunch.target, options.rounds)
    TARGET.write_text(picture(results, len(bunch.data), model, bunch.target_names), encoding="utf-8")
    print(f"{TARGET}: {results}")


if __name__ == "__main__":
    main()
