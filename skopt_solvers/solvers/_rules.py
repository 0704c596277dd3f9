"""The stochastic solvers of the package, each with the textbook step in numpy and the compiled rule over its arrays."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import _kernels
from .._base.aligned import aligned_zeros_like
from ..schedules import Schedule, ScheduleLike
from ._automatic_rate import MomentumRate, growth, one_batch, warmed
from ._base import check_positive
from ._stochastic import StochasticSolver


class Momentum(StochasticSolver):
    r"""Stochastic gradient descent with heavy-ball or Nesterov momentum.

    .. math:: v \leftarrow \mu v - \eta g, \qquad w \leftarrow w + v
       \quad \text{or, with Nesterov,} \quad w \leftarrow w + \mu v - \eta g

    The velocity v is the last move of the iterate, the penalty's proximal step included.

    Parameters
    ----------
    momentum : float, default=0.9
        :math:`\mu` in [0, 1); 0 is plain stochastic gradient descent.
    nesterov : bool, default=False
    learning_rate, schedule, batch_size, average, clip_norm, record :
        See :class:`StochasticSolver`.

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


class AdaGrad(StochasticSolver):
    r"""Divide each weight's step by the root of the sum of its squared gradients.

    .. math:: s \leftarrow s + g^2, \qquad w \leftarrow w - \eta\, g / (\sqrt{s} + \epsilon)

    Parameters
    ----------
    epsilon : float, default=1e-10
    learning_rate, schedule, batch_size, average, clip_norm, record :
        See :class:`StochasticSolver`.

    References
    ----------
    Duchi, Hazan & Singer (2011), figure 1, composite mirror descent.
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


class RMSProp(StochasticSolver):
    r"""AdaGrad with a moving average in the place of the sum.

    .. math:: s \leftarrow \rho s + (1 - \rho) g^2, \qquad w \leftarrow w - \eta\, g / (\sqrt{s} + \epsilon)

    Centered: :math:`s - \bar g^2` in the place of s, with :math:`\bar g` the moving average of g.

    Parameters
    ----------
    rho : float, default=0.99
        In [0, 1).
    centered : bool, default=False
    epsilon : float, default=1e-8
    learning_rate, schedule, batch_size, average, clip_norm, record :
        See :class:`StochasticSolver`.

    References
    ----------
    Hinton (2012), lecture 6e; Graves (2013), eq. 38-45 (centered).
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


class Adam(StochasticSolver):
    r"""Moving averages of gradient and squared gradient, corrected for their start at zero.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
        w \leftarrow w - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    with t the number of batches that have touched the row.

    Parameters
    ----------
    beta1, beta2 : float, default=0.9 and 0.999
        In [0, 1).
    epsilon : float, default=1e-8
    amsgrad : bool, default=False
        The largest v so far in the place of v.
    learning_rate, schedule, batch_size, average, clip_norm, record :
        See :class:`StochasticSolver`.

    References
    ----------
    Kingma & Ba (2015), algorithm 1; Reddi, Kale & Kumar (2018), algorithm 2 (AMSGrad).
    """

    _rule = "Adam"
    _largest_batch = 32  # as RMSProp's

    def __init__(
        self,
        learning_rate: float | str = "auto",
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        amsgrad: bool = False,
        *,
        schedule: ScheduleLike = "auto",
        batch_size: int | str = "auto",
        average: bool | float = False,
        clip_norm: float | None = None,
        record: str = "epoch",
    ) -> None:
        super().__init__(learning_rate, schedule, batch_size, average, clip_norm, record)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.amsgrad = amsgrad

    def check(self, objective: Any) -> None:
        super().check(objective)
        check_positive(self, "beta1", "beta2", high=1.0, closed=True)
        check_positive(self, "epsilon")

    def init(self, W: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "m": aligned_zeros_like(W),
            "v": aligned_zeros_like(W),
            "v_max": aligned_zeros_like(W if self.amsgrad else W[:0]),
            "t": np.zeros(len(W), np.int64),
        }

    def update(self, W: np.ndarray, gradient: Any, state: dict[str, np.ndarray], lr: float) -> None:
        direction, step = self._direction(W, gradient, state, lr)
        W[gradient.rows] = gradient.proximal_step(W[gradient.rows], direction, step)

    def _direction(
        self, W: np.ndarray, gradient: Any, state: dict[str, np.ndarray], lr: float
    ) -> tuple[np.ndarray, np.ndarray]:
        rows, g, m, v = gradient.rows, gradient.values, state["m"], state["v"]
        state["t"][rows] += 1
        t = state["t"][rows, None]
        m[rows] = self.beta1 * m[rows] + (1 - self.beta1) * g
        v[rows] = self.beta2 * v[rows] + (1 - self.beta2) * g**2
        second = v[rows]
        if self.amsgrad:
            second = state["v_max"][rows] = np.maximum(state["v_max"][rows], second)
        bias1, bias2 = ((1 / (1 - beta**t)).astype(W.dtype) for beta in (self.beta1, self.beta2))
        return m[rows] * bias1, lr / (np.sqrt(second * bias2) + self.epsilon)

    def native(self, state: dict[str, np.ndarray], dtype: DTypeLike) -> Any:
        tables = (state[name].ravel() for name in ("m", "v", "v_max"))
        return _kernels.rule(self._rule, dtype)(*tables, state["t"], self.beta1, self.beta2, self.epsilon)

    def automatic_rate(self, objective: Any) -> float:
        factor = 1.0 if one_batch(self, objective) else growth(objective, 1.0, 2.0, most=120.0)
        return 0.1 * factor * objective.margin_step()

    def automatic_stream_rate(self, objective: Any) -> float:
        return 0.1 * growth(objective, 1.0, 1.0, most=120.0) * objective.margin_step()


class AdamW(Adam):
    r"""Adam whose L2 is a decay of the weights, outside Adam's scaling.

    A step of :class:`Adam` on loss and L1, then :math:`w \leftarrow w / (1 + \eta \lambda)`: the proximal form of
    :math:`w \leftarrow (1 - \eta \lambda) w`, equal to first order and stable for every step. The fixed point is
    not the minimum of the penalised objective, because the decay is not scaled as the gradient is.

    Parameters
    ----------
    weight_decay : float or None, default=None
        :math:`\lambda`. None is the estimator's own L2, ``(1 - l1_ratio) / (C sum_i s_i)``; a number takes its place.
    epsilon : float, default=1e-3
        Larger than Adam's. Without an L2 in Adam's own scaling a weight whose gradients are tiny would move as far as
        any other, and a sparse text has many of these; measured on five text sets, this keeps their test accuracy.
    beta1, beta2, amsgrad :
        See :class:`Adam`.
    learning_rate, schedule, batch_size, average, clip_norm, record :
        See :class:`StochasticSolver`.

    References
    ----------
    Loshchilov & Hutter (2019), algorithm 2; Zhuang et al. (2022), eq. 5 (the proximal form).
    """

    _rule = "AdamW"
    minimises_objective = False

    def __init__(
        self,
        learning_rate: float | str = "auto",
        weight_decay: float | None = None,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-3,
        amsgrad: bool = False,
        *,
        schedule: ScheduleLike = "auto",
        batch_size: int | str = "auto",
        average: bool | float = False,
        clip_norm: float | None = None,
        record: str = "epoch",
    ) -> None:
        super().__init__(
            learning_rate, beta1, beta2, epsilon, amsgrad, schedule=schedule, batch_size=batch_size, average=average,
            clip_norm=clip_norm, record=record,
        )  # fmt: skip
        self.weight_decay = weight_decay

    def check(self, objective: Any) -> None:
        super().check(objective)
        check_positive(self, "weight_decay", closed=True, optional=True)

    def update(self, W: np.ndarray, gradient: Any, state: dict[str, np.ndarray], lr: float) -> None:
        decay = gradient.l2 if self.weight_decay is None else self.weight_decay
        direction, step = self._direction(W, gradient, state, lr)
        rows, gradient.l2 = gradient.rows, 0.0
        W[rows] = gradient.proximal_step(W[rows], direction, step) / (1 + lr * decay * gradient.share)

    def automatic_rate(self, objective: Any) -> float:
        # its fixed point is not the objective's minimum, which a larger rate would be nearer to
        return 0.1 * objective.margin_step()

    def automatic_stream_rate(self, objective: Any) -> float:
        return self.automatic_rate(objective)

    def native(self, state: dict[str, np.ndarray], dtype: DTypeLike) -> Any:
        rule = super().native(state, dtype)
        rule.weight_decay = -1.0 if self.weight_decay is None else float(self.weight_decay)
        return rule
