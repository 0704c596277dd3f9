"""Short ways for one sentence give what the long ways for many give, and see what users change."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skopt_solvers import LinearChainCRF
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
