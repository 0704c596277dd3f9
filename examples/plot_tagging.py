"""
Tagging with a linear-chain CRF
===============================

Which role has each name in a line of source code: is it called, bound, imported, a type? `TokenFeatures` makes the
usual features of a token and its neighbours, and `LinearChainCRF` labels the tokens of a line together.
"""

import argparse
import configparser
import csv
import logging
import shlex
import tarfile

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline
from source_corpus import tagged_lines

from skopt_solvers import LinearChainCRF, LogisticRegression
from skopt_solvers.feature_extraction import TokenFeatures
from skopt_solvers.inspection import TransitionDisplay
from skopt_solvers.metrics import sequence_accuracy


def read(*modules):
    """Return lines as lists of tokens, and the roles of the tokens."""
    lines = [zip(*line, strict=True) for module in modules for line in tagged_lines(module.__file__)]
    tokens, roles = zip(*lines, strict=True)
    return [list(line) for line in tokens], [list(line) for line in roles]


train, y_train = read(argparse, configparser, logging, shlex)
test, y_test = read(csv, tarfile)
tagger = make_pipeline(TokenFeatures(), LinearChainCRF(C=5, max_iter=300)).fit(train, y_train)
print(f"{len(train)} lines to train on; {tagger.score(test, y_test):.1%} of the tokens of two other modules right")

# %%
# Without the transitions the same features decide each token alone, and fewer lines are right as a whole:

features, crf = tagger
alone = LogisticRegression(C=5).fit(features.transform(train).matrix, np.concatenate(y_train))
rows = features.transform(test)
predicted = np.split(alone.predict(rows.matrix), rows.offsets[1:-1])
print(f"lines that are right as a whole: {sequence_accuracy(y_test, predicted):.1%} without transitions,")
print(f"{sequence_accuracy(y_test, tagger.predict(test)):.1%} with them")

# %%
# Predict the roles of one line, and their probabilities:

line = "return scale ( box , factor = 2 )".split()
(roles,), (probabilities,) = tagger.predict([line]), tagger.predict_proba([line])
for token, role, probability in zip(line, roles, probabilities.max(axis=1), strict=True):
    print(f"{token:<8} {role:<10} {probability:.0%}")

# %%
# The weights of the transitions. See the diagonal of ``signature``, ``parameter`` and ``default``: the head of a
# function is a stretch of such tokens, and what comes next depends on what came before.

TransitionDisplay.from_estimator(crf)
plt.show()
