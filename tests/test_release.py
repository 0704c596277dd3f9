"""What stands in several files is the same in all for a release, and a build says what it lacks."""

import json
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import skopt_solvers

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RECIPE = (ROOT / ".conda" / "recipe.yaml").read_text()


def test_one_version_everywhere():
    versions = {
        "package": skopt_solvers.__version__,
        "citation": re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.M)[1],
        "recipe": re.search(r'^  version: "(.+)"$', RECIPE, re.M)[1],
    }
    assert versions == dict.fromkeys(versions, PROJECT["version"])


def test_the_recipe_has_the_dependencies_of_the_project():
    run = RECIPE[RECIPE.index("  run:") : RECIPE.index("tests:")]
    listed = {line.strip("- ").replace(" ", "") for line in run.splitlines()[1:] if line.strip()} - {"python"}
    assert listed == {dependency.replace("_", "-") for dependency in PROJECT["dependencies"]}


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cmake") is None, reason="hides the compiler from cmake")
def test_a_build_without_a_compiler_says_what_to_install(tmp_path):
    kernels = ROOT / "skopt_solvers" / "_kernels"
    tools = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={shutil.which('true')}"]
    command = [shutil.which("cmake"), "-S", kernels, "-B", tmp_path / "build", *tools]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "needs a C++20 compiler: g++ 12, clang 14" in " ".join(done.stderr.split())
    assert "None was found" in done.stderr


def test_pages_of_a_version_come_beside_those_of_others(tmp_path):
    add_version = runpy.run_path(str(ROOT / "docs" / "add_version.py"))["add_version"]
    pages, site = tmp_path / "pages", tmp_path / "site"
    pages.mkdir()
    for version, text in [("0.9", "old"), ("0.10", "new"), ("0.9", "mended")]:
        (pages / "index.html").write_text(text)
        add_version(pages, site, version, "https://example.org/docs")
    assert {name: (site / name / "index.html").read_text() for name in ("0.9", "0.10")} == {
        "0.9": "mended",
        "0.10": "new",
    }
    assert "url=0.10/" in (site / "index.html").read_text()
    newest, older = json.loads((site / "switcher.json").read_text())
    assert (newest["version"], newest["preferred"]) == ("0.10", True)
    assert older == {"version": "0.9", "url": "https://example.org/docs/0.9/"}
