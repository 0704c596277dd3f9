"""Explain the decision of a linear model by the part of each feature of one document in the score of a class."""

import warnings
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.utils.validation import validate_data

from ._explain_html import explanation_html
from ._linear_parts import LinearParts, check_count, linear_parts, name_of
from ._text_positions import Occurrence, occurrences


@dataclass(repr=False)
class Explanation:
    """The contributions that sum to the scores of a document; :func:`explain` makes it, and notebooks show its HTML.

    Attributes
    ----------
    records : list of dict
        `class`, `kind` ("feature", "rest" or "intercept"), `feature`, `value`, `weight` and `contribution`, which is
        ``value * weight``; the largest in absolute value first, then the rest, if features were left out, and the
        intercept. The contributions of a class sum to its score.
    scores : dict
        The score of every class. Of two classes these are ``decision_function`` and minus it.
    predicted : class label
        A tuple of labels where a sample may have several.
    text : str or None
        The text, where the places of its n-grams are known.
    spans : dict of class to list of (int, int, float)
        For each class that is explained, the beginning and the end of parts of `text`, and their contributions. They do
        not overlap. Contributions without a place, such as the intercept's, are not among them.
    """

    records: list[dict[str, Any]]
    scores: dict[Any, float]
    predicted: Any
    text: str | None = None
    spans: dict[Any, list[tuple[int, int, float]]] = field(default_factory=dict)

    def __repr__(self) -> str:
        classes = list(dict.fromkeys(record["class"] for record in self.records))
        scores = ", ".join(f"{label!r}: {self.scores[label]:+.3g}" for label in classes)
        return f"<Explanation: predicted {self.predicted!r}, scores {{{scores}}}, {len(self.records)} records>"

    def to_html(self, max_rows: int = 30) -> str:
        """Return the text, with its parts for and against a class marked, and a table of contributions, as HTML.

        Blue with a solid line is for the class, orange with a dotted line against it; the deeper the colour, the more.
        Where no places are known there is the table alone. Nothing is loaded from elsewhere, and all text of the
        document is escaped.

        Parameters
        ----------
        max_rows : int, default=30
            Rows of a class's table. One more row has the sum of those that are left out.

        Returns
        -------
        str
        """
        check_count(max_rows, "max_rows")
        return explanation_html(self, max_rows)

    def _repr_html_(self) -> str:
        return self.to_html()


def explain(
    estimator: Any, x: Any, *, classes: Any = None, n: int | None = None, feature_names: ArrayLike | None = None
) -> Explanation:
    r"""Explain one document: list the part of each feature in the score of a class.

    The score is a sum:

    .. math:: \mathrm{score}_k(x) = b_k + \sum_{j:\, x_j \ne 0} x_j w_{jk}

    Parameters
    ----------
    estimator : fitted linear classifier, or Pipeline or search that ends in one
        The model whose decision is explained.
    x : one document, as a list of them is given to the pipeline; or one row of X
        Text, a dict, ...; an array of shape (n_features,) or (1, n_features), a sparse row, a Series, or a data frame
        of one row.
    classes : class or list of classes, optional
        The classes to explain. None is the predicted class; of several labels all that are predicted, or else the best.
        Where two classes have one row of `coef_`, the score of the first is minus ``decision_function``.
    n : int, optional
        The number of features of a class that have a record of their own, those of largest absolute contribution; one
        record of kind "rest" has the sum of the others. None keeps all that are not 0 in x.
    feature_names : array of shape (n_features,), optional
        Names of the columns of `coef_`. None takes the names that :func:`top_features` would take. Columns of a
        HashingVectorizer are called by the n-grams of x that are in them.

    Returns
    -------
    Explanation

    Raises
    ------
    ValueError
        For more than one document, an unknown class, or input that the model's own `predict` refuses.
    TypeError
        Where the estimator is no linear classifier.

    Notes
    -----
    Places in the text are known for the n-grams of words or characters of scikit-learn's vectorizers, also inside
    a FeatureUnion, with steps behind them that keep or select columns. An n-gram's contribution is shared equally by
    the places where it stands, there by its tokens, and within one by its characters. Places are only given where every
    n-gram is known to be at its own: not with a preprocessor that changes more than single characters, nor with
    a tokenizer whose tokens leave out letters of the text or change them.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.inspection import explain
    >>> texts = ["a good film", "a bad film", "good, so good", "bad, so bad"]
    >>> model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)).fit(texts, ["pro", "con", "pro", "con"])
    >>> explanation = explain(model, "Not a good film")
    >>> explanation.predicted, [record["feature"] for record in explanation.records]
    ('pro', ['good', 'film', ''])
    >>> total = sum(record["contribution"] for record in explanation.records)
    >>> bool(abs(total - model.decision_function(["Not a good film"])[0]) < 1e-12)
    True
    >>> [explanation.text[begin:end] for begin, end, _ in explanation.spans["pro"]]
    ['good', 'film']
    """
    if n is not None:
        check_count(n, "n")
    parts = linear_parts(estimator)
    if not hasattr(parts.model, "intercept_"):
        raise TypeError(
            f"estimator must be a linear classifier with an intercept_, got {type(parts.model).__name__}; a "
            "LinearChainCRF explains the labels of a sequence by its own method explain"
        )
    wanted = None if classes is None else parts.indices_of(classes)
    document, columns, values = _row(parts, x)
    text, found = occurrences(parts.steps, document)
    names = _names(parts, feature_names, columns, found)
    intercept = np.broadcast_to(np.asarray(parts.model.intercept_, dtype=float), parts.coef.shape[0])
    each = (parts.entries(k, columns) for k in range(len(parts.classes)))
    scores = np.array([values @ weights for weights in each]) + (intercept * [-1, 1] if parts.one_output else intercept)
    # a score of exactly 0 is the first class's, or no label's, as in `predict`
    best = [int(scores.argmax())]
    predicted = np.flatnonzero(scores > 0).tolist() if parts.several_labels else best

    records: list[dict[str, Any]] = []
    spans: dict[Any, list[tuple[int, int, float]]] = {}
    for k in (predicted or best) if wanted is None else wanted:
        row, sign = parts.signed_row(k)
        weights = parts.entries(k, columns)
        contributions = values * weights
        order = np.argsort(-np.abs(contributions), kind="stable")
        label = parts.classes[k]

        def add(kind: str, feature: Any, value: Any, weight: Any, contribution: float, label: Any = label) -> None:
            records.append(
                {
                    "class": label,
                    "kind": kind,
                    "feature": feature,
                    "value": value,
                    "weight": weight,
                    "contribution": contribution,
                }
            )

        for i in order[:n]:
            add("feature", names[i], float(values[i]), float(weights[i]), float(contributions[i]))
        rest = order[:0] if n is None else order[n:]
        if len(rest):
            add("rest", f"{len(rest)} more", None, None, float(contributions[rest].sum()))
        b = float(sign * intercept[row])
        add("intercept", "", 1.0, b, b)
        if text is not None:
            spans[label] = _spans(text, found, dict(zip(columns.tolist(), contributions.tolist(), strict=True)))
    labels = tuple(parts.classes[k] for k in predicted)
    every = dict(zip(parts.classes, scores.tolist(), strict=True))
    return Explanation(records, every, labels if parts.several_labels else labels[0], text, spans)


def _row(parts: LinearParts, x: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return the document as the first step takes it, and the columns and values of the model's row that are not 0."""
    if parts.steps and _wants_text(parts.steps[0]) and not isinstance(x, (str, bytes)):
        raise ValueError(f"x must be one text, got {type(x).__name__}")
    if hasattr(x, "to_frame"):
        x = x.to_frame().T.infer_objects()
    elif not parts.steps and isinstance(x, (list, tuple)):
        x = np.asarray(x)
    shape: tuple[int, ...] = getattr(x, "shape", ())
    if len(shape) == 1 and x.dtype.kind in "fiub":
        x = x.reshape(1, -1)
    elif len(shape) != 2 and not parts.steps:
        raise ValueError(f"x must be one row of X where the estimator is no Pipeline, got {type(x).__name__}")
    rows = x if len(getattr(x, "shape", ())) == 2 else [x]
    if len(shape) == 2 and shape[0] != 1:
        raise ValueError(f"x must be one document, got {shape[0]} rows")
    for step in parts.steps:
        rows = step.transform(rows)
    with warnings.catch_warnings():
        # a row of a data frame may come without its names
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        row = validate_data(
            parts.model, rows, accept_sparse="csr", dtype=np.float64, accept_large_sparse=True, reset=False
        )
    if sp.issparse(row):
        row = sp.csr_matrix(row, copy=True)
        row.sum_duplicates()
        row.eliminate_zeros()
        return x, row.indices, row.data
    columns = np.flatnonzero(row[0])
    return x, columns, row[0, columns]


def _wants_text(step: Any) -> bool:
    """Tell whether a step is a vectorizer whose own preprocessing takes strings alone."""
    if not isinstance(step, (CountVectorizer, HashingVectorizer)) or callable(step.analyzer):
        return False
    return step.preprocessor is None and step.input == "content"


def _names(parts: LinearParts, given: Any, columns: np.ndarray, found: list[Occurrence]) -> list[Any]:
    """Return the names of some columns; those of n-grams are known without naming all columns of the model."""
    ngrams: defaultdict[int, dict[str, None]] = defaultdict(dict)
    for occurrence in found:
        ngrams[occurrence.column][occurrence.name] = None
    if given is None and all(column in ngrams for column in columns.tolist()):
        return [" / ".join(ngrams[column]) for column in columns.tolist()]
    names = parts.feature_names(given)
    if names is None:
        return [" / ".join(ngrams.get(column, [name_of(None, column)])) for column in columns.tolist()]
    return [name_of(names, column) for column in columns]


def _spans(text: str, found: list[Occurrence], contributions: Mapping[int, float]) -> list[tuple[int, int, float]]:
    """Return (begin, end, contribution) of the parts of a text that have one, in their order."""
    places: defaultdict[int, list[list[tuple[int, int]]]] = defaultdict(list)
    for occurrence in found:
        if occurrence.places and occurrence.column in contributions:
            places[occurrence.column].append(occurrence.places)
    shares: defaultdict[tuple[int, int], float] = defaultdict(float)
    for column, standing in places.items():
        for tokens in standing:
            for place in tokens:
                shares[place] += contributions[column] / (len(standing) * len(tokens))
    ordered = sorted(shares)
    if all(one[1] <= other[0] for one, other in pairwise(ordered)):
        return [(begin, end, shares[begin, end]) for begin, end in ordered]
    # n-grams that overlap: by characters
    amounts, covered = np.zeros(len(text)), np.zeros(len(text), dtype=bool)
    for (begin, end), share in shares.items():
        amounts[begin:end] += share / (end - begin)
        covered[begin:end] = True
    return [(int(i), int(i) + 1, float(amounts[i])) for i in np.flatnonzero(covered)]
