"""The linear-chain conditional random field, with a pluggable solver."""

from collections.abc import Callable, Sequence
from re import Pattern
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._base.sklearn_compat import StrOptions, _fit_context, available_if
from .._base.typing import DaskCollection, Seed, Sequences
from .._estimator.base import CONSTRAINTS, is_stochastic
from .._estimator.monitor import FitInfo
from ..feature_extraction import DictFeatures
from ..metrics import entity_f1_scorer, sequence_accuracy_scorer, token_f1_scorer
from ..sequence import SCHEMES
from ..solvers import Solver
from ..solvers._registry import with_solver_names
from ._entities import Entity, SpanLabels, check_choice, find_entities
from ._forms import kind_of, sequences_of
from ._labeller import ChainLabeller

__all__ = ["LinearChainCRF"]

SCORERS = {
    "entity_f1": entity_f1_scorer,
    "token_f1": token_f1_scorer,
    "sequence_accuracy": sequence_accuracy_scorer,
}


def _can_stream(estimator):
    if estimator.state_features != "all" or estimator.transitions != "all":
        raise AttributeError(
            "partial_fit needs state_features='all' and transitions='all': what a later chunk will show is not known"
        )
    return is_stochastic(estimator)


@with_solver_names
class LinearChainCRF(ChainLabeller):
    r"""Linear-chain conditional random field for labelling sequences.

    .. math:: p(y \mid x) = e^{\mathrm{score}(y \mid x)} / Z(x), \qquad
       \mathrm{score}(y \mid x) = \sum_t (x_t W)_{y_t} + \sum_{t > 1} T_{y_{t-1} y_t} + a_{y_1} + e_{y_n}

    fitted by

    .. math:: \min\; C \sum_s w_s \big(-\log p(y_s \mid x_s)\big) + \frac{1 - \rho}{2} \|\cdot\|_2^2 + \rho \|\cdot\|_1

    over all of W, T, a and e, with :math:`\rho` the `l1_ratio` (Lafferty, McCallum & Pereira 2001). Labels that are
    missing are summed over. In CRFsuite's terms c2 is :math:`(1 - \rho) / (2C)` and c1 is :math:`\rho / C`.

    **Input.** X is a list of sequences, each a list of feature dicts, a list of lists of strings (the features that are
    on), or a 2-D array or CSR matrix (tokens, features); or a :class:`~skopt_solvers.sequence.CSRSequences`, as the
    transformers of :mod:`skopt_solvers.feature_extraction` make it. Arrays in dicts, and the `vectors` of CSRSequences,
    are features too, which stay arrays. y is then a list of label sequences. Columns of pyarrow, polars and pandas, and
    other collections, are taken for lists. Or X is flat, an array or CSR matrix of all tokens, y an array, and
    `lengths` or `sequence_ids` tell the sequences; without them each token is a sequence of one, and the model is a
    multinomial logistic regression whose intercept is a + e.

    **Transitions that depend on features.** With `transition_features` the score of a step is
    :math:`T_{y_{t-1} y_t} + \sum_f x_{tf} B_{f y_{t-1} y_t}`, the sum being over the chosen features f of token t, and
    B is penalised as T is. These are the B templates of CRF++ and the bigrams of Wapiti. B has `n_labels` ** 2 weights
    a feature, or with ``transitions="observed"`` those that occur, which is what features of words need.

    Parameters
    ----------
    C : float, default=1.0
        Weight of the likelihood, > 0; ``np.inf`` for no penalty.
    l1_ratio : float, default=0.0
        In [0, 1]: 0 is L2, 1 is L1, between is elastic net.
    solver : str or Solver, default="lbfgs"
        "lbfgs", {names of the stochastic solvers},
        or an object of :mod:`skopt_solvers.solvers` or of a class of your own; "sdca" is for linear models. Its
        parameters are set as ``solver__learning_rate``, by name too. lbfgs begins with epochs of AdaGrad, see
        :class:`~skopt_solvers.solvers.LBFGS`.
    state_features : {"all", "observed"}, default="all"
        Which (feature, label) pairs have a weight: all, or those that occur in the data (CRFsuite's default). With
        hundreds of labels "observed" takes a small part of the memory; `coef_` is then a sparse matrix.
    fit_boundaries : bool, default=True
        Whether there are weights a and e for the labels that begin and end a sequence.
    transitions : {"all", "observed"}, default="all"
        Which pairs of labels have a weight T; others score 0 (they are not forbidden). With `transition_features` it
        also says which (feature, from, to) have one.
    transition_features : str, list of str, re.Pattern, callable, array of int, array of bool or None, default=None
        The features that transitions depend on, see *Transitions that depend on features*. A name is that of a column,
        or of all values of it: "pos" is also "pos:NN" and "pos=NN". A pattern must match the name of a column from its
        beginning; a callable is given the name; numbers and a mask are of the columns.
    constraints : str, ndarray of bool, callable or None, default=None
        Transitions that are possible; others have probability 0 in training and prediction. A matrix is (from, to)
        over the sorted labels; a callable gets two labels (from, to). A string is a scheme, one of "iob2" (or "bio"),
        "iob1", "ioe1", "ioe2", "iobes" (or "bioes"), "bilou" and "bmes", which also says what labels may begin and end
        a sequence.
    class_weight : dict, "balanced" or None, default=None
        Factors on the weights of tokens, by label. The weight of a sequence is the mean over its tokens.
    max_iter : int, default=200
        Most iterations, or epochs of a stochastic solver.
    tol : float, default=1e-4
        lbfgs: a fit ends when the objective is proven to be at most ``20 tol`` of itself above its minimum. It also
        ends when the objective has fallen by less than `tol` of itself in 10 iterations, or when the largest entry of
        its gradient over C is at most `tol`.
        Stochastic solvers as in :class:`~skopt_solvers.LogisticRegression`.
    early_stopping : bool, default=False
        Stop when the score of validation data has not improved in `n_iter_no_change` iterations, and return the best
        weights. Epochs of a stochastic solver count after the first 200 steps.
    validation_fraction : float, default=0.1
        Part of the sequences held out when `fit` is given no `X_val`.
    n_iter_no_change : int, default=5
        The patience: a fit ends after so many iterations or epochs in a row without an improvement by `tol`, of the
        objective in a stochastic solver, or of the validation score with early stopping.
    warm_start : bool, default=False
        Start from the last fit; a stochastic solver goes on as if it had not stopped.
    random_state : int, RandomState or None, default=None
        The seed of all that is random: the order of the sequences, and those that early stopping holds out. An int
        gives the same result in each fit.
    n_jobs : int or None, default=None
        Threads in the passes over all data and in prediction. None or -1 is all cores, fewer where joblib, dask or
        OMP_NUM_THREADS says so. The result has the same bits for every number.
    verbose : int, default=0
        1 prints a line for each iteration.
    max_time : float or None, default=None
        Seconds since the call of `fit`, > 0, after which no further iteration or epoch begins. The weights are then the
        best so far.
    callback : callable, list of callables or None, default=None
        Functions that are called as ``callback(info)`` after each iteration, with a :class:`~skopt_solvers.FitInfo`.
        One that returns True ends the fit. :mod:`skopt_solvers.callbacks` has some.
    interrupt : {"raise", "keep"}, default="raise"
        What Ctrl-C does in `fit`. "raise" leaves the estimator as it was. "keep" ends the fit with the best weights of
        the iterations that were finished, and a warning.
    input : {"auto", "sequences", "flat"}, default="auto"
        "sequences" refuses flat input, "flat" refuses sequences in `fit`. Only with "flat" is the estimator marked as a
        classifier for scikit-learn, whose searches then stratify an integer cv by label; else they take y as a list of
        lists, and an integer cv means plain folds.
    scoring : {"entity_f1", "token_f1", "sequence_accuracy"}, callable or None, default=None
        Score of validation sequences, greater is better: a metric of :mod:`skopt_solvers.metrics`, or
        ``scoring(estimator, X, y)``, as `make_sequence_scorer` makes it, tried once before the first iteration. Then
        each token must have a label. None is the accuracy of the tokens that have one.
    max_suboptimality : float or None, default=None
        The relative distance from the optimum, in (0, 1), that the fit has to prove before it ends; 1e-3 is
        "within 0.1 %". A value above ``100 tol`` is taken as ``100 tol``. With None a fit ends where its solver ends.

    Attributes
    ----------
    coef_ : ndarray of shape (n_labels, n_features), or CSC matrix with ``state_features="observed"``
    transition_coef_ : ndarray of shape (n_labels, n_labels)
        Row: from, column: to.
    start_coef_, end_coef_ : ndarray of shape (n_labels,)
    transition_features_ : ndarray of int
        The columns of X that transitions depend on, sorted; empty where they depend on none.
    transition_feature_coef_ : ndarray of shape (n_transition_features, n_labels, n_labels), or CSR matrix
        The weights of these columns: row: from, column: to. With ``transitions="observed"`` a matrix of shape
        (n_transition_features, n_labels ** 2), whose columns are ``n_labels * from + to``.
    classes_ : ndarray of shape (n_labels,)
    vectorizer_ : DictFeatures
        Where X was made of dicts or strings.
    n_iter_, history_, converged_, stop_reason_, suboptimality_, solver_, n_features_in_ :
        As in :class:`~skopt_solvers.LogisticRegression`.

    References
    ----------
    Lafferty, McCallum & Pereira (2001), Conditional random fields; Sutton & McCallum (2012), section 2.3 to 4.3.

    Examples
    --------
    >>> from skopt_solvers import LinearChainCRF
    >>> def features(words):
    ...     return [{"word": w.lower(), "title": w.istitle()} for w in words]
    >>> X = [features("the dog barks".split()), features("a cat sleeps".split())]
    >>> y = [["D", "N", "V"], ["D", "N", "V"]]
    >>> crf = LinearChainCRF(C=10, max_iter=200, random_state=0).fit(X, y)
    >>> crf.predict([features("the cat barks".split())])[0]
    ['D', 'N', 'V']
    """

    coef_: Any  # an array, or a sparse matrix with `state_features="observed"`
    transition_coef_: np.ndarray
    start_coef_: np.ndarray
    end_coef_: np.ndarray
    transition_features_: np.ndarray
    transition_feature_coef_: Any  # an array, or a sparse matrix with `transitions="observed"`
    vectorizer_: DictFeatures

    _parameter_constraints = {
        **CONSTRAINTS,
        "state_features": [StrOptions({"all", "observed"})],
        "fit_boundaries": ["boolean"],
        "transitions": [StrOptions({"all", "observed"})],
        "transition_features": [str, "array-like", Pattern, callable, None],
        "constraints": [StrOptions(set(SCHEMES)), "array-like", callable, None],
        "input": [StrOptions({"auto", "sequences", "flat"})],
        "scoring": [StrOptions(set(SCORERS)), callable, None],
    }

    def __init__(
        self,
        C: float = 1.0,
        *,
        l1_ratio: float = 0.0,
        solver: str | Solver = "lbfgs",
        state_features: str = "all",
        fit_boundaries: bool = True,
        transitions: str = "all",
        transition_features: Any = None,
        constraints: str | ArrayLike | Callable[[Any, Any], bool] | None = None,
        class_weight: dict[Any, float] | str | None = None,
        max_iter: int = 200,
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
        input: str = "auto",
    ) -> None:
        self.C = C
        self.l1_ratio = l1_ratio
        self.solver = solver
        self.state_features = state_features
        self.fit_boundaries = fit_boundaries
        self.transitions = transitions
        self.transition_features = transition_features
        self.constraints = constraints
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
        self.input = input

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.two_d_array = self.input != "sequences"
        if self.input != "flat":  # scikit-learn refuses lists of labels where a classifier is cross-validated
            tags.estimator_type = None
        return tags

    def _scorer(self):
        return SCORERS[self.scoring] if isinstance(self.scoring, str) else self.scoring

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Sequences | DaskCollection,
        y: Sequences | DaskCollection,
        sample_weight: Any = None,
        *,
        lengths: ArrayLike | None = None,
        sequence_ids: ArrayLike | None = None,
        X_val: Sequences | DaskCollection | None = None,
        y_val: Sequences | DaskCollection | None = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : sequences or tokens, see the class
            float32 stays float32 all the way; dicts become float32; everything else float64. Any other form than
            canonical, sorted CSR costs one such CSR; its rows are copied once more, into the order of the passes, where
            there is room. Or a dask bag, whose partitions are lists of
            matrices or CSRSequences; passes run where they are.
        y : list of label sequences, or array of shape (n_tokens,)
            Strings or integers; None where a label is missing. For a bag X, a bag of the same partitions.
        sample_weight : array of shape (n_sequences,) or (n_tokens,), or list of arrays, optional
            >= 0. Of a sequence, or of its tokens: then the sequence weighs their mean.
        lengths : array of shape (n_sequences,), optional
            Tokens of each sequence of flat X.
        sequence_ids : array of shape (n_tokens,), optional
            The sequence of each token of flat X; the tokens of one follow each other.
        X_val, y_val : optional
            Validation sequences: scored by token accuracy after each iteration
            (``history_[i]["validation_score"]``).

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad input, before any work starts; a fitted estimator is left as it was.
        FloatingPointError
            Where a learning rate makes the objective overflow.
        """
        return self._fit(X, y, sample_weight, X_val, y_val, lengths=lengths, sequence_ids=sequence_ids)

    @available_if(_can_stream)
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self,
        X: Sequences,
        y: Sequences,
        classes: ArrayLike | None = None,
        sample_weight: Any = None,
        *,
        lengths: ArrayLike | None = None,
        sequence_ids: ArrayLike | None = None,
        n_samples: int | None = None,
    ) -> Self:
        """Make one epoch over X, and go on from the calls before.

        Parameters
        ----------
        X : sequences or tokens
            As `fit` takes them, but not dicts, whose features are not known beforehand: transform them by a
            :class:`~skopt_solvers.feature_extraction.DictFeatures` that is fitted, or hashes.
        y : list of label sequences, or array of shape (n_tokens,)
            Strings or integers; None where a label is missing.
        classes : array, optional
            All labels. The default is those of the first call, and a label that comes later is an error; with
            ``input="flat"`` they are needed at the first call.
        sample_weight : array of shape (n_sequences,) or (n_tokens,), or list of arrays, optional
            Weights >= 0 of sequences, or of their tokens: then a sequence weighs their mean.
        lengths : array of shape (n_sequences,), optional
            Tokens of each sequence of flat X.
        sequence_ids : array of shape (n_tokens,), optional
            The sequence of each token of flat X; the tokens of one follow each other.
        n_samples : int, optional
            The number of sequences of the whole data, as in :meth:`skopt_solvers.LogisticRegression.partial_fit`.

        Returns
        -------
        self

        Notes
        -----
        Penalty, weights, class weights and time are as in :meth:`skopt_solvers.LogisticRegression.partial_fit`.
        """
        classes = self._classes_of_stream(classes, needed=self.input == "flat")
        X = sequences_of(X)
        if kind_of(X, self.input) == "items":
            raise ValueError("partial_fit needs numbers: transform dicts or strings by DictFeatures before")
        return self._partial_fit(X, y, classes, sample_weight, n_samples, lengths=lengths, sequence_ids=sequence_ids)

    def predict_entities(
        self,
        X: Sequences,
        *,
        min_probability: float = 0.0,
        candidates: bool = False,
        delimiter: str = "-",
        suffix: bool = False,
        lengths: ArrayLike | None = None,
        sequence_ids: ArrayLike | None = None,
        known_labels: Sequences | None = None,
    ) -> list[list[Entity]]:
        r"""Return the entities of each sequence with their exact probabilities.

        The labels must be O, or a prefix and a type, of one of the schemes IOB1, IOB2 (BIO), IOE1, IOE2, IOBES, BILOU
        or BMES. They are read as :func:`~skopt_solvers.metrics.entity_f1` reads them without a mode. The probability of
        an entity of type k with the tokens s to e - 1 is that of all labellings in which exactly this entity is read,

        .. math:: P(s, e, k) = \sum_{y:\; (s, e, k) \in \mathrm{entities}(y)} p(y \mid x).

        For IOB2 whose constraints hold it is that of :math:`y_s` = B-k, :math:`y_{s+1}, \dots, y_{e-1}` = I-k and
        :math:`y_e \ne` I-k: the entity begins at s and not before, is of this type, and does not go on. The sum runs
        over the labels of its tokens and of their two neighbours, from forward-backward, in float64. Entities
        that share a token exclude each other: their probabilities sum to at most 1.

        Parameters
        ----------
        X : sequences or tokens
            The data, in any form that `fit` takes.
        min_probability : float, default=0.0
            Entities that are less probable are left out. In [0, 1].
        candidates : bool, default=False
            False lists entities of the labels that `predict` gives, which do not overlap. True lists all entities of at
            least `min_probability`, which must be positive; they may overlap where it is 0.5 or less.
        delimiter : str, default="-"
            The characters between prefix and type.
        suffix : bool, default=False
            Whether the prefix stands behind the type: ``PER-B``.
        lengths : array of shape (n_sequences,), optional
            Tokens of each sequence of flat X.
        sequence_ids : array of shape (n_tokens,), optional
            The sequence of each token of flat X; the tokens of one follow each other.
        known_labels : list of label sequences, or array of shape (n_tokens,), optional
            Labels that tokens must have, None where any will do. Probabilities are given these.

        Returns
        -------
        list of list of Entity
            For each sequence its entities, by first token, type and last token: named tuples of `start`, `end` (the
            token after the last one), `type` and `probability`.

        Raises
        ------
        ValueError
            Where a label is of no scheme, or `constraints` and `known_labels` leave a sequence no labels.

        References
        ----------
        Culotta & McCallum (2004), Confidence estimation for information extraction.

        Examples
        --------
        >>> from skopt_solvers import LinearChainCRF
        >>> X = [[["in"], ["New"], ["York"]], [["York"], ["won"]], [["to"], ["New"], ["Delhi"]]]
        >>> y = [["O", "B-LOC", "I-LOC"], ["B-ORG", "O"], ["O", "B-LOC", "I-LOC"]]
        >>> crf = LinearChainCRF(C=10, constraints="bio").fit(X, y)
        >>> [(e.start, e.end, e.type, round(e.probability, 1)) for e in crf.predict_entities(X[:1])[0]]
        [(1, 3, 'LOC', 0.9)]
        """
        check_is_fitted(self)
        check_choice(min_probability, candidates)
        labels = SpanLabels.of(self.classes_, delimiter, suffix)
        tokens, decoder, fixed = self._decoding(X, known_labels, lengths=lengths, sequence_ids=sequence_ids)
        return find_entities(decoder, tokens, fixed, labels, float(min_probability), bool(candidates))
