"""The gradient of a minibatch, which an objective gives to a stochastic solver."""

from dataclasses import dataclass

import numpy as np


@dataclass
class RowGradient:
    """The gradient of a minibatch, on the rows of the table that it touches.

    Attributes
    ----------
    rows : ndarray of shape (n_touched,), int64
        The touched rows of `W`, each once. A row is touched where a sample of the batch has a non-zero, however it is
        stored; the intercept is always touched.
    values : ndarray of shape (n_touched, n_outputs)
        The gradient of the mean loss of the batch, without the penalty.
    share : ndarray of shape (n_touched, 1)
        The part of each row's penalty that this batch carries: ``(n / |B|) (c_j(B) / c_j)`` with ``c_j`` the number
        of samples that touch row j and ``c_j(B)`` those in the batch. Over the batches of an epoch, weighted
        by their sizes, it averages to 1, so that the penalty is neither forgotten on rare rows nor computed on all.
        In a stream n and ``c_j`` are those so far.
    l1, l2 : float
        The strengths of the penalty ``l2/2 w^2 + l1 |w|``.
    loss : float
        Mean loss of the batch.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt_solvers.objectives import RowGradient
    >>> values, share = np.array([[2.0], [0.1]]), np.ones((2, 1))
    >>> gradient = RowGradient(np.array([0, 3]), values, share, l1=0.5, l2=0.0, loss=0.7)
    >>> gradient.proximal_step(np.zeros((2, 1)), gradient.values, step=1.0).ravel().tolist()
    [-1.5, 0.0]
    """

    rows: np.ndarray
    values: np.ndarray
    share: np.ndarray
    l1: float
    l2: float
    loss: float

    def proximal_step(self, w, direction, step):
        """A step along ``-direction`` that also takes this batch's share of the penalty, exactly.

        ``argmin_u direction u + (u - w)^2 / (2 step) + share (l2/2 u^2 + l1 |u|)``, entry by entry: the proximal
        gradient step in the diagonal metric ``1 / step`` (Duchi, Hazan & Singer 2011, eq. 4). It is stable for every
        step, and L1 gives exact zeros.

        Parameters
        ----------
        w, direction : ndarray of shape (n_touched, n_outputs)
        step : float or ndarray of that shape
            Learning rate, divided by the solver's own scaling where it has one.

        Returns
        -------
        ndarray of shape (n_touched, n_outputs)
        """
        u = w - step * direction
        threshold = step * self.share * self.l1
        return (u - np.clip(u, -threshold, threshold)) / (1 + step * self.share * self.l2)
