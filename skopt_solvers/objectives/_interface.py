"""The interface of an objective: all that a solver and an estimator may ask of it.

A solver minimises a function F of one table W. Every objective is an :class:`Objective`: it states facts about F and
evaluates F over all samples, which is enough for L-BFGS. Those whose samples are at hand are a
:class:`SampledObjective` too, which stochastic solvers step on, and those with a dual are a :class:`DualObjective`.
What an objective may lack it declares: `has_samples`, `has_newton`, `has_adagrad_epochs`, `has_curvature_block`,
`can_observe` and `dual_obstacle()`, whose defaults in :class:`ObjectiveDefaults` say that it is not there. Facts only:
which method is worth its time is decided by the solvers (``solvers/_newton.py``, ``solvers/_starts.py``).

Units: inside, the objective of the estimator is divided by `scale`, so that F is a mean loss and its penalty. Sizes
that end in `bytes` are in bytes.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ._interface_points import Ascent, Ascents, Planes, Position
from ._row_gradient import RowGradient

Shuffle = Callable[[np.ndarray, int], np.ndarray]


class Objective(Protocol):
    r"""A smooth part, loss and L2, and an L1 penalty of one table of weights.

    .. math:: F(W) = L(W) + \frac{l_2}{2} \|W_{:n}\|^2 + l_1 \|W_{:n}\|_1, \qquad n = n_{\mathrm{penalised}}
    """

    # The problem

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of W, (n_rows, n_outputs)."""

    @property
    def dtype(self) -> np.dtype:
        """The type of W and of all that is computed: float32 or float64."""

    @property
    def n_penalised(self) -> int:
        """The number of leading rows of W that the penalty is on."""

    @property
    def coefficients(self) -> tuple[int, int]:
        """Features and outputs: the shape of the part of the table that `coef_` shows."""

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The (feature, output) pairs that have a weight, as (first, output); None where all have."""

    @property
    def n_samples(self) -> int:
        """The number of samples of positive weight."""

    @property
    def n_threads(self) -> int:
        """The number of threads that a pass may use."""

    @property
    def scale(self) -> float:
        """The objective of the estimator over F, ``C sum_i s_i``."""

    @property
    def l1(self) -> float:
        """The strength of L1 in F; 0 without."""

    @property
    def l2(self) -> float:
        """The strength of L2 in F; 0 without."""

    # Facts about the loss

    @property
    def convex(self) -> bool:
        """True where F is convex, so that a gap proves how far W is from the optimum. Default True."""

    @property
    def smooth(self) -> bool:
        """True where the loss has a gradient everywhere."""

    @property
    def smooth_losses(self) -> str:
        """The losses of the same estimator that have a gradient everywhere, in words for a message; "" if all have."""

    @property
    def kinked_gradient(self) -> bool:
        """True where the gradient of the loss has kinks, as the hinges' have. Default False."""

    @property
    def curvature(self) -> float:
        """A bound on the second derivative of a sample's loss in its scores; 1 where the loss has kinks."""

    @property
    def joint(self) -> bool:
        """True where the loss compares a sample's outputs: adding a constant to all is no change. Default False."""

    @property
    def separable(self) -> bool:
        """True for a :class:`SeparableObjective`. Default False."""

    @property
    def structured(self) -> bool:
        """True where a sample is a structure of labels that costs more than its products with W. Default False."""

    # When L-BFGS may end

    @property
    def gradient_unit(self) -> float:
        """The factor on the gradient of F that makes it comparable with `tol`. Default 1."""

    @property
    def decrease_window(self) -> int:
        """The number of iterations in which a decrease of F below `tol` of itself is an end; default 0, it is none."""

    # Passes over all samples

    def value(self, W: np.ndarray) -> float:
        """Return F(W), for W of shape `shape`."""

    def value_and_gradient(self, W: np.ndarray) -> tuple[float, np.ndarray]:
        """Return F(W) and the gradient of its smooth part, of the shape of W."""

    def position(self, W: np.ndarray) -> Position:
        """Return a point at a copy of W that moves along lines."""

    def squared_norms(self) -> np.ndarray:
        """Return the mean square of each row of the table over the samples, float64 of shape (n_rows,).

        Times `curvature` and plus `l2` it bounds the diagonal of the Hessian.
        """

    def untouched(self) -> np.ndarray:
        """Return the rows of the features that no sample has, int64; with a penalty their optimum is 0."""

    def suboptimality_bound(self, W: np.ndarray, precision: float = ...) -> float:
        """Return a proven upper bound of ``scale (F(W) - min F)``; infinite where there is none, the default."""

    def suboptimality_bound_at(self, position: Position) -> float:
        """Return the same of a position's W, by what is known there; its trial along a line is lost."""

    def smoothed(self, width: float) -> "Objective":
        """Return an objective that is nowhere above this one, whose loss has its kinks smoothed over a width."""

    def ascent_from(self, W: np.ndarray) -> Ascent | None:
        """Return an ascent of the dual from the point that the margins at W have; None, the default, without a dual."""

    def planes(self) -> Planes | None:
        """Return what bounds min F by the gradients at several positions; None, the default, where they do not."""

    # Bytes

    @property
    def table_bytes(self) -> int:
        """Bytes of one table of weights."""

    @property
    def margin_bytes(self) -> int:
        """Bytes of the scores of all samples; 0 where these are not held together."""

    @property
    def position_bytes(self) -> int:
        """Bytes of a position besides W and its gradient."""

    @property
    def pass_bytes(self) -> int:
        """Bytes that the kernels take while they pass over all samples."""

    @property
    def bound_bytes(self) -> int:
        """Bytes of the tables that `suboptimality_bound` makes."""

    @property
    def narrowed_bytes(self) -> int:
        """Bytes of X with a part of its features at most; 0, the default, where there is no such copy."""

    def resized(self, n_features: int | None = None, dtype: Any = None) -> "Objective":
        """Return a copy that knows the bytes with so many features, or in another type, and can do no more."""

    # Capabilities

    @property
    def has_samples(self) -> bool:
        """True for a :class:`SampledObjective`. Default False."""

    def dual_obstacle(self) -> str | None:
        """Return what keeps dual coordinate ascent from this problem, in words; None for a :class:`DualObjective`."""

    @property
    def has_newton(self) -> bool:
        """True where `position` gives a :class:`NewtonPosition`. Default False."""

    @property
    def has_adagrad_epochs(self) -> bool:
        """True for a :class:`WarmedObjective`. Default False."""

    @property
    def has_curvature_block(self) -> bool:
        """True for a :class:`BlockObjective`. Default False."""

    @property
    def can_observe(self) -> bool:
        """True where the table may have the pairs that occur alone (:class:`ObservableObjective`). Default False."""


class SampledObjective(Objective, Protocol):
    """An objective whose samples can be visited one after another."""

    @property
    def samples(self) -> np.ndarray:
        """The indices of the samples of positive weight, int64 of shape (n_samples,)."""

    @property
    def runs(self) -> Sequence[np.ndarray]:
        """The samples as they lie together on disk; one run where X is in memory."""

    @property
    def tokens_per_sample(self) -> float:
        """The mean number of losses in a sample: of tokens in a sequence. Default 1."""

    @property
    def native(self) -> Any:
        """The compiled objective that runs epochs of a compiled rule; None where `gradient` is all there is."""

    def order(self, shuffle: Shuffle) -> np.ndarray:
        """Return the samples in a random order, int64 of shape (n_samples,).

        ``shuffle(samples, number)`` permutes those of block `number`.
        """

    def blocks(self, shuffle: Shuffle) -> list[np.ndarray]:
        """Return the samples in blocks to be visited one after another, of runs that `shuffle` draws."""

    def gradient(self, W: np.ndarray, batch: np.ndarray) -> RowGradient:
        """Return the gradient of the mean loss of the samples `batch`, on the rows that they touch."""

    def counts(self) -> np.ndarray:
        """Return the number of samples that touch each row of the table, float64 of shape (n_rows,)."""

    def count_as(self, counts: np.ndarray, n_samples: float) -> None:
        """Share a row's penalty by its count so far in a stream of `n_samples`."""

    def mean_square(self) -> float:
        """Return the mean over the samples (tokens) of ``|x|^2``, what has no feature counted as 1."""

    def strength(self) -> float:
        """Return ``C mean(s_i) mean |x|^2``: what the samples weigh against the penalty; infinite without one."""

    def margin_step(self) -> float:
        """Return how far a weight moves to change a score by about 1: the unit of the adaptive learning rates."""


class DualObjective(SampledObjective, Protocol):
    """An objective whose dual can be ascended, one sample at a time; its `dual_obstacle()` is None."""

    @property
    def dual_shape(self) -> tuple[int, int]:
        """The shape of the dual variables: rows of X, those of weight 0 included, and outputs."""

    def value_at_zero(self) -> float:
        """Return F(0), without a pass over X."""

    def ascent(self, shares: np.ndarray | None = None, intercept: Any = 0) -> Ascent:
        """Return a point of the dual: that of `shares` and `intercept`, which `Ascent` gave, or 0."""

    def balanced(self, W: np.ndarray) -> Position:
        """Return a position at W with better intercepts, those that the loss has at the other weights of W."""

    def curvatures_at(self, position: Position) -> np.ndarray | None:
        """Return the diagonal of the Hessian at a position, of the shape of W; None where the loss is no log-loss.

        It takes a copy of the values of X, and the position's trial along a line is lost.
        """

    def ascents_of(self, ascents: Sequence[Ascent]) -> Ascents:
        """Return several ascents, of objectives that differ in C alone, as one whose epochs they share."""


class NarrowedObjective(Objective, Protocol):
    """An objective that can leave out features; its `narrowed_bytes` is not 0."""

    def of_features(self, features: np.ndarray) -> "Objective":
        """Return the same problem with some of the features alone."""


class NewtonObjective(Objective, Protocol):
    """An objective whose positions know Newton's direction; its `has_newton` is True."""

    def products(self) -> tuple[float, float]:
        """Return the products of each two entries of a row of X, summed over the rows, and the number of entries."""


class SeparableObjective(DualObjective, Protocol):
    """An objective that is the sum of problems of one output each; its `separable` is True."""

    def of_output(self, k: int) -> "SampledObjective":
        """Return the problem of output k, of the same `scale`."""


class SharedObjective(SampledObjective, Protocol):
    """An objective of which the fits of several models can make their epochs together."""

    @property
    def facts(self) -> dict[str, Any]:
        """The results that belong to the data; another objective of the same data may be given them."""

    def of_models(self, n_models: int) -> "SharedObjective":
        """Return the objective of several models side by side, without their penalties."""

    def margins(self, W: np.ndarray) -> np.ndarray:
        """Return the outputs of all samples at a table W."""

    def value_at(self, Z: np.ndarray, W: np.ndarray) -> float:
        """Return F(W), where Z are the outputs of all samples."""


class WarmedObjective(SampledObjective, Protocol):
    """An objective with compiled epochs of AdaGrad; its `has_adagrad_epochs` is True."""

    @property
    def adagrad_bytes(self) -> int:
        """Bytes that stay with the objective after `adagrad_epochs`."""

    def adagrad_epochs(
        self, W: np.ndarray, orders: np.ndarray, rates: Sequence[float], batch_size: int, epsilon: float
    ) -> list[float]:
        """Run an epoch from W, in place, for each order (n_epochs, n_samples) and rate; return the mean losses.

        A loss that is not finite is the last, and then W is of no use.
        """


class BlockObjective(SampledObjective, Protocol):
    """An objective that estimates a block of its Hessian; its `has_curvature_block` is True."""

    @property
    def pass_work(self) -> float:
        """About how many multiply-adds a pass takes."""

    def curvature_block(self, W: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return an estimate of the Hessian of the loss at W on the entries of the table with the most curvature.

        The entries, `size` at most, index the table as a vector and increase; the lower triangle of the matrix is
        given, and what one unit of each entry's feature weighs in F.
        """


class ObservableObjective(Objective, Protocol):
    """An objective whose table may have the pairs that occur alone; its `can_observe` is True."""

    @property
    def observed_bytes(self) -> int:
        """Bytes that it takes to find the pairs that occur."""

    def observed(self) -> Objective:
        """Return a copy that knows the bytes with the pairs that occur, and can do no more."""


class ChainTable(Protocol):
    """The table of a linear chain: what the CRF's estimator asks besides."""

    @property
    def allowed(self) -> np.ndarray:
        """The transitions that are possible, bool of shape (n_labels + 2, n_labels)."""

    def split(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return W as state weights (rows of features, or pairs), transitions (from, to), start and end weights."""

    def coef(self, state: np.ndarray) -> Any:
        """Return state weights as a matrix (labels, features), sparse where pairs are observed."""

    @property
    def conditions(self) -> Any:
        """The triples of a feature and two labels that have a weight, or None."""

    def triple_weights(self, W: np.ndarray) -> np.ndarray:
        """Return the weights of these triples in W."""

    def join(
        self,
        state: np.ndarray,
        transitions: np.ndarray,
        start: np.ndarray,
        end: np.ndarray,
        triples: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the table W of the parts that `split` and `triple_weights` give."""


class Parts(Protocol):
    """The parts of data that lie apart."""

    def total(self, method: str, *arguments: Any) -> Sequence[Any]:
        """Return the sum over the parts of the tuples that a method of each gives."""
