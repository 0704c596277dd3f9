"""Contenders that are other libraries in environments of their own: see `peers`, and `workers` for the fits."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse as sp

from .contenders import CONTENDERS, Contender
from .peer_process import Crew
from .peers import ENVIRONMENTS, python_of
from .workers import linear_fits
from .workers.registry import PeerFit


def write(problem, folder):
    """Leave the training data where the workers load it."""
    X = problem.dataset.X
    if sp.issparse(X):
        arrays = {"data": X.data, "indices": X.indices, "indptr": X.indptr, "shape": X.shape, "y": problem.y}
    else:
        arrays = {"X": X, "y": problem.y}
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)


@dataclass(frozen=True)
class PeerContender(Contender):
    """A contender whose fits are made, and measured, by a worker."""

    peer_fit: PeerFit = None
    python: str = None

    def measured(self, problem, budget, seed):
        answer = problem.crew.ask(
            self.peer_fit.peer, self.python, "linear_fits", **_request(self, problem, budget, seed)
        )
        return tuple(np.load(answer.pop(name)) for name in ("coef", "intercept")), answer


def _request(contender, problem, budget, seed):
    return dict(
        method=contender.name,
        dtype=np.dtype(contender.dtype or problem.dtype).name,
        loss=problem.loss,
        C=problem.C,
        l1_ratio=problem.l1_ratio,
        fit_intercept=problem.fit_intercept,
        budget=budget,
        seed=seed,
        threads=problem.n_threads,
    )


def memory(contender, problem, budget, seed):
    """MiB of a new process before and at the peak of a fit, whoever's it is."""
    request = _request(contender, problem, budget, seed)
    if isinstance(contender, PeerContender):
        answer = problem.crew.ask_new(contender.peer_fit.peer, contender.python, "linear_fits", **request)
    else:
        answer = problem.crew.ask_new("own", None, "own_fits", **request)
    return {name: answer[name] for name in ("before", "peak")}


def crew(problem, limit):
    """The workers of one problem."""
    return Crew(partial(write, problem), problem.n_threads, limit)


def register(folder):
    """Add the peers to `CONTENDERS`; those without an environment in `folder` say so where they are skipped."""
    for fit in linear_fits.FITS.values():
        if fit.peer not in ENVIRONMENTS:
            continue
        python = python_of(fit.peer, folder)
        missing = f"its environment is not there (python -m tests.benchmarks.peers {fit.peer})"
        CONTENDERS[fit.name] = PeerContender(
            fit.name,
            fit.fit,
            fit.losses,
            fit.budgets,
            multiclass=fit.multiclass,
            penalties=fit.penalties,
            intercept=fit.intercept,
            dtype=None if fit.dtype is None else np.dtype(fit.dtype).type,
            default=fit.default,
            unfit=lambda problem, reason=None if python else missing: reason,
            peer_fit=fit,
            python=python,
        )
