"""
Warm restarts
=============

`CosineRestarts` lets the rate fall to zero and starts again at its full height (SGDR, Loshchilov & Hutter 2017), each
period longer than the one before. At the end of each period there is a model that can be used, without the whole
length having been chosen beforehand.
"""

import matplotlib.pyplot as plt
import numpy as np
from docstring_corpus import load_docstrings

from skopt_solvers import LogisticRegression
from skopt_solvers.feature_extraction.text import TfidfVectorizer
from skopt_solvers.schedules import CosineDecay, CosineRestarts
from skopt_solvers.solvers import Momentum

texts, packages = load_docstrings()
X = TfidfVectorizer(sublinear_tf=True, min_df=2).fit_transform(texts[::3])
y = packages[::3]

# %%
# Three periods take 5 + 10 + 20 epochs. A fit should end where a period ends: `max_iter` is 35.

schedules = {
    "restarts after 5 and 15": CosineRestarts(period=5, multiplier=2),
    "one decay of 35": CosineDecay(epochs=35),
    "one decay of 15": CosineDecay(epochs=15),
}
fits = {
    name: LogisticRegression(solver=Momentum(schedule=schedule), max_iter=35, random_state=0).fit(X, y)
    for name, schedule in schedules.items()
}
optimum = LogisticRegression(tol=1e-7, max_iter=1000).fit(X, y).history_[-1]["objective"]

figure, (gaps, rates) = plt.subplots(2, 1, figsize=(8, 6), sharex=True, height_ratios=[2, 1], layout="constrained")
for name, model in fits.items():
    epochs = [record["iteration"] for record in model.history_]
    gaps.semilogy(epochs, np.array([record["objective"] for record in model.history_]) / optimum - 1, label=name)
    rates.plot(epochs, [record["learning_rate"] for record in model.history_])
gaps.set(ylabel="objective / optimum - 1")
rates.set(xlabel="epoch", ylabel="learning rate")
gaps.legend()
plt.show()

# %%
# At each restart the objective rises, and at the end of each period it is lower than at the end of the one before. The
# second period ends lower than one decay of the same 15 epochs, since it goes on from the first; the third ends where
# one decay of 35 ends, or a little above. Restarts are for when the number of epochs is not known beforehand: a fit
# that may be stopped at the end of any period, and not in between.
