"""The losses of linear models as values: what Python code asks of a loss besides its compiled formula."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Facts of a convex loss whose infimum is 0.

    The formula of the loss, and the step of its dual where it has one, are compiled. The values are in `LOG_LOSSES`,
    those of :class:`~skopt_solvers.LogisticRegression` by the name of its `multi_class`, and in `SVC_LOSSES`, those of
    :class:`~skopt_solvers.LinearSVC` by the names of its `loss` and its `multi_class`.

    Parameters
    ----------
    struct : str
        The name of the formula in ``losses.hpp`` and of the dual step in ``dual_steps.hpp``.
    gamma : float
        The width over which the struct smooths its kinks.
    squared : bool
        Tells that the struct squares the loss.
    bound, bound_per_output : float
        Numbers a and b such that no eigenvalue of the second derivative is above ``a + b n_outputs``; both are 0 where
        the gradient jumps.
    joint : bool
        Tells that the loss compares the outputs of a sample, so that a constant added to all of them changes nothing.
    kinked_gradient : bool
        Tells that the gradient has kinks or jumps, as that of every hinge has.
    log_likelihood : bool
        Tells that the loss is the negative logarithm of the label's probability.
    dual_obstacle : str, optional
        Why there is no step of dual coordinate ascent, in words that follow "has"; None where there is one.
    smoother : callable, optional
        ``smoother(gamma, squared)`` is the loss with its kinks smoothed, for one whose gradient jumps.

    Examples
    --------
    >>> from skopt_solvers.objectives import SVC_LOSSES
    >>> loss = SVC_LOSSES["hinge"]["ovr"]
    >>> loss.smooth, loss.smoothed(0.1).smooth, loss.smoothed(0.1).curvature(n_outputs=1)
    (False, True, 10.0)
    """

    struct: str
    gamma: float = 0.0
    squared: bool = False
    bound: float = 0.0
    bound_per_output: float = 0.0
    joint: bool = False
    kinked_gradient: bool = False
    log_likelihood: bool = False
    dual_obstacle: str | None = None
    smoother: Callable[[float, bool], "Loss"] | None = None

    @property
    def kernel(self):
        """The arguments of the compiled objective that name this loss."""
        return dict(loss=self.struct, gamma=self.gamma, squared=self.squared)

    @property
    def smooth(self):
        """Tell that the loss has a gradient everywhere."""
        return self.curvature(1) > 0

    def curvature(self, n_outputs):
        """Return a bound on the eigenvalues of the second derivative of a sample's loss.

        Parameters
        ----------
        n_outputs : int

        Returns
        -------
        float
            0 where the gradient jumps.
        """
        return self.bound + self.bound_per_output * n_outputs

    def smoothed(self, width):
        """Return the loss with its kinks smoothed over a width, which is nowhere above it.

        Parameters
        ----------
        width : float

        Returns
        -------
        Loss
        """
        return self.smoother(width, self.squared)


def hinge(gamma=0.0, squared=False):
    """The hinge of each output, smoothed over a width gamma and squared where asked."""
    bound = (3.0 if gamma else 2.0) if squared else (1 / gamma if gamma else 0.0)
    return Loss(
        struct="hinge",
        gamma=gamma,
        squared=squared,
        bound=bound,
        kinked_gradient=True,
        dual_obstacle="a hinge that is smoothed and squared" if gamma and squared else None,
        smoother=hinge,
    )


def crammer_singer(gamma=0.0, squared=False):
    """The hinge of the largest difference between outputs, smoothed over a width gamma and squared where asked."""
    return Loss(
        struct="crammer_singer",
        gamma=gamma,
        squared=squared,
        bound_per_output=1 / gamma if gamma else 0.0,
        joint=True,
        kinked_gradient=True,
        dual_obstacle="multi_class='crammer_singer'",
        smoother=crammer_singer,
    )


# What the estimators offer; two classes have one output, whose loss is that of "ovr".
LOG_LOSSES = {
    "softmax": Loss(struct="softmax", bound=0.5, joint=True, log_likelihood=True),
    "ovr": Loss(struct="logistic", bound=0.25, log_likelihood=True),
}
SVC_LOSSES = {
    "squared_hinge": {"ovr": hinge(squared=True), "crammer_singer": crammer_singer(squared=True)},
    "hinge": {"ovr": hinge(), "crammer_singer": crammer_singer()},
    "smoothed_hinge": {"ovr": hinge(1.0), "crammer_singer": crammer_singer(1.0)},
    "modified_huber": {"ovr": Loss(struct="modified_huber", bound=2.0, kinked_gradient=True)},
}
MULTI_CLASS = ("ovr", "crammer_singer")


def smooth_losses():
    """The losses of LinearSVC that have a gradient everywhere, in the words of its arguments."""
    words = []
    for name, losses in SVC_LOSSES.items():
        smooth = [multi_class for multi_class in losses if losses[multi_class].smooth]
        if smooth:
            words.append(f"loss={name!r}" + (f" (multi_class={smooth[0]!r})" if len(smooth) < len(MULTI_CLASS) else ""))
    return " or ".join(words)
