"""scoring: validation data scored by a name or a function, and epochs that early stopping does not count."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import f1_score, roc_auc_score

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.metrics import entity_f1

from ..reference import NAMES, text_like
from .test_fit import quiet

X, Y = text_like(n=300, d=80, seed=0)
TRAIN, VAL = (X[:200], Y[:200]), dict(X_val=X[200:], y_val=Y[200:])


@pytest.mark.parametrize("solver", NAMES)
def test_the_score_is_that_of_the_name(solver):
    model = quiet(LogisticRegression(solver=solver, scoring="roc_auc", random_state=0), *TRAIN, **VAL)
    expected = roc_auc_score(Y[200:], model.decision_function(X[200:]))
    assert model.history_[-1]["validation_score"] == pytest.approx(expected, abs=1e-12)


def test_a_function_gets_the_estimator_as_it_is_and_decides_when_to_stop():
    def negative_size(model, rows, labels):
        assert rows.shape[0] == len(labels) == 100
        return -float(np.abs(model.coef_).sum())

    model = LinearSVC(solver="adagrad", C=100, scoring=negative_size, early_stopping=True, random_state=0)
    quiet(model, *TRAIN, **VAL)
    # the weights grow, so that those of the first epoch are the best
    assert "did not improve" in model.stop_reason_ and "of iteration 1 " in model.stop_reason_
    assert -np.abs(model.coef_).sum() == pytest.approx(model.history_[0]["validation_score"])


def test_weights_of_held_out_samples_count():
    weights = np.where(np.arange(300) % 2, 1.0, 0.0)
    seen = []
    keep = dict(callback=lambda info: seen.append(info.fitted()), max_iter=3, validation_fraction=0.99)
    model = LogisticRegression(solver="adagrad", early_stopping=True, scoring="f1", random_state=0, **keep)
    quiet(model, X, Y, sample_weight=weights)
    odd = weights > 0
    scores = [f1_score(Y[odd], one.predict(X[odd])) for one in seen]
    np.testing.assert_allclose([record["validation_score"] for record in model.history_], scores, atol=0.05)


@pytest.mark.parametrize(
    "scoring, words",
    [
        ("no such", "'scoring' parameter"),
        (lambda model, rows, labels: "high", "must give a finite number, got 'high'"),
        (lambda model, rows, labels: np.nan, "must give a finite number, got nan"),
        (lambda model, rows: 1.0, "does not score the validation data"),
    ],
    ids=["no such", "text", "nan", "arguments"],
)
def test_a_score_that_is_none_is_refused_before_the_first_iteration(scoring, words):
    iterations = []
    model = LogisticRegression(solver="adagrad", scoring=scoring, callback=iterations.append, max_iter=2)
    with pytest.raises(ValueError, match=words):
        quiet(model, *TRAIN, **VAL)
    assert not iterations and not hasattr(model, "coef_")


def sentences(n=60, seed=0):
    rng = np.random.RandomState(seed)
    words = [[{"word": str(rng.randint(30)), "kind": str(rng.randint(3))} for _ in range(6)] for _ in range(n)]
    tags = [["B-X" if int(w["word"]) % 3 == 0 else "O" for w in sentence] for sentence in words]
    return words, tags


@pytest.mark.parametrize("form", ["own", "held out"])
def test_entities_of_a_crf(form):
    words, tags = sentences()
    model = LinearChainCRF(solver="adagrad", scoring="entity_f1", random_state=0, max_iter=3)
    if form == "own":
        quiet(model, words[:40], tags[:40], X_val=words[40:], y_val=tags[40:])
        assert model.history_[-1]["validation_score"] == entity_f1(tags[40:], model.predict(words[40:]))
    else:
        quiet(model.set_params(early_stopping=True, validation_fraction=0.5), words, tags)
        assert 0 <= model.history_[-1]["validation_score"] <= 1


def test_a_crf_needs_labels_to_score_and_a_name_that_it_has():
    words, tags = sentences()
    tags[50][2] = None
    model = LinearChainCRF(solver="adagrad", scoring="token_f1")
    with pytest.raises(ValueError, match=r"scoring needs a label .* in sequence 10 "):
        model.fit(words[:40], tags[:40], X_val=words[40:], y_val=tags[40:])
    with pytest.raises(ValueError, match=r"'scoring' parameter"):
        LinearChainCRF(scoring="roc_auc").fit(words[:40], tags[:40])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_small_first_rate_is_no_reason_to_stop(seed):
    flowers, kinds = load_iris(return_X_y=True)
    model = quiet(LogisticRegression(solver="adam", early_stopping=True, random_state=seed), flowers, kinds)
    assert model.n_iter_ > 12 and model.score(flowers, kinds) > 0.9
