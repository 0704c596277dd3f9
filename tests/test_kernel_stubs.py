"""The stubs of the compiled modules list what the modules have, with the types that their signatures tell.

mypy's stubtest compares the names. It cannot read the signatures of nanobind, which are compared here: a function over
type variables stands for an overload of each dtype and index type.
"""

import ast
import importlib
import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "skopt_solvers._kernels"
MODULES = ["_core", "_core_v3", "_features", "_text"]
VALUES = {"_T": ["np.float32", "np.float64"], "_I": ["np.int32", "np.int64"]}
SUFFIXES = {"np.float32": "F32", "np.float64": "F64"}
STUBS = Path(importlib.import_module(PACKAGE).__file__).parent
# What stubtest says of everything of nanobind's: its functions, its classes, and those that have no constructor.
OF_NANOBIND = [
    "is not a function",
    "metaclass differs",
    "is a disjoint base at runtime",
    '__init__ is inconsistent, stub does not have *args parameter "args"',
]


def compiled(name):
    if name == "_core_v3" and not compiled("_core").cpu_is_v3():
        pytest.skip("needs x86-64-v3")
    return importlib.import_module(f"{PACKAGE}.{name}")


def plain(annotation):
    """Return an annotation, of a stub or of nanobind, in the words that both have."""
    text = re.sub(r"(numpy\.)?ndarray\[dtype=(\w+)[^]]*\]", r"NDArray[\2]", annotation)
    text = re.sub(r"_(Objective|Rule|Indicator)\[(np\.\w+)\]", lambda found: found[1] + SUFFIXES[found[2]], text)
    text = (
        text.replace("list[Any]", "list")
        .replace("Callable[..., Any]", "Callable")
        .replace("collections.abc.", "")
        .replace("np.", "")
    )
    return re.sub(rf"{PACKAGE}\._\w+\.", "", text).replace("bool_", "bool")


def signature(function, substitute):
    """Return the names, kinds, types and defaults of a definition's parameters, and the type that it returns."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    names = [None if a in arguments.posonlyargs else a.arg for a in positional if a.arg != "self"]
    types = [plain(substitute(ast.unparse(a.annotation))) for a in positional if a.annotation]
    returned = plain(substitute(ast.unparse(function.returns))) if function.returns else None
    return tuple(names), tuple(types), tuple(map(ast.unparse, arguments.defaults)), returned


def of_nanobind(function):
    """Return the signatures that a compiled function tells, one for each overload."""
    found = []
    for text, _, defaults in function.__nb_signature__:
        text = re.sub(r"\\(\d+)", lambda place, defaults=defaults: repr(defaults[int(place[1])]), text)
        # the grammar of Python does not know the keywords of arrays
        (definition,) = ast.parse(plain(text) + ": ...").body
        found.append(signature(definition, str))
    return found


class Stub:
    """The definitions of a stub: functions by name, methods by class and name."""

    def __init__(self, name):
        body = ast.parse((STUBS / f"{name}.pyi").read_text()).body
        assigned = {n.targets[0].id: ast.unparse(n.value) for n in body if isinstance(n, ast.Assign)}
        self.aliases = {alias: value for alias, value in reversed(assigned.items()) if alias not in VALUES}
        self.functions = {n.name: n for n in body if isinstance(n, ast.FunctionDef)}
        self.classes = {n.name: n for n in body if isinstance(n, ast.ClassDef)}

    def substitute(self, values):
        def substituted(text):
            for name, value in itertools.chain(self.aliases.items(), values.items()):
                text = re.sub(rf"\b{name}\b", value, text)
            return text

        return substituted

    def function(self, name):
        """Return the signatures of a function, one for each choice of the types that it is over."""
        definition = self.functions[name]
        free = [v for v in VALUES if re.search(rf"\b{v}\b", ast.unparse(definition))]
        choices = itertools.product(*(VALUES[v] for v in free))
        return [signature(definition, self.substitute(dict(zip(free, choice, strict=True)))) for choice in choices]

    def methods(self, name, values):
        """Return the signatures of the methods of a class, with those that it inherits."""
        node, found = self.classes[name], {}
        for base in node.bases:
            root, _, chosen = ast.unparse(base).partition("[")
            if root in self.classes:
                # the parameters of the base are in the order of the type variables
                given = [value.strip() for value in chosen.rstrip("]").split(",") if value.strip()]
                given = [values.get(value, value) for value in given]
                found.update(self.methods(root, dict(zip(VALUES, given, strict=False)) or values))
        for member in node.body:
            if isinstance(member, ast.FunctionDef):
                found[member.name] = signature(member, self.substitute(values))
        return found


def agree(stub, told):
    """Tell whether signatures are equal, a list or tuple that is returned without its items' types being any."""
    *of_stub, returned = stub
    *of_told, bare = told
    pattern = re.sub(r"\b(list|tuple)\b(?!\\\[)", r"\1(\\[.*\\])?", re.escape(bare))
    return of_stub == of_told and re.fullmatch(pattern, returned)


def members(value):
    """Return the compiled methods of a class by name."""
    return {n: m for n, m in vars(value).items() if hasattr(m, "__nb_signature__")}


@pytest.mark.parametrize("name", MODULES)
def test_signatures_are_those_of_the_module(name):
    module, stub = compiled(name), Stub("_core" if name == "_core_v3" else name)
    for key, value in vars(module).items():
        if isinstance(value, type):
            of_stub = stub.methods(key, {})
            for method, function in members(value).items():
                (told,) = of_nanobind(function)
                assert agree(of_stub[method], told), (key, method, of_stub[method], told)
        elif hasattr(value, "__nb_signature__"):
            pairs = zip(sorted(stub.function(key)), sorted(of_nanobind(value)), strict=True)
            assert all(agree(ours, told) for ours, told in pairs), (key, stub.function(key), of_nanobind(value))


def test_names_are_those_of_the_module(tmp_path):
    folder = tmp_path / "kernels"  # a package of their own, as that of the project would have mypy read all of it
    folder.mkdir()
    (folder / "__init__.py").touch()
    names = [name for name in MODULES if name != "_core_v3" or compiled("_core").cpu_is_v3()]
    for name in names:
        shutil.copy(compiled(name).__file__, folder)
        shutil.copy(STUBS / f"{name}.pyi", folder)
    command = [sys.executable, "-m", "mypy.stubtest", "--concise", *(f"kernels.{name}" for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": "."})
    lines = done.stdout.splitlines()
    assert not done.stderr and any(OF_NANOBIND[0] in line for line in lines), done.stderr  # it has run
    assert not [line for line in lines if not any(told in line for told in OF_NANOBIND)]
