"""Every example of the gallery runs offline, without a warning, and shows a figure."""

import re
import runpy
import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest
import sklearn.datasets
from sklearn.utils import Bunch

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


def three_lines(monkeypatch, capsys, *arguments):
    """Run the tour and return the lines in which it says what was seen."""
    monkeypatch.setattr(sys, "argv", ["quickstart.py", *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / "quickstart.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "PER Elena Moreau" in printed and "Why is this" in printed
    return re.findall(r"^(?:text|search|entities): .*$", printed, re.MULTILINE)


def test_the_tour_tells_in_three_lines_what_was_seen(monkeypatch, capsys, tmp_path):
    text, search, entities = three_lines(monkeypatch, capsys, "--folder", tmp_path / "new")
    assert all(float(re.search(r"([\d.]+)%", line)[1]) > 85 for line in (text, search, entities))
    assert re.search(r"at most 0\.\d+% from the best fit", text)
    assert "9 candidates on 3 folds" in search
    pictures = {path.name: path.stat().st_size for path in (tmp_path / "new").iterdir()}
    names = {"quickstart_explanation.html", *(f"quickstart_{name}.png" for name in ("search", "words", "transitions"))}
    assert set(pictures) == names and min(pictures.values()) > 1000


def test_the_tour_takes_20news(monkeypatch, capsys, tmp_path):
    def fetch(**options):
        assert options["data_home"] == str(tmp_path) and not options["download_if_missing"]
        texts = [f"{word} number {i % 7} and {i % 11}" for i in range(30) for word in ("hockey", "bible")]
        return Bunch(data=texts, target=[0, 1] * 30, target_names=["rec.sport.hockey", "soc.religion.christian"])

    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", fetch)
    arguments = "--data", "20news", "--data-home", tmp_path, "--no-pictures"
    text, _, _ = three_lines(monkeypatch, capsys, *arguments)
    assert "45 texts of 2 classes" in text and "100.0% of 15" in text
