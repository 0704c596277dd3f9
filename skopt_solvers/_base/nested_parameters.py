"""Parameters may be objects or their names: `solver="adam"`, `schedule="cosine"`."""

from collections.abc import Callable, Mapping
from typing import Any, Self
from weakref import WeakKeyDictionary

from sklearn.base import clone

from .sklearn_compat import VisualBlock, available_if

_names_by_class: WeakKeyDictionary[type, list[str]] = WeakKeyDictionary()


def resolve(value: Any, names: Mapping[str, Callable[[], Any]], argument: str, accept: Callable[[Any], bool]) -> Any:
    """Return the object for a name, or the object itself where `accept(value)` is true."""
    if isinstance(value, str):
        if value in names:
            return names[value]()
    elif accept(value) and not isinstance(value, type):
        return value
    raise ValueError(f"{argument} must be one of {sorted(names)} or an object of such a class, got {value!r}")


def has_parameters(value: object) -> bool:
    """Tell whether a value is an object with parameters: a solver or a schedule, not a name, a function or a class."""
    return hasattr(value, "get_params") and not isinstance(value, type)


class NamedParameters:
    """Set nested parameters of objects that are given by name: ``set_params(solver__learning_rate=0.1)``.

    A parameter that is a name is first replaced by its object, whose parameters scikit-learn's own `set_params` then
    sets. `_names()` maps a parameter to its registry. Notebooks show the objects inside the object that holds them.
    """

    def _names(self) -> dict[str, Mapping[str, Callable[[], Any]]]:
        return {}

    @classmethod
    def _get_param_names(cls) -> list[str]:
        # scikit-learn reads the signature each time: most of what a clone, a check or a setting of parameters costs
        if cls not in _names_by_class:
            _names_by_class[cls] = super()._get_param_names()  # type: ignore[misc]
        return list(_names_by_class[cls])

    def set_params(self, **params: Any) -> Self:
        """Set parameters, nested ones of objects that are given by name included.

        Parameters
        ----------
        **params
            As for scikit-learn's estimators, such as ``solver="adam"`` or ``solver__learning_rate=0.1``.

        Returns
        -------
        self
        """
        for parameter, names in self._names().items():
            if not any(key.startswith(parameter + "__") for key in params):
                continue
            value = params.get(parameter, getattr(self, parameter))
            if isinstance(value, str) and value in names:
                params[parameter] = names[value]()
            elif isinstance(value, type) or not hasattr(value, "set_params"):
                raise ValueError(
                    f"{parameter}={value!r} has no parameters; set {parameter} to one of {sorted(names)} or an object"
                )
            elif parameter in params:
                params[parameter] = clone(value, safe=False)  # a grid's object is not changed by its neighbours' values
        return super().set_params(**params)  # type: ignore[misc]

    def _nested(self) -> dict[str, Any]:
        """Return the parameters that are objects with parameters of their own, by the names they are shown under."""
        values = {parameter: getattr(self, parameter) for parameter in self._names()}
        return {name: value for name, value in values.items() if has_parameters(value)}

    @available_if(lambda self: VisualBlock is not None and self._nested())
    def _sk_visual_block_(self) -> Any:
        nested = self._nested()
        return VisualBlock(
            "serial",
            list(nested.values()),
            names=[f"{name}: {type(value).__name__}" for name, value in nested.items()],
            name_details=[str(value) for value in nested.values()],
        )
