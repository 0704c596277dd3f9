"""Messages, docstrings and pages name every solver that is registered."""

import inspect
import re
from pathlib import Path

import pytest

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression

from ..reference import CHAIN_NAMES, NAMES, STOCHASTIC_NAMES, text_like

ROOT = Path(__file__).parents[2]


def parameter_of(kind):
    """The description of `solver` in a docstring."""
    return re.search(r"\nsolver : .*?(?=\n\w)", inspect.getdoc(kind), re.DOTALL).group()


def test_docstrings_name_every_solver():
    for kind in (LogisticRegression, LinearSVC):
        assert set(re.findall(r'"(\w+)"', parameter_of(kind))) == set(NAMES)
    named = set(re.findall(r'"(\w+)"', parameter_of(LinearChainCRF)))
    assert set(CHAIN_NAMES) <= named <= set(NAMES)
    for kind in (LogisticRegression, LinearChainCRF, LinearSVC):
        assert "{names" not in kind.__doc__


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/solvers.md", "docs/many_classes.md"])
def test_pages_name_every_solver(page):
    text = (ROOT / page).read_text()
    assert [name for name in NAMES if f'`"{name}"`' not in text] == []


@pytest.mark.parametrize("page", ["docs/input_and_memory.md", "docs/persistence.md"])
def test_tables_of_bytes_have_every_solver(page):
    rows = "".join(re.findall(r"^\|.*\|$", (ROOT / page).read_text(), re.MULTILINE))
    assert [name for name in NAMES if f"`{name}`" not in rows] == []


def test_messages_recommend_every_stochastic_solver():
    X, labels = text_like(n=30)
    refused = LinearSVC(loss="hinge", solver="lbfgs"), LogisticRegression(l1_ratio=1.0, solver="sdca")
    for model in refused:
        with pytest.raises(ValueError) as error:
            model.fit(X, labels)
        assert [name for name in STOCHASTIC_NAMES if f"'{name}'" not in str(error.value)] == []
