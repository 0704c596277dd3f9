"""Revisions of the package, each installed in a virtual environment of its own."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def _git(*arguments, **variables):
    command = ["git", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(
        command, env={**os.environ, **variables}, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def tree_of(revision=None):
    """The hash of the files of a commit; by default of the working tree, with files that are new and not ignored."""
    if revision is not None:
        return _git("rev-parse", "--verify", f"{revision}^{{tree}}")
    with tempfile.TemporaryDirectory() as folder:
        index = os.path.join(folder, "index")
        _git("read-tree", "HEAD", GIT_INDEX_FILE=index)
        _git("add", "--all", GIT_INDEX_FILE=index)
        return _git("write-tree", GIT_INDEX_FILE=index)


def _write_files(tree, folder):
    index = os.path.join(folder, "index")
    _git("read-tree", tree, GIT_INDEX_FILE=index)
    _git("checkout-index", "--all", f"--prefix={folder}/", GIT_INDEX_FILE=index)


def installed(tree, cache):
    """The interpreter of a virtual environment that has the package of `tree`; it is kept in the folder `cache`.

    All else that it imports is what this interpreter has, so that two revisions differ in nothing but the package.
    """
    name = f"{tree[:12]}-{sys.implementation.cache_tag}"
    folder = Path(cache).resolve() / "revisions" / name
    python = folder / "bin" / "python"
    site_packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    others = site_packages / "others.pth"
    if not others.exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, symlinks=True)
        with tempfile.TemporaryDirectory() as source:
            _write_files(tree, source)
            pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", source]
            subprocess.run(pip, check=True)
    packages = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    others.write_text("\n".join(packages) + "\n")
    return python
