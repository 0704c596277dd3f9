"""Models that earlier versions stored, made by tests/data/make_models.py, do what they did."""

import json
import pickle

import joblib
import numpy as np
import pytest
import skops.io

from skopt_solvers.persistence import TRUSTED_TYPES

from .data.make_models import FOLDER, answers

READERS = {
    "pickle": lambda path: pickle.loads(path.read_bytes()),
    "joblib": joblib.load,
    "skops": lambda path: skops.io.load(path, trusted=TRUSTED_TYPES),
}
FILES = sorted(path for kind in READERS for path in FOLDER.glob(f"models-*.{kind}"))


def test_there_are_files_of_all_kinds():
    assert {path.suffix[1:] for path in FILES} == set(READERS)


# Only classes of this package are in the files, so that no InconsistentVersionWarning of scikit-learn's comes up.
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_stored_model_says_what_it_said(path):
    kind = path.suffix[1:]
    version = path.stem.removeprefix("models-")
    expected = json.loads((FOLDER / f"answers-{version}.json").read_text())
    said = answers(READERS[kind](path))
    for name, value in expected.items():
        if name in ("tags", "dicts"):
            assert said[name] == value, name
        else:  # to rounding: other processors, and other versions of NumPy, add in another order
            np.testing.assert_allclose(said[name], value, rtol=1e-5, atol=1e-7, err_msg=name)
