"""Type checkers accept the package and README's code, and know what `fit`, `predict` and fitted attributes are."""

import inspect
import json
import re
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

from .test_public_names import MODULES

ROOT = Path(__file__).parents[1]

# Rooms whose members get their types when they are rewritten; none is to be added.
LATER = ("skopt_solvers.model_selection", "skopt_solvers.objectives")

KNOWN = """
from typing import Any, assert_type

import numpy as np
from scipy.sparse import csr_matrix

from skopt_solvers.crf import Entity
from skopt_solvers.solvers import Adam
from skopt_solvers.schedules import Schedule
from skopt_solvers.sequence import CSRSequences, read_conll
from skopt_solvers.solvers import Solver, StochasticSolver

X, y = csr_matrix((4, 3)), np.zeros(4)
svm = LinearSVC(loss="squared_hinge", l1_ratio=1.0, solver="lbfgs").fit(X, y)
words_of, chunks = read_conll("train.txt", columns=(0, 2))
assert_type(svm, LinearSVC)
assert_type(svm.predict(X), np.ndarray)
assert_type(svm.decision_function(X), np.ndarray)
assert_type(svm.suboptimality_bound(X, y), float)
assert_type(svm.intercept_, np.ndarray)
assert_type(svm.history_, list[dict[str, Any]])
assert_type(svm.n_iter_, int)
assert_type(svm.converged_, bool)
assert_type(svm.stop_reason_, str)
assert_type(svm.solver_, Solver)
assert_type(svm.set_params(C=2.0), LinearSVC)

logistic = LogisticRegression(solver=Adam(schedule="cosine"), callback=lambda info: info.seconds > 60)
assert_type(logistic.fit([[0.0], [1.0]], ["a", "b"], X_val=[[2.0]], y_val=["b"]), LogisticRegression)
assert_type(logistic.partial_fit(X, y, classes=[0, 1]), LogisticRegression)
assert_type(logistic.predict_proba(X), np.ndarray)
assert_type(logistic.predict_topk(X, k=2).labels, np.ndarray)

crf = LinearChainCRF(constraints="bio", solver=Adam(schedule=lambda t: 1 / (1 + t)))
assert_type(crf.fit(words_of, chunks), LinearChainCRF)
assert_type(crf.fit(X, y, lengths=[2, 2]), LinearChainCRF)
assert_type(crf.predict(words_of, known_labels=chunks), np.ndarray)
assert_type(crf.predict_entities(words_of, min_probability=0.5), list[list[Entity]])
assert_type(crf.predict_entities(words_of)[0][0].probability, float)
assert_type(crf.explain(words_of[0], labels={0: "O"}), list[dict[str, Any]])
assert_type(crf.transition_coef_, np.ndarray)
assert_type(words_of, list[list[str]])
assert_type(TokenFeatures().fit(words_of), TokenFeatures)
assert_type(TokenFeatures().fit_transform(words_of), CSRSequences)


class SignSGD(StochasticSolver):
    def update(self, W, gradient, state, lr):
        W[gradient.rows] -= lr * np.sign(gradient.values)


class Triangle(Schedule):
    def __call__(self, t: float) -> float:
        return 1 - abs(t % 2 - 1)


LogisticRegression(solver=SignSGD(0.1, schedule=Triangle()))
"""

# Each of these lines has a mistake that both must find. That an attribute is unknown is found by pyright alone: mypy
# takes the classes of scikit-learn, which have no types, for ones that have every attribute.
MISTAKES = """
LinearSVC(solver=3)
Adam(schedule=0.5)
svm.predict()
svm.stop_reason_.n_iter
"""


def python_of_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))


def mypy(*arguments):
    """Run mypy with the settings of pyproject.toml; return its errors, each with the number of its line first."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert not done.stderr, done.stderr
    errors = re.findall(r"^(.*):(\d+): error: (.*)", done.stdout, flags=re.MULTILINE)
    return [(int(line), f"{file}: {message}") for file, line, message in errors]


def pyright(path):
    """Run pyright on the node that its extra brings, without a download; return its errors as `mypy` does."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=path.parent)
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    errors = [found for found in json.loads(done.stdout)["generalDiagnostics"] if found["severity"] == "error"]
    return [(error["range"]["start"]["line"] + 1, error["message"]) for error in errors]


def test_mypy_accepts_the_package():
    assert mypy("skopt_solvers") == []


@pytest.mark.parametrize("check", [partial(mypy, "--allow-untyped-defs"), pyright], ids=["mypy", "pyright"])
def test_readme(check, tmp_path):
    right = "\n".join([python_of_readme(), KNOWN])
    path = tmp_path / "readme.py"
    path.write_text(right + MISTAKES, encoding="utf-8")
    n_right = right.count("\n") + 1
    errors = check(path)
    assert [error for error in errors if error[0] <= n_right] == []
    assert {line - n_right for line, _ in errors} == set(range(1, MISTAKES.count("\n")))


def public_callables():
    """(name, function) of the functions, and of the methods that each class writes, of the public modules."""
    for module_name in MODULES:
        if module_name in LATER:
            continue
        module = import_module(module_name)
        for name in module.__all__:
            member = getattr(module, name)
            if inspect.isfunction(member):
                yield f"{module_name}.{name}", member
            for owner in inspect.getmro(member) if inspect.isclass(member) else ():
                if not owner.__module__.startswith("skopt_solvers") or owner.__module__ in LATER:
                    continue
                for attribute, value in vars(owner).items():
                    if attribute.startswith("_") and attribute not in ("__init__", "__call__"):
                        continue
                    function = value.fget if isinstance(value, property) else getattr(value, "fn", value)
                    function = getattr(function, "__func__", function)  # of a class method
                    if inspect.isfunction(function) and function.__module__.startswith("skopt_solvers"):
                        yield f"{owner.__module__}.{owner.__name__}.{attribute}", function


CALLABLES = dict(public_callables())


def test_there_are_callables():
    assert len(CALLABLES) > 100


@pytest.mark.parametrize("name", CALLABLES)
def test_a_public_callable_is_annotated(name):
    signature = inspect.signature(CALLABLES[name])
    parameters = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    assert [p.name for p in parameters if p.annotation is inspect.Parameter.empty] == []
    assert signature.return_annotation is not inspect.Signature.empty
