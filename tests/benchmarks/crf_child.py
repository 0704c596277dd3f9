"""One measurement in a process of its own, for `crf_costs`: the request is JSON, so is the answer on the last line.

A process of its own has a peak of memory of its own, and kernels chosen by SKOPT_SOLVERS_KERNELS.
"""

import gc
import json
import os
import sys
import tempfile
import warnings
from types import SimpleNamespace

import numpy as np
import pycrfsuite

from skopt_solvers import _kernels

from .crf_contenders import Problem, Tagging, append_all, converted
from .crf_costs import evaluations
from .datasets import load_tagging
from .measure import interleaved, pinned
from .workers.usage import forget_peak, memory_use


def memory(problem, request):
    """MiB before a fit from dicts, and at its peak."""
    tagging = problem.tagging
    gc.collect()
    forget_peak()  # reading the files may have taken more than the dicts do
    before, _ = memory_use()
    if request.contender == "CRFsuite":
        parameters = {"c1": problem.c1, "c2": problem.c2, "max_iterations": request.iterations}
        trainer = pycrfsuite.Trainer(algorithm="lbfgs", params=parameters, verbose=False)
        append_all(trainer, tagging.X, tagging.y)
        with tempfile.TemporaryDirectory() as folder:
            trainer.train(os.path.join(folder, "model"))
    else:
        estimator = problem.estimator(n_threads=max(request.threads), max_iter=request.iterations)
        estimator.fit(converted(tagging.X, np.dtype(request.contender.removeprefix("ours ")))[1], tagging.y)
    return {"before": before, "peak": memory_use()[1]}


def evaluation(problem, request):
    """Rounds of an evaluation of our objective, and the kernels that this process has."""
    rounds = interleaved(evaluations(problem, request.threads), request.repeats)
    return {"kernels": _kernels.variant, "rounds": [[*key, values] for key, values in rounds.items()]}


def main():
    request = SimpleNamespace(**json.loads(sys.argv[1]))
    warnings.simplefilter("ignore")  # fits of a few iterations
    data = load_tagging(request.dataset, request.data)
    tagging = Tagging(data.first(request.sentences) if request.sentences else data)
    del data
    if request.without_false:
        tagging.without_false()
    task = {"memory": memory, "evaluation": evaluation}[request.task]
    with pinned(max(request.threads)):
        print(json.dumps(task(Problem(tagging, request.c1, request.c2), request)))


if __name__ == "__main__":
    main()
