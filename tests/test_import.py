"""What importing the package costs: nothing beyond scikit-learn's linear models but the package itself."""

import subprocess
import sys

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
