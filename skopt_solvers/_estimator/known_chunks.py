"""Chunks of a stream that come again are known by a fingerprint, so that several epochs count each sample once.

A record of a chunk has 16 bytes: its fingerprint, and the weight that its samples were counted with. The records of a
stream are one `bytes` object in the state of its solver, which a pickle holds too. The samples of a `fit` are one
chunk, with a record in the estimator itself: a state has the counts of all chunks that it has records of.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from ..solvers import StochasticSolver

# A stream of single events has equal ones that are new, so a chunk is known again from so many rows and samples on.
FEWEST_ROWS, FEWEST_SAMPLES = 32, 2

_RECORD = np.dtype([("fingerprint", "<u8"), ("weight", "<f8")])
_MOST = 2**16  # records, of the chunks that came last
_GOLDEN = (np.sqrt(5) - 1) / 2
_SPREAD = np.sort(np.arange(1, 257) * _GOLDEN % 1)  # places that meet no period of the data


@dataclass(frozen=True)
class Count:
    """The count of a chunk's samples in a stream.

    Attributes
    ----------
    mark : int or None
        The fingerprint of the chunk; None where it has none.
    before : float or None
        The weight that the chunk was counted with when it came before; None where it is new.
    """

    mark: int | None = None
    before: float | None = None

    @classmethod
    def of(cls, data, problem, records=b""):
        """Return that of a chunk, as data and as a problem, after the chunks of these records."""
        if problem.X.shape[0] < FEWEST_ROWS or data.n_samples < FEWEST_SAMPLES:
            return cls()
        mark = fingerprint(problem.features, problem.label_arrays, data.weights)
        return cls(mark, counted_weight(records, mark))

    @property
    def again(self):
        """Tell whether the samples have been counted before."""
        return self.before is not None


def fingerprint(features, labels, weights):
    """Return 64 bits that tell a chunk from others.

    All labels and weights are in it. Of the features it has the shapes, the number of non-zeros, and 256 of them that
    are spread over each array, with their columns: reading all would cost a tenth of the epoch.

    Parameters
    ----------
    features : list of ndarray or CSR
    labels : list of arrays
        What the labels of the samples are, and for sequences their lengths.
    weights : ndarray
        Of the samples, before class weights.
    """
    digest = hashlib.blake2b(digest_size=8)
    for X in features:
        parts = [X.data, X.indices] if sp.issparse(X) else [X]
        size = parts[0].size
        digest.update(repr((X.shape, size, X.dtype.char)).encode())
        if size:
            places = (_SPREAD * size).astype(np.int64)
            for part in parts:
                digest.update(part[places] if part.ndim == 1 else part[np.unravel_index(places, part.shape)])
    for array in (*labels, weights):
        digest.update(np.ascontiguousarray(array))
    return int.from_bytes(digest.digest(), "little")


def counted_weight(records, mark):
    """Return the weight that a chunk was counted with, or None where it is new."""
    found = np.flatnonzero(_read(records)["fingerprint"] == np.uint64(mark))
    return float(_read(records)["weight"][found[0]]) if len(found) else None


def record_of_fit(solver, data, problem):
    """Return the record of all samples of a fit, which a later `partial_fit` may get too: b"" where none can come."""
    mark = Count.of(data, problem).mark if isinstance(solver, StochasticSolver) else None
    return b"" if mark is None else with_record(b"", mark, problem.amount[0])


def with_record(records, mark, weight):
    """Return the records with that of a chunk, which takes the place of an older one of the same chunk."""
    known = _read(records)
    known = known[known["fingerprint"] != np.uint64(mark)][1 - _MOST :]
    return known.tobytes() + np.array([(mark, weight)], _RECORD).tobytes()


def _read(records):
    return np.frombuffer(records, _RECORD)
