"""Name the arrays of fitted models that the C++ headers in this folder read."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction import text as sklearn_text
from sklearn.utils.validation import check_is_fitted

from ..crf._constraints import allowed_transitions
from ..feature_extraction import DictFeatures, TokenFeatures
from ..feature_extraction._text_rules import has_own_steps, token_pattern
from ..linear_model import LogisticRegression
from ._characters import character_runs

Arrays = dict[str, Any]

_TOKEN_FLAGS = ("lowercase", "shape", "flags", "boundaries", "bias")
_TOKEN_PLACES = ("prefixes", "suffixes", "window", "affix_window", "bigrams", "column_prefixes")


def arrays_of_text_classifier(steps: list[Any], model: Any) -> Arrays:
    """Return those of a linear classifier of text.

    Parameters
    ----------
    steps : list of estimators
        The steps of the pipeline before the classifier.
    model : LogisticRegression or LinearSVC

    Returns
    -------
    dict of str to array, str, list of str or int
    """
    check_is_fitted(model)
    if model.multilabel_:
        raise ValueError("model must have one label a sample, and was fitted on several")
    vectorizer, weighting = _vectorizer(steps)
    hashes = isinstance(vectorizer, sklearn_text.HashingVectorizer)
    if not hashes:
        check_is_fitted(vectorizer, "vocabulary_")
    return {
        "kind": "text",
        "probabilities": model.multi_class if isinstance(model, LogisticRegression) else "",
        "binary": vectorizer.binary,
        "alternate_sign": hashes and vectorizer.alternate_sign,
        "norm": getattr(weighting, "norm", None) or "",
        "sublinear_tf": getattr(weighting, "sublinear_tf", False),
        "idf": weighting.idf_ if getattr(weighting, "use_idf", False) else np.empty(0),
        **_analyzer(vectorizer),
        **_columns(model, vectorizer.n_features if hashes else vectorizer.vocabulary_),
        **_weights(model, np.broadcast_to(model.intercept_, model.coef_.shape[:1])),
    }


def arrays_of_tagger(steps: list[Any], model: Any) -> Arrays:
    """Return those of a CRF.

    Parameters
    ----------
    steps : list of estimators
        The steps of the pipeline before the CRF.
    model : LinearChainCRF

    Returns
    -------
    dict of str to array, str, list of str or int
    """
    check_is_fitted(model)
    if not steps and hasattr(model, "vectorizer_"):
        steps = [model.vectorizer_]
    if len(steps) != 1 or not isinstance(steps[0], (TokenFeatures, DictFeatures)):
        raise TypeError(
            f"model must have TokenFeatures or DictFeatures before its CRF, or be fitted on dicts, got {_names(steps)}"
        )
    features, K = steps[0], len(model.classes_)
    features.transform([])  # raises where it is not fitted, or has other places than those of its fit
    allowed = allowed_transitions(model.constraints, model.classes_)
    scores = [model.transition_coef_, model.start_coef_, model.end_coef_]
    scores = [
        np.where(rows, score, -np.inf).astype(score.dtype)
        for rows, score in zip((allowed[:K], allowed[K], allowed[K + 1]), scores, strict=True)
    ]
    hashed = getattr(features, "n_features", None)
    return {
        "kind": "tags",
        **dict(zip(("transitions", "start", "end"), scores, strict=True)),
        **(_token_rules(features) if isinstance(features, TokenFeatures) else {}),
        **_columns(model, features.vocabulary_ if hashed is None else hashed),
        **_weights(model, np.zeros(K)),
    }


def _vectorizer(steps: list[Any]) -> tuple[Any, Any]:
    """Return the vectorizer, and the step that has the weights of terms."""
    if steps and isinstance(steps[0], sklearn_text.HashingVectorizer) and len(steps) == 1:
        return steps[0], steps[0]
    if steps and isinstance(steps[0], sklearn_text.CountVectorizer):
        if len(steps) == 1:
            return steps[0], steps[0] if isinstance(steps[0], sklearn_text.TfidfVectorizer) else None
        plain = not isinstance(steps[0], sklearn_text.TfidfVectorizer)
        if len(steps) == 2 and plain and isinstance(steps[1], sklearn_text.TfidfTransformer):
            return steps[0], steps[1]
    raise TypeError(
        "model must have a vectorizer of text before its classifier, a CountVectorizer perhaps with a "
        f"TfidfTransformer, got {_names(steps)}"
    )


def _names(steps: list[Any]) -> str:
    return ", ".join(type(step).__name__ for step in steps) or "none"


def _analyzer(vectorizer: Any) -> Arrays:
    own = [name for name in ("preprocessor", "tokenizer") if getattr(vectorizer, name) is not None]
    own += [name for name in ("analyzer",) if callable(vectorizer.analyzer)]
    own += ["strip_accents"] if vectorizer.strip_accents else []
    if own or has_own_steps(vectorizer):
        raise ValueError(
            "model must read text by no function of Python's, and its vectorizer has "
            + (f"{own[0]}={getattr(vectorizer, own[0])!r}" if own else "steps of its own")
        )
    pattern = token_pattern(vectorizer.token_pattern) if vectorizer.analyzer == "word" else None
    if vectorizer.analyzer == "word" and (pattern is None or (pattern.bounded and pattern.token_class != r"\w")):
        raise ValueError(
            "model must have tokens that are runs of one class of characters, got "
            f"token_pattern={vectorizer.token_pattern!r}"
        )
    stop_words = vectorizer.get_stop_words() if vectorizer.analyzer == "word" else None
    low, high = vectorizer.ngram_range
    return {
        "analyzer": vectorizer.analyzer,
        "lowercase": vectorizer.lowercase,
        "min_length": 1 if pattern is None else pattern.min_length,
        "ngram_low": low,
        "ngram_high": high,
        "stop_words": [word for word in sorted(stop_words or ()) if _is_text(word)],
        **character_runs(r"\w" if pattern is None else pattern.token_class),
    }


def _token_rules(features: TokenFeatures) -> Arrays:
    others = range(1, features.n_columns_) if features.columns is None else features.columns
    return {
        "n_token_columns": features.n_columns_,
        "other_columns": np.array(others, dtype=np.int64),
        **{name: getattr(features, name) for name in _TOKEN_FLAGS},
        **{name: np.array(getattr(features, name), dtype=np.int64) for name in _TOKEN_PLACES},
        **character_runs(r"\w"),
    }


def _columns(model: Any, vocabulary: Any) -> Arrays:
    """Return what gives features their columns: a dict, or the number of columns of hashes."""
    hashes = not isinstance(vocabulary, Mapping)
    width = vocabulary if hashes else len(vocabulary)
    if width != model.n_features_in_:
        raise ValueError(
            f"model must have steps that were fitted together: they make {width} features, "
            f"and its last one has weights of {model.n_features_in_}"
        )
    if hashes:
        return {"n_hashed": vocabulary}
    terms = {term: column for term, column in vocabulary.items() if _is_text(term)}
    return {"n_hashed": 0, "names": list(terms), "columns": np.array(list(terms.values()), dtype=np.int64)}


def _is_text(term: Any) -> bool:
    """Return whether a term can be met in UTF-8: a lone surrogate cannot."""
    return isinstance(term, str) and not any("\ud800" <= character <= "\udfff" for character in term)


def _weights(model: Any, intercept: np.ndarray) -> Arrays:
    coef = model.coef_
    arrays: Arrays = {
        "classes": [str(label) for label in model.classes_.tolist()],
        "n_columns": coef.shape[1],
        "intercept": intercept,
    }
    if not sp.issparse(coef):
        return {**arrays, "weights": coef.T}
    coef = sp.csc_matrix(coef)
    return {**arrays, "weights": coef.data, "starts": coef.indptr, "outputs": coef.indices}
