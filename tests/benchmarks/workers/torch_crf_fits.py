"""A linear-chain CRF in PyTorch: an EmbeddingBag of the features' weights, and pytorch-crf for the chain."""

import numpy as np

from .registry import CRF_FITS, peer_fit

BATCH = 32  # sentences
FULL = 512  # sentences that are worked on together where the gradient is of all
RATE = 0.05


class Tokens:
    """Features of all tokens as CSR arrays, in sentences; the first ones by slicing."""

    def __init__(self, data, indices, indptr, lengths, n_features, n_labels):
        self.data, self.indices, self.indptr, self.lengths = data, indices, indptr, lengths
        self.n_features, self.n_labels = n_features, n_labels
        self.starts = np.concatenate([[0], np.cumsum(lengths)])

    def __getitem__(self, part):
        return Tokens(self.data, self.indices, self.indptr, self.lengths[part], self.n_features, self.n_labels)


def _batch(torch, X, y, chosen):
    """What the layers need of some sentences: features, values, offsets, padded places, labels and mask."""
    rows = np.concatenate([np.arange(X.starts[i], X.starts[i + 1]) for i in chosen])
    counts = np.diff(X.indptr)[rows]
    offsets = np.concatenate([[0], np.cumsum(counts)[:-1]])
    entries = np.repeat(X.indptr[rows] - offsets, counts) + np.arange(counts.sum())
    lengths = X.lengths[chosen]
    mask = np.arange(lengths.max()) < lengths[:, None]
    labels = np.zeros(mask.shape, np.int64)
    labels[mask] = np.concatenate([y[i] for i in chosen])
    features, values, offsets = X.indices[entries].astype(np.int64), X.data[entries], offsets.astype(np.int64)
    return tuple(map(torch.from_numpy, (features, values, offsets, labels, mask)))


def _observed(X, y):
    """Whether (feature, label) pairs and transitions occur."""
    labels = np.concatenate(y)
    counts = np.diff(X.indptr)[: len(labels)]
    pairs = np.zeros((X.n_features, X.n_labels), np.float32)
    pairs[X.indices[: counts.sum()], np.repeat(labels, counts)] = 1
    transitions = np.zeros((X.n_labels, X.n_labels), np.float32)
    for sentence in y:
        transitions[sentence[:-1], sentence[1:]] = 1
    return pairs, transitions


def _layers(torch, X, y, ask):
    from torchcrf import CRF

    torch.set_num_threads(ask.threads)
    torch.manual_seed(ask.seed)
    emissions = torch.nn.EmbeddingBag(X.n_features, X.n_labels, mode="sum")
    chain = CRF(X.n_labels, batch_first=True)
    with torch.no_grad():
        for weights in (emissions.weight, *chain.parameters()):
            weights.zero_()
    # the objective has no weights of the boundaries
    chain.start_transitions.requires_grad_(False)
    chain.end_transitions.requires_grad_(False)

    for weights, observed in zip((emissions.weight, chain.transitions), _observed(X, y), strict=True):
        weights.register_hook(torch.from_numpy(observed).mul)

    def loss(chosen):
        features, values, offsets, labels, mask = _batch(torch, X, y, chosen)
        scores = torch.zeros(*mask.shape, X.n_labels)
        scores[mask] = emissions(features, offsets, per_sample_weights=values)
        return -chain(scores, labels, mask=mask, reduction="sum")

    return [emissions.weight, chain.transitions], loss


def _read(parameters):
    weight, transitions = (part.detach().numpy() for part in parameters)
    return {"coef": weight.T, "transitions": transitions}


_CRF = dict(losses={"l2"}, registry=CRF_FITS)


@peer_fit("torch", "adam", budgets=(1, 2, 3, 5, 8, 12, 20, 40), **_CRF)
def torch_adam(X, y, ask):
    """Minibatches of sentences, a rate that decays linearly to zero over the epochs."""
    import torch

    parameters, loss = _layers(torch, X, y, ask)
    n = len(X.lengths)
    epochs = ask.budget

    def run():
        optimiser = torch.optim.Adam(parameters, lr=RATE, weight_decay=2 * ask.c2 / n)
        n_steps = epochs * -(-n // BATCH)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / n_steps)
        rng = np.random.default_rng(ask.seed)
        for _ in range(epochs):
            order = rng.permutation(n)
            for start in range(0, n, BATCH):
                chosen = order[start : start + BATCH]
                optimiser.zero_grad()
                (loss(chosen) / len(chosen)).backward()
                optimiser.step()
                schedule.step()

    yield run
    return _read(parameters)


@peer_fit("torch", "lbfgs", budgets=(5, 10, 25, 50, 100, 200, 400), **_CRF)
def torch_lbfgs(X, y, ask):
    """All sentences at once, those of similar length together, with the strong Wolfe line search."""
    import torch

    parameters, loss = _layers(torch, X, y, ask)
    order = np.argsort(X.lengths, kind="stable")

    def run():
        optimiser = torch.optim.LBFGS(
            parameters,
            max_iter=ask.budget,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )

        def closure():
            optimiser.zero_grad()
            value = ask.c2 * sum((part * part).sum() for part in parameters)
            value.backward()
            for start in range(0, len(order), FULL):
                part = loss(order[start : start + FULL])
                part.backward()
                value = value + part.detach()
            return value.detach()

        optimiser.step(closure)

    yield run
    return _read(parameters)
