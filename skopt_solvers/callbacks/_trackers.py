"""Write the iterations of fits into experiment trackers: TensorBoard and MLflow."""

import time
from typing import Any

from .._base.optional_package import needed
from .._estimator.monitor import FitInfo
from ._base import Callback, absolute_path, place_of, values_of


def _name_of(info: FitInfo) -> str:
    """Return a name for the fit, from what it belongs to."""
    place = {name: value for name, value in place_of(info).items() if value is not None and name != "fit"}
    return "-".join([*(f"{name}{value}" for name, value in place.items()), info.fit])


class TensorBoardLog(Callback):
    """Write the numbers of each iteration as scalars for TensorBoard.

    Each fit is a run of its own, a folder below `folder` by the name of its candidate, fold and seed, so that processes
    of a search write side by side. It needs the package tensorboard: ``pip install 'skopt_solvers[tensorboard]'``.

    Parameters
    ----------
    folder : str or path
        The folder for ``tensorboard --logdir``.

    Raises
    ------
    ImportError
        Where tensorboard is not installed.
    TypeError
        Where `folder` is no path.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.callbacks import TensorBoardLog
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], [0, 1, 0, 1]
    >>> folder = Path(tempfile.mkdtemp())
    >>> model = LogisticRegression(callback=TensorBoardLog(folder), random_state=0)  # doctest: +SKIP
    >>> [run.name for run in model.fit(X, y).callback.folder.iterdir()]  # doctest: +SKIP
    ['seed0-1c5a0ad5a6f2']
    """

    def __init__(self, folder: Any) -> None:
        self.folder = absolute_path(folder, "folder")
        needed("tensorboard", "TensorBoardLog", "tensorboard")

    def __call__(self, info: FitInfo) -> None:
        """Write the numbers of an iteration.

        Parameters
        ----------
        info : FitInfo
        """
        event, summary, records = (
            needed(f"tensorboard.{name}", "TensorBoardLog", "tensorboard")
            for name in ("compat.proto.event_pb2", "compat.proto.summary_pb2", "summary.writer.record_writer")
        )
        folder = self.folder / _name_of(info)
        file = folder / "events.out.tfevents.0.skopt_solvers"
        entries = []
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            entries.append(event.Event(wall_time=time.time(), file_version="brain.Event:2"))
        scalars = [summary.Summary.Value(tag=name, simple_value=value) for name, value in values_of(info).items()]
        content = summary.Summary(value=scalars)
        entries.append(event.Event(wall_time=time.time(), step=info.iteration, summary=content))
        with open(file, "ab") as stream:  # closed after each, so that what is written is seen
            writer = records.RecordWriter(stream)
            for entry in entries:
                writer.write(entry.SerializeToString())
            writer.flush()

    def __repr__(self) -> str:
        return f"TensorBoardLog({str(self.folder)!r})"


class MLflowLog(Callback):
    """Write the numbers of each iteration as metrics of an MLflow run.

    A fit outside of a search writes to the run itself. A fit of a candidate or a fold gets a child run, with the
    candidate's parameters, and tags for candidate, fold, seed and fit; MLflow shows it below the run. A child run is
    marked as finished as soon as it is made, since no one is told of the end of a fit that fails. It needs MLflow:
    ``pip install 'skopt_solvers[mlflow]'``.

    Parameters
    ----------
    run_id : str, optional
        The run; by default the one that is active where the object is made.

    Attributes
    ----------
    run_id, tracking_uri : str
        The run and its server or store, which processes of a search write to as well.

    Raises
    ------
    ImportError
        Where MLflow is not installed.
    ValueError
        Where no run is active and none is given.

    Examples
    --------
    >>> import mlflow  # doctest: +SKIP
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.callbacks import MLflowLog
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], [0, 1, 0, 1]
    >>> with mlflow.start_run() as run:  # doctest: +SKIP
    ...     model = LogisticRegression(callback=MLflowLog()).fit(X, y)
    >>> "objective" in mlflow.get_run(run.info.run_id).data.metrics  # doctest: +SKIP
    True
    """

    def __init__(self, run_id: str | None = None) -> None:
        mlflow = needed("mlflow", "MLflowLog", "mlflow")
        if run_id is None:
            active = mlflow.active_run()
            if active is None:
                raise ValueError("run_id must be given where no run is active, got None: see mlflow.start_run()")
            run_id = active.info.run_id
        self.tracking_uri: str = mlflow.get_tracking_uri()
        self._experiment: str = self._client.get_run(run_id).info.experiment_id
        self.run_id: str = run_id
        self._children: dict[str, str] = {}  # by the names of their fits

    def __call__(self, info: FitInfo) -> None:
        """Write the numbers of an iteration.

        Parameters
        ----------
        info : FitInfo
        """
        entities = needed("mlflow.entities", "MLflowLog", "mlflow")
        now = int(1000 * time.time())
        metrics = [entities.Metric(name, value, now, info.iteration) for name, value in values_of(info).items()]
        self._client.log_batch(self._run_of(info), metrics=metrics)

    def _run_of(self, info: FitInfo) -> str:
        if info.candidate is None and info.fold is None:
            return self.run_id
        if (child := self._children.get(info.fit)) is None:
            tags = {name: str(value) for name, value in place_of(info).items() if value is not None}
            tags["mlflow.parentRunId"] = self.run_id
            child = self._client.create_run(self._experiment, tags=tags, run_name=_name_of(info)).info.run_id
            for name, value in info.parameters.items():
                self._client.log_param(child, name, value)
            self._client.set_terminated(child)
            self._children[info.fit] = child
        return child

    @property
    def _client(self) -> Any:  # not kept: processes of a search have their own
        return needed("mlflow", "MLflowLog", "mlflow").MlflowClient(self.tracking_uri)

    def __repr__(self) -> str:
        return f"MLflowLog(run_id={self.run_id!r})"
