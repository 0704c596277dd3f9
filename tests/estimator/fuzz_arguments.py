"""Right and wrong arguments of the compiled modules, as `fuzz_kernels` wants them."""

import collections
import random
from decimal import Decimal

import numpy as np

REFUSALS = (TypeError, ValueError, MemoryError, RuntimeError, IndexError, OverflowError, FloatingPointError)
LOSSES = ("logistic", "softmax", "hinge", "crammer_singer", "modified_huber")
SCALARS = (
    -1,
    0,
    1,
    2,
    3,
    64,
    10**6,
    2**31 - 1,
    2**31,
    2**32,
    2**47,
    2**48 + 1,
    2**63 - 1,
    2**63,
    2**64 - 1,
    2**64,
    -(2**63),
)
SCALARS += (0.0, -1.0, 1.5, 1e-300, 1e300, float("nan"), float("inf"), True, None, "logistic", "", "x")
NUMBERS = (0.0, -0.0, 1.0, -1e30, 1e38, 1e300, 5e-324, np.nan, np.inf, -np.inf)
INTEGERS = (-1, 0, 1, 5, 100, 2**31 - 1, -(2**31), 2**31, 2**62, -(2**63), 2**63 - 1)


class Arguments:
    """Random arguments that depend on the number alone. `outcomes` counts what came of the calls."""

    def __init__(self, number):
        self.r, self.rng = random.Random(number), np.random.RandomState(number % 2**32)
        self.outcomes = collections.Counter()
        self.T = self.r.choice([np.float32, np.float64])
        self.I = self.r.choice([np.int32, np.int64])
        self.floats = "F32" if self.T is np.float32 else "F64"
        self.suffix = self.floats + ("I32" if self.I is np.int32 else "I64")

    # Right arguments

    def csr(self):
        """indptr, indices, data and the number of columns; sometimes enough for threads, sometimes nothing."""
        rows, columns = self.r.choice([(0, 3), (1, 0), (5, 4), (7, 1), (12, 9), (300, 40)])
        nnz = 20 if rows == 300 else 3
        mask = self.rng.rand(rows, columns) < nnz / max(columns, nnz)
        indptr = np.concatenate([[0], mask.sum(axis=1).cumsum()])
        return indptr.astype(self.I), np.nonzero(mask)[1].astype(self.I), self.numbers(mask.sum()), columns

    def numbers(self, size, dtype=None):
        return self.rng.randn(int(size)).astype(dtype or self.T)

    def integers(self, low, high, size, dtype=np.int32):
        return self.rng.randint(low, max(high, low + 1), size=int(size)).astype(dtype)

    # Wrong ones

    def spoiled(self, arguments):
        """The arguments, one or two of them made wrong, or none."""
        arguments = dict(arguments)
        for name in self.r.sample(sorted(arguments), min(len(arguments), self.r.choice([0, 0, 1, 1, 2]))):
            arguments[name] = self.wrong(arguments[name])
        return arguments

    def wrong(self, value):
        if not isinstance(value, np.ndarray):
            return self.r.choice(SCALARS)
        return self.r.choice([self.wrong_array, self.wrong_values])(value)

    def wrong_array(self, a):
        odd = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype)
        odd[:] = a
        frozen = a.copy()
        frozen.flags.writeable = False
        other = self.r.choice([np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_, object, np.complex128])
        with np.errstate(all="ignore"):
            converted = a.astype(other)
        shapes = [
            a[:-1],
            a[1:],
            a[:0],
            np.concatenate([a, a]),
            np.append(a, a[:1]),
            a[::2],
            a[None, :],
            a.reshape(-1, 1),
        ]
        kinds = [converted, a.astype(a.dtype.newbyteorder()), odd, frozen, a.tolist(), None]
        return self.r.choice(shapes + kinds)

    def wrong_values(self, a):
        a = a.copy()
        if a.dtype == bool:
            return self.rng.randint(256, size=len(a)).astype(np.uint8).view(bool)
        values = np.array([v for v in (NUMBERS if a.dtype.kind == "f" else INTEGERS)])
        if a.dtype.kind == "i":
            values = values[np.abs(values.astype(float)) < float(np.iinfo(a.dtype).max)].astype(a.dtype)
        kind = self.r.choice(["some", "some", "all", "bytes", "reversed", "shuffled", "shifted"])
        if kind == "bytes":
            return np.frombuffer(self.rng.bytes(a.nbytes), a.dtype).copy()
        if kind == "reversed":
            return a[::-1].copy()
        if kind == "shuffled":
            return self.rng.permutation(a)
        if kind == "shifted":
            with np.errstate(all="ignore"):
                return (a + a.dtype.type(self.r.choice([-1, 1, 3]))).astype(a.dtype)
        with np.errstate(all="ignore"):
            if kind == "all":
                a[:] = self.r.choice(values)
            for _ in range(self.r.choice([1, 3]) if len(a) else 0):
                a[self.r.randrange(len(a))] = self.r.choice(values)
        return a

    def call(self, f, **arguments):
        """The result, or None where it is refused."""
        try:
            with np.errstate(all="ignore"):
                result = f(**self.spoiled(arguments))
            self.outcomes["a result"] += 1
            return result
        except REFUSALS as error:
            self.outcomes[type(error).__name__] += 1

    def by_place(self, f, **arguments):
        """The same for what has no names."""
        return self.call(lambda **named: f(*named.values()), **arguments)

    def several(self, calls):
        for _ in range(self.r.choice([2, 4])):
            self.r.choice(calls)()

    def item(self, depth):
        """A token's features, of every type."""
        keys = ["a", "é", "", "\ud800", b"b", b"\xff", 3, None, "x" * 50]
        values = [
            0,
            1,
            -1.5,
            10**400,
            float("nan"),
            1e300,
            True,
            False,
            None,
            "v",
            b"v",
            Decimal(1),
            np.float32(2),
            1j,
            [],
            object(),
        ]
        kind = self.r.choice(["dict", "dict", "list", "tuple", "set", "other"])
        if kind == "other":
            return self.r.choice(values)
        strings = [self.r.choice(keys[:5]) for _ in range(self.r.randrange(3))]
        if kind != "dict":
            return {"list": list, "tuple": tuple, "set": set}[kind](strings)
        nested = lambda: self.item(depth + 1) if depth < 4 and self.r.random() < 0.3 else self.r.choice(values)  # noqa: E731
        return {
            self.r.choice(keys if self.r.random() < 0.2 else keys[:3]): nested() for _ in range(self.r.randrange(4))
        }
