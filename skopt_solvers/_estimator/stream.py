"""A call of partial_fit: one epoch over a chunk of a stream, which costs what the chunk does."""

import numpy as np

from ..solvers._stochastic_fit import new_state
from .fit_run import FitRun
from .memory import require_memory
from .partial_fit import ChunkState, copied


class StreamRun(FitRun):
    """The objects that belong to one call of `partial_fit`; the problem has the columns of its chunk alone."""

    def require_memory(self):
        """Raise MemoryError where the first call needs more than is free."""
        estimator, objective = self.estimator, self.objective
        whole = objective.resized(n_features=estimator.n_features_in_)
        # the rows of the chunk twice, when the table of the start is gone
        extra = max(0, 2 * self.solver.peak_bytes(objective, streaming=True) - whole.table_bytes)
        require_memory(type(estimator).__name__, self.solver, whole, extra=extra, streaming=True)

    def chunk(self, state):
        """Return the part of a state that the chunk touches, with its samples counted; `state` as of `_resumable`."""
        chunk, objective = ChunkState(self._whole_state(state), self.rows), self.objective
        part = chunk.part
        part["counts"] += objective.counts()
        part["n_samples"] += objective.n_samples
        objective.count_as(part["counts"], part["n_samples"])
        return chunk

    def _whole_state(self, state):
        """The state to go on from, of the table of all features."""
        estimator, objective = self.estimator, self.objective
        shape = (self.n_rows, objective.shape[1])
        if state is None or state["W"].dtype != objective.dtype or state["W"].shape != shape:
            W = np.zeros(shape, objective.dtype)
            if hasattr(estimator, "classes_"):
                W[:] = self.problem.model.table(estimator, objective)
            state = new_state(self.solver, objective, W, self.rng, streaming=True)
        elif _read_only(state):
            state = copied(state)  # loaded as a memory map
        if "counts" in state:
            return state
        # the state of a fit: its rate was meant to fall to zero
        rate = self.solver.learning_rate
        rate = self.solver.automatic_stream_rate(objective) if rate == "auto" else state["learning_rate"]
        return dict(state, learning_rate=float(rate), counts=np.zeros(shape[0]), n_samples=0)

    def epoch(self, chunk):
        """Return the solver's result of an epoch over the chunk, whose state is changed."""
        W = chunk.part["W"]
        self.begin(W, lambda _: chunk.weights())
        options = dict(max_iter=self.estimator.max_iter, tol=0.0, rng=self.rng, callback=self.monitor)
        with np.errstate(all="ignore"):
            result = self.solver.minimize(self.objective, W, state=chunk.part, streaming=True, **options)
        result.history = [*getattr(self.estimator, "history_", []), *result.history]
        result.converged, result.stop_reason = False, "partial_fit does one epoch a call"
        return result


def _read_only(state):
    return any(
        _read_only(value) if isinstance(value, dict) else isinstance(value, np.ndarray) and not value.flags.writeable
        for value in state.values()
    )
