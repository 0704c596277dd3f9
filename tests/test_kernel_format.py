"""The C++ of the package is as clang-format writes it, with lines of 120 columns and files of 400 lines at most."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())
PACKAGE = ROOT / "skopt_solvers"
SOURCES = sorted(path for suffix in ("*.hpp", "*.cpp", "*.h") for path in PACKAGE.rglob(suffix))


def clang_format(*arguments, **options):
    command = [sys.executable, "-c", "import clang_format; clang_format.clang_format()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


def test_the_sources_are_formatted():
    done = clang_format("--dry-run", "-Werror", f"--style=file:{ROOT / '.clang-format'}", *SOURCES)
    assert done.returncode == 0, done.stderr[:3000]


def test_other_formatting_is_found():
    style = f"--style=file:{ROOT / '.clang-format'}"
    done = clang_format("--dry-run", "-Werror", style, "--assume-filename=a.hpp", input="int  f ( ) ;\n")
    assert done.returncode != 0 and "clang-format" in done.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_lines_and_files_are_short(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 400
    assert not [number for number, line in enumerate(lines, 1) if len(line) > 120]
