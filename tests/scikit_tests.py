"""scikit-learn's own tests, from the installed package, with our classes in the place of its own."""

import sys
import warnings
from importlib.util import find_spec, module_from_spec, spec_from_file_location

import pytest


def with_our_classes(tests, replaced):
    """Return a module of scikit-learn's tests, imported anew with other classes under the names of its own.

    Parameters
    ----------
    tests : str
        Name of the module.
    replaced : dict
        Of each module that it imports classes from: ours by name.
    """
    spec = spec_from_file_location("our_" + tests.rpartition(".")[2], find_spec(tests).origin)
    module = sys.modules[spec.name] = module_from_spec(spec)  # which pickles of its functions look for
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", pytest.PytestUnknownMarkWarning)  # of scikit-learn's own marks
        for theirs, ours in replaced.items():
            for name, cls in ours.items():
                patch.setattr(theirs, name, cls)
        spec.loader.exec_module(module)
    return module


def their_tests(module):
    """Return the tests of a module by name, with parameters in lists: pytest deprecates iterators."""
    return {name: _with_lists(test) for name, test in vars(module).items() if name.startswith("test_")}


def _with_lists(test):
    marks = getattr(test, "pytestmark", [])
    test.pytestmark = [
        pytest.mark.parametrize(mark.args[0], list(mark.args[1]), *mark.args[2:], **mark.kwargs).mark
        if mark.name == "parametrize"
        else mark
        for mark in marks
    ]
    return test
