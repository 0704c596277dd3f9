"""The machinery of the linear classifiers: from user input to an objective, a solver, and fitted attributes."""

import warnings
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ._base import (
    HasMethods,
    Interval,
    LinearClassifierMixin,
    SparseCoefMixin,
    StrOptions,
    canonical_csr,
    check_structure,
    effective_threads,
    unchanged_on_failure,
)
from ._monitor import Monitor
from ._named import NamedParameters, resolve
from .objectives import LinearObjective
from .solvers import SOLVERS, StochasticSolver


class LinearClassifier(NamedParameters, LinearClassifierMixin, SparseCoefMixin, BaseEstimator):
    """Base of the linear classifiers. A subclass names its loss in `_loss(n_classes)`."""

    _parameter_constraints = {
        "C": [Interval(Real, 0, np.inf, closed="right")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "solver": [StrOptions(set(SOLVERS)), HasMethods(["minimize", "check"])],
        "fit_intercept": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
    }

    def _names(self):
        return {"solver": SOLVERS}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _resolved_solver(self):
        return clone(resolve(self.solver, SOLVERS, "solver", lambda s: hasattr(s, "minimize")))

    # Input

    def _validated(self, X, y, reset=True, name="X"):
        """X as canonical CSR, float32 or float64, and y."""
        canonical = check_structure(X, effective_threads(self.n_jobs), name)
        options = dict(accept_sparse="csr", dtype=[np.float64, np.float32], accept_large_sparse=True, reset=reset)
        given = X
        X, y = validate_data(self, X, y, **options)
        check_classification_targets(y)
        owned = sp.issparse(X) and not (hasattr(given, "data") and np.shares_memory(X.data, given.data))
        return canonical_csr(X, owned, canonical and X is given), y

    def _weights(self, X, y, sample_weight):
        """Sample weights, float64, before class weights; and which are positive."""
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        positive = weights > 0
        if not positive.any():
            raise ValueError("sample_weight must have a positive entry, got only zeros")
        return weights, positive

    def _encoded(self, y, classes, weights, positive):
        """Class indices as int32, and the weights with the class weights in them."""
        labels = np.searchsorted(classes, y)
        labels[labels == len(classes)] = 0
        unknown = positive & (classes[labels] != y)
        if unknown.any():
            raise ValueError(f"y has the classes {np.unique(y[unknown])} that are not among {classes}")
        if self.class_weight is not None:
            if isinstance(self.class_weight, str):
                mass = np.bincount(labels, weights, minlength=len(classes))
                with np.errstate(divide="ignore"):
                    factors = np.where(mass > 0, weights.sum() / (len(classes) * mass), 0.0)
            else:
                factors = compute_class_weight(self.class_weight, classes=classes, y=classes)
            weights = weights * factors[labels]
            if (weights < 0).any() or not weights.any():
                raise ValueError(f"class_weight must be non-negative with a positive entry, got {self.class_weight!r}")
        return labels.astype(np.int32), weights

    def _n_outputs(self, n_classes):
        return 1 if n_classes == 2 else n_classes

    def _objective(self, X, labels, weights, n_classes, C=None):
        return LinearObjective(
            X,
            labels,
            weights,
            n_outputs=self._n_outputs(n_classes),
            C=self.C if C is None else C,
            l1_ratio=self.l1_ratio,
            fit_intercept=self.fit_intercept,
            n_threads=effective_threads(self.n_jobs),
            **self._loss(n_classes),
        )

    # Fitting

    def _fit(self, X, y, sample_weight, X_val, y_val):
        with unchanged_on_failure(self):
            solver = self._resolved_solver()
            resumed = self._resumable(solver)
            X, y = self._validated(X, y)
            weights, positive = self._weights(X, y, sample_weight)
            classes = np.unique(y[positive])
            if len(classes) < 2:
                raise ValueError(
                    f"{type(self).__name__} needs samples of at least 2 classes, but the data contains only one class: "
                    f"{classes[0]!r}"
                )
            labels, weights = self._encoded(y, classes, weights, positive)
            rng = check_random_state(self.random_state)
            monitor = Monitor(self, classes, weights)
            if (X_val is None) != (y_val is None):
                raise ValueError("X_val and y_val must be given together")
            if X_val is not None:
                X_val, y_val = self._validated(X_val, y_val, reset=False, name="X_val")
                monitor.watch(X_val, y_val, np.arange(X_val.shape[0]))
            elif self.early_stopping:
                splitter = StratifiedShuffleSplit(1, test_size=self.validation_fraction, random_state=rng)
                try:
                    held_out = next(splitter.split(np.zeros(len(y)), y))[1]
                except ValueError as error:
                    raise ValueError(
                        f"early_stopping cannot hold out validation_fraction={self.validation_fraction}: {error}"
                    ) from error
                monitor.watch(X, y, held_out, weights)
                weights = weights.copy()
                weights[held_out] = 0
            objective = self._objective(X, labels, weights, len(classes))
            solver.check(objective)
            W, state = self._start(objective, classes, resumed)
            options = dict(max_iter=self.max_iter, tol=self.tol, rng=rng, callback=monitor)
            if isinstance(solver, StochasticSolver):
                options.update(state=state, n_iter_no_change=self.n_iter_no_change)
            result = monitor.restored(solver.minimize(objective, W, **options))
            self._store(solver, classes, result, state=result.state if self.warm_start else None)
            self._seen = float(weights.sum())
        if not self.converged_:
            warnings.warn(
                f"{type(self).__name__} with {type(solver).__name__} did not converge: {self.stop_reason_}. "
                f"{result.advice}",
                ConvergenceWarning,
                stacklevel=4,
            )
        return self

    def _resumable(self, solver):
        """The state of an earlier fit or partial_fit with the same solver."""
        kept = getattr(self, "_resume", None)
        if kept is None or kept["solver"] != repr(solver):
            return None
        # coefficients that were changed by hand are the truth; joblib loads a shared array as two
        same = kept["coef"] is self.coef_ or (not sp.issparse(self.coef_) and np.array_equal(kept["coef"], self.coef_))
        return kept["state"] if same else None

    def _start(self, objective, classes, resumed):
        """Where the solver starts: zeros, or with `warm_start` the last weights, and its state."""
        W = np.zeros(objective.shape, objective.dtype)
        if not self.warm_start or not hasattr(self, "coef_"):
            return W, None
        n_outputs, n_features = self.coef_.shape
        if (n_features, n_outputs) != (objective.n_penalised, objective.shape[1]) or not np.array_equal(
            classes, self.classes_
        ):
            raise ValueError(
                f"warm_start=True needs the classes and features of the last fit: got classes {classes} and "
                f"{objective.n_penalised} features, had {self.classes_} and {n_features}"
            )
        if resumed is not None and resumed["W"].shape == W.shape and resumed["W"].dtype == W.dtype:
            return W, _copied(resumed)
        W[:] = self._table()
        # a feature that no sample has would keep its weight; its optimum is 0
        if objective.l1 or objective.l2:
            W[:n_features][np.bincount(objective.X.indices, minlength=n_features) == 0] = 0
        return W, None

    def _table(self):
        """The fitted coefficients as the table W: features, then the intercept where there is one."""
        coef = self.coef_.toarray() if sp.issparse(self.coef_) else self.coef_
        return np.vstack([coef.T, *([self.intercept_] if self.fit_intercept else [])])

    def _store(self, solver, classes, result, state, n_iter=None):
        W = result.W
        if not np.isfinite(W).all():
            raise FloatingPointError(f"{type(solver).__name__} diverged: weights are not finite; lower learning_rate")
        n_features = self.n_features_in_
        self.classes_, self.solver_ = classes, solver
        self.coef_ = W[:n_features].T
        self.intercept_ = W[n_features].copy() if self.fit_intercept else np.zeros(W.shape[1], W.dtype)
        self.n_iter_ = result.n_iter if n_iter is None else n_iter
        self.history_ = result.history
        self.converged_, self.stop_reason_ = result.converged, result.stop_reason
        self.__dict__.pop("_resume", None)
        if state is not None:
            self._resume = dict(solver=repr(solver), state=state, coef=self.coef_)

    def _partial_fit(self, X, y, classes, sample_weight):
        solver = self._resolved_solver()
        first = not hasattr(self, "classes_")
        if first and classes is None:
            raise ValueError("classes must be given at the first call of partial_fit, got None")
        if classes is not None:
            classes = np.unique(classes)
            if not first and not np.array_equal(classes, self.classes_):
                raise ValueError(f"classes must be those of the first call, {self.classes_}, got {classes}")
            if len(classes) < 2:
                raise ValueError(f"classes must be at least 2 classes, got {classes}")
        if self.early_stopping:
            raise ValueError("early_stopping=True is not for partial_fit, which does one epoch a call")
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' is not for partial_fit, which sees a part of the data: give a dict"
            )
        undo = None
        try:
            with unchanged_on_failure(self):
                state = None if first else self._resumable(solver)
                classes = self.classes_ if classes is None else classes
                X, y = self._validated(X, y, reset=first)
                weights, positive = self._weights(X, y, sample_weight)
                labels, weights = self._encoded(y, classes, weights, positive)
                # the penalty is that of all samples seen so far
                seen = (0.0 if first else self._seen) + float(weights.sum())
                C = self.C * seen / float(weights.sum())
                objective = self._objective(X, labels, weights, len(classes), C)
                solver.check(objective)
                W = np.zeros(objective.shape, objective.dtype)
                if state is not None and state["W"].dtype != W.dtype:
                    state = None
                if state is None and not first:
                    W[:] = self._table()
                if state is not None and not state["W"].flags.writeable:
                    state = _copied(state)  # loaded as a read-only memory map
                if state is not None:
                    undo = _Undo(state, np.append(np.unique(X.indices), range(self.n_features_in_, len(W))))
                    state = dict(state, tables=dict(state["tables"]), objectives=list(state["objectives"]))
                result = solver.minimize(
                    objective,
                    W,
                    max_iter=self.max_iter,
                    tol=0.0,
                    rng=check_random_state(self.random_state),
                    state=state,
                    streaming=True,
                )
                self._seen = seen
                n_iter = result.state["epoch"]
                history = [] if first else list(getattr(self, "history_", []))
                result.history = [*history, *result.history]
                result.converged, result.stop_reason = False, "partial_fit does one epoch a call"
                self._store(solver, classes, result, state=result.state, n_iter=n_iter)
        except BaseException:
            if undo is not None:
                undo()
            raise
        return self

    # Afterwards

    def suboptimality_bound(self, X, y, sample_weight=None):
        r"""A proven upper bound of :math:`P(W) - \min P`, whatever solver made W.

        P is the objective of this class at the given data and the estimator's `C`, `l1_ratio` and `class_weight`.
        The bound is the duality gap at the best multiple of the dual point that the margins give, in float64, after
        the intercept has been optimised; without L1 it is never above half the squared norm of the gradient over the
        constant of strong convexity. It is 0 at the optimum and infinite for ``C=np.inf``.

        Parameters
        ----------
        X, y, sample_weight :
            As given to `fit`; with `early_stopping`, only the samples that were trained on.

        Returns
        -------
        float

        Notes
        -----
        Costs about two passes over X, and a float64 copy of its values where X is float32.
        """
        check_is_fitted(self)
        X, y = self._validated(X, y, reset=False)
        weights, positive = self._weights(X, y, sample_weight)
        labels, weights = self._encoded(y, self.classes_, weights, positive)
        if X.dtype != np.float64:
            X = sp.csr_matrix((X.data.astype(np.float64), X.indices, X.indptr), shape=X.shape)
        objective = self._objective(X, labels, weights, len(self.classes_))
        return objective.suboptimality_bound(np.ascontiguousarray(self._table(), dtype=np.float64))


def _copied(state):
    return {
        key: _copied(value)
        if isinstance(value, dict)
        else value.copy()
        if isinstance(value, (np.ndarray, list))
        else value
        for key, value in state.items()
    }


class _Undo:
    """Puts back the rows that a call may change: what partial_fit keeps instead of a copy of the table."""

    def __init__(self, state, rows):
        n_rows = len(state["W"])
        arrays = [state["W"], *state["tables"].values(), *state.get("average", {}).values()]
        self.kept = [(a, rows, a[rows]) if len(a) == n_rows else (a, slice(None), a.copy()) for a in arrays]

    def __call__(self):
        for array, rows, values in self.kept:
            array[rows] = values
