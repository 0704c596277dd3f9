r"""
A solver of your own
====================

AdaBelief (Zhuang et al. 2020, algorithm 2), which this library does not ship, divides the step by how far gradients are
from their own moving average:

.. math::
    m \leftarrow \beta_1 m + (1 - \beta_1) g, \qquad s \leftarrow \beta_2 s + (1 - \beta_2)(g - m)^2 + \epsilon,
    \qquad w \leftarrow w - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \epsilon}

Two methods make a solver, `init` for its state and `update` for a step. :doc:`/add_a_solver` explains each line.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.solvers import Adam, StochasticSolver


class AdaBelief(StochasticSolver):
    """AdaBelief (Zhuang et al. 2020, algorithm 2); t counts the batches that have touched a row."""

    def __init__(
        self,
        learning_rate="auto",
        beta1=0.9,
        beta2=0.999,
        epsilon=1e-8,
        *,
        schedule="auto",
        batch_size="auto",
        average=False,
        clip_norm=None,
    ):
        super().__init__(learning_rate, schedule, batch_size, average, clip_norm)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon

    def init(self, W):
        return {"m": np.zeros_like(W), "s": np.zeros_like(W), "t": np.zeros(len(W), np.int64)}

    def update(self, W, gradient, state, lr):
        rows, g = gradient.rows, gradient.values
        m, s, t = state["m"], state["s"], state["t"]
        t[rows] += 1
        m[rows] = self.beta1 * m[rows] + (1 - self.beta1) * g
        s[rows] = self.beta2 * s[rows] + (1 - self.beta2) * (g - m[rows]) ** 2 + self.epsilon
        clock = t[rows, None]
        m_hat = m[rows] / (1 - self.beta1**clock)
        s_hat = s[rows] / (1 - self.beta2**clock)
        W[rows] = gradient.proximal_step(W[rows], m_hat, lr / (np.sqrt(s_hat) + self.epsilon))

    def automatic_rate(self, objective):
        return 0.1 * objective.margin_step()


# %%
# It fits all models, with all penalties. Each is told how far from its optimum it is; L1 alone and the hinges get the
# whole of `max_iter` here, because their bounds are loose.

X, y = load_digits(return_X_y=True)
X, y = X[:600] / 16, y[:600]
models = [
    LogisticRegression(C=0.1),
    LogisticRegression(C=0.1, l1_ratio=0.5),
    LogisticRegression(C=0.1, l1_ratio=1.0),
    LinearSVC(C=0.01),
    LinearSVC(C=0.01, loss="hinge"),
    LinearSVC(C=0.01, loss="smoothed_hinge", multi_class="crammer_singer"),
    LinearChainCRF(C=0.1),  # each row is a sequence of one
]
for model in models:
    model.set_params(solver=AdaBelief(schedule="linear"), max_iter=100, random_state=0).fit(X, y)
    print(f"{model.score(X, y):.2f} {model.converged_} {(model.coef_ == 0).mean():4.0%} zeros {type(model).__name__}")
assert all(model.converged_ and model.score(X, y) > 0.9 for model in models)

# %%
# It has nested parameters, of its own and of its schedule, for grids:

model = LogisticRegression(C=0.1, solver=AdaBelief(schedule="cosine"), max_iter=20, random_state=0)
print(model.set_params(solver__beta1=0.8, solver__schedule__end=0.05).solver)
grid = {"solver__beta2": [0.99, 0.999], "solver__schedule": ["linear", "one_cycle"]}
print(GridSearchCV(model, grid, cv=2).fit(X, y).best_params_)

# %%
# See its course beside Adam's, at the same rate and schedule:

fits = {
    solver: LogisticRegression(C=0.1, solver=solver, max_iter=60, random_state=0).fit(X, y)
    for solver in (AdaBelief(schedule="linear"), Adam(schedule="linear"))
}
optimum = LogisticRegression(C=0.1, tol=1e-10, max_iter=1000).fit(X, y).history_[-1]["objective"]
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for solver, model in fits.items():
    axis.semilogy([record["objective"] / optimum - 1 for record in model.history_], label=str(solver))
axis.set(xlabel="epoch", ylabel="objective / optimum - 1")
axis.legend()
plt.show()
