"""Blocks that cannot be made say which they are, and a cluster without workers is waited for."""

import threading

import dask
import dask.array as da
import dask.bag as db
import numpy as np
import pytest
import scipy.sparse as sp
from distributed import Client, LocalCluster

from skopt_solvers import LinearChainCRF, LogisticRegression
from skopt_solvers._estimator import dask_blocks

from .test_dask_fit import X, Y, rows, same


def failing(*_):
    raise ZeroDivisionError("of the user's")


def of_block_2(values, change):
    """Values of which the block of 60 is changed."""
    return rows(values, load=lambda block: change(block) if block.shape[0] == 60 else block)


def all_models():
    """Fits of which one block cannot be made."""
    tags = db.from_sequence([["a", "b"]] * 3, npartitions=3)
    words = db.from_delayed([dask.delayed(failing if i == 2 else lambda _: [sp.eye_array(2)])(i) for i in range(3)])
    return {
        "X": lambda: LogisticRegression().fit(of_block_2(X, failing), Y),
        "y": lambda: LogisticRegression().fit(rows(X), of_block_2(Y, failing)),
        "weights": lambda: LogisticRegression().fit(rows(X), Y, of_block_2(np.ones(240), failing)),
        "sequences": lambda: LinearChainCRF().fit(words, tags),
    }


@pytest.mark.parametrize("scheduler", ["threads", "synchronous", "cluster"])
def test_a_block_that_cannot_be_made_is_named(scheduler):
    def refused():
        for fit in all_models().values():
            with pytest.raises(ZeroDivisionError, match="of the user's") as failure:
                fit()
            assert failure.value.__notes__ == ["in a task that makes block 2 of X, y or sample_weight"]

    if scheduler == "cluster":
        with Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=":0"):
            refused()
    else:
        with dask.config.set(scheduler=scheduler):
            refused()


def test_what_all_blocks_need_names_some_of_them():
    shared = dask.delayed(failing)()
    blocks = [da.from_delayed(dask.delayed(lambda *_: X)(shared, i), X.shape, dtype=float) for i in range(4)]
    with pytest.raises(ZeroDivisionError) as failure:
        LogisticRegression().fit(da.concatenate(blocks), np.tile(Y, 4))
    assert failure.value.__notes__ == ["in a task that makes blocks 0, 1, 2, ... of X, y or sample_weight"]


@pytest.mark.parametrize("kind", ["list", "number"])
def test_a_block_that_is_no_matrix_is_named(kind):
    array = of_block_2(X, lambda block: block.toarray().tolist() if kind == "list" else 3)
    got = {"list": "list", "number": "int"}[kind]
    with pytest.raises(ValueError, match=f"X must have CSR or dense matrices as its blocks, got a {got}") as failure:
        LogisticRegression().fit(array, Y)
    assert failure.value.__notes__ == ["in block 2 of X"]


def test_a_cluster_without_workers_is_waited_for(monkeypatch):
    """A worker comes after a time that dask's own patience with `scatter`, which is made short here, would not last."""

    def lose(info):
        if info.iteration == 2:
            cluster.sync(cluster.workers[0].close)
            assert not client.nthreads()
            if returns:
                timer.start()

    options = dict(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0")
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        client._timeout, returns = 0.1, True
        timer = threading.Timer(1.5, cluster.scale, [2])
        model = LogisticRegression(tol=1e-9, callback=lose)
        same(model.fit(rows(X), Y), LogisticRegression(tol=1e-9).fit(X, Y))
        assert model.n_iter_ > 3
        timer.join()
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        returns, fitted = False, model.coef_
        monkeypatch.setattr(dask_blocks, "_PATIENCE", 0.3)
        with pytest.raises(TimeoutError, match=r"has lost all its workers, and none came in 0\.3 s"):
            model.fit(rows(X), Y)
    assert model.coef_ is fitted
