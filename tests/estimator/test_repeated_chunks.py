"""Chunks that come again in partial_fit: each sample counts once, and several passes lead to the optimum of fit."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.model_selection import cross_val_score

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.feature_extraction import DictFeatures
from skopt_solvers.solvers import AdaGrad, Adam, Momentum

from ..chain_reference import tagging
from ..reference import text_like
from .test_streaming import weights_of

N, SIZE = 192, 48
X, Y = text_like(n=N, d=60, n_classes=3, seed=4)
Y = np.asarray(Y)
SEQUENCES, TAGS = tagging(N, n_features=8, seed=1)
WEIGHTS = np.random.RandomState(0).rand(N) + 0.1
OF_EVERY_MODEL = pytest.mark.parametrize("Model", [LogisticRegression, LinearSVC, LinearChainCRF])


def part(Model, rows, weighted=True):
    """The arguments of partial_fit for some samples."""
    if Model is LinearChainCRF:
        data, labels = [SEQUENCES[i] for i in rows], [TAGS[i] for i in rows]
    else:
        data, labels = X[rows], Y[rows]
    return dict(X=data, y=labels, sample_weight=WEIGHTS[rows] if weighted else None)


def classes_of(Model):
    return ["L0", "L1", "L2"] if Model is LinearChainCRF else [0, 1, 2]


def passes(model, n_passes, **options):
    """Fit in passes over the same chunks, in another order each time."""
    rng, chunks = np.random.RandomState(1), np.arange(N).reshape(-1, SIZE)
    for _ in range(n_passes):
        for rows in rng.permutation(chunks):
            model = model.partial_fit(**part(type(model), rows), classes=classes_of(type(model)), **options)
    return model


def above_the_optimum(model):
    """How far the objective of all samples is above its minimum, relatively, as proven."""
    given = part(type(model), np.arange(N))
    bound = model.suboptimality_bound(**given)
    best = type(model)(C=model.C, class_weight=model.class_weight, tol=1e-9, max_iter=1000).fit(**given)
    return bound / best.history_[-1]["objective"]


@OF_EVERY_MODEL
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("solver", [AdaGrad(), Adam(), Momentum()], ids=str)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_passes_lead_to_the_optimum_of_fit(Model, class_weight, solver):
    model = Model(C=0.01, class_weight=class_weight, solver=solver, random_state=0)
    first = above_the_optimum(passes(model, 1))
    assert above_the_optimum(passes(model, 40)) < min(0.02, first)


@OF_EVERY_MODEL
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_the_sums_are_those_of_one_fit(Model, class_weight):
    fitted = Model(solver="adagrad", class_weight=class_weight, max_iter=1, warm_start=True, random_state=0)
    with pytest.warns(match="max_iter"):
        fitted.fit(**part(Model, np.arange(N)))
    stream = passes(Model(solver="adagrad", class_weight=class_weight, random_state=0), 3)
    np.testing.assert_allclose(stream._seen, fitted._seen, rtol=1e-12)
    np.testing.assert_allclose(stream._seen_classes, fitted._seen_classes, rtol=1e-12)
    whole = Model(solver="adagrad", class_weight=class_weight, random_state=0)
    whole = whole.partial_fit(**part(Model, np.arange(N)), classes=classes_of(Model))
    for name in ("counts", "n_samples"):
        np.testing.assert_array_equal(stream._resume["state"][name], whole._resume["state"][name])


def test_several_labels():
    labels = np.stack([Y == 0, Y != 1], axis=1).astype(int)
    model = LogisticRegression(solver="adagrad", class_weight="balanced", random_state=0)
    for _ in range(3):
        model = model.partial_fit(X, labels)
    assert model._seen[1] == N
    model = model.partial_fit(X, labels[:, ::-1])
    assert model._seen[1] == 2 * N


def changed_row(rows):
    other = rows.copy()
    other[0], other[1] = other[1], other[0]
    return other


@OF_EVERY_MODEL
def test_other_chunks_are_new(Model):
    rows = np.arange(SIZE)
    label = {"y": [TAGS[1], *TAGS[1:SIZE]] if Model is LinearChainCRF else np.append(1 - Y[:1] % 2, Y[1:SIZE])}
    if Model is LinearChainCRF:
        label["y"][0] = ["L0" if tag != "L0" else "L1" for tag in TAGS[0]]
    given = part(Model, rows)
    others = [
        given | label,
        given | {"sample_weight": None},
        given | {"sample_weight": np.append(WEIGHTS[1], WEIGHTS[1:SIZE])},
        part(Model, changed_row(rows)),
        part(Model, rows[:-1]),
        part(Model, rows + 1),
    ]
    model, expected = Model(solver="adagrad", random_state=0), 0
    for chunk in [given, *others]:
        for _ in range(2):
            model = model.partial_fit(**chunk, classes=classes_of(Model))
        expected += len(chunk["y"])
        assert model._seen[1] == expected


def test_forms_of_one_chunk_are_one_chunk():
    """Columns of CSR out of order, and another sparse format, are the same numbers."""
    model = LogisticRegression(solver="adagrad", random_state=0)
    backwards = sp.csr_matrix(X[:, ::-1])[:, ::-1]
    for form in (X, sp.csc_matrix(X), backwards):
        model = model.partial_fit(form, Y, classes=[0, 1, 2])
    assert model._seen[1] == N


@OF_EVERY_MODEL
def test_single_events_are_always_new(Model):
    for n_rows in (1, 2, 8):
        model = Model(solver="adagrad", random_state=0)
        given = part(Model, np.zeros(n_rows, int), weighted=False)
        if Model is LinearChainCRF:
            given = dict(X=[x[:3] for x in given["X"]], y=[y[:3] for y in given["y"]])
        for _ in range(3):
            model = model.partial_fit(**given, classes=classes_of(Model))
        assert model._seen[1] == 3 * n_rows


@OF_EVERY_MODEL
def test_n_samples_overrules(Model):
    """A stream that is told how many samples there are equals one that knows its chunks."""
    rows = np.arange(SIZE)
    solver = AdaGrad(learning_rate=0.1)
    told, knows = (Model(solver=solver, random_state=0) for _ in range(2))
    for _ in range(3):
        told = told.partial_fit(**part(Model, rows), classes=classes_of(Model), n_samples=SIZE)
        knows = knows.partial_fit(**part(Model, rows), classes=classes_of(Model))
    np.testing.assert_allclose(weights_of(told), weights_of(knows), rtol=1e-9, atol=1e-12)
    assert told._seen[1] == 3 * SIZE and knows._seen[1] == SIZE


@pytest.mark.parametrize("n_samples", [SIZE - 1, 0, -3, 1e6, "all", np.nan])
@OF_EVERY_MODEL
def test_bad_n_samples(Model, n_samples):
    model = Model(solver="adagrad", random_state=0).partial_fit(**part(Model, np.arange(4)), classes=classes_of(Model))
    before = weights_of(model).copy()
    with pytest.raises(ValueError, match=f"n_samples.* at least {SIZE}, .* got {n_samples!r}"):
        model.partial_fit(**part(Model, np.arange(SIZE)), n_samples=n_samples)
    np.testing.assert_array_equal(weights_of(model), before)


@OF_EVERY_MODEL
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_samples_of_fit_are_a_chunk(Model, class_weight, warm_start):
    model = Model(
        C=0.01, solver="adagrad", class_weight=class_weight, warm_start=warm_start, max_iter=3, random_state=0
    )
    whole = part(Model, np.arange(N))
    model = pickle.loads(pickle.dumps(model.fit(**whole)))
    seen, classes = model._seen, model._seen_classes
    for _ in range(30):
        model = model.partial_fit(**whole)
    np.testing.assert_allclose(model._seen, seen, rtol=1e-12)
    np.testing.assert_allclose(model._seen_classes, classes, rtol=1e-12)
    assert model._resume["state"]["n_samples"] == seen[1]
    assert above_the_optimum(model) < 0.02
    model = model.drop_state().partial_fit(**whole)
    assert model._seen[1] == seen[1]


@OF_EVERY_MODEL
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_knows_its_own_samples_alone(Model):
    """Not those of a fit before, not a part of its own, and none where some were held out."""
    first, other = (part(Model, rows) for rows in np.arange(N).reshape(2, -1))
    model = Model(solver="adagrad", max_iter=1, random_state=0).fit(**first)
    model = model.fit(**other).partial_fit(**first)
    assert model._seen[1] == N
    model = model.fit(**other).partial_fit(**part(Model, np.arange(N // 2, N - 10)))
    assert model._seen[1] > N // 2
    model = model.set_params(early_stopping=True).fit(**other)
    before = model._seen[1]
    model = model.set_params(early_stopping=False).partial_fit(**other)
    assert before < N // 2 and model._seen[1] == before + N // 2


@pytest.mark.parametrize("forget", [False, True])
def test_what_is_known_goes_through_a_pickle_until_it_is_dropped(forget):
    model = passes(LogisticRegression(solver="adagrad", random_state=0), 1)
    model = pickle.loads(pickle.dumps(model))
    if forget:
        model = model.drop_state()
    assert passes(model, 1)._seen[1] == (2 * N if forget else N)


def test_a_stream_of_an_older_version_goes_on():
    model = passes(LogisticRegression(solver="adagrad", random_state=0), 1)
    del model._resume["state"]["chunks"]
    assert passes(model, 2)._seen[1] == 2 * N


def test_a_failed_call_counts_nothing():
    model = passes(LogisticRegression(solver="adagrad", random_state=0), 1)
    model.callback = lambda info: 1 / 0
    with pytest.raises(ZeroDivisionError):
        model.partial_fit(X[:100], Y[:100])
    model.callback = None
    assert model.partial_fit(X[:100], Y[:100])._seen[1] == N + 100


@pytest.mark.filterwarnings("ignore::FutureWarning:optuna", "ignore:OptunaSearchCV is experimental")
def test_pruning_of_optuna_scores_as_fit_does():
    optuna = pytest.importorskip("optuna")
    integration = pytest.importorskip("optuna_integration")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rng, grid = np.random.RandomState(0), {"C": [0.001, 0.1]}
    data, direction = rng.randn(200, 30), rng.randn(30)
    labels = (data @ direction > 0) ^ (rng.rand(200) < 0.35)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.GridSampler(grid), pruner=optuna.pruners.NopPruner()
    )
    options = dict(enable_pruning=True, max_iter=40, n_trials=2, scoring="neg_log_loss", cv=3, study=study)
    space = {"C": optuna.distributions.CategoricalDistribution(grid["C"])}
    model = LogisticRegression(solver="adagrad", random_state=0)
    integration.OptunaSearchCV(model, space, **options).fit(data, labels)
    assert len(study.trials) == 2
    for trial in study.trials:
        exact = cross_val_score(LogisticRegression(C=trial.params["C"]), data, labels, cv=3, scoring="neg_log_loss")
        assert trial.value == pytest.approx(exact.mean(), abs=0.003)


def test_a_pass_by_dicts_that_are_transformed():
    dicts = [[{"word": str(i % 7), "last": t == 2} for t in range(3)] for i in range(40)]
    labels = [[str(i % 3)] * 3 for i in range(40)]
    rows = DictFeatures(n_features=64).fit_transform(dicts)
    model = LinearChainCRF(solver="adagrad", random_state=0)
    for _ in range(3):
        model = model.partial_fit(rows, labels)
    assert model._seen[1] == 40
