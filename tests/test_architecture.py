"""Imports go down, from floor to floor as pyproject.toml declares them, and never in a circle; functions are small."""

import ast
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
    assert len(rooms) <= 16
    assert {room for room in rooms if room.startswith("_")} == {"_base", "_estimator", "_kernels"}


# Lines of code of a function, its docstring not counted, and parameters besides self. More parameters, in the style of
# scikit-learn, may have constructors and what users call: by a name in `__all__`, or as a method of such a class.
MOST_LINES, MOST_PARAMETERS = 60, 6


def functions(node, names, public=True):
    """Yield the functions inside of a node, and whether users call them: by names in `__all__`, or methods of these."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from functions(child, None, public and child.name in names)
        elif isinstance(child, ast.FunctionDef):
            known = not child.name.startswith("_") if names is None else child.name in names
            yield child, child.name == "__init__" or (public and known)
            yield from functions(child, set(), False)
        else:
            yield from functions(child, names, public)


def names_offered():
    """Return the names in the `__all__` of the package's modules."""
    nodes = [node for path in PACKAGE.rglob("*.py") for node in ast.parse(path.read_text()).body]
    lists = [node.value for node in nodes if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"]
    return {name for value in lists if isinstance(value, ast.List) for name in ast.literal_eval(value)}


def lines_of(function):
    """Return the number of lines of a function's code, without its docstring."""
    first = function.body[1 if ast.get_docstring(function) is not None and len(function.body) > 1 else 0]
    return function.end_lineno - first.lineno + 1


def parameters_of(function):
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument.arg for argument in every if argument.arg not in ("self", "cls")]


def test_functions_are_small():
    names, found, too_large = names_offered(), 0, []
    for path in PACKAGE.rglob("*.py"):
        for function, public in functions(ast.parse(path.read_text()), names):
            found += 1
            where = f"{path.relative_to(PACKAGE)}: {function.name}"
            if (n := lines_of(function)) > MOST_LINES:
                too_large.append(f"{where} has {n} lines")
            if not public and (n := len(parameters_of(function))) > MOST_PARAMETERS:
                too_large.append(f"{where} has {n} parameters")
    assert found > 500 and not too_large, too_large
