"""Fits of several models that make their epochs together: their outputs lie side by side."""

import time
from collections.abc import Generator, Sequence

import numpy as np

from .. import _kernels
from .._base.side_by_side import put_apart, side_by_side
from ._base import Result
from ._dual_epochs import DualEpochs, SharedDualEpochs
from ._stochastic_fit import StochasticFit

Work = StochasticFit | DualEpochs


class SharedEpochs:
    """The epochs of fits to the same samples, in the same order and batches, by solvers with the same constants.

    Tables have the rows of one model's, and in a row the columns of each. As models end, those of the others move
    together.

    Parameters
    ----------
    fits : sequence of StochasticFit
        Their objectives differ in the strengths of the penalty alone, and their solvers in rates and schedules.
    """

    def __init__(self, fits: Sequence[StochasticFit]) -> None:
        self.lay_out(fits)

    def lay_out(self, fits: Sequence[StochasticFit]) -> None:
        """Put the tables of fits side by side."""
        first = fits[0]
        self.fits = list(fits)
        self.objective = first.objective.of_models(len(fits))
        self.W = side_by_side([fit.W for fit in fits])
        # what a row has once is the same for all: they have seen the same batches
        self.tables = {
            name: table.copy() if table.ndim == 1 else side_by_side([fit.state["tables"][name] for fit in fits])
            for name, table in first.state["tables"].items()
        }
        self.rule = first.solver.native(self.tables, first.W.dtype)
        self.l1 = np.array([fit.objective.l1 for fit in fits])
        self.l2 = np.array([fit.objective.l2 for fit in fits])

    def run(self, active: Sequence[StochasticFit]) -> list[Exception | None]:
        """Run the next epoch of some of the fits; return what each raises."""
        if len(active) <= len(self.fits) // 2:
            for fit in active:
                self.leave(fit)
            self.lay_out(active)
        first, began = active[0], time.perf_counter()
        errors: list[Exception | None] = [None] * len(active)
        rates = np.zeros((len(self.fits), first.n_batches))
        places = [self.fits.index(fit) for fit in active]
        for i, (fit, place) in enumerate(zip(active, places, strict=True)):
            try:
                rates[place] = fit.rates()
            except ValueError as error:
                errors[i] = error
        losses = _kernels.run_epoch_of_many(
            self.objective.native,
            self.rule,
            self.W.ravel(),
            first.order(),
            first.batch_size,
            rates.ravel(),
            self.l1,
            self.l2,
        )
        going = [fit if fit in active and errors[active.index(fit)] is None else None for fit in self.fits]
        put_apart(self.W, [None if fit is None else fit.W for fit in going])
        Z = self.objective.margins(self.W)
        margins = [None if fit is None else np.empty((len(Z), fit.W.shape[1]), Z.dtype) for fit in going]
        put_apart(Z, margins)
        for i, (fit, place) in enumerate(zip(active, places, strict=True)):
            if errors[i] is None:
                fit.began = began
                fit.value = fit.objective.value_at(margins[place], fit.W)
                try:
                    fit.end_epoch(float(losses[place]), rates[place])
                except FloatingPointError as error:
                    errors[i] = error
        return errors

    def leave(self, fit: StochasticFit) -> None:
        """Give a fit its state back."""
        for name, table in self.tables.items():
            own = fit.state["tables"][name]
            if own.ndim == 1:
                own[...] = table
            elif own.size:
                put_apart(table, [own if other is fit else None for other in self.fits])


class TimeIsOver(BaseException):
    """A fit is given up for its time. It passes where errors of fits are scores."""


def minimise_together(
    epochs: Sequence[Generator[Work, None, Result]], until: Sequence[float] | None = None
) -> list[Result | BaseException]:
    """Run fits to their ends, in step, and return the result of each, or what it raised.

    Parameters
    ----------
    epochs : sequence of generators
        Of :meth:`StochasticSolver.epochs`, :meth:`SDCA.epochs` or :meth:`LBFGS.epochs`, all of one of them.
    until : sequence of float, optional
        The ``time.time()`` after which each is given up, before its next epoch.

    Returns
    -------
    list of Result, Exception or TimeIsOver
    """
    results: dict[int, Result | BaseException] = {}
    waiting: dict[int, Work] = {}

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
    first = list(waiting.values())
    shared = (SharedEpochs if isinstance(first[0], StochasticFit) else SharedDualEpochs)(first) if first else None
    while waiting:
        for i in [i for i in waiting if until is not None and time.time() >= until[i]]:
            results[i] = TimeIsOver()
            shared.leave(waiting.pop(i))
        active = list(waiting)
        if not active:
            break
        for i, error in zip(active, shared.run([waiting[i] for i in active]), strict=True):
            go_on(i, error)
    return [results[i] for i in range(len(epochs))]
