"""Logistic regression with a pluggable solver."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit, log_softmax, softmax

from .._base.dask_input import over_blocks
from .._base.sklearn_compat import StrOptions, _fit_context, available_if
from .._base.typing import Matrix, Seed
from .._estimator.base import is_stochastic
from .._estimator.monitor import FitInfo
from ..objectives import LOG_LOSSES
from ..solvers import Solver
from ..solvers._registry import with_solver_names
from ._classifier import LINEAR_CONSTRAINTS, LinearClassifier
from ._docs import _FIT, _PARTIAL_FIT, _documented
from ._to_sklearn import sklearn_logistic


@with_solver_names
class LogisticRegression(LinearClassifier):
    r"""Logistic regression, binary, multinomial or one-versus-rest.

    It minimises

    .. math:: \min_W\; C \sum_i s_i\, \ell(x_i W, y_i) + \frac{1 - \rho}{2} \|W\|_2^2 + \rho \|W\|_1

    with :math:`\rho` the `l1_ratio`, :math:`\ell = \log(1 + e^{-y\, xw})`, :math:`y = \pm 1`, for two classes
    and, for more, :math:`\ell = \log \sum_k e^{x w_k} - x w_y` with ``multi_class="softmax"`` and
    :math:`\ell = \sum_k \log(1 + e^{-y_k\, x w_k})`, :math:`y_k = \pm 1`, with "ovr". The intercept is not penalised.
    If y is an indicator matrix (several labels for one sample), each of its columns is a problem of two classes, and
    the objective is the sum of theirs. Every solver minimises this objective except AdamW, whose decay has a fixed
    point of its own.

    Parameters
    ----------
    C : float, default=1.0
        Weight of the loss against the penalty, > 0. A smaller C makes the weights smaller; ``np.inf`` is no penalty.
    multi_class : {"softmax", "ovr"}, default="softmax"
        For three classes or more: "softmax" fits one model of all classes. "ovr" (one-versus-rest) fits one model for
        each class, this class against all others; all of them in the same passes over X.
    l1_ratio : float, default=0.0
        The part of L1 in the penalty, in [0, 1]: 0 is L2, 1 is L1, and a value between them is elastic net. L1 makes
        many weights exactly zero; sdca takes L2 alone.
    solver : str or Solver, default="lbfgs"
        The method that finds the weights: "lbfgs", "sdca" (L2 only), {names of the stochastic solvers},
        or an object of :mod:`skopt_solvers.solvers` or of a class of your own. You can set its parameters, also those
        of a name, as ``solver__learning_rate``. On larger data lbfgs begins with epochs of sdca: see
        :class:`~skopt_solvers.solvers.LBFGS`.
    fit_intercept : bool, default=True
        Whether each score has an intercept, a constant that is added to it. It has no penalty.
    class_weight : dict, "balanced" or None, default=None
        Factors on the sample weights, by class. "balanced" gives each class the same total weight, for data with rare
        classes (class imbalance). If samples may have several labels, each label has the classes 0 and 1 of its own.
    max_iter : int, default=100
        The largest number of iterations, or of epochs of a stochastic solver or sdca.
    tol : float, default=1e-4
        The tolerance at which a fit ends. lbfgs: the largest entry of the gradient of the objective over ``C sum s_i``.
        sdca: the duality gap over the objective. Stochastic solvers: the relative decrease of the objective in an
        epoch; at the end, 100 times this is the largest relative duality gap of a converged fit. With early stopping:
        the increase of the validation score.
    early_stopping : bool, default=False
        Stop when the score of validation data has not improved in `n_iter_no_change` iterations, and return the best
        weights. Epochs of a stochastic solver count after the first 200 steps.
    validation_fraction : float, default=0.1
        The part of the samples that early stopping holds out, stratified, if `fit` gets no `X_val`.
    n_iter_no_change : int, default=5
        The patience: a fit ends after so many iterations or epochs in a row without an improvement by `tol`, of the
        objective in a stochastic solver, or of the validation score with early stopping.
    warm_start : bool, default=False
        Start from the last fit. A stochastic solver goes on as if it had not stopped: its state is kept, and time
        counts on. sdca goes on from its dual variables. Early stopping keeps no state.
    random_state : int, RandomState or None, default=None
        The seed of all that is random: the order of the samples, and those that early stopping holds out. An int gives
        the same result in each fit.
    n_jobs : int or None, default=None
        Threads in the passes over all data (the steps of a stochastic solver are in sequence), and over the outputs of
        one-versus-rest in sdca. None or -1 is all cores, fewer where joblib, dask or OMP_NUM_THREADS says so. The
        result has the same bits for the same number.
    verbose : int, default=0
        1 prints a line for each iteration.
    max_time : float or None, default=None
        Seconds since the call of `fit`, > 0, after which no further iteration or epoch begins. The weights are then the
        best so far: those of the least objective, or with early stopping of the best validation score.
    callback : callable, list of callables or None, default=None
        Functions that are called as ``callback(info)`` after each iteration, with a :class:`~skopt_solvers.FitInfo`.
        One that returns True ends the fit. :mod:`skopt_solvers.callbacks` has some for files, TensorBoard, MLflow and
        Optuna. A pickle of a fitted model has none. In scikit-learn 1.9 its own callbacks (``set_callbacks``) work too.
    interrupt : {"raise", "keep"}, default="raise"
        What Ctrl-C does in `fit`. "raise" leaves the estimator as it was. "keep" ends the fit with the best weights of
        the iterations that were finished, and a warning.
    scoring : str, callable or None, default=None
        The score of validation data, where greater is better: the name of one of scikit-learn's scorers, or a function
        ``scoring(estimator, X, y)``. It is tried once before the first iteration. None is the accuracy.
    max_suboptimality : float or None, default=None
        The relative distance from the optimum, in (0, 1), that the fit has to prove. The fit goes on, beyond the
        criterion of its solver, until `suboptimality_` is at most this value or `max_iter` iterations are done. 1e-3
        is "within 0.1 %". A value above ``100 tol`` is taken as ``100 tol``. With None a fit ends where its solver ends
        it.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features), (n_classes, n_features) or (n_labels, n_features)
        The weights.
    intercept_ : ndarray of shape (1,), (n_classes,) or (n_labels,)
        The intercepts, 0 without `fit_intercept`.
    classes_ : ndarray of shape (n_classes,) or (n_labels,)
        The classes, or the numbers of the labels if y was an indicator matrix.
    multilabel_ : bool
        Whether y was an indicator matrix of labels.
    n_iter_ : int
        The number of iterations, or of epochs of a stochastic solver or sdca.
    history_ : list of dict
        One for each iteration or epoch: `iteration`, `objective` (P above, at its end; in `partial_fit` the mean of the
        batches' losses, each before its step), `learning_rate` (lbfgs: step length; sdca: None), `seconds`, and
        where known `gradient_norm`, `duality_gap`, `phase` (of sdca: "lbfgs" where that has gone on) and
        `validation_score`.
    converged_ : bool
        Whether the fit has met its solver's criterion and `suboptimality_`, where it is known, is at most ``100 tol``.
    stop_reason_ : str
        A sentence that says why the fit ended.
    suboptimality_ : float
        Proven bound of :math:`(P - \min P) / P` at the end: the objective P is at most this part of itself above its
        minimum. NaN where there is none: without a penalty, in `partial_fit`, and for dask collections.
    solver_ : Solver
        The solver object that was used.
    n_features_in_ : int
        The number of columns of X.
    feature_names_in_ : ndarray
        The names of the columns, if X had names that are strings.

    See Also
    --------
    LinearSVC : Support vector machines on the same solvers.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from skopt_solvers import LogisticRegression
    >>> texts = ["good and cheap", "cheap but good", "bad, and dear", "dear, too"]
    >>> X = TfidfVectorizer().fit_transform(texts)
    >>> model = LogisticRegression(C=10, solver="adagrad", random_state=0).fit(X, [1, 1, 0, 0])
    >>> model.predict(X).tolist()
    [1, 1, 0, 0]
    """

    _parameter_constraints = {
        **LINEAR_CONSTRAINTS,
        "multi_class": [StrOptions(set(LOG_LOSSES))],
    }

    def __init__(
        self,
        C: float = 1.0,
        *,
        multi_class: str = "softmax",
        l1_ratio: float = 0.0,
        solver: str | Solver = "lbfgs",
        fit_intercept: bool = True,
        class_weight: dict[Any, float] | str | None = None,
        max_iter: int = 100,
        tol: float = 1e-4,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        random_state: Seed = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        max_time: float | None = None,
        callback: Callable[[FitInfo], Any] | Sequence[Callable[[FitInfo], Any]] | None = None,
        interrupt: str = "raise",
        scoring: str | Callable[..., float] | None = None,
        max_suboptimality: float | None = None,
    ) -> None:
        self.C = C
        self.multi_class = multi_class
        self.l1_ratio = l1_ratio
        self.solver = solver
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.max_time = max_time
        self.callback = callback
        self.interrupt = interrupt
        self.scoring = scoring
        self.max_suboptimality = max_suboptimality

    def _loss(self, n_classes):
        return LOG_LOSSES[self.multi_class if n_classes > 2 else "ovr"]

    def __skopt_sklearn__(self):
        return sklearn_logistic(self)

    @_fit_context(prefer_skip_nested_validation=False)
    @_documented(_FIT)
    def fit(
        self,
        X: Matrix,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Matrix | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        return self._fit(X, y, sample_weight, X_val, y_val)

    @available_if(is_stochastic)
    @_fit_context(prefer_skip_nested_validation=False)
    @_documented(_PARTIAL_FIT)
    def partial_fit(
        self,
        X: Matrix,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        n_samples: int | None = None,
    ) -> Self:
        return self._partial_fit(X, y, classes, sample_weight, n_samples)

    @over_blocks
    def predict_proba(self, X: Matrix) -> np.ndarray:
        r"""Return the probabilities of the classes or labels, in the order of `classes_`.

        With one-versus-rest they are the logistic function of each score, divided by their sum, as in scikit-learn's
        ``OneVsRestClassifier``: :math:`p_k = \sigma(z_k) / \sum_j \sigma(z_j)`. The probabilities of several labels are
        independent: :math:`p_k = \sigma(z_k)`.

        Parameters
        ----------
        X : array, sparse matrix or dask array of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            A dask array for a dask array.
        """
        if self.multilabel_:
            return expit(self.decision_function(X))
        z = self._joint_scores(X)
        return np.stack([expit(-z), expit(z)], axis=1) if z.ndim == 1 else softmax(z, axis=1)

    @over_blocks
    def predict_log_proba(self, X: Matrix) -> np.ndarray:
        """Return the logarithms of `predict_proba`, computed without its underflow.

        Parameters
        ----------
        X : array, sparse matrix or dask array of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            A dask array for a dask array.
        """
        if self.multilabel_:
            return log_expit(self.decision_function(X))
        z = self._joint_scores(X)
        return np.stack([log_expit(-z), log_expit(z)], axis=1) if z.ndim == 1 else log_softmax(z, axis=1)

    def _joint_scores(self, X):
        """The scores whose softmax are the probabilities of three classes or more."""
        z = self.decision_function(X)
        # softmax of log sigma(z) is sigma(z) over its sum, and does not underflow where all of them would
        return log_expit(z) if z.ndim > 1 and self.multi_class == "ovr" else z
