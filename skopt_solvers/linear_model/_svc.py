"""Linear support vector machines with a pluggable solver."""

from sklearn.utils.metaestimators import available_if

from .._base.sklearn_compat import StrOptions, _fit_context
from .._estimator.base import is_stochastic
from ._classifier import LINEAR_CONSTRAINTS, LinearClassifier
from ._docs import _FIT, _PARTIAL_FIT, _documented


class LinearSVC(LinearClassifier):
    r"""Linear support vector machines.

    .. math:: \min_W\; C \sum_i s_i\, \ell(x_i W, y_i) + \frac{1 - \rho}{2} \|W\|_2^2 + \rho \|W\|_1

    with, for ``multi_class="ovr"``, :math:`\ell = \sum_k h(1 - y_{ik}\, x_i w_k)`, :math:`y_{ik} = \pm 1` (one
    problem a class, one for two classes), and for "crammer_singer", with three classes or more,
    :math:`\ell = h(\max_k\, [k \ne y_i] + x_i w_k - x_i w_{y_i})`. The intercept is not penalised.

    Parameters
    ----------
    C : float, default=1.0
        Weight of the loss, > 0; ``np.inf`` for no penalty.
    loss : {"squared_hinge", "hinge", "smoothed_hinge"}, default="squared_hinge"
        :math:`h(a) = \max(a, 0)^2`; :math:`\max(a, 0)`; or :math:`a^2 / 2` up to 1 and :math:`a - 1/2` above
        (Shalev-Shwartz & Zhang 2013, eq. 10). With "crammer_singer" the last smooths the maximum over the classes as
        a whole (Shalev-Shwartz & Zhang 2016, section 5). lbfgs needs a loss with a gradient everywhere and refuses
        "hinge", and "squared_hinge" with "crammer_singer". sdca takes all three, and refuses "crammer_singer".
    multi_class : {"ovr", "crammer_singer"}, default="ovr"
    l1_ratio, solver, fit_intercept, class_weight, max_iter, tol, early_stopping :
        As in :class:`LogisticRegression`.
    validation_fraction, n_iter_no_change, warm_start, random_state, n_jobs, verbose, max_time, callback, interrupt :
        As in :class:`LogisticRegression`.

    Attributes
    ----------
    coef_, intercept_, classes_, n_iter_, history_, converged_, stop_reason_, solver_ :
        As in :class:`LogisticRegression`.
    n_features_in_, feature_names_in_ :
        As in :class:`LogisticRegression`.

    References
    ----------
    Crammer & Singer (2001), eq. 3; Hsieh et al. (2008).

    Examples
    --------
    >>> from skopt_solvers import LinearSVC
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], ["a", "b", "a", "b"]
    >>> LinearSVC(solver="momentum").fit(X, y).predict([[0.0, 3.0]]).tolist()
    ['a']
    """

    _parameter_constraints = {
        **LINEAR_CONSTRAINTS,
        "loss": [StrOptions({"squared_hinge", "hinge", "smoothed_hinge"})],
        "multi_class": [StrOptions({"ovr", "crammer_singer"})],
    }

    def __init__(
        self, C=1.0, *, loss="squared_hinge", multi_class="ovr", l1_ratio=0.0, solver="lbfgs", fit_intercept=True,
        class_weight=None, max_iter=100, tol=1e-4, early_stopping=False, validation_fraction=0.1, n_iter_no_change=5,
        warm_start=False, random_state=None, n_jobs=None, verbose=0, max_time=None, callback=None,
        interrupt="raise",
    ):  # fmt: skip
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

    def _loss(self, n_classes):
        joint = self.multi_class == "crammer_singer" and n_classes > 2
        return dict(
            loss="crammer_singer" if joint else "hinge",
            gamma=1.0 if self.loss == "smoothed_hinge" else 0.0,
            squared=self.loss == "squared_hinge",
        )

    @_fit_context(prefer_skip_nested_validation=False)
    @_documented(_FIT)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None):
        return self._fit(X, y, sample_weight, X_val, y_val)

    @available_if(is_stochastic)
    @_fit_context(prefer_skip_nested_validation=False)
    @_documented(_PARTIAL_FIT)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        return self._partial_fit(X, y, classes, sample_weight)
