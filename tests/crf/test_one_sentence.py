"""Short ways for one sentence give what the long ways for many give, and see what users change."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skopt_solvers import LinearChainCRF
from skopt_solvers._kernels import rows_are_plain
from skopt_solvers.crf import _prediction, _tokens
from skopt_solvers.feature_extraction import DictFeatures, TokenFeatures
from skopt_solvers.sequence import CSRSequences

from ..chain_reference import quiet

TAGS = ["O", "B-a", "I-a", "B-b", "I-b"]


def sentences(seed, n):
    rng = np.random.RandomState(seed)
    words = [[f"w{w}" for w in rng.randint(40, size=length)] for length in rng.randint(1, 25, size=n)]
    return [[{"word": w, "first": i == 0, "near": s[i - 1 : i]} for i, w in enumerate(s)] for s in words]


X, NEW = sentences(0, 60), sentences(1, 40)
Y = [[TAGS[(i % 2 + sum(map(ord, token["word"]))) % 5] for i, token in enumerate(s)] for s in X]


@pytest.fixture(params=["all", "observed"], scope="module")
def model(request):
    return quiet(LinearChainCRF(state_features=request.param, max_iter=10), X, Y)


def test_each_sentence_has_the_labels_that_it_has_among_others(model):
    many = model.predict(NEW)
    features, restored = model.vectorizer_, pickle.loads(pickle.dumps(model))
    for n_jobs in (None, 1, 2):
        model.set_params(n_jobs=n_jobs)
        for sentence, labels in zip(NEW, many, strict=True):
            one = features.transform([sentence])
            for given in ([sentence], one, [one.matrix]):
                assert model.predict(given).tolist() == [labels]
            assert restored.predict([sentence]).tolist() == [labels]
    model.set_params(n_jobs=None)


def test_a_dtype_that_is_not_the_model_s_is_converted(model):
    one = model.vectorizer_.transform(NEW[:1])
    other = CSRSequences(one.matrix.astype(np.float64), one.lengths)
    assert model.predict(other).tolist() == model.predict(one).tolist()


@pytest.mark.parametrize("constraints", [None, "bio"])
def test_weights_that_are_written_in_place_are_seen(model, constraints):
    changed = pickle.loads(pickle.dumps(model)).set_params(constraints=constraints)
    sentence = [NEW[0] * 2]
    changed.predict(sentence)
    weights = changed.coef_.data if sp.issparse(changed.coef_) else changed.coef_
    weights[:] = 0
    changed.transition_coef_[:], changed.start_coef_[:], changed.end_coef_[:] = 0, 0, 0
    np.fill_diagonal(changed.transition_coef_, 1)
    changed.start_coef_[changed.classes_.tolist().index("B-b")] = 10
    label = changed.predict(sentence).tolist()[0]
    assert set(label) == {"B-b"}
    changed.coef_ = np.zeros(changed.coef_.shape, weights.dtype)
    changed.coef_[changed.classes_.tolist().index("O")] = 5
    assert set(changed.predict(sentence)[0][1:]) == {"O"}


def test_constraints_that_are_set_later_are_seen(model):
    changed = pickle.loads(pickle.dumps(model))
    changed.start_coef_[changed.classes_.tolist().index("I-a")] = 1e3
    assert changed.predict(NEW[:1])[0][0] == "I-a"
    assert changed.set_params(constraints="bio").predict(NEW[:1])[0][0] != "I-a"
    assert changed.set_params(constraints=None).predict(NEW[:1])[0][0] == "I-a"


def test_one_sentence_is_checked_as_many_are(model):
    matrix = model.vectorizer_.transform(NEW[:1]).matrix
    for value in (np.nan, np.inf):
        bad = matrix.copy()
        bad.data[-1] = value
        with pytest.raises(ValueError, match=f"X has {value} in feature"):
            model.predict(CSRSequences(bad, [matrix.shape[0]]))
    with pytest.raises(ValueError, match="features"):
        model.predict(CSRSequences(matrix[:, :-1], [matrix.shape[0]]))
    outside = CSRSequences(matrix.copy(), [matrix.shape[0]])
    outside.matrix.indices[-1] = matrix.shape[1]
    with pytest.raises(ValueError, match="not a valid CSR matrix"):
        model.predict(outside)
    with pytest.raises(ValueError, match="n_jobs must be None or an integer other than 0, got 0"):
        pickle.loads(pickle.dumps(model)).set_params(n_jobs=0).predict(NEW[:1])


@pytest.mark.parametrize("unfitted", [LinearChainCRF(), DictFeatures(), TokenFeatures()])
def test_what_is_not_fitted_says_so(unfitted):
    method = unfitted.predict if isinstance(unfitted, LinearChainCRF) else unfitted.transform
    with pytest.raises(NotFittedError):
        method(NEW[:1])


@pytest.mark.parametrize("features", [DictFeatures(), TokenFeatures()])
def test_sequences_do_not_become_tables(features):
    assert not hasattr(features, "set_output")
    with pytest.raises(ValueError, match="Unable to configure output"):
        make_pipeline(features, LinearChainCRF()).set_output(transform="pandas")


def disordered(matrix):
    """The same rows from their last entry to their first, each entry in two halves, with zeros that are stored."""
    indptr, halves = 3 * matrix.indptr, [matrix.data / 2, matrix.data / 2, 0 * matrix.data]
    order = np.concatenate([np.arange(a, b)[::-1] for a, b in pairwise(indptr)])
    data, indices = np.stack(halves, axis=1).ravel(), np.repeat(matrix.indices, 3)
    return sp.csr_matrix((data[order], indices[order], indptr), matrix.shape)


def longer(matrix):
    """The same matrix, whose arrays have room for more."""
    made = matrix.copy()
    made.data, made.indices = np.append(matrix.data, 9), np.append(matrix.indices, 0)
    return made


def with_indices(matrix, dtype):
    made = matrix.copy()
    made.indices, made.indptr = made.indices.astype(dtype), made.indptr.astype(dtype)
    return made


KINDS = {
    "plain": lambda matrix: matrix,
    "float64": lambda matrix: matrix.astype(np.float64),
    "integers": lambda matrix: matrix.astype(np.int64),
    "long indices": lambda matrix: with_indices(matrix, np.int64),
    "disordered": disordered,
    "longer": longer,
}


@pytest.mark.parametrize("labels", [TAGS, [7, 0, 3, 12, 5]], ids=["strings", "integers"])
@pytest.mark.parametrize("state_features", ["all", "observed"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_as_it_is_has_the_labels_that_the_full_look_gives(kind, state_features, labels, monkeypatch):
    """Of sequences that may be empty, under constraints and known labels too."""
    features = DictFeatures()
    y = [[labels[TAGS.index(tag)] for tag in sequence] for sequence in Y]
    crf = quiet(LinearChainCRF(state_features=state_features, max_iter=5), features.fit_transform(X), y)
    crf.set_params(constraints=lambda a, b: (a, b) != (labels[0], labels[2]))
    given = [*NEW[:3], [], *NEW[3:6]], NEW[:1], [NEW[0][:1]]
    known = [[[labels[i % 5] if i % 4 == 1 else None for i, _ in enumerate(s)] for s in many] for many in given]

    def predictions():
        for constraints in (crf.constraints, None):
            crf.set_params(constraints=constraints)
            for sentences_, known_labels in zip(given, known, strict=True):
                made = features.transform(sentences_)
                matrix = KINDS[kind](made.matrix)
                sequences = CSRSequences(matrix, made.lengths)
                for form in (sequences, list(sequences)):
                    yield crf.predict(form).tolist()
                    yield crf.predict(form, known_labels=known_labels).tolist()
                    yield [P.tolist() for P in crf.predict_proba(form)]
                yield crf.predict(matrix, lengths=made.lengths).tolist()
        crf.set_params(constraints=lambda a, b: (a, b) != (labels[0], labels[2]))

    short = list(predictions())
    asked = []
    monkeypatch.setattr(_tokens, "_is_read_as_it_is", lambda *given: asked.append(given))
    assert short == list(predictions())
    assert asked


def test_pairs_whose_places_need_long_indices_are_found(monkeypatch):
    crf = quiet(LinearChainCRF(state_features="observed", max_iter=5), X, Y)
    expected = crf.predict_proba(NEW)
    monkeypatch.setattr(_prediction, "_MOST_PAIRS", 3)
    assert all(np.array_equal(a, b) for a, b in zip(expected, crf.predict_proba(NEW), strict=True))


@pytest.mark.parametrize("place, value", [("indptr", -1), ("indptr", 10**6), ("indices", 5), ("indices", -1)])
def test_pairs_that_cannot_be_are_refused_where_a_token_has_their_feature(place, value):
    crf = quiet(LinearChainCRF(state_features="observed", max_iter=5), X, Y)
    getattr(crf.coef_, place)[:] = value
    with pytest.raises(ValueError, match=r"first must be sorted|label must have a label"):
        crf.predict(NEW[:1])


@pytest.mark.parametrize("values", [np.float32, np.float64])
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_rows_are_plain_by_the_definition(index, values):
    rng, answers = np.random.RandomState(0), []
    for _ in range(400):
        n, d = rng.randint(1, 5), rng.randint(1, 6)
        matrix = sp.random(n, d, 0.5, "csr", random_state=rng, data_rvs=rng.randn)
        indptr, indices, data = matrix.indptr.astype(index), matrix.indices.astype(index), matrix.data.astype(values)
        if len(data) and rng.rand() < 0.6:
            array, value = [
                (indptr, rng.randint(-1, len(data) + 2)),
                (indices, rng.randint(-1, d + 1)),
                (data, rng.choice([0.0, np.nan, np.inf, -np.inf, 1.0])),
            ][rng.randint(3)]
            array[rng.randint(len(array))] = value
        sound = indptr[0] == 0 and indptr[-1] == len(data) and (np.diff(indptr) >= 0).all()
        sound = sound and ((indices >= 0) & (indices < d)).all() and np.isfinite(data).all() and data.all()
        rows = [indices[a:b] for a, b in pairwise(indptr)] if sound else []
        answers.append(bool(sound and all((np.diff(row) > 0).all() for row in rows)))
        assert rows_are_plain(indptr, indices, data, n, d) == answers[-1]
        assert not rows_are_plain(indptr, indices, data, n + 1, d)
    assert 100 < sum(answers) < 300
