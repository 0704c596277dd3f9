"""Read from a vectorizer's parameters what the compiled analyzer is to do, and what is left to Python."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral
from types import MappingProxyType
from typing import Any

from sklearn.feature_extraction import text as sklearn_text

from .._kernels import _text

_UNITS = MappingProxyType({"word": 0, "joined": 1, "char": 2, "char_wb": 3})
# How documents reach the compiled analyzer.
AS_THEY_ARE, PREPARED_UNLESS_ASCII, PREPARED, AS_TOKENS = range(4)

# One class of characters, repeated, between word boundaries or not.
_PATTERN = re.compile(
    r"""(?:\(\?u\))?(?P<begin>(?:\\b)?)
    (?P<one>\\[wWdDsS]|\[(?:\\.|[^][\\&|~-]|(?<=[^][])-(?=[^][]))+\])(?P<again>(?:(?P=one))*)
    (?:\+|\{(?P<least>[0-9]{1,9}),\})
    (?P<end>(?:\\b)?)""",
    re.VERBOSE | re.DOTALL,
)

# What a subclass may write anew: then Python calls it.
_STEPS = (
    *("build_analyzer", "build_preprocessor", "build_tokenizer", "get_stop_words", "decode"),
    *("_word_ngrams", "_char_ngrams", "_char_wb_ngrams"),
)
_THEIR_STEPS = tuple((name, getattr(sklearn_text.CountVectorizer, name)) for name in _STEPS)


@dataclass(frozen=True)
class Plan:
    """Rules by which the documents of a vectorizer are analyzed.

    Attributes
    ----------
    rules : _text.Rules
    source : _text.Source
    kind : str
        "Word" where terms are n-grams of words as tuples of numbers, "String" where they are strings.
    """

    rules: _text.Rules
    source: _text.Source
    kind: str


@dataclass(frozen=True)
class TokenPattern:
    """A regular expression whose tokens are runs of one class of characters.

    Attributes
    ----------
    token_class : str
        The expression of one character.
    min_length : int
    bounded : bool
        A token begins and ends at a word boundary.
    joins_exactly : bool
        The class has no character up to the space, so that n-grams differ where their joined strings do.
    """

    token_class: str
    min_length: int
    bounded: bool
    joins_exactly: bool


@lru_cache
def token_pattern(pattern: str) -> TokenPattern | None:
    """Return what is known of a regular expression, None if its tokens are not such runs."""
    found = _PATTERN.fullmatch(pattern)
    if not found or bool(found["begin"]) != bool(found["end"]):
        return None
    one = found["one"]
    least = int(found["least"]) if found["least"] else 1
    min_length = len(found["again"]) // len(one) + least
    if min_length < 1:
        return None
    separators = "".join(map(chr, range(33)))
    return TokenPattern(one, min_length, bool(found["begin"]), not re.search(one, separators))


def has_own_steps(vectorizer: Any) -> bool:
    """Return whether a subclass, or the object itself, has another method in the place of one of scikit-learn's."""
    return any(getattr(type(vectorizer), name) is not step or name in vars(vectorizer) for name, step in _THEIR_STEPS)


def plan(
    vectorizer: Any, documents: Iterable[Any], hashes: bool = False, ngram_range: tuple[int, int] | None = None
) -> Plan | None:
    """Return how to analyze documents for a vectorizer, None where all is left to scikit-learn.

    A tokenizer or analyzer of the user's own may give what is no list of strings: `NotStrings` is raised then, and
    scikit-learn reads the documents anew. So what can be read only once is left to it from the beginning.

    Parameters
    ----------
    vectorizer : vectorizer with valid parameters
    documents : iterable
    hashes : bool
        N-grams are wanted as strings.
    ngram_range : (int, int), optional
        Default: the vectorizer's.
    """
    if has_own_steps(vectorizer):
        return None
    analyzes = callable(vectorizer.analyzer)
    if analyzes or (vectorizer.analyzer == "word" and vectorizer.tokenizer is not None):
        if vectorizer.input == "file" or isinstance(documents, Iterator):
            return None
    low, high = (1, 1) if analyzes else ngram_range or vectorizer.ngram_range
    if not (isinstance(low, Integral) and isinstance(high, Integral)) or not 1 <= int(low) <= int(high) < 2**31:
        return None
    analyze = vectorizer.build_analyzer()  # with its errors and warnings
    if analyzes:
        rules, way, prepare, units = _rules("joined", (1, 1), None, False, None, hashes), AS_TOKENS, analyze, "joined"
    else:
        units, pattern = _units(vectorizer, hashes)
        way, prepare = _way(vectorizer, pattern)
        lower = way not in (PREPARED, AS_TOKENS) and bool(vectorizer.lowercase)
        stop_words = vectorizer.get_stop_words() if vectorizer.analyzer == "word" else None
        rules = _rules(units, (int(low), int(high)), pattern, lower, stop_words, hashes)
    source = _text.Source(way, vectorizer.input != "content", vectorizer.decode, prepare)
    return Plan(rules, source, "Word" if units == "word" else "String")


def _units(vectorizer: Any, hashes: bool) -> tuple[str, TokenPattern | None]:
    """Return what n-grams are made of, and the pattern of tokens that the compiled analyzer finds itself, or None."""
    if vectorizer.analyzer != "word":
        return vectorizer.analyzer, None
    pattern = token_pattern(vectorizer.token_pattern) if vectorizer.tokenizer is None else None
    return ("joined" if hashes or pattern is None or not pattern.joins_exactly else "word"), pattern


def _way(vectorizer: Any, pattern: TokenPattern | None) -> tuple[int, Callable[[Any], Any]]:
    """Return how documents reach the compiled analyzer, and the function of Python's that prepares them."""
    preprocess = vectorizer.build_preprocessor()
    if vectorizer.analyzer == "word" and pattern is None:
        return AS_TOKENS, _tokens(vectorizer, preprocess)
    if vectorizer.preprocessor is not None or callable(vectorizer.strip_accents):
        return PREPARED, _prepared(preprocess)
    # neither of scikit-learn's own functions changes ASCII
    return (PREPARED_UNLESS_ASCII if vectorizer.strip_accents else AS_THEY_ARE), _prepared(preprocess)


def _prepared(preprocess: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def prepared(text: Any) -> Any:
        text = preprocess(text)
        if not isinstance(text, str):
            re.sub(" ", " ", text)  # raises TypeError, with the message of every analyzer
        return text

    return prepared


def _tokens(vectorizer: Any, preprocess: Callable[[Any], Any]) -> Callable[[Any], Any]:
    tokenize = vectorizer.build_tokenizer()

    def tokens(document: Any) -> Any:
        return tokenize(preprocess(vectorizer.decode(document)))

    return tokens


@lru_cache(maxsize=64)
def _rules(
    units: str,
    ngram_range: tuple[int, int],
    pattern: TokenPattern | None,
    lower: bool,
    stop_words: frozenset[str] | None,
    hashes: bool,
) -> Any:
    token_class = None if pattern is None else pattern.token_class
    token = (1, False, False)
    if pattern is not None:
        token = (pattern.min_length, pattern.bounded, pattern.token_class == r"\w")
    characters, as_is = _characters(token_class, lower), _characters(token_class, False)
    words = None if stop_words is None else [word for word in stop_words if isinstance(word, str)]
    return _text.Rules(_UNITS[units], *ngram_range, token, lower, characters, as_is, words, hashes)


@lru_cache(maxsize=64)
def _characters(token_class: str | None, lower: bool) -> Any:
    """Return the table of characters in which a class is marked; it fills itself as characters are met."""
    return _text.Characters(lower, None if token_class is None else re.compile(f"{token_class}+"))
