"""Types of the compiled module. Classes exist for each dtype (F32, F64) and, where they read CSR, index type."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32] | NDArray[np.float64]
Index = NDArray[np.int32] | NDArray[np.int64]

class ObjectiveF32: ...
class ObjectiveF64: ...

class RuleF32:
    weight_decay: float

class RuleF64:
    weight_decay: float

class _Linear:
    def __init__(
        self,
        indptr: Index,
        indices: Index,
        data: Float,
        n_columns: int,
        labels: NDArray[np.int32],
        omega: Float,
        active: NDArray[np.int64],
        n_outputs: int,
        intercept: bool,
        loss: str,
        gamma: float,
        squared: bool,
        l1: float,
        l2: float,
        n_threads: int,
    ) -> None: ...
    def curvature(self) -> float: ...
    def margins(self, W: Float, Z: Float) -> None: ...
    def loss(self, Z: Float, D: Float) -> float: ...
    def loss_along(self, Z: Float, V: Float, step: float, D: Float) -> tuple[float, float]: ...
    def backward(self, D: Float, G: Float) -> None: ...
    def penalise(self, W: Float, G: Float) -> float: ...
    def squared_norms(self, square: Float) -> None: ...
    def count_as(self, count: NDArray[np.float64], n_seen: float) -> None: ...
    def gradient(self, W: Float, batch: NDArray[np.int64]) -> tuple[float, NDArray[np.int64], Float, Float]: ...

class LinearF32I32(_Linear, ObjectiveF32): ...
class LinearF32I64(_Linear, ObjectiveF32): ...
class LinearF64I32(_Linear, ObjectiveF64): ...
class LinearF64I64(_Linear, ObjectiveF64): ...

class _Dual:
    def __init__(
        self,
        indptr: Index,
        indices: Index,
        data: Float,
        n_columns: int,
        labels: NDArray[np.int32],
        c: Float,
        n_outputs: int,
        intercept: bool,
        loss: str,
        gamma: float,
        squared: bool,
        n_threads: int,
    ) -> None: ...
    def epoch(self, rows: NDArray[np.int64], seed: int, A: Float, W: Float) -> None: ...
    def gain(self, A: Float) -> float: ...
    def move_center(self, A: Float, W: Float) -> None: ...

class DualF32I32(_Dual): ...
class DualF32I64(_Dual): ...
class DualF64I32(_Dual): ...
class DualF64I64(_Dual): ...

class MomentumF32(RuleF32):
    def __init__(self, v: NDArray[np.float32], momentum: float, nesterov: bool, /) -> None: ...

class MomentumF64(RuleF64):
    def __init__(self, v: NDArray[np.float64], momentum: float, nesterov: bool, /) -> None: ...

class AdaGradF32(RuleF32):
    def __init__(self, s: NDArray[np.float32], epsilon: float, /) -> None: ...

class AdaGradF64(RuleF64):
    def __init__(self, s: NDArray[np.float64], epsilon: float, /) -> None: ...

class RMSPropF32(RuleF32):
    def __init__(self, s: NDArray[np.float32], mean: NDArray[np.float32], rho: float, epsilon: float, /) -> None: ...

class RMSPropF64(RuleF64):
    def __init__(self, s: NDArray[np.float64], mean: NDArray[np.float64], rho: float, epsilon: float, /) -> None: ...

class AdamF32(RuleF32):
    def __init__(self, m: Any, v: Any, v_max: Any, t: Any, beta1: float, beta2: float, epsilon: float, /) -> None: ...

class AdamF64(RuleF64):
    def __init__(self, m: Any, v: Any, v_max: Any, t: Any, beta1: float, beta2: float, epsilon: float, /) -> None: ...

class AdamWF32(AdamF32): ...
class AdamWF64(AdamF64): ...

def run_epoch(
    objective: ObjectiveF32 | ObjectiveF64,
    rule: RuleF32 | RuleF64,
    W: Float,
    order: NDArray[np.int64],
    batch_size: int,
    rates: NDArray[np.float64],
    clip_norm: float,
    sum: Float,
    since: NDArray[np.int64],
    steps: NDArray[np.int64],
) -> float: ...
def two_loop(
    S: Float,
    Y: Float,
    rho: NDArray[np.float64],
    order: NDArray[np.int64],
    g: Float,
    h0: Float,
    gamma: float,
    d: Float,
    n_threads: int,
) -> None: ...
def dot(a: Float, b: Float) -> float: ...
def check_compressed(
    indptr: Index, indices: Index, data: Float, n_major: int, n_minor: int, n_threads: int
) -> tuple[str, bool]: ...
def shuffled(values: NDArray[np.int64], seed: int, run: int, out: NDArray[np.int64]) -> None: ...
def cpu_is_v3() -> bool: ...
