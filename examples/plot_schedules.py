"""
Schedules compared
==================

A schedule multiplies the learning rate with time. Adam under seven of them, with the same rate and the same number of
epochs, on the TF-IDF rows of docstrings.
"""

import warnings

import matplotlib.pyplot as plt
from docstring_corpus import load_docstrings
from sklearn.exceptions import ConvergenceWarning

from skopt_solvers import LogisticRegression
from skopt_solvers.feature_extraction.text import TfidfVectorizer
from skopt_solvers.inspection import ConvergenceDisplay
from skopt_solvers.schedules import CosineDecay, ExponentialDecay, StepDecay, Warmup
from skopt_solvers.solvers import Adam

# all make the same number of epochs, converged or not
warnings.simplefilter("ignore", ConvergenceWarning)

texts, packages = load_docstrings()
X = TfidfVectorizer(sublinear_tf=True, min_df=2).fit_transform(texts[::3])
y = packages[::3]

# %%
# A schedule is a name, an object, or any function of the time in epochs. Lengths that are not given are the whole of
# `max_iter`.

epochs = dict(max_iter=20, n_iter_no_change=20, random_state=0)
schedules = {
    "constant": "constant",
    "inverse_sqrt": "inverse_sqrt",
    "exponential, 0.85": ExponentialDecay(0.85),
    "halved every 4": StepDecay(every=4),
    "linear": "linear",
    "one_cycle": "one_cycle",
    "warmup, cosine": Warmup(CosineDecay(), epochs=2),
}
fits = {
    name: LogisticRegression(solver=Adam(schedule=schedule), **epochs).fit(X, y) for name, schedule in schedules.items()
}
optimum = LogisticRegression(tol=1e-7, max_iter=1000).fit(X, y).history_[-1]["objective"]

# %%
# See that the rate at the end decides. A constant rate stays in the noise of its batches; the slow fall of
# ``inverse_sqrt`` is better; whatever comes down to zero, or near it, ends lower by a factor of ten to a hundred, and
# most of that is won in the last epochs. This is why the default falls linearly to zero.

ConvergenceDisplay.from_estimators(fits, metric="suboptimality", optimum=optimum, learning_rate=True)
plt.show()

for name, model in fits.items():
    print(f"{name:<20} {model.history_[-1]['objective'] / optimum - 1:8.3%} above the optimum")
