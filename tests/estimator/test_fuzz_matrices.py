"""Matrices that are none, and arrays of every dtype and layout: an error that names X, or a fit that is finite."""

import numpy as np
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.model_selection import C_path
from skopt_solvers.sequence import CSRSequences

from ..fuzzing import assert_usable, attempt, examples

RNG = np.random.RandomState(0)
N, M = 9, 5
DENSE = np.where(RNG.rand(N, M) < 0.5, RNG.randn(N, M), 0.0)
LABELS = np.arange(N) % 3
WILD = [-1, 0, 1, M - 1, M, N, 2**15, 2**31 - 1, -(2**31), 2**31, 2**40, 2**62, 2**63 - 1, -(2**63)]
INDEX_TYPES = ["i4", "i8", ">i4", ">i8", "i2", "u1", "u4", "u8", "f4", "f8", "O", "c8", "?"]
DATA_TYPES = [
    "f8",
    "f4",
    "f8",
    "f4",
    ">f8",
    ">f4",
    "f2",
    "g",
    "i4",
    ">i8",
    "u1",
    "?",
    "c16",
    "O",
    "U5",
    "S3",
    "M8[s]",
    "m8[s]",
    "V8",
]


def converted(array, dtype):
    """The array in a dtype, whatever becomes of its values."""
    with np.errstate(all="ignore"):
        try:
            return array.astype(dtype)
        except (TypeError, ValueError):
            return np.zeros(array.shape, dtype)


@st.composite
def bent(draw, array, values, dtypes):
    """An array with some entries replaced, cut or lengthened, of another dtype and layout."""
    array = array.copy()
    for _ in range(draw(st.integers(0, 2))):
        kind = draw(st.sampled_from(["put", "put", "cut", "longer", "empty", "reverse", "repeat"]))
        if kind == "put" and len(array):
            array[draw(st.integers(0, len(array) - 1))] = draw(st.sampled_from(values))
        elif kind == "cut":
            array = array[: draw(st.integers(0, len(array)))].copy()
        elif kind == "longer":
            array = np.append(array, np.array(draw(st.lists(st.sampled_from(values), max_size=3)), dtype=array.dtype))
        elif kind == "empty":
            array = array[:0]
        elif kind == "reverse":
            array = array[::-1].copy()
        elif kind == "repeat":
            array = np.repeat(array, 2)
    array = converted(array, draw(st.one_of(st.just(dtypes[0]), st.just(dtypes[1]), st.sampled_from(dtypes))))
    layout = draw(st.sampled_from(["plain"] * 4 + ["read-only", "strided", "reversed", "2-D"]))
    if layout == "read-only":
        array.flags.writeable = False
    elif layout == "strided":
        array = np.repeat(array, 2)[::2]
    elif layout == "reversed":
        array = array[::-1].copy()[::-1]
    elif layout == "2-D":
        array = array.reshape(1, -1)
    return array


_DATA = [0.0, -0.0, 1.0, -1e300, 1e38, np.nan, np.inf, -np.inf, 5e-324]


@st.composite
def compressed(draw):
    """CSR, CSC or BSR, as scipy's constructor would never let through."""
    form = draw(
        st.sampled_from([sp.csr_matrix, sp.csr_matrix, sp.csr_array, sp.csc_matrix, sp.csc_array, sp.bsr_matrix])
    )
    sound = form(DENSE)
    X = form(DENSE)
    if draw(st.booleans()):
        X.has_sorted_indices = draw(st.booleans())
        X.has_canonical_format = draw(st.booleans())
    for name, values, dtypes in (
        ("indptr", WILD, INDEX_TYPES),
        ("indices", WILD, INDEX_TYPES),
        ("data", _DATA, DATA_TYPES),
    ):
        if draw(st.booleans()):
            given = np.asarray(getattr(sound, name)).astype("f8" if name == "data" else "i8")
            if given.ndim == 1:
                setattr(X, name, draw(bent(given, values, dtypes)))
            elif draw(st.booleans()):
                setattr(X, name, given[: draw(st.integers(0, len(given)))])
    if draw(st.integers(0, 5)) == 0:
        X._shape = draw(st.sampled_from([(0, M), (N, 0), (0, 0), (N, M - 1), (N - 1, M), (N + 1, M)]))
    return X


@st.composite
def coordinates(draw):
    """COO, DIA, LIL and DOK, likewise."""
    form = draw(st.sampled_from([sp.coo_matrix, sp.coo_array, sp.dia_matrix, sp.lil_matrix, sp.dok_matrix]))
    X = form(DENSE)
    if X.format == "coo":
        row, col = (draw(bent(np.asarray(a).astype("i8"), WILD, INDEX_TYPES)) for a in (X.row, X.col))
        X.coords = (row, col)
        X.data = draw(bent(X.data, _DATA, DATA_TYPES))
    elif X.format == "dia":
        X.offsets = draw(bent(X.offsets.astype("i8"), WILD, INDEX_TYPES))
        if draw(st.booleans()):
            X.data = X.data[: draw(st.integers(0, len(X.data)))]
    elif X.format == "lil":
        i = draw(st.integers(0, N - 1))
        X.rows[i] = draw(st.lists(st.sampled_from([*WILD, None, "1", 0.5]), max_size=3))
        if draw(st.booleans()):
            X.data[i] = draw(st.lists(st.sampled_from([*_DATA, None, "1"]), max_size=3))
    else:
        X._dict[draw(st.sampled_from([(0, M), (N, 0), (-1, 0), (2**40, 1), (1, 2**40)]))] = 1.0
    return X


@st.composite
def dense(draw):
    """Arrays of every dtype and layout."""
    X = DENSE.copy()
    for _ in range(draw(st.integers(0, 2))):
        X[draw(st.integers(0, N - 1)), draw(st.integers(0, M - 1))] = draw(st.sampled_from([*_DATA, 1.7e308]))
    X = converted(X, draw(st.sampled_from(DATA_TYPES)))
    kind = draw(st.sampled_from(["plain", "list", "F", "read-only", "strided", "matrix", "masked", "structured",
    "rows", "1-D", "3-D",
                                 "ragged", "objects", "no rows", "no columns", "scalar", "memory"]))  # fmt: skip
    with np.errstate(all="ignore"):
        if kind == "list":
            return X.tolist()
        if kind == "F":
            return np.asfortranarray(X)
        if kind == "read-only":
            X.flags.writeable = False
        elif kind == "strided":
            return np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)[::2, ::-2]
        elif kind == "matrix":
            return X.view(np.matrix)
        elif kind == "masked":
            return np.ma.MaskedArray(X, mask=np.arange(X.size).reshape(X.shape) % 7 == 0)
        elif kind == "structured":
            return np.zeros(N, dtype=[("a", "f8"), ("b", "i4")])
        elif kind == "rows":
            return X[: draw(st.integers(0, N))]
        elif kind == "1-D":
            return X[0]
        elif kind == "3-D":
            return X[None]
        elif kind == "ragged":
            return [list(row)[: i % M] for i, row in enumerate(X)]
        elif kind == "objects":
            X = X.astype(object)
            X[draw(st.integers(0, N - 1)), 0] = draw(
                st.sampled_from([None, "a", "1", 10**400, [1], {}, 1j, np.nan, object(), b"1"])
            )
        elif kind == "no rows":
            return X[:0]
        elif kind == "no columns":
            return X[:, :0]
        elif kind == "scalar":
            return draw(
                st.sampled_from(
                    [
                        None,
                        3,
                        "text",
                        b"",
                        {},
                        {1: 2},
                        object(),
                        np.float64(1),
                        [],
                        [[]],
                        [None],
                        (),
                        {"a": [1, 2]},
                        iter([]),
                        range(4),
                    ]
                )
            )
        elif kind == "memory":
            return memoryview(np.ascontiguousarray(X)) if X.dtype.kind in "fi" and X.dtype.isnative else X
    return X


class Given:
    """An input whose repr trusts none of its arrays."""

    def __init__(self, X):
        self.X = X

    def __repr__(self):
        names = ("shape", "indptr", "indices", "row", "col", "offsets", "data", "rows")
        parts = {name: getattr(self.X, name) for name in names if sp.issparse(self.X) and hasattr(self.X, name)}
        return f"{type(self.X).__name__}({parts or self.X!r})"


inputs = st.one_of(compressed(), compressed(), coordinates(), dense()).map(Given)
MODELS = [
    LogisticRegression(max_iter=3), LogisticRegression(max_iter=2, solver="sdca"), LinearSVC(max_iter=2,
    solver="adam", n_jobs=2),
    LinearSVC(max_iter=3, l1_ratio=0.5), LinearChainCRF(max_iter=2), LinearChainCRF(max_iter=2, solver="adagrad",
    state_features="observed"),
]  # fmt: skip


@examples(200)
@given(given=inputs, number=st.integers(0, len(MODELS) - 1), data=st.data())
def test_fit_of_anything(given, number, data):
    X = given.X
    model = MODELS[number].__class__(**MODELS[number].get_params(deep=False))
    method = data.draw(st.sampled_from(["fit", "fit", "fit", "partial_fit", "sequences", "C_path", "X_val"]))
    if method == "C_path":
        attempt(C_path, model, X, LABELS, [0.1, 1], cv=2)
        return
    if method == "sequences" and isinstance(model, LinearChainCRF):
        form = data.draw(st.sampled_from(["list", "CSRSequences", "one of many"]))
        if form == "CSRSequences":
            X = attempt(CSRSequences, X, [4, 0, 5])
        else:
            X = [X] if form == "list" else [DENSE[:3], X, DENSE[:0]]
        y = (
            [LABELS[:4], [], LABELS[4:]]
            if form == "CSRSequences"
            else [LABELS]
            if form == "list"
            else [LABELS[:3], LABELS, []]
        )
        fitted = X is not None and attempt(model.fit, X, y, estimator=model)
    elif method == "partial_fit" and hasattr(model, "partial_fit"):
        fitted = attempt(model.partial_fit, X, LABELS, classes=[0, 1, 2], estimator=model)
    elif method == "X_val":
        fitted = attempt(model.fit, DENSE, LABELS, X_val=X, y_val=LABELS, estimator=model)
    else:
        fitted = attempt(model.fit, X, LABELS, estimator=model)
    if fitted:
        assert_usable(model, DENSE)


def fitted_models():
    chain = LinearChainCRF(max_iter=3).fit([DENSE[:4], DENSE[4:]], [LABELS[:4], LABELS[4:]])
    sparse = LogisticRegression(max_iter=3, l1_ratio=1, C=100).fit(DENSE, LABELS).sparsify()
    return [
        LogisticRegression(max_iter=3).fit(DENSE, LABELS),
        LinearSVC(max_iter=3).fit(DENSE, LABELS > 0),
        sparse,
        chain,
    ]


@examples(200)
@given(given=inputs, number=st.integers(0, 3), data=st.data())
def test_prediction_of_anything(given, number, data):
    X = given.X
    if not FITTED:
        FITTED.extend(attempt(fitted_models))
    model = FITTED[number]
    names = [
        "predict",
        "predict_proba",
        "predict_topk",
        "score",
        "suboptimality_bound",
        "decision_function",
        "log_likelihood",
        "sequence_log_proba",
    ]
    name = data.draw(st.sampled_from([name for name in names if hasattr(model, name)]))
    arguments = (X, LABELS) if name in ("score", "suboptimality_bound", "log_likelihood") else (X,)
    options = {"k": 2} if name == "predict_topk" else {}
    if isinstance(model, LinearChainCRF) and data.draw(st.booleans()):
        options["lengths"] = data.draw(
            st.sampled_from(
                [
                    [N],
                    [4, 5],
                    [4, 0, 5],
                    [4],
                    [-1, N + 1],
                    [N, 2**62, 2**62, 2**62, 2**62],
                    None,
                    "9",
                    [4.0, 5.0],
                    [[4, 5]],
                    9,
                ]
            )
        )
    result = attempt(getattr(model, name), *arguments, estimator=model, **options)
    if name == "predict_proba" and isinstance(result, np.ndarray) and result.dtype != object:
        assert np.isfinite(result).all()


FITTED = []
