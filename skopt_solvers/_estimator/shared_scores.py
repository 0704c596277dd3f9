"""Let scores be computed by others: a search scores models that it has fitted together from one product."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

# Takes (model, X), and returns X @ model.coef_.T, or None where it does not know it.
Products = Callable[[Any, Any], np.ndarray | None]

_active: ContextVar[Products | None] = ContextVar("shared_products", default=None)


@contextmanager
def products_by(products: Products) -> Iterator[None]:
    """Ask a function first for the products that predictions inside need, in this thread."""
    token = _active.set(products)
    try:
        yield
    finally:
        _active.reset(token)


def product_by_others(model: Any, X: Any) -> np.ndarray | None:
    """Return X @ coef_.T of a fitted model as the function that is active knows it; it is not to be changed."""
    products = _active.get()
    return None if products is None else products(model, X)


class SharedProducts:
    """The products of common rows with the weights of all models of a group, which are made together.

    Parameters
    ----------
    groups : sequence of lists of estimators
        Those of a group are fitted to the same X and y.
    is_common : callable
        ``is_common(X)`` tells whether all models will be asked for these rows.
    """

    def __init__(self, groups: Sequence[list[Any]], is_common: Callable[[Any], bool]) -> None:
        self.groups, self.is_common = groups, is_common
        # by the rows and the group: the rows, the models, and their products side by side
        self.made: dict[tuple[int, int], tuple[Any, list[Any], np.ndarray]] = {}

    def __call__(self, model: Any, X: Any) -> np.ndarray | None:
        """Return X @ model.coef_.T, or None where it is not one of several that can be made together."""
        if not self.is_common(X):
            return None
        for number, group in enumerate(self.groups):
            place = _place(model, group)
            if place is not None:
                return self._product(number, place, X)
        return None

    def _product(self, number: int, place: int, X: Any) -> np.ndarray | None:
        model, key = self.groups[number][place], (id(X), number)
        n_outputs = len(model.coef_)
        _, models, products = self.made.get(key, (X, [], None))
        begin = _place(model, models)
        if begin is None:
            models, begin = [other for other in self.groups[number][place:] if hasattr(other, "coef_")], 0
            products = model.__skopt_products__(models, X)
            if products is not None:
                models = models[: products.shape[1] // n_outputs]
            self.made[key] = X, models, products
        return None if products is None else products[:, begin * n_outputs : (begin + 1) * n_outputs]


def _place(model: Any, models: Sequence[Any]) -> int | None:
    """Return the number of the model whose weights are the same array."""
    coef = vars(model).get("coef_")
    return None if coef is None else next((i for i, own in enumerate(models) if vars(own).get("coef_") is coef), None)
