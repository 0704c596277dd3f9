"""
Finding a rate and comparing solvers
====================================

First a learning rate from one short run, in which it grows from step to step. Then five solvers, two schedules and
three seeds on the same data, as one table and one figure.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skopt_solvers import LogisticRegression
from skopt_solvers.inspection import LearningRateRangeDisplay, SolverComparisonDisplay
from skopt_solvers.model_selection import compare_solvers
from skopt_solvers.solvers import Momentum, RMSProp

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0, stratify=y)
model = LogisticRegression(C=0.1, max_iter=20, n_iter_no_change=20, random_state=0)

# %%
# See where the loss of the batches begins to fall, and where the steps are too large. The suggestion is a tenth of the
# rate where the loss was least.

rmsprop = model.set_params(solver="rmsprop")
display = LearningRateRangeDisplay.from_estimator(rmsprop, X_train, y_train)
display.ax_.set_title("RMSProp")
plt.show()

# %%
# Each fit gives a row an epoch. The suboptimality is relative to the optimum that a fit with a tight tolerance has
# found. SDCA and L-BFGS have no schedule; the band is the range over the seeds.

solvers = {
    "lbfgs": "lbfgs",
    "sdca": "sdca",
    "adagrad": "adagrad",
    "rmsprop, suggested": RMSProp(display.result.suggestion),
    "momentum, 0.1": Momentum(0.1),
}
frame = compare_solvers(
    model,
    X_train,
    y_train,
    solvers=solvers,
    schedules=["linear", "constant"],
    seeds=range(3),
    X_val=X_test,
    y_val=y_test,
)
figure, axes = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
SolverComparisonDisplay.from_frame(frame, ax=axes[0])
SolverComparisonDisplay.from_frame(frame, ax=axes[1], metric="validation_score")
axes[0].get_legend().remove()
plt.show()

# %%
# See that a rate that falls to zero ends lower than a constant one, as the noise of the batches ends with it, that the
# solvers for which the data allow a method of their own, SDCA and L-BFGS, need few epochs, and that the accuracy on the
# test rows is decided long before the optimum is reached.

ends = frame.groupby(["solver", "schedule"], sort=False)[["suboptimality", "validation_score"]].last()
print(ends.to_string(float_format="{:.2g}".format))

# %%
# How many epochs, and seconds, until the objective is within one per cent? Rows that come near, the first of each fit:

near = frame[frame["suboptimality"] < 0.01].groupby(["solver", "schedule", "seed"], sort=False)
print(
    near[["epoch", "seconds"]]
    .first()
    .groupby(level=[0, 1], sort=False)
    .median()
    .to_string(float_format="{:.3f}".format)
)
