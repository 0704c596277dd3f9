"""ONNX: onnxruntime gives the same labels, and probabilities to 1e-6."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.feature_extraction.text import CountVectorizer, TfidfVectorizer
from skopt_solvers.persistence import to_onnx

X, Y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
TEXTS = ["good and cheap", "cheap but good value", "bad and dear", "dear too bad"] * 5


def run(model, **given):
    runtime = pytest.importorskip("onnxruntime")
    return runtime.InferenceSession(model.SerializeToString()).run(None, given)


@pytest.mark.parametrize("labels", [Y, Y % 2], ids=["ten classes", "two classes"])
@pytest.mark.parametrize(
    "model",
    [LogisticRegression(), LogisticRegression(multi_class="ovr"), LinearSVC(C=0.1)],
    ids=["softmax", "ovr", "svc"],
)
def test_linear_models(model, labels):
    pytest.importorskip("skl2onnx")
    model.fit(X, labels)
    options = {} if isinstance(model, LinearSVC) else {"options": {"zipmap": False}}
    predicted, scores = run(to_onnx(model, X[:1], **options), X=X)
    np.testing.assert_array_equal(predicted, model.predict(X))
    if not isinstance(model, LinearSVC):
        np.testing.assert_allclose(scores, model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("vectorizer", [TfidfVectorizer, CountVectorizer])
def test_pipelines_from_text(vectorizer):
    pytest.importorskip("skl2onnx")
    from skl2onnx.common.data_types import StringTensorType

    pipeline = make_pipeline(vectorizer(lowercase=False), LogisticRegression(C=5)).fit(TEXTS, [1, 1, 0, 0] * 5)
    given = dict(initial_types=[("text", StringTensorType([None, 1]))], options={"zipmap": False})
    predicted, probabilities = run(to_onnx(pipeline, **given), text=np.array(TEXTS)[:, None])
    np.testing.assert_array_equal(predicted, pipeline.predict(TEXTS))
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(TEXTS), atol=1e-6)


def test_what_has_no_counterpart_and_what_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r"to_onnx needs skl2onnx: pip install 'skopt_solvers\[onnx\]'"):
        to_onnx(LogisticRegression().fit(X, Y), X[:1])
    monkeypatch.undo()
    pytest.importorskip("skl2onnx")
    with pytest.raises(TypeError, match="LinearChainCRF"):
        to_onnx(LinearChainCRF().fit([X[:4]], [["a", "b", "a", "b"]]), X[:1])
