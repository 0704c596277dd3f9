"""Matrices on disk: written by chunks, loaded as memory maps, and fitted where they are."""

import json
import subprocess
import sys

import joblib
import numpy as np
import pytest
import scipy.sparse as sp

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression, _kernels, out_of_core
from skopt_solvers._base import memmap
from skopt_solvers.objectives import LinearObjective
from skopt_solvers.out_of_core import load_csr_memmap, save_csr_memmap
from skopt_solvers.sequence import CSRSequences
from skopt_solvers.solvers import LBFGS

from .base.test_input import unsorted_with_duplicates_and_zeros
from .chain_reference import tagging
from .estimator.test_fit import quiet
from .reference import CHAIN_NAMES, EXACT_NAMES, LOSSES, NAMES, text_like

X, Y = text_like(n=600, d=50, n_classes=3, seed=2)
X = X.astype(np.float32)
TOKENS, TAGS = tagging(80, n_features=9, seed=3)
SEQUENCES = CSRSequences(sp.csr_matrix(np.vstack(TOKENS)), [len(x) for x in TOKENS])


@pytest.fixture
def small_blocks(monkeypatch):
    """A block is 100 non-zeros or so."""
    monkeypatch.setattr(memmap, "BLOCK_BYTES", 1200)


def arrays(matrix):
    return matrix.data, matrix.indices, matrix.indptr


# Writing and reading


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_chunks_become_one_canonical_matrix_on_disk(tmp_path, dtype, index):
    careless = unsorted_with_duplicates_and_zeros().astype(dtype)
    careless.indices, careless.indptr = careless.indices.astype(index), careless.indptr.astype(index)
    before = [array.copy() for array in arrays(careless)]
    chunks = [careless, careless[:0], sp.csc_array(careless), sp.coo_matrix(careless)]
    got = save_csr_memmap(tmp_path / "X", iter(chunks))
    expected = sp.vstack(chunks, format="csr")
    expected.sum_duplicates()
    expected.eliminate_zeros()
    for array, other in zip(arrays(got), arrays(expected), strict=True):
        np.testing.assert_array_equal(array, other)
        assert memmap._on_disk(array) and not array.flags.writeable
    assert got.dtype == dtype and got.indices.dtype == np.int32 and got.shape == expected.shape
    for array, other in zip(arrays(careless), before, strict=True):
        np.testing.assert_array_equal(array, other)


def test_sequences_stay_sequences(tmp_path):
    got = save_csr_memmap(tmp_path / "X", (SEQUENCES[i : i + 30] for i in range(0, 80, 30)))
    assert isinstance(got, CSRSequences) and (got.matrix != SEQUENCES.matrix).nnz == 0
    np.testing.assert_array_equal(got.lengths, SEQUENCES.lengths)


def test_index_arrays_have_one_type_so_that_scipy_copies_neither(tmp_path, monkeypatch):
    """As if int32 ended at 1000 non-zeros, which are more than there are columns."""
    monkeypatch.setattr(out_of_core, "_INT32", 1000)
    monkeypatch.setattr(out_of_core, "_PIECE", 7)
    save_csr_memmap(tmp_path / "X", [X[:300], X[300:]])
    types = {np.load(tmp_path / "X" / f"{name}.npy", mmap_mode="r").dtype for name in ("indices", "indptr")}
    assert types == {np.dtype(np.int64)}
    assert (load_csr_memmap(tmp_path / "X") != X).nnz == 0


def test_other_numbers_become_float64(tmp_path):
    got = save_csr_memmap(tmp_path / "X", [sp.csr_matrix([[1, 0], [0, 2]])])
    assert got.dtype == np.float64 and got.toarray().tolist() == [[1, 0], [0, 2]]
    assert save_csr_memmap(tmp_path / "empty", sp.csr_matrix((3, 2))).shape == (3, 2)


def broken_off():
    yield X
    raise RuntimeError("the source is gone")


MALFORMED = X[:5].copy()
MALFORMED.indices[0] = 1000


@pytest.mark.parametrize(
    "chunks, error, message",
    [
        (lambda: [], ValueError, "at least one"),
        (lambda: [X, X[:, :40]], ValueError, r"chunks\[1\] .* columns=50, got columns=40"),
        (lambda: [X, X.astype(np.float64)], ValueError, r"chunks\[1\] .* dtype=float32"),
        (lambda: [SEQUENCES, SEQUENCES.matrix], ValueError, r"chunks\[1\] .* sequences=True"),
        (lambda: [X.toarray()], ValueError, "sparse"),
        (lambda: [X * np.float32(np.inf)], ValueError, "NaN or infinity"),
        (lambda: [X, MALFORMED], ValueError, r"chunks\[1\] is not a valid CSR"),
        (lambda: [X.astype(complex)], ValueError, "real numbers"),
        (broken_off, RuntimeError, "gone"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(tmp_path, chunks, error, message):
    with pytest.raises(error, match=message):
        save_csr_memmap(tmp_path / "X", chunks())
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_overwritten(tmp_path):
    save_csr_memmap(tmp_path / "X", X)
    with pytest.raises(FileExistsError, match="path"):
        save_csr_memmap(tmp_path / "X", X)
    with pytest.raises(FileNotFoundError, match="path"):
        load_csr_memmap(tmp_path / "Y")


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1000])


def falling(path):
    indptr = np.load(path)
    indptr[3] = indptr[-1]
    np.save(path, indptr)


def describe(**changes):
    return lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    "name, damage",
    [
        *((f"{name}.npy", truncate) for name in ("data", "indices", "indptr")),
        *((f"{name}.npy", lambda path: path.unlink()) for name in ("data", "indices", "indptr")),
        ("indptr.npy", falling),
        ("data.npy", lambda path: np.save(path, np.zeros(X.nnz))),
        ("data.npy", lambda path: path.write_bytes(b"")),
        ("csr.json", lambda path: path.unlink()),
        ("csr.json", lambda path: path.write_text("{")),
        ("csr.json", lambda path: path.write_text("[]")),
        ("csr.json", lambda path: path.write_text("[" * 100_000)),
        ("csr.json", describe(shape=["3", "a"])),
        ("csr.json", describe(shape=[10**30, 10**30])),
        ("csr.json", describe(dtype="f4,(2")),
        ("data.npy", lambda path: path.write_bytes(path.read_bytes().replace(b"{'descr'", b"{(descr'"))),
        ("data.npy", lambda path: path.write_bytes(b"PK\x03\x04" + path.read_bytes())),
        ("csr.json", describe(version=2)),
        ("csr.json", describe(nnz=X.nnz + 1)),
        ("csr.json", describe(shape=[X.shape[0] - 1, X.shape[1]])),
    ],
)
def test_a_damaged_folder_is_an_error(tmp_path, name, damage):
    save_csr_memmap(tmp_path / "X", X)
    damage(tmp_path / "X" / name)
    with pytest.raises(ValueError, match="damaged"):
        load_csr_memmap(tmp_path / "X")


@pytest.mark.parametrize("sequences", [False, True])
def test_a_checksum_finds_whatever_has_changed(tmp_path, sequences):
    """Bytes are changed at random: a matrix that is verified is an error, or equal where a header says the same."""
    given = CSRSequences(X, [X.shape[0] - 7, 7]) if sequences else X
    save_csr_memmap(tmp_path / "X", given)
    whole = {path: path.read_bytes() for path in sorted((tmp_path / "X").iterdir())}
    rng = np.random.RandomState(0)
    refused = 0
    for case in range(200):
        path = sorted(whole)[case % len(whole)]
        content = bytearray(whole[path])
        for _ in range(rng.randint(1, 4)):
            # headers and descriptions are hit more often than their length asks for
            place = rng.randint(min(len(content), 150) if case % 2 else len(content))
            content[place] ^= 1 << rng.randint(8)
        path.write_bytes(content)
        try:
            got = load_csr_memmap(tmp_path / "X", verify=True)
        except ValueError as error:
            assert str(tmp_path / "X") in str(error)
            refused += 1
        else:
            matrix = got.matrix if sequences else got
            assert path.suffix == ".npy" and (matrix != X).nnz == 0
        path.write_bytes(whole[path])
    assert refused > 150
    assert load_csr_memmap(tmp_path / "X", verify=True).shape == X.shape or sequences


def test_a_number_that_has_changed_is_found_where_it_is_asked_for(tmp_path):
    save_csr_memmap(tmp_path / "X", X)
    path = tmp_path / "X" / "data.npy"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert load_csr_memmap(tmp_path / "X").shape == X.shape
    with pytest.raises(ValueError, match="damaged: data have changed since they were written"):
        load_csr_memmap(tmp_path / "X", verify=True)


def test_a_folder_of_an_older_version_has_no_checksums(tmp_path):
    save_csr_memmap(tmp_path / "X", X)
    description = tmp_path / "X" / "csr.json"
    said = json.loads(description.read_text())
    del said["checksums"]
    description.write_text(json.dumps(said))
    assert load_csr_memmap(tmp_path / "X").shape == X.shape
    with pytest.raises(ValueError, match=r"has no checksums: version 0\.1 wrote it"):
        load_csr_memmap(tmp_path / "X", verify=True)


# Fitting


@pytest.fixture
def on_disk(tmp_path):
    return save_csr_memmap(tmp_path / "X", X)


@pytest.mark.parametrize("solver", NAMES)
def test_a_matrix_of_one_block_is_fitted_as_in_memory(on_disk, solver):
    fits = [quiet(LogisticRegression(solver=solver, max_iter=3, random_state=0), data, Y) for data in (X, on_disk)]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)


@pytest.mark.parametrize("solver", EXACT_NAMES)
@pytest.mark.parametrize("Model", [LogisticRegression, LinearSVC])
def test_a_matrix_of_many_blocks_is_fitted_to_the_optimum(on_disk, solver, Model, small_blocks):
    solver = LBFGS(start_epochs=3) if solver == "lbfgs" else solver
    model = Model(C=0.1, solver=solver, max_iter=200, random_state=0, n_jobs=2)
    first, second = quiet(model, on_disk, Y).coef_, quiet(model, on_disk, Y).coef_
    np.testing.assert_array_equal(first, second)
    objective = model.history_[-1]["objective"]
    assert model.suboptimality_bound(X, Y) < 0.02 * objective
    assert model.suboptimality_bound(on_disk, Y) < 0.02 * objective
    np.testing.assert_array_equal(model.predict(on_disk), model.predict(X))


@pytest.mark.parametrize("solver", CHAIN_NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sequences_on_disk_are_fitted_as_in_memory(tmp_path, solver, dtype, small_blocks):
    in_memory = CSRSequences(SEQUENCES.matrix.astype(dtype), SEQUENCES.lengths)
    mapped = save_csr_memmap(tmp_path / "X", in_memory)
    solver = LBFGS(start_epochs=3) if solver == "lbfgs" else solver
    model = LinearChainCRF(solver=solver, max_iter=100, tol=1e-6, random_state=0)
    objectives = [quiet(model, data, TAGS).history_[-1]["objective"] for data in (in_memory, mapped)]
    assert objectives[1] == pytest.approx(objectives[0], rel=0.01)
    first = model.coef_
    np.testing.assert_array_equal(quiet(model, mapped, TAGS).coef_, first)
    if solver != "adamw":
        assert model.suboptimality_bound(mapped, TAGS) < 0.2 * objectives[1]


def test_early_stopping_does_not_need_its_rows_at_once(on_disk, small_blocks, monkeypatch):
    from skopt_solvers.linear_model import _problem

    model = LogisticRegression(early_stopping=True, validation_fraction=0.3, max_iter=5, random_state=0)
    expected = quiet(model, X, Y).history_[0]["validation_score"]
    monkeypatch.setattr(_problem.HeldRows, "_rows_at_once", 7)
    scores = [record["validation_score"] for record in quiet(model, X, Y).history_]
    assert scores[0] == expected
    assert quiet(model, on_disk, Y).history_[-1]["validation_score"] > 0.7


def test_an_epoch_shuffles_blocks_of_runs_that_lie_together(on_disk, monkeypatch):
    monkeypatch.setattr(memmap, "BLOCK_BYTES", 64 * 160)  # of runs of 20 non-zeros, or 3 rows
    weights = np.ones(600)
    weights[[0, 50, 599]] = 0
    model = dict(n_outputs=3, loss=LOSSES["softmax"], C=1.0, l1_ratio=0.0, fit_intercept=True)
    objective = LinearObjective(on_disk, Y.astype(np.int32), weights, **model)
    shuffle = lambda seed: lambda samples, block: _kernels.shuffled(samples, _kernels.block_seed(seed, block))  # noqa: E731
    one, two = (objective.order(shuffle(seed)) for seed in (1, 2))
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(np.concatenate(objective.runs), objective.samples)
    np.testing.assert_array_equal(np.sort(one), objective.samples)
    blocks = objective.blocks(shuffle(1))
    assert len(blocks) == -(-len(objective.runs) // 64) > 2
    begin, run = 0, on_disk.indptr[:-1] // 20
    for number, block in enumerate(blocks):
        visited = one[begin : begin + len(block)]
        np.testing.assert_array_equal(np.sort(visited), block)
        assert (np.diff(visited) < 0).any()
        assert set(run[block]).isdisjoint(run[other] for other in np.setdiff1d(objective.samples, block))
        begin += len(block)
        assert len(set(run[block])) == 64 or number == len(blocks) - 1
    assert len(LinearObjective(X, Y.astype(np.int32), weights, **model).runs) == 1


def test_dual_ascent_over_blocks_is_as_fast_as_over_all(tmp_path, monkeypatch):
    """Blocks of the same rows in each epoch would leave a hundred times the gap."""
    many, labels = text_like(n=4000, d=200, n_classes=2, seed=1)
    on_disk = save_csr_memmap(tmp_path / "X", many)
    monkeypatch.setattr(memmap, "BLOCK_BYTES", many.nnz * 12 // 4)
    model = LogisticRegression(solver="sdca", max_iter=6, tol=0, random_state=0)
    gaps = [quiet(model, data, labels).history_[-1]["duality_gap"] for data in (many, on_disk)]
    assert gaps[1] < 5 * gaps[0]


def mapped(tmp_path, matrix):
    """The arrays of a matrix in memory maps, as they are."""
    parts = []
    for name, array in zip(("data", "indices", "indptr"), arrays(matrix), strict=True):
        np.save(tmp_path / f"{name}.npy", array)
        parts.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    return type(matrix)(tuple(parts), shape=matrix.shape)


@pytest.mark.parametrize(
    "matrix, problem",
    [
        (unsorted_with_duplicates_and_zeros(), "duplicates or stored zeros"),
        (sp.csr_matrix(X)[:, ::-1], "not sorted"),
        (sp.csc_matrix(X), "CSC"),
        (X.astype(np.int32), "int32, not float32"),
    ],
)
@pytest.mark.parametrize("Model", [LogisticRegression, LinearChainCRF])
def test_what_would_be_copied_is_refused(tmp_path, matrix, problem, Model, monkeypatch):
    data, labels = mapped(tmp_path, matrix), np.arange(matrix.shape[0]) % 2
    quiet(Model(max_iter=1), data, labels)  # less than a block may be copied
    monkeypatch.setattr(memmap, "BLOCK_BYTES", 1200)
    with pytest.raises(ValueError, match=rf"X .*{problem}.*save_csr_memmap"):
        Model().fit(data, labels)


def test_what_joblib_maps_for_its_processes_is_in_memory(on_disk):
    look = joblib.delayed(lambda array: (isinstance(array, np.memmap), memmap._on_disk(array)))
    given, own = joblib.Parallel(n_jobs=2, max_nbytes=100)(look(array) for array in (X.data, on_disk.data))
    assert given == (True, False) and own == (True, True)


CHILD = """
import resource, sys
import numpy as np
from scipy.linalg import cho_factor
from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers._base import memmap
from skopt_solvers.out_of_core import load_csr_memmap
from skopt_solvers.sequence import CSRSequences

memmap.BLOCK_BYTES = 2**20
X, y = load_csr_memmap(sys.argv[1]), np.load(sys.argv[2])
fits = [
    LogisticRegression(solver="lbfgs"), LogisticRegression(solver="adagrad"), LogisticRegression(solver="sdca"),
    LogisticRegression(early_stopping=True, solver="adam"), LinearSVC(solver="lbfgs"), LogisticRegression(l1_ratio=1),
    LinearChainCRF(solver="lbfgs"), LinearChainCRF(solver="adagrad"),
]
cho_factor(np.eye(300, dtype=np.float32))  # BLAS takes its buffers once
for model in fits:  # imports and pools before the limit
    model.set_params(max_iter=2, n_jobs=1, random_state=0).fit(X[:300], y[:300])
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData"))
limit = used * 1024 + int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
for model in fits:
    data, labels = X, y
    if isinstance(model, LinearChainCRF):
        data, labels = CSRSequences(X, np.full(len(y) // 10, 10)), list(y.reshape(-1, 10))
    model.fit(data, labels)
    if hasattr(model, "partial_fit") and not model.early_stopping:
        model.partial_fit(data, labels)
    if not isinstance(model, LinearChainCRF):
        model.suboptimality_bound(data, labels), model.predict(data)
try:
    X.copy()
except MemoryError:
    print("no room for X")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_DATA counts anonymous memory on Linux alone")
def test_a_fit_takes_less_memory_than_its_matrix(tmp_path):
    """20 MB of X, and 14 MB more than what Python and the libraries have."""
    n, n_features = 20_000, 4096
    rng = np.random.RandomState(0)
    columns = np.sort(rng.rand(n, 125) * n_features, axis=1).astype(np.int32)
    rows = sp.csr_matrix((rng.rand(columns.size).astype(np.float32), columns.ravel(), np.arange(n + 1) * 125))
    rows.resize((n, n_features))
    X = save_csr_memmap(tmp_path / "X", rows)
    np.save(tmp_path / "y.npy", np.asarray(X[:, :2048].sum(axis=1)).ravel() > 0.5 * np.asarray(X.sum(axis=1)).ravel())
    arguments = [tmp_path / "X", tmp_path / "y.npy", str(14 * 2**20)]
    command = [sys.executable, "-W", "ignore", "-c", CHILD, *map(str, arguments)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.stdout == "no room for X\n", child.stderr
