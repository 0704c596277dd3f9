"""Linear models on a dask array: blocks of rows, from what they are given as to the parts of an objective."""

import copy
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import dask
import dask.array as da
import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_consistent_length

from .._base.csr import with_dtype
from .._base.dask_input import is_collection
from .._estimator.dask_blocks import hold
from .._estimator.dask_fit import Facts, SummedProblem, agreed, block, masses, portable, sum_of
from ..objectives import LinearObjective
from ..objectives._summed import Part, bytes_of
from ._problem import LinearData, read_rows, require_classes, row_weights


@contextmanager
def problem_of_rows(estimator, model, X, y, sample_weight):
    """Read a dask array of rows: the problem, whose parts are let go at the end of the `with`."""
    sent = portable(estimator)
    read = dask.delayed(_rows, pure=False)
    blocks = [read(i, *given, sent, model) for i, given in enumerate(_blocks_of(X, y, sample_weight))]
    with hold(blocks) as rows:
        facts = rows.gather(_facts)
        n_features, dtype = agreed(facts)
        classes = _classes(facts)
        require_classes(classes, model.name)
        mass = masses(facts, classes)
        parts = rows.map(_part, classes, mass, dtype)

        def like(weight):
            row = sp.csr_matrix((1, n_features), dtype=dtype)
            return model.objective(row, np.zeros(1, np.int32), np.array([weight]), len(classes))

        objective = sum_of(parts, like)
    vars(estimator).pop("feature_names_in_", None)
    estimator.n_features_in_ = n_features
    with objective.parts:
        yield SummedProblem(model, classes, mass, summed=objective)


def _blocks_of(X, y, sample_weight):
    """Delayed blocks of X, y and weights, three for each block of rows."""
    Xs = row_blocks(X)
    ys = _like_rows(y, X, "y")
    ws = [sample_weight] * len(Xs)
    if sample_weight is not None and np.ndim(sample_weight):
        ws = _like_rows(sample_weight, X, "sample_weight")
    return zip(Xs, ys, ws, strict=True)


def row_blocks(X):
    """The blocks of a dask array of rows, delayed."""
    if not isinstance(X, da.Array):
        raise ValueError(
            f"X must be a dask array of CSR or dense blocks, got a dask {type(X).__name__}; a data frame has "
            "to_dask_array()"
        )
    if X.ndim != 2 or X.numblocks[1] != 1:
        raise ValueError(
            f"X must be a 2-D dask array that is split along rows only, got {X.ndim} dimensions and "
            f"{' x '.join(map(str, X.numblocks))} blocks"
        )
    return X.to_delayed().ravel().tolist()


def _like_rows(values, X, name):
    """The blocks of one value a row, split as X is."""
    known = not np.isnan(X.shape[0])
    if not is_collection(values):
        if not known:
            raise ValueError(f"{name} must be a dask array where X has blocks of unknown length")
        values = np.asarray(values)
        if values.ndim != 1 or len(values) != X.shape[0]:
            raise ValueError(f"{name} must have one value for each of the {X.shape[0]} rows of X, got {values.shape}")
        values = da.from_array(values, chunks=(X.chunks[0],))
    if not isinstance(values, da.Array) or values.ndim != 1:
        raise ValueError(f"{name} must be a 1-D array or dask array, got {values!r}")
    if known and not np.isnan(values.shape[0]):
        if values.shape[0] != X.shape[0]:
            raise ValueError(f"{name} must have one value for each of the {X.shape[0]} rows of X, got {values.shape}")
        values = values.rechunk((X.chunks[0],))
    if values.numblocks[0] != X.numblocks[0]:
        raise ValueError(f"{name} has {values.numblocks[0]} blocks and X has {X.numblocks[0]}: their rows must agree")
    return values.to_delayed().tolist()


def _classes(facts):
    labels = [fact.labels for fact in facts if fact is not None and len(fact.labels)]
    if not labels:
        raise ValueError("sample_weight must have a positive entry, got only zeros")
    if len({values.dtype.kind in "biuf" for values in labels}) > 1:
        raise ValueError("y must have labels of one kind, got numbers in some blocks and others elsewhere")
    return np.unique(np.concatenate(labels))


# Prediction


def predict_on_blocks(estimator, method, X):
    """Return what a method gives for a dask array, as a dask array of the same blocks."""
    row_blocks(X)
    sent, n_features = portable(estimator), estimator.n_features_in_
    if X.shape[1] != n_features:
        raise ValueError(f"X has {X.shape[1]} features, but {type(estimator).__name__} was fitted on {n_features}")
    empty = getattr(sent, method)(sp.csr_matrix((1, n_features), dtype=X.dtype))[:0]
    return X.map_blocks(
        partial(_predicted, sent, method, empty),
        chunks=(X.chunks[0], *((length,) for length in empty.shape[1:])),
        drop_axis=[1] if empty.ndim == 1 else None,
        dtype=empty.dtype,
        meta=empty,
    )


def _predicted(estimator, method, empty, X):
    return getattr(estimator, method)(X).astype(empty.dtype, copy=False) if X.shape[0] else empty


# Tasks


@dataclass
class _Rows(LinearData):
    """A block of rows."""

    number: int = 0

    def __sizeof__(self):
        return bytes_of(self.X) + self.y.nbytes + self.weights.nbytes


def _rows(number, X, y, sample_weight, estimator, model):
    """A block, checked as one process checks X; None where it has no rows."""
    with block(number):
        if not X.shape[0]:
            check_consistent_length(X, y)
            return None
        X, y = read_rows(copy.copy(estimator), X, y)
        return _Rows(model, X, y, row_weights(sample_weight, X, part=True), number)


def _facts(rows):
    if rows is None:
        return None
    positive = rows.weights > 0
    labels, codes = np.unique(rows.y[positive], return_inverse=True)
    mass = np.bincount(codes, rows.weights[positive], minlength=len(labels))
    return Facts(rows.number, rows.X.shape[1], rows.X.dtype, labels, mass)


def _part(rows, classes, mass, dtype):
    """The part of an objective; None where nothing has weight."""
    if rows is None:
        return None
    problem = rows.problem(classes, mass=mass)
    if not problem.weights.any():
        return None
    X, options = with_dtype(problem.X, dtype), problem.model.options(len(classes))
    return Part(LinearObjective, X, problem.labels, problem.weights, **options)
