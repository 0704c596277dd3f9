"""Trackers of experiments; each test is skipped where its package is not installed."""

import pickle

import joblib
import pytest
from sklearn.base import clone

from skopt_solvers import LogisticRegression
from skopt_solvers.callbacks import MLflowLog, TensorBoardLog
from skopt_solvers.model_selection import GridSearchCV
from skopt_solvers.persistence import TRUSTED_TYPES

from ..reference import text_like

MODEL = LogisticRegression(solver="adagrad", max_iter=30, tol=0.01, random_state=3)


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # which needs no database
    module = pytest.importorskip("mlflow")
    before = module.get_tracking_uri()
    module.set_tracking_uri((tmp_path / "runs").as_uri())
    yield module
    module.set_tracking_uri(before)


@pytest.mark.filterwarnings("ignore")  # of these packages
def test_tensorboard_reads_the_history(tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    X, y = text_like(n=60)
    model = clone(MODEL).set_params(callback=TensorBoardLog(tmp_path)).fit(X, y)
    (run,) = tmp_path.iterdir()
    events = accumulators.EventAccumulator(str(run)).Reload().Scalars("objective")
    assert [event.step for event in events] == [record["iteration"] for record in model.history_]
    assert [event.value for event in events] == pytest.approx([record["objective"] for record in model.history_])
    with joblib.parallel_config("loky", n_jobs=2):
        search = GridSearchCV(clone(model), {"C": [0.1, 1.0]}, cv=2).fit(X, y)
    names = sorted(each.name.rpartition("-")[0] for each in tmp_path.iterdir())
    folds = [f"candidate{i}-fold{k}-seed3" for i in range(2) for k in range(2)]
    assert names == sorted([*folds, f"candidate{search.best_index_}-seed3", "seed3"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_mlflow_has_the_history_and_a_child_run_for_each_fit_of_a_search(mlflow, n_jobs):
    X, y = text_like(n=60)
    with pytest.raises(ValueError, match="run_id must be given where no run is active"):
        MLflowLog()
    with mlflow.start_run() as run:
        log = MLflowLog()
        model = clone(MODEL).set_params(callback=log).fit(X, y)
        sent = pickle.loads(pickle.dumps(clone(model)))  # as a process of a search gets it
        assert vars(sent.callback) == vars(log)
        with joblib.parallel_config("loky", n_jobs=n_jobs):
            GridSearchCV(sent, {"C": [0.1, 1.0]}, cv=2).fit(X, y)
    client = mlflow.MlflowClient()
    history = client.get_metric_history(run.info.run_id, "objective")
    assert [metric.value for metric in history] == [record["objective"] for record in model.history_]
    runs = client.search_runs(["0"], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    places = [(each.data.tags["candidate"], each.data.tags.get("fold")) for each in runs]
    assert {("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")} < set(places) and len(places) == 5
    assert {each.data.params["C"] for each in runs} == {"0.1", "1.0"}
    assert all(client.get_metric_history(each.info.run_id, "objective") for each in runs)
    assert {each.info.status for each in runs} == {"FINISHED"}


@pytest.mark.filterwarnings("ignore")
def test_mlflow_stores_models_without_pickles(mlflow):
    pytest.importorskip("skops")
    X, y = text_like(n=60)
    with mlflow.start_run():
        model = clone(MODEL).set_params(callback=[MLflowLog(), lambda info: None]).fit(X, y)
        info = mlflow.sklearn.log_model(
            model, name="model", serialization_format="skops", skops_trusted_types=TRUSTED_TYPES
        )
    again = mlflow.sklearn.load_model(info.model_uri)
    assert (again.predict(X) == model.predict(X)).all() and again.callback is None
    assert (mlflow.pyfunc.load_model(info.model_uri).predict(X) == model.predict(X)).all()
