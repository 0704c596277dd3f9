"""Write the iterations of fits into files: a row of CSV or a line of JSON each."""

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .._estimator.monitor import FitInfo
from ._base import Callback, absolute_path, place_of, values_of

_COLUMNS = (
    *("fit", "candidate", "fold", "seed", "parameters", "iteration", "elapsed"),
    *("objective", "learning_rate", "validation_score", "gradient_norm", "duality_gap"),
)


class _LineLog(Callback):
    """A file that gets a line an iteration.

    The file is begun where the object is made. Each line is one write at the end of the file, which is not kept open,
    so that threads and processes of a search, each with a copy of the object, write into one file.
    """

    path: Path

    def _begin(self, path: Any, append: bool, first: str = "") -> None:
        self.path = absolute_path(path, "path")
        if not isinstance(append, bool):
            raise TypeError(f"append must be True or False, got {append!r}")
        if append and self.path.exists() and self.path.stat().st_size:
            with open(self.path, encoding="utf-8", newline="") as file:
                there = file.readline()
            if first and there != first:
                raise ValueError(f"append=True needs a file with the columns {first.strip()!r}, got {there.strip()!r}")
            return
        self.path.write_text(first, encoding="utf-8", newline="")

    def _add(self, line: str) -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"


class CSVLog(_LineLog):
    """Write a row of CSV after each iteration.

    Parameters
    ----------
    path : str or path
        The file. It is begun, with the names of the columns, where the object is made.
    columns : sequence of str, optional
        The columns, of which "fit", "candidate", "fold", "seed", "parameters" (as JSON), "iteration" and "elapsed" (the
        seconds since the fit began) are of `FitInfo`, and all others entries of the record, a callback's own too. What
        an iteration does not have is empty. By default these, "objective", "learning_rate", "validation_score",
        "gradient_norm" and "duality_gap".
    append : bool, default=False
        Write behind what is in the file, which must have the same columns, instead of beginning it anew.

    Raises
    ------
    OSError
        Where the file cannot be written.
    TypeError, ValueError
        For another kind of argument, and for `append` to a file with other columns.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.callbacks import CSVLog
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], [0, 1, 0, 1]
    >>> path = Path(tempfile.mkdtemp(), "fits.csv")
    >>> log = CSVLog(path, columns=["seed", "iteration", "learning_rate"])
    >>> model = LogisticRegression(solver="adagrad", max_iter=20, tol=0.1, callback=log, random_state=3).fit(X, y)
    >>> path.read_text().splitlines()[:2]
    ['seed,iteration,learning_rate', '3,1,...']
    """

    def __init__(self, path: Any, columns: Sequence[str] | None = None, append: bool = False) -> None:
        self.columns = _COLUMNS if columns is None else columns
        if isinstance(self.columns, str) or not all(isinstance(name, str) for name in self.columns):
            raise TypeError(f"columns must be a sequence of str, got {columns!r}")
        self.columns = tuple(self.columns)
        if not self.columns or len(set(self.columns)) < len(self.columns):
            raise ValueError(f"columns must be different names, at least one, got {columns!r}")
        self._begin(path, append, _row(self.columns))

    def __call__(self, info: FitInfo) -> None:
        """Write the row of an iteration.

        Parameters
        ----------
        info : FitInfo
        """
        known = {**info.record, **values_of(info), **place_of(info), "iteration": info.iteration}
        known["parameters"] = json.dumps(dict(info.parameters), default=repr) if info.parameters else None
        self._add(_row([known.get(name) for name in self.columns]))


class JSONLinesLog(_LineLog):
    """Write a line of JSON after each iteration.

    A line is an object with "fit", "candidate", "fold", "seed", "parameters", "iteration" and "elapsed" (the seconds
    since the fit began) of `FitInfo`, and with all entries of the record. Numbers that are not finite are null, arrays
    are lists, and objects such as solvers are their `repr`.

    Parameters
    ----------
    path : str or path
        The file, which is begun where the object is made.
    append : bool, default=False
        Write behind what is in the file instead of beginning it anew.

    Raises
    ------
    OSError
        Where the file cannot be written.
    TypeError
        For another kind of argument.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.callbacks import JSONLinesLog
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], [0, 1, 0, 1]
    >>> path = Path(tempfile.mkdtemp(), "fits.jsonl")
    >>> model = LogisticRegression(callback=JSONLinesLog(path)).fit(X, y)
    >>> lines = [json.loads(line) for line in path.read_text().splitlines()]
    >>> len(lines) == model.n_iter_, lines[0]["iteration"], lines[0]["objective"] == model.history_[0]["objective"]
    (True, 1, True)
    """

    def __init__(self, path: Any, append: bool = False) -> None:
        self._begin(path, append)

    def __call__(self, info: FitInfo) -> None:
        """Write the line of an iteration.

        Parameters
        ----------
        info : FitInfo
        """
        line = {**place_of(info), "parameters": dict(info.parameters), **info.record, "elapsed": info.seconds}
        self._add(json.dumps(_plain(line), allow_nan=False) + "\n")


def _row(values: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    tolist: Callable[[], Any] | None = getattr(value, "tolist", None)  # of numpy
    if tolist is not None:
        value = tolist()
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if value - value == 0 else None
    return value if value is None or isinstance(value, (str, bool, int)) else repr(value)
