"""Writes the models of this version, which tests/test_stored_models.py loads with every later one.

    python -m tests.data.make_models

Run it once a version, when what is stored has changed, and keep the files of the versions before.
"""

import json
import pickle
import warnings
from pathlib import Path
from zipfile import ZIP_DEFLATED

import joblib
import numpy as np
import scipy.sparse as sp
import skops.io
from sklearn.exceptions import ConvergenceWarning

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression, __version__
from skopt_solvers.feature_extraction import DictFeatures, TokenFeatures
from skopt_solvers.schedules import CosineDecay, Warmup
from skopt_solvers.solvers import LBFGS, Adam

FOLDER = Path(__file__).parent

# The same numbers in every version of NumPy.
VALUES = np.arange(60 * 12).reshape(60, 12) ** 2 % 7 / 4.0
X = sp.csr_matrix(np.where(VALUES > 0.75, VALUES, 0.0))
Y = np.array(["ham", "spam", "eggs"])[(VALUES[:, 0] + VALUES[:, 1] * 4).astype(int) % 3]
WORDS = [["The", "dog", "barks"], ["A", "cat", "sleeps"], ["Dogs", "sleep"], ["Zürich", "wakes"]]
TAGS = [["D", "N", "V"], ["D", "N", "V"], ["N", "V"], ["N", "V"]]
DICTS = [[{"word": w.lower(), "title": w.istitle(), "length": len(w)} for w in words] for words in WORDS]
ARRAYS = [[{**features, "vector": np.array([len(features), -1.0])} for features in tokens] for tokens in DICTS]


def models():
    """Fitted models by name."""
    resumable = dict(solver=Adam(schedule=Warmup(CosineDecay(epochs=8), epochs=1), average=1), max_iter=2)
    stream = LinearSVC(solver="adagrad", random_state=0)
    for part in (slice(30), slice(30, 60)):
        stream.partial_fit(X[part].astype(np.float32), Y[part], classes=np.unique(Y))
    return {
        "logistic": LogisticRegression(C=2.0, solver=LBFGS(memory=5), max_iter=50).fit(X, Y),
        "resumable": LogisticRegression(**resumable, warm_start=True, random_state=3).fit(X, Y),
        "svc": LinearSVC(loss="hinge", solver="sdca", random_state=0, warm_start=True).fit(X, Y == "ham"),
        "stream": stream,
        "crf": LinearChainCRF(C=5.0, max_iter=5).fit(DICTS, TAGS),
        "observed": LinearChainCRF(state_features="observed", l1_ratio=0.5, max_iter=5).fit(DICTS, TAGS),
        "conditioned": LinearChainCRF(transition_features="title", max_iter=5).fit(DICTS, TAGS),
        "vectors": LinearChainCRF(max_iter=5).fit(ARRAYS, TAGS),
        "dicts": DictFeatures().fit(DICTS),
        "tokens": TokenFeatures(window=(0,), flags=False).fit(WORDS),
    }


def answers(models):
    """What the models say, as lists of numbers and strings; 0.1 had no conditioned transitions and no vectors."""
    newer = {"conditioned": DICTS, "vectors": ARRAYS}
    return {
        **{
            name: np.concatenate(list(models[name].predict_proba(newer[name]))).tolist()
            for name in newer
            if name in models
        },
        "logistic": models["logistic"].predict_proba(X[:5]).tolist(),
        "resumable": models["resumable"].decision_function(X[:5]).tolist(),
        "resumed": resumed(models["resumable"]).decision_function(X[:5]).tolist(),
        "svc": models["svc"].decision_function(X[:5]).tolist(),
        "stream": models["stream"].decision_function(X[:5]).tolist(),
        "crf": np.concatenate(list(models["crf"].predict_proba(DICTS))).tolist(),
        "tags": models["crf"].predict(DICTS).tolist(),
        "observed": np.concatenate(list(models["observed"].predict_proba(DICTS))).tolist(),
        "dicts": models["dicts"].get_feature_names_out().tolist(),
        "columns": models["dicts"].transform(DICTS).matrix.toarray().tolist(),
        "tokens": models["tokens"].transform(WORDS).matrix.toarray().tolist(),
    }


def resumed(model):
    """The model after two more epochs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return pickle.loads(pickle.dumps(model)).fit(X, Y)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    fitted = models()
    with open(FOLDER / f"models-{__version__}.pickle", "wb") as file:
        pickle.dump(fitted, file, protocol=5)
    joblib.dump(fitted, FOLDER / f"models-{__version__}.joblib", compress=3)
    skops.io.dump(fitted, FOLDER / f"models-{__version__}.skops", compression=ZIP_DEFLATED, compresslevel=9)
    (FOLDER / f"answers-{__version__}.json").write_text(json.dumps(answers(fitted), indent=None) + "\n")
