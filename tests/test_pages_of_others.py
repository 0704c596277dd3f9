"""The blocks of pages for those who come from a library that the tests do not install, where it is installed."""

import io
import re
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from skopt_solvers import LogisticRegression
from skopt_solvers.solvers import Adam

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_blocks_of_spacy_print_what_they_say():
    pytest.importorskip("spacy")
    namespace = {}
    for block in blocks("from_spacy.md"):
        said = io.StringIO()
        with redirect_stdout(said), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # spaCy's own
            exec(block, namespace)
        assert said.getvalue().splitlines() == re.findall(r"^# (.*)$", block, re.MULTILINE)


def test_a_transformation_of_optax_makes_the_steps_of_our_solver():
    optax = pytest.importorskip("optax")
    X, y = load_digits(return_X_y=True)
    X, y = X[:200] / 16, y[:200]
    adapter = next(block for block in blocks("from_optax.md") if "class Optax" in block)
    namespace = {}
    exec(adapter.partition("\n\nsolver = ")[0], namespace)
    options = dict(learning_rate=0.1, schedule="cosine", batch_size=50)
    theirs, ours = namespace["Optax"](optax.scale_by_adam, **options), Adam(**options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # two epochs
        fits = [LogisticRegression(C=np.inf, solver=solver, max_iter=2, random_state=0) for solver in (theirs, ours)]
        coefs = [fit.fit(X, y).coef_ for fit in fits]
    np.testing.assert_allclose(*coefs, atol=1e-9)
    with pytest.raises(ValueError, match="l1_ratio must be 0"):
        LogisticRegression(solver=theirs, l1_ratio=1.0).fit(X, y)
