"""The class of sklearn-crfsuite, by its own parameters and attributes, over a LinearChainCRF."""

import sys
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .._base.sklearn_compat import Interval, Options, StrOptions, _fit_context
from ..solvers import LBFGS
from ._estimator import LinearChainCRF

_NO_COUNTERPART = (
    "epsilon linesearch max_linesearch calibration_eta calibration_rate calibration_samples calibration_candidates "
    "calibration_max_trials pa_type c error_sensitive averaging variance gamma model_filename trainer_cls"
).split()


class CRF(BaseEstimator):
    """Linear-chain conditional random field with the parameters and attributes of ``sklearn_crfsuite.CRF``.

    Code that was written for sklearn-crfsuite runs after ``import sklearn_crfsuite`` is replaced by
    ``import skopt_solvers.crf as sklearn_crfsuite``. A fit is one of :class:`~skopt_solvers.LinearChainCRF` with
    ``C = 1 / (c1 + 2 c2)``, ``l1_ratio = c1 / (c1 + 2 c2)`` and ``fit_boundaries=False``, which has the optimum of
    CRFsuite: :math:`\\min \\sum_s -\\log p(y_s \\mid x_s) + c_2 \\|w\\|_2^2 + c_1 \\|w\\|_1`.

    Parameters
    ----------
    algorithm : {"lbfgs"} or None, default=None
        None is "lbfgs". For a stochastic solver take :class:`~skopt_solvers.LinearChainCRF`.
    min_freq : 0 or None, default=None
        Only 0: no feature is cut off.
    all_possible_states, all_possible_transitions : bool or None, default=None
        Whether pairs of a feature and a label, or of two labels, that the data do not have get a weight; None is False.
    c1, c2 : float or None, default=None
        Weights of the L1 and of the squared L2 norm; None is 0 and 1.
    max_iterations : int or None, default=None
        Most iterations; None is no limit. A fit that needs more ends with a ConvergenceWarning.
    num_memories : int or None, default=None
        Differences of weights and gradients that L-BFGS keeps; None is 6.
    delta : float or None, default=None
        Relative decrease of the objective in 10 iterations at which a fit ends; None is 1e-5. A fit also ends when the
        objective is proven to be at most ``20 delta`` of itself above its minimum.
    period : 10 or None, default=None
        The iterations over which `delta` is measured.
    epsilon, linesearch, max_linesearch, calibration_eta, calibration_rate, calibration_samples, \
calibration_candidates, calibration_max_trials, pa_type, c, error_sensitive, averaging, variance, gamma, \
model_filename, trainer_cls : None
        These have no counterpart here, and any value but None is refused.
    verbose : bool, default=False
        Whether each iteration prints a line.
    keep_tempfiles : False, default=False
        No files are written.

    Attributes
    ----------
    crf_ : LinearChainCRF
        The fitted model, with its history, its explanations and what else sklearn-crfsuite does not have.
    classes_ : list of labels, sorted
    attributes_ : list of str
        The names of the features.
    num_attributes_ : int
    state_features_ : dict
        The weight of each pair of a feature and a label whose weight is not 0.
    transition_features_ : dict
        The weight of each pair of labels (from, to) whose weight is not 0.
    size_ : int
        Bytes of the weights and of the names of the features.

    Examples
    --------
    >>> import skopt_solvers.crf as sklearn_crfsuite
    >>> crf = sklearn_crfsuite.CRF(algorithm="lbfgs", c1=0.1, c2=0.1, max_iterations=100)
    >>> X = [[{"word": "the"}, {"word": "dog"}], [{"word": "a"}, {"word": "cat"}]]
    >>> crf.fit(X, [["D", "N"], ["D", "N"]]).predict([[{"word": "a"}, {"word": "dog"}]]).tolist()
    [['D', 'N']]
    """

    crf_: LinearChainCRF

    _parameter_constraints = {
        "algorithm": [StrOptions({"lbfgs"}), None],
        "min_freq": [Options(Real, {0}), None],
        **{key: ["boolean", None] for key in ("all_possible_states", "all_possible_transitions")},
        **{key: [Interval(Real, 0, None, closed="left"), None] for key in ("c1", "c2", "delta")},
        **{key: [Interval(Integral, 1, None, closed="left"), None] for key in ("max_iterations", "num_memories")},
        "period": [Options(Integral, {10}), None],
        **{key: [None] for key in _NO_COUNTERPART},
        "verbose": ["verbose"],
        "keep_tempfiles": [Options(bool, {False})],
    }

    def __init__(
        self,
        algorithm: str | None = None,
        min_freq: float | None = None,
        all_possible_states: bool | None = None,
        all_possible_transitions: bool | None = None,
        c1: float | None = None,
        c2: float | None = None,
        max_iterations: int | None = None,
        num_memories: int | None = None,
        epsilon: None = None,
        period: int | None = None,
        delta: float | None = None,
        linesearch: None = None,
        max_linesearch: None = None,
        calibration_eta: None = None,
        calibration_rate: None = None,
        calibration_samples: None = None,
        calibration_candidates: None = None,
        calibration_max_trials: None = None,
        pa_type: None = None,
        c: None = None,
        error_sensitive: None = None,
        averaging: None = None,
        variance: None = None,
        gamma: None = None,
        verbose: bool = False,
        model_filename: None = None,
        keep_tempfiles: bool = False,
        trainer_cls: None = None,
    ) -> None:
        self.algorithm = algorithm
        self.min_freq = min_freq
        self.all_possible_states = all_possible_states
        self.all_possible_transitions = all_possible_transitions
        self.c1 = c1
        self.c2 = c2
        self.max_iterations = max_iterations
        self.num_memories = num_memories
        self.epsilon = epsilon
        self.period = period
        self.delta = delta
        self.linesearch = linesearch
        self.max_linesearch = max_linesearch
        self.calibration_eta = calibration_eta
        self.calibration_rate = calibration_rate
        self.calibration_samples = calibration_samples
        self.calibration_candidates = calibration_candidates
        self.calibration_max_trials = calibration_max_trials
        self.pa_type = pa_type
        self.c = c
        self.error_sensitive = error_sensitive
        self.averaging = averaging
        self.variance = variance
        self.gamma = gamma
        self.verbose = verbose
        self.model_filename = model_filename
        self.keep_tempfiles = keep_tempfiles
        self.trainer_cls = trainer_cls

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Sequence[Any],
        y: Sequence[Any],
        X_dev: Sequence[Any] | None = None,
        y_dev: Sequence[Any] | None = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : list of lists of dicts, or of lists of strings
            The sequences: for each token a dict of features, or the names of those that are on.
        y : list of lists of labels
            The label of each token.
        X_dev : list of lists of dicts, or of lists of strings, optional
            Validation sequences. The accuracy on them is in ``crf_.history_``, for each iteration.
        y_dev : list of lists of labels, optional
            The labels of the validation sequences.

        Returns
        -------
        self
        """
        c1 = 0.0 if self.c1 is None else float(self.c1)
        total = c1 + 2 * (1.0 if self.c2 is None else float(self.c2))
        model = LinearChainCRF(
            C=1 / total if total else np.inf,
            l1_ratio=c1 / total if total else 0.0,
            solver=LBFGS(memory=self.num_memories or 6),
            state_features="all" if self.all_possible_states else "observed",
            transitions="all" if self.all_possible_transitions else "observed",
            fit_boundaries=False,
            max_iter=self.max_iterations or sys.maxsize,
            tol=1e-5 if self.delta is None else self.delta,
            random_state=0,
            verbose=int(self.verbose),
            input="sequences",
        )
        self.crf_ = model.fit(X, y, X_val=X_dev, y_val=y_dev)
        return self

    # Prediction

    def predict(self, X: Sequence[Any]) -> np.ndarray:
        """Return the most probable labels of each sequence.

        Parameters
        ----------
        X : list of lists of dicts
            The sequences, with a dict of features for each token.

        Returns
        -------
        ndarray of shape (n_sequences,)
            Of lists of labels.
        """
        check_is_fitted(self)
        return self.crf_.predict(X)

    def predict_single(self, xseq: Sequence[Any]) -> list[Any]:
        """Return the most probable labels of one sequence.

        Parameters
        ----------
        xseq : list of dicts
            The tokens of one sequence.

        Returns
        -------
        list of labels
        """
        return self.predict([xseq])[0]

    def predict_marginals(self, X: Sequence[Any]) -> np.ndarray:
        """Return the probability of each label at each token.

        Parameters
        ----------
        X : list of lists of dicts
            The sequences, with a dict of features for each token.

        Returns
        -------
        ndarray of shape (n_sequences,)
            Of lists with a dict for each token, from labels to probabilities.
        """
        check_is_fitted(self)
        classes = self.classes_
        marginals = self.crf_.predict_proba(X)
        return _objects([[dict(zip(classes, row, strict=True)) for row in table.tolist()] for table in marginals])

    def predict_marginals_single(self, xseq: Sequence[Any]) -> list[dict[Any, float]]:
        """Return the probability of each label at each token of one sequence.

        Parameters
        ----------
        xseq : list of dicts
            The tokens of one sequence.

        Returns
        -------
        list of dict
        """
        return self.predict_marginals([xseq])[0]

    def score(self, X: Sequence[Any], y: Sequence[Any]) -> float:
        """Return the share of tokens whose label is right.

        Parameters
        ----------
        X : list of lists of dicts
            The sequences, with a dict of features for each token.
        y : list of lists of labels
            The right labels.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        return self.crf_.score(X, y)

    # What the model has learned

    @property
    def classes_(self) -> list[Any]:
        """The labels, sorted."""
        return self.crf_.classes_.tolist()

    @property
    def attributes_(self) -> list[str]:
        """The names of the features."""
        return self.crf_.vectorizer_.get_feature_names_out().tolist()

    @property
    def num_attributes_(self) -> int:
        """The number of features."""
        return self.crf_.n_features_in_

    @property
    def state_features_(self) -> dict[tuple[str, Any], float]:
        """The weight of each pair of a feature and a label whose weight is not 0."""
        names, classes, coef = self.attributes_, self.classes_, sp.coo_matrix(self.crf_.coef_)
        entries = zip(coef.row.tolist(), coef.col.tolist(), coef.data.tolist(), strict=True)
        return {(names[feature], classes[label]): weight for label, feature, weight in entries if weight}

    @property
    def transition_features_(self) -> dict[tuple[Any, Any], float]:
        """The weight of each pair of labels (from, to) whose weight is not 0."""
        classes, coef = self.classes_, self.crf_.transition_coef_
        return {(classes[i], classes[j]): float(coef[i, j]) for i, j in np.argwhere(coef).tolist()}

    @property
    def size_(self) -> int:
        """The bytes of the weights and of the names of the features."""
        coef = self.crf_.coef_
        arrays = (coef.data, coef.indices, coef.indptr) if sp.issparse(coef) else (coef,)
        weights = sum(array.nbytes for array in (*arrays, self.crf_.transition_coef_))
        return weights + sum(len(name.encode()) for name in self.attributes_)


def _objects(values: list[Any]) -> np.ndarray:
    """Return an object array of one dimension."""
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result
