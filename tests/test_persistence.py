"""Round trips through files: the same bits afterwards, what is stored and what is not, and damage that is found."""

import copy
import io
import pickle
import re
import warnings

import joblib
import numpy as np
import psutil
import pytest
import scipy.sparse as sp
import skops.io
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression, __version__
from skopt_solvers.crf import CRF
from skopt_solvers.feature_extraction import DictFeatures, TokenFeatures
from skopt_solvers.model_selection import C_path
from skopt_solvers.persistence import TRUSTED_TYPES
from skopt_solvers.schedules import CosineDecay, Warmup
from skopt_solvers.sequence import CSRSequences
from skopt_solvers.solvers import LBFGS, SDCA, AdaGrad, Adam, AdamW, Momentum, RMSProp

from .estimator.test_fit import quiet
from .reference import EVERY, STOCHASTIC_NAMES
from .solvers.test_optimum import text_like

X, Y = text_like(n=200, d=60, n_classes=3, seed=5)
TOKENS = CSRSequences(sp.random(240, 30, density=0.15, format="csr", random_state=0), [6] * 40)
TAGS = np.split(np.random.RandomState(0).randint(0, 4, 240), 40)
WORDS = [["The", "dog", "barks"], ["A", "cat", "sleeps"], ["Zürich", "wakes"]]
NAMES = [["D", "N", "V"], ["D", "N", "V"], ["N", "V"]]
DICTS = [[{"word": word, "length": len(word)} for word in words] for words in WORDS]


def _through_joblib(model, tmp_path, **options):
    mmap_mode = options.pop("mmap_mode", None)
    joblib.dump(model, tmp_path / "model", **options)
    return joblib.load(tmp_path / "model", mmap_mode=mmap_mode)


def _through_skops(model, tmp_path):
    skops.io.dump(model, tmp_path / "model")
    return skops.io.load(tmp_path / "model", trusted=TRUSTED_TYPES)


WAYS = {
    **{f"pickle {n}": (lambda m, _, n=n: pickle.loads(pickle.dumps(m, n))) for n in range(pickle.HIGHEST_PROTOCOL + 1)},
    "deepcopy": lambda m, _: copy.deepcopy(m),
    "joblib": _through_joblib,
    "joblib compressed": lambda m, path: _through_joblib(m, path, compress=3),
    "joblib mapped": lambda m, path: _through_joblib(m, path, mmap_mode="r"),
    "skops": _through_skops,
}


@pytest.fixture(params=WAYS)
def through(request, tmp_path):
    return lambda model: WAYS[request.param](model, tmp_path)


def _said(model, data):
    if hasattr(model, "predict_proba"):
        said = [model.predict(data), model.predict_proba(data)]
    elif hasattr(model, "predict_marginals"):
        said = [model.predict(data), model.predict_marginals(data)]
    elif hasattr(model, "predict"):
        said = [model.predict(data), model.decision_function(data)]
    else:
        said = [model.transform(data).matrix.toarray(), model.get_feature_names_out()]
    return [np.concatenate(list(part)) if isinstance(part[0], np.ndarray) else part for part in said]


def _models():
    yield "logistic", LogisticRegression().fit(X, Y), X
    yield "float32", LogisticRegression(multi_class="ovr").fit(X.astype(np.float32), Y), X.astype(np.float32)
    yield "binary", LinearSVC(solver="sdca", random_state=0).fit(X, Y == 0), X
    yield "sparse", LinearSVC(l1_ratio=1.0, tol=1e-2).fit(X, Y).sparsify(), X
    yield "crf", quiet(LinearChainCRF(max_iter=5), TOKENS, TAGS), TOKENS
    observed = dict(state_features="observed", transitions="observed", l1_ratio=0.5, max_iter=5)
    yield "observed", quiet(LinearChainCRF(**observed), TOKENS, TAGS), TOKENS
    yield "crf of dicts", quiet(LinearChainCRF(constraints=[[True] * 3] * 3, max_iter=5), DICTS, NAMES), DICTS
    yield "crfsuite's", quiet(CRF(c1=0.1, max_iterations=5), DICTS, NAMES), DICTS
    yield "tagger", quiet(make_pipeline(TokenFeatures(), LinearChainCRF(max_iter=5)), WORDS, NAMES), WORDS
    texts = [" ".join(f"w{j}" for j in row.indices) for row in X]
    yield "texts", make_pipeline(TfidfVectorizer(), LogisticRegression(solver=LBFGS(memory=3))).fit(texts, Y), texts
    yield "dicts", DictFeatures().fit(DICTS), DICTS
    yield "words", TokenFeatures(bigrams=((-1, 0),)).fit(WORDS), WORDS


MODELS = {name: (model, data) for name, model, data in _models()}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_the_same_afterwards(name, through):
    model, data = MODELS[name]
    again = through(model)
    for before, after in zip(_said(model, data), _said(again, data), strict=True):
        np.testing.assert_array_equal(after, before)
    assert repr(again) == repr(model) and repr(clone(again)) == repr(clone(model))


@pytest.mark.parametrize("value", [*EVERY.values(), Adam(schedule=Warmup(CosineDecay(), epochs=2))], ids=repr)
def test_solvers_and_schedules(value, through):
    assert through(value) == value


def test_what_searches_return(tmp_path):
    grid = {"C": [0.1, 1.0], "solver": ["lbfgs", Adam(learning_rate=0.1)]}
    search = quiet(GridSearchCV(LogisticRegression(max_iter=3, random_state=0), grid, cv=2), X, Y)
    path = C_path(LogisticRegression(), X, Y, Cs=[0.1, 1.0], cv=2)
    for way in ("pickle 5", "joblib mapped"):
        again = WAYS[way](search, tmp_path)
        np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))
        assert again.best_params_ == search.best_params_
    for way in ("pickle 5", "skops"):
        again = WAYS[way](path, tmp_path)
        np.testing.assert_array_equal(again.scores, path.scores)
        np.testing.assert_array_equal(again.best_estimator.predict_proba(X), path.best_estimator.predict_proba(X))


# Resuming


RESUMABLE = {
    "adam, averaged": LogisticRegression(solver=Adam(average=1, schedule=CosineDecay(epochs=8))),
    "momentum, float32": LogisticRegression(solver="momentum"),
    "rmsprop, two classes": LinearSVC(solver=RMSProp(centered=True), fit_intercept=False),
    "sdca": LinearSVC(solver="sdca", tol=0.0),
    "lbfgs": LogisticRegression(tol=1e-9),
    "chain": LinearChainCRF(solver=AdamW(amsgrad=True)),
    "chain, observed": LinearChainCRF(solver="adagrad", state_features="observed"),
    "chain, L1": LinearChainCRF(solver=AdaGrad(schedule="constant"), state_features="observed", l1_ratio=1.0, C=0.05),
}


def _data(name):
    if "chain" in name:
        return TOKENS, TAGS
    return X.astype(np.float32) if "float32" in name else X, Y == 0 if "two" in name else Y


@pytest.mark.parametrize("name", RESUMABLE)
def test_a_stored_fit_goes_on_as_one_that_was_not(name, through):
    data = _data(name)
    half = clone(RESUMABLE[name]).set_params(max_iter=3, warm_start=True, random_state=3)
    quiet(half, *data)
    stored = quiet(through(half), *data)
    quiet(half, *data)
    assert abs(stored.coef_ - half.coef_).max() == 0
    whole = clone(half).set_params(max_iter=6, warm_start=False)
    if name != "lbfgs" and "schedule='auto'" not in repr(half) and "adam" in name:
        np.testing.assert_array_equal(quiet(whole, *data).coef_, half.coef_)


def test_two_halves_are_one_run_with_l1_and_observed_pairs():
    model = clone(RESUMABLE["chain, L1"]).set_params(random_state=3, tol=0.0)
    whole = quiet(clone(model).set_params(max_iter=6), TOKENS, TAGS)
    half = quiet(clone(model).set_params(max_iter=3, warm_start=True), TOKENS, TAGS)
    assert half.coef_.nnz < 30 * 4  # zeros have been taken out
    quiet(half, TOKENS, TAGS)
    assert (half.coef_ != whole.coef_).nnz == 0


@pytest.mark.parametrize("solver", [Adam(average=0.5), Momentum(), AdaGrad()], ids=repr)
def test_a_stream_goes_on(solver, through):
    model = LogisticRegression(solver=solver, random_state=0).partial_fit(X[:100], Y[:100], classes=[0, 1, 2])
    stored = through(model)
    for part in (model, stored):
        part.partial_fit(X[100:], Y[100:]).partial_fit(X[:50], Y[:50])
    np.testing.assert_array_equal(stored.coef_, model.coef_)
    np.testing.assert_array_equal(stored.intercept_, model.intercept_)


def test_a_stream_that_fails_after_it_was_loaded_is_as_before(tmp_path):
    model = LogisticRegression(solver="adam", random_state=0).partial_fit(X[:100], Y[:100], classes=[0, 1, 2])
    stored = WAYS["joblib mapped"](model, tmp_path)
    with pytest.raises(FloatingPointError):
        stored.partial_fit(X * 1e200, Y)
    for part in (model, stored):
        part.partial_fit(X[100:], Y[100:])
    np.testing.assert_array_equal(stored.coef_, model.coef_)


# What is in a pickle


# docs/persistence.md: bytes of the state of each solver in a file, a coefficient of float64, and besides a feature.
STORED = {
    "momentum": (8, 0),
    "momentum-plain": (0, 0),
    "momentum-nesterov": (8, 0),
    "momentum-clipped": (8, 0),
    "adagrad": (8, 0),
    "adagrad-averaged": (24, 8),
    "rmsprop": (8, 0),
    "rmsprop-centered": (16, 0),
    "rmsprop-clipped-averaged": (24, 8),
    "adam": (16, 8),
    "adam-amsgrad": (24, 8),
    "adamw": (16, 8),
    "adamw-own-decay": (16, 8),
    "adamw-amsgrad": (24, 8),
    "ftrl": (16, 8),
    "ftrl-own-penalty": (16, 8),
    "ftrl-own-l1": (32, 16),
    "lbfgs": (0, 0),
    "lbfgs-pairs": (0, 0),
    "lbfgs-plain": (0, 0),
    "sdca": (0, 0),
}


@pytest.fixture(scope="module")
def wide():
    wide = sp.random(600, 5000, density=1e-3, format="csr", random_state=0)
    return wide, np.arange(600) % 10


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bytes_of_a_stored_model(name, dtype, wide):
    X, y = wide[0].astype(dtype), wide[1]
    model = quiet(LogisticRegression(solver=EVERY[name], max_iter=3, warm_start=True, random_state=0), X, y)
    n_bytes, size = len(pickle.dumps(model)), np.dtype(dtype).itemsize
    a_coefficient, a_feature = STORED[name]
    expected = model.coef_.size * (size + a_coefficient * size // 8) + 5001 * a_feature
    expected += 600 * 10 * size if name == "sdca" else 0  # the dual variables
    assert expected <= n_bytes < 1.01 * expected + 3000
    joblib.dump(model, stored := io.BytesIO())
    assert len(stored.getvalue()) < 1.01 * expected + 5000
    # without the state
    plain = model.coef_.nbytes
    for bare in (copy.copy(model).set_params(warm_start=False), model.drop_state()):
        assert plain <= len(pickle.dumps(bare)) < plain + 3000


def test_every_solver_has_its_bytes_in_the_docs():
    assert set(STORED) == set(EVERY)


def test_the_state_is_stored_where_a_later_call_would_use_it():
    def has_state(model):
        return "_resume" in model.__getstate__()

    model = quiet(LogisticRegression(solver="adam", max_iter=2, warm_start=True, random_state=0), X, Y)
    assert has_state(model)
    assert not has_state(model.set_params(warm_start=False)) and has_state(model.set_params(warm_start=True))
    # weights that were changed by hand have no state
    changed = copy.copy(model)
    changed.coef_ = changed.coef_ + 1
    assert not has_state(changed)
    # a stream goes on whatever warm_start says, until fit begins anew
    stream = LogisticRegression(solver="adam", max_iter=2, random_state=0).partial_fit(X, Y, classes=[0, 1, 2])
    assert has_state(stream)
    assert not has_state(copy.deepcopy(stream).drop_state())
    assert not has_state(quiet(stream, X, Y))


def test_drop_state_goes_on_from_the_weights():
    model = quiet(LogisticRegression(solver="adagrad", max_iter=3, warm_start=True, random_state=0), X, Y)
    before = model.predict_proba(X)
    assert model.drop_state() is model
    np.testing.assert_array_equal(model.predict_proba(X), before)
    quiet(model.set_params(solver__learning_rate=1e-9), X, Y)
    np.testing.assert_allclose(model.predict_proba(X), before, atol=1e-6)
    assert model.history_[0]["iteration"] == 1


class _Types(pickle.Pickler):
    """A pickler that notes what it meets."""

    def __init__(self):
        super().__init__(io.BytesIO(), protocol=5)
        self.types = set()

    def persistent_id(self, obj):
        self.types.add(type(obj))


@pytest.mark.parametrize("name", MODELS)
def test_a_pickle_holds_parameters_arrays_and_nothing_that_belongs_to_the_fit(name):
    met = _Types()
    met.dump(MODELS[name][0])
    ours = {f"{t.__module__}.{t.__qualname__}" for t in met.types if t.__module__.startswith("skopt_solvers")}
    assert ours <= set(TRUSTED_TYPES)
    assert not {"CSRSequences", "Monitor", "FitInfo"} & {t.__name__ for t in met.types}


def test_skops_asks_for_what_is_declared_and_no_more():
    for model in [*(model for model, _ in MODELS.values()), *EVERY.values()]:
        assert set(skops.io.get_untrusted_types(data=skops.io.dumps(model))) <= set(TRUSTED_TYPES)
    assert all(name.startswith(("skopt_solvers.", "scipy.sparse.")) for name in TRUSTED_TYPES)


# Later versions


def test_a_parameter_that_the_stored_model_did_not_have_gets_its_default():
    model = quiet(LogisticRegression(solver=Adam(schedule=CosineDecay()), max_iter=2, random_state=0), X, Y)

    class Older(pickle.Pickler):
        def reducer_override(self, obj):
            if not isinstance(obj, (LogisticRegression, Adam, CosineDecay)):
                return NotImplemented
            kind, made, state, *rest = obj.__reduce_ex__(5)
            kept = {
                k: v for k, v in state.items() if k not in ("interrupt", "amsgrad", "end", "_skopt_solvers_version")
            }
            return kind, made, kept, *rest

    Older(stored := io.BytesIO(), 5).dump(model)
    again = pickle.loads(stored.getvalue())
    assert b"amsgrad" not in stored.getvalue()
    assert again.interrupt == "raise" and again.solver.amsgrad is False and again.solver_.schedule.end == 0.0
    assert repr(again) == repr(model) and again.solver == model.solver
    np.testing.assert_array_equal(quiet(again, X, Y).coef_, model.coef_)


def test_the_version_is_stored_and_one_that_is_newer_warns():
    for model in (LogisticRegression(), SDCA(), DictFeatures()):
        state = model.__getstate__()
        assert state["_skopt_solvers_version"] == __version__
        type(model).__new__(type(model)).__setstate__(state)
        assert not hasattr(model, "_skopt_solvers_version")
        with pytest.warns(UserWarning, match=r"stored by skopt_solvers 999\.1, and this is"):
            type(model).__new__(type(model)).__setstate__({**state, "_skopt_solvers_version": "999.1"})


# Damage


def _with(name, **changes):
    model = MODELS[name][0]
    state = model.__getstate__()
    state.update(changes)
    return lambda: type(model).__new__(type(model)).__setstate__(state)


def _broken_pairs():
    coef = MODELS["observed"][0].coef_.copy()
    coef.indices[3] = 1000
    return coef


@pytest.mark.parametrize(
    "name, attribute, value",
    [
        ("logistic", "coef_", np.zeros((3, 59))),
        ("logistic", "coef_", np.zeros(60)),
        ("logistic", "coef_", np.zeros((3, 60), object)),
        ("logistic", "coef_", None),
        ("logistic", "intercept_", np.zeros(2)),
        ("logistic", "classes_", np.arange(4)),
        ("logistic", "classes_", [0, 1, 2]),
        ("logistic", "n_features_in_", 61),
        ("crf", "transition_coef_", np.zeros((4, 3))),
        ("crf", "start_coef_", np.zeros(5)),
        ("crf", "end_coef_", None),
        ("crf", "coef_", np.zeros((4, 30), np.int64)),
        ("observed", "coef_", _broken_pairs()),
        ("crf of dicts", "vectorizer_", DictFeatures().fit([[["a"]]])),
    ],
)
def test_attributes_that_do_not_fit_are_named(name, attribute, value):
    blamed = "coef_" if attribute in ("classes_", "n_features_in_") and not isinstance(value, list) else attribute
    with pytest.raises(ValueError, match=rf"is damaged: {blamed}"):
        _with(name, **{attribute: value})()


def test_a_table_of_names_that_is_damaged_is_found():
    text, lengths = DictFeatures().fit(DICTS).__getstate__()["_table"]
    longer = lengths.copy()
    longer[0] += 2**31
    for table in [(text[:-1], lengths), (text, longer), (text, lengths[:-1]), (b"\xff" * len(text), lengths)]:
        with pytest.raises(ValueError):
            _with("dicts", _table=table)()
    with pytest.raises(ValueError, match="distinct"):
        _with("dicts", _table=(b"aa", np.array([1, 1], np.uint32)))()
    places, table, column = MODELS["words"][0].__getstate__()["_fitted"][0]
    for changed in (column[:1], column + 10**6, column.astype(np.int64)):
        with pytest.raises(ValueError, match="the columns of names"):
            _with("words", _fitted=[(places, table, changed)])()


def test_words_are_looked_for_where_fit_looked():
    features = TokenFeatures(window=(0,)).fit(WORDS)
    with pytest.raises(ValueError, match="those of fit"):
        features.set_params(window=(-2, -1, 0, 1, 2)).transform(WORDS)


@pytest.mark.parametrize("solver", [*STOCHASTIC_NAMES, "sdca"])
def test_a_state_that_does_not_fit_is_refused(solver):
    model = quiet(LogisticRegression(solver=solver, max_iter=2, warm_start=True, random_state=0), X, Y)
    good = pickle.dumps(model)

    def damaged(change):
        model = pickle.loads(good)
        state = model.__getstate__()
        change(state["_resume"]["state"])
        with pytest.raises(ValueError, match="state for resuming"):
            type(model).__new__(type(model)).__setstate__(state)

    damaged(lambda state: state.update(W=state["W"].astype(np.float32)))
    damaged(lambda state: state.update(W=state["W"][0]))
    damaged(lambda state: state.update(epoch=-1))
    damaged(lambda state: state.update(seed="0"))
    if solver == "sdca":
        damaged(lambda state: state.update(shares=state["shares"][:, 1:]))
        return
    damaged(lambda state: state.pop("tables"))
    for name, table in model._resume["state"]["tables"].items():
        if table.size:
            damaged(lambda state, name=name: state["tables"].update({name: state["tables"][name][:-1]}))
            damaged(lambda state, name=name: state["tables"].update({name: state["tables"][name].astype("i1")}))
        else:
            damaged(lambda state, name=name: state["tables"].update({name: state["W"]}))
        damaged(lambda state, name=name: state["tables"].pop(name))
    if solver.startswith("adam"):
        damaged(lambda state: state["tables"].update(t=state["tables"]["t"] - 1000))


def _used(model):
    """Whatever compiled code a loaded model may reach."""
    name = type(model).__name__
    if name == "DictFeatures":
        model.transform(DICTS), model.get_feature_names_out()
    elif name == "TokenFeatures":
        model.transform(WORDS), model.get_feature_names_out()
    elif name == "LinearChainCRF":
        data = DICTS if hasattr(model, "vectorizer_") else TOKENS
        model.predict(data), model.predict_proba(data), model.predict_topk(data, 2)
        model.partial_fit(TOKENS, TAGS) if hasattr(model, "partial_fit") else None
    else:
        model.predict(X), model.predict_topk(X, 2)
        model.set_params(max_iter=1, max_time=5.0).fit(X, Y)
        model.partial_fit(X, Y) if hasattr(model, "partial_fit") else None


def _fragile():
    small = dict(max_iter=2, warm_start=True, random_state=0, n_jobs=1)
    yield quiet(LogisticRegression(solver=Adam(average=1), **small), X, Y)
    yield quiet(LinearSVC(solver="sdca", **small), X, Y)
    yield quiet(LinearChainCRF(solver="adam", **small), TOKENS, TAGS)
    for name in ("sparse", "observed", "crf of dicts", "dicts", "words"):
        yield MODELS[name][0]


FRAGILE = list(_fragile())


@pytest.mark.parametrize("model", FRAGILE, ids=lambda model: type(model).__name__)
def test_a_file_that_is_cut_off_is_an_error(model):
    stored = pickle.dumps(model, 5)
    for length in range(0, len(stored), max(1, len(stored) // 1000)):
        assert _fails(pickle.loads, stored[:length])
    joblib.dump(model, whole := io.BytesIO(), compress=3)
    for stored, load in ((whole.getvalue(), joblib.load), (skops.io.dumps(model), _load_skops)):
        for length in np.linspace(0, len(stored) - 10, 40).astype(int):  # the last are a checksum
            assert _fails(load, io.BytesIO(stored[:length]))


def _fails(load, stored):
    try:
        load(stored)
    except Exception:
        return True
    return False


def _load_skops(file):
    return skops.io.loads(file.getvalue(), trusted=TRUSTED_TYPES)


@pytest.fixture
def two_gigabytes():
    """End the memory of this process soon: pickle takes a flipped byte for the size of its own tables too."""
    resource = pytest.importorskip("resource")
    most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 2**31, most[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, most)


# A flip in a weight cannot be seen. Others are an exception when the file is read, or when the model is used; a crash
# would end the tests.
@pytest.mark.parametrize("model", FRAGILE, ids=lambda model: type(model).__name__)
@pytest.mark.usefixtures("two_gigabytes")
def test_a_file_with_a_flipped_bit_is_an_error_or_a_model(model):
    stored, rng, loaded = pickle.dumps(model, 5), np.random.RandomState(0), 0
    # NumPy itself crashes where the name of a type becomes "m8", before anything of ours is asked
    names = {i for found in re.finditer(rb"\x8c.[a-zA-Z]\d+", stored) for i in range(*found.span())}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for position in rng.choice(sorted(set(range(len(stored))) - names), 80):
            flipped = bytearray(stored)
            flipped[position] ^= 1 << rng.randint(8)
            try:
                again = pickle.loads(bytes(flipped))
                loaded += 1
                _used(again)
            except Exception:
                continue
    assert loaded > 0


@pytest.mark.parametrize("name", ["logistic", "crf of dicts"])
def test_a_file_of_skops_knows_all_its_bytes(name):
    model, data = MODELS[name]
    stored, rng, refused = skops.io.dumps(model), np.random.RandomState(0), 0
    for position in rng.randint(len(stored), size=60):
        flipped = bytearray(stored)
        flipped[position] ^= 1 << rng.randint(8)
        try:
            again = _load_skops(io.BytesIO(bytes(flipped)))
        except Exception:
            refused += 1
        else:  # a time, or a permission
            np.testing.assert_array_equal(_said(again, data)[1], _said(model, data)[1])
    assert refused > 30
