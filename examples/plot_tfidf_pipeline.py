"""
Text in a pipeline
==================

Which package does a docstring come from? TF-IDF rows and a logistic regression in scikit-learn's pipeline, on 8,000
docstrings of the installed numpy, scipy, scikit-learn and standard library (`docstring_corpus.py`, beside this
example, collects them; the packages' names are masked).
"""

import matplotlib.pyplot as plt
from docstring_corpus import load_docstrings
from sklearn.metrics import classification_report
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skopt_solvers import LogisticRegression
from skopt_solvers.feature_extraction.text import TfidfVectorizer
from skopt_solvers.inspection import WeightsDisplay

texts, packages = load_docstrings()
train_texts, test_texts, y_train, y_test = train_test_split(texts, packages, stratify=packages, random_state=0)

model = make_pipeline(TfidfVectorizer(sublinear_tf=True, min_df=2), LogisticRegression(C=10))
model.fit(train_texts, y_train)
print(classification_report(y_test, model.predict(test_texts), digits=3))

# %%
# The matrix stays sparse from the vectorizer to the weights. A fit tells what it did: why it ended, and how far above
# the optimum its objective can be at most, which is proven and not estimated.

vectorizer, logistic = model
rows = vectorizer.transform(train_texts)
bound = logistic.suboptimality_bound(rows, y_train) / logistic.history_[-1]["objective"]
print(f"{rows.shape[0]} rows, {rows.shape[1]} features, {rows.nnz / rows.shape[0]:.0f} of them in a row")
print(f"{logistic.n_iter_} iterations: {logistic.stop_reason_}")
print(f"at most {bound:.1e} of the objective above its minimum")

# %%
# These words have the largest weights for each package, and against it:

WeightsDisplay.from_estimator(model, n=6)
plt.show()
