"""Fits and predictions on dask collections: the one-process fit, whatever the blocks, and workers that die."""

import os
import signal
from itertools import count, pairwise

import dask
import dask.array as da
import dask.bag as db
import numpy as np
import pytest
import scipy.sparse as sp
from dask.highlevelgraph import HighLevelGraph
from distributed import Client, LocalCluster
from sklearn.base import clone

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.feature_extraction import DictFeatures
from skopt_solvers.objectives import LinearObjective
from skopt_solvers.objectives._summed import Part, SummedObjective, summed
from skopt_solvers.sequence import CSRSequences
from skopt_solvers.solvers import LBFGS, Result, Solver
from skopt_solvers.solvers._newton import newton_way
from skopt_solvers.solvers._starts import start_epochs

from ..chain_reference import COEFFICIENTS
from ..reference import LOSSES, text_like

X, Y = text_like(n=240, d=40, n_classes=3, seed=2)
X = sp.csr_array(X) if not sp.issparse(X) else X.tocsr()
WEIGHTS = np.random.RandomState(0).randint(0, 3, X.shape[0]).astype(float)
CUTS = [0, 50, 50, 110, 240]  # one block is empty
NUMBERS = count()


def rows(X, cuts=CUTS, load=lambda X: X):
    """A dask array whose blocks are slices of X, each made by a task; da.concatenate would drop the empty ones."""
    make, name = dask.delayed(load, pure=False), f"rows-{next(NUMBERS)}"
    blocks = [make(X[a:b]) for a, b in pairwise(cuts)]
    keys = {(name, i, *[0] * (X.ndim - 1)): block.key for i, block in enumerate(blocks)}
    graph = HighLevelGraph.from_collections(name, keys, dependencies=blocks)
    chunks = (tuple(np.diff(cuts).tolist()), *((length,) for length in X.shape[1:]))
    return da.Array(graph, name, chunks, meta=X[:0], dtype=X.dtype)


def bag(values, cuts):
    return db.from_delayed([dask.delayed(values[a:b]) for a, b in pairwise(cuts)])


def tagged(n=60, d=30, seed=0):
    """Sequences over one matrix, some of them empty, and labels of which some are missing."""
    rng = np.random.RandomState(seed)
    lengths = rng.randint(0, 7, n)
    matrix = sp.random(lengths.sum(), d, density=0.15, format="csr", random_state=seed)
    codes = (matrix @ rng.randn(d, 4) + 0.5 * rng.randn(lengths.sum(), 4)).argmax(axis=1)
    labels = np.array(list("abcd"), dtype=object)[codes]
    labels[rng.rand(len(labels)) < 0.05] = None
    return CSRSequences(matrix, lengths), [list(s) for s in np.split(labels, np.cumsum(lengths)[:-1])]


S, TAGS = tagged()
SCUTS = [0, 20, 20, 37, 60]


def same(there, here, atol=1e-5):
    names = COEFFICIENTS if isinstance(here, LinearChainCRF) else ("coef_", "intercept_")
    for name in names:
        a, b = (
            getattr(m, name).toarray() if sp.issparse(getattr(m, name)) else getattr(m, name) for m in (there, here)
        )
        np.testing.assert_allclose(a, b, atol=atol)
        assert a.dtype == b.dtype
    np.testing.assert_array_equal(there.classes_, here.classes_)
    assert there.n_features_in_ == here.n_features_in_


# Without a cluster

MODELS = {
    "softmax": LogisticRegression(),
    "ovr": LogisticRegression(multi_class="ovr", fit_intercept=False),
    "balanced": LogisticRegression(class_weight="balanced"),
    "weighed": LogisticRegression(class_weight={0: 0.5, 1: 2.0}),
    "L1": LogisticRegression(l1_ratio=1.0),
    "elastic net": LinearSVC(loss="smoothed_hinge", l1_ratio=0.5),
    "no penalty": LogisticRegression(C=np.inf, max_iter=5, tol=1e-3),
    "squared hinge": LinearSVC(C=0.1),
    "crammer_singer": LinearSVC(multi_class="crammer_singer", loss="smoothed_hinge", C=0.1),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["all", "weighted"])
@pytest.mark.parametrize("name", MODELS)
def test_rows_in_blocks_give_the_fit_of_all(name, weights):
    model = clone(MODELS[name])
    if name != "no penalty":
        model.set_params(tol=1e-9, max_iter=2000)
    here, there = clone(model), model
    here.fit(X, Y, weights)
    if name == "no penalty":  # its optimum is far away: the same first iterations instead
        here.set_params(solver=LBFGS(start_epochs=0)).fit(X, Y, weights)
    there.fit(rows(X), rows(Y), None if weights is None else rows(weights))
    if name == "no penalty":
        assert there.history_[0]["objective"] == pytest.approx(here.history_[0]["objective"], rel=0.1)
    else:
        same(there, here)
        assert there.history_[-1]["objective"] == pytest.approx(here.history_[-1]["objective"], rel=1e-9)


@pytest.mark.parametrize("kind", ["dense", "csr_matrix", "with zeros", "float32", "integers"])
def test_blocks_are_read_as_matrices_are(kind):
    make = {
        "dense": lambda X: X.toarray(),
        "csr_matrix": sp.csr_matrix,
        "with zeros": lambda X: sp.csr_array(
            (np.append(X.data, 0), np.append(X.indices, 0), [*X.indptr[:-1], X.nnz + 1]), X.shape
        ),
        "float32": lambda X: X.astype(np.float32),
        "integers": lambda X: (X * 10).astype(int),
    }[kind]
    data = make(X)
    tol = 1e-5 if kind == "float32" else 1e-9
    here = LogisticRegression(tol=tol, C=0.1).fit(data, Y)
    there = LogisticRegression(tol=tol, C=0.1).fit(rows(data), Y)
    same(there, here, atol=1e-3 if kind == "float32" else 1e-5)


def test_one_block_in_float64_makes_all_float64():
    array = rows(X, load=lambda block: block.astype(np.float32) if block.shape[0] == 60 else block)
    assert LogisticRegression().fit(array, Y).coef_.dtype == np.float64


def test_blocks_of_one_class_strings_and_arrays_split_otherwise():
    order = np.argsort(Y, kind="stable")
    names = np.array(["a", "bcd", "ef"])[Y][order]
    cuts = [0, *np.cumsum(np.bincount(Y))]
    here = LogisticRegression(tol=1e-9).fit(X[order], names)
    for y in (names, names.tolist(), da.from_array(names, chunks=77), rows(names, cuts)):
        same(LogisticRegression(tol=1e-9).fit(rows(X[order], cuts), y), here)


def test_rows_of_unknown_number():
    array, labels = rows(X), rows(Y)
    array._chunks, labels._chunks = ((np.nan,) * 4, array.chunks[1]), ((np.nan,) * 4,)
    same(LogisticRegression(tol=1e-9).fit(array, labels), LogisticRegression(tol=1e-9).fit(X, Y))
    with pytest.raises(ValueError, match="y must be a dask array where X has blocks of unknown length"):
        LogisticRegression().fit(array, Y)


CRFS = {
    "all": LinearChainCRF(),
    "no boundaries": LinearChainCRF(fit_boundaries=False, transitions="observed"),
    "observed": LinearChainCRF(state_features="observed", transitions="observed"),
    "observed features": LinearChainCRF(state_features="observed", class_weight="balanced"),
    "L1": LinearChainCRF(l1_ratio=0.7, class_weight={"a": 2.0}),
    "constrained": LinearChainCRF(constraints=lambda a, b: True),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", CRFS)
def test_sequences_in_partitions_give_the_fit_of_all(name, weighted):
    # missing labels make the objective non-convex, but from the same start both go the same way
    model = clone(CRFS[name]).set_params(tol=1e-9, max_iter=500)
    weights = np.random.RandomState(1).randint(0, 3, len(S)).astype(float) if weighted else None
    here = clone(model).fit(S, TAGS, weights)
    given = None if weights is None else bag(weights.tolist(), SCUTS)
    for form in (S, list(S)):
        there = clone(model).fit(bag(form, SCUTS), bag(TAGS, SCUTS), given)
        same(there, here, atol=1e-4)
    assert there.history_[-1]["objective"] == pytest.approx(here.history_[-1]["objective"], rel=1e-9)


@pytest.mark.parametrize("state_features", ["all", "observed"])
def test_vectors_in_partitions_give_the_fit_of_all(state_features):
    vectors = np.random.RandomState(3).randn(S.matrix.shape[0], 2)
    given = CSRSequences(S.matrix, S.lengths, vectors=vectors)
    model = LinearChainCRF(tol=1e-9, max_iter=500, state_features=state_features)
    here, there = clone(model).fit(given, TAGS), clone(model).fit(bag(given, SCUTS), bag(TAGS, SCUTS))
    same(there, here, atol=1e-4)
    assert there.n_features_in_ == S.matrix.shape[1] + 2
    found = there.predict(bag(given, SCUTS)).compute(scheduler="synchronous")
    assert found == list(here.predict(given))
    wider = given[:3], CSRSequences(S.matrix, S.lengths, vectors=vectors[:, :1])[3:]
    with pytest.raises(ValueError, match="all must agree"):
        model.fit(db.from_delayed([dask.delayed(part) for part in wider]), bag(TAGS, [0, 3, len(S)]))


def test_predictions_are_lazy_and_those_of_one_process():
    for y in (Y, Y > 0):
        model = LogisticRegression().fit(X, y)
        for method in ("predict", "decision_function", "predict_proba", "predict_log_proba"):
            calls = []
            lazy = getattr(model, method)(rows(X, load=lambda X: calls.append(1) or X))  # noqa: B023
            expected = getattr(model, method)(X)
            assert isinstance(lazy, da.Array) and not calls
            assert lazy.shape == expected.shape and lazy.dtype == expected.dtype
            np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), expected)
            assert len(calls) == len(CUTS) - 1
    assert model.score(rows(X), rows(Y > 0)) == model.score(X, Y > 0)
    crf = LinearChainCRF().fit(S, TAGS)
    for method in ("predict", "predict_proba"):
        lazy, expected = getattr(crf, method)(bag(S, SCUTS)), getattr(crf, method)(S)
        assert isinstance(lazy, db.Bag)
        found = lazy.compute(scheduler="synchronous")
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_dicts_go_through_fitted_features():
    docs = [[{"w": word} for word in line.split()] for line in ("a b", "b c a", "c", "d a")]
    tags = [[d["w"] < "c" for d in doc] for doc in docs]
    tags = [[int(t) for t in tag] for tag in tags]
    given, cuts = bag(docs, [0, 2, 4]), [0, 2, 4]
    with pytest.raises(ValueError, match="dicts or strings in its partitions") as failure:
        LinearChainCRF().fit(given, bag(tags, cuts))
    assert failure.value.__notes__[0] in ("in block 0 of X", "in block 1 of X")
    features = DictFeatures().fit(docs)
    there = LinearChainCRF(tol=1e-9).fit(given.map_partitions(features.transform), bag(tags, cuts))
    same(there, LinearChainCRF(tol=1e-9).fit(features.transform(docs), tags), atol=1e-4)


class Descent(Solver):
    """Steps along the gradient of the full batch."""

    def minimize(self, objective, W, *, max_iter, tol, rng, callback=None):
        for _ in range(max_iter):
            W = W - 0.5 * objective.value_and_gradient(W)[1]
        return Result(W, max_iter, True, "it was asked for so many steps")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_solver_of_the_users_that_takes_full_batches():
    model = LogisticRegression(solver=Descent(), max_iter=7)
    same(clone(model).fit(rows(X), Y), model.fit(X, Y), atol=1e-12)


def test_warm_start_validation_scores_and_the_clock():
    cold = LogisticRegression(tol=1e-6).fit(rows(X), Y)
    model = LogisticRegression(warm_start=True, tol=1e-3).fit(X, Y).set_params(tol=1e-6)
    model.fit(rows(X), Y, X_val=X, y_val=Y)
    assert 0 < model.n_iter_ < cold.n_iter_
    assert model.history_[-1]["validation_score"] == model.score(X, Y)
    crf = LinearChainCRF(early_stopping=True, n_iter_no_change=2, tol=1e-9)
    crf.fit(bag(S, SCUTS), bag(TAGS, SCUTS), X_val=S, y_val=TAGS)
    assert crf.stop_reason_.startswith("the validation score did not improve")
    assert crf.score(S, TAGS) == max(record["validation_score"] for record in crf.history_)
    with pytest.warns(match="max_time=1e-09 seconds were over after iteration 1"):
        LogisticRegression(max_time=1e-9).fit(rows(X), Y)


def test_a_feature_that_no_block_has_loses_its_weight():
    model = LogisticRegression(warm_start=True).fit(X, Y).set_params(tol=1.0)  # the second fit ends where it starts
    without = X.toarray()
    without[:, 7] = 0
    assert model.fit(rows(without), Y).coef_[:, 7].tolist() == [0, 0, 0] and model.coef_.any()


def changed(cut, change):
    """Rows of which the block at `cut` is changed."""
    return rows(X, load=lambda block: change(block.copy()) if block.shape[0] == cut else block)


def torn(block):
    block.indices[0] = 1000
    return block


REFUSED = {
    "solver='adam' visits samples": lambda m: m.set_params(solver="adam").fit(rows(X), Y),
    "solver='sdca' visits samples": lambda m: m.set_params(solver="sdca").fit(rows(X), Y),
    r"solver=LBFGS\(start_epochs=3\) visits samples": lambda m: m.set_params(solver=LBFGS(start_epochs=3)).fit(
        rows(X), Y
    ),
    "early_stopping=True needs X_val": lambda m: m.set_params(early_stopping=True).fit(rows(X), Y),
    "X_val must be in this process": lambda m: m.fit(rows(X), Y, X_val=rows(X), y_val=Y),
    "X_val and y_val must be given together": lambda m: m.fit(rows(X), Y, X_val=X),
    "X must be in this process": lambda m: m.predict_topk(rows(X), k=2),
    "must be in this process": lambda m: m.set_params(solver="adam").partial_fit(rows(X), Y, classes=[0, 1, 2]),
    "X must be a dask array of CSR": lambda m: m.fit(bag(list(X.toarray()), [0, 240]), Y),
    "split along rows only": lambda m: m.fit(rows(X.toarray()).rechunk((240, 20)), Y),
    "y must be 1-D or an indicator matrix of labels, with one row for each of the 240": lambda m: m.fit(
        rows(X), Y[:-1]
    ),
    "sample_weight must be 1-D, with one row": lambda m: m.fit(rows(X), Y, np.ones(3)),
    "or an indicator matrix of 0 and 1": lambda m: m.fit(rows(X), rows(np.c_[Y, Y])),
    "Found input variables with inconsistent": lambda m: m.fit(
        rows(X), da.map_blocks(lambda y: y[1:], rows(Y), dtype=int)
    ),
    "Input X contains NaN": lambda m: m.fit(changed(60, lambda block: block * np.nan), Y),
    "X is not a valid CSR matrix": lambda m: m.fit(changed(130, torn), Y),
    "X has 39 features in block 2 and 40 in block 0": lambda m: m.fit(changed(60, lambda block: block[:, :39]), Y),
    "Negative values in data passed to `sample_weight`": lambda m: m.fit(rows(X), Y, -WEIGHTS),
    "sample_weight must have a positive entry": lambda m: m.fit(rows(X), Y, 0 * WEIGHTS),
    "contains only one class": lambda m: m.fit(rows(X), np.ones(240, int)),
    "X must have a row": lambda m: m.fit(rows(X[:0], [0, 0, 0]), Y[:0]),
    "y must have labels of one kind": lambda m: m.fit(
        rows(X), da.map_blocks(lambda y: y.astype(str) if len(y) == 60 else y, rows(Y), dtype=int)
    ),
    "class_weight must be non-negative": lambda m: m.set_params(class_weight={0: -1.0}).fit(rows(X), Y),
    "X has 39 features, but": lambda m: m.predict(rows(X[:, :39])),
    "lbfgs' needs a loss with a gradient": lambda m: LinearSVC(loss="hinge").fit(rows(X), Y),
    "X must be a dask bag": lambda m: LinearChainCRF().fit(rows(X), Y),
    "y must be a dask bag": lambda m: LinearChainCRF().fit(bag(S, SCUTS), TAGS),
    "y has 1 partitions and X has 4": lambda m: LinearChainCRF().fit(bag(S, SCUTS), bag(TAGS, [0, 60])),
    "lengths is for data in this process": lambda m: LinearChainCRF().fit(bag(S, SCUTS), bag(TAGS, SCUTS), lengths=[1]),
    "y has 1[89] label sequences": lambda m: LinearChainCRF().fit(bag(S, SCUTS), bag(TAGS, [0, 19, 19, 37, 60])),
    "labels must be all strings or all integers": lambda m: LinearChainCRF().fit(
        bag(S, [0, 30, 60]), bag(TAGS[:30] + [[1] * len(t) for t in TAGS[30:]], [0, 30, 60])
    ),
    "y must have a label that is not missing": lambda m: LinearChainCRF().fit(
        bag(S, SCUTS), bag([[None] * len(t) for t in TAGS], SCUTS)
    ),
    "constraints forbid the labels": lambda m: LinearChainCRF(constraints=np.zeros((4, 4), bool)).fit(
        bag(S, SCUTS), bag(TAGS, SCUTS)
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_is_refused_and_changes_nothing(message):
    model = LogisticRegression().fit(X, Y)
    before = vars(model).copy()
    with pytest.raises(ValueError, match=message):
        REFUSED[message](model)
    fitted = {name: value for name, value in before.items() if name.endswith("_")}
    assert all(getattr(model, name) is value for name, value in fitted.items())


def test_parts_are_the_whole():
    """The objective over parts is that over all, to rounding, and knows nothing of dask."""

    class Parts(list):
        def total(self, method, *arguments):
            return summed(getattr(part, method)(*arguments) for part in self)

    model = dict(n_outputs=3, loss=LOSSES["softmax"], fit_intercept=True)
    labels = Y.astype(np.int32)
    whole = LinearObjective(X, labels, WEIGHTS, C=2.0, l1_ratio=0.3, **model)
    parts = Parts(Part(LinearObjective, X[a:b], labels[a:b], WEIGHTS[a:b], **model) for a, b in ((0, 90), (90, 240)))
    weight = WEIGHTS.sum()
    like = LinearObjective(sp.csr_array((1, 40)), labels[:1], np.array([weight]), C=2.0, l1_ratio=0.3, **model)
    objective = SummedObjective(parts, like, weight, whole.n_samples)
    W = np.random.RandomState(0).randn(*whole.shape)
    for a, b in zip(objective.value_and_gradient(W), whole.value_and_gradient(W), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    np.testing.assert_allclose(objective.squared_norms(), whole.squared_norms(), rtol=1e-12)
    assert objective.scale == whole.scale and objective.value(W) == pytest.approx(whole.value(W), rel=1e-12)
    assert not objective.has_samples and not objective.has_newton and not hasattr(objective, "ascent")
    assert start_epochs(objective) == 0 and newton_way(objective) is None
    assert objective.dual_obstacle() == "samples that lie apart"
    assert objective.resized(dtype=np.float32).n_samples == whole.n_samples
    assert parts[0].__sizeof__() >= X[:90].data.nbytes


# On a cluster


@pytest.fixture(scope="module")
def client():
    settings = {
        # dask would set OMP_NUM_THREADS to 1 in its processes, and in this one for good
        "distributed.nanny.pre-spawn-environ": {},
        # the cluster would give up a worker that on a busy machine is not there again after 15 s
        "distributed.deploy.lost-worker-timeout": "10 minutes",
    }
    with (
        dask.config.set(settings),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def moved(client):
    """Bytes that the workers have sent so far, to each other and to the client."""
    return sum(client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total).values())


def wide(n=4000, d=500, seed=0):
    """Rows whose bytes are many times those of a table."""
    return sp.random(n, d, density=0.1, format="csr", random_state=seed), np.arange(n) % 2


def test_a_cluster_moves_tables_and_no_data(client):
    many, labels = wide()
    sent = []
    model = LogisticRegression(C=10, max_iter=8, tol=0, callback=lambda info: sent.append(moved(client)))
    with pytest.warns(match="did not converge"):
        model.fit(rows(many, list(range(0, 4001, 500))), labels)
    table, iterations = model.coef_.nbytes, len(sent) - 1
    assert many.data.nbytes > 300 * table
    # an evaluation: W from worker to worker, a sum back, and the total to the client; a second trial now and then
    assert 3 * table * iterations < sent[-1] - sent[0] < 8 * table * iterations


@pytest.mark.parametrize("kind", ["rows", "sequences"])
def test_the_models_on_a_cluster(client, kind):
    if kind == "rows":
        there = LinearSVC(tol=1e-9, C=0.1, l1_ratio=0.2, max_iter=2000).fit(rows(X), rows(Y), rows(WEIGHTS))
        same(there, LinearSVC(tol=1e-9, C=0.1, l1_ratio=0.2, max_iter=2000).fit(X, Y, WEIGHTS))
        lazy = there.decision_function(rows(X))
        np.testing.assert_allclose(lazy.compute(), there.decision_function(X))
        with pytest.raises(ValueError, match="Input X contains NaN") as failure:
            there.fit(changed(60, lambda block: block * np.nan), Y)
        assert failure.value.__notes__ == ["in block 2 of X"]
        with pytest.raises(ValueError, match="which a task must not do"):
            client.submit(lambda: LogisticRegression().fit(rows(X), Y)).result()
    else:
        options = dict(tol=1e-9, state_features="observed", transitions="observed", constraints=lambda a, b: True)
        there = LinearChainCRF(**options).fit(bag(S, SCUTS), bag(TAGS, SCUTS))
        same(there, LinearChainCRF(**options).fit(S, TAGS), atol=1e-4)
        found = there.predict(bag(S, SCUTS)).compute()
        assert [list(a) for a in found] == [list(a) for a in there.predict(S)]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("victims", ["one worker", "all workers"])
def test_a_worker_that_dies_costs_a_recomputation(client, tmp_path, victims):
    log = str(tmp_path / "loads")

    def load(X):
        with open(log, "a") as file:
            file.write("x")
        return X

    def kill(info):
        if info.iteration == 2:
            read.append(os.path.getsize(log))
            pids = client.run(os.getpid)
            for worker in sorted(pids)[: 1 if victims == "one worker" else 2]:
                os.kill(pids[worker], signal.SIGKILL)

    read = []
    client.wait_for_workers(2, timeout=180)
    cuts = list(range(0, 241, 30))
    model = LogisticRegression(tol=1e-9, callback=kill).fit(rows(X, cuts, load), Y)
    same(model, LogisticRegression(tol=1e-9).fit(X, Y))
    assert model.n_iter_ > 3
    assert read[0] == 8 and 8 < os.path.getsize(log) <= 24  # some blocks were made again, if need be twice


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_worker_that_dies_in_the_middle_of_a_pass(client, tmp_path):
    mark = str(tmp_path / "died")

    def constraints(a, b):
        """Asked in the workers when the labels are encoded; the first one that asks dies of it."""
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return True
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    here = os.getpid()
    client.wait_for_workers(2, timeout=180)
    model = LinearChainCRF(tol=1e-9, constraints=constraints).fit(bag(S, SCUTS), bag(TAGS, SCUTS))
    same(model, LinearChainCRF(tol=1e-9).fit(S, TAGS), atol=1e-4)
    assert os.path.exists(mark)
