"""Fits of several models by stochastic solvers that read each batch once: their outputs lie side by side."""

from collections.abc import Generator, Sequence

import numpy as np

from .. import _kernels
from ._base import Result
from ._stochastic_fit import StochasticFit

Epochs = Generator[StochasticFit, None, Result]


class SharedEpochs:
    """The epochs of fits to the same samples, in the same order and batches, by solvers of one class.

    Tables have the rows of one model's and the columns of all. As models end, the columns of the others move together.

    Parameters
    ----------
    fits : sequence of StochasticFit
        Their objectives differ in the strengths of the penalty alone.
    """

    def __init__(self, fits: Sequence[StochasticFit]) -> None:
        self.places: dict[int, int] = {}
        self.lay_out(fits)

    def lay_out(self, fits: Sequence[StochasticFit]) -> None:
        """Put the tables of fits side by side."""
        first = fits[0]
        self.places = {id(fit): place for place, fit in enumerate(fits)}
        self.objective = first.objective.of_models(len(fits))
        self.W = _side_by_side([fit.W for fit in fits])
        self.tables = {
            name: _side_by_side([fit.state["tables"][name] for fit in fits]) for name in first.state["tables"]
        }
        self.rules = [fit.solver.native(self.tables, fit.W.dtype) for fit in fits]

    def run(self, fits: Sequence[StochasticFit]) -> list[Exception | None]:
        """Run the next epoch of some of the fits; return what each raises."""
        if len(fits) <= len(self.places) // 2:
            for fit in fits:
                self.leave(fit)
            self.lay_out(fits)
        began, first = fits[0].clock(), fits[0]
        places = np.array([self.places[id(fit)] for fit in fits])
        errors: list[Exception | None] = [None] * len(fits)
        rates = np.zeros((len(fits), first.n_batches))
        for i, fit in enumerate(fits):
            try:
                rates[i] = fit.rates()
            except ValueError as error:
                errors[i] = error
        losses = _kernels.run_epoch_of_many(
            self.objective.native,
            [self.rules[place] for place in places],
            places,
            self.W.ravel(),
            first.order(),
            first.batch_size,
            rates.ravel(),
            np.array([fit.objective.l1 for fit in fits]),
            np.array([fit.objective.l2 for fit in fits]),
        )
        margins = self._by_model(self.objective.margins(self.W))
        weights = self._by_model(self.W)
        for i, fit in enumerate(fits):
            if errors[i] is None:
                fit.W[...] = weights[:, places[i]]
                fit.began = began
                fit.value = fit.objective.value_at(np.ascontiguousarray(margins[:, places[i]]), fit.W)
                try:
                    fit.end_epoch(float(losses[i]), rates[i])
                except FloatingPointError as error:
                    errors[i] = error
        return errors

    def leave(self, fit: StochasticFit) -> None:
        """Give a fit its state back."""
        place, n_models = self.places[id(fit)], len(self.places)
        for name, table in self.tables.items():
            own = fit.state["tables"][name]
            if not own.size:
                continue
            own[...] = table.reshape(len(own), n_models, -1)[:, place].reshape(own.shape)

    def _by_model(self, table: np.ndarray) -> np.ndarray:
        return table.reshape(len(table), len(self.places), -1)


def minimise_together(epochs: Sequence[Epochs]) -> list[Result | Exception]:
    """Run fits to their ends, in step, and return the result of each, or what it raised.

    Parameters
    ----------
    epochs : sequence of generators
        Of :meth:`StochasticSolver.epochs`.

    Returns
    -------
    list of Result or Exception
    """
    results: dict[int, Result | Exception] = {}
    waiting: dict[int, StochasticFit] = {}

    def go_on(i: int, error: Exception | None = None) -> None:
        fit = waiting.pop(i, None)
        try:
            waiting[i] = epochs[i].throw(error) if error is not None else next(epochs[i])
        except StopIteration as end:
            results[i] = end.value
        except Exception as raised:
            results[i] = raised
        if i not in waiting and fit is not None:
            shared.leave(fit)

    for i in range(len(epochs)):
        go_on(i)
    shared = SharedEpochs(list(waiting.values())) if waiting else None
    while waiting:
        active = list(waiting)
        for i, error in zip(active, shared.run([waiting[i] for i in active]), strict=True):
            go_on(i, error)
    return [results[i] for i in range(len(epochs))]


def _side_by_side(tables: list[np.ndarray]) -> np.ndarray:
    """Return the tables of models as one: a row has the columns of each, or the value of each."""
    together = np.stack(tables, axis=1)
    return together.reshape(-1) if together.ndim == 2 else together.reshape(len(together), -1 if together.size else 0)
