"""Write fitted models into files that C++ predicts from, by the headers in this folder."""

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .._base.typing import FilePath
from ..crf import CRF, LinearChainCRF
from ..linear_model import LinearSVC, LogisticRegression
from ._native_arrays import arrays_of_tagger, arrays_of_text_classifier
from ._sklearn import best_of

_MAGIC = b"skopt_solvers native 1\n"  # as model_file.h has it
_TYPES = {"f4": b"f", "f8": b"d"}


def native_include() -> str:
    """Return the folder of the C++ headers ``skopt_predict/text.h`` and ``skopt_predict/tags.h``, for a compiler's -I.

    Returns
    -------
    str

    See Also
    --------
    save_native : Write a model that they read.

    Examples
    --------
    >>> import os
    >>> from skopt_solvers.persistence import native_include
    >>> sorted(os.listdir(os.path.join(native_include(), "skopt_predict")))
    ['model_file.h', 'tags.h', 'text.h', 'unicode.h']
    """
    return str(Path(__file__).with_name("native"))


def save_native(model: Any, path: FilePath) -> None:
    """Write a fitted model into one file, from which C++ predicts the same labels without Python.

    Parameters
    ----------
    model : Pipeline, LinearChainCRF or CRF
        A pipeline of a CountVectorizer, TfidfVectorizer or HashingVectorizer, ours or scikit-learn's, perhaps a
        TfidfTransformer, and a LogisticRegression or LinearSVC; a pipeline of TokenFeatures or DictFeatures and a
        LinearChainCRF; or a CRF that was fitted on dicts. Of a search its ``best_estimator_`` is taken.
    path : str or path-like
        The file to write.

    Raises
    ------
    TypeError
        Where the model is another one.
    ValueError
        Where the file has no place for what it does: `strip_accents`, functions of one's own, a `token_pattern` that
        is not a run of one class of characters, several labels a sample.
    NotFittedError
        Where the model is not fitted.

    See Also
    --------
    native_include : The folder of the headers that read the file.

    Notes
    -----
    The file has its own table of the characters of Unicode, so that words begin, end and are lower-case as they are
    in the Python that wrote it. Sums are in float64, so that scores differ by rounding, some 1e-7 with weights in
    float32.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.pipeline import make_pipeline
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.feature_extraction.text import TfidfVectorizer
    >>> from skopt_solvers.persistence import save_native
    >>> texts = ["good and cheap", "cheap but good", "bad, and dear", "dear, too"]
    >>> model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)).fit(texts, [1, 1, 0, 0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_native(model, folder + "/opinions.skopt")
    """
    if not isinstance(model, BaseEstimator):
        raise TypeError(f"model must be an estimator, got {type(model).__name__}")
    model = best_of(model)
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    *before, last = [step for step in steps if step is not None and step != "passthrough"] or [model]
    if isinstance(last, CRF):
        check_is_fitted(last)
        last = last.crf_
    if isinstance(last, LinearChainCRF):
        arrays = arrays_of_tagger(before, last)
    elif isinstance(last, (LogisticRegression, LinearSVC)):
        arrays = arrays_of_text_classifier(before, last)
    else:
        raise TypeError(
            f"model must end with a LogisticRegression, LinearSVC or LinearChainCRF, got {type(last).__name__}"
        )
    Path(path).write_bytes(_MAGIC + b"".join(_record(name, value) for name, value in arrays.items()))


def _record(name: str, value: Any) -> bytes:
    """Return what a file has of an array, a list of strings, or one string or number."""
    if isinstance(value, list):
        encoded = [string.encode() for string in value]
        lengths = np.array([len(string) for string in encoded], np.int32)
        return _bytes(name, b"s", b"".join(encoded)) + _record(name + ".lengths", lengths)
    if isinstance(value, str):
        return _bytes(name, b"s", value.encode())
    array = np.ravel(value)
    if array.dtype.kind == "f":
        stored = array.astype("<f4" if array.dtype == np.float32 else "<f8")
        return _bytes(name, _TYPES[stored.dtype.str[1:]], stored.tobytes())
    if len(array) and not -(2**31) <= array.min() <= array.max() < 2**31:
        raise ValueError(f"model has more than 2**31 - 1 of {name}, for which a file of this form has no place")
    return _bytes(name, b"i", array.astype("<i4").tobytes())


def _bytes(name: str, kind: bytes, data: bytes) -> bytes:
    return len(name).to_bytes(8, "little") + name.encode() + kind + len(data).to_bytes(8, "little") + data
