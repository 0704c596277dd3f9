"""The iterations of fits in files, of searches in processes too."""

import csv
import json
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV as SklearnGridSearchCV

from skopt_solvers import LogisticRegression
from skopt_solvers.callbacks import CSVLog, JSONLinesLog
from skopt_solvers.model_selection import GridSearchCV

from ..reference import text_like

MODEL = LogisticRegression(solver="adagrad", max_iter=30, tol=0.01, random_state=3)


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_are_the_history(tmp_path):
    X, y = text_like(n=100)
    logs = [CSVLog(tmp_path / "fits.csv"), JSONLinesLog(tmp_path / "fits.jsonl")]
    model = clone(MODEL).set_params(callback=logs).fit(X, y)
    rows, lines = rows_of(tmp_path / "fits.csv"), lines_of(tmp_path / "fits.jsonl")
    assert [float(row["objective"]) for row in rows] == [record["objective"] for record in model.history_]
    assert [{name: line[name] for name in model.history_[0]} for line in lines] == model.history_
    assert len({row["fit"] for row in rows} | {line["fit"] for line in lines}) == 1
    assert {row["seed"] for row in rows} == {"3"} and {row["candidate"] for row in rows} == {""}


@pytest.mark.parametrize("backend", ["threading", "loky"])
@pytest.mark.parametrize("search", [GridSearchCV, SklearnGridSearchCV])
def test_searches_side_by_side_write_whole_rows(tmp_path, search, backend):
    X, y = text_like(n=100)
    logs = [CSVLog(tmp_path / "fits.csv"), JSONLinesLog(tmp_path / "fits.jsonl")]
    grid = {"C": [0.1, 1.0], "solver": ["adagrad", "lbfgs"]}
    with joblib.parallel_config(backend, n_jobs=2):
        fitted = search(clone(MODEL).set_params(callback=logs), grid, cv=3).fit(X, y)
    rows, lines = rows_of(tmp_path / "fits.csv"), lines_of(tmp_path / "fits.jsonl")
    assert len(rows) == len(lines) and len({line["fit"] for line in lines}) == 4 * 3 + 1
    assert all(np.isfinite(float(row["elapsed"])) for row in rows)
    if search is GridSearchCV:
        places = {(line["candidate"], line["fold"]) for line in lines}
        assert places == {*((i, k) for i in range(4) for k in range(3)), (fitted.best_index_, None)}
        for line in lines:
            assert line["parameters"] == fitted.cv_results_["params"][line["candidate"]]


def test_append_goes_on_behind_the_same_columns(tmp_path):
    X, y = text_like(n=50)
    path, columns = tmp_path / "fits.csv", ["iteration", "objective"]
    n = clone(MODEL).set_params(callback=CSVLog(path, columns=columns)).fit(X, y).n_iter_
    clone(MODEL).set_params(callback=CSVLog(path, columns=columns, append=True)).fit(X, y)
    assert len(rows_of(path)) == 2 * n
    with pytest.raises(ValueError, match="append=True needs a file with the columns 'iteration', got"):
        CSVLog(path, columns=["iteration"], append=True)
    CSVLog(path, columns=columns)
    assert rows_of(path) == []
    lines = tmp_path / "fits.jsonl"
    lines.write_text("{}\n")
    JSONLinesLog(lines, append=True)
    assert lines_of(lines) == [{}]


def test_entries_of_other_callbacks_are_written(tmp_path):
    X, y = text_like(n=50)

    def adds(info):
        info.record.update(share=np.float32(0.5), none=np.nan, table=np.arange(2), schedule=info.estimator)

    logs = [adds, CSVLog(tmp_path / "fits.csv", columns=["share"]), JSONLinesLog(tmp_path / "fits.jsonl")]
    clone(MODEL).set_params(callback=logs).fit(X, y)
    line = lines_of(tmp_path / "fits.jsonl")[0]
    assert rows_of(tmp_path / "fits.csv")[0] == {"share": "0.5"}
    assert line["share"] == 0.5 and line["none"] is None and line["table"] == [0, 1]
    assert line["schedule"].startswith("LogisticRegression(")


def test_the_calls_of_a_stream_are_one_fit(tmp_path):
    X, y = text_like(n=50)
    model = clone(MODEL).set_params(callback=JSONLinesLog(tmp_path / "fits.jsonl"))
    for _ in range(3):
        model.partial_fit(X, y, classes=[0, 1])
    lines = lines_of(tmp_path / "fits.jsonl")
    assert [line["iteration"] for line in lines] == [1, 2, 3] and len({line["fit"] for line in lines}) == 1


def test_a_copy_for_a_worker_does_not_begin_the_file_anew(tmp_path, monkeypatch):
    log = CSVLog(tmp_path / "fits.csv", columns=["iteration"])
    log._add("1\n")
    monkeypatch.chdir(tmp_path.parent)
    pickle.loads(pickle.dumps(log))._add("2\n")
    assert clone(log, safe=False) is log
    assert (tmp_path / "fits.csv").read_text() == "iteration\n1\n2\n"


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda path: CSVLog(3), TypeError, "path must be a str or a path, got int"),
        (lambda path: JSONLinesLog(path, append=1), TypeError, "append must be True or False, got 1"),
        (lambda path: CSVLog(path, columns="C"), TypeError, "columns must be a sequence of str, got 'C'"),
        (lambda path: CSVLog(path, columns=["a", "a"]), ValueError, "columns must be different names"),
        (lambda path: CSVLog(path / "no" / "folder"), OSError, "no"),
    ],
    ids=["path", "append", "columns", "twice", "folder"],
)
def test_bad_arguments_are_named(tmp_path, make, error, message):
    with pytest.raises(error, match=message):
        make(tmp_path / "file")
