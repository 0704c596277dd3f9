"""The class that stands for the one of sklearn-crfsuite: its tutorial runs, and its optimum is that of CRFsuite."""

import inspect
import sys
import types

import numpy as np
import pycrfsuite
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_predict

import skopt_solvers.crf
from skopt_solvers.crf import CRF

PEOPLE, PLACES, OTHER = (
    ["Ana", "Bruno", "Carla", "Diego"],
    ["Lima", "Quito", "Cusco"],
    ["vive", "en", "y", "la", "casa"],
)


def sentences(n, seed):
    """Return sentences as NLTK reads CoNLL-2002: lists of (word, part of speech, label)."""
    rng = np.random.RandomState(seed)
    kinds = [(PEOPLE, "NP", "B-PER"), (PLACES, "NP", "B-LOC"), (OTHER, "VM", "O")]
    drawn = [[kinds[k] for k in rng.choice(3, rng.randint(2, 7), p=[0.25, 0.25, 0.5])] for _ in range(n)]
    sents = [[(words[rng.randint(len(words))], tag, label) for words, tag, label in sent] for sent in drawn]
    return [
        [token for place in sent for token in ([place, ("Paz", "NP", "I-PER")] if place[0] == "Ana" else [place])]
        for sent in sents
    ]


TUTORIAL = """
import scipy.stats
from sklearn.metrics import make_scorer
from sklearn.model_selection import RandomizedSearchCV
import sklearn_crfsuite
from sklearn_crfsuite import metrics

def word2features(sent, i):
    word = sent[i][0]
    postag = sent[i][1]
    features = {
        'bias': 1.0,
        'word.lower()': word.lower(),
        'word[-3:]': word[-3:],
        'word[-2:]': word[-2:],
        'word.isupper()': word.isupper(),
        'word.istitle()': word.istitle(),
        'word.isdigit()': word.isdigit(),
        'postag': postag,
        'postag[:2]': postag[:2],
    }
    if i > 0:
        word1 = sent[i-1][0]
        postag1 = sent[i-1][1]
        features.update({
            '-1:word.lower()': word1.lower(),
            '-1:word.istitle()': word1.istitle(),
            '-1:word.isupper()': word1.isupper(),
            '-1:postag': postag1,
            '-1:postag[:2]': postag1[:2],
        })
    else:
        features['BOS'] = True
    if i < len(sent)-1:
        word1 = sent[i+1][0]
        postag1 = sent[i+1][1]
        features.update({
            '+1:word.lower()': word1.lower(),
            '+1:word.istitle()': word1.istitle(),
            '+1:word.isupper()': word1.isupper(),
            '+1:postag': postag1,
            '+1:postag[:2]': postag1[:2],
        })
    else:
        features['EOS'] = True
    return features

def sent2features(sent):
    return [word2features(sent, i) for i in range(len(sent))]

def sent2labels(sent):
    return [label for token, postag, label in sent]

X_train = [sent2features(s) for s in train_sents]
y_train = [sent2labels(s) for s in train_sents]
X_test = [sent2features(s) for s in test_sents]
y_test = [sent2labels(s) for s in test_sents]

crf = sklearn_crfsuite.CRF(
    algorithm='lbfgs',
    c1=0.1,
    c2=0.1,
    max_iterations=100,
    all_possible_transitions=True
)
crf.fit(X_train, y_train)

labels = list(crf.classes_)
labels.remove('O')
y_pred = crf.predict(X_test)
f1 = metrics.flat_f1_score(y_test, y_pred, average='weighted', labels=labels)
sorted_labels = sorted(labels, key=lambda name: (name[1:], name[0]))
report = metrics.flat_classification_report(y_test, y_pred, labels=sorted_labels, digits=3)

crf = sklearn_crfsuite.CRF(
    algorithm='lbfgs',
    max_iterations=100,
    all_possible_transitions=True
)
params_space = {
    'c1': scipy.stats.expon(scale=0.5),
    'c2': scipy.stats.expon(scale=0.05),
}
f1_scorer = make_scorer(metrics.flat_f1_score, average='weighted', labels=labels)
rs = RandomizedSearchCV(crf, params_space, cv=3, verbose=0, n_jobs=1, n_iter=4, scoring=f1_scorer)
rs.fit(X_train, y_train)
best = rs.best_params_, rs.best_score_, rs.best_estimator_.size_ / 1000000

crf = rs.best_estimator_
y_pred = crf.predict(X_test)
report = metrics.flat_classification_report(y_test, y_pred, labels=sorted_labels, digits=3)

from collections import Counter
transitions = Counter(crf.transition_features_).most_common(20)
states = Counter(crf.state_features_).most_common(30)
marginals = crf.predict_marginals_single(X_test[0])
"""


@pytest.fixture(scope="module")
def theirs():
    return pytest.importorskip("sklearn_crfsuite")


@pytest.mark.usefixtures("theirs")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # candidates are drawn at random
def test_the_tutorial_of_sklearn_crfsuite_runs_after_one_line_is_changed():
    changed = TUTORIAL.replace("import sklearn_crfsuite\n", "import skopt_solvers.crf as sklearn_crfsuite\n", 1)
    module = types.ModuleType("tutorial")
    module.train_sents, module.test_sents = sentences(60, 0), sentences(30, 1)
    exec(compile(changed, "tutorial", "exec"), vars(module))
    assert type(module.crf) is CRF and module.sklearn_crfsuite is skopt_solvers.crf
    assert module.f1 > 0.9 and module.rs.best_score_ > 0.9 and set(module.rs.best_params_) == {"c1", "c2"}
    assert "B-PER" in module.report and 0 < module.best[2] < 1
    assert {label for (_, label), _ in module.states} <= set(module.crf.classes_)
    assert module.transitions[0][1] > 0
    assert [sum(token.values()) for token in module.marginals] == pytest.approx([1] * len(module.X_test[0]))


def test_the_parameters_are_those_of_sklearn_crfsuite(theirs):
    ours, expected = inspect.signature(CRF.__init__).parameters, inspect.signature(theirs.CRF.__init__).parameters
    assert [(p.name, p.kind, p.default) for p in ours.values()] == [
        (p.name, p.kind, p.default) for p in expected.values()
    ]


# The same model

SENTENCES = sentences(40, 2)
X = [[{"word": word, "tag": tag, "long": len(word) / 2} for word, tag, _ in sent] for sent in SENTENCES]
Y = [[label for _, _, label in sent] for sent in SENTENCES]


def crfsuite(path, **params):
    """Return the loss of CRFsuite's optimum, and the weights of its transitions."""
    trainer = pycrfsuite.Trainer(verbose=False)
    trainer.set_params(params)
    for x, y in zip(X, Y, strict=True):
        trainer.append(pycrfsuite.ItemSequence(x), y)
    trainer.train(str(path))
    tagger = pycrfsuite.Tagger()
    with tagger.open(str(path)):
        info = tagger.info()
        return trainer.logparser.last_iteration["loss"], info.transitions, info.state_features


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # nothing is proven near an optimum of L1
@pytest.mark.parametrize("c1, c2", [(None, None), (0, 0.1), (0.2, 0.05), (0.3, 0)])
@pytest.mark.parametrize("every", [None, True])
def test_the_optimum_is_that_of_crfsuite(tmp_path, c1, c2, every):
    model = CRF(c1=c1, c2=c2, all_possible_transitions=every, all_possible_states=every, delta=1e-6).fit(X, Y)
    penalty = {name: value for name, value in (("c1", c1), ("c2", c2)) if value is not None}
    kinds = {f"feature.possible_{kind}": bool(every) for kind in ("states", "transitions")}
    loss, transitions, states = crfsuite(tmp_path / "model", **penalty, **kinds, delta=1e-9, epsilon=1e-9)
    assert model.crf_.history_[-1]["objective"] / model.crf_.C == pytest.approx(loss, rel=1e-4)
    if c2 == 0:
        return  # features that come together share a weight as they like
    for ours, theirs in ((model.transition_features_, transitions), (model.state_features_, states)):
        for pair in ours.keys() | theirs.keys():
            assert ours.get(pair, 0) == pytest.approx(theirs.get(pair, 0), abs=0.05)


def test_predictions_are_lists_of_labels():
    model = CRF(c1=0.1, c2=0.1).fit(X, Y, X[:5], Y[:5])
    paths = model.predict(X)
    assert paths.shape == (40,) and all(type(path) is list and type(path[0]) is str for path in paths)
    assert model.predict_single(X[3]) == paths[3]
    table = model.crf_.predict_proba(X)[3].tolist()
    assert model.predict_marginals(X)[3] == model.predict_marginals_single(X[3])
    assert [list(token.values()) for token in model.predict_marginals_single(X[3])] == table
    assert model.score(X, Y) == np.mean(np.concatenate(list(paths)) == np.concatenate(Y))
    assert model.attributes_ == list(model.crf_.vectorizer_.get_feature_names_out())
    assert model.num_attributes_ == len(model.attributes_)
    assert model.classes_ == sorted({label for y in Y for label in y})
    assert "validation_score" in model.crf_.history_[0]
    assert len(model.predict([[], X[0]])) == 2 and cross_val_predict(model, X, Y, cv=2).shape == (40,)
    assert not is_classifier(model) and clone(model).get_params() == model.get_params()


def test_a_fit_ends_at_max_iterations():
    with pytest.warns(ConvergenceWarning):
        model = CRF(max_iterations=2, num_memories=3).fit(X, Y)
    assert model.crf_.n_iter_ == 2 and model.crf_.solver_.memory == 3
    assert CRF().fit(X, Y).crf_.max_iter == sys.maxsize


@pytest.mark.parametrize("params, message", [
    (dict(algorithm="ap"), "(?=.*'algorithm' parameter of CRF)(?=.*lbfgs)(?=.*'ap')"),
    (dict(min_freq=2), "'min_freq' parameter of CRF"),
    (dict(c1=-1), "'c1' parameter of CRF must be a float in the range"),
    (dict(c2="1"), "'c2' parameter of CRF"),
    (dict(max_iterations=0), "'max_iterations' parameter of CRF"),
    (dict(period=3), "'period' parameter of CRF"),
    (dict(linesearch="Backtracking"), "'linesearch' parameter of CRF must be None. Got 'Backtracking' instead"),
    (dict(variance=1), "'variance' parameter of CRF must be None"),
    (dict(keep_tempfiles=True), "'keep_tempfiles' parameter of CRF"),
])  # fmt: skip
def test_what_has_no_counterpart_is_refused(params, message):
    model = CRF(**params)
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y)
    assert not hasattr(model, "crf_")


def test_a_failed_fit_leaves_the_model_as_it_was():
    model = CRF().fit(X, Y)
    fitted = model.crf_
    with pytest.raises(ValueError, match="y has 39 label sequences"):
        model.fit(X, Y[:-1])
    assert model.crf_ is fitted
