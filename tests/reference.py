"""What the tests compare with: brute force in float64, numerical gradients, small data, and the one list of solvers."""

import numpy as np
import scipy.sparse as sp
from scipy.optimize import brentq
from scipy.special import expit, logsumexp, wrightomega

from skopt_solvers import _kernels
from skopt_solvers.objectives import LOG_LOSSES, SVC_LOSSES, LinearObjective
from skopt_solvers.objectives._losses import crammer_singer, hinge
from skopt_solvers.solvers import FTRL, LBFGS, SDCA, SOLVERS, AdaGrad, Adam, AdamW, Momentum, RMSProp, StochasticSolver

# Every test of solvers runs through these. A new solver is one entry here, and its name below if it refuses something.
STOCHASTIC = {
    "momentum": Momentum(),
    "momentum-plain": Momentum(momentum=0.0),
    "momentum-nesterov": Momentum(nesterov=True),
    "momentum-clipped": Momentum(clip_norm=0.05),
    "adagrad": AdaGrad(),
    "adagrad-averaged": AdaGrad(average=True),
    "rmsprop": RMSProp(),
    "rmsprop-centered": RMSProp(centered=True),
    "rmsprop-clipped-averaged": RMSProp(clip_norm=0.05, average=2),
    "adam": Adam(),
    "adam-amsgrad": Adam(amsgrad=True),
    "adamw": AdamW(),
    "adamw-own-decay": AdamW(weight_decay=0.1),
    "adamw-amsgrad": AdamW(amsgrad=True),
    "ftrl": FTRL(),
    "ftrl-own-penalty": FTRL(l1=0.02, l2=0.05),
    "ftrl-own-l1": FTRL(beta=0.1, l1=0.02, average=True),
}
EVERY = {
    **STOCHASTIC,
    "lbfgs": LBFGS(),
    "lbfgs-pairs": LBFGS(newton=False),
    "lbfgs-plain": LBFGS(memory=3, precondition=False, newton=False),
    "sdca": SDCA(),
}

# The names, and what not every solver does.
NAMES = sorted(SOLVERS)
STOCHASTIC_NAMES = [name for name in NAMES if issubclass(SOLVERS[name], StochasticSolver)]
L1_NAMES = [name for name in NAMES if name not in ("sdca",)]
CHAIN_NAMES = [name for name in NAMES if name not in ("sdca",)]
KINKED_NAMES = [name for name in NAMES if name not in ("lbfgs",)]
EXACT_NAMES = [name for name in NAMES if name not in ("adamw",)]  # those that minimise the objective

# What a LinearObjective takes as its loss; those whose gradient is continuous; the numbers of outputs each has.
LOSSES = {
    "logistic": LOG_LOSSES["ovr"],
    "softmax": LOG_LOSSES["softmax"],
    "narrow_hinge": hinge(0.03),
    "narrow_squared_hinge": hinge(0.3, squared=True),
    "narrow_crammer_singer": crammer_singer(0.03),
    "narrow_squared_crammer_singer": crammer_singer(0.3, squared=True),
    **{name: losses["ovr"] for name, losses in SVC_LOSSES.items()},
    "crammer_singer": SVC_LOSSES["hinge"]["crammer_singer"],
    "squared_crammer_singer": SVC_LOSSES["squared_hinge"]["crammer_singer"],
    "smoothed_crammer_singer": SVC_LOSSES["smoothed_hinge"]["crammer_singer"],
}
SMOOTH = {name for name, loss in LOSSES.items() if loss.smooth and not name.startswith("narrow")}
JOINT = {name for name, loss in LOSSES.items() if loss.joint}


def without_native(solver):
    """The same solver with its numpy `update` in the place of the compiled rule."""

    class InNumpy(type(solver)):
        def native(self, state, dtype):
            return None

    return InNumpy(**solver.get_params(deep=False))


# Losses


def signs(labels, n_outputs):
    """+1 for the positive class of each output, else -1; with one output the positive class is 1."""
    positive = (labels == 1)[:, None] if n_outputs == 1 else labels[:, None] == np.arange(n_outputs)
    return np.where(positive, 1.0, -1.0)


def losses(Z, labels, loss):
    """The loss of each row of margins."""
    Z = np.asarray(Z, dtype=np.float64)
    rows = np.arange(len(Z))
    if loss.struct == "logistic":
        return np.logaddexp(0, -signs(labels, Z.shape[1]) * Z).sum(axis=1)
    if loss.struct == "softmax":
        return logsumexp(Z, axis=1) - Z[rows, labels]
    if loss.struct == "hinge":
        a = np.maximum(1 - signs(labels, Z.shape[1]) * Z, 0)
        if loss.gamma:
            a = np.where(a < loss.gamma, a**2 / (2 * loss.gamma), a - loss.gamma / 2)
        return (a**2 if loss.squared else a).sum(axis=1)
    if loss.struct == "modified_huber":
        margins = signs(labels, Z.shape[1]) * Z
        return np.where(margins >= -1, np.maximum(1 - margins, 0) ** 2, -4 * margins).sum(axis=1)
    a = 1 + Z - Z[rows, labels][:, None]
    a[rows, labels] = 0
    value = a.max(axis=1)
    if loss.gamma:
        a[rows, labels] = -np.inf
        value = smoothed_maximum(a, loss.gamma)
    return value**2 if loss.squared else value


def smoothed_maximum(a, gamma):
    """``max p.a - gamma/2 |p|^2`` over p >= 0 with sum <= 1, by row: its dual, a convex function of one variable.

    The dual is ``min theta + sum max(a - theta, 0)^2 / (2 gamma)`` over theta >= 0; the root of its derivative is found
    by bisection.
    """
    low, high = np.zeros(len(a)), np.maximum(a.max(axis=1), 0)
    for _ in range(200):
        theta = (low + high) / 2
        rising = np.maximum(a - theta[:, None], 0).sum(axis=1) <= gamma
        low, high = np.where(rising, low, theta), np.where(rising, theta, high)
    return high + (np.maximum(a - high[:, None], 0) ** 2).sum(axis=1) / (2 * gamma)


def penalised(W, X, labels, weights, *, C, l1_ratio, fit_intercept, loss, smooth_part=False):
    """``C sum s loss + (1 - l1_ratio)/2 |W|^2 + l1_ratio |W|_1``; for an infinite C the sum of the losses alone."""
    X = X.toarray().astype(np.float64) if sp.issparse(X) else np.asarray(X, dtype=np.float64)
    W = np.asarray(W, dtype=np.float64)
    n = X.shape[1]
    Z = X @ W[:n] + (W[n] if fit_intercept else 0.0)
    loss_sum = float(np.asarray(weights, dtype=np.float64) @ losses(Z, labels, loss))
    if not np.isfinite(C):
        return loss_sum
    penalty = (1 - l1_ratio) / 2 * (W[:n] ** 2).sum()
    return C * loss_sum + penalty + (0.0 if smooth_part else l1_ratio * np.abs(W[:n]).sum())


def numerical_gradient(function, W, step=1e-6):
    """Central differences of a function of a table."""
    W = np.array(W, dtype=np.float64)
    gradient = np.empty_like(W)
    for index in np.ndindex(W.shape):
        ahead, behind = W.copy(), W.copy()
        ahead[index] += step
        behind[index] -= step
        gradient[index] = (function(ahead) - function(behind)) / (2 * step)
    return gradient


# Dual coordinate ascent


def hinge_dual(c, loss):
    """The slack and the largest b of the gain ``b - slack/2 b^2`` of a loss that is quadratic and then straight."""
    if loss.struct == "modified_huber":
        return 0.5 / c, 4 * c  # where 2 a, the derivative of its quadratic part, ends
    return (0.5 / c, np.inf) if loss.squared else (loss.gamma / c, c)


def dual_gain(a, label, c, loss):
    """``-c loss*(-a / c)`` of one row; -inf where that is not finite."""
    a = np.asarray(a, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if loss.struct == "softmax":
            p = (np.arange(len(a)) == label) - a / c
            return -c * np.where(p == 0, 0, p * np.log(p)).sum() if (p >= 0).all() else -np.inf
        b = a * signs(np.array([label]), len(a))[0]
        if loss.struct in ("hinge", "modified_huber"):
            slack, most = hinge_dual(c, loss)
            return (b - slack / 2 * b**2).sum() if ((b >= 0) & (b <= most)).all() else -np.inf
        entropy = sum(np.where(p == 0, 0, p * np.log(p)) for p in (b / c, 1 - b / c))
        return -c * entropy.sum() if ((b >= 0) & (b <= c)).all() else -np.inf


def dual_step(z, a, label, q, c, loss):
    """The a' that maximises ``dual_gain(a') - z.(a' - a) - q/2 |a' - a|^2``, by closed forms and bisection."""
    if loss.struct == "softmax":
        y = np.arange(len(a)) == label
        if not q * c > 0:
            return c * (y - np.exp(z - logsumexp(z)))
        # u + q c softmax(u) = v is solved by q c p = omega(log(q c) + v - t), t being what makes sum p = 1
        v = z - q * a + q * c * y + np.log(q * c)
        excess = lambda t: wrightomega(v - t).sum() - q * c  # noqa: E731
        low, high = (v.max() - r - np.log(r) for r in (q * c, q * c / len(a)))
        t = brentq(excess, low - 1, high + 1, xtol=1e-13)
        return c * (y - wrightomega(v - t) / (q * c))
    s = signs(np.array([label]), len(a))[0]
    if loss.struct in ("hinge", "modified_huber"):
        slack, most = hinge_dual(c, loss)
        with np.errstate(divide="ignore"):  # a row without a non-zero
            b = s * a + (1 - s * z - slack * s * a) / np.float64(q + slack)
        return s * np.clip(b, 0, most)
    base = s * z - q * s * a
    roots = [brentq(lambda t, f=f: t - f - q * c * expit(-t), f - 1, f + q * c + 1, xtol=1e-13) for f in base]
    return s * c * expit(-np.array(roots))


def sdca_epoch(X, labels, c, rows, seed, A, W, rests, intercept_step=None, *, loss):
    """An epoch of dual coordinate ascent in place, a row at a time; all outputs together.

    `rests` has two counters a row: rounds to come without a visit, and visits without a change.
    """
    run = 1 if X.nnz < 2**17 else 4
    X, visits = X.toarray().astype(np.float64), 0
    if intercept_step:
        X = np.hstack([X, np.ones((len(X), 1))])
    weight = np.ones(X.shape[1])
    weight[len(weight) - bool(intercept_step) :] = intercept_step or 1.0  # W = weight * X^T A: the intercept's share
    for round_ in range(16):
        if visits >= len(rows) - len(rows) // 8:
            break
        order = _kernels.shuffled(rows, seed + round_, run=run)
        awake = [i for i in order if rests[i, 0] == 0]
        rests[[i for i in rows if rests[i, 0]], 0] -= 1
        for i in awake:
            before, z, q = A[i].copy(), X[i] @ W, X[i] @ (weight * X[i])
            A[i] = dual_step(z, A[i], labels[i], q, c[i], loss)
            W += np.outer(weight * X[i], A[i] - before)
            still = np.abs(A[i] - before).max() * q <= 16 * np.finfo(float).eps * max(1, np.abs(z).max())
            rests[i, 1] = min(rests[i, 1] + 1, 4) if still else 0
            rests[i, 0] = 2 ** rests[i, 1] - 1
        visits += len(awake)


# Data


def every_column(n_rows, n_columns):
    """CSR with a 1 in each column, so that the table of a fit is that of all."""
    columns = np.arange(n_columns)
    return sp.csr_matrix((np.ones(n_columns), (columns % n_rows, columns)), shape=(n_rows, n_columns))


def text_like(n=120, d=40, length=8, n_classes=2, seed=0, dtype=np.float64, index=np.int32):
    """CSR rows of unit length whose features follow Zipf's law, and labels that a linear model half explains.

    One row is empty, and the last feature is in no row.
    """
    rng = np.random.RandomState(seed)
    popularity = 1 / np.arange(1, d)
    popularity /= popularity.sum()
    columns = [np.unique(rng.choice(d - 1, length, p=popularity)) for _ in range(n)]
    columns[n // 2] = columns[n // 2][:0]
    indptr = np.concatenate([[0], np.cumsum([len(c) for c in columns])])
    values = [v / max(np.linalg.norm(v), 1e-300) for v in (rng.rand(len(c)) + 0.1 for c in columns)]
    X = sp.csr_matrix((np.concatenate(values).astype(dtype), np.concatenate(columns), indptr), shape=(n, d))
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    scores = X @ rng.randn(d, n_classes) * 5 + rng.gumbel(size=(n, n_classes))
    labels = scores.argmax(axis=1).astype(np.int32)
    labels[:n_classes] = np.arange(n_classes)
    return X, labels


def dense_data(n=60, d=6, n_classes=2, seed=0, dtype=np.float64):
    """CSR of which every entry is non-zero, and labels as in :func:`text_like`."""
    rng = np.random.RandomState(seed)
    X = rng.randn(n, d)
    labels = (X @ rng.randn(d, n_classes) + rng.gumbel(size=(n, n_classes))).argmax(axis=1).astype(np.int32)
    return sp.csr_matrix(X.astype(dtype)), labels


def outputs(n_classes):
    """Columns of the table for so many classes."""
    return 1 if n_classes == 2 else n_classes


def linear_objective(X, labels, weights=None, *, n_outputs=1, C=1.0, l1_ratio=0.0, fit_intercept=True, **options):
    """A LinearObjective with defaults; logistic unless `loss` says otherwise."""
    weights = np.ones(X.shape[0]) if weights is None else weights
    options = {"loss": LOSSES["logistic"], **options}
    return LinearObjective(
        X, labels, weights, n_outputs=n_outputs, C=C, l1_ratio=l1_ratio, fit_intercept=fit_intercept, **options
    )
