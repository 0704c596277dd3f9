"""A pickle holds the weights of a model once, and the solver's state where a later call would use it."""

import copy
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from .._base.pickling import Persistent, damaged, shallow_copy
from ..solvers import StochasticSolver


class StoredModel(Persistent):
    """Of an estimator with a solver: the state for resuming, kept, stored and checked.

    In memory `_resume` has the state of `solver_`, the `coef_` that belongs to it, whether it is of a stream, and
    `rows`, the number of leading rows of the table that are in `coef_` alone: 0 but in what was stored. A subclass
    gives `_leading_rows()`, the rows of the table that `coef_` shows, and `_check_fitted()`, which raises ValueError
    where its arrays do not fit `classes_` and `n_features_in_`.
    """

    def drop_state(self) -> Self:
        """Forget what a `fit` with `warm_start` or a `partial_fit` goes on from: the state of the solver.

        They then start from the weights, with a new state. Predictions stay what they are. The memory is free, and a
        pickle has the weights only.

        Returns
        -------
        self
        """
        vars(self).pop("_resume", None)
        return self

    def _resumable(self, solver):
        """The state of an earlier fit or partial_fit with the same solver."""
        kept = getattr(self, "_resume", None)
        if kept is None or repr(self.solver_) != repr(solver) or not self._belongs(kept):
            return None
        state = kept["state"]
        if kept["rows"]:
            state = dict(state, W=np.concatenate([self._leading_rows(), state["W"]]))
        return state

    def _belongs(self, kept):
        """Tell whether a state is that of the coefficients: those that were changed by hand are the truth."""
        return kept["coef"] is self.coef_ or (not sp.issparse(self.coef_) and np.array_equal(kept["coef"], self.coef_))

    __copy__ = shallow_copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy as a pickle does, but with the callbacks."""
        copied = memo[id(self)] = type(self).__new__(type(self))
        copied.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        copied.callback = copy.deepcopy(self.callback, memo)
        return copied

    def __getstate__(self):
        attributes = super().__getstate__()
        if "classes_" in attributes:
            attributes["callback"] = None  # of the fit, not of the model; jobs of a search get estimators with theirs
        kept = attributes.pop("_resume", None)
        if kept is not None and (self.warm_start or kept["streamed"]) and self._belongs(kept):
            state, rows = kept["state"], kept["rows"]
            first = self._leading_rows()
            if not rows and np.array_equal(state["W"][: len(first)], first):
                rows, state = len(first), dict(state, W=state["W"][len(first) :])
            attributes["_resume"] = dict(state=state, rows=rows, streamed=kept["streamed"])
        return attributes

    def _check_stored(self):
        attributes = vars(self)
        if not {"coef_", "classes_", "solver_", "n_iter_", "history_", "_resume"} & set(attributes):
            return
        for name in ("coef_", "classes_", "n_features_in_", "solver_"):
            if name not in attributes:
                raise damaged(self, name, "there", "none")
        if not isinstance(self.classes_, np.ndarray) or self.classes_.ndim != 1:
            raise damaged(self, "classes_", "a 1-D array", repr(self.classes_))
        self._check_fitted()
        if "_resume" in attributes:
            try:
                self._resume = dict(self._resume, coef=self.coef_)
                sound = self._is_sound(**self._resume)
            except (AttributeError, IndexError, KeyError, TypeError, ValueError):
                sound = False
            if not sound:
                raise damaged(self, "the state for resuming", f"that of {self.solver_}", "other arrays")

    def _is_sound(self, state, rows, streamed, coef):
        """Tell whether the arrays of a state have the shapes and types that compiled code takes for granted."""
        first, W = self._leading_rows(), state["W"]
        n_rows, n_outputs = rows + len(W), first.shape[1]
        arrays = [(W, (len(W), n_outputs), coef.dtype)]
        if "shares" in state:
            arrays.append((state["shares"], (len(state["shares"]), n_outputs), coef.dtype))
        if "average" in state:
            average = state["average"]
            arrays.append((average["sum"], (n_rows, n_outputs), coef.dtype))
            arrays += [(average["since"], (n_rows,), np.int64), (average["steps"], (1,), np.int64)]
        if "counts" in state:
            arrays.append((state["counts"], (n_rows,), np.float64))
        if isinstance(self.solver_, StochasticSolver) and type(self.solver_).native is not StochasticSolver.native:
            for name, row in self.solver_.init(np.zeros((1, n_outputs), coef.dtype)).items():
                arrays.append((state["tables"][name], (len(row) * n_rows, *row.shape[1:]), row.dtype))
        return (
            rows in (0, len(first))
            and n_rows >= len(first)
            and all(isinstance(state.get(key, 0), int) and state.get(key, 0) >= 0 for key in ("epoch", "seed"))
            and all(isinstance(a, np.ndarray) and a.shape == shape and a.dtype == dtype for a, shape, dtype in arrays)
            # clocks are counts, and index a table of their corrections
            and all(a.dtype.kind == "f" or not a.size or a.min() >= 0 for a, _, _ in arrays)
        )
