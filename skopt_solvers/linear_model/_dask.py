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
from ..objectives import Indicator, LinearObjective
from ..objectives._summed import Part, bytes_of
from ._labels import LabelData, has_several_labels, warn_of_constant
from ._problem import LinearData, require_classes


@contextmanager
def problem_of_rows(estimator, model, X, y, sample_weight):
    """Read a dask array of rows: the problem, whose parts are let go at the end of the `with`."""
    sent = portable(estimator)
    read = dask.delayed(_rows, pure=False)
    blocks = [read(i, *given, sent, model) for i, given in enumerate(_blocks_of(X, y, sample_weight))]
    with hold(blocks) as rows:
        facts = rows.gather(_facts)
        n_features, dtype = agreed(facts)
        classes, mass, indicator, given_sparse = _labels_of(facts, model)
        parts = rows.map(_part, classes, mass, dtype)

        def like(weight):
            row = sp.csr_matrix((1, n_features), dtype=dtype)
            return model.objective(row, np.zeros(1, np.int32), np.array([weight]), len(classes), indicator)

        objective = sum_of(parts, like)
    vars(estimator).pop("feature_names_in_", None)
    estimator.n_features_in_ = n_features
    with objective.parts:
        yield _SummedRows(model, classes, mass, summed=objective, given_sparse=given_sparse)


@dataclass
class _SummedRows(SummedProblem):
    """The problem of rows that lie apart, one class a row or several labels."""

    given_sparse: bool = False

    @property
    def indicator(self):
        return self.summed.indicator

    @property
    def form_of_labels(self):
        several = self.indicator is not None
        return {"multilabel_": several, **({"_sparse_labels": self.given_sparse} if several else {})}


def _blocks_of(X, y, sample_weight):
    """Delayed blocks of X, y and weights, three for each block of rows."""
    Xs = row_blocks(X)
    ys = _like_rows(y, X, "y", columns=True)
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


def _like_rows(values, X, name, columns=False):
    """The blocks of one value a row, or of several where there may be `columns`, split as X is."""
    known = not np.isnan(X.shape[0])
    shape = "1-D or an indicator matrix of labels" if columns else "1-D"
    if not is_collection(values):
        if not known:
            raise ValueError(f"{name} must be a dask array where X has blocks of unknown length")
        values = values.tocsr() if columns and sp.issparse(values) else np.asarray(values)
        if not _is_column(values, columns) or values.shape[0] != X.shape[0]:
            raise ValueError(
                f"{name} must be {shape}, with one row for each of the {X.shape[0]} of X, got {values.shape}"
            )
        ends = np.cumsum(X.chunks[0]).tolist()
        return [values[begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
    if not isinstance(values, da.Array) or not _is_column(values, columns):
        raise ValueError(f"{name} must be an array or dask array that is {shape}, got {values!r}")
    if values.numblocks[1:] not in ((), (1,)):
        values = values.rechunk({1: -1})
    if known and not np.isnan(values.shape[0]):
        if values.shape[0] != X.shape[0]:
            raise ValueError(f"{name} must have one row for each of the {X.shape[0]} of X, got {values.shape}")
        values = values.rechunk({0: X.chunks[0]})
    if values.numblocks[0] != X.numblocks[0]:
        raise ValueError(f"{name} has {values.numblocks[0]} blocks and X has {X.numblocks[0]}: their rows must agree")
    return values.to_delayed().ravel().tolist()


def _is_column(values, columns):
    return values.ndim == 1 or (columns and values.ndim == 2)


def _labels_of(facts, model):
    """Return the classes or the numbers of the labels, the weight of each, the indicator of one row, and its form."""
    facts = [fact for fact in facts if fact is not None]
    first = facts[0]
    if any(fact.several != first.several for fact in facts):
        raise ValueError("y must be one class a row or an indicator matrix in all blocks, got both")
    if not first.several:
        classes = _classes(facts)
        require_classes(classes, model.name)
        return classes, masses(facts, classes), None, False
    if any(len(fact.labels) != len(first.labels) for fact in facts):
        numbers = sorted({len(fact.labels) for fact in facts})
        raise ValueError(f"y must have the same labels in all blocks, got {', '.join(map(str, numbers))} columns")
    mass = np.sum([fact.mass for fact in facts], axis=0)
    if not mass.any():
        raise ValueError("sample_weight must have a positive entry, got only zeros")
    row = Indicator.of(sp.csr_matrix((1, len(first.labels)), dtype=np.int8)).without_constant(mass)
    warn_of_constant(row)
    return first.labels, mass, row, first.sparse


def _classes(facts):
    labels = [fact.labels for fact in facts if len(fact.labels)]
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
class _Rows:
    """A block of rows, as one process reads X and y."""

    number: int
    data: LinearData

    @property
    def several(self):
        return isinstance(self.data, LabelData)

    def __sizeof__(self):
        data = self.data
        return bytes_of(data.X) + bytes_of(data.y) + data.weights.nbytes


@dataclass
class _RowFacts(Facts):
    """The facts about a block; `mass` is that of :class:`LabelData` where a row has several labels."""

    several: bool = False
    sparse: bool = False


def _rows(number, X, y, sample_weight, estimator, model):
    """A block, checked as one process checks X; None where it has no rows."""
    with block(number):
        if np.ndim(getattr(X, "shape", None)) != 1:
            raise ValueError(f"X must have CSR or dense matrices as its blocks, got a {type(X).__qualname__}")
        if not X.shape[0]:
            check_consistent_length(X, y)
            return None
        kind = LabelData if has_several_labels(y) else LinearData
        weightless = np.shape(sample_weight) in ((), (X.shape[0],)) and not np.any(np.not_equal(sample_weight, 0))
        data = kind.read(copy.copy(estimator), model, X, y, None if weightless else sample_weight)
        if weightless:  # which a part of the data may be
            data.weights[:] = 0
        return _Rows(number, data)


def _facts(rows):
    if rows is None:
        return None
    data = rows.data
    found = rows.number, data.X.shape[1], data.X.dtype
    if rows.several:
        mass = Indicator.of(data.y).mass(data.weights)
        return _RowFacts(*found, data.classes(), mass, several=True, sparse=data.given_sparse)
    positive = data.weights > 0
    labels, codes = np.unique(data.y[positive], return_inverse=True)
    return _RowFacts(*found, labels, np.bincount(codes, data.weights[positive], minlength=len(labels)))


def _part(rows, classes, mass, dtype):
    """The part of an objective; None where nothing has weight."""
    if rows is None:
        return None
    problem = rows.data.problem(classes, mass=mass)
    if not problem.weights.any():
        return None
    X, options = with_dtype(problem.X, dtype), problem.model.options(len(classes), problem.indicator)
    return Part(LinearObjective, X, problem.labels, problem.weights, **options)
