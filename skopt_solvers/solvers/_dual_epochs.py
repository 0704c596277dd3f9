"""Epochs of dual ascent that a fit waits for: they are made for it alone, or for several fits at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..objectives._interface import DualObjective
    from ..objectives._interface_points import Ascent


class DualEpochs:
    """The epochs of one fit.

    Parameters
    ----------
    objective : DualObjective
    ascent : Ascent

    Attributes
    ----------
    seed : int, of the next epoch.
    evaluated : bool, whether the objective is evaluated after it.
    value : float or None, the objective then.
    """

    def __init__(self, objective: "DualObjective", ascent: "Ascent") -> None:
        self.objective, self.ascent = objective, ascent
        self.value: float | None = None
        self.next(seed=0)

    def next(self, seed: int, evaluated: bool = False) -> "DualEpochs":
        """Return itself, with what the next epoch is to be."""
        self.seed, self.evaluated, self.value = seed, evaluated, None
        return self

    def run_epoch(self) -> None:
        """Run the next epoch."""
        self.ascent.epoch(self.seed)
        if self.evaluated:
            self.value = self.objective.value(self.ascent.W)


class SharedDualEpochs:
    """The epochs of several fits to the same data, by the same seeds; their objectives differ in C alone.

    Parameters
    ----------
    fits : sequence of DualEpochs
    """

    def __init__(self, fits: Sequence[DualEpochs]) -> None:
        self.fits = list(fits)
        # the step of a loss that compares outputs takes the most of an epoch, and many labels are a full table already
        objective = fits[0].objective
        alone = len(fits) == 1 or objective.joint or objective.separable
        self.ascents = None if alone else objective.ascents_of([fit.ascent for fit in fits])

    def run(self, active: Sequence[DualEpochs]) -> list[Exception | None]:
        """Run the next epoch of some of the fits; none of them raises."""
        if self.ascents is None:
            for fit in active:
                fit.run_epoch()
            return [None] * len(active)
        if len(active) <= len(self.fits) // 2:
            self.fits = list(active)
            self.ascents.keep([fit.ascent for fit in active])
        self.ascents.epoch(active[0].seed, [fit.ascent for fit in active])
        if active[0].evaluated:
            for fit, value in zip(self.fits, self.ascents.values(), strict=True):
                fit.value = value
        return [None] * len(active)

    def leave(self, fit: DualEpochs) -> None:
        """Take leave of a fit, which has its state."""
