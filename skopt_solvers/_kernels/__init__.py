"""The compiled kernels: functions that pick the extension module by CPU, and the class by dtype and index type."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import scipy.sparse as sp
from numpy.typing import DTypeLike, NDArray

try:
    from . import _core
except ImportError:
    if find_spec(f"{__name__}._core") is not None:
        raise
    _package = Path(__file__).parents[1]
    raise ImportError(
        f"{_package} is the source of skopt_solvers, whose kernels are not compiled there, and it hides an installed "
        f"skopt_solvers from a Python that is started in {_package.parent}. Either run `pip install -e .` in that "
        f"folder, or start Python in another one."
    ) from None

# SKOPT_SOLVERS_KERNELS=baseline forces the code that runs on every x86-64, to test it or to compare.
if os.environ.get("SKOPT_SOLVERS_KERNELS") != "baseline" and _core.cpu_is_v3():
    from . import _core_v3 as _core  # type: ignore[no-redef]

__all__ = [
    "add_to_rows",
    "block_seed",
    "chain",
    "chain_decoder",
    "check_compressed",
    "column_sums",
    "dot",
    "dual",
    "indicator",
    "linear",
    "observed_pairs",
    "proximal_step",
    "rows_are_plain",
    "rows_increase",
    "rule",
    "run_epoch",
    "run_epoch_of_many",
    "shuffled",
    "two_loop",
    "variant",
    "vector_bytes",
]

variant = _core.__name__.rpartition(".")[2]
vector_bytes = 32 if variant == "_core_v3" else 16  # rows of a chain are padded to whole vectors
run_epoch = _core.run_epoch
run_epoch_of_many = _core.run_epoch_of_many
two_loop = _core.two_loop
proximal_step = _core.proximal_step
dot = _core.dot
check_compressed = _core.check_compressed
rows_are_plain = _core.rows_are_plain
rows_increase = _core.rows_increase
add_to_rows = _core.add_to_rows

_FLOATS = {np.dtype(np.float32): "F32", np.dtype(np.float64): "F64"}
_INDICES = {np.dtype(np.int32): "I32", np.dtype(np.int64): "I64"}


def rule(name: str, dtype: DTypeLike) -> type[Any]:
    """Return the compiled update rule of a stochastic solver, a class over its state arrays."""
    return cast(type[Any], getattr(_core, name + _FLOATS[np.dtype(dtype)]))


def linear(X: Any, *args: Any, **kwargs: Any) -> Any:
    """Return the compiled objective of a linear model over an array, or CSR without duplicates and stored zeros."""
    return _over("Linear", X, *args, **kwargs)


def dual(X: Any, *args: Any, **kwargs: Any) -> Any:
    """Return dual coordinate ascent for a linear model over the same."""
    return _over("Dual", X, *args, **kwargs)


def indicator(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int64],
    present: NDArray[Any],
    absent: NDArray[Any],
    dtype: DTypeLike,
) -> Any:
    """Return the labels of samples that may have several, for the objective and the dual of a linear model."""
    factors = (factor.astype(dtype) for factor in (present, absent))
    return getattr(_core, "Indicator" + _FLOATS[np.dtype(dtype)])(*_aligned(indptr, indices, *factors))


def chain(
    X: sp.csr_matrix, *args: Any, vectors: NDArray[Any] | None = None, conditions: Any = None, **kwargs: Any
) -> Any:
    """Return the compiled objective of a linear-chain CRF.

    Rows of X are sorted, without duplicates and stored zeros. `vectors` are more features of its rows, as an array, and
    `conditions` the features that transitions depend on.
    """
    return _over("Chain", X, *args, *_dense_block(X, vectors), *_triples(conditions), **kwargs)


def chain_decoder(
    X: sp.csr_matrix,
    *args: Any,
    vectors: NDArray[Any] | None = None,
    conditions: Any = None,
    triples: NDArray[Any] | None = None,
) -> Any:
    """Return the compiled decoder of a fitted chain over the sequences of X; `triples` weigh the `conditions`."""
    weights = np.empty(0, X.data.dtype) if triples is None else triples
    return _over("Decoder", X, *args, *_dense_block(X, vectors), *_triples(conditions), weights)


def _triples(conditions: Any) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
    if conditions is None:
        return np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int32)
    return conditions.slot, conditions.first, conditions.pair


def _dense_block(X: sp.csr_matrix, vectors: NDArray[Any] | None) -> tuple[NDArray[Any], int]:
    """Return the numbers of vectors row after row, where they lie if their type is that of X, and their size."""
    if vectors is None:
        return np.empty(0, X.data.dtype), 0
    return np.ascontiguousarray(vectors, X.data.dtype).ravel(), vectors.shape[1]


def column_sums(table: NDArray[Any]) -> NDArray[np.float64]:
    """Return the sums over the rows of a table in float64; NumPy's take ten times as long over few columns."""
    out = np.empty(table.shape[1])
    _core.column_sums(table.ravel(), out)
    return out


def _over(kind: str, X: Any, *args: Any, **kwargs: Any) -> Any:
    """Return an object of a class of the kind, for the types of X."""
    if isinstance(X, np.ndarray):
        return getattr(_core, kind + _FLOATS[X.dtype] + "Dense")(X, *_aligned(*args), **kwargs)
    make = getattr(_core, kind + _FLOATS[X.data.dtype] + _INDICES[X.indices.dtype])
    try:  # to look at each array takes as long as to make a decoder
        return make(X.indptr, X.indices, X.data, X.shape[1], *args, **kwargs)
    except TypeError:
        arrays = _aligned(X.indptr, X.indices, X.data)
        return make(*arrays, X.shape[1], *_aligned(*args), **kwargs)


def _aligned(*values: Any) -> list[Any]:
    """Return the values, with arrays at the alignment of their numbers.

    Arrays that came over a network may lie at any byte.
    """
    moved = (isinstance(a, np.ndarray) and not a.flags.aligned for a in values)
    return [np.require(a, requirements="A") if move else a for a, move in zip(values, moved, strict=True)]


def observed_pairs(
    X: sp.csr_matrix, labels: NDArray[np.int32], n_labels: int, n_dense: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the (column, label) pairs that occur, as ``first`` and ``label`` of the objective.

    After the columns of X come all pairs of `n_dense` features that every token has.
    """
    first = np.empty(X.shape[1] + 1, np.int64)
    indptr, indices, labels = _aligned(X.indptr, X.indices, labels)
    label = _core.observed_pairs(indptr, indices, labels, X.shape[1], n_labels, first)
    if n_dense:
        first = np.concatenate([first, first[-1] + n_labels * np.arange(1, n_dense + 1)])
        label = np.concatenate([label, np.tile(np.arange(n_labels, dtype=np.int32), n_dense)])
    return first, label


def block_seed(seed: int, block: int) -> int:
    """Return another seed for each block of samples, that of the first being `seed`."""
    return (seed + block * 0xD1B54A32D192ED03) % 2**64


def shuffled(values: NDArray[np.int64], seed: int, run: int = 1) -> NDArray[np.int64]:
    """Return a random permutation of `values` that depends on `seed` only; `run` neighbours stay together."""
    out = np.empty_like(values)
    _core.shuffled(values, seed, run, out)
    return out
