"""Time and bytes of an iteration of a fit on a dask cluster, against workers and rows.

Run it from the root of the repository, where the package is installed with its `dask` extra::

    python -m tests.benchmarks.dask_scaling                                    # a few minutes
    python -m tests.benchmarks.dask_scaling --workers 1 2 4 --rows 1000000 --features 1000000

The cluster is a `distributed.LocalCluster`, a process a worker with one thread. Blocks of rows are made in the workers:
distinct features drawn by Zipf's law, see `synthetic`, float32. Seconds are the median over the iterations of a fit,
with the passes of its line search; a pass is one evaluation of the objective and its gradient. Bytes are those that the
workers sent, to each other and to the client, by their own counters, and the table that the client sent in each
pass. One process is the same fit over the same blocks in one, with as many threads as the cluster has workers.
"""

import argparse
import time
import warnings
from itertools import product
from statistics import median

import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

from skopt_solvers import LogisticRegression
from skopt_solvers.objectives._summed import SummedObjective
from skopt_solvers.solvers import LBFGS

from .measure import describe, environment, table
from .synthetic import planted_classes, zipf_rows


def collection(rows, options):
    """X and y as dask arrays whose blocks are made by tasks."""
    shape = rows // options.blocks, options.features
    make = dask.delayed(zipf_rows, pure=False)
    Xs = [make(*shape, options.nonzeros, seed=seed) for seed in range(options.blocks)]
    label = dask.delayed(planted_classes, pure=False)
    ys = [label(X, options.classes) for X in Xs]
    X = da.concatenate([da.from_delayed(block, shape, dtype=np.float32) for block in Xs])
    return X, da.concatenate([da.from_delayed(block, shape[:1], dtype=np.int64) for block in ys])


def fitted(X, y, options, n_jobs=None, sent=lambda: 0):
    """A fit: seconds, passes and bytes of an iteration, those of all but the iterations, and the bytes of a table."""
    passes, counters, evaluate = [], [], SummedObjective.value_and_gradient

    def counting(self, W):
        passes.append(W.nbytes)
        return evaluate(self, W)

    def count(info):
        counters.append((len(passes), sent()))

    SummedObjective.value_and_gradient = counting
    began = time.perf_counter()
    try:
        model = LogisticRegression(
            solver=LBFGS(start_epochs=0), tol=0, max_iter=options.iterations, n_jobs=n_jobs, callback=count
        ).fit(X, y)
    finally:
        SummedObjective.value_and_gradient = evaluate
    seconds = [record["seconds"] for record in model.history_]
    (first, before), (last, after) = counters[0], counters[-1]
    iterations = len(counters) - 1
    return dict(
        seconds=median(seconds),
        passes=(last - first) / iterations,
        bytes=(after - before) / iterations,
        rest=time.perf_counter() - began - sum(seconds),
        table=passes[0] if passes else 0,
    )


def on_cluster(workers, rows, options):
    """The measures of a fit on a cluster of so many processes."""
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": {}}),
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        X, y = client.persist(collection(rows, options))
        outgoing = lambda dask_worker: dask_worker.transfer_outgoing_bytes_total  # noqa: E731
        return fitted(X, y, options, sent=lambda: sum(client.run(outgoing).values()))


def in_one_process(workers, rows, options):
    """The measures of the same fit in this process."""
    with dask.config.set(scheduler="threads"):
        return fitted(*dask.persist(*collection(rows, options)), options, n_jobs=workers)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 200_000, 400_000])
    parser.add_argument("--features", type=int, default=100_000)
    parser.add_argument("--nonzeros", type=int, default=50, help="of a row")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--iterations", type=int, default=15)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # nothing converges in so few iterations
    lines = []
    for rows, workers in product(options.rows, options.workers):
        there, here = on_cluster(workers, rows, options), in_one_process(workers, rows, options)
        data = rows * options.nonzeros * 8
        moved = there["bytes"] + there["passes"] * there["table"]
        lines.append(
            [f"{rows:,}", workers, f"{data / 2**20:.0f}", f"{there['table'] / 2**20:.1f}", f"{there['passes']:.2f}"]
            + [f"{1e3 * measured['seconds']:.0f}" for measured in (there, here)]
            + [f"{moved / 2**20:.1f}", f"{moved / there['passes'] / there['table']:.2f}", f"{there['rest']:.1f}"]
        )
    header = ["rows", "workers", "X, MiB", "table, MiB", "passes an iteration", "iteration, ms", "in one process, ms"]
    print(describe(environment(1)))
    print(f"\n{options}\n")
    print(table(header + ["moved an iteration, MiB", "tables a pass", "all but the iterations, s"], lines))


if __name__ == "__main__":
    main()
