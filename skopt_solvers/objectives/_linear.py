"""Linear models: data, loss and penalty, as a solver sees them."""

import numpy as np
import scipy.sparse as sp

from .. import _kernels
from .._base.csr import csr_of
from .._base.dense import by_blas, product
from .._base.memmap import column_counts, is_streamed, n_entries, runs_of
from ._ascent import LinearAscent, LinearAscents
from ._blocks import Blocks
from ._defaults import ObjectiveDefaults
from ._duality_gap import dual_point, suboptimality, suboptimality_at
from ._linear_position import LinearPosition
from ._losses import smooth_losses
from ._penalty import as_float, penalty
from ._row_gradient import RowGradient
from ._size import Sized, threads_of_pass


class LinearObjective(Blocks, Sized, ObjectiveDefaults):
    r"""Mean loss of a linear model and its penalty.

    .. math:: F(W) = \sum_i \omega_i\, \ell(x_i W, y_i) + \frac{l_2}{2} \|W\|^2 + l_1 \|W\|_1

    with :math:`\omega_i = s_i / \sum_j s_j`. `scale * F` is scikit-learn's objective
    :math:`C \sum_i s_i \ell_i + \frac{1 - \rho}{2} \|W\|^2 + \rho \|W\|_1`.

    Parameters
    ----------
    X : ndarray or CSR of shape (n_samples, n_features), float32 or float64
        CSR is without duplicates and stored zeros; an array has its rows or its columns in one piece. A zero is a zero
        however it is stored.
    labels : ndarray of shape (n_samples,), int32
    weights : ndarray of shape (n_samples,)
        ``s_i >= 0``; a sample of weight 0 is as if it were not there.
    n_outputs : int
    loss : Loss
        A value of `LOG_LOSSES` or `SVC_LOSSES`.
    C, l1_ratio, fit_intercept :
        As on the estimators.
    n_threads : int
    total : float, optional
        What the weights are divided by, in the place of their sum.
    n_models : int
        That have the outputs, in equal parts; see :meth:`of_models`.
    indicator : Indicator, optional
        Of samples that may have several labels, each of which is an output and a binary problem; `labels` are then rows
        of it.

    Attributes
    ----------
    shape : (n_features + fit_intercept, n_outputs), of the table `W`; the last row is the intercept.
    n_penalised : number of leading rows that the penalty is on.
    samples : indices of the samples of positive weight.
    runs : list of arrays, the samples as they lie together on disk; one where X is in memory.
    narrowed_bytes : bytes of X with a part of its features at most; 0 where it is dense or on disk, and not copied.
    facts : dict, what was computed of the data; that of another objective of the same data may be put in its place.
    """

    def __init__(
        self,
        X,
        labels,
        weights,
        *,
        n_outputs,
        loss,
        C,
        l1_ratio,
        fit_intercept,
        n_threads=1,
        total=None,
        n_models=1,
        indicator=None,
    ):
        n_classes = max(n_outputs // n_models, 2) if indicator is None else indicator.shape[0]
        if len(labels) and not 0 <= labels.min() <= labels.max() < n_classes:
            raise ValueError(f"labels must be between 0 and {n_classes - 1}, got {labels.min()} to {labels.max()}")
        self.X, self.labels, self.weights = X, labels, weights
        self.total = total = float(weights.sum()) if total is None else total
        self.dtype = X.dtype
        self.scale, self.l1, self.l2 = penalty(C, l1_ratio, total, X.dtype)
        self.shape = (X.shape[1] + bool(fit_intercept), n_outputs)
        self.n_penalised = X.shape[1]
        self.samples = np.flatnonzero(weights > 0)
        self.n_samples = len(self.samples)
        self.runs = runs_of(self.samples, X, self.samples)
        copied = sp.issparse(X) and not is_streamed(X)
        self.narrowed_bytes = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes if copied else 0
        self.n_threads = n_threads
        self._pass_threads = threads_of_pass(n_threads, n_entries(X) * n_outputs)
        self._by_blas = isinstance(X, np.ndarray) and by_blas(X, n_outputs)
        self.loss, self.indicator = loss, indicator
        self.native_indicator = None if indicator is None else indicator.native(X.dtype)
        self._model = dict(
            n_outputs=n_outputs,
            loss=loss,
            C=C,
            l1_ratio=l1_ratio,
            fit_intercept=fit_intercept,
            n_threads=n_threads,
            total=total,
            indicator=indicator,
        )
        self.facts = {}
        self.native = _kernels.linear(
            X,
            labels,
            (weights / total).astype(X.dtype),
            self.samples,
            n_outputs,
            bool(fit_intercept),
            **loss.kernel,
            l1=self.l1,
            l2=self.l2,
            n_threads=n_threads,
            n_models=n_models,
            indicator=self.native_indicator,
        )

    def at(self, C):
        """The same problem with another C; what belongs to the data is not computed again."""
        other = LinearObjective(self.X, self.labels, self.weights, **{**self._model, "C": C})
        other.facts = self.facts
        return other

    def of_models(self, n_models):
        """Return the objective of several models side by side, whose losses are those of this; for batches and margins.

        A row of its table has the outputs of each model, one model after the other. Penalties are not part of it.

        Parameters
        ----------
        n_models : int

        Returns
        -------
        LinearObjective
        """
        outputs = dict(n_outputs=n_models * self.shape[1], C=np.inf, n_models=n_models)
        return LinearObjective(self.X, self.labels, self.weights, **{**self._model, **outputs})

    has_samples = has_newton = True

    @property
    def separable(self):
        """True where samples may have several labels: each is a problem of its own."""
        return self.indicator is not None

    def of_output(self, k):
        """Return the objective of label k alone, where samples may have several; the sum of all is this one.

        Parameters
        ----------
        k : int

        Returns
        -------
        LinearObjective
        """
        labels, factors = self.indicator.column(k)
        model = {**self._model, "n_outputs": 1, "indicator": None, "total": self.total}
        return LinearObjective(self.X, labels, self.weights * factors[labels], **model)

    def of_features(self, features):
        """Return the same problem with some of the features alone.

        Parameters
        ----------
        features : ndarray of int

        Returns
        -------
        LinearObjective
        """
        return LinearObjective(self.X[:, features], self.labels, self.weights, **self._model)

    @property
    def margin_bytes(self):
        """Bytes of the scores of all samples."""
        return self.X.shape[0] * self.shape[1] * self.dtype.itemsize

    @property
    def position_bytes(self):
        """Bytes of a position besides W and its gradient."""
        return 3 * self.margin_bytes

    @property
    def pass_bytes(self):
        """Bytes that threads of the transposed product have."""
        if self._by_blas:
            return 0
        each = self.X.shape[1] * self.dtype.itemsize if self.shape[1] == 1 else 4 * self.X.shape[0]
        return (self._pass_threads - 1) * each

    @property
    def coefficients(self):
        """Features and outputs: the shape of the part of the table that `coef_` shows."""
        return self.n_penalised, self.shape[1]

    def counts(self):
        """The number of samples that touch each row of the table."""
        counts = column_counts(self.X, self.weights > 0)
        return np.append(counts, [self.n_samples] * (self.shape[0] - self.n_penalised)).astype(float)

    def untouched(self):
        """The features that no sample has."""
        return np.flatnonzero(column_counts(self.X) == 0)

    def mean_square(self):
        """Mean over the samples of ``|x|^2``, the intercept's 1 included."""
        return float(self.squared_norms().sum())

    def strength(self):
        """``C mean(s_i) mean |x|^2``, the intercept's 1 in the norm; infinite without a penalty."""
        return as_float(self._model["C"]) * self.weights[self.samples].mean() * (self.mean_square() or 1.0)

    def margin_step(self):
        """``sqrt(2 / mean |x|^2)``, the intercept's 1 in the norm: 1 for rows of unit length, as TF-IDF makes them.

        It is 1 too where all squares are 0.

        What a weight must move by to change a margin by about 1: the unit of the adaptive solvers' learning rate.

        Returns
        -------
        float
        """
        return float(np.sqrt(2 / (self.mean_square() or 2.0)))

    @property
    def smooth(self):
        """True where the loss has a gradient everywhere."""
        return self.loss.smooth

    @property
    def smooth_losses(self):
        """Losses that have a gradient everywhere, in words."""
        return smooth_losses()

    @property
    def joint(self):
        """True where the loss compares the outputs of a sample, so that adding a constant to all changes nothing."""
        return self.loss.joint

    @property
    def kinked_gradient(self):
        """True where the gradient of the loss has kinks, as the hinges' have."""
        return self.loss.kinked_gradient

    @property
    def curvature(self):
        """Bound on the second derivative of a sample's loss; 1 where the loss has kinks."""
        return self.loss.curvature(self.shape[1]) or 1.0

    def squared_norms(self):
        """Mean square of each row of the table over the samples, ``sum_i omega_i x_ij^2``; the intercept's is 1."""
        if "squared_norms" not in self.facts:
            square = np.empty(self.shape[0], self.dtype)
            self.native.squared_norms(square)
            if not np.isfinite(square).all():
                raise FloatingPointError(f"the squares of X overflow in {self.dtype.name}: scale its features")
            self.facts["squared_norms"] = square.astype(float)
        return self.facts["squared_norms"]

    def products(self):
        """Return the products of each two entries of a row of X, summed over the rows, and the number of entries."""
        if isinstance(self.X, np.ndarray):
            return float(self.X.size * self.X.shape[1]), float(self.X.size)
        if "products" not in self.facts:
            lengths = np.diff(self.X.indptr).astype(float)
            self.facts["products"] = _kernels.dot(lengths, lengths), float(lengths.sum())
        return self.facts["products"]

    def resized(self, n_features=None, dtype=None):
        """A copy that knows the bytes with so many features, or in another type, and can do no more."""
        other = super().resized(n_features, dtype)
        other.products = self.products  # of the X that there is
        return other

    def gram(self):
        """X X^T of the samples of positive weight, raveled."""
        if "gram" not in self.facts:
            kernel = np.empty(self.n_samples**2)
            self.native.gram(kernel)
            self.facts["gram"] = kernel
        return self.facts["gram"]

    def margins(self, W):
        """X W for all rows of X."""
        Z = np.empty((self.X.shape[0], self.shape[1]), self.dtype)
        self.product(W, Z)
        return Z

    def product(self, W, out):
        """Compute X W, the margins of all rows."""
        if not self._by_blas:
            self.native.margins(W.ravel(), out.ravel())
            return
        product(self.X, W[: self.n_penalised], out, self.n_threads)
        if len(W) > self.n_penalised:
            _kernels.add_to_rows(W[-1], out.ravel())

    def transposed_product(self, D, out):
        """Compute X^T D, the gradient of a loss whose derivatives in the margins are D; `out` is a table."""
        if not self._by_blas:
            self.native.backward(D.ravel(), out.ravel())
            return
        product(self.X.T, D, out[: self.n_penalised], self.n_threads)
        if len(out) > self.n_penalised:
            out[-1] = _kernels.column_sums(D)

    def value(self, W):
        """F(W)."""
        return self.value_at(self.margins(W), W)

    def value_at(self, Z, W):
        """F(W), where Z are the margins."""
        return self.native.loss(Z.ravel(), np.empty_like(Z).ravel()) + self.native.penalise(W.ravel(), W[:0].ravel())

    def value_at_zero(self):
        """F(0), without a pass over X."""
        Z = np.zeros(self.X.shape[0] * self.shape[1], self.dtype)
        return self.native.loss(Z, np.empty_like(Z))

    def value_and_gradient(self, W):
        """F(W), and the gradient of its smooth part (loss and L2)."""
        position = self.position(W)
        return position.value, position.gradient

    def gradient(self, W, batch):
        """The :class:`RowGradient` of the mean loss of the samples `batch` (int64 indices)."""
        loss, rows, values, share = self.native.gradient(W.ravel(), np.ascontiguousarray(batch, dtype=np.int64))
        return RowGradient(rows.ravel(), values, share, self.l1, self.l2, loss)

    def suboptimality_bound(self, W, precision=1e-12):
        """Return a proven upper bound of ``scale (F(W) - min F)``, the duality gap."""
        return suboptimality(self, W, precision)

    def suboptimality_bound_at(self, position):
        """Return the same at a position, whose margins and gradient are at hand: one product at most."""
        return suboptimality_at(self, position)

    def smoothed(self, width):
        """The same objective with the kinks of its hinge smoothed over a width: at most its value, everywhere."""
        return LinearObjective(self.X, self.labels, self.weights, **{**self._model, "loss": self.loss.smoothed(width)})

    def dual_obstacle(self):
        """Return what keeps dual coordinate ascent from this problem, in words, or None."""
        if self.l1:
            return "L1 (l1_ratio > 0)"
        if not self.l2:
            return "no penalty (C=inf)"
        return self.loss.dual_obstacle

    @property
    def dual_shape(self):
        """The shape of the dual variables: rows of X and outputs."""
        return self.X.shape[0], self.shape[1]

    def ascent(self, shares=None, intercept=0):
        """The `LinearAscent` of this problem."""
        return LinearAscent(self, shares, intercept)

    def ascent_from(self, W):
        """Return an ascent from the dual point that the margins at W have; None without L2 or a step of the loss."""
        if not self.l2 or self.loss.dual_obstacle or self.total != float(self.weights.sum()):
            return None
        return LinearAscent(self, *dual_point(self, W))

    def ascents_of(self, ascents):
        """Return several ascents as `LinearAscents`."""
        return LinearAscents(ascents)

    def balanced(self, W):
        """A position at W, but for its intercepts, which are near the best for the other weights."""
        return LinearPosition(self, W, balanced=True)

    def curvatures_at(self, position):
        """Return the diagonal of the Hessian, ``l2 + sum_i omega_i p_ik (1 - p_ik) x_ij^2``, of a log-loss.

        Parameters
        ----------
        position : LinearPosition
            The probabilities p are those of its margins.

        Returns
        -------
        ndarray of shape `shape`, or None
            The intercept's row has no `l2`. None is for other losses.
        """
        if not self.loss.log_likelihood:
            return None
        X = self.X
        dense = isinstance(X, np.ndarray)
        squares = np.square(X) if dense else csr_of(np.square(X.data), X.indices, X.indptr, X.shape)
        Z, Q, U = position.scratch()
        self.native.loss(Z.ravel(), U.ravel())
        # the derivatives are weights times p, or times p - 1
        weights = (self.weights / self.total).astype(U.dtype)[:, None]
        np.abs(U, out=U)
        np.divide(U, weights, out=Q, where=weights > 0)
        np.multiply(U, 1 - Q, out=Q)
        table = np.empty(self.shape, self.dtype)
        LinearObjective(squares, self.labels, self.weights, **self._model).transposed_product(Q, table)
        table[: self.n_penalised] += self.l2
        return table

    def position(self, W):
        """A point that moves along lines at O(n_samples) a trial, its margins being kept."""
        return LinearPosition(self, W)
