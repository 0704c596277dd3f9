"""The rooms of the C++ kernels include one way, without circles, and headers know Python only where their name says so.

base is below linear and chain, which do not know each other; solvers are above both, and the module above all. The
features have a module of their own and need base alone.
"""

import re
from pathlib import Path

import pytest

ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())
KERNELS = ROOT / "skopt_solvers" / "_kernels"
MAY_INCLUDE = {
    "base": {"base"},
    "linear": {"base", "linear"},
    "chain": {"base", "chain"},
    "solvers": {"base", "linear", "chain", "solvers"},
    "features": {"base", "features"},
    "": {"base", "linear", "chain", "solvers"},  # module.cpp
}


def sources():
    """Return the text of every file of the kernels by its path."""
    files = [path for suffix in ("*.hpp", "*.cpp") for path in KERNELS.rglob(suffix)]
    return {path.relative_to(KERNELS).as_posix(): path.read_text() for path in files}


def room_of(path):
    return path.rpartition("/")[0]


def knows_python(path):
    return path == "module.cpp" or path.rpartition("/")[2].startswith("bind_")


def circles(includes):
    """Return the files that are reached from themselves."""

    def reached(path, seen):
        for other in includes.get(path, []):
            if other not in seen:
                seen.add(other)
                reached(other, seen)
        return seen

    return [f"{path} includes itself in a circle" for path in includes if path in reached(path, set())]


def faults(files):
    """Return what is wrong with the includes of ``{path: text}``."""
    found, includes = [], {}
    for path, text in files.items():
        includes[path] = re.findall(r'^\s*#\s*include\s*"(.*)"', text, re.MULTILINE)
        for other in includes[path]:
            if other not in files:
                found.append(f"{path} includes {other}, which is not a path from the folder of the kernels")
            elif room_of(other) not in MAY_INCLUDE[room_of(path)]:
                found.append(f"{path} includes {other}, which is not below it")
            elif knows_python(other) and not knows_python(path):
                found.append(f"{path} includes {other}, which knows Python")
        if not knows_python(path) and re.search(r"^\s*#\s*include\s*<(Python\.h|nanobind/)", text, re.MULTILINE):
            found.append(f"{path} includes Python and is not named bind_*")
    return found + circles(includes)


def test_includes_point_down():
    files = sources()
    assert {room_of(path) for path in files} == set(MAY_INCLUDE)
    assert not faults(files)


@pytest.mark.parametrize(
    ("path", "line", "message"),
    [
        ("base/csr.hpp", '#include "linear/losses.hpp"', "not below it"),
        ("linear/losses.hpp", '#include "chain/lattice.hpp"', "not below it"),
        ("features/rows.hpp", '#include "solvers/rules.hpp"', "not below it"),
        ("base/vectors.hpp", '#include "base/csr.hpp"', "circle"),
        ("chain/lattice.hpp", "#include <nanobind/ndarray.h>", "is not named bind_"),
        ("chain/lattice.hpp", "  #  include <Python.h>", "is not named bind_"),
        ("solvers/lbfgs.hpp", '#include "base/bind_arrays.hpp"', "knows Python"),
        ("linear/newton.hpp", '#include "losses.hpp"', "not a path"),
    ],
)
def test_a_wrong_include_is_found(path, line, message):
    files = sources()
    files[path] += line + "\n"
    assert any(path in fault and message in fault for fault in faults(files))
