"""Objectives, positions and solvers have the members of their interface, and code asks for no others."""

import ast
import inspect
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
import scipy.sparse as sp

import skopt_solvers
from skopt_solvers.objectives import (
    ChainObjective,
    LinearObjective,
    ObjectiveDefaults,
    _interface,
    _interface_points,
)
from skopt_solvers.objectives._summed import Part, SummedObjective, summed
from skopt_solvers.solvers import SOLVERS

from ..reference import LOSSES

PACKAGE = Path(skopt_solvers.__file__).parent
ROOMS = ["solvers", "objectives", "_estimator", "linear_model", "crf", "model_selection"]
PROTOCOLS = {
    name: value
    for module in (_interface, _interface_points)
    for name, value in vars(module).items()
    if inspect.isclass(value) and issubclass(value, Protocol) and value.__module__ == module.__name__
}


def members(*protocols):
    """The names that some protocols ask for."""
    owners = [owner for name in protocols for owner in PROTOCOLS[name].__mro__ if owner in PROTOCOLS.values()]
    return {name for owner in owners for name in vars(owner) if not name.startswith("_")}


def linear(**options):
    options = dict(n_outputs=2, loss=LOSSES["logistic"], C=2.0, l1_ratio=0.0, fit_intercept=True, **options)
    return LinearObjective(sp.csr_matrix(np.eye(4)), np.array([0, 1, 0, 1], np.int32), np.ones(4), **options)


def chain():
    model = dict(n_labels=2, C=2.0, l1_ratio=0.0, fit_boundaries=True, transitions=np.arange(4, dtype=np.int32))
    arrays = sp.csr_matrix(np.eye(4)), np.array([0, 2, 4]), np.array([0, 1, 0, 1], np.int32), np.ones(2)
    return ChainObjective(*arrays, allowed=np.ones((4, 2), bool), **model)


def in_parts(like):
    class Parts(list):
        def total(self, method, *arguments):
            return summed(getattr(part, method)(*arguments) for part in self)

    part = Part(type(like), *())
    part.objective = like
    return SummedObjective(Parts([part]), like, like.scale, like.n_samples)


def point(objective):
    return objective.position(np.zeros(objective.shape, objective.dtype))


INSTANCES = {
    "linear": (linear, "SampledObjective", "DualObjective", "SharedObjective"),
    "chain": (chain, "SampledObjective", "WarmedObjective", "BlockObjective", "ObservableObjective", "ChainTable"),
    "linear in parts": (lambda: in_parts(linear()), "Objective"),
    "chain in parts": (lambda: in_parts(chain()), "Objective", "ChainTable"),
    "linear position": (lambda: point(linear()), "NewtonPosition"),
    "chain position": (lambda: point(chain()), "Position"),
    "ascent": (lambda: linear().ascent(), "Ascent"),
    "planes": (lambda: chain().planes(), "Planes"),
    "ascents": (lambda: linear().ascents_of([linear().ascent() for _ in range(2)]), "Ascents"),
    "parts": (lambda: in_parts(linear()).parts, "Parts"),
}


@pytest.mark.parametrize("name", INSTANCES)
def test_every_member_is_there(name):
    make, *protocols = INSTANCES[name]
    instance = make()
    for member in members(*protocols):
        value = getattr(instance, member)
        declared = inspect.getattr_static(next(p for p in map(PROTOCOLS.get, protocols) if hasattr(p, member)), member)
        assert callable(value) == inspect.isfunction(declared) or member == "native", member
        if inspect.isfunction(declared):
            theirs, ours = (list(inspect.signature(f).parameters) for f in (declared, value))
            assert theirs[1:] == ours or member == "total", member


@pytest.mark.parametrize("make", [linear, chain, lambda: in_parts(linear()), lambda: in_parts(chain())])
def test_capabilities_are_what_is_there(make):
    objective = make()
    assert objective.has_samples == hasattr(objective, "gradient") == hasattr(objective, "order")
    assert (objective.dual_obstacle() is None) == hasattr(objective, "ascent")
    assert objective.has_newton == hasattr(point(objective), "newton_direction")
    assert objective.has_adagrad_epochs == hasattr(objective, "adagrad_epochs")
    assert objective.can_observe == hasattr(objective, "observed")


def test_defaults_and_capabilities_belong_to_the_interface():
    names = {name for name in vars(ObjectiveDefaults) if not name.startswith("_")}
    assert names <= members("SampledObjective")


def test_every_member_is_documented():
    for protocol in PROTOCOLS.values():
        for name in members(protocol.__name__):
            assert inspect.getdoc(inspect.getattr_static(protocol, name)), (protocol, name)


# What code asks for


def modules(*rooms):
    for room in rooms:
        for path in sorted((PACKAGE / room).glob("*.py")):
            yield path.relative_to(PACKAGE), ast.parse(path.read_text())


def name_of(node):
    """The last name of an expression: "objective" for ``objective`` and ``self.objective``."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


KINDS = {
    "objective": members(
        *(
            "SampledObjective",
            "DualObjective",
            "SharedObjective",
            "SeparableObjective",
            "WarmedObjective",
            "BlockObjective",
            "ObservableObjective",
            "ChainTable",
        )
    ),
    "position": members("NewtonPosition"),
    "ascent": members("Ascent"),
    "solver": {name for kind in SOLVERS.values() for name in (*dir(kind), *inspect.signature(kind).parameters)},
}
KINDS["moved"], KINDS["like"] = KINDS["position"], KINDS["objective"]
# What two files that belong together know of each other.
BESIDE = {
    "objectives/_ascent.py": {
        "X",
        "labels",
        "weights",
        "loss",
        "native_indicator",
        "transposed_product",
    },  # LinearObjective's own
    "objectives/_duality_gap.py": {"X", "loss", "smoothed", "total", "transposed_product", "weights"},
    "linear_model/_problem.py": {"indicator"},
    "linear_model/_labels.py": {"indicator"},
    "objectives/_summed.py": {"indicator", "native"},
    "model_selection/_dual_points.py": {"labels"},
    "_estimator/dask_fit.py": {"parts", "weight"},  # SummedObjective's own
    "linear_model/_dask.py": {"parts"},
    "crf/_dask.py": {"parts"},
}


def test_no_attribute_is_asked_for_by_a_constant_name():
    """``getattr(objective, "name", default)`` takes the default where the name is misspelt."""
    for path, tree in modules(*ROOMS):
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if name_of(call.func) in ("getattr", "hasattr") and isinstance(call.args[1], ast.Constant):
                where = f"{path}:{call.lineno}: {ast.unparse(call)}"
                assert path.parts[0] not in ("solvers", "objectives"), where
                assert name_of(call.args[0]) not in KINDS, where


def test_code_asks_for_members_of_the_interface_alone():
    for path, tree in modules(*ROOMS):
        for node in (node for node in ast.walk(tree) if isinstance(node, ast.Attribute)):
            known = KINDS.get(name_of(node.value))
            if known is None or path.name in (
                "_linear.py",
                "_linear_position.py",
            ):  # a position is a part of that objective
                continue
            allowed = known | BESIDE.get(path.as_posix(), set())
            assert node.attr in allowed, f"{path}:{node.lineno}: {ast.unparse(node)}"


def test_mypy_finds_the_protocols_in_the_classes(tmp_path):
    pytest.importorskip("mypy")
    imports = "; ".join(f"from {kind.__module__} import {name}" for name, kind in PROTOCOLS.items())
    code = f"""
    from skopt_solvers.objectives import ChainObjective, LinearObjective
    from skopt_solvers.objectives._ascent import LinearAscent
    from skopt_solvers.objectives._linear_position import LinearPosition
    from skopt_solvers.objectives._position import EvaluatedPosition
    from skopt_solvers.objectives._summed import SummedObjective
    {imports}

    def check(a: LinearObjective, b: ChainObjective, c: SummedObjective, d: LinearPosition, e: EvaluatedPosition,
              f: LinearAscent) -> None:
        linear: DualObjective = a
        warmed: WarmedObjective = b
        blocks: BlockObjective = b
        observable: ObservableObjective = b
        table: ChainTable = b
        summed: Objective = c
        summed_table: ChainTable = c
        newton: NewtonPosition = d
        evaluated: Position = e
        ascent: Ascent = f
    """
    (tmp_path / "use.py").write_text(textwrap.dedent(code))
    options = ["--ignore-missing-imports", "--check-untyped-defs", "--follow-imports=silent"]
    command = [sys.executable, "-m", "mypy", *options, f"--cache-dir={tmp_path / 'cache'}", str(tmp_path / "use.py")]
    result = subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE.parent)
    assert result.returncode == 0, result.stdout + result.stderr
