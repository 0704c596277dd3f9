"""Parameters that are objects or their names: `solver="adam"`, `schedule="cosine"`."""

from sklearn.base import clone


def resolve(value, names, argument, accept):
    """The object for a name, or the object itself where `accept(value)` holds."""
    if isinstance(value, str):
        if value in names:
            return names[value]()
    elif accept(value) and not isinstance(value, type):
        return value
    raise ValueError(f"{argument} must be one of {sorted(names)} or an object of such a class, got {value!r}")


class NamedParameters:
    """Adds nested parameters of objects that are given by name: ``set_params(solver__learning_rate=0.1)``.

    A parameter that is a name is first replaced by its object; scikit-learn's own `set_params` then finds what to set.
    `_names()` maps a parameter to its registry.
    """

    def _names(self):
        from .schedules import SCHEDULES

        return {"schedule": SCHEDULES} if "schedule" in self.get_params(deep=False) else {}

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
            nested = any(key.startswith(parameter + "__") for key in params)
            value = params.get(parameter, getattr(self, parameter))
            if nested and isinstance(value, str) and value not in names:
                raise ValueError(f"{parameter}={value!r} has no parameters; set {parameter} to one of {sorted(names)}")
            if nested and isinstance(value, str):
                params[parameter] = names[value]()
            elif nested and parameter in params:
                params[parameter] = clone(value, safe=False)  # a grid's object is not changed by its neighbours' values
        return super().set_params(**params)
