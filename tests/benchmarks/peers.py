"""Makes a virtual environment for each peer library, with pinned versions.

Run it from the root of the repository, once, before the benchmarks::

    python -m tests.benchmarks.peers                       # all of them
    python -m tests.benchmarks.peers liblinear torch       # some
    python -m tests.benchmarks.peers --folder FOLDER       # elsewhere than under the cache folder

An environment that is there and has what is asked for is left as it is; one that fails is reported, and the others are
made. The benchmarks leave out peers whose environment is not there, and say so.
"""

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .datasets import DEFAULT_CACHE

DEFAULT_FOLDER = Path(os.environ.get("SKOPT_SOLVERS_PEERS") or DEFAULT_CACHE / "peers")
NUMPY, SCIPY, SKLEARN = "numpy==2.4.6", "scipy==1.17.1", "scikit-learn==1.9.1"
NUMBA, TORCH = "numba==0.68.1", "torch==2.13.0"


@dataclass(frozen=True)
class Environment:
    """What is installed: `alone` without what it depends on."""

    requirements: tuple
    alone: tuple = ()

    def __str__(self):
        return "\n".join([*self.requirements, *self.alone, ""])


ENVIRONMENTS = {
    # without numba its conversion of CSR is a loop in Python
    "liblinear": Environment((NUMPY, SCIPY, NUMBA, "liblinear-official==2.50.0")),
    "snapml": Environment((NUMPY, SCIPY, SKLEARN, "snapml==1.17.2")),
    "cyanure": Environment((NUMPY, SCIPY, SKLEARN, "cyanure==1.2.2")),
    # its linear part needs neither torch nor transformers
    "pecos": Environment(("numpy==1.26.4", "scipy==1.13.1", SKLEARN), ("libpecos==1.2.8",)),
    "sklearnex": Environment((NUMPY, SCIPY, SKLEARN, "scikit-learn-intelex==2026.2.0")),
    "vw": Environment((NUMPY, SCIPY, "vowpalwabbit==9.11.9")),
    "skglm": Environment((NUMPY, SCIPY, SKLEARN, NUMBA, "skglm==0.5")),
    "celer": Environment((NUMPY, SCIPY, SKLEARN, "celer==0.7.4")),
    "torch": Environment((NUMPY, SCIPY, TORCH, "pytorch-crf==0.7.2")),
    "python-crfsuite": Environment((NUMPY, SCIPY, "python-crfsuite==0.9.12")),
    "sklearn-crfsuite": Environment((NUMPY, SCIPY, SKLEARN, "python-crfsuite==0.9.12", "sklearn-crfsuite==0.5.0")),
    "chaine": Environment((NUMPY, SCIPY, "chaine==4.0.1")),
}
DONE = "installed.txt"


def python_of(name, folder):
    """The Python of a peer's environment, or None where that is not there or not of these versions."""
    home = Path(folder) / name
    done = home / DONE
    if not done.exists() or done.read_text(encoding="utf-8") != str(ENVIRONMENTS[name]):
        return None
    return home / ("Scripts" if os.name == "nt" else "bin") / "python"


def versions(folder):
    """What the environments that are there have, by name."""
    return {name: str(what).split() for name, what in ENVIRONMENTS.items() if python_of(name, folder) is not None}


def make(name, folder):
    """Make the environment anew."""
    home = Path(folder) / name
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    environment = ENVIRONMENTS[name]
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *environment.requirements], check=True)
    if environment.alone:
        subprocess.run([*install, "--no-deps", *environment.alone], check=True)
    (home / DONE).write_text(str(environment), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(ENVIRONMENTS)}; all where none is named")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    options = parser.parse_args()
    if unknown := set(options.names) - set(ENVIRONMENTS):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    failed = []
    for name in options.names or ENVIRONMENTS:
        if python_of(name, options.folder) is not None:
            print(f"{name}: there", flush=True)
            continue
        try:
            make(name, options.folder)
            print(f"{name}: made", flush=True)
        except (subprocess.CalledProcessError, OSError) as error:
            print(f"{name}: failed: {error}", flush=True)
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
