"""Learning-rate schedules: functions of time that multiply a solver's learning rate.

Time `t` is counted in epochs, with fractions inside an epoch, so that a schedule does not depend on the batch size. A
schedule is a pure function: it keeps no state, so a fit that is interrupted and resumed has the rates of one run.
A length of `None` is the whole of the estimator's `max_iter`, in epochs.
"""

from .._base.public_names import publish
from ._base import SCHEDULES, Schedule
from ._base import ScheduleLike as ScheduleLike
from ._base import bind as bind
from ._composed import ScheduleSequence, Warmup
from ._cosines import CosineDecay, CosineRestarts, OneCycle
from ._decays import (
    Constant,
    ExponentialDecay,
    InverseSquareRoot,
    InverseTime,
    Piecewise,
    PolynomialDecay,
    StepDecay,
)
from ._plateau import ReduceOnPlateau

SCHEDULES.update(
    constant=Constant,
    step=StepDecay,
    piecewise=Piecewise,
    exponential=ExponentialDecay,
    linear=PolynomialDecay,
    inverse_time=InverseTime,
    inverse_sqrt=InverseSquareRoot,
    cosine=CosineDecay,
    cosine_restarts=CosineRestarts,
    one_cycle=OneCycle,
    plateau=ReduceOnPlateau,
    warmup=Warmup,
)

__all__ = [
    "Constant",
    "CosineDecay",
    "CosineRestarts",
    "ExponentialDecay",
    "InverseSquareRoot",
    "InverseTime",
    "OneCycle",
    "Piecewise",
    "PolynomialDecay",
    "ReduceOnPlateau",
    "Schedule",
    "ScheduleSequence",
    "StepDecay",
    "Warmup",
]


publish(__name__)
