"""Solvers make the steps of a fit. They are configuration objects, which a fit never changes."""

from .._base.public_names import publish
from ._base import Result, Solver
from ._ftrl import FTRL
from ._lbfgs import LBFGS
from ._registry import SOLVERS
from ._rules import AdaGrad, Adam, AdamW, Momentum, RMSProp
from ._sdca import SDCA
from ._stochastic import StochasticSolver

SOLVERS.update(
    momentum=Momentum,
    adagrad=AdaGrad,
    rmsprop=RMSProp,
    adam=Adam,
    adamw=AdamW,
    ftrl=FTRL,
    lbfgs=LBFGS,
    sdca=SDCA,
)

__all__ = [
    "FTRL",
    "LBFGS",
    "SDCA",
    "SOLVERS",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Momentum",
    "RMSProp",
    "Result",
    "Solver",
    "StochasticSolver",
]

publish(__name__)
