"""Importing the package loads nothing beyond scikit-learn's linear models but itself, and tells where it can't be."""

import shutil
import subprocess
import sys
from pathlib import Path

import skopt_solvers

SCRIPT = """
import sys
import sklearn.linear_model
before = set(sys.modules)
import skopt_solvers
print(*sorted(set(sys.modules) - before))
"""


def test_import_loads_no_other_package():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}
    assert "skopt_solvers" in loaded
    assert {name for name in loaded if name.partition(".")[0] != "skopt_solvers"} == set()


def test_a_source_folder_without_kernels_says_what_to_do(tmp_path):
    source = Path(skopt_solvers.__file__).parent
    shutil.copytree(source, tmp_path / "skopt_solvers", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    # -S leaves out the hook of an editable install, which would find its kernels from the copy too
    script = f"import sys; sys.path += {sys.path[1:]!r}; import skopt_solvers"
    done = subprocess.run([sys.executable, "-S", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert error.startswith(f"ImportError: {tmp_path / 'skopt_solvers'} is the source of skopt_solvers")
    assert "`pip install -e .`" in error and f"started in {tmp_path}" in error
    assert "circular import" not in done.stderr
