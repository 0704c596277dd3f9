"""
An L1 path
==========

With ``l1_ratio=1`` weights are exactly zero until `C` is large enough for them. This draws the path of all weights over
`C`, each fit starting from the one before, on docstrings of numpy against those of scipy.
"""

import matplotlib.pyplot as plt
import numpy as np
from docstring_corpus import load_docstrings
from sklearn.model_selection import train_test_split

from skopt_solvers import LogisticRegression
from skopt_solvers.feature_extraction.text import TfidfVectorizer

texts, packages = load_docstrings()
texts, packages = zip(*[(t, p) for t, p in zip(texts, packages, strict=True) if p in ("numpy", "scipy")], strict=True)
train_texts, test_texts, y_train, y_test = train_test_split(texts, packages, stratify=packages, random_state=0)
vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=5)
X_train, X_test = vectorizer.fit_transform(train_texts), vectorizer.transform(test_texts)

penalties = np.geomspace(0.1, 5, 12)
model = LogisticRegression(l1_ratio=1.0, warm_start=True, tol=1e-5, max_iter=1000)
coefficients, accuracies = [], []
for C in penalties:
    model.set_params(C=C).fit(X_train, y_train)
    coefficients.append(model.coef_[0].copy())
    accuracies.append(model.score(X_test, y_test))
coefficients = np.array(coefficients)

# %%
# The first words to enter are the ones that tell most; the accuracy rises with a few dozen, and thousands of words
# never enter.

words = vectorizer.get_feature_names_out()
first = np.argsort((coefficients != 0).argmax(axis=0) + len(penalties) * (coefficients == 0).all(axis=0))[:12]
figure, (paths, counts) = plt.subplots(2, 1, figsize=(8, 7), sharex=True, height_ratios=[2, 1], layout="constrained")
paths.plot(penalties, coefficients, color="0.85", linewidth=0.6)
for j in first:
    paths.plot(penalties, coefficients[:, j], label=words[j])
paths.set(ylabel="weight (up: scipy)")
paths.legend(ncols=3, fontsize="small", loc="upper left")
counts.plot(penalties, (coefficients != 0).sum(axis=1), "k")
counts.set(xscale="log", xlabel="C", ylabel=f"weights that are not 0\nof {len(words)}", yscale="log")
right = counts.twinx()
right.plot(penalties, accuracies, "C1--")
right.set_ylabel("accuracy on other docstrings", color="C1")
plt.show()

best = int(np.argmax(accuracies))
print(f"best accuracy {accuracies[best]:.3f} with {(coefficients[best] != 0).sum()} of {len(words)} words")
