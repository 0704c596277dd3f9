"""The linear-chain CRF: sequences, likelihood and penalty, as a solver sees them."""

import copy

import numpy as np

from .. import _kernels
from .._base.memmap import block_size, column_counts, is_streamed, n_entries, runs_of
from .._base.memory import ALWAYS_FREE, free_bytes
from ._blocks import Blocks
from ._chain_table import ChainTable
from ._defaults import ObjectiveDefaults
from ._duality_gap import bound_of_position, strongly_convex_bound
from ._frequent_entries import frequent_entries
from ._penalty import as_float, penalty
from ._planes import Planes
from ._position import EvaluatedPosition
from ._row_gradient import RowGradient
from ._size import Sized, threads_of_pass

MISSING = -1  # the label of a token that has none
_ALL = 2**63 - 1  # non-zeros: a block of everything


def _may_be_copied(X):
    """Tell whether a pass may copy X into its order: in memory, with room for it."""
    size = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    return not is_streamed(X) and (size <= ALWAYS_FREE or 2 * size <= free_bytes())


class ChainObjective(ChainTable, Blocks, Sized, ObjectiveDefaults):
    r"""Mean negative log-likelihood a token of label sequences under a linear-chain CRF, and its penalty.

    .. math::
       F(W) = \sum_s \omega_s \big(\log Z(x_s) - \mathrm{score}(y_s \mid x_s)\big) + \frac{l_2}{2}\|W\|^2 + l_1\|W\|_1

    with :math:`\mathrm{score}(y \mid x) = \sum_t (x_t W)_{y_t} + \sum_t T_{y_{t-1} y_t} + a_{y_1} + e_{y_n}` and
    :math:`\omega_s = w_s / \sum_r w_r n_r`, which makes F a mean over the n tokens (Lafferty, McCallum & Pereira 2001).
    Where labels are missing, the score is the log-sum over all paths through the labels that are there. `scale * F` is
    the objective of the estimator.

    The table W has the features first, then T (row: from, column: to), then a and e, then the weights of `conditions`:
    as rows of `n_labels` values, or with `pairs` as rows of one, grouped by feature.

    Parameters
    ----------
    X : CSR of shape (n_tokens, n_features), float32 or float64
        With sorted rows, without duplicates and stored zeros.
    offsets : ndarray of shape (n_sequences + 1,), int64
        Tokens ``offsets[s]`` to ``offsets[s + 1]`` are sequence s.
    labels : ndarray of shape (n_tokens,), int32
        `MISSING` where there is none.
    weights : ndarray of shape (n_sequences,)
        ``w_s >= 0``; a sequence of weight 0 is as if it were not there.
    n_labels : int
    C, l1_ratio, fit_boundaries :
        As on the estimator.
    pairs : (first, label) or None
        The (feature, label) pairs that have a weight: ``label[first[j]:first[j + 1]]`` are those of feature j. None is
        all.
    transitions : ndarray of int32
        ``n_labels * from + to`` of the transitions that have a weight, sorted; the others score 0.
    allowed : ndarray of bool, of shape (n_labels + 2, n_labels)
        Transitions that are possible; the last two rows are the labels that may begin and end a sequence.
    n_threads : int
    total : float, optional
        What the weights are divided by, in the place of ``sum_r w_r n_r``.
    vectors : ndarray of shape (n_tokens, size), optional
        The last features of the tokens, which all of them have. They have a weight for each label, also with `pairs`,
        which name these weights too.
    conditions : Conditions, optional
        The triples (feature, from, to) of features that transitions depend on: the weight of one, times the value of
        the feature at a token, is added to the score of the transition to this token.
    """

    def __init__(
        self, X, offsets, labels, weights, *, n_labels, C, l1_ratio, fit_boundaries, transitions, allowed, pairs=None,
        n_threads=1, total=None, vectors=None, conditions=None,
    ):  # fmt: skip
        self.X, self.offsets, self.labels, self.n_labels = X, offsets, labels, n_labels
        self.dtype, self.n_threads, self.allowed = X.dtype, n_threads, allowed
        self.vectors = None if vectors is None else np.ascontiguousarray(vectors, X.dtype)
        self.n_dense = 0 if vectors is None else vectors.shape[1]
        self._pass_threads = threads_of_pass(n_threads, X.shape[0] * n_labels * (n_labels + 10.0 + self.n_dense))
        self._n_entries, lengths = n_entries(X), np.diff(offsets)
        if not len(labels) == X.shape[0] == offsets[-1] or offsets[0] != 0 or (lengths < 0).any():
            raise ValueError(
                f"offsets must rise from 0 to the {X.shape[0]} rows, got {offsets[0]} to {offsets[-1]}, and labels "
                f"must be one a row, got {len(labels)}"
            )
        weights = np.where(lengths > 0, weights, 0.0)
        n_tokens = float(weights @ lengths)
        total = n_tokens if total is None else total
        self.token_weight = n_tokens / total / max(lengths[weights > 0].sum(), 1)  # the mean
        self._weight = as_float(C) * n_tokens / max(lengths[weights > 0].sum(), 1)  # of a token, against the penalty
        self.scale, self.l1, self.l2 = penalty(C, l1_ratio, total, X.dtype)
        self.samples = np.flatnonzero(weights > 0)
        self.n_samples = len(self.samples)
        self.runs = runs_of(self.samples, X, offsets[self.samples])
        # the mean number of tokens in a sample, by weight
        self.tokens_per_sample = n_tokens / float(weights.sum())
        self.convex = not (labels == MISSING)[np.repeat(weights > 0, lengths)].any()
        self.pairs, self.transitions, self.fit_boundaries = pairs, transitions, bool(fit_boundaries)
        self.conditions = conditions
        first, label = (np.empty(0, np.int64), np.empty(0, np.int32)) if pairs is None else pairs
        self.shape = self.table_shape()
        self.n_penalised = self.shape[0]
        self.native = _kernels.chain(
            X,
            offsets,
            labels,
            (weights / total).astype(X.dtype),
            self.samples,
            n_labels,
            bool(fit_boundaries),
            first,
            label,
            transitions,
            np.ascontiguousarray(allowed).ravel(),
            l1=self.l1,
            l2=self.l2,
            n_threads=n_threads,
            block=block_size(X) if is_streamed(X) else _ALL,
            copied=_may_be_copied(X),
            vectors=self.vectors,
            conditions=conditions,
        )

    # The likelihood has a gradient everywhere, and the covariance of a token's label no eigenvalue above 1/2.
    smooth = True
    curvature = 0.5
    structured = has_samples = has_adagrad_epochs = has_curvature_block = True
    # L-BFGS may end when the objective has hardly fallen in so many iterations.
    decrease_window = 10

    @property
    def n_features(self):
        """The columns of X, and after them those of the vectors."""
        return self.X.shape[1] + self.n_dense

    @property
    def gradient_unit(self):
        """The factor that makes the gradient of F that of the sum over the sequences, which `tol` is compared with."""
        return self.n_samples * self.tokens_per_sample

    margin_bytes = 0  # scores are those of a sequence at a time

    @property
    def position_bytes(self):
        """Bytes of a position besides W and its gradient: those of a trial along a line, which L1 does without."""
        return 0 if self.l1 else 2 * self.table_bytes

    @property
    def pass_bytes(self):
        """Bytes of a pass besides W and its gradient.

        They are both in rows of whole vectors, the rows of X in the order of the pass, and where threads cut them; and
        matrices of the tokens whose transitions depend on features.
        """
        padded = 2 * self._padded_bytes if self._is_padded else 0
        passed = self.native.copied_bytes() + self.native.condition_bytes()
        return padded + passed + 8 * self.X.shape[0] * (self._pass_threads - 1)

    @property
    def adagrad_bytes(self):
        """Bytes that stay after `adagrad_epochs`: the squares, where no pass has tables of that form."""
        return 0 if self._is_padded else self._padded_bytes

    @property
    def _width(self):
        lanes = _kernels.vector_bytes // self.dtype.itemsize
        return -(-self.n_labels // lanes) * lanes

    @property
    def _is_padded(self):
        return self.pairs is not None or self._width != self.n_labels

    @property
    def _padded_bytes(self):
        return self.n_features * self._width * self.dtype.itemsize

    @property
    def pass_work(self):
        """About how many multiply-adds a pass takes, those that lie scattered in memory counted as two."""
        n_tokens = self.X.shape[0]
        return self._width * (4.0 * self._n_entries + n_tokens * (6.0 * self.n_labels + 2.0 * self.n_dense))

    def dual_obstacle(self):
        """Return what keeps dual coordinate ascent from this problem, in words."""
        return "a model of sequences"

    @property
    def can_observe(self):
        """True where the table may have the pairs that occur alone, and has them all."""
        return self.pairs is None

    @property
    def observed_bytes(self):
        """Bytes that it takes to find the pairs that occur."""
        return self.X.shape[1] * self.n_labels // 8

    def observed(self):
        """A copy that knows the bytes of the same problem with the pairs that occur, and can do no more."""
        other = copy.copy(self)
        other.pairs = _kernels.observed_pairs(self.X, self.labels, self.n_labels, self.n_dense)
        other.shape = other.table_shape()
        return other

    def resized(self, n_features=None, dtype=None):
        """As of any objective; the vectors stay."""
        return super().resized(None if n_features is None else max(n_features - self.n_dense, 0), dtype)

    def feature_counts(self):
        """Return how many tokens of the samples have each feature."""
        used = np.zeros(len(self.offsets) - 1, bool)
        used[self.samples] = True
        used = np.repeat(used, np.diff(self.offsets))
        return np.concatenate([column_counts(self.X, used), np.full(self.n_dense, np.count_nonzero(used))])

    def counts(self):
        """Return how many tokens touch each row of features, sequences for other rows; not for observed pairs."""
        long, n_ends = (np.diff(self.offsets)[self.samples] > 1).sum(), 2 * self.fit_boundaries
        ends = [self.n_samples] * n_ends + [long] * self.triple_rows
        return np.concatenate([self.feature_counts(), [long] * self.n_labels, ends]).astype(float)

    def untouched(self):
        """Rows of the features that no sample has; observed pairs are all in one."""
        if self.pairs is not None:
            return np.empty(0, np.int64)
        return np.flatnonzero(column_counts(self.X) == 0)

    def margin_step(self):
        """``2 sqrt(2 / mean |x|^2)`` over tokens, a transition counted as 1.

        Twice the step of a linear model: a token's label is also held by its neighbours, so that weights grow larger.
        Measured on chunking and part-of-speech tagging, where 1 to 1.5 times as much is as good.

        Returns
        -------
        float
        """
        return float(2 * np.sqrt(2 / (self.mean_square() or 2.0)))

    def strength(self):
        """``C mean(s_t) mean |x|^2`` over tokens; infinite without a penalty."""
        return self._weight * (self.mean_square() or 1.0)

    def mean_square(self):
        """Mean over the tokens of ``|x|^2``, with 1 for the transition to a token and for each end of a sequence.

        The features that transitions depend on count once more.

        Returns
        -------
        float
        """
        squares, conditioned = self.squared_norms(), self.native.condition_square()
        if self.pairs is None:
            return float(squares[: len(squares) - self.triple_rows].sum() + conditioned)
        # a feature's pairs share its square
        first = self.pairs[0]
        seen = first[:-1][np.diff(first) > 0]
        ends = 2 * self.fit_boundaries
        return float(squares[seen].sum() + conditioned + 1 + (ends - 1) / self.tokens_per_sample)

    def squared_norms(self):
        """Mean over the tokens of the square of each row of the table, ``sum_s omega_s sum_t x_tj^2``."""
        square = np.empty(self.shape[0])
        self.native.squared_norms(square)
        if not np.isfinite(square).all():
            raise FloatingPointError("the squares of X overflow: scale its features")
        return square

    def curvature_block(self, W, size):
        """Return an estimate of the Hessian of the loss on `size` entries at most, the most frequent ones.

        It is ``sum_s omega_s v v^T`` with ``v = phi(y) - E phi`` of one labelling y of each sequence that the model
        draws, which is the Hessian in expectation; the seed is fixed. Where labels are missing, it is that of the
        logarithm of Z alone.

        Parameters
        ----------
        W : ndarray of shape `shape`
        size : int

        Returns
        -------
        entries : ndarray of int64
            They index the table as a vector, and increase.
        matrix : ndarray of shape (n_entries, n_entries)
            Its lower triangle.
        token : ndarray of shape (n_entries,)
            The square of each entry's feature in one token, weighted as in F.
        """
        entries, typical = frequent_entries(self, size)
        matrix = np.empty((len(entries), len(entries)), self.dtype)
        self.native.curvature_block(W.ravel(), entries, typical, 0, matrix.ravel())
        return entries, matrix, self.token_weight * typical**2

    def value(self, W):
        """F(W)."""
        none = W[:0].ravel()
        return self.native.value_and_gradient(W.ravel(), none) + self.native.penalise(W.ravel(), none)

    def value_and_gradient(self, W):
        """F(W), and the gradient of its smooth part (likelihood and L2)."""
        gradient = np.empty_like(W)
        loss = self.native.value_and_gradient(W.ravel(), gradient.ravel())
        return loss + self.native.penalise(W.ravel(), gradient.ravel()), gradient

    def gradient(self, W, batch):
        """The :class:`RowGradient` of the mean loss of the sequences `batch` (int64 indices)."""
        loss, rows, values, share = self.native.gradient(W.ravel(), np.ascontiguousarray(batch, dtype=np.int64))
        return RowGradient(rows.ravel(), values, share, self.l1, self.l2, loss)

    def adagrad_epochs(self, W, orders, rates, batch_size, epsilon):
        """Epochs of :class:`~skopt_solvers.solvers.AdaGrad` from W, in place: one for each learning rate.

        It is what the solver would do with :meth:`gradient`, but on rows of all labels and with threads that share a
        batch.

        Parameters
        ----------
        W : ndarray of shape `shape`
            Changed in place.
        orders : ndarray of shape (n_epochs, n_samples), int64
            The order of the samples in each epoch.
        rates : sequence of n_epochs floats
            Their learning rates.
        batch_size : int
        epsilon : float
            As on :class:`~skopt_solvers.solvers.AdaGrad`.

        Returns
        -------
        list of float
            An epoch's mean loss of the batches, each before its step; it ends with one that is not finite, and then W
            is of no use.
        """
        return self.native.warm_up(W.ravel(), np.ravel(orders), np.array(rates, np.float64), batch_size, epsilon)

    def suboptimality_bound(self, W, precision=None):
        """An upper bound of ``scale (F(W) - min F)``; infinite where labels are missing, which makes F non-convex."""
        if not self.convex:
            return np.inf
        gradient = np.empty_like(W)
        loss = self.native.value_and_gradient(W.ravel(), gradient.ravel())
        value = loss + self.native.penalise(W.ravel(), W[:0].ravel())
        return strongly_convex_bound(self, W, value, loss, gradient)

    def suboptimality_bound_at(self, position):
        """Return the same at a position, where the loss and its gradient are known."""
        return bound_of_position(self, position) if self.convex else np.inf

    def planes(self):
        """Return what makes a bound of the gradients at several points, or None where F is not strongly convex."""
        return Planes(self) if self.convex and self.l2 else None

    def position(self, W):
        """A point that moves along lines; a trial costs a gradient."""
        return EvaluatedPosition(self, W)
