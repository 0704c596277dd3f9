"""FTRL-Proximal, the solver of online logistic regression, with exact zeros in a stream."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .. import _kernels
from .._base.aligned import aligned_zeros_like
from .._base.inherited_docs import with_texts_of
from ..schedules import ScheduleLike
from ._base import check_positive
from ._stochastic import StochasticSolver


@with_texts_of(StochasticSolver)
class FTRL(StochasticSolver):
    r"""Make AdaGrad's steps with the penalty of all batches so far (follow the regularised leader, proximally).

    .. math::
        n \leftarrow n + g^2, \qquad \sigma = \frac{\beta + \sqrt{n}}{\eta} - h, \qquad h \leftarrow h + \sigma, \qquad
        z \leftarrow z + g - \sigma w, \qquad
        w \leftarrow -\frac{\operatorname{sign}(z) \max(|z| - \Lambda_1, 0)}{h + \Lambda_2}

    A weight is 0 until the gradients of all batches so far outweigh the L1 of all batches so far. So a stream gives
    exact zeros that stay. With other solvers one batch sets a weight to 0 and the next batch may bring it back.

    Parameters
    ----------
    beta : float, default=1e-5
        :math:`\beta` > 0, which keeps the divisor of a weight from 0. It has the unit of a batch's mean gradient. The
        paper's is 1, for one sample of binary features.
    l1 : float or None, default=None
        A number is :math:`\Lambda_1`, the same for the whole stream, as :math:`\lambda_1` of algorithm 1, in the place
        of the estimator's L1; a batch is a round. None is the estimator's own L1, once for each batch: its strength
        times the sum of the row's shares (:class:`~skopt_solvers.objectives.RowGradient`). With None for `l1` and `l2`
        the weights tend to the minimum of the estimator's objective.
    l2 : float or None, default=None
        A number is :math:`\Lambda_2`, the same for the whole stream, as :math:`\lambda_2` of algorithm 1, in the place
        of the estimator's L2. None is the estimator's own L2, once for each batch, as with `l1`.
    learning_rate : float or "auto", default="auto"
        How far the first step on a weight goes, times the factor of the schedule: :math:`\alpha` of the paper. "auto"
        is ``sqrt(2 / mean |x|^2)``, whatever `C` is.
    schedule : Schedule, name or callable, default="auto"
        Gives the factor on the rate at each time. "auto" falls linearly to zero, where the fit ends: in 20 epochs or
        1,000 steps, whichever is longer, but within `max_iter`. In `partial_fit` it is ``1 / sqrt(1 + t)``.
    batch_size : int or "auto", default="auto"
        Samples a step. "auto" is 64, or less, but at least 8, where an epoch would otherwise have fewer than 50
        batches. A sample of a CRF is a sequence: "auto" is 16 of them, or more where they have fewer than 64 tokens.
    average, clip_norm, record :
        As in :class:`StochasticSolver`.

    Notes
    -----
    With a constant rate this is algorithm 1, weight by weight. With a schedule :math:`\eta` is the present rate, and
    :math:`\sigma` changes h to what the present rate asks, so that without a penalty a step is
    :math:`w \leftarrow w - \eta g / (\beta + \sqrt{n})` under every schedule. A batch at the rate 0 is left out.

    A fit may start from weights that are not 0. They are then the centre of the term of :math:`\beta`, and z is such
    that the closed form gives them back: :math:`z = -(h + \Lambda_2) w - \Lambda_1 \operatorname{sign}(w)`.

    The state has :math:`z + h w` in the place of z, which is minus the derivative of the penalty so far wherever w is
    not 0. From it w follows as ``RowGradient.proximal_step``, without the rates of earlier batches.

    References
    ----------
    McMahan et al. (2013), algorithm 1; McMahan (2011) and (2017), section 3, the penalty of each round.

    Examples
    --------
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.solvers import FTRL
    >>> X, y = [[0.0, 1.0, 0.1], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [2.0, 0.0, 0.1]], [0, 1, 0, 1]
    >>> model = LogisticRegression(solver=FTRL(l1=0.2))
    >>> for _ in range(50):
    ...     model = model.partial_fit(X, y, classes=[0, 1])
    >>> (model.coef_ == 0).tolist()
    [[False, False, True]]
    """

    def __init__(
        self,
        learning_rate: float | str = "auto",
        beta: float = 1e-5,
        l1: float | None = None,
        l2: float | None = None,
        *,
        schedule: ScheduleLike = "auto",
        batch_size: int | str = "auto",
        average: bool | float = False,
        clip_norm: float | None = None,
        record: str = "epoch",
    ) -> None:
        super().__init__(learning_rate, schedule, batch_size, average, clip_norm, record)
        self.beta = beta
        self.l1 = l1
        self.l2 = l2

    @property
    def minimises_objective(self) -> bool:
        """True where the penalty is the estimator's."""
        return self.l1 is None and self.l2 is None

    def check(self, objective: Any) -> None:
        super().check(objective)
        check_positive(self, "beta")
        check_positive(self, "l1", "l2", closed=True, optional=True)

    def init(self, W: np.ndarray) -> dict[str, np.ndarray]:
        return {"z": aligned_zeros_like(W), "n": aligned_zeros_like(W), "shares": np.zeros(len(W))}

    def update(self, W: np.ndarray, gradient: Any, state: dict[str, np.ndarray], lr: float) -> None:
        if W.dtype.type(lr) == 0:
            return
        rows, z, n, shares = gradient.rows, state["z"], state["n"], state["shares"]
        w, before = W[rows], shares[rows, None]
        after = before + gradient.share
        l1, l2 = self._strengths(after, gradient.l1, gradient.l2, W.dtype)
        n[rows] += gradient.values**2
        slope = z[rows] + gradient.values - (before == 0) * self._own_slope(w, after)
        step = lr / (self.beta + np.sqrt(n[rows]))
        gradient.share, gradient.l1, gradient.l2 = 1.0, l1, l2
        W[rows] = gradient.proximal_step(w, slope, step)
        w_next, is_zero = W[rows], W[rows] == 0
        at_zero = np.clip(slope - np.where(is_zero, w, 0) / step, -l1, l1)
        z[rows] = np.where(is_zero, at_zero, -l2 * w_next - l1 * np.sign(w_next))
        shares[rows] = after[:, 0]

    def _strengths(self, shares, l1, l2, dtype):
        """Return the two Lambdas of each row."""
        own = (self.l1, l1), (self.l2, l2)
        return ((shares * theirs if mine is None else (shares > 0) * mine).astype(dtype) for mine, theirs in own)

    def _own_slope(self, w, shares):
        """Return the derivative of the part of the penalty that a row has from its first batch on."""
        return (shares > 0) * ((self.l2 or 0.0) * w + (self.l1 or 0.0) * np.sign(w))

    def native(self, state: dict[str, np.ndarray], dtype: DTypeLike) -> Any:
        own = (-1.0 if value is None else float(value) for value in (self.l1, self.l2))
        tables = state["z"].ravel(), state["n"].ravel(), state["shares"]
        return _kernels.rule("FTRL", dtype)(*tables, self.beta, *own)

    @property
    def shares_epochs(self) -> bool:
        """False: what a row has seen of the penalty counts for one model."""
        return False

    def automatic_rate(self, objective: Any) -> float:
        return 1.0 * objective.margin_step()
