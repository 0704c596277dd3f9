"""Parameters that are objects or their names: `solver="adam"`, `schedule="cosine"`."""

from sklearn.base import clone
from sklearn.utils.metaestimators import available_if

from .sklearn_compat import VisualBlock


def resolve(value, names, argument, accept):
    """The object for a name, or the object itself where `accept(value)` holds."""
    if isinstance(value, str):
        if value in names:
            return names[value]()
    elif accept(value) and not isinstance(value, type):
        return value
    raise ValueError(f"{argument} must be one of {sorted(names)} or an object of such a class, got {value!r}")


def has_parameters(value):
    """Whether it is an object with parameters: a solver or a schedule, not a name, a function or a class."""
    return hasattr(value, "get_params") and not isinstance(value, type)


class NamedParameters:
    """Adds nested parameters of objects that are given by name: ``set_params(solver__learning_rate=0.1)``.

    A parameter that is a name is first replaced by its object; scikit-learn's own `set_params` then finds what to set.
    `_names()` maps a parameter to its registry. In notebooks the objects are shown inside what holds them.
    """

    def _names(self):
        return {}

    def set_params(self, **params):
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
        return super().set_params(**params)

    def _nested(self):
        """The parameters that are objects with parameters of their own, by the names they are shown under."""
        values = {parameter: getattr(self, parameter) for parameter in self._names()}
        return {name: value for name, value in values.items() if has_parameters(value)}

    @available_if(lambda self: VisualBlock is not None and self._nested())
    def _sk_visual_block_(self):
        nested = self._nested()
        return VisualBlock(
            "serial",
            list(nested.values()),
            names=[f"{name}: {type(value).__name__}" for name, value in nested.items()],
            name_details=[str(value) for value in nested.values()],
        )
