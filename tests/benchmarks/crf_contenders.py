"""Who is compared on tagging: the features, the problem, our estimator, python-crfsuite, and the judge of both."""

import copy
import json
import os
import time
import zlib
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import numpy as np
import pycrfsuite
import scipy.sparse as sp

from skopt_solvers import LinearChainCRF
from skopt_solvers.feature_extraction import DictFeatures
from skopt_solvers.metrics import entity_f1, token_f1
from skopt_solvers.sequence import CSRSequences

from .datasets import TaggedSentences
from .measure import CLOCKS, timed

TINY = 1e-30
NO_LIMIT = 2**31 - 1  # CRFsuite's own default for L-BFGS


def tutorial_features(sentence, i):
    """The feature dict of a token as in sklearn-crfsuite's tutorial; less the part of speech where there is none."""
    word = sentence[i][0]
    features = {
        "bias": 1.0,
        "word.lower()": word.lower(),
        "word[-3:]": word[-3:],
        "word[-2:]": word[-2:],
        "word.isupper()": word.isupper(),
        "word.istitle()": word.istitle(),
        "word.isdigit()": word.isdigit(),
    }
    if len(sentence[i]) > 1:
        part_of_speech = sentence[i][1]
        features.update({"postag": part_of_speech, "postag[:2]": part_of_speech[:2]})
    for offset, prefix, missing in ((-1, "-1:", "BOS"), (1, "+1:", "EOS")):
        if not 0 <= i + offset < len(sentence):
            features[missing] = True
            continue
        neighbour = sentence[i + offset][0]
        features[prefix + "word.lower()"] = neighbour.lower()
        features[prefix + "word.istitle()"] = neighbour.istitle()
        features[prefix + "word.isupper()"] = neighbour.isupper()
        if len(sentence[i]) > 1:
            part_of_speech = sentence[i + offset][1]
            features.update({prefix + "postag": part_of_speech, prefix + "postag[:2]": part_of_speech[:2]})
    return features


def tutorial_dicts(sentences):
    return [[tutorial_features(sentence, i) for i in range(len(sentence))] for sentence in sentences]


def converted(X, dtype=np.float32):
    """The fitted `DictFeatures` of dicts, and their sequences in `dtype`."""
    features = DictFeatures(dtype=dtype)
    return features, features.fit_transform(X)


def with_dtype(sequences, dtype):
    matrix = sequences.matrix
    if matrix.dtype == dtype:
        return sequences
    matrix = sp.csr_matrix((matrix.data.astype(dtype), matrix.indices, matrix.indptr), shape=matrix.shape)
    return CSRSequences(matrix, sequences.lengths)


@dataclass
class Tagging:
    """A data set with the dicts of its tokens."""

    data: TaggedSentences
    X: list = field(init=False)
    X_test: list = field(init=False)

    def __post_init__(self):
        self.X, self.X_test = tutorial_dicts(self.data.train), tutorial_dicts(self.data.test)

    def without_false(self):
        """Drop what is False from the dicts, which leaves both sides the same features."""
        for part in (self.X, self.X_test):
            for item in chain.from_iterable(part):
                for name in [name for name, value in item.items() if value is False]:
                    del item[name]
        return self

    @property
    def name(self):
        return self.data.name

    @property
    def y(self):
        return self.data.train_labels

    @cached_property
    def labels(self):
        return sorted(set(chain.from_iterable(self.y)))

    @cached_property
    def key(self):
        """Changes with the data, the features and CRFsuite's version."""
        sample = repr((self.X[:50], self.y[:50], version("python-crfsuite")))
        return f"{self.name}-{len(self.X)}-{zlib.crc32(sample.encode()):08x}"

    @cached_property
    def converted(self):
        """`DictFeatures` of the training data, and their sequences in float64."""
        return converted(self.X, np.float64)

    @cached_property
    def test(self):
        """The sequences of the test data."""
        return self.converted[0].transform(self.X_test)

    def with_false(self):
        """As `converted`, with what is False as a feature of a value that counts for nothing.

        CRFsuite takes False for an attribute of value 0, and a pair of it and a label for one that occurs, with a
        weight of its own. So it has pairs that ours has not; these sequences have them.
        """
        X = [[{name: value or TINY for name, value in item.items()} for item in items] for items in self.X]
        return converted(X, np.float64)[1]

    def scores(self, tags):
        """Token accuracy, F1 of tokens (weighted by label) and, where the labels mark them, F1 of chunks."""
        true = self.data.test_labels
        right = sum(a == b for a, b in zip(chain.from_iterable(true), chain.from_iterable(tags), strict=True))
        result = {"accuracy": right / sum(map(len, true)), "token_f1": token_f1(true, tags, zero_division=0.0)}
        if self.data.chunks:
            result["chunk_f1"] = entity_f1(true, tags, zero_division=0.0)
        return result

    @property
    def score_name(self):
        """The score that a target is set in."""
        return "chunk_f1" if self.data.chunks else "accuracy"


@dataclass
class Problem:
    """Tagging and a penalty: ``sum_s nll_s + c2 ||w||_2^2 + c1 ||w||_1``, pairs that occur only, no boundary weights.

    CRFsuite minimises this; `LinearChainCRF` C times this, over fewer pairs, see :meth:`Tagging.with_false`.
    """

    tagging: Tagging
    c1: float
    c2: float
    crew: object = None  # of workers, while there are some

    @property
    def C(self):
        return 1 / (2 * self.c2 + self.c1)

    @property
    def l1_ratio(self):
        return self.c1 * self.C

    def __str__(self):
        return f"{self.tagging.name}, c1={self.c1:g}, c2={self.c2:g}"

    def estimator(self, *, n_threads, max_iter, tol=0.0, solver="lbfgs"):
        return LinearChainCRF(
            C=self.C,
            l1_ratio=self.l1_ratio,
            solver=solver,
            state_features="observed",
            transitions="observed",
            fit_boundaries=False,
            max_iter=max_iter,
            tol=tol,
            random_state=0,
            n_jobs=n_threads,
        )

    def fit(self, estimator, dtype):
        """Fit from dicts: seconds by each clock of both parts together, and `conversion` and `training` apart."""
        (_, sequences), conversion = timed(partial(converted, self.tagging.X, dtype))
        _, training = timed(partial(estimator.fit, sequences, self.tagging.y))
        total = {clock: conversion[clock] + training[clock] for clock in CLOCKS}
        return {**total, "conversion": conversion, "training": training}

    def objective(self, model, sequences=None):
        """What the weights of `model` reach, from its log-likelihood in float64: the judge of all contenders."""
        sequences = self.tagging.converted[1] if sequences is None else sequences
        model = copy.copy(model)
        for name in ("coef_", "transition_coef_", "start_coef_", "end_coef_"):
            setattr(model, name, getattr(model, name).astype(np.float64))
        loss = -model.log_likelihood(sequences, self.tagging.y).sum()
        coef = model.coef_.data if sp.issparse(model.coef_) else model.coef_.ravel()
        weights = np.concatenate([coef, model.transition_coef_.ravel()])
        return float(loss + self.c2 * (weights @ weights) + self.c1 * np.abs(weights).sum())

    def judged(self, model):
        """The objective of a model, and its test score."""
        return self.objective(model), self.tagging.scores(model.predict(self.tagging.test))[self.tagging.score_name]

    def crfsuite(self, algorithm, max_iterations, cache, fresh=False):
        """The :class:`CRFsuiteRun` of these settings: that in the folder `cache`, or a new one where there is none."""
        parameters = {"max_iterations": max_iterations}
        if algorithm in ("lbfgs", "l2sgd"):
            parameters["c2"] = self.c2
        if algorithm == "lbfgs":
            parameters["c1"] = self.c1
        text = "-".join(f"{name}={value:g}" for name, value in sorted(parameters.items()))
        path = Path(cache) / f"crfsuite-{self.tagging.key}-{algorithm}-{text}.json"
        if path.exists() and not fresh:
            return CRFsuiteRun(path.with_suffix(".crf"), **json.loads(path.read_text()))
        path.parent.mkdir(parents=True, exist_ok=True)
        run = _train_crfsuite(self.tagging, algorithm, parameters, path.with_suffix(".crf"))
        path.write_text(json.dumps({name: value for name, value in vars(run).items() if name != "model"}))
        return run

    def with_weights_of(self, run, n_threads=1):
        """Our estimator with the weights of a model of CRFsuite, or of a fork of it, in float32."""
        model = self.estimator(n_threads=n_threads, max_iter=1).fit(self.tagging.X, self.tagging.y)
        column = {name: j for j, name in enumerate(model.vectorizer_.get_feature_names_out().tolist())}
        row = {label: k for k, label in enumerate(model.classes_.tolist())}
        tagger = pycrfsuite.Tagger()
        tagger.open(str(run.model))
        info = tagger.info()
        # an attribute that is False everywhere is no column of ours, and its weights are 0
        entries = [(row[k], column[j], w) for (j, k), w in info.state_features.items() if w]
        k, j, w = zip(*entries, strict=True)
        model.coef_ = sp.csc_matrix((np.array(w, np.float32), (k, j)), shape=model.coef_.shape)
        model.transition_coef_ = np.zeros_like(model.transition_coef_)
        for (before, after), w in info.transitions.items():
            model.transition_coef_[row[before], row[after]] = w
        return model


@dataclass
class CRFsuiteRun:
    """One training by python-crfsuite.

    Attributes
    ----------
    model : path of the model
    append, train : seconds by each clock; of the training with feature generation and the writing of the model
    curve : list of dict
        For each iteration the `objective` (of stochastic algorithms: a loss, summed up as weights change), the `trials`
        of the line search, and the seconds by each clock since training began.
    load, when : average load of the machine at the start, and date
    """

    model: Path
    append: dict
    train: dict
    curve: list
    load: float
    when: str

    def total(self, append=None):
        return {clock: (append or self.append)[clock] + self.train[clock] for clock in CLOCKS}

    def seconds_to(self, value, append=None):
        """Seconds by each clock from dicts to a stored model with at most this objective; None if there is none."""
        reached = next((record for record in self.curve if record["objective"] <= value), None)
        if reached is None:
            return None
        append = append or self.append
        after = {clock: self.train[clock] - self.curve[-1][clock] for clock in CLOCKS}
        return {clock: append[clock] + reached[clock] + after[clock] for clock in CLOCKS}

    def evaluation(self):
        """Seconds by each clock of an evaluation in each iteration: its time, over its line search's trials."""
        return [
            {clock: (after[clock] - before[clock]) / after["trials"] for clock in CLOCKS}
            for before, after in zip(self.curve, self.curve[1:], strict=False)
            if after["trials"]
        ]


class _Trainer(pycrfsuite.Trainer):
    """Keeps each line of the log with the seconds at which it came."""

    def begin(self):
        self.lines, self.began = [], {"wall": time.perf_counter(), "cpu": time.process_time()}

    def message(self, message):
        at = {"wall": time.perf_counter() - self.began["wall"], "cpu": time.process_time() - self.began["cpu"]}
        self.lines.append((message, at))

    def curve(self):
        curve = []
        for message, at in self.lines:
            name, _, value = message.partition(":")
            if message.startswith(("***** Iteration #", "***** Epoch #")):
                curve.append({"objective": None, "trials": 0})
            elif curve and name == "Loss":
                curve[-1]["objective"] = float(value)
                curve[-1].update(at)
            elif curve and name == "Line search trials":
                curve[-1]["trials"] = int(value)
        return curve


def append_all(trainer, X, y):
    for items, labels in zip(X, y, strict=True):
        trainer.append(items, labels)


def append_seconds(tagging):
    """Seconds of giving CRFsuite the training data."""
    return timed(partial(append_all, pycrfsuite.Trainer(verbose=False), tagging.X, tagging.y))[1]


def _train_crfsuite(tagging, algorithm, parameters, path):
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    trainer = _Trainer(algorithm=algorithm, params=parameters, verbose=True)
    _, append = timed(partial(append_all, trainer, tagging.X, tagging.y))
    trainer.begin()
    _, train = timed(partial(trainer.train, str(path)))
    when = time.strftime("%Y-%m-%d %H:%M")
    return CRFsuiteRun(path, append, train, trainer.curve(), load, when)


def crfsuite_tagger(run):
    """A function from dicts to tags."""
    tagger = pycrfsuite.Tagger()
    tagger.open(str(run.model))
    return lambda X: [tagger.tag(items) for items in X]
