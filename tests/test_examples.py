"""Every example of the gallery runs offline, without a warning, and shows a figure."""

import runpy
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NEEDS_DATA = {"plot_chunking.py"}


@pytest.fixture(autouse=True)
def as_in_the_gallery(monkeypatch):
    """Beside the modules that examples share, without a screen, and leaving no figure behind."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setattr(plt, "show", lambda: None)
    with matplotlib.rc_context(rc={"backend": "Agg"}):
        yield
    plt.close("all")


@pytest.mark.parametrize(
    "path",
    sorted(set(EXAMPLES.glob("plot_*.py")) - {EXAMPLES / name for name in NEEDS_DATA}),
    ids=lambda path: path.stem,
)
def test_example(path):
    runpy.run_path(str(path), run_name="__main__")
    assert plt.get_fignums()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("plot_*.py")), ids=lambda path: path.stem)
def test_example_says_what_it_shows(path):
    """The gallery takes title and tooltip from the docstring."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] in ('"""', 'r"""')
    assert lines[2] == "=" * len(lines[1])
    assert lines[3] == "" and lines[4]
