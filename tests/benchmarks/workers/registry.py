"""The fits of peer libraries, by name: read by the benchmark for what they can do, and by the worker to run them.

A fit is a generator. What it does before it yields is not timed: imports, and bringing the data into the container
that the library documents. It yields the call that is timed, receives its result, and returns (coef, intercept), read
from it outside of the time as well::

    @peer_fit("library", "method", losses={"logistic"}, budgets=ITERATIONS)
    def library_method(X, y, ask):
        import library

        model = yield library.Classifier(C=ask.C, max_iter=ask.budget).fit, X, y
        return model.coef_, model.intercept_

`ask` has `budget` (None for the library's own stopping rule), `C`, `l1_ratio`, `loss`, `fit_intercept`, `seed`,
`threads`, `n_classes`, and `folder`, a temporary one.
"""

from collections.abc import Callable
from dataclasses import dataclass

ITERATIONS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 400, 800, 1600)
EVERY_PENALTY = ("l2", "l1", "elasticnet")
EPOCHS = (1, 2, 3, 5, 8, 12, 20, 40, 80, 160, 320, 640)
TOLERANCES = tuple(base * 10.0**-power for power in range(-2, 9) for base in (1.0, 0.3))


@dataclass(frozen=True)
class PeerFit:
    """A registered fit and what it is for.

    Attributes
    ----------
    peer : the environment it runs in, see `peers`
    losses : that it can minimise
    multiclass : those that it can for more than two classes
    penalties : that it has
    budgets : the ladder of efforts, ascending for iterations, descending for tolerances
    dtype : of the X it is given, or None for the problem's
    intercept : "free", or "penalised", which is another objective, or "none"
    default : losses for which it is what the library does unless told otherwise
    """

    peer: str
    method: str
    fit: Callable
    losses: frozenset
    multiclass: frozenset
    penalties: frozenset
    budgets: tuple
    dtype: str | None
    intercept: str
    default: frozenset

    @property
    def name(self):
        return f"{self.peer} {self.method}".strip()


FITS, CRF_FITS = {}, {}


def peer_fit(
    peer,
    method,
    *,
    losses,
    budgets,
    multiclass=None,
    penalties=("l2",),
    dtype=None,
    intercept="free",
    default=(),
    registry=FITS,
):
    """Register the decorated generator; the arguments are those of `PeerFit`."""

    def register(fit):
        every = losses if multiclass is None else multiclass
        sets = (frozenset(names) for names in (losses, every, penalties))
        entry = PeerFit(peer, method, fit, *sets, budgets, dtype, intercept, frozenset(default))
        registry[entry.name] = entry
        return fit

    return register
