"""Model files of CRFsuite: python-crfsuite gives the same tags and probabilities, in both directions."""

import numpy as np
import pycrfsuite
import pytest

from skopt_solvers._base.quark_database import database, keys_of
from skopt_solvers.crf import CRF, LinearChainCRF, load_crfsuite, save_crfsuite
from skopt_solvers.feature_extraction import DictFeatures

RNG = np.random.RandomState(0)
WORDS = [*"the a dog cat 犬 über barks".split(), "a-word-of-more-than-twelve-letters", "x" * 300, ""]
SENTENCES = [
    [{"w": WORDS[i], "n": float(RNG.rand()), "is": bool(i % 2)} for i in RNG.randint(len(WORDS), size=length)]
    for length in RNG.randint(1, 8, size=80)
]
LABELS = ["B-LOC", "I-LOC", "O", "名"]
TAGS = [[LABELS[(len(token["w"]) + place) % 4] for place, token in enumerate(tokens)] for tokens in SENTENCES]


def tagger_of(path):
    tagger = pycrfsuite.Tagger()
    tagger.open(str(path))
    return tagger


def assert_same(model, tagger, sentences=SENTENCES):
    """The tags and probabilities of a model are those of a tagger, which may have other features."""
    probabilities = model.predict_proba(SENTENCES)
    for tokens, tags, rows in zip(sentences, model.predict(SENTENCES), probabilities, strict=True):
        tagger.set(pycrfsuite.ItemSequence(tokens))
        assert tagger.tag() == tags
        theirs = [[tagger.marginal(label, place) for label in model.classes_] for place in range(len(tokens))]
        np.testing.assert_allclose(rows, theirs, atol=2e-6)


@pytest.mark.parametrize("options", [{}, {"state_features": "observed", "transitions": "observed"}, {"l1_ratio": 0.5}])
def test_python_crfsuite_reads_what_is_written(tmp_path, options):
    model = LinearChainCRF(C=3, fit_boundaries=False, **options).fit(SENTENCES, TAGS)
    save_crfsuite(model, tmp_path / "model")
    assert_same(model, tagger_of(tmp_path / "model"))
    again = load_crfsuite(tmp_path / "model")
    assert_same(again, tagger_of(tmp_path / "model"))
    save_crfsuite(again, tmp_path / "again")
    info, other = (tagger_of(tmp_path / name).info() for name in ("model", "again"))
    assert (info.state_features, info.transitions) == (other.state_features, other.transitions)


@pytest.mark.parametrize("state_features", ["all", "observed"])
def test_two_attributes_have_the_weights_of_starts_and_ends(tmp_path, state_features):
    model = LinearChainCRF(C=3, state_features=state_features).fit(SENTENCES, TAGS)
    assert abs(model.start_coef_).max() > 0.1 < abs(model.end_coef_).max()
    save_crfsuite(model, tmp_path / "model", boundaries=("BOS", "EOS"))
    sentences = [[dict(token) for token in tokens] for tokens in SENTENCES]
    for tokens in sentences:
        tokens[0]["BOS"] = tokens[-1]["EOS"] = True
    assert_same(model, tagger_of(tmp_path / "model"), sentences)
    assert load_crfsuite(tmp_path / "model").predict(sentences).tolist() == model.predict(SENTENCES).tolist()


@pytest.mark.parametrize("boundaries", ["BOS", ("BOS",), ("BOS", "BOS"), ("is", "EOS"), ("a", "b", "c"), 3])
def test_boundaries_are_two_new_names(tmp_path, boundaries):
    with pytest.raises(ValueError, match="boundaries must be two different names that no feature has, got"):
        save_crfsuite(LinearChainCRF().fit(SENTENCES, TAGS), tmp_path / "model", boundaries=boundaries)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("minfreq", [0, 5])
def test_what_python_crfsuite_writes_is_read(tmp_path, minfreq):
    trainer = pycrfsuite.Trainer(verbose=False)
    trainer.set_params({"feature.minfreq": minfreq, "c2": 0.1, "max_iterations": 30})
    for tokens, tags in zip(SENTENCES, TAGS, strict=True):
        trainer.append(pycrfsuite.ItemSequence(tokens), tags)
    trainer.train(str(tmp_path / "model"))
    model = load_crfsuite(tmp_path / "model")
    assert_same(model, tagger_of(tmp_path / "model"))
    assert model.explain(SENTENCES[0]) and not model.converged_ and np.isnan(model.suboptimality_)


def test_the_class_of_sklearn_crfsuite_and_models_of_numbers(tmp_path):
    crf = CRF(c2=0.1, max_iterations=100).fit(SENTENCES, TAGS)
    save_crfsuite(crf, tmp_path / "crf")
    assert_same(crf.crf_, tagger_of(tmp_path / "crf"))
    features = DictFeatures()
    numbers = LinearChainCRF(fit_boundaries=False).fit(features.fit_transform(SENTENCES), TAGS)
    save_crfsuite(numbers, tmp_path / "numbers", feature_names=features.get_feature_names_out())
    tagger = tagger_of(tmp_path / "numbers")
    ours = numbers.predict(features.transform(SENTENCES))
    assert [tagger.tag(pycrfsuite.ItemSequence(tokens)) for tokens in SENTENCES] == ours.tolist()


@pytest.mark.parametrize(
    "options, given, message",
    [
        ({"fit_boundaries": True}, {}, "fit it with fit_boundaries=False"),
        ({"constraints": "bio"}, {}, "no constraints, got constraints='bio'"),
        ({}, {"feature_names": ["a"]}, "feature_names must be .* different names, one a feature, got 1, 1 of them"),
        ({}, {"feature_names": "twice"}, r"got \d+, 1 of them different"),
        ({}, {"feature_names": "zero"}, "feature_names must be strings without a zero character, got 'a.*0'"),
    ],
)
def test_what_a_file_has_no_place_for_is_refused(tmp_path, options, given, message):
    tags = [["B-PER"] * len(tokens) for tokens in TAGS] if options.get("constraints") else TAGS
    model = LinearChainCRF(**{"fit_boundaries": False, **options}).fit(SENTENCES, tags)
    n = model.n_features_in_
    names = {"twice": ["a"] * n, "zero": [f"a\0{number}" for number in range(n)]}
    given = {key: names.get(value, value) if isinstance(value, str) else value for key, value in given.items()}
    with pytest.raises(ValueError, match=message):
        save_crfsuite(model, tmp_path / "model", **given)
    assert not (tmp_path / "model").exists()


def test_labels_must_be_strings_and_the_model_a_crf(tmp_path):
    model = LinearChainCRF(fit_boundaries=False).fit(SENTENCES, [[len(tag) for tag in tags] for tags in TAGS])
    with pytest.raises(ValueError, match="labels must be strings without a zero character, got 1"):
        save_crfsuite(model, tmp_path / "model")
    with pytest.raises(TypeError, match="model must be a LinearChainCRF or CRF, got DictFeatures"):
        save_crfsuite(DictFeatures(), tmp_path / "model")
    with pytest.raises(FileNotFoundError):
        load_crfsuite(tmp_path / "model")


def test_damaged_files_are_errors(tmp_path):
    model = LinearChainCRF(fit_boundaries=False).fit(SENTENCES, TAGS)
    path = tmp_path / "model"
    save_crfsuite(model, path)
    whole, rng, refused = path.read_bytes(), np.random.RandomState(0), 0
    for case in range(300):
        content = bytearray(whole)
        if case % 3:
            content[rng.randint(60 if case % 2 else len(whole))] ^= 1 << rng.randint(8)
        else:
            del content[rng.randint(len(whole)) :]
        path.write_bytes(content)
        try:
            load_crfsuite(path).predict(SENTENCES[:3])
        except ValueError as error:
            assert str(path) in str(error) and "is damaged" in str(error)
            refused += 1
    assert refused > 180


def test_a_database_has_its_keys():
    keys = [f"{number}:{'x' * (number % 40)}".encode() for number in range(3000)]
    assert keys_of(memoryview(database(keys))) == keys
    assert keys_of(memoryview(database([]))) == []
