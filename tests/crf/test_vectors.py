"""Vectors beside the matrix of sequences: every fit and every answer is that of the same features as one CSR."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline

from skopt_solvers import LinearChainCRF
from skopt_solvers.crf import load_crfsuite, save_crfsuite
from skopt_solvers.feature_extraction import DictFeatures, TokenFeatures
from skopt_solvers.model_selection import C_path
from skopt_solvers.model_selection import GridSearchCV as OurGridSearchCV
from skopt_solvers.out_of_core import load_csr_memmap, save_csr_memmap
from skopt_solvers.sequence import CSRSequences
from skopt_solvers.solvers import LBFGS

from ..chain_reference import codes, enumeration, objective, quiet, same_bits, tagging, weights_of
from ..reference import CHAIN_NAMES, STOCHASTIC_NAMES

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SPARSE, Y = tagging(40, n_features=6)
LENGTHS = np.array([len(y) for y in Y])
ROWS = sp.csr_matrix(np.vstack(SPARSE))
VECTORS = ROWS[:, :3].toarray() + 0.3 * np.random.RandomState(1).randn(ROWS.shape[0], 3)  # no zeros among them
X = CSRSequences(ROWS, LENGTHS, vectors=VECTORS)
AS_CSR = CSRSequences(sp.hstack([ROWS, VECTORS], format="csr"), LENGTHS)
MISSING = [[None if (s + t) % 5 == 0 else label for t, label in enumerate(y)] for s, y in enumerate(Y)]
WEIGHTS = np.random.RandomState(2).randint(0, 3, len(Y)).astype(float)
FORMS = {
    "plain": {},
    "float32": dict(dtype=np.float32),
    "missing labels": dict(y=MISSING),
    "weights": dict(sample_weight=WEIGHTS, class_weight="balanced"),
    "constraints": dict(constraints=lambda a, b: (a, b) != ("L2", "L2"), fit_boundaries=False),
    "observed": dict(state_features="observed", transitions="observed"),
}
# an allowed pair for each sequence: those that break it are left out
KEPT = [s for s, y in enumerate(Y) if ("L2", "L2") not in pairwise(y)]


def as_type(sequences, dtype):
    vectors = None if sequences.vectors is None else sequences.vectors.astype(dtype)
    return CSRSequences(sequences.matrix.astype(dtype), sequences.lengths, vectors=vectors)


@pytest.mark.parametrize("solver", CHAIN_NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_a_fit_is_that_of_one_csr(solver, form):
    options = dict(FORMS[form])
    dtype, y, weights = options.pop("dtype", np.float64), options.pop("y", Y), options.pop("sample_weight", None)
    keep = KEPT if "constraints" in options else list(range(len(y)))
    fits = []
    for data in (X, AS_CSR):
        model = LinearChainCRF(C=0.5, solver=solver, max_iter=8, tol=0, random_state=0, **options)
        fits.append(quiet(model, as_type(data, dtype)[keep], [y[s] for s in keep], weights))
    a, b = fits
    assert a.coef_.dtype == dtype and a.n_features_in_ == 9 and a.coef_.shape == (3, 9)
    rtol = 1e-6 if dtype == np.float64 else 5e-3
    np.testing.assert_allclose(weights_of(a), weights_of(b), rtol=rtol, atol=rtol * np.abs(weights_of(b)).max())


@pytest.fixture(scope="module")
def model():
    return LinearChainCRF(C=3, tol=1e-8).fit(X, Y)


def test_the_optimum_is_proven_and_its_value_is_that_of_all_paths(model):
    assert model.converged_
    assert model.suboptimality_bound(X, Y) < 1e-4
    assert model.suboptimality_bound(X, Y) == pytest.approx(model.suboptimality_bound(AS_CSR, Y), abs=1e-6)
    rows = [x.toarray() for x in AS_CSR]
    assert model.history_[-1]["objective"] == pytest.approx(objective(model, rows, Y), rel=1e-6)


def test_what_is_predicted_is_that_of_all_paths(model):
    marginals, best, likelihood = model.predict_proba(X), model.predict(X), model.log_likelihood(X, MISSING)
    top = model.predict_topk(X, 2)
    for s, x in enumerate(AS_CSR):
        paths = enumeration(model, x.toarray())
        np.testing.assert_allclose(marginals[s], paths.marginals(), atol=1e-9)
        known = codes(model, MISSING[s])
        assert likelihood[s] == pytest.approx(paths.log_likelihood(known), abs=1e-9)
        assert paths.log_likelihood(codes(model, best[s])) == pytest.approx(top[s][0][1], abs=1e-9)
        assert top[s][0][0].tolist() == best[s]
    assert model.score(X, Y) == model.score(AS_CSR, Y)
    np.testing.assert_allclose(model.sequence_log_proba(X), model.sequence_log_proba(AS_CSR))


def test_parts_keep_their_vectors(model):
    expected = list(model.predict(X))
    for rows in ([3, 1, 7], slice(2, 20, 3), np.arange(40) % 3 == 0, slice(5, 9)):
        part = X[rows]
        chosen = np.arange(40)[rows]
        np.testing.assert_array_equal(
            part.vectors, np.vstack([X.vectors[X.offsets[s] : X.offsets[s + 1]] for s in chosen])
        )
        assert list(model.predict(part)) == [expected[s] for s in chosen]
    assert list(model.predict(list(X))) == expected  # a sequence alone is one CSR
    again = pickle.loads(pickle.dumps(X))
    np.testing.assert_array_equal(again.vectors, X.vectors)
    assert list(pickle.loads(pickle.dumps(model)).predict(again)) == expected


def test_a_list_of_arrays_is_one_array(model):
    arrays = [VECTORS[X.offsets[s] : X.offsets[s + 1]] for s in range(len(X))]
    np.testing.assert_array_equal(CSRSequences(ROWS, LENGTHS, vectors=arrays).vectors, VECTORS)
    for wrong in (arrays[:-1], [*arrays[:-1], arrays[-1][:, :2]], [*arrays[:-1], None], VECTORS[:, 0], VECTORS[1:]):
        with pytest.raises(ValueError, match="vectors"):
            CSRSequences(ROWS, LENGTHS, vectors=wrong)
    for wrong in (VECTORS.astype(str), VECTORS[:, :0], VECTORS.astype(complex)):
        with pytest.raises(ValueError, match="vectors must be numbers of shape"):
            CSRSequences(ROWS, LENGTHS, vectors=wrong)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_told_with_its_place(value, model):
    wrong = VECTORS.copy()
    wrong[X.offsets[2] + 1, 2] = value
    before = weights_of(model)
    with pytest.raises(ValueError, match=f"X has {value} in number 2 of the vector of token 1 of sequence 2"):
        model.fit(CSRSequences(ROWS, LENGTHS, vectors=wrong), Y)
    np.testing.assert_array_equal(weights_of(model), before)
    with pytest.raises(ValueError, match="7 features, 1 of them in its vectors, but LinearChainCRF is expecting 9"):
        model.predict(CSRSequences(ROWS, LENGTHS, vectors=VECTORS[:, :1]))


@pytest.mark.parametrize("solver", STOCHASTIC_NAMES)
def test_a_stream_is_that_of_one_csr(solver):
    a, b = (LinearChainCRF(solver=solver, random_state=0) for _ in range(2))
    classes = ["L0", "L1", "L2"]
    for cut in (slice(0, 15), slice(15, 40), slice(0, 15)):
        for model, data in ((a, X), (b, AS_CSR)):
            model.partial_fit(data[cut], Y[cut], classes=classes)
    np.testing.assert_allclose(weights_of(a), weights_of(b), rtol=1e-6, atol=1e-9)
    assert a._seen == b._seen


def test_chunks_that_differ_in_vectors_are_two():
    """A chunk that comes again is not counted again; another one is new although its matrix is the same."""
    model = LinearChainCRF(solver="adagrad", random_state=0)
    other = CSRSequences(ROWS, LENGTHS, vectors=VECTORS[::-1])
    for chunk, n_samples in ((X, 40), (X, 40), (other, 80), (other, 80)):
        assert model.partial_fit(chunk, Y, classes=["L0", "L1", "L2"])._seen[1] == n_samples


@pytest.mark.parametrize("options", [
    dict(early_stopping=True, validation_fraction=0.3, n_iter_no_change=3),
    dict(early_stopping=True, scoring="token_f1", solver="adagrad"),
    dict(max_suboptimality=1e-3, solver=LBFGS(start_epochs=3)),
    dict(l1_ratio=0.5),
])  # fmt: skip
def test_validation_and_proofs_see_the_vectors(options):
    a, b = (LinearChainCRF(max_iter=30, random_state=0, **options).fit(data, Y) for data in (X, AS_CSR))
    np.testing.assert_allclose(weights_of(a), weights_of(b), rtol=1e-5, atol=1e-6)
    if options.get("early_stopping"):
        scores = [[record["validation_score"] for record in model.history_] for model in (a, b)]
        np.testing.assert_allclose(*scores)


def test_validation_data_and_warm_starts():
    options = dict(X_val=X[30:], y_val=Y[30:])
    a = LinearChainCRF(warm_start=True, tol=1e-6).fit(X[:30], Y[:30], **options)
    b = LinearChainCRF(warm_start=True, tol=1e-6).fit(AS_CSR[:30], Y[:30], X_val=AS_CSR[30:], y_val=Y[30:])
    assert a.history_[-1]["validation_score"] == b.history_[-1]["validation_score"]
    a, b = a.fit(X, Y), b.fit(AS_CSR, Y)
    assert a.n_iter_ < 30
    np.testing.assert_allclose(weights_of(a), weights_of(b), rtol=1e-3, atol=1e-4)


def test_searches_and_paths_are_those_of_one_csr():
    crf, grid = LinearChainCRF(tol=1e-6), {"C": [0.1, 1.0, 10.0]}
    expected = GridSearchCV(crf, grid, cv=3).fit(AS_CSR, Y)
    for Search in (GridSearchCV, OurGridSearchCV):
        search = Search(crf, grid, cv=3).fit(X, Y)
        np.testing.assert_allclose(search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"])
    paths = [C_path(crf, data, Y, Cs=[0.1, 1.0], cv=3) for data in (X, AS_CSR)]
    np.testing.assert_allclose(paths[0].coefs, paths[1].coefs, atol=1e-4)
    np.testing.assert_allclose(paths[0].scores, paths[1].scores)
    same = [list(cross_val_predict(crf, data, Y, cv=3)) for data in (X, AS_CSR)]
    assert same[0] == same[1]


def test_explanations_name_the_numbers_of_vectors(model):
    dicts = as_dicts()
    named = LinearChainCRF(C=3).fit(dicts, Y)
    assert {record["feature"] for record in named.explain(dicts[0])} >= {"emb[0]", "emb[1]", "emb[2]"}
    assert sum("emb[" in record["feature"] for record in named.top_features(27)) == 9
    best, other = model.predict(X[:1])[0], ["L1" if label != "L1" else "L0" for label in model.predict(X[:1])[0]]
    difference = np.subtract(*(model.log_likelihood(X[:1], [labels])[0] for labels in (best, other)))
    records = model.explain(AS_CSR[0], labels=other)
    assert sum(record["contribution"] for record in records) == pytest.approx(difference)
    longest = dicts[int(np.argmax(LENGTHS))]
    best = named.predict([longest])[0]
    other = ["L1" if label != "L1" else "L0" for label in best]
    difference = np.subtract(*(named.log_likelihood([longest], [labels])[0] for labels in (best, other)))
    assert sum(r["contribution"] for r in named.explain(longest, labels=other)) == pytest.approx(difference, rel=1e-4)


def as_dicts(sparse=SPARSE):
    """The same features as dicts: no column of the matrix is in the order of X."""
    at = np.split(VECTORS, X.offsets[1:-1])
    return [
        [
            {**{f"f{j}": v for j, v in enumerate(row) if v}, "emb": vector}
            for row, vector in zip(x, vectors, strict=True)
        ]
        for x, vectors in zip(sparse, at, strict=True)
    ]


def test_dicts_with_arrays_are_the_same_features():
    """Here, as the first step of a pipeline, through a pickle, and from a file of tokens of a stream."""
    dicts = as_dicts()
    here = LinearChainCRF(tol=1e-6).fit(dicts, Y)
    names = here.vectorizer_.get_feature_names_out().tolist()
    order = [names.index(f"f{j}") for j in range(6)] + [names.index(f"emb[{i}]") for i in range(3)]
    expected = LinearChainCRF(tol=1e-6).fit(as_type(X, np.float32), Y)
    np.testing.assert_allclose(here.coef_[:, order], expected.coef_, atol=2e-3)
    pipeline = make_pipeline(DictFeatures(), LinearChainCRF(tol=1e-6)).fit(dicts, Y)
    same_bits(pipeline[-1], here)
    answers = list(here.predict(dicts))
    for other in (pipeline, pickle.loads(pickle.dumps(here)), pickle.loads(pickle.dumps(pipeline))):
        assert list(other.predict(dicts)) == answers
    searches = [
        Search(pipeline, {"linearchaincrf__C": [0.1, 1], "dictfeatures__min_count": [1, 2]}, cv=3).fit(dicts, Y)
        for Search in (GridSearchCV, OurGridSearchCV)
    ]
    a, b = (search.cv_results_["mean_test_score"] for search in searches)
    np.testing.assert_allclose(a, b)


def test_word_vectors_in_a_pipeline():
    words = [[f"w{int(8 * row[0] + 4 * row[1] + 2 * row[2] + row[3])}" for row in x] for x in SPARSE]
    vectors = {f"w{n}": np.array([n & 8, n & 4, n & 2, n & 1]) / 4 for n in range(12)}
    bare = TokenFeatures(window=(0,), prefixes=(), suffixes=(), shape=False, flags=False, boundaries=False)
    pipeline = make_pipeline(bare.set_params(vectors=vectors, vector_window=(-1, 0)), LinearChainCRF()).fit(words, Y)
    assert pipeline[-1].n_features_in_ == pipeline[0].n_features_out_ == len(pipeline[0].get_feature_names_out())
    features = pipeline[0].transform(words)
    rows = CSRSequences(sp.hstack([features.matrix, features.vectors], format="csr"), features.lengths)
    expected = LinearChainCRF().fit(rows, Y)
    np.testing.assert_allclose(pipeline[-1].coef_, expected.coef_, atol=1e-3)
    search = OurGridSearchCV(pipeline, {"linearchaincrf__C": [0.1, 1]}, cv=3).fit(words, Y)
    assert search.best_estimator_[0].vectors is vectors


def test_on_disk_and_back(tmp_path):
    for dtype in (np.float32, np.float64):
        data = as_type(X, dtype)
        mapped = save_csr_memmap(tmp_path / dtype.__name__, (data[s : s + 15] for s in range(0, 40, 15)))
        assert (mapped.matrix != data.matrix).nnz == 0
        np.testing.assert_array_equal(mapped.vectors, data.vectors)
        assert load_csr_memmap(tmp_path / dtype.__name__, verify=True).vectors.shape == VECTORS.shape
        here, there = (LinearChainCRF(solver="adagrad", max_iter=3, random_state=0) for _ in range(2))
        same_bits(quiet(here, data, Y), quiet(there, mapped, Y))
    file = tmp_path / "float64" / "vectors.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match="vectors have changed"):
        load_csr_memmap(tmp_path / "float64", verify=True)
    wrong = CSRSequences(ROWS.astype(np.float32), LENGTHS, vectors=np.full_like(VECTORS, 1e300))
    bare = CSRSequences(ROWS, LENGTHS)
    for chunks, message in (([X, bare], "vectors of=3, got vectors of=None"), ([wrong], "not finite in float32")):
        with pytest.raises(ValueError, match=message):
            save_csr_memmap(tmp_path / "new", chunks)


def test_a_file_of_crfsuite_takes_numbers_of_vectors_by_their_names_alone(tmp_path):
    dicts = as_dicts()
    model = LinearChainCRF(C=3, fit_boundaries=False).fit(dicts, Y)
    with pytest.raises(ValueError, match=r"has no vectors, as this model has them of \['emb'\]"):
        save_crfsuite(model, tmp_path / "model")
    names = model.vectorizer_.get_feature_names_out().tolist()
    save_crfsuite(model, tmp_path / "model", feature_names=names)
    plain = [
        [{name: value for name, value in token.items() if name != "emb"} | numbers(token["emb"]) for token in sequence]
        for sequence in dicts
    ]
    assert load_crfsuite(tmp_path / "model").predict(plain).tolist() == list(model.predict(dicts))


def numbers(vector):
    return {f"emb[{i}]": value for i, value in enumerate(vector)}
