"""Hold many sequences in one matrix, keep them whole in cross-validation, and read files of them."""

from .._base.public_names import publish
from ._conll import read_conll
from ._csr import CSRSequences
from ._csr import offsets_of as offsets_of
from ._csr import trusted_sequences as trusted_sequences
from ._folds import SequenceKFold
from ._lengths import flat_lengths as flat_lengths
from ._lengths import run_lengths as run_lengths
from ._spans import CONLLEVAL as CONLLEVAL
from ._spans import OUTSIDE as OUTSIDE
from ._spans import PREFIXES as PREFIXES
from ._spans import SCHEMES as SCHEMES
from ._spans import STRICT as STRICT
from ._spans import Rules as Rules
from ._spans import TagForm as TagForm
from ._spans import facts_of as facts_of
from ._spans import form_of as form_of
from ._spans import spans as spans

__all__ = ["CSRSequences", "SequenceKFold", "read_conll"]


publish(__name__)
