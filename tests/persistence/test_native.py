"""The C++ headers predict from files of `save_native` what the models themselves predict."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from unicodedata import category

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction import text as sklearn_text
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.crf import CRF
from skopt_solvers.feature_extraction import DictFeatures, TokenFeatures
from skopt_solvers.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from skopt_solvers.persistence import native_include, save_native

ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
# Words whose lower case, flags or ends depend on rules of Unicode: sigmas, titlecase, combining marks, other digits.
WORDS = (
    "The CAT sat ΟΔΟΣ ΟΔΟΣ. Σ ΣΑΣ ΑΣ́ İstanbul DŽUNGLA Džungla ǅungla ﬁn ß ẞ 42 4-2 ²3 ٣٤ Ⅷ ⅷ l'État O'Neil x_y _ "
    "a\u0301b ʰA Aʰ 北京 ﾊﾟ ไทย 한국어 e-mail \U0001d518nicode 𐐀𐐨 ᾼ ª º A1b2 -- ... ⓐⒶ Ω\u2126 \u00adΣ A\u00adΣ "
    "A\u00adΣb mixedCase UPPER Title Not-Title McDonald iPhone ͅΣ Aͅ\u0345Σ"
).split(" ")
SPACES = [" ", " ", " ", "  ", "\t", "\n", " \n ", "\u00a0", "\u2003\u2003", "\x1c", "\x85", ", "]


def texts(n, seed=0):
    random = np.random.default_rng(seed)
    return ["".join(f"{word}{random.choice(SPACES)}" for word in random.choice(WORDS, 25)) for _ in range(n)] + [
        "",
        " ",
    ]


def sentences(n, seed=0):
    """Words with a second column, which is any string too."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 12, n)
    return [[(str(random.choice(WORDS)), str(random.choice(WORDS[:12]))) for _ in range(length)] for length in lengths]


NO_CASE = ("Cn", "Co", "Cs", "Lo")
TEXTS = texts(60)
LABELS = np.random.default_rng(1).choice(["a", "b", "c d"], len(TEXTS))


@pytest.fixture(scope="module")
def predict(tmp_path_factory):
    """A function that runs the compiled program, and gives lists of what is between tabs."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if not compiler:
        pytest.skip("there is no C++ compiler")
    folder = tmp_path_factory.mktemp("native")
    program, source = folder / "predict", folder / "predict.cpp"
    # the code of the documentation is compiled too
    (code,) = re.findall(r"```cpp\n(.*?)```", (ROOT / "docs" / "persistence.md").read_text(), re.DOTALL)
    own = Path(__file__).with_name("predict.cpp").read_text()
    source.write_text(f"#define main documented\n{code}\n#undef main\n{own}")
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-return-type"]
    command = [*compiler.split(), "-std=c++17", "-O0", *warnings, "-I", native_include(), source, "-o", program]
    subprocess.run(command, check=True)

    def run(kind, path, parts):
        given = "".join(part + "\0" for part in parts).encode("utf-8", "surrogateescape")
        done = subprocess.run([program, kind, str(path)], input=given, capture_output=True)
        assert done.returncode in (0, 1), done
        if done.returncode:
            raise RuntimeError(done.stderr.decode())
        return [line.rstrip("\t").split("\t") for line in done.stdout.decode().splitlines()]

    return run


def tags(predict, path, X, kind="tags"):
    parts = [part for sentence in X for part in (*("\t".join(token) for token in sentence), "\n")]
    return predict(kind, path, parts)


def fitted(vectorizer, classifier, labels=LABELS):
    """A pipeline whose weights are all of one size, so that each term counts."""
    model = make_pipeline(*np.atleast_1d(vectorizer), classifier).fit(TEXTS, labels)
    random = np.random.default_rng(2)
    model[-1].coef_ = random.normal(size=model[-1].coef_.shape).astype(model[-1].coef_.dtype)
    model[-1].intercept_ = random.normal(size=len(model[-1].coef_))
    return model


@pytest.mark.parametrize(
    "vectorizer",
    [
        TfidfVectorizer(),
        TfidfVectorizer(sublinear_tf=True, norm="l1", ngram_range=(1, 3), token_pattern=r"(?u)\b\w+\b"),
        sklearn_text.TfidfVectorizer(use_idf=False, lowercase=False, norm=None),
        CountVectorizer(stop_words=["the", "οδος", "cat"], ngram_range=(2, 2)),
        CountVectorizer(binary=True, token_pattern=r"[^\s,]+"),
        CountVectorizer(analyzer="char", ngram_range=(1, 3)),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5)),
        HashingVectorizer(n_features=2**10),
        HashingVectorizer(n_features=1000, alternate_sign=False, binary=True, norm="l1", ngram_range=(1, 2)),
        [CountVectorizer(), sklearn_text.TfidfTransformer(sublinear_tf=True)],
    ],
    ids=["tfidf", "l1", "plain", "stop words", "binary", "char", "char_wb", "hash", "hash l1", "transformer"],
)
def test_text(predict, tmp_path, vectorizer):
    model = fitted(vectorizer, LogisticRegression(max_iter=2, tol=1))
    save_native(model, tmp_path / "model")
    documents = texts(150, seed=3)
    rows = predict("probabilities", tmp_path / "model", documents)
    assert [row[0] for row in rows] == model.predict(documents).tolist()
    values = np.array([row[1:] for row in rows], float)
    expected = np.hstack([model.decision_function(documents), model.predict_proba(documents)])
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "classifier",
    [LogisticRegression(multi_class="ovr"), LinearSVC(), LogisticRegression(l1_ratio=1, fit_intercept=False)],
    ids=["ovr", "svc", "l1"],
)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_classifiers(predict, tmp_path, classifier, n_classes, sparse):
    vectorizer = TfidfVectorizer(dtype=np.float32)
    model = make_pipeline(vectorizer, classifier.set_params(max_iter=5, tol=1)).fit(
        TEXTS, np.arange(len(TEXTS)) % n_classes
    )
    if sparse:
        model[-1].sparsify()
    save_native(model, tmp_path / "model")
    has = hasattr(model, "predict_proba")
    rows = predict("probabilities" if has else "text", tmp_path / "model", TEXTS)
    assert [int(row[0]) for row in rows] == model.predict(TEXTS).tolist()
    expected = model.decision_function(TEXTS).reshape(len(TEXTS), -1)
    if has:
        expected = np.hstack([expected, model.predict_proba(TEXTS)])
    np.testing.assert_allclose(np.array([row[1:] for row in rows], float), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "features",
    [
        TokenFeatures(),
        TokenFeatures(
            lowercase=False, window=(-2, 0, 1), affix_window=(-1, 0), bigrams=((-1, 0), (0, 2)), column_prefixes=(1, 3)
        ),
        TokenFeatures(columns=(), boundaries=False, bias=False, flags=False, shape=False, prefixes=(1,), suffixes=()),
    ],
    ids=["defaults", "everything", "little"],
)
@pytest.mark.parametrize("state_features", ["all", "observed"])
def test_tokens(predict, tmp_path, features, state_features):
    X = sentences(150)
    labels = [[str(len(word) % 3) for word, _ in sentence] for sentence in X]
    model = make_pipeline(features, LinearChainCRF(state_features=state_features, max_iter=2, tol=1)).fit(X, labels)
    weights = model[-1].coef_ if state_features == "all" else model[-1].coef_.data
    weights[...] = np.random.default_rng(4).normal(size=weights.shape)
    save_native(model, tmp_path / "model")
    X = [*sentences(150, seed=5), []]
    assert tags(predict, tmp_path / "model", X)[:-1] == model.predict(X).tolist()[:-1]


@pytest.mark.parametrize("features", [DictFeatures(), DictFeatures(n_features=64), None], ids=["names", "hash", "own"])
@pytest.mark.parametrize("constraints", [None, "bio"])
def test_items(predict, tmp_path, features, constraints):
    random = np.random.default_rng(6)
    dicts = [
        [{f"{word}{column}": float(random.integers(1, 4)), "w": word} for word, column in sentence]
        for sentence in sentences(80)
    ]
    labels = [list(random.choice(["O", "B-x", "B-y"], len(sentence))) for sentence in dicts]
    crf = LinearChainCRF(constraints=constraints, max_iter=3, tol=1)
    model = (crf if features is None else make_pipeline(features, crf)).fit(dicts, labels)
    crf.transition_coef_[...] = random.normal(size=crf.transition_coef_.shape)
    save_native(model, tmp_path / "model")
    X = [[[part for k, v in item.items() for part in names(k, v)] for item in sentence] for sentence in dicts]
    assert tags(predict, tmp_path / "model", X, "items") == model.predict(dicts).tolist()


def names(key, value):
    return (f"{key}:{value}", "1") if isinstance(value, str) else (key, str(value))


def test_searches_and_the_crf_of_crfsuites_names_are_taken(predict, tmp_path):
    pipeline = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=2, tol=1))
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1]}, cv=2).fit(TEXTS, LABELS)
    save_native(search, tmp_path / "model")
    assert [row[0] for row in predict("text", tmp_path / "model", TEXTS)] == search.predict(TEXTS).tolist()
    X, y = [[{"word": "the"}, {"word": "dog"}]], [["D", "N"]]
    save_native(CRF().fit(X, y), tmp_path / "crf")
    assert tags(predict, tmp_path / "crf", [[["word:the", "1"], ["word:dog", "1"]]], "items") == y


def test_every_character(predict, tmp_path):
    """Words of a character, between two letters, have the lower case and the ends that Python gives them."""
    codes = [*range(1, 0x3000), *(code for code in range(0x3000, 0x20000) if category(chr(code)) not in NO_CASE)]
    documents = [f"ab{chr(code)}cd {chr(code)}Σ a{chr(code)}Σ" for code in codes]
    documents = [" ".join(documents[i : i + 500]) for i in range(0, len(documents), 500)]
    model = make_pipeline(HashingVectorizer(norm=None), LogisticRegression(max_iter=1, tol=1))
    model.fit(documents, np.arange(len(documents)) % 2)
    random = np.random.default_rng(7)
    model[-1].coef_ = random.normal(size=model[-1].coef_.shape)
    save_native(model, tmp_path / "model")
    scores = [float(row[1]) for row in predict("text", tmp_path / "model", documents)]
    np.testing.assert_allclose(scores, model.decision_function(documents), rtol=1e-9)


def test_errors_in_cpp(predict, tmp_path):
    text, crf = tmp_path / "text", tmp_path / "tags"
    save_native(fitted(TfidfVectorizer(), LinearSVC(max_iter=2, tol=1)), text)
    X = sentences(20)
    save_native(
        make_pipeline(TokenFeatures(), LinearChainCRF()).fit(
            X, [["x"] * len(s) for s in X[:-1]] + [["y"] * len(X[-1])]
        ),
        crf,
    )
    for kind, path, parts, message in [
        ("text", tmp_path / "none", [], "cannot read"),
        ("text", __file__, [], "no file of save_native"),
        ("text", crf, [], "of the other kind"),
        ("tags", text, [], "of the other kind"),
        ("probabilities", text, ["a"], "no probabilities"),
        ("text", text, ["good", "\udcff"], "UTF-8, and has other bytes at 0"),
        ("text", text, ["a\udced\udca0\udc80"], "UTF-8, and has other bytes at 1"),
        ("tags", crf, ["word", "\n"], "must have 2 columns as those of fit, got 1"),
        ("items", crf, ["word\t1", "\n"], "call predict"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            predict(kind, path, parts)


def test_damage_is_an_error(predict, tmp_path):
    """A file that is cut off, or has other bytes, is read with other weights or refused, and nothing else."""
    whole, damaged = tmp_path / "model", tmp_path / "damaged"
    X = sentences(30)
    save_native(
        make_pipeline(TokenFeatures(), LinearChainCRF(max_iter=2, tol=1)).fit(X, [["x"] * len(s) for s in X]), whole
    )
    data, random = whole.read_bytes(), np.random.default_rng(8)
    for end in random.integers(23, len(data), 15).tolist():
        damaged.write_bytes(data[:end])
        with pytest.raises(RuntimeError, match="the model file is damaged"):
            predict("tags", damaged, [])
    for _ in range(40):
        spoilt = bytearray(data)
        spoilt[random.integers(23, len(data))] ^= 1 << int(random.integers(8))
        damaged.write_bytes(spoilt)
        try:
            tags(predict, damaged, X[:3])
        except RuntimeError as error:
            assert re.search("damaged|leave a sequence no labels|must have", str(error)), error


@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        ([TfidfVectorizer(strip_accents="ascii"), LinearSVC()], ValueError, "strip_accents='ascii'"),
        ([TfidfVectorizer(tokenizer=str.split, token_pattern=None), LinearSVC()], ValueError, "tokenizer="),
        ([TfidfVectorizer(analyzer=str.split), LinearSVC()], ValueError, "analyzer="),
        ([TfidfVectorizer(token_pattern=r"\w+-\w+|\w+"), LinearSVC()], ValueError, "token_pattern="),
        ([TfidfVectorizer(token_pattern=r"\b[a-z]+\b"), LinearSVC()], ValueError, "token_pattern="),
        ([TfidfVectorizer(), sklearn_text.TfidfTransformer(), LinearSVC()], TypeError, "TfidfTransformer"),
        ([TfidfVectorizer(), StandardScaler(with_mean=False), LinearSVC()], TypeError, "StandardScaler"),
    ],
)
def test_pipelines_that_a_file_has_no_place_for(tmp_path, steps, error, message):
    model = make_pipeline(*steps).fit(TEXTS, LABELS)
    with pytest.raises(error, match=re.escape(message)):
        save_native(model, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_other_models_are_refused(tmp_path):
    path = tmp_path / "model"
    numbers = np.eye(4)
    for model, error, message in [
        ("model", TypeError, "model must be an estimator, got str"),
        (StandardScaler().fit(numbers), TypeError, "must end with a LogisticRegression, .*, got StandardScaler"),
        (LogisticRegression().fit(numbers, [0, 1, 0, 1]), TypeError, "must have a vectorizer .*, got none"),
        (LinearChainCRF().fit([numbers], [["a", "b"] * 2]), TypeError, "must have TokenFeatures .*, got none"),
        (make_pipeline(TfidfVectorizer(), LogisticRegression()), NotFittedError, "not fitted"),
        (CRF(), NotFittedError, "not fitted"),
    ]:
        with pytest.raises(error, match=message):
            save_native(model, path)
    several = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, np.eye(len(TEXTS), 2, dtype=int))
    with pytest.raises(ValueError, match="one label a sample"):
        save_native(several, path)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, LABELS)
    model[0].fit(TEXTS[:2])
    with pytest.raises(ValueError, match="fitted together"):
        save_native(model, path)
    assert not path.exists()
