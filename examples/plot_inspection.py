"""
Looking into fits
=================

The displays of `skopt_solvers.inspection` show the convergence of four solvers on one objective and the weights of the
model, and `explain` one decision, on the docstrings of the installed packages (`docstring_corpus.py`).
"""

import warnings

import matplotlib.pyplot as plt
from docstring_corpus import load_docstrings
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from skopt_solvers import LogisticRegression
from skopt_solvers.feature_extraction.text import TfidfVectorizer
from skopt_solvers.inspection import ConvergenceDisplay, WeightsDisplay, explain
from skopt_solvers.solvers import Adam

warnings.simplefilter("ignore", ConvergenceWarning)  # 15 epochs are not enough for all of them

texts, packages = load_docstrings()
vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2)
X = vectorizer.fit_transform(texts)
solvers = {"L-BFGS": "lbfgs", "AdaGrad": "adagrad", "Adam, cosine": Adam(schedule="cosine"), "SDCA": "sdca"}
options = dict(max_iter=15, tol=1e-6, random_state=0)
fits = {name: LogisticRegression(solver=solver, **options).fit(X, packages) for name, solver in solvers.items()}

# %%
# Every fit keeps its history. The optimum is taken from a fit that is proven to be at it. The first iteration of
# L-BFGS is the epochs of dual coordinate ascent that it begins with.

best = LogisticRegression(max_iter=1000, tol=1e-8).fit(X, packages)
optimum = best.history_[-1]["objective"]
print(f"the optimum is known to {best.suboptimality_bound(X, packages) / optimum:.0e} of itself")
ConvergenceDisplay.from_estimators(fits, metric="suboptimality", optimum=optimum, learning_rate=True)
plt.show()

# %%
# These words have the largest weights for each package, and against it:

model = make_pipeline(vectorizer, best)
WeightsDisplay.from_estimator(model, n=6)
plt.show()

# %%
# `explain` lists and marks the contributions to the score of one docstring.

explain(model, "Compute the eigenvalues of a sparse matrix, and return an array of the given shape.", n=6)
