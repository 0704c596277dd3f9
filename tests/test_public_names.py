"""Public classes and functions have public names, in users' files too, and the names of earlier versions stay."""

import inspect
import pickle
from importlib import import_module

import pytest

import skopt_solvers
from skopt_solvers.persistence import TRUSTED_TYPES

MODULES = [
    "skopt_solvers",
    *(
        f"skopt_solvers.{name}"
        for name in (
            "callbacks crf feature_extraction feature_extraction.text inspection linear_model metrics model_selection "
            "objectives out_of_core persistence schedules sequence solvers"
        ).split()
    ),
]
MEMBERS = {
    f"{module}.{name}": getattr(import_module(module), name)
    for module in MODULES
    for name in import_module(module).__all__
    if inspect.isclass(getattr(import_module(module), name)) or inspect.isfunction(getattr(import_module(module), name))
}

# Names that files of version 0.1.0 hold.
OF_0_1 = """
skopt_solvers.crf.LinearChainCRF
skopt_solvers.feature_extraction.DictFeatures
skopt_solvers.feature_extraction.TokenFeatures
skopt_solvers.linear_model.LinearSVC
skopt_solvers.linear_model.LogisticRegression
skopt_solvers.model_selection.CPath
skopt_solvers.schedules.CosineDecay
skopt_solvers.schedules.ScheduleSequence
skopt_solvers.schedules.Warmup
skopt_solvers.sequence.CSRSequences
skopt_solvers.sequence.SequenceKFold
skopt_solvers.solvers._lbfgs.LBFGS
skopt_solvers.solvers._rules.AdaGrad
skopt_solvers.solvers._rules.Adam
skopt_solvers.solvers._rules.AdamW
skopt_solvers.solvers._rules.Momentum
skopt_solvers.solvers._rules.RMSProp
skopt_solvers.solvers._sdca.SDCA
""".split()


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_is_found_where_it_says_it_is(name):
    member = MEMBERS[name]
    assert not any(part.startswith("_") for part in member.__module__.split("."))
    assert getattr(import_module(member.__module__), member.__name__) is member
    assert pickle.loads(pickle.dumps(member)) is member


@pytest.mark.parametrize("name", OF_0_1)
def test_a_name_of_an_earlier_version_is_the_class_of_today(name):
    module, _, qualname = name.rpartition(".")
    member = getattr(import_module(module), qualname)
    assert member is MEMBERS[f"{member.__module__}.{qualname}"]
    assert name in TRUSTED_TYPES


def test_trusted_types_are_public_beside_those_of_earlier_versions():
    for name in set(TRUSTED_TYPES) - set(OF_0_1):
        assert "._" not in name or name.startswith("scipy."), name


def test_the_classes_of_the_package_are_those_of_its_modules():
    for name in set(skopt_solvers.__all__) - {"__version__"}:
        assert getattr(skopt_solvers, name).__module__ in MODULES
