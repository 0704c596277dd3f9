r"""
The paths of six solvers
========================

Momentum, AdaGrad, RMSProp, Adam, AdamW and L-BFGS on one ill-conditioned problem with two weights: a long valley that
is 25 times as steep across as along,

.. math:: F(w) = \frac{1}{2} (w - c)^\top A\, (w - c) + \frac{l_2}{2} \|w\|^2 .

Solvers know nothing of models. Whatever has the few attributes and methods of the class below can be minimised by all
of them, here a few lines of numpy.
"""

import matplotlib.pyplot as plt
import numpy as np

from skopt_solvers.objectives import ObjectiveDefaults, RowGradient
from skopt_solvers.solvers import LBFGS, AdaGrad, Adam, AdamW, Momentum, RMSProp

# %%
# The objective
# -------------
# The table of parameters has two rows, the weights, and one output. There is one sample, so that an epoch is a batch
# and a batch is a step. Stochastic solvers take the gradient of the loss alone, and the penalty as a proximal step;
# L-BFGS takes the gradient of both, and moves along lines.


class Valley(ObjectiveDefaults):
    smooth = True  # it has a gradient everywhere
    native = None  # nothing compiled: solvers call `gradient` and their own `update`
    shape, dtype, n_penalised = (2, 1), np.dtype(float), 2
    samples, n_samples, n_threads = np.arange(1), 1, 1
    scale, l1, l2 = 1.0, 0.0, 0.15

    def __init__(self, steepness=25.0, angle=0.5):
        along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        self.A = np.outer(along, along) + steepness * np.outer(across, across)
        self.c = np.array([[2.0], [1.0]])
        self.optimum = np.linalg.solve(self.A + self.l2 * np.eye(2), self.A @ self.c)

    def loss(self, W):
        return 0.5 * ((W - self.c) * (self.A @ (W - self.c))).sum()

    def value(self, W):
        return self.loss(W) + 0.5 * self.l2 * (W**2).sum()

    def value_and_gradient(self, W):
        return self.value(W), self.A @ (W - self.c) + self.l2 * W

    def gradient(self, W, batch):
        share = np.ones((2, 1))  # of the penalty of each row: all, since the batch is all
        return RowGradient(np.arange(2), self.A @ (W - self.c), share, self.l1, self.l2, self.loss(W))

    def suboptimality_bound(self, W, precision):
        return self.value(W) - self.value(self.optimum)

    def position(self, W):
        return Position(self, W)


class Position:
    """Point that moves along lines, for L-BFGS."""

    cheap_trials = True

    def __init__(self, objective, W):
        self.objective, self.W = objective, W.copy()
        self.value, self.gradient = objective.value_and_gradient(W)

    def along(self, D):
        self.D = D

        def trial(step):
            value, gradient = self.objective.value_and_gradient(self.W + step * D)
            return value, (gradient * D).sum()

        return trial

    def move(self, step):
        self.__init__(self.objective, self.W + step * self.D)


# %%
# The paths
# ---------
# All begin at the same point and make at most 100 steps at a constant rate. The callback of `minimize` sees each point.

solvers = {
    "gradient descent": Momentum(0.07, momentum=0.0, schedule="constant"),
    "Momentum": Momentum(0.03, momentum=0.8, schedule="constant"),
    "AdaGrad": AdaGrad(0.7, schedule="constant"),
    "RMSProp": RMSProp(0.15, rho=0.9, schedule="constant"),
    "Adam": Adam(0.3, beta2=0.9, schedule="constant"),
    "AdamW": AdamW(0.3, beta2=0.9, schedule="constant"),
    "L-BFGS": LBFGS(precondition=False),
}
objective, start = Valley(), np.array([[-2.0], [1.5]])


def path_of(solver):
    points = [start]

    def keep(W, record):
        points.append(W.copy())

    # stochastic solvers may climb on their way: they are to go on
    patience = {} if isinstance(solver, LBFGS) else {"n_iter_no_change": 100}
    options = dict(max_iter=100, tol=1e-8, rng=np.random.RandomState(0), callback=keep)
    solver.minimize(objective, start, **options, **patience)
    return np.array(points)[:, :, 0]


paths = {name: path_of(solver) for name, solver in solvers.items()}

x, y = np.meshgrid(np.linspace(-2.5, 3.1, 120), np.linspace(-2.2, 2.3, 120))
values = np.array([objective.value(np.array([[a], [b]])) for a, b in zip(x.ravel(), y.ravel(), strict=True)])
levels = objective.value(objective.optimum) + np.geomspace(0.02, 120, 14)

figure, axes = plt.subplots(4, 2, figsize=(8, 12), sharex=True, sharey=True, layout="constrained")
for axis, (name, path) in zip(axes.flat, paths.items(), strict=False):
    axis.contour(x, y, values.reshape(x.shape), levels, colors="0.8", linewidths=0.7)
    axis.plot(*path.T, "o-", markersize=2.5, linewidth=1)
    axis.plot(*objective.optimum, "k*", markersize=9)
    axis.plot(*objective.c, "kx", markersize=6)
    axis.set_title(f"{name}, {len(path) - 1} steps")
axes.flat[-1].remove()
distance = figure.add_subplot(4, 2, 8)
for name, path in paths.items():
    gaps = [objective.suboptimality_bound(w[:, None], 0) for w in path]
    distance.semilogy(np.maximum(gaps, 1e-9), label=name)
distance.set(title="F above its minimum", xlabel="steps", ylim=(1e-9, None))
distance.legend(fontsize="small", ncols=2, loc="lower left")
plt.show()

# %%
# The figure shows:
#
# - Plain gradient descent swings across the valley, because its rate is as large as the steep direction allows, and
#   creeps along it.
# - Momentum adds up what all steps agree on, the way along the valley, and swings out beyond the minimum.
# - AdaGrad, RMSProp and Adam divide the gradient of each weight by its usual size, so that both weights begin equally
#   fast. The valley is not parallel to the axes, and scaling each weight by itself cannot turn it: they still have to
#   find the bend. AdaGrad's steps become shorter and shorter. RMSProp's do not: at a constant rate it jumps about the
#   minimum in the end, and a schedule that falls to zero is what brings it to rest.
# - AdamW ends at another point: its decay is not scaled as the gradient is. Here that is nearly the minimum of the loss
#   without the penalty, the cross, and not the star.
# - L-BFGS learns the curvature in all directions from the gradients it has seen, and arrives in a few iterations.
