"""Kernels in a process whose memory or threads end: ``python -m tests.kernels.limits {memory,threads}``, on Linux.

Each kernel that starts threads is called with less address space than it needs, a little more each time. It must raise
an exception, no thread may be left, and the next call must give the bits of one that nothing befell.
"""

import os
import resource
import sys

import numpy as np
import scipy.sparse as sp

from skopt_solvers import LogisticRegression, _kernels

MB = 2**20
STACK = 2**30  # of a thread, in the process for `threads`
N_THREADS = 3
N_TASKS = len(os.listdir("/proc/self/task"))  # pyarrow, which pandas imports, has a thread of its own
ERRORS = (MemoryError, RuntimeError)


def pages(which):
    """Bytes of address space (0) or of memory (1) that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[which]) * resource.getpagesize()


def limit(room):
    """Let the address space grow by `room` bytes at most; None: as far as it may."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard if room is None else pages(0) + room, hard))


def tokens(n, d, K):
    """Rows with four features or fewer, and labels."""
    rng = np.random.RandomState(0)
    columns, starts = rng.randint(d, size=4 * n).astype(np.int32), 4 * np.arange(n + 1, dtype=np.int32)
    X = sp.csr_matrix((np.ones(4 * n), columns, starts), (n, d))
    X.sum_duplicates()
    return X, rng.randint(K, size=n).astype(np.int32)


def chain_calls():
    d, K, n = 40, 12, 24000
    X, labels = tokens(n, d, K)
    offsets = np.linspace(0, n, 9).astype(np.int64)  # long sequences, so that each thread's lattice is some MB
    every, none = np.arange(8), np.empty(0, np.int32)
    pairs = [np.empty(0, np.int64), none, np.arange(K * K, dtype=np.int32), np.ones(K * K + 2 * K, bool)]
    options = dict(l1=0.0, l2=0.1, n_threads=N_THREADS, block=2**62, copied=True)
    objective = _kernels.chain(X, offsets, labels, np.full(8, 1 / n), every, K, True, *pairs, **options)
    W = 0.1 * np.random.RandomState(1).randn((d + K + 2) * K)
    zeros = np.zeros(K * K), np.zeros(K), np.zeros(K)

    def value():
        G = np.empty_like(W)
        return objective.value_and_gradient(W, G), G

    def warm_up():
        copy = W.copy()
        return objective.warm_up(copy, np.tile(every, 2), np.array([0.1, 0.05]), 8, 1e-8), copy

    def marginals():
        P = np.empty(n * K)
        _kernels.chain_decoder(X, offsets, W[: d * K], none, none, *zeros, none, N_THREADS).marginals(P)
        return (P,)

    return dict(value=value, warm_up=warm_up, marginals=marginals, batch=lambda: objective.gradient(W, every))


def linear_calls():
    n, d, K, size = 30000, 3000, 5, 100_000
    X, labels = tokens(n, d, K)
    mixed = sp.csr_matrix((X.data, X.indices.copy(), X.indptr), X.shape)  # of rows that are not sorted, a copy is made
    for i in range(0, n, 7):
        row = slice(X.indptr[i], X.indptr[i + 1])
        mixed.indices[row] = mixed.indices[row][::-1]
    omega, S = np.full(n, 1 / n), np.random.RandomState(2).randn(4 * size)
    options = dict(gamma=0.0, squared=False, l1=0.0, l2=0.0, n_threads=N_THREADS)
    joint = _kernels.linear(mixed, labels, omega, np.arange(n), K, True, "softmax", **options)
    binary = _kernels.linear(X, labels % 2, omega, np.arange(n), 1, True, "logistic", **options)

    def gradient(objective, K):
        W = 0.1 * np.random.RandomState(1).randn((d + 1) * K)
        Z, D, G = np.empty(n * K), np.empty(n * K), np.empty((d + 1) * K)
        objective.margins(W, Z)
        loss = objective.loss(Z, D)
        objective.backward(D, G)
        return loss, G

    full = sp.csr_matrix(np.random.RandomState(3).randn(n, 60))  # whose Hessian is that of dense rows
    few = _kernels.linear(full, labels % 2, omega, np.arange(n), 1, True, "logistic", **options)

    def newton():
        D = np.empty(61)
        few.newton_direct(omega, np.ones(61), D)
        return (D,)

    def recursion():
        direction, none = np.empty(size), np.empty(0)
        block = np.empty(0, np.int64), none
        _kernels.two_loop(S, S, np.ones(4), np.arange(4), S[:size], none, 1.0, *block, direction, N_THREADS)
        return (direction,)

    def check():
        m = 900_000  # an unsorted row, whose columns are marked
        rows = np.array([0, m], np.int32), np.arange(m, 0, -1, dtype=np.int32), np.ones(m)
        return _kernels.check_compressed(*rows, 1, 3 * 10**6, N_THREADS)

    passes = dict(joint=lambda: gradient(joint, K), binary=lambda: gradient(binary, 1))
    return dict(passes, newton=newton, recursion=recursion, check=check)


def calls():
    """Of every kernel that starts threads, on problems that are large enough for three; and a minibatch."""
    return {**chain_calls(), **linear_calls()}


def assert_same(ours, theirs, name):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)


def assert_no_threads():
    assert len(os.listdir("/proc/self/task")) == N_TASKS, "a thread is left"


def memory():
    expected = {name: call() for name, call in calls().items()}
    failed = set()
    for name in expected:
        for room in (*range(0, 20, 2), *range(20, 300, 10)):
            call = calls()[name]
            limit(room * MB)
            try:
                call()
            except ERRORS:
                failed.add(name)
            else:
                break
            finally:
                limit(None)
            # what a failed call has left behind is of no harm
            assert_same(call(), expected[name], name)
        else:
            raise AssertionError(f"{name} fails with {room} MB")
        assert_no_threads()
    # Newton's step takes some KB, and stacks of threads that have ended, which the process may have at hand
    assert failed >= set(expected) - {"newton"}, failed
    a_fit_that_fails_leaves_the_model()
    nothing_is_lost(calls())


def a_fit_that_fails_leaves_the_model():
    X, labels = tokens(30000, 3000, 2)
    model = LogisticRegression(n_jobs=2, max_iter=5, tol=0.1).fit(X, labels)
    before, refused = model.coef_.copy(), 0
    for room in range(6):
        limit(room * MB)
        try:
            model.fit(X, labels)
        except ERRORS:
            refused += 1
        finally:
            limit(None)
        assert (model.coef_ == before).all()
    assert refused
    assert (model.fit(X, labels).coef_ == before).all()


def nothing_is_lost(tasks):
    for repetitions in (5, 40):
        start = pages(1)
        for _ in range(repetitions):
            for call in tasks.values():
                call()
    assert pages(1) - start < 30 * MB, "memory is lost"


def threads():
    """RLIMIT_STACK makes the stacks of threads so large that the address space has room for none, or for one of two."""
    if resource.getrlimit(resource.RLIMIT_STACK)[0] != STACK:
        resource.setrlimit(resource.RLIMIT_STACK, (STACK, resource.getrlimit(resource.RLIMIT_STACK)[1]))
        os.execv(sys.executable, [sys.executable, "-m", "tests.kernels.limits", "threads"])
    tasks = calls()
    expected = {name: call() for name, call in tasks.items()}
    for room in (STACK // 2, STACK + STACK // 2):
        refused = set()
        limit(room)
        for name, call in tasks.items():
            try:
                call()
            except RuntimeError:
                refused.add(name)
            assert_no_threads()
        limit(None)
        assert refused == set(tasks) - {"batch"}, refused
    for name, call in tasks.items():
        assert_same(call(), expected[name], name)


if __name__ == "__main__":
    {"memory": memory, "threads": threads}[sys.argv[1]]()
    print("all right")
