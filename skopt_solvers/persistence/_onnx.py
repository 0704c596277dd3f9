"""Convert fitted estimators to ONNX, as those of scikit-learn that they become."""

from typing import Any

from .._base.optional_package import needed
from ._sklearn import to_sklearn


def to_onnx(model: Any, X: Any = None, *, initial_types: Any = None, **options: Any) -> Any:
    """Return a fitted estimator as an ONNX model, which onnxruntime and others predict with.

    It needs the extra ``onnx``: ``pip install 'skopt_solvers[onnx]'``.

    Parameters
    ----------
    model : estimator
        A LogisticRegression or LinearSVC, or an estimator of scikit-learn, as a pipeline, that holds them and our
        vectorizers.
    X : array of shape (n_samples, n_features), optional
        A few rows, which tell the type of the input. Texts need `initial_types`.
    initial_types : list of (name, type), optional
        The names and types of the input, as skl2onnx takes them.
    **options
        Further arguments of ``skl2onnx.to_onnx``, as `options` or `target_opset`.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ImportError
        Where skl2onnx is not installed.
    TypeError
        Where the model holds an estimator of this package that scikit-learn has no counterpart to.

    See Also
    --------
    to_sklearn : The estimators of scikit-learn that are converted.

    Notes
    -----
    skl2onnx computes in float32, so that probabilities differ by some 1e-7, and reads texts by a tokenizer of its own:
    its documentation of ``TfidfVectorizer`` says which patterns it knows. It does not know HashingVectorizer.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt_solvers import LogisticRegression
    >>> from skopt_solvers.persistence import to_onnx
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 2.0], [2.0, 0.0]], np.float32)
    >>> model = to_onnx(LogisticRegression().fit(X, [0, 1, 0, 1]), X[:1])  # doctest: +SKIP
    >>> import onnxruntime  # doctest: +SKIP
    >>> session = onnxruntime.InferenceSession(model.SerializeToString())  # doctest: +SKIP
    >>> session.run(["label"], {"X": X})[0].tolist()  # doctest: +SKIP
    [0, 1, 0, 1]
    """
    skl2onnx = needed("skl2onnx", "to_onnx", "onnx")
    return skl2onnx.to_onnx(to_sklearn(model), X, initial_types=initial_types, **options)
