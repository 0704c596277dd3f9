"""Fits of Vowpal Wabbit, which reads text: a line of ``label | feature:value ...`` a row."""

from pathlib import Path

import numpy as np
import scipy.sparse as sp

from .registry import EPOCHS, ITERATIONS, peer_fit

CONSTANT = 11650396  # the hash of VW's intercept
LARGEST_TABLE = 24  # bits


def _write(path, X, y, n_classes):
    X = sp.csr_matrix(X)
    with path.open("w", encoding="utf-8") as lines:
        for row, label in enumerate(y):
            part = slice(X.indptr[row], X.indptr[row + 1])
            pairs = zip(X.indices[part].tolist(), X.data[part].tolist(), strict=True)
            features = " ".join(f"{column}:{value:.9g}" for column, value in pairs)
            target = label + 1 if n_classes > 2 else 2 * int(label) - 1
            lines.write(f"{target} | {features}\n")


def _vw(X, y, ask, options):
    from vowpalwabbit import Workspace

    n_outputs = ask.n_classes if ask.n_classes > 2 else 1
    width = 1 << (n_outputs - 1).bit_length()  # of a feature in VW's table
    bits = max(18, ((X.shape[1] + 1) * width - 1).bit_length())
    if bits > LARGEST_TABLE:
        raise ValueError(f"its table would have 2^{bits} weights")
    path = Path(ask.folder) / f"vw-{X.shape[0]}.txt"
    if not path.exists():
        _write(path, X, y, ask.n_classes)
    cache = path.with_suffix(".cache")
    cache.unlink(missing_ok=True)
    loss = "hinge" if ask.loss == "hinge" else "logistic"
    arguments = f"--quiet -d {path} -b {bits} --loss_function {loss} --holdout_off {options}"
    if n_outputs > 1:
        arguments += f" --oaa {n_outputs}"
    if ask.budget is not None:
        arguments += f" --passes {ask.budget} --cache_file {cache} -k"
    arguments += " --no_bias_regularization" if ask.fit_intercept else " --noconstant"
    model = yield lambda: Workspace(arguments)
    if "--bfgs" not in options:
        # the weights of its SGD lack a common factor until they are saved
        saved = path.with_suffix(".model")
        model.save(str(saved))
        model.finish()
        model = Workspace(f"--quiet -t -i {saved}")
    mask = 2**bits - 1
    rows = [*range(X.shape[1]), CONSTANT]
    W = np.array([[model.get_weight((row * width + k) & mask, 0) for row in rows] for k in range(n_outputs)])
    model.finish()
    return (W[:, :-1], W[:, -1]) if ask.fit_intercept else (W[:, :-1], 0.0)


_SGD = dict(
    losses={"logistic", "logistic_ovr", "hinge"},
    multiclass={"logistic_ovr", "hinge"},
    budgets=EPOCHS,
    dtype="float32",
)


@peer_fit("vw", "adaptive", default=_SGD["losses"], **_SGD)
def vw_adaptive(X, y, ask):
    return _vw(X, y, ask, f"--l2 {1 / (ask.C * len(y))}")  # of an example


@peer_fit("vw", "sgd", **_SGD)
def vw_sgd(X, y, ask):
    return _vw(X, y, ask, f"--sgd --l2 {1 / (ask.C * len(y))}")


@peer_fit("vw", "bfgs", losses={"logistic"}, multiclass=(), budgets=ITERATIONS[1:], dtype="float32")
def vw_bfgs(X, y, ask):
    return _vw(X, y, ask, f"--bfgs --termination 0 --l2 {1 / ask.C}")  # of the sum
