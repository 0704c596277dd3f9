"""Runs fits of one peer library in its own environment: a JSON request a line in, a JSON answer a line out.

``python -m tests.benchmarks.workers.serve MODULE FOLDER`` is started by `peer_process`, by the Python of the peer, and
imports nothing but the standard library, numpy, scipy and that peer. MODULE has the fits and loads their data from
FOLDER; see `linear_fits` and `crf_fits`. Each method runs once on little data, untimed, before its first fit, so that
no fit has the compilation of numba or the start of a library in its time.
"""

import importlib
import json
import os
import sys
import traceback
import warnings
from types import SimpleNamespace

from .usage import used


def timed_fit(fit, *arguments):
    """The result of a fit as in `registry`, and what the call that it yields used."""
    steps = fit(*arguments)
    result, usage = used(next(steps))
    try:
        steps.send(result)
    except StopIteration as end:
        return end.value, usage
    raise RuntimeError("a fit yields once")


def main():
    module, folder = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what libraries print must not get between the answers
    warnings.simplefilter("ignore")  # fits are meant to end before they converge
    fits = importlib.import_module(f"{__package__}.{module}")
    warm = set()
    for line in sys.stdin:
        ask = SimpleNamespace(**json.loads(line), folder=folder)
        try:
            run = fits.prepared(ask)
            key = (ask.method, ask.loss, ask.dtype, ask.fit_intercept)
            if key not in warm:
                timed_fit(*fits.prepared(ask, small=True))
                warm.add(key)
            result, usage = timed_fit(*run)
            answer = {**usage, **fits.answered(result, ask)}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
