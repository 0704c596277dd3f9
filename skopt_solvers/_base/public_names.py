"""Give public classes and functions the name of the package that they are imported from, for users' files too."""

import sys


def publish(package: str) -> None:
    """Set ``__module__`` of the members that a package offers and its private modules define to the package.

    A pickle holds the name ``skopt_solvers.solvers.Adam`` then, and the class can move between private modules.

    Parameters
    ----------
    package : str
        The ``__name__`` of a package or module, which lists its members in ``__all__``.
    """
    module = sys.modules[package]
    for name in module.__all__:
        member = getattr(module, name)
        if "._" in getattr(member, "__module__", ""):
            member.__module__ = package
