"""Momentum, AdaGrad and RMSProp, each with the textbook step in numpy and the compiled rule over its arrays."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import _kernels
from .._base.aligned import aligned_zeros_like
from .._base.inherited_docs import with_texts_of
from ..schedules import Schedule, ScheduleLike
from ._adam import Adam, AdamW
from ._automatic_rate import MomentumRate, growth, one_batch, warmed
from ._base import check_positive
from ._stochastic import StochasticSolver

__all__ = ["AdaGrad", "Adam", "AdamW", "Momentum", "RMSProp"]  # files of version 0.1.0 name all of them here


@with_texts_of(StochasticSolver)
class Momentum(StochasticSolver):
    r"""Stochastic gradient descent with heavy-ball or Nesterov momentum.

    .. math:: v \leftarrow \mu v - \eta g, \qquad w \leftarrow w + v
       \quad \text{or, with Nesterov,} \quad w \leftarrow w + \mu v - \eta g

    The velocity v is the last move of the iterate, with the proximal step of the penalty.

    Parameters
    ----------
    momentum : float, default=0.9
        :math:`\mu` in [0, 1), the share of the last move that a step makes again. 0 is plain stochastic gradient
        descent.
    nesterov : bool, default=False
        True takes the gradient ahead of the iterate, at ``w + momentum * v``, as Nesterov's method does.
    learning_rate : float or "auto", default="auto"
        The length of a step, times the factor of the schedule. "auto" is a part of the largest rate that is stable,
        from the curvature of the loss and the mean square of the rows; a larger `C` makes it larger.
    schedule : Schedule, name or callable, default="auto"
        Gives the factor on the rate at each time. "auto" rises to 1, unless `C` is small, and then falls linearly to
        zero, where the fit ends: in 20 epochs or 1,000 steps, whichever is longer, but within `max_iter`. In
        `partial_fit` it is ``1 / sqrt(1 + t)``.
    batch_size : int or "auto", default="auto"
        Samples a step. "auto" is 64, or less, but at least 8, where an epoch would otherwise have fewer than 50
        batches. A sample of a CRF is a sequence: "auto" is 16 of them, or more where they have fewer than 64 tokens.
    average, clip_norm, record :
        As in :class:`StochasticSolver`.

    References
    ----------
    Polyak (1964); Sutskever et al. (2013), eq. 1-4.

    Examples
    --------
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.solvers import Momentum
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], [0, 1, 0, 1]
    >>> LogisticRegression(solver=Momentum(nesterov=True)).fit(X, y).predict(X).tolist()
    [0, 1, 0, 1]
    """

    def __init__(
        self,
        learning_rate: float | str = "auto",
        momentum: float = 0.9,
        nesterov: bool = False,
        *,
        schedule: ScheduleLike = "auto",
        batch_size: int | str = "auto",
        average: bool | float = False,
        clip_norm: float | None = None,
        record: str = "epoch",
    ) -> None:
        super().__init__(learning_rate, schedule, batch_size, average, clip_norm, record)
        self.momentum = momentum
        self.nesterov = nesterov

    def check(self, objective: Any) -> None:
        super().check(objective)
        check_positive(self, "momentum", high=1.0, closed=True)

    def init(self, W: np.ndarray) -> dict[str, np.ndarray]:
        return {"v": aligned_zeros_like(W if self.momentum else W[:0])}

    def update(self, W: np.ndarray, gradient: Any, state: dict[str, np.ndarray], lr: float) -> None:
        rows, g, v, mu = gradient.rows, gradient.values, state["v"], self.momentum
        w = W[rows]
        if not mu:
            W[rows] = gradient.proximal_step(w, g, lr)
        elif self.nesterov:
            u = gradient.proximal_step(w, g, lr)
            v[rows] = u - (w - mu * v[rows])
            W[rows] = u + mu * v[rows]
        else:
            W[rows] = gradient.proximal_step(w + mu * v[rows], g, lr)
            v[rows] = W[rows] - w

    def native(self, state: dict[str, np.ndarray], dtype: DTypeLike) -> Any:
        return _kernels.rule("Momentum", dtype)(state["v"].ravel(), self.momentum, bool(self.nesterov))

    def automatic_rate(self, objective: Any) -> float:
        return self._rate(objective).grown()

    def automatic_stream_rate(self, objective: Any) -> float:
        return self._rate(objective).unit()  # the noise of a rate that does not fall to zero stays

    def _rate(self, objective):
        return MomentumRate(objective, self.effective_batch(objective), self.momentum, self.nesterov)

    def automatic_schedule(self, objective: Any, length: float) -> Schedule:
        return warmed(self, objective, length)


@with_texts_of(Momentum)
class AdaGrad(StochasticSolver):
    r"""Divide each weight's step by the root of the sum of its squared gradients.

    .. math:: s \leftarrow s + g^2, \qquad w \leftarrow w - \eta\, g / (\sqrt{s} + \epsilon)

    Parameters
    ----------
    epsilon : float, default=1e-10
        :math:`\epsilon` > 0, which keeps the divisor of a weight from 0.
    learning_rate : float or "auto", default="auto"
        How far the first step on a weight goes, times the factor of the schedule. "auto" is
        ``sqrt(2 / mean |x|^2)``, and more where `C` is large and the weights have farther to go.
    schedule, batch_size, average, clip_norm, record :
        As in :class:`Momentum`.

    References
    ----------
    Duchi, Hazan & Singer (2011), figure 1, composite mirror descent.

    Examples
    --------
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.solvers import AdaGrad
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], [0, 1, 0, 1]
    >>> LogisticRegression(solver=AdaGrad(schedule="cosine")).fit(X, y).predict(X).tolist()
    [0, 1, 0, 1]
    """

    def __init__(
        self,
        learning_rate: float | str = "auto",
        epsilon: float = 1e-10,
        *,
        schedule: ScheduleLike = "auto",
        batch_size: int | str = "auto",
        average: bool | float = False,
        clip_norm: float | None = None,
        record: str = "epoch",
    ) -> None:
        super().__init__(learning_rate, schedule, batch_size, average, clip_norm, record)
        self.epsilon = epsilon

    def check(self, objective: Any) -> None:
        super().check(objective)
        check_positive(self, "epsilon")

    def init(self, W: np.ndarray) -> dict[str, np.ndarray]:
        return {"s": aligned_zeros_like(W)}

    def update(self, W: np.ndarray, gradient: Any, state: dict[str, np.ndarray], lr: float) -> None:
        rows, g, s = gradient.rows, gradient.values, state["s"]
        s[rows] += g**2
        W[rows] = gradient.proximal_step(W[rows], g, lr / (np.sqrt(s[rows]) + self.epsilon))

    def native(self, state: dict[str, np.ndarray], dtype: DTypeLike) -> Any:
        return _kernels.rule("AdaGrad", dtype)(state["s"].ravel(), self.epsilon)

    def automatic_rate(self, objective: Any) -> float:
        return (1.0 if one_batch(self, objective) else growth(objective, 1.6, 5.0)) * objective.margin_step()

    def automatic_stream_rate(self, objective: Any) -> float:
        return growth(objective, 0.8, 2.5) * objective.margin_step()  # there is no warmup

    def automatic_schedule(self, objective: Any, length: float) -> Schedule:
        return warmed(self, objective, length)


@with_texts_of(Momentum, StochasticSolver)
class RMSProp(StochasticSolver):
    r"""Divide each weight's step by the root of the moving average of its squared gradients.

    .. math:: s \leftarrow \rho s + (1 - \rho) g^2, \qquad w \leftarrow w - \eta\, g / (\sqrt{s} + \epsilon)

    If it is centered, :math:`s - \bar g^2` replaces s, where :math:`\bar g` is the moving average of g.

    Parameters
    ----------
    rho : float, default=0.99
        :math:`\rho` in [0, 1), how much of the moving average a step keeps.
    centered : bool, default=False
        True divides by the root of the variance of the gradients, which takes one more table of state.
    epsilon : float, default=1e-8
        :math:`\epsilon` > 0, which keeps the divisor of a weight from 0.
    learning_rate : float or "auto", default="auto"
        How far a step moves a weight, times the factor of the schedule. "auto" is ``0.1 sqrt(2 / mean |x|^2)``, and
        more where `C` is large and the weights have farther to go.
    schedule :
        As in :class:`Momentum`.
    batch_size : int or "auto", default="auto"
        Samples a step. "auto" is 64, or less, but at least 8, where an epoch would otherwise have fewer than 50
        batches. A sample of a CRF is a sequence: "auto" is 16 of them, or more where they have fewer than 64 tokens,
        and up to 32 where an epoch keeps 100 batches.
    average, clip_norm, record :
        As in :class:`StochasticSolver`.

    References
    ----------
    Hinton (2012), lecture 6e; Graves (2013), eq. 38-45 (centered).

    Examples
    --------
    >>> from skopt_solvers import LinearSVC
    >>> from skopt_solvers.solvers import RMSProp
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], [0, 1, 0, 1]
    >>> LinearSVC(solver=RMSProp(centered=True)).fit(X, y).predict(X).tolist()
    [0, 1, 0, 1]
    """

    _largest_batch = 32  # weights that all sentences share have steps that do not shrink: fewer and quieter ones

    def __init__(
        self,
        learning_rate: float | str = "auto",
        rho: float = 0.99,
        centered: bool = False,
        epsilon: float = 1e-8,
        *,
        schedule: ScheduleLike = "auto",
        batch_size: int | str = "auto",
        average: bool | float = False,
        clip_norm: float | None = None,
        record: str = "epoch",
    ) -> None:
        super().__init__(learning_rate, schedule, batch_size, average, clip_norm, record)
        self.rho = rho
        self.centered = centered
        self.epsilon = epsilon

    def check(self, objective: Any) -> None:
        super().check(objective)
        check_positive(self, "rho", high=1.0, closed=True)
        check_positive(self, "epsilon")

    def init(self, W: np.ndarray) -> dict[str, np.ndarray]:
        return {"s": aligned_zeros_like(W), "mean": aligned_zeros_like(W if self.centered else W[:0])}

    def update(self, W: np.ndarray, gradient: Any, state: dict[str, np.ndarray], lr: float) -> None:
        rows, g, s, mean = gradient.rows, gradient.values, state["s"], state["mean"]
        s[rows] = self.rho * s[rows] + (1 - self.rho) * g**2
        variance = s[rows]
        if self.centered:
            mean[rows] = self.rho * mean[rows] + (1 - self.rho) * g
            variance = np.maximum(variance - mean[rows] ** 2, 0)
        W[rows] = gradient.proximal_step(W[rows], g, lr / (np.sqrt(variance) + self.epsilon))

    def native(self, state: dict[str, np.ndarray], dtype: DTypeLike) -> Any:
        return _kernels.rule("RMSProp", dtype)(state["s"].ravel(), state["mean"].ravel(), self.rho, self.epsilon)

    def automatic_rate(self, objective: Any) -> float:
        return 0.1 * objective.margin_step() if one_batch(self, objective) else self.automatic_stream_rate(objective)

    def automatic_stream_rate(self, objective: Any) -> float:
        return 0.1 * growth(objective, 0.75, 1.0, falls=False) * objective.margin_step()

    def automatic_schedule(self, objective: Any, length: float) -> Schedule:
        return warmed(self, objective, length)
