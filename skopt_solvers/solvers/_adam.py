"""Adam and AdamW, each with the textbook step in numpy and the compiled rule over its arrays."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import _kernels
from .._base.aligned import aligned_zeros_like
from .._base.inherited_docs import with_texts_of
from ..schedules import ScheduleLike
from ._automatic_rate import growth, one_batch
from ._base import check_positive
from ._stochastic import StochasticSolver


@with_texts_of(StochasticSolver)
class Adam(StochasticSolver):
    r"""Step along the moving average of the gradient, divided by the root of that of its square.

    Both averages are corrected for their start at zero.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
        w \leftarrow w - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    with t the number of batches that have touched the row.

    Parameters
    ----------
    beta1 : float, default=0.9
        :math:`\beta_1` in [0, 1), how much of the moving average of the gradient a step keeps.
    beta2 : float, default=0.999
        :math:`\beta_2` in [0, 1), how much of the moving average of the squared gradient a step keeps.
    epsilon : float, default=1e-8
        :math:`\epsilon` > 0, which keeps the divisor of a weight from 0.
    amsgrad : bool, default=False
        True divides by the largest v so far and not by v, which takes one more table of state.
    learning_rate : float or "auto", default="auto"
        How far a step moves a weight, times the factor of the schedule. "auto" is ``0.1 sqrt(2 / mean |x|^2)``, and
        more where `C` is large and the weights have farther to go.
    schedule : Schedule, name or callable, default="auto"
        Gives the factor on the rate at each time. "auto" falls linearly to zero, where the fit ends: in 20 epochs or
        1,000 steps, whichever is longer, but within `max_iter`. In `partial_fit` it is ``1 / sqrt(1 + t)``.
    batch_size : int or "auto", default="auto"
        Samples a step. "auto" is 64, or less, but at least 8, where an epoch would otherwise have fewer than 50
        batches. A sample of a CRF is a sequence: "auto" is 16 of them, or more where they have fewer than 64 tokens,
        and up to 32 where an epoch keeps 100 batches.
    average, clip_norm, record :
        As in :class:`StochasticSolver`.

    References
    ----------
    Kingma & Ba (2015), algorithm 1; Reddi, Kale & Kumar (2018), algorithm 2 (AMSGrad).

    Examples
    --------
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.schedules import CosineDecay, Warmup
    >>> from skopt_solvers.solvers import Adam
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], [0, 1, 0, 1]
    >>> model = LogisticRegression(solver=Adam(0.1, schedule=Warmup(CosineDecay(), epochs=3)))
    >>> model.fit(X, y).predict(X).tolist(), model.n_iter_
    ([0, 1, 0, 1], 100)
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


@with_texts_of(Adam)
class AdamW(Adam):
    r"""Adam whose L2 is a decay of the weights, outside Adam's scaling.

    A step is one of :class:`Adam` on loss and L1, and then :math:`w \leftarrow w / (1 + \eta \lambda)`. This is the
    proximal form of :math:`w \leftarrow (1 - \eta \lambda) w`: it is equal to first order, and stable for every step.
    The fixed point is not the minimum of the penalised objective, because the decay is not scaled as the gradient is.

    Parameters
    ----------
    weight_decay : float or None, default=None
        :math:`\lambda`, the strength of the decay. None is the estimator's own L2, ``(1 - l1_ratio) / (C sum_i s_i)``;
        a number takes its place.
    epsilon : float, default=1e-3
        :math:`\epsilon` > 0, larger than Adam's. Sparse text has many weights with tiny gradients. There is no L2 in
        Adam's own scaling here, so with a small epsilon these weights would move as far as the others. On five text
        sets this value kept the test accuracy.
    beta1, beta2 :
        As in :class:`Adam`.
    amsgrad : bool, default=False
        True divides by the largest average of the squared gradient so far, which takes one more table of state.
    learning_rate : float or "auto", default="auto"
        How far a step moves a weight, times the factor of the schedule. "auto" is ``0.1 sqrt(2 / mean |x|^2)``,
        whatever `C` is.
    schedule, batch_size, average, clip_norm, record :
        As in :class:`Adam`.

    References
    ----------
    Loshchilov & Hutter (2019), algorithm 2; Zhuang et al. (2022), eq. 5 (the proximal form).

    Examples
    --------
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.solvers import AdamW
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], [0, 1, 0, 1]
    >>> LogisticRegression(solver=AdamW(weight_decay=0.01)).fit(X, y).predict(X).tolist()
    [0, 1, 0, 1]
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
