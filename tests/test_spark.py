"""Predictions on Spark as docs/spark.md has them, in local mode: those of one process."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyspark")
pytestmark = [
    pytest.mark.skipif(not (shutil.which("java") or os.environ.get("JAVA_HOME")), reason="needs java"),
    pytest.mark.filterwarnings("ignore"),  # Spark's own
]
PAGE = Path(__file__).parents[1] / "docs" / "spark.md"


def test_the_page_predicts_what_one_process_predicts(monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(code) == 3
    names = {}
    try:
        for block in code:
            exec(compile(block, str(PAGE), "exec"), names)
        table = names["predicted"].toPandas()
        texts = table["text"].tolist()
        pipeline = names["pipeline"]
        assert len(texts) == 300 and table["label"].tolist() == pipeline.predict(texts).tolist()
        assert len(set(table["label"])) == 2
        probabilities = names["scored"].toPandas()["probabilities"].tolist()
        for found, expected in zip(probabilities, pipeline.predict_proba(texts), strict=True):
            assert list(found) == pytest.approx(expected.tolist(), abs=1e-12)
    finally:
        if "spark" in names:
            names["spark"].stop()
