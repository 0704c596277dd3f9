"""Linear support vector machines with a pluggable solver."""

from collections.abc import Callable, Sequence
from typing import Any, Self

from numpy.typing import ArrayLike

from .._base.inherited_docs import with_texts_of
from .._base.sklearn_compat import StrOptions, _fit_context, available_if
from .._base.typing import Matrix, Seed
from .._estimator.base import is_stochastic
from .._estimator.monitor import FitInfo
from ..objectives import SVC_LOSSES
from ..objectives._losses import MULTI_CLASS
from ..solvers import Solver
from ._classifier import LINEAR_CONSTRAINTS, LinearClassifier
from ._docs import _FIT, _PARTIAL_FIT, _documented
from ._logistic import LogisticRegression
from ._to_sklearn import sklearn_svc


@with_texts_of(LogisticRegression)
class LinearSVC(LinearClassifier):
    r"""Linear support vector machines.

    They minimise

    .. math:: \min_W\; C \sum_i s_i\, \ell(x_i W, y_i) + \frac{1 - \rho}{2} \|W\|_2^2 + \rho \|W\|_1

    with, for ``multi_class="ovr"``, :math:`\ell = \sum_k h(1 - y_{ik}\, x_i w_k)`, :math:`y_{ik} = \pm 1` (one
    problem for each class, or one for two classes), and for "crammer_singer", with three classes or more,
    :math:`\ell = h(\max_k\, [k \ne y_i] + x_i w_k - x_i w_{y_i})`. The intercept is not penalised. Where y is an
    indicator matrix, each of its columns is a problem of two classes.

    Parameters
    ----------
    C :
        As in :class:`LogisticRegression`.
    loss : {"squared_hinge", "hinge", "smoothed_hinge", "modified_huber"}, default="squared_hinge"
        The loss h of a sample that falls short of the margin 1 by a. "squared_hinge" is :math:`\max(a, 0)^2`, and
        "hinge" is :math:`\max(a, 0)`. "smoothed_hinge" is :math:`a^2 / 2` up to 1 and :math:`a - 1/2` above
        (Shalev-Shwartz & Zhang 2013, eq. 10); with "crammer_singer" it smooths the maximum over the classes as a whole
        (Shalev-Shwartz & Zhang 2016, section 5). "modified_huber" is :math:`\max(a, 0)^2` up to 2 and
        :math:`4 a - 4` above (Zhang 2004), and is for "ovr" only. lbfgs needs a loss with a gradient everywhere: it
        refuses "hinge", and "squared_hinge" with "crammer_singer". sdca takes all four, and refuses "crammer_singer".
    multi_class : {"ovr", "crammer_singer"}, default="ovr"
        For three classes or more: "ovr" (one-versus-rest) fits one model for each class, this class against all
        others. "crammer_singer" fits one model of all classes.
    l1_ratio, solver, fit_intercept, class_weight, max_iter, tol, early_stopping :
        As in :class:`LogisticRegression`.
    validation_fraction, n_iter_no_change, warm_start, random_state, n_jobs, verbose, max_time, callback, interrupt :
        As in :class:`LogisticRegression`.
    scoring, max_suboptimality :
        As in :class:`LogisticRegression`.

    Attributes
    ----------
    coef_, intercept_, classes_, multilabel_, n_iter_, history_, converged_, stop_reason_, suboptimality_, solver_ :
        As in :class:`LogisticRegression`.
    n_features_in_, feature_names_in_ :
        As in :class:`LogisticRegression`.

    References
    ----------
    Crammer & Singer (2001), eq. 3; Hsieh et al. (2008); Zhang (2004), Solving large scale linear prediction problems
    using stochastic gradient descent algorithms.

    Examples
    --------
    >>> from skopt_solvers import LinearSVC
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], ["a", "b", "a", "b"]
    >>> LinearSVC(solver="momentum").fit(X, y).predict([[0.0, 3.0]]).tolist()
    ['a']
    """

    _parameter_constraints = {
        **LINEAR_CONSTRAINTS,
        "loss": [StrOptions(set(SVC_LOSSES))],
        "multi_class": [StrOptions(set(MULTI_CLASS))],
    }

    def __init__(
        self,
        C: float = 1.0,
        *,
        loss: str = "squared_hinge",
        multi_class: str = "ovr",
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
        self.loss = loss
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
        multi_class = self.multi_class if n_classes > 2 else "ovr"
        if multi_class not in SVC_LOSSES[self.loss]:
            others = ", ".join(repr(name) for name in SVC_LOSSES if multi_class in SVC_LOSSES[name])
            raise ValueError(f"loss must be one of {others} where multi_class={multi_class!r}, got {self.loss!r}")
        return SVC_LOSSES[self.loss][multi_class]

    def __skopt_sklearn__(self):
        return sklearn_svc(self)

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
