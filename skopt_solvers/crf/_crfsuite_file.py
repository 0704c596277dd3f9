"""Write and read the model files of CRFsuite, whose weights are those of a CRF without weights of starts and ends.

A file has a header, the features (an attribute and a label, or two labels, and their weight), the labels and the
attributes as tables of strings, and for each of them the numbers of its features. All numbers are little-endian.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from .._base.quark_database import database, keys_of
from .._base.typing import FilePath
from ..feature_extraction import DictFeatures
from ..solvers import LBFGS
from ._crfsuite import CRF
from ._estimator import LinearChainCRF

_HEADER, _CHUNK = 48, 12
_FEATURE = np.dtype([("type", "<u4"), ("source", "<u4"), ("target", "<u4"), ("weight", "<f8")])
_STATE, _TRANSITION = 0, 1
_U32 = np.dtype("<u4")


def save_crfsuite(
    model: Any,
    path: FilePath,
    *,
    feature_names: Sequence[str] | None = None,
    boundaries: tuple[str, str] | None = None,
) -> None:
    """Write a fitted CRF as a model file of CRFsuite, with which python-crfsuite gives the same tags.

    Parameters
    ----------
    model : LinearChainCRF or CRF
        Fitted without `constraints`, for which such a file has no place, and with labels that are strings.
    path : str or path-like
        The file to write.
    feature_names : sequence of str, optional
        The attributes of CRFsuite, one a feature. By default the names that the model has learned from dicts. Where
        these have vectors, the names must be given: each number of a vector becomes an attribute.
    boundaries : (str, str), optional
        Two attributes that have the weights of starts and ends, ``("BOS", "EOS")`` say: who tags with the file gives
        the first to the first token of each sequence and the second to the last. Without them the model must have been
        fitted with ``fit_boundaries=False``, since such a file has no other place for these weights.

    Raises
    ------
    ValueError
        Where the model has weights or rules that the file has no place for, labels that are no strings, or no names.

    See Also
    --------
    load_crfsuite : Read such a file.

    Notes
    -----
    A value x of a feature weighs x w there too. Weights of 0 are left out.

    Examples
    --------
    >>> import tempfile
    >>> from skopt_solvers.crf import LinearChainCRF, load_crfsuite, save_crfsuite
    >>> X, y = [[{"word": "the"}, {"word": "dog"}], [{"word": "dogs"}]], [["D", "N"], ["N"]]
    >>> crf = LinearChainCRF(C=10, fit_boundaries=False).fit(X, y)
    >>> folder = tempfile.TemporaryDirectory()
    >>> save_crfsuite(crf, folder.name + "/tags.crfsuite")
    >>> load_crfsuite(folder.name + "/tags.crfsuite").predict(X).tolist()
    [['D', 'N'], ['N']]
    >>> folder.cleanup()
    """
    if isinstance(model, CRF):
        check_is_fitted(model)
        model = model.crf_
    if not isinstance(model, LinearChainCRF):
        raise TypeError(f"model must be a LinearChainCRF or CRF, got {type(model).__name__}")
    check_is_fitted(model)
    if boundaries is None and (model.start_coef_.any() or model.end_coef_.any()):
        raise ValueError(
            "a file of CRFsuite has no weights of starts and ends: fit it with fit_boundaries=False, or give two "
            'attributes that have them, as boundaries=("BOS", "EOS")'
        )
    if model.constraints is not None:
        raise ValueError(f"a file of CRFsuite has no constraints, got constraints={model.constraints!r}")
    if len(getattr(model, "transition_features_", ())):
        raise ValueError(
            "a file of CRFsuite has no transitions that depend on features: fit it with transition_features=None"
        )
    labels = _encoded(model.classes_.tolist(), "labels")
    names = _encoded(_names(model, feature_names), "feature_names")
    coef = sp.csc_matrix(model.coef_)
    if boundaries is not None:
        names += _boundary_names(boundaries, names)
        coef = sp.hstack([coef, np.stack([model.start_coef_, model.end_coef_], axis=1)])
    coef = sp.coo_matrix(sp.csc_matrix(coef))
    Path(path).write_bytes(_file(labels, names, coef, model.transition_coef_))


def _names(model: Any, feature_names: Sequence[str] | None) -> list[Any]:
    if feature_names is not None:
        names = list(feature_names)
    elif hasattr(model, "vectorizer_"):
        if with_vectors := getattr(model.vectorizer_, "vector_sizes_", None):
            raise ValueError(
                f"a file of CRFsuite has no vectors, as this model has them of {sorted(with_vectors)}. With "
                "feature_names each of their numbers is written as a feature of its own"
            )
        names = model.vectorizer_.get_feature_names_out().tolist()
    else:
        raise ValueError("feature_names must be given for a model that was fitted on numbers, got None")
    if len(names) != model.n_features_in_ or len(set(names)) != len(names):
        raise ValueError(
            f"feature_names must be {model.n_features_in_} different names, one a feature, got {len(names)}, "
            f"{len(set(names))} of them different"
        )
    return names


def _boundary_names(boundaries: Any, names: list[bytes]) -> list[bytes]:
    pair = list(boundaries) if isinstance(boundaries, (tuple, list)) else []
    encoded = _encoded(pair, "boundaries")
    if len(set(encoded)) != 2 or len(encoded) != 2 or not set(names).isdisjoint(encoded):
        raise ValueError(f"boundaries must be two different names that no feature has, got {boundaries!r}")
    return encoded


def _encoded(names: list[Any], what: str) -> list[bytes]:
    for name in names:
        if not isinstance(name, str) or "\0" in name:
            raise ValueError(f"{what} must be strings without a zero character, got {name!r}")
    return [name.encode() for name in names]


def _file(labels: list[bytes], names: list[bytes], coef: Any, transitions: np.ndarray) -> bytes:
    there = coef.data != 0
    used, attribute = np.unique(coef.col[there], return_inverse=True)
    source, target = np.nonzero(transitions)
    features = np.zeros(there.sum() + len(source), _FEATURE)
    states, pairs = features[: there.sum()], features[there.sum() :]
    states["type"], states["source"], states["target"] = _STATE, attribute, coef.row[there]
    states["weight"] = coef.data[there]
    pairs["type"], pairs["source"], pairs["target"] = _TRANSITION, source, target
    pairs["weight"] = transitions[source, target]
    numbers = np.arange(len(features))
    out = bytearray(_HEADER)
    offsets = [_added(out, b"FEAT" + np.array([_CHUNK + features.nbytes, len(features)], _U32).tobytes())]
    out += features.tobytes()
    offsets.append(_added(out, database(labels)))
    offsets.append(_added(out, database([names[column] for column in used.tolist()])))
    offsets.append(_add_references(out, b"LFRF", source, numbers[len(states) :], len(labels)))
    offsets.append(_add_references(out, b"AFRF", attribute, numbers[: len(states)], len(used)))
    if len(out) >= 2**32:
        raise ValueError(f"a file of CRFsuite has less than 4 GB, and this model needs {len(out)} bytes")
    counts = np.array([100, len(features), len(labels), len(used), *offsets], _U32)
    out[:_HEADER] = b"lCRF" + np.array([len(out)], _U32).tobytes() + b"FOMC" + counts.tobytes()
    return bytes(out)


def _added(out: bytearray, data: bytes) -> int:
    """Add data at a multiple of 4 bytes; return where they begin."""
    out += bytes(-len(out) % 4)
    begin = len(out)
    out += data
    return begin


def _add_references(out: bytearray, name: bytes, owners: np.ndarray, numbers: np.ndarray, n_owners: int) -> int:
    """Add the numbers of the features of each owner, an attribute or a label."""
    order = np.argsort(owners, kind="stable")
    counts = np.bincount(owners, minlength=n_owners)
    begin = len(out) + -len(out) % 4
    places = begin + _CHUNK + 4 * n_owners + 4 * np.concatenate([[0], np.cumsum(counts + 1)])
    # each list begins with its length
    lists = np.insert(numbers[order], np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(int), counts)
    head = np.array([int(places[-1]) - begin, n_owners, *places[:-1]]).astype(_U32)
    return _added(out, name + head.tobytes() + lists.astype(_U32).tobytes())


def load_crfsuite(path: FilePath) -> LinearChainCRF:
    """Read a model file of CRFsuite as a fitted CRF, which predicts from feature dicts as sklearn-crfsuite does.

    Parameters
    ----------
    path : str or path-like
        A file that CRFsuite, python-crfsuite or :func:`save_crfsuite` wrote.

    Returns
    -------
    LinearChainCRF
        In float64. It knows nothing of the fit: `C` is the default, and `history_` is empty.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where it is no model file of CRFsuite, or is damaged.

    See Also
    --------
    save_crfsuite : Write such a file.

    Examples
    --------
    >>> import tempfile
    >>> from skopt_solvers.crf import LinearChainCRF, load_crfsuite, save_crfsuite
    >>> crf = LinearChainCRF(fit_boundaries=False).fit([[{"word": "the"}, {"word": "dog"}]], [["D", "N"]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_crfsuite(crf, folder + "/tags.crfsuite")
    ...     model = load_crfsuite(folder + "/tags.crfsuite")
    >>> model.classes_.tolist(), model.predict([[{"word": "dog"}]])[0]
    (['D', 'N'], ['N'])
    """
    data = Path(path).read_bytes()
    try:
        labels, names, features = _parsed(memoryview(data))
    except (ValueError, IndexError, OverflowError) as error:
        raise ValueError(f"{str(path)!r} is not a model file of CRFsuite, or is damaged: {error}") from error
    classes, order = np.unique(np.array(labels), return_inverse=True)
    model = LinearChainCRF(fit_boundaries=False, state_features="observed", transitions="observed")
    state, pairs = (features[features["type"] == kind] for kind in (_STATE, _TRANSITION))
    shape = len(labels), len(names)
    coef = sp.csc_matrix((state["weight"], (order[state["target"]], state["source"])), shape=shape)
    transitions = np.zeros((len(labels), len(labels)))
    np.add.at(transitions, (order[pairs["source"]], order[pairs["target"]]), pairs["weight"])
    ends = {"start_coef_": np.zeros(len(labels)), "end_coef_": np.zeros(len(labels))}
    vars(model).update(
        classes_=classes, coef_=coef, transition_coef_=transitions, **ends, n_features_in_=len(names),
        vectorizer_=DictFeatures.from_names(names, dtype=np.float64), solver_=LBFGS(), n_iter_=0, history_=[],
        converged_=False, stop_reason_="it was read from a file of CRFsuite", suboptimality_=np.nan,
    )  # fmt: skip
    return model


def _parsed(data: memoryview) -> tuple[list[str], list[str], np.ndarray]:
    """Return the labels, the attributes and the features of a file."""
    if len(data) < _HEADER or bytes(data[:4]) != b"lCRF" or bytes(data[8:12]) != b"FOMC":
        raise ValueError("it does not begin as one")
    size = int(np.frombuffer(data[4:8], _U32)[0])
    version, n_features, n_labels, n_names, *offsets = np.frombuffer(data[12:_HEADER], _U32).tolist()
    if version != 100 or size != len(data):
        raise ValueError(f"it has version {version} and {len(data)} bytes, expected 100 and {size}")
    begin = offsets[0]
    if bytes(data[begin : begin + 4]) != b"FEAT":
        raise ValueError("there are no features")
    count = int(np.frombuffer(data[begin + 8 : begin + _CHUNK], _U32)[0])
    features = np.frombuffer(data[begin + _CHUNK : begin + _CHUNK + count * _FEATURE.itemsize], _FEATURE)
    labels, names = ([key.decode() for key in keys_of(data[place:])] for place in offsets[1:3])
    n_features = n_features or count  # CRFsuite writes 0 there
    if (len(features), len(labels), len(names)) != (n_features, n_labels, n_names) or not n_labels:
        raise ValueError("its numbers of features, labels and attributes are not those of its header")
    if len(set(labels)) != n_labels or len(set(names)) != n_names:
        raise ValueError("a label or an attribute is there twice")
    sources = np.where(features["type"] == _STATE, n_names, n_labels)
    known = np.isin(features["type"], (_STATE, _TRANSITION)) & np.isfinite(features["weight"])
    if not (known & (features["source"] < sources) & (features["target"] < n_labels)).all():
        raise ValueError("a feature is of a label or an attribute that is not there, or has no weight")
    return labels, names, features
