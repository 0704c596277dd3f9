"""Each block of Python in README.md runs by itself, as pasted, and prints what its comments say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def expected(block):
    """What a block says that it prints: the comments behind `print`, and the lines that are comments."""
    return re.findall(r"(?:^|^ *print\(.*\)  )# (.*)$", block, flags=re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_prints_what_it_says(block, tmp_path):
    assert expected(block)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == expected(block)


def test_it_can_be_read_in_a_minute():
    assert len(README.splitlines()) <= 120
    for path in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", README):
        assert (Path(__file__).parents[1] / "".join(path)).exists()
