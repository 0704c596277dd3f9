"""
A grid over solvers and schedules
=================================

A solver is a parameter, and so are its own parameters: a grid search reaches both through the pipeline,
``logistic__solver__schedule`` and so on, whether the solver was given by its name or as an object. The search counts
the words once, and fits the candidates of AdaGrad together.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from docstring_corpus import load_docstrings
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from skopt_solvers import LogisticRegression
from skopt_solvers.feature_extraction.text import TfidfVectorizer
from skopt_solvers.model_selection import GridSearchCV

texts, packages = load_docstrings()
texts, _, packages, _ = train_test_split(texts, packages, train_size=800, stratify=packages, random_state=0)

# %%
# Solvers do not have the same parameters, so the grid is a list: one dictionary for those without a learning rate, and
# one for those with a rate and a schedule.

penalties = [1, 10, 100]
grid = [
    {"logistic__solver": ["lbfgs"], "logistic__C": penalties},
    {
        "logistic__solver": ["adagrad"],
        "logistic__solver__schedule": ["cosine", "constant"],
        "logistic__C": penalties,
    },
]
tfidf, logistic = TfidfVectorizer(sublinear_tf=True, min_df=2), LogisticRegression(max_iter=30, random_state=0)
pipeline = Pipeline([("tfidf", tfidf), ("logistic", logistic)])
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # a candidate need not converge to be a good classifier
    search = GridSearchCV(pipeline, grid, cv=3).fit(texts, packages)
print(search.best_params_)
print(f"accuracy {search.best_score_:.3f}")

# %%
# All solvers minimise the same objective, so that their curves lie close together: `C` is what matters. They part a
# little where the penalty is weak and an epoch of so few documents makes few steps.

results = search.cv_results_
names = np.array([f"{p['logistic__solver']} {p.get('logistic__solver__schedule', '')}" for p in results["params"]])
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for name in dict.fromkeys(names):
    chosen = results["param_logistic__C"][names == name].astype(float)
    axis.plot(chosen, results["mean_test_score"][names == name], "o-", label=name)
axis.set(xscale="log", xlabel="C", ylabel="accuracy, mean of 3 folds")
axis.legend()
plt.show()
