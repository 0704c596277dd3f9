"""Collect what Python knows of the characters of Unicode, as runs of characters that are alike."""

import re
import sys
import unicodedata
from functools import lru_cache

import numpy as np

# As unicode.h has them.
_TOKEN, _SPACE, _CASED, _IGNORED, _UPPER, _LOWER, _TITLE, _ALPHA, _DIGIT = (1 << i for i in range(9))
_N = sys.maxunicode + 1
_SIGMA, _FINAL_SIGMA = "\u03a3", "\u03c2"


@lru_cache
def character_runs(token_class: str) -> dict[str, np.ndarray]:
    """Return runs of characters, in which lower case is as far away and the facts are the same.

    Parameters
    ----------
    token_class : str
        The regular expression of one character of tokens.

    Returns
    -------
    dict of str to int32 array
        The first character of each run, what is added to a character for its lower case, and the facts, as bits.
    """
    lower, facts = _lower_and_facts()
    facts = facts | _TOKEN * _members(token_class)
    first = np.flatnonzero(np.diff(lower, prepend=-1) | np.diff(facts, prepend=-1))
    return {"characters.first": first, "characters.lower": lower[first], "characters.facts": facts[first]}


@lru_cache
def _lower_and_facts() -> tuple[np.ndarray, np.ndarray]:
    lower, facts = np.zeros(_N, np.int32), _SPACE * _members(r"\s")
    for code in range(_N):
        character = chr(code)
        if unicodedata.category(character) in ("Cn", "Co", "Cs"):  # not assigned, and of no case
            continue
        lowered = character.lower()
        if len(lowered) == 1:  # unicode.h knows the one of which it is not
            lower[code] = ord(lowered) - code
        facts[code] |= _facts(character)
    return lower, facts


def _facts(character: str) -> int:
    # a sigma is final behind a cased character, and those between the two do not count
    cased = (character + _SIGMA).lower().endswith(_FINAL_SIGMA)
    ignored = not cased and ("A" + character + _SIGMA).lower().endswith(_FINAL_SIGMA)
    upper = character.isupper()
    return (
        (_CASED * cased)
        | (_IGNORED * ignored)
        | (_UPPER * upper)
        | (_LOWER * character.islower())
        | (_TITLE * (character.istitle() and not upper))
        | (_ALPHA * character.isalpha())
        | (_DIGIT * character.isdigit())
    )


def _members(character_class: str) -> np.ndarray:
    """Return for each character 1 if it is of a class, else 0."""
    members = np.zeros(_N, np.int32)
    for run in re.finditer(f"{character_class}+", "".join(map(chr, range(_N)))):
        members[run.start() : run.end()] = 1
    return members
