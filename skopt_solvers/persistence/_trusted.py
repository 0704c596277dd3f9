"""List the types that skops may be told to trust when it loads models from files."""

import scipy.sparse as sp

from ..crf import CRF, LinearChainCRF
from ..feature_extraction import DictFeatures, TokenFeatures
from ..feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from ..linear_model import LinearSVC, LogisticRegression
from ..model_selection import CPath
from ..schedules import SCHEDULES, ScheduleSequence
from ..sequence import CSRSequences, SequenceKFold
from ..solvers import SOLVERS

__all__ = ["TRUSTED_TYPES"]

_CLASSES = [
    *(LogisticRegression, LinearSVC, LinearChainCRF, CRF, DictFeatures, TokenFeatures, CSRSequences),
    *(SequenceKFold, CPath),
    *(CountVectorizer, TfidfVectorizer, HashingVectorizer),
    *(*SOLVERS.values(), *SCHEDULES.values(), ScheduleSequence),
    *(sp.csr_matrix, sp.csc_matrix),  # a sparse `coef_`, which skops reads with scipy's load_npz, without pickles
]

# Version 0.1.0 stored its solvers by the names of the private modules that they lay in.
_OF_0_1 = [
    *(f"skopt_solvers.solvers._rules.{name}" for name in ("AdaGrad", "Adam", "AdamW", "Momentum", "RMSProp")),
    *("skopt_solvers.solvers._lbfgs.LBFGS", "skopt_solvers.solvers._sdca.SDCA"),
]

TRUSTED_TYPES: list[str] = sorted([*(f"{cls.__module__}.{cls.__qualname__}" for cls in _CLASSES), *_OF_0_1])
"""The names of the types of this package and of scipy that a file of skops holds: classes of data, no functions.

``skops.io.load(file, trusted=TRUSTED_TYPES)`` loads every estimator, solver and schedule of this package, and pipelines
of them. A class of your own is added by its name.
"""
