"""The solvers by name, for `solver="adam"`, for messages and for docstrings.

The package fills the table in. A solver that recommends others in a message finds their names here and imports none.
"""

from ._stochastic import StochasticSolver

SOLVERS = {}


def stochastic_names(quote="'"):
    """Return the names of the stochastic solvers as a sentence lists them: ``'adam', 'adamw'``."""
    return ", ".join(f"{quote}{name}{quote}" for name, kind in SOLVERS.items() if issubclass(kind, StochasticSolver))


def with_solver_names(cls):
    """Fill in ``{names of the stochastic solvers}`` in the docstring of a class."""
    if cls.__doc__:  # python -OO removes it
        cls.__doc__ = cls.__doc__.replace("{names of the stochastic solvers}", stochastic_names('"'))
    return cls
