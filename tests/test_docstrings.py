"""All that is public has a docstring, and numpydoc finds nothing wrong in it."""

import ast
import dataclasses
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
from numpydoc.validate import validate

import skopt_solvers

MODULES = [
    "skopt_solvers",
    "skopt_solvers.callbacks",
    "skopt_solvers.feature_extraction",
    "skopt_solvers.inspection",
    "skopt_solvers.metrics",
    "skopt_solvers.model_selection",
    "skopt_solvers.objectives",
    "skopt_solvers.out_of_core",
    "skopt_solvers.persistence",
    "skopt_solvers.schedules",
    "skopt_solvers.sequence",
    "skopt_solvers.solvers",
]

# What numpydoc may find, and why it is not asked for.
IGNORED = {
    "ES01": "no extended summary: one line may say all",
    "EX01": "no example: classes and functions have one where it tells something, their methods share it",
    "SA01": "no See Also",
    "GL01": "the summary in the line of the quotes, which numpydoc allows from 1.11 on",
    "PR03": "the parameters of the class before those that all solvers share, whatever their places in the signature",
    "SS05": "a summary that begins with a plural noun, such as 'Probabilities', is taken for a verb",
    "PR04": "no type: entries for several parameters that are 'As in `fit`'",
    "PR07": "no description: `random_state`, and others that name and type describe",
    "PR08": "a description that begins with a value, such as `lbfgs: ...`",
    "RT03": "no description of what is returned: a type that says all, or self",
}


def public_members():
    """(name for numpydoc, object) of classes and functions, and of the methods and properties that each class writes.

    What is inherited belongs to the class that wrote it, and an override without a docstring has its base's.
    """
    for module_name in MODULES:
        module = import_module(module_name)
        for name in sorted(getattr(module, "__all__", vars(module))):
            member = getattr(module, name)
            home = getattr(member, "__module__", None) or ""
            if name.startswith("_") or not home.startswith("skopt_solvers"):
                continue
            if not (inspect.isclass(member) or inspect.isfunction(member)):
                continue
            yield f"{module_name}.{name}", member
            for owner in inspect.getmro(member) if inspect.isclass(member) else ():
                if not owner.__module__.startswith("skopt_solvers"):
                    continue
                for attribute, value in vars(owner).items():
                    function = getattr(value, "fn", value)  # available_if's
                    if not attribute.startswith("_") and (callable(function) or isinstance(value, property)):
                        yield f"{owner.__module__}.{owner.__name__}.{attribute}", getattr(owner, attribute, value)


MEMBERS = dict(public_members())


def test_there_are_members():
    assert len(MEMBERS) > 100


@pytest.mark.parametrize("name", MEMBERS)
def test_docstring(name):
    member = MEMBERS[name]
    assert inspect.getdoc(member), f"{name} has no docstring, nor has what it overrides"
    if not member.__doc__:
        return
    ignored = set(IGNORED)
    if dataclasses.is_dataclass(member):
        ignored.add("PR01")  # its parameters are its attributes
    if "." in getattr(member, "__qualname__", "") and "\n\n" not in member.__doc__:
        ignored |= {"PR01", "RT01"}  # a method that one sentence describes, in the terms of its class
    assert not {code: message for code, message in validate(name)["errors"] if code not in ignored}


# What other functions return, whose examples show it; bases; and objectives, which the page about solvers shows.
SHOWN_ELSEWHERE = """
    CPath ChainObjective Entity Explanation LearningRateRange LinearObjective ObjectiveDefaults Result Solver TopK
""".split()


@pytest.mark.parametrize(
    "name", [name for name, member in MEMBERS.items() if "." not in getattr(member, "__qualname__", ".")]
)
def test_what_users_call_has_an_example(name):
    member = MEMBERS[name]
    assert (">>> " in (member.__doc__ or "")) == (member.__name__ not in SHOWN_ELSEWHERE)


PACKAGE = Path(skopt_solvers.__file__).parent


def docstrings(path):
    """All docstrings of a file, private ones too, by the names of what they describe."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (text := ast.get_docstring(node)):
            yield getattr(node, "name", "the module"), text


@pytest.mark.parametrize(
    "path",
    sorted(PACKAGE.rglob("*.py")),
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_docstrings_say_the_action_first(path):
    first = re.compile(r"(What|Which|Whether|How|Where|Whose)\b")
    assert {name: text for name, text in docstrings(path) if first.match(text)} == {}
