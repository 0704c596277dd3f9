"""Tables that begin with a line of the cache: a row of 16 outputs then lies in one line, and not in two."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

_LINE = 64  # bytes


def aligned_empty(shape: Sequence[int], dtype: DTypeLike) -> np.ndarray:
    """Return a new array whose values are not set."""
    return _cut(np.empty(_length(shape, dtype), dtype), shape)


def aligned_zeros(shape: Sequence[int], dtype: DTypeLike) -> np.ndarray:
    """Return a new array of zeros, whose memory is not touched before it is used."""
    return _cut(np.zeros(_length(shape, dtype), dtype), shape)


def aligned_zeros_like(table: np.ndarray) -> np.ndarray:
    """Return zeros of the shape and type of an array."""
    return aligned_zeros(table.shape, table.dtype)


def aligned_copy(table: np.ndarray) -> np.ndarray:
    """Return a copy of an array."""
    copy = aligned_empty(table.shape, table.dtype)
    copy[...] = table
    return copy


def _length(shape: Sequence[int], dtype: DTypeLike) -> int:
    return math.prod(shape) + _LINE // np.dtype(dtype).itemsize


def _cut(memory: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return the part of an array that has a shape and begins with a line."""
    begin = -memory.__array_interface__["data"][0] % _LINE // memory.itemsize
    return memory[begin : begin + math.prod(shape)].reshape(shape)
