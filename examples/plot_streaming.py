"""
Streaming with partial_fit
==========================

Data that come in pieces, or do not fit into memory: hash the words, so that no vocabulary has to be known, and give
each piece to `partial_fit` once.
"""

import matplotlib.pyplot as plt
import numpy as np
from docstring_corpus import load_docstrings
from sklearn.utils import shuffle

from skopt_solvers import LogisticRegression
from skopt_solvers.feature_extraction.text import HashingVectorizer

texts, packages = shuffle(*load_docstrings(), random_state=0)
held_out, held_out_packages = texts[-1000:], packages[-1000:]
vectorizer = HashingVectorizer(n_features=2**16, alternate_sign=False)
X_test = vectorizer.transform(held_out)

# %%
# Each piece is first predicted and then learnt from: the accuracy of the predictions is an honest one, without held
# out data ("progressive validation").

model = LogisticRegression(C=10, solver="adagrad", random_state=0)
classes, size = np.unique(packages), 250
before, after = [], []
for start in range(0, len(texts) - 1000, size):
    X, y = vectorizer.transform(texts[start : start + size]), packages[start : start + size]
    if start:
        before.append(model.score(X, y))
    model.partial_fit(X, y, classes=classes)
    after.append(model.score(X_test, held_out_packages))

whole = LogisticRegression(C=10).fit(vectorizer.transform(texts[:-1000]), packages[:-1000])

# %%
# See that one pass over the stream comes close to a fit that has all data at once. No piece is kept.

seen = size * np.arange(1, len(after) + 1)
figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
axis.plot(seen, after, label="after each piece, on 1000 docstrings held out")
axis.plot(seen[:-1], before, ".", label="on the next piece, before it is learnt")
axis.axhline(whole.score(X_test, held_out_packages), color="k", linestyle=":", label="a fit on all, held out")
axis.set(xlabel="docstrings seen", ylabel="accuracy")
axis.legend()
plt.show()
