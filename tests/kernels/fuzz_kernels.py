"""Wrong arguments for the compiled modules: ``python -m tests.kernels.fuzz_kernels --seconds 60``, or ``--case N``.

A case makes a small problem that is right, spoils some of its arguments, and calls everything that is bound with them.
What comes of it must be an exception or a result; a crash, or a call that does not end, is found by the process that
watches this one. `tests/kernels/test_arguments.py` does the same with some hundred cases, and
``python -m tests.kernels.sanitizers address --fuzz 60`` under a sanitizer, which also sees what does not crash.
"""

import argparse
import collections
import importlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from skopt_solvers._kernels import _features

from ..estimator.fuzz_arguments import LOSSES
from .fuzz_text import TextArguments

MEMORY = 2**32  # bytes that a case may take


class Case(TextArguments):
    """One case: what it calls, of which compiled variant, depends on its number alone."""

    def __init__(self, number, core):
        super().__init__(number)
        self.core = core

    def run(self):
        problems = [self.linear, self.dual, self.chain, self.decoder, self.functions]
        self.r.choice([*problems, self.rows, self.walks, self.texts])()

    # What is bound

    def threads(self):
        return self.r.choice([1, 1, 2, 3, 10**6])

    def indicator(self, n, K):
        """The labels of samples that may have several, in one case of three."""
        if self.r.random() < 2 / 3:
            return None
        has = self.rng.rand(n, K) < 0.3
        factors = {name: np.abs(self.numbers(K)) * self.rng.choice([0, 1, 1], K) for name in ("present", "absent")}
        return self.call(
            getattr(self.core, "Indicator" + self.floats), indptr=np.concatenate([[0], has.sum(axis=1).cumsum()]),
            indices=np.nonzero(has)[1], **{name: factor.astype(self.T) for name, factor in factors.items()},
        )  # fmt: skip

    def matrix(self, kind):
        """The class of a kind for a matrix, CSR or dense in some order of memory, its arguments and its shape."""
        indptr, indices, data, d = self.csr()
        n = len(indptr) - 1
        if self.r.random() < 2 / 3:
            given = dict(indptr=indptr, indices=indices, data=data, n_columns=d)
            return getattr(self.core, kind + self.suffix), given, n, d
        X = self.numbers(2 * n * d).reshape(2 * n, d)[:: self.r.choice([2, -2])]
        X = X[:, ::-1] if self.r.random() < 0.3 else np.require(X, requirements=self.r.choice(["C", "F"]))
        X[self.rng.rand(n, d) < 0.3] = 0
        return getattr(self.core, kind + self.floats + "Dense"), dict(X=X), n, d

    def linear(self):
        kind, X, n, d = self.matrix("Linear")
        K, loss = self.r.choice([1, 2, 3, 16]), self.r.choice(LOSSES)
        intercept = self.r.random() < 0.5
        objective = self.call(
            kind, **X,
            labels=self.integers(0, 2 if K == 1 and loss in LOSSES[::2] else K, n),
            omega=np.abs(self.numbers(n)), active=np.arange(n), n_outputs=K,
            intercept=intercept, loss=loss, gamma=self.r.choice([0.0, 0.5]),
            squared=self.r.random() < 0.5, l1=0.1, l2=0.1, n_threads=self.threads(),
            n_models=self.r.choice([1, 1, K, 4, 0]), indicator=self.indicator(n, K),
        )  # fmt: skip
        if objective is None:
            return
        rows = d + intercept
        W, G, Z, V, D = (self.numbers(size) for size in (rows * K, rows * K, n * K, n * K, n * K))
        self.several(
            [
                lambda: self.call(objective.margins, W=W, Z=Z),
                lambda: self.call(objective.loss, Z=Z, D=D),
                lambda: self.call(objective.loss_along, Z=Z, V=V, step=0.5, D=D),
                lambda: self.call(objective.backward, D=D, G=G),
                lambda: self.call(objective.penalise, W=W, G=G),
                lambda: self.call(objective.newton_direct, Z=Z, G=G, D=W),
                lambda: self.call(objective.gram, G=np.empty(n * n)),
                lambda: self.call(objective.newton_kernel, Z=Z, G=G, kernel=np.ones(n * n), value=1.0, rounds=3, D=W),
                lambda: self.call(objective.squared_norms, square=np.empty(rows, self.T)),
                lambda: self.call(objective.gradient, W=W, batch=self.integers(0, n, min(n, 4), np.int64)),
                lambda: self.call(objective.count_as, count=self.numbers(rows).astype(float), n_seen=9.0),
                lambda: self.epoch(objective, n, rows, K),
            ]
        )

    def epoch(self, objective, n, rows, K):
        """One of every rule."""
        name, size = self.r.choice(["Momentum", "AdaGrad", "RMSProp", "Adam", "AdamW", "FTRL"]), rows * K
        table = lambda: np.abs(self.numbers(size))  # noqa: E731
        state = {"Momentum": dict(v=table(), momentum=0.9, nesterov=True), "AdaGrad": dict(s=table(), epsilon=1e-8)}
        state["RMSProp"] = dict(s=table(), mean=table()[: self.r.choice([0, size])], rho=0.9, epsilon=1e-8)
        state["Adam"] = state["AdamW"] = dict(
            m=table(), v=table(), v_max=table()[: self.r.choice([0, size])], t=self.integers(0, 9, rows, np.int64),
            beta1=0.9, beta2=self.r.choice([0.999, 1 - 1e-12, 1.0, 2.0, -1.0]), epsilon=1e-8,
        )  # fmt: skip
        state["FTRL"] = dict(
            z=table(), n=table(), shares=self.numbers(rows).astype(float), beta=1e-5, l1=self.r.choice([-1.0, 0.1]),
            l2=-1.0,
        )  # fmt: skip
        rule = self.by_place(getattr(self.core, name + self.floats), **state[name])
        if rule is None:
            return
        rates, averaging = np.full(max(n, 1), 0.1), self.r.random() < 0.3
        self.call(
            self.core.run_epoch, objective=objective, rule=rule, W=self.numbers(size),
            order=self.rng.permutation(n), batch_size=self.r.choice([1, 3, n + 1, 10**9, 2**63]), rates=rates,
            clip_norm=self.r.choice([0.0, 1e-3]), sum=self.numbers(size * averaging),
            since=self.integers(0, 1, rows * averaging, np.int64), steps=np.zeros(int(averaging), np.int64),
            losses=self.numbers(self.r.choice([0, 1, max(n, 1)])).astype(float),
        )  # fmt: skip
        batch, n_models = self.r.choice([1, 3, n + 1]), self.r.choice([1, K, 4])
        self.call(
            self.core.run_epoch_of_many, objective=objective, rule=rule, W=self.numbers(size),
            order=self.rng.permutation(n), batch_size=batch, rates=np.full(n_models * -(-n // batch), 0.1),
            l1=np.full(n_models, 0.1), l2=np.full(n_models, 0.1),
        )  # fmt: skip

    def dual(self):
        kind, X, n, d = self.matrix("Dual")
        K, loss = self.r.choice([1, 2, 3, 16]), self.r.choice(LOSSES)
        intercept, m = self.r.random() < 0.5, self.r.choice([1, 1, 2, 5])
        ascent = self.call(
            kind, **X,
            labels=self.integers(0, K, n), c=np.abs(self.numbers(n * m)), n_outputs=K * m, intercept=intercept,
            loss=loss, gamma=self.r.choice([0.0, 0.5]), squared=self.r.random() < 0.5, n_threads=self.threads(),
            n_models=m, indicator=self.indicator(n, K),
        )  # fmt: skip
        if ascent is None:
            return
        A, W, seed = self.numbers(n * K * m), self.numbers((d + intercept) * K * m), self.r.choice([0, 2**64 - 1])
        bits, some = (
            self.r.choice([1, 2**m - 1, 2**64 - 1]),
            self.integers(0, m, self.r.choice([1, m])).astype(np.int64),
        )
        self.several(
            [
                lambda: self.call(ascent.epoch, rows=np.arange(n), seed=seed, A=A, W=W, models=bits),
                lambda: self.call(ascent.gain, A=A),
                lambda: self.call(ascent.move_center, A=A, W=W),
                lambda: self.call(ascent.keep, models=some, c=np.abs(self.numbers(n * len(some)))),
            ]
        )

    def sequences(self, n):
        ends = np.sort(self.rng.randint(n + 1, size=self.r.choice([1, 3, 6])))
        return np.concatenate([[0], ends, [n]]).astype(np.int64)

    def pairs(self, d, K):
        """`first` and `label` of observed pairs, or the empty ones that mean all."""
        if self.r.random() < 0.5:
            return np.empty(0, np.int64), np.empty(0, np.int32)
        mask = self.rng.rand(d, K) < 0.6
        return np.concatenate([[0], mask.sum(axis=1).cumsum()]).astype(np.int64), np.nonzero(mask)[1].astype(np.int32)

    def triples(self, d, K):
        """`slot`, `first_triple` and `pair` of features that transitions depend on, or the empty ones of none."""
        if self.r.random() < 0.5:
            return np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int32)
        chosen = self.rng.rand(d) < 0.5
        mask = self.rng.rand(chosen.sum(), K * K) < self.r.choice([0.3, 1.0])
        slot = np.where(chosen, chosen.cumsum() - 1, -1).astype(np.int32)
        first = np.concatenate([[0], mask.sum(axis=1).cumsum()]).astype(np.int64)
        return slot, first, np.nonzero(mask)[1].astype(np.int32)

    def chain(self):
        indptr, indices, data, d = self.csr()
        n, K, dense = len(indptr) - 1, self.r.choice([1, 2, 3, 17]), self.r.choice([0, 1, 5, 30])
        n_columns, d = d, d + dense
        offsets, (first, label) = self.sequences(n), self.pairs(d, K)
        slot, first_triple, pair = self.triples(n_columns, K)
        active, boundaries = np.flatnonzero(np.diff(offsets)).astype(np.int64), self.r.random() < 0.5
        transitions = np.flatnonzero(self.rng.rand(K * K) < 0.8).astype(np.int32)
        objective = self.call(
            getattr(self.core, "Chain" + self.suffix), indptr=indptr, indices=indices, data=data,
            n_columns=n_columns, vectors=self.numbers(n * dense), vector_size=dense,
            slot=slot, first_triple=first_triple, pair=pair,
            offsets=offsets, labels=self.integers(self.r.choice([-1, 0]), K, n),
            omega=np.abs(self.numbers(len(offsets) - 1)), active=active[: self.r.choice([1, len(active)])], n_labels=K,
            boundaries=boundaries, first=first, label=label, transitions=transitions,
            allowed=self.rng.rand(K * K + 2 * K) < self.r.choice([0.5, 1.0]), l1=0.1, l2=0.1,
            n_threads=self.threads(), block=self.r.choice([1, 10, 2**62]), copied=self.r.choice([False, True]),
        )  # fmt: skip
        if objective is None:
            return
        states, tail = (len(label), len(transitions)) if len(first) else (d * K, K * K)
        outputs = 1 if len(first) else K
        size = states + tail + 2 * K * boundaries + -(-len(pair) // outputs) * outputs
        scale = self.r.choice([1.0, 1e4])
        W, G = scale * self.numbers(size), self.numbers(size * self.r.choice([0, 1]))
        W = W.astype(self.T)
        count = len(offsets) - 1
        entries = np.flatnonzero(self.rng.rand(states + tail) < 0.7).astype(np.int64)
        orders, rates = self.integers(0, count, 2 * count, np.int64), np.array([0.1, 0.05])
        self.several(
            [
                lambda: self.call(objective.value_and_gradient, W=W, G=G),
                lambda: self.call(objective.penalise, W=W, G=G),
                lambda: self.call(objective.squared_norms, square=np.empty(size // outputs)),
                lambda: self.call(objective.condition_square),
                lambda: self.call(objective.condition_bytes),
                lambda: self.call(
                    objective.curvature_block,
                    W=W,
                    entries=entries,
                    typical=np.zeros(len(entries)),
                    seed=7,
                    B=np.empty(len(entries) ** 2, self.T),
                ),
                lambda: self.call(objective.warm_up, W=W, orders=orders, rates=rates, batch_size=2, epsilon=1e-8),
                lambda: self.call(objective.gradient, W=W, batch=self.integers(0, count, 3, np.int64)),
                lambda: self.call(objective.count_as, count=self.numbers(size // outputs).astype(float), n_seen=9.0),
                lambda: self.epoch(objective, count, size // outputs, outputs),
            ]
        )

    def decoder(self):
        indptr, indices, data, d = self.csr()
        n, K, dense = len(indptr) - 1, self.r.choice([1, 2, 3, 17]), self.r.choice([0, 1, 5, 30])
        n_columns, d = d, d + dense
        offsets, (first, label) = self.sequences(n), self.pairs(d, K)
        slot, first_triple, pair = self.triples(n_columns, K)
        forbid = lambda a: np.where(self.rng.rand(len(a)) < 0.2, -np.inf, a).astype(self.T)  # noqa: E731
        decoder = self.call(
            getattr(self.core, "Decoder" + self.suffix), indptr=indptr, indices=indices, data=data,
            n_columns=n_columns, vectors=self.numbers(n * dense), vector_size=dense,
            slot=slot, first_triple=first_triple, pair=pair, triples=self.numbers(len(pair)),
            offsets=offsets, W=self.numbers(len(label) if len(first) else d * K),
            first=first.astype(indices.dtype), label=label,
            transitions=forbid(self.numbers(K * K)), start=forbid(self.numbers(K)), end=self.numbers(K),
            fixed=self.integers(-1, K, n * self.r.choice([0, 1])), n_threads=self.threads(),
        )  # fmt: skip
        if decoder is None:
            return
        count, most = len(offsets) - 1, self.r.choice([1, 3])
        paths = dict(paths=np.empty(most * n, np.int32), out=np.empty(most * count), counts=np.empty(count, np.int64))
        self.several(
            [
                lambda: self.call(decoder.viterbi, path=np.empty(n, np.int32)),
                lambda: self.call(decoder.marginals, P=np.empty(n * K, self.T)),
                lambda: self.call(decoder.log_likelihood, labels=self.integers(-1, K, n), out=np.empty(count)),
                lambda: self.call(decoder.best_paths, most=most, **paths),
            ]
        )

    def functions(self):
        indptr, indices, data, d = self.csr()
        n, K, core = len(indptr) - 1, self.r.choice([1, 3]), self.core
        size, pairs = self.r.choice([0, 5, 60_000]), self.r.choice([0, 1, 4])
        S, Y, g, h0 = (self.numbers(m) for m in (pairs * size, pairs * size, size, size * self.r.choice([0, 1])))
        entries = np.arange(min(size, self.r.choice([0, 3])), dtype=np.int64)
        inverse = self.numbers(len(entries) ** 2)
        self.several(
            [
                lambda: self.call(
                    core.check_compressed, indptr=indptr, indices=indices, data=data, n_major=n, n_minor=d,
                    n_threads=self.threads(),
                ),
                lambda: self.call(core.rows_increase, indptr=indptr, indices=indices),
                lambda: self.call(
                    core.rows_are_plain, indptr=indptr, indices=indices, data=data, n_rows=n, n_columns=d
                ),
                # a bit for each column and label that it is told of has to fit into memory
                lambda: self.call(
                    lambda **a: core.observed_pairs(n_labels=K, **a), indptr=indptr, indices=indices,
                    labels=self.integers(-1, K, n), n_columns=d, first=np.empty(d + 1, np.int64),
                ),
                lambda: self.call(
                    core.two_loop, S=S, Y=Y, rho=self.numbers(pairs, float), order=np.arange(pairs)[::-1].copy(), g=g,
                    h0=h0, gamma=1.0, entries=entries, inverse=inverse, d=np.empty(size, self.T),
                    n_threads=self.threads(),
                ),
                lambda: self.call(
                    core.proximal_step, S=S, Y=Y, products=self.numbers(pairs * len(entries)),
                    order=np.arange(pairs), transform=self.numbers(4 * pairs**2, float),
                    signs=self.numbers(2 * pairs, float), diagonal=np.abs(g), entries=entries, matrix=inverse,
                    w=self.numbers(size), g=g, l1=0.5, most=self.r.choice([0, 2]), little=0.1,
                    d=np.empty(size, self.T),
                ),
                lambda: self.by_place(core.dot, a=g, b=g.copy()),
                lambda: self.call(core.column_sums, table=g, out=np.empty(self.r.choice([0, 1, 3]))),
                lambda: self.call(core.add_to_rows, row=self.numbers(self.r.choice([0, 1, 3])), table=g.copy()),
                lambda: self.call(
                    core.shuffled, values=np.arange(size), seed=7, run=self.r.choice([1, 4, 2**64 - 1]),
                    out=np.empty(size, np.int64),
                ),
            ]
        )  # fmt: skip

    def rows(self):
        """What works on rows of features."""
        n, count = self.r.choice([(0, 1), (4, 3), (30, 50)])
        indptr = np.sort(self.integers(0, count, n + 1)).astype(np.int32)
        indptr[0] = 0
        indices = self.integers(0, 6, indptr[-1])
        lengths = np.array([n // 2, 0, n - n // 2])
        part = (self.integers(-1, n, n), indptr, indices, self.r.choice([0, -1, 1, 2**63 - 1, -(2**63)]), 3)
        data = np.abs(self.numbers(len(indices) * self.r.choice([0, 1])))
        self.several(
            [
                lambda: self.call(
                    getattr(_features, "canonical" + self.floats), data=data, indices=indices, indptr=indptr,
                    column=self.r.choice([None, self.rng.permutation(6).astype(np.int32)]),
                ),
                # as many features as it is told have to fit into memory
                lambda: self.call(
                    lambda **a: _features.frequency_order(n=6, **a), indices=indices, indptr=indptr, min_count=1
                ),
                lambda: self.call(
                    lambda lengths, **fields: _features.gather(lengths, [tuple(fields.values())]), lengths=lengths,
                    value=part[0], indptr=part[1], indices=part[2], offset=part[3], first=part[4],
                ),
            ]
        )  # fmt: skip

    def walks(self):
        """What reads Python's objects."""
        table = _features.FeatureTable()
        names = "learn", "look_up", "transform", "hashed"
        learn, look_up, transform, hashed = (getattr(_features, name + self.floats) for name in names)
        X = [[self.item(0) for _ in range(self.r.randrange(4))] for _ in range(self.r.randrange(4))]
        words = [[self.r.choice(["a", "b", ("a", "x"), 3, None]) for _ in range(2)] for _ in range(2)]
        state = (b"worda", np.array([4, 1], np.uint32))

        def loaded(data, lengths):
            _features.FeatureTable.__new__(_features.FeatureTable).__setstate__((data, lengths))

        self.call(lambda X: learn(table, X), X=X)
        self.several(
            [
                lambda: self.call(lambda X: look_up(table, X), X=X),
                lambda: self.call(
                    lambda X, keys: transform(table, X, keys), X=X, keys=[("v", self.r.choice([0, 1, 3]))]
                ),
                lambda: self.call(hashed, n_features=8, X=X),
                lambda: self.call(_features.distinct_columns, X=words),
                lambda: self.call(
                    lambda words: _features.word_rows(table, words, *4 * [True], [1, 2**40], [-1], lambda word: ["=é"]),
                    words=self.r.choice([["Ab-1", "é"], ["", 3], [None]]),
                ),
                lambda: self.call(
                    table.reordered, column=self.rng.permutation(len(table)).astype(np.int32), n_columns=len(table)
                ),
                lambda: self.call(
                    loaded, bytes=self.r.choice([state[0], b"", b"\xff\xfe\x00\x01\x80"]), lengths=state[1]
                ),
                lambda: self.call(table.names),
            ]
        )


def variants():
    """The compiled variants that this processor can run."""
    core = importlib.import_module("skopt_solvers._kernels._core")
    return [core, importlib.import_module("skopt_solvers._kernels._core_v3")] if core.cpu_is_v3() else [core]


def run_case(number, cores):
    case = Case(number, cores[number % len(cores)])
    case.run()
    return case.outcomes


def run_for(seconds, first, log):
    """Cases from `first` on; the number of each is in the file `log` before it begins."""
    outcomes, end, number, cores = collections.Counter(), time.monotonic() + seconds, first, variants()
    # a table of nothing has any number of outputs, for which a batch takes what there is
    import resource  # Windows has no such limits

    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + MEMORY, most))
    with open(log, "w") as file:
        while time.monotonic() < end:
            file.seek(0)
            file.write(f"{number:20d}")
            file.flush()
            outcomes += run_case(number, cores)
            number += 1
    print(f"{number - first} cases, {sum(outcomes.values())} calls: {dict(outcomes.most_common())}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--first", type=int, default=None, help="number of the first case; random by default")
    parser.add_argument("--case", type=int, help="this case alone, in this process")
    parser.add_argument("--log", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case is not None:
        return print(dict(run_case(options.case, variants())))
    first = random.SystemRandom().randrange(10**12) if options.first is None else options.first
    if options.log:
        return run_for(options.seconds, first, options.log)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "case"
        command = [sys.executable, "-m", "tests.kernels.fuzz_kernels", "--seconds", str(options.seconds)]
        try:
            code = subprocess.run(
                [*command, "--first", str(first), "--log", str(log)], timeout=options.seconds + 600
            ).returncode
        except subprocess.TimeoutExpired:
            code = "that it does not end"
        if code:
            case = int(log.read_text())
            sys.exit(f"case {case} failed with {code}: python -m tests.kernels.fuzz_kernels --case {case}")


if __name__ == "__main__":
    main()
