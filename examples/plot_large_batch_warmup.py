"""
Large batches with a warmup
===========================

A large batch has less noise, so that it bears a larger learning rate; but the first steps, far from the optimum and
with large gradients, may not. A warmup raises the rate over the first epochs (Goyal et al. 2017).
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from docstring_corpus import load_docstrings
from sklearn.exceptions import ConvergenceWarning

from skopt_solvers import LogisticRegression
from skopt_solvers.feature_extraction.text import TfidfVectorizer
from skopt_solvers.schedules import CosineDecay, Warmup
from skopt_solvers.solvers import Momentum

# all make the same number of epochs, converged or not
warnings.simplefilter("ignore", ConvergenceWarning)

texts, packages = load_docstrings()
X = TfidfVectorizer(sublinear_tf=True, min_df=2).fit_transform(texts[::3])
y = packages[::3]

# %%
# Eight times the batch, eight times the rate (the linear scaling rule), with and without a warmup of four epochs:

small = Momentum(1.5, batch_size=64, schedule=CosineDecay())
large = Momentum(12, batch_size=512, schedule=CosineDecay())
warm = Momentum(12, batch_size=512, schedule=Warmup(CosineDecay(), epochs=4))
solvers = {"batches of 64": small, "batches of 512": large, "batches of 512, warmup": warm}
fits = {
    name: LogisticRegression(C=10, solver=solver, max_iter=20, n_iter_no_change=20, random_state=0).fit(X, y)
    for name, solver in solvers.items()
}
optimum = LogisticRegression(C=10, tol=1e-7, max_iter=1000).fit(X, y).history_[-1]["objective"]

# %%
# Without a warmup the first large steps throw the weights so far off that 20 epochs do not bring them back. With it
# the same rate comes down to what small batches have after the same number of passes over the data.

figure, (gaps, rates) = plt.subplots(2, 1, figsize=(8, 6), sharex=True, height_ratios=[2, 1], layout="constrained")
for name, model in fits.items():
    time = [record["iteration"] for record in model.history_]
    gaps.semilogy(time, np.array([record["objective"] for record in model.history_]) / optimum - 1, label=name)
    rates.semilogy(time, [record["learning_rate"] for record in model.history_])
    print(f"{name:<22} {model.history_[-1]['objective'] / optimum - 1:.1%} above the optimum")
gaps.set(ylabel="objective / optimum - 1")
rates.set(xlabel="epoch", ylabel="learning rate", ylim=(1e-2, None))
gaps.legend()
plt.show()
