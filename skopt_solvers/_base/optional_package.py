"""Import packages that an extra of this one brings, or say which."""

import importlib
from types import ModuleType


def needed(module: str, owner: str, extra: str) -> ModuleType:
    """Return an optional module; ImportError that names the extra where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f"{owner} needs {package}: pip install 'skopt_solvers[{extra}]'") from error
