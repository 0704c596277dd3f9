"""Fits of tagging peers: ``sum_s -log p(y_s | x_s) + c2 ||w||_2^2 + c1 ||w||_1``, or another objective.

CRFsuite, its wrapper sklearn-crfsuite and its fork chaine get feature dicts; what they make of them is in the time, and
so is the model file that they write. PyTorch gets indices and values of the features, made of the dicts by the
benchmark, outside of the time; the weights of pairs that do not occur get no gradient, so that they stay 0.
"""

import pickle
from pathlib import Path

import numpy as np

from .registry import CRF_FITS, peer_fit

ITERATIONS = (10, 25, 50, 100, 200, 400, 800)
EPOCHS = (1, 2, 5, 10, 20, 40, 80, 160)
NEVER = 1e-12  # a tolerance that does not end a fit before its budget
SMALL = 20  # sentences
_LOADED = {}


def prepared(ask, small=False):
    """The fit that is asked for, and its arguments: sequences of dicts or a `Tokens`, their labels, and `ask`."""
    fit = CRF_FITS[ask.method]
    kind = "tokens" if fit.peer == "torch" else "dicts"
    if kind not in _LOADED:
        with (Path(ask.folder) / f"{kind}.pickle").open("rb") as file:
            _LOADED[kind] = pickle.load(file)
    X, y = _LOADED[kind]
    return (fit.fit, X[:SMALL], y[:SMALL], ask) if small else (fit.fit, X, y, ask)


def answered(result, ask):
    """Where the model is: a file of CRFsuite, or one of arrays."""
    if isinstance(result, Path):
        return {"model": str(result)}
    path = Path(ask.folder) / "weights.npz"
    np.savez(path, **result)
    return {"weights": str(path)}


def _parameters(algorithm, ask):
    """Those of CRFsuite; where there is a budget, nothing else ends the fit."""
    parameters = {}
    if algorithm in ("lbfgs", "l2sgd"):
        parameters["c2"] = ask.c2
    if algorithm == "lbfgs":
        parameters["c1"] = ask.c1
    if ask.budget is not None:
        parameters["max_iterations"] = ask.budget
        parameters["delta" if algorithm == "l2sgd" else "epsilon"] = NEVER
        if algorithm == "lbfgs":
            parameters["delta"] = NEVER
    return parameters


def _crfsuite(algorithm, X, y, ask):
    import pycrfsuite

    path = Path(ask.folder) / "model.crf"

    def run():
        trainer = pycrfsuite.Trainer(algorithm=algorithm, params=_parameters(algorithm, ask), verbose=False)
        for items, labels in zip(X, y, strict=True):
            trainer.append(items, labels)
        trainer.train(str(path))

    yield run
    return path


def _sklearn_crfsuite(algorithm, X, y, ask):
    import sklearn_crfsuite

    path = Path(ask.folder) / "sklearn.crf"
    path.unlink(missing_ok=True)
    model = sklearn_crfsuite.CRF(algorithm=algorithm, model_filename=str(path), **_parameters(algorithm, ask))
    yield lambda: model.fit(X, y)
    return path


def _chaine(algorithm, X, y, ask):
    from chaine.crf import Trainer
    from chaine.logging import set_verbosity

    set_verbosity(0)
    path = Path(ask.folder) / "chaine.crf"

    def run():
        Trainer(algorithm, **_parameters(algorithm, ask)).train(X, y, model_filepath=path)

    yield run
    return path


# "other" is not the objective: those take part with their defaults and their test score only
_ALGORITHMS = {
    "lbfgs": ({"l1", "l2"}, ITERATIONS),
    "l2sgd": ({"l2"}, EPOCHS),
    "ap": ({"other"}, ()),
    "pa": ({"other"}, ()),
    "arow": ({"other"}, ()),
}
for _peer, _make in (("python-crfsuite", _crfsuite), ("sklearn-crfsuite", _sklearn_crfsuite), ("chaine", _chaine)):
    for _algorithm, (_losses, _budgets) in _ALGORITHMS.items():
        if _peer != "sklearn-crfsuite" or _algorithm == "lbfgs":  # its others are those of python-crfsuite
            peer_fit(_peer, _algorithm, losses=_losses, budgets=_budgets, default=_losses, registry=CRF_FITS)(
                lambda X, y, ask, make=_make, algorithm=_algorithm: make(algorithm, X, y, ask)
            )

# Registers the fits of PyTorch.
from . import torch_crf_fits  # noqa: E402, F401
