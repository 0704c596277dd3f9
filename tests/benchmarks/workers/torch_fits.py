"""A linear model in PyTorch as a user would write it: sparse CSR tensors, autograd, an optimiser of torch.optim."""

import numpy as np

from .registry import EPOCHS, ITERATIONS, peer_fit

BATCH = 256
RATE = 0.05
_LOSSES = {"logistic", "logistic_ovr", "squared_hinge", "hinge"}


def _loss(torch, ask):
    """The mean loss of margins Z, by row of class indices y."""
    functional = torch.nn.functional

    def signs(Z, y):
        if Z.shape[1] == 1:
            return (2.0 * y - 1).unsqueeze(1)
        return 2.0 * functional.one_hot(y, Z.shape[1]) - 1

    if ask.loss == "logistic" and ask.n_classes > 2:
        return functional.cross_entropy
    return {
        "logistic": lambda Z, y: functional.softplus(-signs(Z, y) * Z).sum(1).mean(),
        "logistic_ovr": lambda Z, y: functional.softplus(-signs(Z, y) * Z).sum(1).mean(),
        "squared_hinge": lambda Z, y: (functional.relu(1 - signs(Z, y) * Z) ** 2).sum(1).mean(),
        "hinge": lambda Z, y: functional.relu(1 - signs(Z, y) * Z).sum(1).mean(),
    }[ask.loss]


def _tensor(torch, X):
    if isinstance(X, np.ndarray):
        return torch.from_numpy(X)
    crow, columns = (torch.from_numpy(part.astype(np.int32, copy=False)) for part in (X.indptr, X.indices))
    return torch.sparse_csr_tensor(crow, columns, torch.from_numpy(X.data), X.shape)


def _start(torch, X, ask):
    torch.set_num_threads(ask.threads)
    torch.manual_seed(ask.seed)
    n_outputs = 1 if ask.n_classes == 2 else ask.n_classes
    W = torch.zeros(X.shape[1], n_outputs, requires_grad=True)
    b = torch.zeros(n_outputs, requires_grad=ask.fit_intercept)
    return W, b, 1 / (ask.C * X.shape[0])


def _read(W, b):
    return W.detach().numpy().T, b.detach().numpy()


@peer_fit("torch", "adam", losses=_LOSSES, budgets=EPOCHS, dtype="float32")
def torch_adam(X, y, ask):
    """Minibatches of shuffled rows, a rate that decays linearly to zero over the epochs."""
    import torch

    W, b, penalty = _start(torch, X, ask)
    loss = _loss(torch, ask)
    epochs = ask.budget or 10

    def run():
        groups = [{"params": [W], "weight_decay": penalty}] + ([{"params": [b]}] if ask.fit_intercept else [])
        optimiser = torch.optim.Adam(groups, lr=RATE)
        n_steps = epochs * -(-X.shape[0] // BATCH)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / n_steps)
        rng = np.random.default_rng(ask.seed)
        for _ in range(epochs):
            order = rng.permutation(X.shape[0])
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                optimiser.zero_grad()
                loss(_tensor(torch, X[rows]) @ W + b, torch.from_numpy(y[rows])).backward()
                optimiser.step()
                schedule.step()

    yield run
    return _read(W, b)


@peer_fit("torch", "lbfgs", losses=_LOSSES - {"hinge"}, budgets=ITERATIONS, dtype="float32")
def torch_lbfgs(X, y, ask):
    """All rows at once, with the strong Wolfe line search."""
    import torch

    W, b, penalty = _start(torch, X, ask)
    loss = _loss(torch, ask)
    tensor, target = _tensor(torch, X), torch.from_numpy(y)

    def run():
        optimiser = torch.optim.LBFGS(
            [W, b] if ask.fit_intercept else [W],
            max_iter=ask.budget or 100,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )

        def closure():
            optimiser.zero_grad()
            value = loss(tensor @ W + b, target) + penalty / 2 * (W * W).sum()
            value.backward()
            return value

        optimiser.step(closure)

    yield run
    return _read(W, b)
