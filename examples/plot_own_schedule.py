"""
A schedule of your own
======================

Any function of the time in epochs is a schedule. A class has parameters besides, which grids reach.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skopt_solvers import LogisticRegression
from skopt_solvers.schedules import Schedule, Warmup
from skopt_solvers.solvers import Adam

# %%
# A function is called with one time, a float:


def hold_and_fall(t):
    return 1 if t < 10 else 0.8 ** (t - 10)


# %%
# A class is called with an array of times. Its constructor only stores:


class Triangle(Schedule):
    """Go up and down, half as high each period (Smith 2017, "triangular2")."""

    def __init__(self, period=8.0, low=0.0):
        self.period = period
        self.low = low

    def __call__(self, t):
        cycles = np.asarray(t, dtype=float) / self.period
        wave = 1 - abs(2 * (cycles % 1) - 1)
        return self.low + (1 - self.low) * wave * 0.5 ** np.floor(cycles)


# %%
# Where a parameter `epochs` is None, the base class puts the length of the fit there before the call:


class Sine(Schedule):
    """Follow a quarter of a cosine's period, from 1 to 0."""

    def __init__(self, epochs=None):
        self.epochs = epochs

    def __call__(self, t):
        return np.cos(np.pi / 2 * np.minimum(np.asarray(t, dtype=float) / self.epochs, 1))


# %%
# All are given to a solver as those of the library are, and can stand behind a warmup:

X, y = load_digits(return_X_y=True)
X = X / 16
schedules = {
    "hold_and_fall": hold_and_fall,
    "Triangle()": Triangle(),
    "Sine()": Sine(),
    "Warmup(Sine(), epochs=4)": Warmup(Sine(), epochs=4),
}
fits = {
    name: LogisticRegression(C=0.1, solver=Adam(schedule=schedule), max_iter=32, random_state=0).fit(X, y)
    for name, schedule in schedules.items()
}
figure, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
for name, model in fits.items():
    axis.plot([record["learning_rate"] for record in model.history_], label=name)
axis.set(xlabel="epoch", ylabel="learning rate at its end")
axis.legend()
plt.show()

# %%
# The parameters of a class are part of a grid:

model = LogisticRegression(C=0.1, solver=Adam(schedule=Triangle()), max_iter=32, random_state=0)
search = GridSearchCV(model, {"solver__schedule__low": [0.0, 0.01], "solver__schedule__period": [8, 16]}, cv=2)
print(search.fit(X, y).best_params_)
