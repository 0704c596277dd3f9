"""Metrics of label sequences: whole sequences, tokens, and entities by the rules of conlleval.

All take lists (or object arrays) of label sequences, or flat labels with the lengths or the ids of their sequences.
"""

from .._base.public_names import publish
from ._entities import entity_f1, entity_report
from ._scorers import _SequenceScorer as _SequenceScorer
from ._scorers import entity_f1_scorer, make_sequence_scorer, sequence_accuracy_scorer, token_f1_scorer
from ._tokens import sequence_accuracy, token_f1

__all__ = [
    "entity_f1",
    "entity_f1_scorer",
    "entity_report",
    "make_sequence_scorer",
    "sequence_accuracy",
    "sequence_accuracy_scorer",
    "token_f1",
    "token_f1_scorer",
]


publish(__name__)
