"""The short cases of `compare`: what each worker runs with the revision that it imports.

A case is a function of the folder of the data that returns what is timed. Whatever an older revision may lack is
imported or named inside of the function, so that only this case is absent there.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse as sp

from .measure import timed
from .synthetic import planted_signs, zipf_rows

# what `compare` writes: data sets, and the same sentences as dicts and as CSR
RCV1, NEWS, DICTS, SEQUENCES = "rcv1.npz", "20news.npz", "sentences.json", "sentences.npz"
SENTENCES = 2_000
ITERATIONS = 10
ENDLESS = dict(tol=0.0, n_iter_no_change=10**6, random_state=0)  # nothing but `max_iter` ends the fit
_IMPORT = """
import time
cpu, wall = time.process_time(), time.perf_counter()
import skopt_solvers
print(time.process_time() - cpu, time.perf_counter() - wall)
"""


@dataclass(frozen=True)
class Case:
    """A case.

    Attributes
    ----------
    prepare : function of the folder of the data that returns a function of a count
        Which runs so often and returns the seconds of one run by each clock.
    data : file that it needs, or None
    """

    prepare: Callable
    data: str | None = None


CASES = {}


def case(name, data=None, **arguments):
    """Register the decorated function, which returns what is to be timed, as a case."""

    def register(make):
        def prepare(folder):
            run = make(folder, **arguments)
            return lambda count: timed(run, count)[1]

        CASES[name] = Case(prepare, data)
        return make

    return register


def _import_seconds(count):
    """Seconds of importing the package in a fresh interpreter, whose own start is not counted."""
    output = subprocess.run([sys.executable, "-c", _IMPORT], check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(zip(("cpu", "wall"), map(float, output.split()), strict=True))


CASES["import"] = Case(lambda folder: _import_seconds)


def _csr(arrays, dtype):
    values = arrays["data"].astype(dtype)
    return sp.csr_matrix((values, arrays["indices"], arrays["indptr"]), shape=tuple(arrays["shape"]))


def _linear(folder, file, dtype="float32", **options):
    from skopt_solvers import LogisticRegression

    with np.load(folder / file) as arrays:
        X, y = _csr(arrays, dtype), arrays["y"]
    return partial(LogisticRegression(**{**ENDLESS, "n_jobs": 1, **options}).fit, X, y)


def _tiny(folder, model, n_rows):
    import skopt_solvers

    X = zipf_rows(n_rows, 1_000, 10)
    return partial(getattr(skopt_solvers, model)(n_jobs=1).fit, X, planted_signs(X))


for _model in ("LogisticRegression", "LinearSVC"):
    for _rows in (20, 100, 1000):
        case(f"{_model}, {_rows:,} rows", model=_model, n_rows=_rows)(_tiny)
for _dtype in ("float32", "float64"):
    for _threads in (1, 2):
        _name = f"lbfgs, rcv1, {_dtype}, {_threads} thread{'s' if _threads > 1 else ''}"
        case(_name, RCV1, file=RCV1, dtype=_dtype, solver="lbfgs", max_iter=ITERATIONS, n_jobs=_threads)(_linear)
case("lbfgs, 20 newsgroups, softmax", NEWS, file=NEWS, solver="lbfgs", max_iter=3)(_linear)
for _solver in ("momentum", "adagrad", "rmsprop", "adam", "adamw"):
    case(f"{_solver}, rcv1, an epoch", RCV1, file=RCV1, solver=_solver, max_iter=1)(_linear)


@case("DictFeatures", DICTS)
def _dict_features(folder):
    from skopt_solvers.feature_extraction import DictFeatures

    sentences = json.loads((folder / DICTS).read_text(encoding="utf-8"))
    return lambda: DictFeatures().fit_transform(sentences)


def _sequences(folder):
    from skopt_solvers.sequence import CSRSequences

    with np.load(folder / SEQUENCES) as arrays:
        lengths = arrays["lengths"]
        y = [labels.tolist() for labels in np.split(arrays["y"], np.cumsum(lengths)[:-1])]
        return CSRSequences(_csr(arrays, "float32"), lengths), y


def _crf(**options):
    from skopt_solvers import LinearChainCRF

    return LinearChainCRF(**{**ENDLESS, "n_jobs": 1, **options})


@case("CRF, value and gradient", SEQUENCES)
def _evaluation(folder):
    from skopt_solvers.solvers import Result, Solver

    kept = []

    class Keep(Solver):
        """Not a solver: leaves the objective and some weights."""

        def minimize(self, objective, W, **options):
            W = np.random.default_rng(0).normal(scale=0.1, size=W.shape).astype(W.dtype)
            kept.append(partial(objective.value_and_gradient, W))
            return Result(W, 1, True, "kept")

    _crf(solver=Keep()).fit(*_sequences(folder))
    return kept[0]


def _crf_fit(folder, **options):
    return partial(_crf(**options).fit, *_sequences(folder))


case("CRF, an epoch of adagrad", SEQUENCES, solver="adagrad", max_iter=1)(_crf_fit)
case(f"CRF, {ITERATIONS} iterations of lbfgs", SEQUENCES, solver="lbfgs", max_iter=ITERATIONS)(_crf_fit)


@case("CRF, predict", SEQUENCES)
def _predict(folder):
    X, y = _sequences(folder)
    return partial(_crf(solver="adagrad", max_iter=1).fit(X, y).predict, X)
