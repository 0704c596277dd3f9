"""A call of partial_fit: one epoch over a chunk of a stream, which costs what the chunk does."""

from numbers import Integral

import numpy as np

from ..solvers._stochastic_fit import new_state
from .fit_run import FitRun
from .known_chunks import counted_weight, with_record
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

    def chunk(self, state, count):
        """Return the part of a state that the chunk touches, with its samples counted unless the state has them.

        Parameters
        ----------
        state : dict or None, as of `_resumable`
        count : Count
        """
        chunk, objective = ChunkState(self._whole_state(state), self.rows), self.objective
        part = chunk.part
        if count.mark is None or counted_weight(part["chunks"], count.mark) is None:
            part["counts"] += objective.counts()
            part["n_samples"] += objective.n_samples
        if count.mark is not None:
            part["chunks"] = with_record(part["chunks"], count.mark, self.problem.amount[0])
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
            return {"chunks": b"", **state}
        # the state of a fit: its rate was meant to fall to zero
        rate = self.solver.learning_rate
        rate = self.solver.automatic_stream_rate(objective) if rate == "auto" else state["learning_rate"]
        return dict(state, learning_rate=float(rate), counts=np.zeros(shape[0]), n_samples=0, chunks=b"")

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


def require_total(n_samples, problem):
    """Raise ValueError where `n_samples` is not a number of samples of which the chunk can be a part."""
    least = problem.amount[1]
    if n_samples is not None and not (isinstance(n_samples, Integral) and n_samples >= least):
        raise ValueError(
            f"n_samples, the number of all samples, must be None or an integer of at least {least}, those of this "
            f"chunk, got {n_samples!r}"
        )


def _read_only(state):
    return any(
        _read_only(value) if isinstance(value, dict) else isinstance(value, np.ndarray) and not value.flags.writeable
        for value in state.values()
    )
