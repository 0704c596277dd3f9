"""Random hard problems of two classes, and their optima by an interior-point method: Clarabel, through cvxpy."""

from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from skopt_solvers import LinearSVC, LogisticRegression

LOSSES = {
    "log": cp.logistic,  # of -m, m being the margin times the class
    "hinge": lambda u: cp.pos(1 + u),
    "squared_hinge": lambda u: cp.square(cp.pos(1 + u)),
    "smoothed_hinge": lambda u: cp.huber(cp.pos(1 + u), 1) / 2,
    "modified_huber": lambda u: cp.huber(cp.pos(1 + u), 2),
}


@dataclass
class Problem:
    """A problem, in the parameters of the estimators.

    Attributes
    ----------
    X, y : ndarrays, with classes 0 and 1.
    loss : str, "log" for LogisticRegression, and else the `loss` of LinearSVC.
    C, l1_ratio : float
    made : str, what is hard about it.
    """

    X: np.ndarray
    y: np.ndarray
    loss: str
    C: float
    l1_ratio: float
    made: str

    def estimator(self, solver, **options):
        """Return the estimator of this problem."""
        options = dict(C=self.C, l1_ratio=self.l1_ratio, solver=solver, random_state=0, **options)
        return LogisticRegression(**options) if self.loss == "log" else LinearSVC(loss=self.loss, **options)

    def optimum(self):
        """Return the least objective, ``C sum loss + (1 - l1_ratio) |w|^2 / 2 + l1_ratio |w|_1``; None where unsure."""
        scale = np.maximum(np.abs(self.X).max(axis=0), 1e-300)  # the same problem in other units
        v, b = cp.Variable(self.X.shape[1]), cp.Variable()
        w = v / scale
        margins = cp.multiply(2 * self.y - 1, (self.X / scale) @ v + b)
        losses = cp.sum(LOSSES[self.loss](-margins))
        penalty = (1 - self.l1_ratio) / 2 * cp.sum_squares(w) + self.l1_ratio * cp.norm1(w)
        # near 1, whatever C is
        problem = cp.Problem(cp.Minimize((self.C * losses + penalty) / (self.C * len(self.y))))
        try:
            problem.solve(solver=cp.CLARABEL)
        except cp.SolverError:
            return None
        return problem.value * self.C * len(self.y) if problem.status == "optimal" else None


def random_problem(seed):
    """Return a problem: classes of 50 to 1 %, scales, equal and constant columns, offsets, any C, loss and penalty."""
    rng = np.random.RandomState(seed)
    n, p, share = rng.randint(60, 200), rng.randint(2, 8), rng.choice([0.5, 0.2, 0.05, 0.01])
    X = rng.randn(n, p)
    margins = X @ rng.randn(p) * rng.choice([0.3, 3.0]) + rng.logistic(size=n)
    y = np.zeros(n, int)
    y[np.argsort(margins)[-max(2, round(share * n)) :]] = 1
    made = [f"{share:.0%}"]
    kind = rng.choice(["plain", "scaled", "collinear", "constant", "offset"])
    if kind == "scaled":
        X *= 10.0 ** rng.uniform(-3, 3, size=p)
    elif kind == "collinear":
        X = np.hstack([X, X[:, :1], -2 * X[:, 1:2]])
    elif kind == "constant":
        X[:, 0] = 3.0
    elif kind == "offset":
        X[:, 0] += 10.0 ** rng.uniform(1, 4)
    C, l1_ratio = 10.0 ** rng.uniform(-4, 4), rng.choice([0.0, 0.0, 0.5, 1.0])
    return Problem(X, y, rng.choice(list(LOSSES)), C, l1_ratio, ", ".join([*made, kind]))
