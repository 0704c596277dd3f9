"""LinearChainCRF under scikit-learn's model selection: sequences and tokens, splits, grids, pipelines, scorers."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skopt_solvers import LinearChainCRF
from skopt_solvers.feature_extraction import DictFeatures, TokenFeatures
from skopt_solvers.metrics import (
    entity_f1,
    entity_f1_scorer,
    make_sequence_scorer,
    sequence_accuracy_scorer,
    token_f1,
    token_f1_scorer,
)
from skopt_solvers.model_selection import C_path
from skopt_solvers.model_selection import GridSearchCV as OurGridSearchCV
from skopt_solvers.schedules import CosineDecay, Warmup
from skopt_solvers.sequence import CSRSequences, SequenceKFold
from skopt_solvers.solvers import LBFGS, AdaGrad

from ..chain_reference import tagging
from ..reference import CHAIN_NAMES

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = tagging(60, n_features=8)
LENGTHS = np.array([len(y) for y in Y])
FLAT, LABELS, IDS = np.vstack(X), np.concatenate(Y), np.repeat(np.arange(60), LENGTHS)
STACKED = CSRSequences(sp.csr_matrix(FLAT), LENGTHS)
ARRAYS = [np.array(y) for y in Y]
WORDS = [[f"w{int(8 * row[0] + 4 * row[1] + 2 * row[2] + row[3])}" for row in x] for x in X]
DICTS = [[{f"f{j}": v for j, v in enumerate(row)} for row in x] for x in X]
CRF = LinearChainCRF(random_state=0)
ONLY_SEQUENCES = LinearChainCRF(random_state=0, input="sequences")
ONLY_TOKENS = LinearChainCRF(random_state=0, input="flat")


def test_what_the_estimator_says_it_is():
    assert is_classifier(ONLY_TOKENS) and not is_classifier(ONLY_SEQUENCES) and not is_classifier(CRF)


# Sequences


@pytest.mark.parametrize("data", [X, STACKED, DICTS], ids=["arrays", "CSRSequences", "dicts"])
def test_label_lists_and_an_integer_cv(data):
    scores = cross_val_score(CRF, data, Y, cv=5)
    expected = []
    for train, test in KFold(5).split(X):
        model = LinearChainCRF(random_state=0).fit([X[i] for i in train], [Y[i] for i in train])
        expected.append(model.score([X[i] for i in test], [Y[i] for i in test]))
    np.testing.assert_allclose(scores, expected, atol=0.02 if data is DICTS else 1e-12)


@pytest.mark.parametrize("model", [CRF, ONLY_SEQUENCES])
@pytest.mark.parametrize("labels", [Y, ARRAYS])
def test_a_splitter_takes_every_form_of_labels(model, labels):
    scores = cross_val_score(model, X, labels, cv=KFold(3))
    np.testing.assert_array_equal(scores, cross_val_score(CRF, X, Y, cv=3))


def test_lists_in_the_searches_of_this_package():
    search = OurGridSearchCV(CRF, {"C": [0.1, 1.0]}, cv=3).fit(X, Y)
    theirs = GridSearchCV(CRF, {"C": [0.1, 1.0]}, cv=3).fit(X, Y)
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], atol=1e-3)
    path = C_path(CRF, X, Y, [0.1, 1.0], cv=3)
    np.testing.assert_allclose(path.mean_scores, theirs.cv_results_["mean_test_score"], atol=0.01)


@pytest.mark.parametrize("data", [X, STACKED, DICTS], ids=["arrays", "CSRSequences", "dicts"])
def test_train_test_split(data):
    train, test, train_labels, test_labels = train_test_split(data, Y, test_size=0.25, random_state=0)
    model = LinearChainCRF(random_state=0).fit(train, train_labels)
    assert len(model.predict(test)) == 15 and model.score(test, test_labels) > 0.5


@pytest.mark.parametrize("data", [X, STACKED])
def test_cross_val_predict_gives_each_sequence_its_path(data):
    paths = cross_val_predict(CRF, data, Y, cv=4)
    assert [len(path) for path in paths] == LENGTHS.tolist()
    train, test = next(iter(KFold(4).split(X)))
    model = LinearChainCRF(random_state=0).fit([X[i] for i in train], [Y[i] for i in train])
    for i, path in zip(test, model.predict([X[i] for i in test]), strict=True):
        np.testing.assert_array_equal(paths[i], path)


def test_an_incremental_learning_curve_takes_the_labels_of_the_first_part():
    model = LinearChainCRF(solver="adam", random_state=0)
    _, _, test = learning_curve(model, X, Y, cv=2, train_sizes=[0.5, 1.0], exploit_incremental_learning=True)
    for fold, (fit, held) in enumerate(KFold(2).split(X)):
        stream = clone(model)
        for part in (fit[:15], fit[15:]):
            stream.partial_fit([X[i] for i in part], [Y[i] for i in part])
        assert test[1, fold] == stream.score([X[i] for i in held], [Y[i] for i in held])


def test_learning_curve():
    sizes, train, test = learning_curve(CRF, X, Y, cv=3, train_sizes=[0.2, 1.0])
    assert sizes.tolist() == [8, 40] and train.shape == test.shape == (2, 3)
    for fold, (fit, held) in enumerate(KFold(3).split(X)):
        model = LinearChainCRF(random_state=0).fit([X[i] for i in fit], [Y[i] for i in fit])
        assert test[1, fold] == model.score([X[i] for i in held], [Y[i] for i in held])
        assert train[1, fold] == model.score([X[i] for i in fit], [Y[i] for i in fit])


@pytest.mark.parametrize("weights", [np.random.RandomState(0).rand(60), [np.full(n, 1.0) for n in LENGTHS]])
def test_sample_weights_are_cut_with_the_sequences(weights):
    scores = cross_val_score(CRF, X, Y, cv=3, params=dict(sample_weight=weights))
    assert (scores > 0.5).all()


GRID = [
    {
        "solver": ["adam", AdaGrad()],
        "solver__learning_rate": [0.05, 0.5],
        "solver__schedule": ["cosine", Warmup("linear", epochs=1), CosineDecay(epochs=3)],
    },
    {"solver": ["lbfgs"], "solver__memory": [3, 10], "C": [0.01, 1.0]},
    {"state_features": ["observed"], "transitions": ["all", "observed"], "constraints": [None]},
]


@pytest.mark.parametrize("data", [X, STACKED, DICTS], ids=["arrays", "CSRSequences", "dicts"])
def test_grids_over_solvers_schedules_and_penalties(data):
    search = GridSearchCV(clone(CRF).set_params(max_iter=5), GRID, cv=3, scoring=token_f1_scorer).fit(data, Y)
    table = pd.DataFrame(search.cv_results_)
    assert len(table) == 12 + 4 + 2 and table["mean_test_score"].notna().all()
    assert table["mean_test_score"].nunique() > 3
    assert len(search.predict(data)) == 60


@pytest.mark.parametrize("solver", CHAIN_NAMES)
def test_randomised_search_over_every_solver(solver):
    grid = {"C": [0.1, 1.0], "l1_ratio": [0.0, 0.5]}
    search = RandomizedSearchCV(
        LinearChainCRF(solver=solver, max_iter=3, random_state=0),
        grid,
        n_iter=2,
        cv=2,
        random_state=0,
    ).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_scorers():
    bio = [["O" if label == "L0" else f"B-{label}" for label in y] for y in Y]
    scoring = {
        "tokens": token_f1_scorer,
        "sequences": sequence_accuracy_scorer,
        "entities": entity_f1_scorer,
        "macro": make_sequence_scorer(entity_f1, average="macro"),
        "own": lambda model, X, y: token_f1(y, model.predict(X)),
    }
    results = cross_validate(CRF, X, bio, cv=3, scoring=scoring)
    for name in scoring:
        assert ((0 <= results[f"test_{name}"]) & (results[f"test_{name}"] <= 1)).all()
    np.testing.assert_array_equal(results["test_own"], results["test_tokens"])
    assert (results["test_sequences"] < results["test_tokens"]).all()


# Pipelines


@pytest.mark.parametrize("features, data", [(DictFeatures(), DICTS), (TokenFeatures(), WORDS)], ids=["dicts", "words"])
def test_pipelines_of_features_and_crf(features, data):
    pipe = make_pipeline(features, CRF)
    paths = pipe.fit(data, Y).predict(data)
    assert [len(path) for path in paths] == LENGTHS.tolist()
    assert pipe.score(data, Y) > 0.6
    assert len(pipe[-1].top_features(3, feature_names=pipe[0].get_feature_names_out())) == 3
    scores = cross_val_score(pipe, data, Y, cv=3)
    assert (scores > 0.5).all()


def test_a_pipeline_of_dicts_is_the_crf_on_dicts():
    pipe = make_pipeline(DictFeatures(), CRF).fit(DICTS, Y)
    alone = LinearChainCRF(random_state=0).fit(DICTS, Y)
    np.testing.assert_array_equal(pipe[-1].coef_, alone.coef_)


def test_a_grid_over_a_pipeline():
    pipe = make_pipeline(DictFeatures(), LinearChainCRF(max_iter=5, random_state=0))
    grid = {
        "dictfeatures__min_count": [1, 50],
        "linearchaincrf__solver": ["adagrad", LBFGS(memory=3)],
        "linearchaincrf__C": [0.1, 1.0],
    }
    search = GridSearchCV(pipe, grid, cv=3, scoring=sequence_accuracy_scorer).fit(DICTS, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.score(DICTS, Y) > 0.5


# Tokens


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


def requested(**params):
    model = LinearChainCRF(random_state=0, **params)
    for method in ("fit", "score", "predict"):
        getattr(model, f"set_{method}_request")(sequence_ids=True)
    return model


def expected_scores():
    """Folds of whole sequences, by hand."""
    scores = []
    for train, test in SequenceKFold(3).split(FLAT, sequence_ids=IDS):
        model = LinearChainCRF(random_state=0).fit(FLAT[train], LABELS[train], sequence_ids=IDS[train])
        scores.append(model.score(FLAT[test], LABELS[test], sequence_ids=IDS[test]))
    return scores


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("data", [FLAT, sp.csr_matrix(FLAT)])
def test_ids_are_routed_to_the_folds_and_to_the_model(data):
    scores = cross_val_score(requested(), data, LABELS, cv=SequenceKFold(3), params=dict(sequence_ids=IDS))
    np.testing.assert_array_equal(scores, expected_scores())


@pytest.mark.usefixtures("routing")
def test_a_grid_over_tokens():
    search = GridSearchCV(requested(), {"C": [0.1, 1.0], "solver": ["lbfgs", "adagrad"]}, cv=SequenceKFold(3))
    search.fit(FLAT, LABELS, sequence_ids=IDS)
    at_one = [i for i, params in enumerate(search.cv_results_["params"]) if params == {"C": 1.0, "solver": "lbfgs"}]
    assert search.cv_results_["mean_test_score"][at_one[0]] == pytest.approx(np.mean(expected_scores()))
    assert search.best_estimator_.score(FLAT, LABELS, sequence_ids=IDS) > 0.6


@pytest.mark.usefixtures("routing")
def test_ids_go_through_a_pipeline():
    pipe = make_pipeline(MaxAbsScaler(), requested())
    scores = cross_val_score(pipe, sp.csr_matrix(FLAT), LABELS, cv=SequenceKFold(3), params=dict(sequence_ids=IDS))
    np.testing.assert_allclose(scores, expected_scores(), atol=0.02)


@pytest.mark.usefixtures("routing")
def test_scorers_of_tokens_get_the_ids():
    scorer = token_f1_scorer.set_score_request(sequence_ids=True)
    scores = cross_val_score(
        requested(), FLAT, LABELS, cv=SequenceKFold(3), scoring=scorer, params=dict(sequence_ids=IDS)
    )
    assert ((scores > 0.5) & (scores < 1)).all()


def test_tokens_without_structure_are_classified_alone():
    scores = cross_val_score(ONLY_TOKENS, FLAT, LABELS, cv=3)
    assert (scores > 0.4).all()
    np.testing.assert_array_equal(scores, cross_val_score(CRF, FLAT, LABELS, cv=StratifiedKFold(3)))
    predicted = cross_val_predict(ONLY_TOKENS, FLAT, LABELS, cv=3)
    assert predicted.shape == LABELS.shape and set(predicted) <= set(LABELS)
    probabilities = cross_val_predict(ONLY_TOKENS, FLAT, LABELS, cv=3, method="predict_proba")
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
