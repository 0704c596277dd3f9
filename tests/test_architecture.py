"""Imports go down, from floor to floor as pyproject.toml declares them, and never in a circle."""

from pathlib import Path

from importlinter.cli import lint_imports

PACKAGE = Path(__file__).parents[1] / "skopt_solvers"


def test_imports_keep_the_contracts_of_pyproject(monkeypatch, capsys):
    monkeypatch.chdir(PACKAGE.parent)
    monkeypatch.syspath_prepend(PACKAGE.parent)
    failed = lint_imports(config_filename="pyproject.toml", no_cache=True)
    assert not failed, capsys.readouterr().out


def test_the_top_of_the_package_is_small():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    rooms -= {"__init__"}
    assert len(rooms) <= 15
    assert {room for room in rooms if room.startswith("_")} == {"_base", "_estimator", "_kernels"}
