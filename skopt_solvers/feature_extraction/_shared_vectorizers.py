"""Fit scikit-learn's own vectorizers from shared counts: they change their class meanwhile."""

from collections.abc import Iterator
from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction import text as sklearn_text
from sklearn.pipeline import FeatureUnion, Pipeline

from . import text


class CountVectorizer(text.CountVectorizer):
    """A scikit-learn CountVectorizer while this package fits it, with its parameters and its order of rows."""

    n_jobs = None
    _as_met = True
    _parameter_constraints = vars(sklearn_text.CountVectorizer)["_parameter_constraints"]
    __init__ = sklearn_text.CountVectorizer.__init__


class TfidfVectorizer(text.TfidfVectorizer):
    """A scikit-learn TfidfVectorizer while this package fits it, with its parameters and its order of rows."""

    n_jobs = None
    _as_met = True
    _parameter_constraints = vars(sklearn_text.TfidfVectorizer)["_parameter_constraints"]
    __init__ = sklearn_text.TfidfVectorizer.__init__


_STANDS_FOR: dict[type, type] = {
    CountVectorizer: sklearn_text.CountVectorizer,
    TfidfVectorizer: sklearn_text.TfidfVectorizer,
}
_STAND_INS = {theirs: ours for ours, theirs in _STANDS_FOR.items()}
_MEMBERS = {
    Pipeline: ("steps",),
    FeatureUnion: ("transformer_list",),
    ColumnTransformer: ("transformers", "transformers_"),
}


def is_taken_over(estimator: Any) -> bool:
    """Return whether an estimator is a vectorizer of scikit-learn's that :func:`take_over` takes."""
    return type(estimator) in _STAND_INS


def take_over(estimator: Any) -> None:
    """Let this package fit scikit-learn's vectorizers inside an estimator, which nobody else holds.

    They are looked for in pipelines without a memory, unions and columns. Those of a subclass stay as they are.
    """
    for vectorizer in _inside(estimator):
        if type(vectorizer) in _STAND_INS:
            vectorizer.__class__ = _STAND_INS[type(vectorizer)]


def hand_back(estimator: Any) -> None:
    """Make vectorizers that were taken over scikit-learn's again, with all that a fit of its own leaves."""
    for vectorizer in _inside(estimator):
        if type(vectorizer) in _STANDS_FOR:
            state = vars(vectorizer)
            if "_compiled" in state:
                state["vocabulary_"] = vectorizer.vocabulary_
                del state["_compiled"]
            vectorizer.__class__ = _STANDS_FOR[type(vectorizer)]


def _inside(estimator: Any) -> Iterator[Any]:
    """Yield an estimator and those in it, as far as their places are known."""
    yield estimator
    if getattr(estimator, "memory", None) is None:
        for name in _MEMBERS.get(type(estimator), ()):
            members = getattr(estimator, name, ())
            for member in members if isinstance(members, list) else ():
                if isinstance(member, tuple) and len(member) > 1:  # others are scikit-learn's to refuse
                    yield from _inside(member[1])
