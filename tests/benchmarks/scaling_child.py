"""One point of `scaling` in a process of its own: the request is JSON, and so is each line of the answer.

A process of its own has a peak of memory of its own. The last line counts: what is known comes first, so that the
caller can lose patience.
"""

import gc
import json
import sys
import time
import warnings
from functools import partial
from types import SimpleNamespace

import numpy as np
import scipy.sparse as sp

from skopt_solvers import LinearChainCRF, LogisticRegression
from skopt_solvers.sequence import CSRSequences
from skopt_solvers.solvers import LBFGS, SOLVERS

from .measure import CLOCKS, pinned, timed
from .workers.usage import forget_peak, memory_use

ENOUGH, MOST = 0.2, 15  # short fits are repeated for so many seconds, or so many times


def clocked(kind, iterations, whole):
    """A subclass of the solver `kind` that notes the time after each iteration.

    Unless `whole`, it is stopped after the first and `iterations` more, so that no bound of the optimum is asked for.
    """

    class Clocked(kind):
        ticks = []

        def minimize(self, objective, W, *, callback=None, **options):
            self.ticks.clear()

            def tick(W, record):
                self.ticks.append({"cpu": time.process_time(), "wall": time.perf_counter()})
                asked = callback is not None and callback(W, record)
                return asked or (not whole and len(self.ticks) > iterations)

            return super().minimize(objective, W, callback=tick, **options)

    return Clocked


def estimator(request, whole):
    """An estimator whose fit only the number of iterations ends."""
    solver = clocked(SOLVERS[request.solver], request.iterations, whole)()
    options = {"start_epochs": 0} if isinstance(solver, LBFGS) else {}
    if request.batch_size:
        options["batch_size"] = request.batch_size
    kind = LinearChainCRF if request.lengths else LogisticRegression
    return kind(
        solver=solver.set_params(**options), max_iter=1 + request.iterations, tol=0.0, n_iter_no_change=10**6,
        random_state=0, n_jobs=request.threads,
    )  # fmt: skip


def loaded(request):
    """What `scaling` wrote: X and y."""
    with np.load(request.data) as arrays:
        X = sp.csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=tuple(arrays["shape"]))
        y = arrays["y"]
    if request.lengths:
        lengths = np.full(X.shape[0] // request.lengths, request.lengths)
        return CSRSequences(X, lengths), np.split(y, np.cumsum(lengths)[:-1])
    return X, y


def measured(fit, iterations):
    """Fit once: seconds of an iteration, and of all else."""
    model, total = timed(fit)
    ticks = model.solver_.ticks
    if len(ticks) != 1 + iterations:
        raise RuntimeError(f"the fit ended after {len(ticks)} iterations: {model.stop_reason_}")
    iteration = {clock: (ticks[-1][clock] - ticks[0][clock]) / iterations for clock in CLOCKS}
    rest = {clock: total[clock] - len(ticks) * iteration[clock] for clock in CLOCKS}
    return {**total, "iteration": iteration, "rest": rest}


def answers(request):
    """Rounds of fits that are stopped, and then of whole fits; and the peak of memory beyond what was there."""
    X, y = loaded(request)
    answer = {"mib": 0.0}
    for name in ("stopped", "whole"):
        fit = partial(estimator(request, name == "whole").fit, X, y)
        gc.collect()
        forget_peak()
        before, _ = memory_use()
        rounds = answer[name] = [measured(fit, request.iterations)]
        answer["mib"] = max(answer["mib"], memory_use()[1] - before)
        yield answer
        once = rounds[0]["wall"]
        most = max(request.repeats, min(MOST, round(ENOUGH / once)))
        while len(rounds) < most and (len(rounds) + 1) * once <= request.cap / 3:
            rounds.append(measured(fit, request.iterations))
        yield answer


def main():
    request = SimpleNamespace(**json.loads(sys.argv[1]))
    warnings.simplefilter("ignore")  # fits of a few iterations
    with pinned(request.threads):
        for answer in answers(request):
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
