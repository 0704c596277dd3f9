"""Searches on a dask cluster: the same results, and one thread a fit."""

import json
from pathlib import Path

import dask
import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV

from skopt_solvers import LinearChainCRF, LogisticRegression
from skopt_solvers._base.threads import effective_threads
from skopt_solvers.solvers import AdaGrad

from ..chain_reference import tagging
from ..model_selection.test_searches import recorder
from ..reference import text_like

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = text_like(n=120, d=40, n_classes=3, seed=2)
SEQUENCES, TAGS = tagging(30, n_features=8)
GRID = [
    {"solver": ["adam", AdaGrad()], "solver__schedule": ["cosine"], "C": [0.1, 1.0]},
    {"solver": ["lbfgs"], "C": [0.1, 1.0]},
]


@pytest.fixture(scope="module", params=[False, True], ids=["threads", "processes"])
def client(request):
    # dask would set OMP_NUM_THREADS to 1 in its processes, and in this one for good
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": {}}),
        LocalCluster(n_workers=1, threads_per_worker=2, processes=request.param, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    "model, data, labels",
    [
        (LogisticRegression(max_iter=5, random_state=0), X, Y),
        (LogisticRegression(max_iter=5, random_state=0), sp.csr_array(X.astype(np.float32)), Y),
        (LinearChainCRF(max_iter=5, random_state=0), SEQUENCES, TAGS),
    ],
    ids=["float64", "float32", "sequences"],
)
def test_a_cluster_finds_what_one_process_finds(model, data, labels):
    here = GridSearchCV(model, GRID, cv=2, error_score="raise").fit(data, labels)
    with joblib.parallel_config("dask"):
        there = GridSearchCV(model, GRID, cv=2, error_score="raise").fit(data, labels)
    np.testing.assert_array_equal(there.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"])
    assert there.best_params_ == here.best_params_ and len(there.predict(data)) == len(labels)


@pytest.mark.usefixtures("client")
def test_fits_side_by_side_have_a_thread_each(tmp_path):
    path = str(tmp_path / "fits")
    with joblib.parallel_config("dask"):
        model = LogisticRegression(solver=recorder()(path), n_jobs=-1)
        GridSearchCV(model, {"C": [0.1, 1.0]}, cv=2, refit=False).fit(X, Y)
    records = [json.loads(line) for line in Path(path).read_text().splitlines()]
    assert [record["threads"] for record in records] == [1] * 4


def test_threads_in_a_task_and_outside(client):
    def threads(n_jobs):
        return effective_threads(n_jobs)

    assert [client.submit(threads, n, pure=False).result() for n in (None, -1, 3)] == [1, 1, 3]
    assert effective_threads(-1) >= 1 and effective_threads(None) == effective_threads(-1)
