"""Types of the compiled module. Classes exist for each dtype (F32, F64) and, where they read CSR, index type."""

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

_T = TypeVar("_T", np.float32, np.float64)
_I = TypeVar("_I", np.int32, np.int64)

# Objectives

class _Objective(Generic[_T]): ...
class ObjectiveF32(_Objective[np.float32]): ...
class ObjectiveF64(_Objective[np.float64]): ...

class _Indicator(Generic[_T]):
    def __init__(
        self,
        indptr: NDArray[np.int64],
        indices: NDArray[np.int64],
        present: NDArray[_T],
        absent: NDArray[_T],
    ) -> None: ...

class IndicatorF32(_Indicator[np.float32]): ...
class IndicatorF64(_Indicator[np.float64]): ...

class _Linear(Generic[_T]):
    def margins(self, W: NDArray[_T], Z: NDArray[_T]) -> None: ...
    def loss(self, Z: NDArray[_T], D: NDArray[_T]) -> float: ...
    def loss_along(self, Z: NDArray[_T], V: NDArray[_T], step: float, D: NDArray[_T]) -> tuple[float, float]: ...
    def backward(self, D: NDArray[_T], G: NDArray[_T]) -> None: ...
    def penalise(self, W: NDArray[_T], G: NDArray[_T]) -> float: ...
    def newton_direct(self, Z: NDArray[_T], G: NDArray[_T], D: NDArray[_T]) -> bool: ...
    def gram(self, G: NDArray[np.float64]) -> None: ...
    def newton_kernel(
        self, Z: NDArray[_T], G: NDArray[_T], kernel: NDArray[np.float64], value: float, rounds: int, D: NDArray[_T]
    ) -> bool: ...
    def squared_norms(self, square: NDArray[_T]) -> None: ...
    def count_as(self, count: NDArray[np.float64], n_seen: float) -> None: ...
    def gradient(
        self, W: NDArray[_T], batch: NDArray[np.int64]
    ) -> tuple[float, NDArray[np.int64], NDArray[_T], NDArray[_T]]: ...

class _LinearOfCsr(_Linear[_T], Generic[_T, _I]):
    def __init__(
        self,
        indptr: NDArray[_I],
        indices: NDArray[_I],
        data: NDArray[_T],
        n_columns: int,
        labels: NDArray[np.int32],
        omega: NDArray[_T],
        active: NDArray[np.int64],
        n_outputs: int,
        intercept: bool,
        loss: str,
        gamma: float,
        squared: bool,
        l1: float,
        l2: float,
        n_threads: int,
        n_models: int = 1,
        indicator: _Indicator[_T] | None = None,
    ) -> None: ...

class _LinearOfDense(_Linear[_T]):
    def __init__(
        self,
        X: NDArray[_T],
        labels: NDArray[np.int32],
        omega: NDArray[_T],
        active: NDArray[np.int64],
        n_outputs: int,
        intercept: bool,
        loss: str,
        gamma: float,
        squared: bool,
        l1: float,
        l2: float,
        n_threads: int,
        n_models: int = 1,
        indicator: _Indicator[_T] | None = None,
    ) -> None: ...

class LinearF32I32(_LinearOfCsr[np.float32, np.int32], ObjectiveF32): ...
class LinearF32I64(_LinearOfCsr[np.float32, np.int64], ObjectiveF32): ...
class LinearF32Dense(_LinearOfDense[np.float32], ObjectiveF32): ...
class LinearF64I32(_LinearOfCsr[np.float64, np.int32], ObjectiveF64): ...
class LinearF64I64(_LinearOfCsr[np.float64, np.int64], ObjectiveF64): ...
class LinearF64Dense(_LinearOfDense[np.float64], ObjectiveF64): ...

class _Dual(Generic[_T]):
    def epoch(
        self, rows: NDArray[np.int64], seed: int, A: NDArray[_T], W: NDArray[_T], models: int = 1
    ) -> NDArray[np.float64]: ...
    def keep(self, models: NDArray[np.int64], c: NDArray[_T]) -> None: ...
    def gain(self, A: NDArray[_T]) -> float: ...
    def move_center(self, A: NDArray[_T], W: NDArray[_T]) -> None: ...

class _DualOfCsr(_Dual[_T], Generic[_T, _I]):
    def __init__(
        self,
        indptr: NDArray[_I],
        indices: NDArray[_I],
        data: NDArray[_T],
        n_columns: int,
        labels: NDArray[np.int32],
        c: NDArray[_T],
        n_outputs: int,
        intercept: bool,
        loss: str,
        gamma: float,
        squared: bool,
        n_threads: int,
        n_models: int = 1,
        indicator: _Indicator[_T] | None = None,
    ) -> None: ...

class _DualOfDense(_Dual[_T]):
    def __init__(
        self,
        X: NDArray[_T],
        labels: NDArray[np.int32],
        c: NDArray[_T],
        n_outputs: int,
        intercept: bool,
        loss: str,
        gamma: float,
        squared: bool,
        n_threads: int,
        n_models: int = 1,
        indicator: _Indicator[_T] | None = None,
    ) -> None: ...

class DualF32I32(_DualOfCsr[np.float32, np.int32]): ...
class DualF32I64(_DualOfCsr[np.float32, np.int64]): ...
class DualF32Dense(_DualOfDense[np.float32]): ...
class DualF64I32(_DualOfCsr[np.float64, np.int32]): ...
class DualF64I64(_DualOfCsr[np.float64, np.int64]): ...
class DualF64Dense(_DualOfDense[np.float64]): ...

class _Chain(Generic[_T, _I]):
    def __init__(
        self,
        indptr: NDArray[_I],
        indices: NDArray[_I],
        data: NDArray[_T],
        n_columns: int,
        offsets: NDArray[np.int64],
        labels: NDArray[np.int32],
        omega: NDArray[_T],
        active: NDArray[np.int64],
        n_labels: int,
        boundaries: bool,
        first: NDArray[np.int64],
        label: NDArray[np.int32],
        transitions: NDArray[np.int32],
        allowed: NDArray[np.bool_],
        vectors: NDArray[_T],
        vector_size: int,
        slot: NDArray[np.int32],
        first_triple: NDArray[np.int64],
        pair: NDArray[np.int32],
        l1: float,
        l2: float,
        n_threads: int,
        block: int,
        copied: bool,
    ) -> None: ...
    def value_and_gradient(self, W: NDArray[_T], G: NDArray[_T]) -> float: ...
    def penalise(self, W: NDArray[_T], G: NDArray[_T]) -> float: ...
    def copied_bytes(self) -> int: ...
    def condition_bytes(self) -> int: ...
    def squared_norms(self, square: NDArray[np.float64]) -> None: ...
    def condition_square(self) -> float: ...
    def curvature_block(
        self,
        W: NDArray[_T],
        entries: NDArray[np.int64],
        typical: NDArray[np.float64],
        seed: int,
        B: NDArray[_T],
    ) -> None: ...
    def count_as(self, count: NDArray[np.float64], n_seen: float) -> None: ...
    def gradient(
        self, W: NDArray[_T], batch: NDArray[np.int64]
    ) -> tuple[float, NDArray[np.int64], NDArray[_T], NDArray[_T]]: ...
    def warm_up(
        self, W: NDArray[_T], orders: NDArray[np.int64], rates: NDArray[np.float64], batch_size: int, epsilon: float
    ) -> list[float]: ...

class ChainF32I32(_Chain[np.float32, np.int32], ObjectiveF32): ...
class ChainF32I64(_Chain[np.float32, np.int64], ObjectiveF32): ...
class ChainF64I32(_Chain[np.float64, np.int32], ObjectiveF64): ...
class ChainF64I64(_Chain[np.float64, np.int64], ObjectiveF64): ...

class _Decoder(Generic[_T, _I]):
    def __init__(
        self,
        indptr: NDArray[_I],
        indices: NDArray[_I],
        data: NDArray[_T],
        n_columns: int,
        offsets: NDArray[np.int64],
        W: NDArray[_T],
        first: NDArray[_I],
        label: NDArray[np.int32],
        transitions: NDArray[_T],
        start: NDArray[_T],
        end: NDArray[_T],
        fixed: NDArray[np.int32],
        n_threads: int,
        vectors: NDArray[_T],
        vector_size: int,
        slot: NDArray[np.int32],
        first_triple: NDArray[np.int64],
        pair: NDArray[np.int32],
        triples: NDArray[_T],
    ) -> None: ...
    def viterbi(self, path: NDArray[np.int32]) -> bool: ...
    def marginals(self, P: NDArray[_T]) -> None: ...
    def log_likelihood(self, labels: NDArray[np.int32], out: NDArray[np.float64]) -> None: ...
    def best_paths(
        self, most: int, paths: NDArray[np.int32], out: NDArray[np.float64], counts: NDArray[np.int64]
    ) -> None: ...
    def spans(
        self,
        starts: NDArray[np.uint8],
        continues: NDArray[np.uint8],
        kinds: NDArray[np.int32],
        n_kinds: int,
        least: float,
        every: bool,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]: ...

class DecoderF32I32(_Decoder[np.float32, np.int32]): ...
class DecoderF32I64(_Decoder[np.float32, np.int64]): ...
class DecoderF64I32(_Decoder[np.float64, np.int32]): ...
class DecoderF64I64(_Decoder[np.float64, np.int64]): ...

# Update rules over tables of state

class _Rule(Generic[_T]):
    weight_decay: float

class RuleF32(_Rule[np.float32]): ...
class RuleF64(_Rule[np.float64]): ...

class _Momentum(Generic[_T]):
    def __init__(self, v: NDArray[_T], momentum: float, nesterov: bool, /) -> None: ...

class _AdaGrad(Generic[_T]):
    def __init__(self, s: NDArray[_T], epsilon: float, /) -> None: ...

class _RMSProp(Generic[_T]):
    def __init__(self, s: NDArray[_T], mean: NDArray[_T], rho: float, epsilon: float, /) -> None: ...

class _Adam(Generic[_T]):
    def __init__(
        self,
        m: NDArray[_T],
        v: NDArray[_T],
        v_max: NDArray[_T],
        t: NDArray[np.int64],
        beta1: float,
        beta2: float,
        epsilon: float,
        /,
    ) -> None: ...

class MomentumF32(_Momentum[np.float32], RuleF32): ...
class MomentumF64(_Momentum[np.float64], RuleF64): ...
class AdaGradF32(_AdaGrad[np.float32], RuleF32): ...
class AdaGradF64(_AdaGrad[np.float64], RuleF64): ...
class RMSPropF32(_RMSProp[np.float32], RuleF32): ...
class RMSPropF64(_RMSProp[np.float64], RuleF64): ...
class AdamF32(_Adam[np.float32], RuleF32): ...
class AdamF64(_Adam[np.float64], RuleF64): ...
class AdamWF32(_Adam[np.float32], RuleF32): ...
class AdamWF64(_Adam[np.float64], RuleF64): ...

# Functions

class FTRLF32(RuleF32):
    def __init__(
        self,
        z: NDArray[np.float32],
        n: NDArray[np.float32],
        shares: NDArray[np.float64],
        beta: float,
        l1: float,
        l2: float,
        /,
    ) -> None: ...

class FTRLF64(RuleF64):
    def __init__(
        self,
        z: NDArray[np.float64],
        n: NDArray[np.float64],
        shares: NDArray[np.float64],
        beta: float,
        l1: float,
        l2: float,
        /,
    ) -> None: ...

def run_epoch(
    objective: _Objective[_T],
    rule: _Rule[_T],
    W: NDArray[_T],
    order: NDArray[np.int64],
    batch_size: int,
    rates: NDArray[np.float64],
    clip_norm: float,
    sum: NDArray[_T],
    since: NDArray[np.int64],
    steps: NDArray[np.int64],
    losses: NDArray[np.float64],
) -> float: ...
def run_epoch_of_many(
    objective: _Objective[_T],
    rule: _Rule[_T],
    W: NDArray[_T],
    order: NDArray[np.int64],
    batch_size: int,
    rates: NDArray[np.float64],
    l1: NDArray[np.float64],
    l2: NDArray[np.float64],
) -> NDArray[np.float64]: ...
def two_loop(
    S: NDArray[_T],
    Y: NDArray[_T],
    rho: NDArray[np.float64],
    order: NDArray[np.int64],
    g: NDArray[_T],
    h0: NDArray[_T],
    gamma: float,
    entries: NDArray[np.int64],
    inverse: NDArray[_T],
    d: NDArray[_T],
    n_threads: int,
) -> None: ...
def proximal_step(
    S: NDArray[_T],
    Y: NDArray[_T],
    products: NDArray[_T],
    order: NDArray[np.int64],
    transform: NDArray[np.float64],
    signs: NDArray[np.float64],
    diagonal: NDArray[_T],
    entries: NDArray[np.int64],
    matrix: NDArray[_T],
    w: NDArray[_T],
    g: NDArray[_T],
    l1: float,
    most: int,
    little: float,
    d: NDArray[_T],
) -> float: ...
def dot(a: NDArray[_T], b: NDArray[_T]) -> float: ...
def column_sums(table: NDArray[_T], out: NDArray[np.float64]) -> None: ...
def add_to_rows(row: NDArray[_T], table: NDArray[_T]) -> None: ...
def check_compressed(
    indptr: NDArray[_I], indices: NDArray[_I], data: NDArray[_T], n_major: int, n_minor: int, n_threads: int
) -> tuple[str, bool]: ...
def rows_are_plain(
    indptr: NDArray[_I], indices: NDArray[_I], data: NDArray[_T], n_rows: int, n_columns: int
) -> bool: ...
def rows_increase(indptr: NDArray[_I], indices: NDArray[_I]) -> bool: ...
def observed_pairs(
    indptr: NDArray[_I],
    indices: NDArray[_I],
    labels: NDArray[np.int32],
    n_columns: int,
    n_labels: int,
    first: NDArray[np.int64],
) -> NDArray[np.int32]: ...
def shuffled(values: NDArray[np.int64], seed: int, run: int, out: NDArray[np.int64]) -> None: ...
def cpu_is_v3() -> bool: ...
