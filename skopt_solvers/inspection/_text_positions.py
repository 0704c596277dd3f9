"""Find the places of a vectorizer's n-grams in the text from which they were made."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline

Place: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Occurrence:
    """One n-gram at one place of a document.

    Attributes
    ----------
    column : int
        Its column in the model's X.
    name : str
    places : list of (int, int)
        The beginnings and ends of its tokens, or its characters, in the text; empty where they are not known.
    """

    column: int
    name: str
    places: list[Place]


def occurrences(steps: list[Any], document: Any) -> tuple[str | None, list[Occurrence]]:
    """Return the n-grams of a document that have a column, in any order.

    Parameters
    ----------
    steps : list of fitted transformers
        The first makes n-grams: a vectorizer of scikit-learn, or a union or pipeline of them. Those that follow keep
        columns as they are, or select some.
    document : str or bytes, or other input of the vectorizer

    Returns
    -------
    text : str or None
        The text of the places; None where there are none.
    found : list of Occurrence
        Empty for other steps.
    """
    text, found, _ = _through(steps, document) if steps else (None, [], None)
    return (text if any(occurrence.places for occurrence in found) else None), found


def _through(steps: list[Any], document: Any) -> tuple[str | None, list[Occurrence], int | None]:
    """Return the text, the occurrences, and the number of columns, None where it is not known."""
    first, *others = steps
    width: int | None
    if isinstance(first, (CountVectorizer, HashingVectorizer)):
        text, found, width = _of_vectorizer(first, document)
    elif isinstance(first, Pipeline):
        text, found, width = _through([step for _, step in first.steps if step != "passthrough"], document)
    elif isinstance(first, FeatureUnion):
        text, found, width = _of_union(first, document)
    else:
        try:
            return None, [], len(first.get_feature_names_out())
        except AttributeError:
            return None, [], None
    for step in others:
        if width is None or isinstance(step, OneToOneFeatureMixin):
            continue
        if not hasattr(step, "get_support"):
            return None, [], None
        kept = step.get_support(indices=True)
        column = np.full(width, -1)
        column[kept] = np.arange(len(kept))
        found = [replace(o, column=int(column[o.column])) for o in found if column[o.column] >= 0]
        width = len(kept)
    return text, found, width


def _of_union(union: FeatureUnion, document: Any) -> tuple[str | None, list[Occurrence], int | None]:
    text: str | None = None
    found: list[Occurrence] = []
    width = 0
    for name, branch in union.transformer_list:
        if branch == "drop":
            continue
        if branch == "passthrough":
            return None, [], None
        own_text, own, n_columns = _through([branch], document)
        if n_columns is None or (own_text is not None and text not in (None, own_text)):
            return None, [], None
        text = own_text if text is None else text
        prefix = f"{name}__" if union.verbose_feature_names_out else ""
        found += [replace(o, column=width + o.column, name=prefix + o.name) for o in own]
        width += n_columns
    return text, found, width


def _of_vectorizer(vectorizer: Any, document: Any) -> tuple[str | None, list[Occurrence], int]:
    ngrams = vectorizer.build_analyzer()(document)
    text: str | None = None
    located: list[tuple[str, list[Place]]] | None = None
    if not callable(vectorizer.analyzer):
        decoded = vectorizer.decode(document)
        text, located = decoded, _located(vectorizer, decoded)
    # a subclass may cut its n-grams in ways of its own
    if located is None or Counter(ngram for ngram, _ in located) != Counter(ngrams):
        text, located = None, [(ngram, []) for ngram in ngrams]
    if isinstance(vectorizer, HashingVectorizer):
        column, width = _hashed(vectorizer, ngrams), vectorizer.n_features
    else:
        column, width = vectorizer.vocabulary_, len(vectorizer.vocabulary_)
    found = [Occurrence(int(column[ngram]), ngram, places) for ngram, places in located if ngram in column]
    return text, found, width


def _hashed(vectorizer: HashingVectorizer, ngrams: list[str]) -> dict[str, int]:
    distinct = list(dict.fromkeys(ngrams))
    if not distinct:
        return {}
    hasher = FeatureHasher(vectorizer.n_features, input_type="string", alternate_sign=False)
    return dict(zip(distinct, hasher.transform([[ngram] for ngram in distinct]).indices, strict=True))


def _located(vectorizer: Any, text: str) -> list[tuple[str, list[Place]]] | None:
    """Return (n-gram, places) of all n-grams of a text; None where they cannot be followed."""
    aligned = _aligned(vectorizer.build_preprocessor(), text)
    if aligned is None:
        return None
    processed, origin = aligned
    low, high = vectorizer.ngram_range
    if vectorizer.analyzer == "word":
        tokens = _tokens(vectorizer, processed)
        if tokens is None:
            return None
        stop_words = vectorizer.get_stop_words() or ()
        placed = [(token, _source(origin, i, j)) for token, i, j in tokens if token not in stop_words]
        return [
            (" ".join(token for token, _ in placed[i : i + n]), [place for _, place in placed[i : i + n]])
            for n in range(low, high + 1)
            for i in range(len(placed) - n + 1)
        ]
    processed, origin = _single_spaces(processed, origin)
    if vectorizer.analyzer == "char":
        return [
            (processed[i : i + n], [_source(origin, i, i + n)])
            for n in range(low, high + 1)
            for i in range(len(processed) - n + 1)
        ]
    return _within_words(processed, origin, low, high)


def _within_words(processed: str, origin: list[Place], low: int, high: int) -> list[tuple[str, list[Place]]]:
    """Return the n-grams of characters of each word, with a space, which has no place, before and after it."""
    found: list[tuple[str, list[Place]]] = []
    for match in re.finditer(r"\S+", processed):
        begin, end = match.span()
        word = f" {match[0]} "
        for n in range(low, high + 1):
            for i in range(max(len(word) - n, 0) + 1):
                first, last = max(begin + i - 1, begin), min(begin + i - 1 + n, end)
                found.append((word[i : i + n], [_source(origin, first, last)] if first < last else []))
            if n >= len(word):
                break  # the whole of a short word is counted once
    return found


def _aligned(preprocess: Callable[[str], str], text: str) -> tuple[str, list[Place]] | None:
    """Return the preprocessed text, and the place of each of its characters in `text`; None if that is not known."""
    processed = preprocess(text)
    if processed == text:
        return text, [(i, i + 1) for i in range(len(text))]
    try:
        pieces = [preprocess(character) for character in text]
    except Exception:
        return None  # a function of the user's own that needs whole documents
    joined = "".join(pieces)
    # a capital sigma becomes another letter at the end of a word
    if joined != processed and (len(joined) != len(processed) or joined.casefold() != processed.casefold()):
        return None
    origin: list[Place] = []
    for i, piece in enumerate(pieces):
        if not piece and origin and unicodedata.category(text[i])[0] == "M":
            origin[-1] = (origin[-1][0], i + 1)  # an accent that is stripped belongs to its letter
        origin += [(i, i + 1)] * len(piece)
    return processed, origin


def _source(origin: list[Place], i: int, j: int) -> Place:
    return origin[i][0], origin[j - 1][1]


def _single_spaces(processed: str, origin: list[Place]) -> tuple[str, list[Place]]:
    """Turn each run of white space into one space, as the analyzers of characters do."""
    characters: list[str] = []
    origins: list[Place] = []
    done = 0
    for match in re.finditer(r"\s\s+", processed):
        i, j = match.span()
        characters += [processed[done:i], " "]
        origins += [*origin[done:i], _source(origin, i, j)]
        done = j
    return "".join([*characters, processed[done:]]), origins + origin[done:]


def _tokens(vectorizer: Any, processed: str) -> list[tuple[str, int, int]] | None:
    """Return (token, begin, end) in the preprocessed text; None where a tokenizer's tokens cannot be followed."""
    if vectorizer.tokenizer is None:
        pattern = re.compile(vectorizer.token_pattern)
        group = min(pattern.groups, 1)
        found = [(match[group], *match.span(group)) for match in pattern.finditer(processed)]
        return found if all(i < j for _, i, j in found) else None
    found, done = [], 0
    for token in vectorizer.tokenizer(processed):
        i = processed.find(token, done) if isinstance(token, str) and token else -1
        if i < 0 or _has_word(processed[done:i]):
            return None
        done = i + len(token)
        found.append((token, i, done))
    # were a word left out, a token might be found inside of it
    return None if _has_word(processed[done:]) else found


def _has_word(text: str) -> bool:
    return any(character.isalnum() for character in text)
