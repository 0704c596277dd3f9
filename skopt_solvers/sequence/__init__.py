"""Hold many sequences in one matrix, keep them whole in cross-validation, and read files of them."""

from .._base.public_names import publish
from ._conll import read_conll
from ._csr import CSRSequences
from ._folds import SequenceKFold
from ._lengths import flat_lengths as flat_lengths
from ._lengths import run_lengths as run_lengths

__all__ = ["CSRSequences", "SequenceKFold", "read_conll"]


publish(__name__)
