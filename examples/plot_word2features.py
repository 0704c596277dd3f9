"""
Bringing your word2features
===========================

Code written for python-crfsuite or sklearn-crfsuite has a function that makes a dict of features for each token.
`LinearChainCRF` takes these dicts as they are.
"""

import argparse
import csv
import shlex

import matplotlib.pyplot as plt
from source_corpus import tagged_lines

from skopt_solvers import LinearChainCRF
from skopt_solvers.metrics import token_f1

# %%
# The function is the one of sklearn-crfsuite's tutorial, as it stands, for tokens that have no part of speech.


def word2features(sent, i):
    word = sent[i]
    features = {
        "bias": 1.0,
        "word.lower()": word.lower(),
        "word[-3:]": word[-3:],
        "word.isupper()": word.isupper(),
        "word.istitle()": word.istitle(),
        "word.isdigit()": word.isdigit(),
    }
    if i > 0:
        features.update({"-1:word.lower()": sent[i - 1].lower(), "-1:word.istitle()": sent[i - 1].istitle()})
    else:
        features["BOS"] = True
    if i < len(sent) - 1:
        features.update({"+1:word.lower()": sent[i + 1].lower(), "+1:word.istitle()": sent[i + 1].istitle()})
    else:
        features["EOS"] = True
    return features


def sent2features(sent):
    return [word2features(sent, i) for i in range(len(sent))]


def read(*modules):
    """Return the tokens of lines of source code, and the role of each."""
    lines = [line for module in modules for line in tagged_lines(module.__file__)]
    return [[token for token, _ in line] for line in lines], [[role for _, role in line] for line in lines]


train, y_train = read(argparse, shlex)
test, y_test = read(csv)
X_train, X_test = [sent2features(line) for line in train], [sent2features(line) for line in test]

# %%
# CRFsuite's ``c1`` and ``c2`` are here ``l1_ratio`` and ``C``: with ``c1=0`` the same objective is ``C = 1 / (2 c2)``.
# ``fit_boundaries=False`` because BOS and EOS are features already.

crf = LinearChainCRF(C=1 / (2 * 0.1), fit_boundaries=False, max_iter=500).fit(X_train, y_train)
print(crf.stop_reason_)
predicted = crf.predict(X_test)
for role, f1 in zip(crf.classes_, token_f1(y_test, predicted, average=None), strict=True):
    print(f"{role:<10} {f1:.2f}")

# %%
# List the largest weights of one label, named by the dicts' keys and values:

of_calls = [row for row in crf.top_features(2000) if row["label"] == "call"][:12][::-1]
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
axis.barh([row["feature"] for row in of_calls], [row["weight"] for row in of_calls])
axis.set(title="features of largest weight for the label call", xlabel="weight")
plt.show()
