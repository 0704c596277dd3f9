"""An objective whose data lie in parts: sums over the parts, and one penalty."""

from functools import cached_property

import numpy as np

from ._position import EvaluatedPosition

# What an objective knows without its samples, and a solver or an estimator asks for.
_MODEL = frozenset(
    "allowed bound_bytes coef coefficients curvature decrease_window dtype join joint l1 l2 margin_bytes memory "
    "n_penalised n_threads pairs pass_bytes position_bytes resized scale shape smooth smooth_losses split "
    "table_bytes".split()
)


class SummedObjective:
    r"""The objective of data in parts.

    .. math:: F(W) = \sum_p \frac{t_p}{t} L_p(W) + \frac{l_2}{2} \|W\|^2 + l_1 \|W\|_1

    with :math:`L_p` the mean loss of a part, :math:`t_p` its weight and t the sum of these: to rounding what one
    objective over all data would be. An evaluation takes W to every part and brings one table back, and nothing is kept
    in between, so that a part may be made anew at any time.

    Parameters
    ----------
    parts :
        ``parts.total(method, *arguments)`` is the sum over the parts of what a method of :class:`Part` gives.
    like : LinearObjective or ChainObjective
        One of the same model, whose only sample has no features and the weight of all.
    weight : float
        t.
    n_samples : int
    gradient_unit : float
        What makes the gradient of F that which `tol` is compared with.
    """

    def __init__(self, parts, like, weight, n_samples, gradient_unit=1.0):
        self.parts, self.like, self.weight = parts, like, weight
        self.n_samples, self.gradient_unit = n_samples, gradient_unit

    def __getattr__(self, name):
        if name in _MODEL:
            return getattr(self.like, name)
        raise AttributeError(f"an objective of data in parts has no {name!r}")

    def value_and_gradient(self, W):
        """F(W), and the gradient of its smooth part (loss and L2)."""
        loss, gradient = self.parts.total("loss_and_gradient", W)
        gradient = gradient / self.weight
        return float(loss) / self.weight + self.like.native.penalise(W.ravel(), gradient.ravel()), gradient

    def value(self, W):
        """F(W)."""
        return self.value_and_gradient(W)[0]

    @cached_property
    def _squared_norms(self):
        (squares,) = self.parts.total("squared_norms")
        return squares / self.weight

    def squared_norms(self):
        """Mean square of each row of the table over the samples."""
        return self._squared_norms

    def untouched(self):
        """The features that no sample has."""
        if getattr(self.like, "pairs", None) is not None:
            return self.like.untouched()
        return np.flatnonzero(self.squared_norms()[: self.coefficients[0]] == 0)

    def position(self, W):
        """A point that moves along lines; a trial costs a gradient."""
        return EvaluatedPosition(self, W)


class Part:
    """A part of the data, and the objective over it alone.

    The objective is made where it is asked first and stays there: a pickle has the data only.

    Parameters
    ----------
    kind : LinearObjective or ChainObjective, the class
    data, model :
        Its arguments: first CSR and arrays, then what is no data.
    """

    def __init__(self, kind, *data, **model):
        self.kind, self.data, self.model = kind, data, model

    @cached_property
    def objective(self):
        return self.kind(*self.data, C=np.inf, l1_ratio=0.0, **self.model)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "objective"}

    def __sizeof__(self):
        """The bytes of the data: who places tasks wants to know what it costs to move them."""
        return sum(bytes_of(value) for value in self.data)

    def sizes(self):
        """The weight of this part, the number of its samples, and the sum of their weights."""
        objective = self.objective
        return objective.scale, objective.n_samples, objective.scale / getattr(objective, "tokens_per_sample", 1.0)

    def loss_and_gradient(self, W):
        """The loss and its gradient, summed over the samples by weight."""
        # what comes over a network may lie at any byte
        loss, gradient = self.objective.value_and_gradient(np.require(W, requirements="A"))
        return self.objective.scale * loss, gradient * gradient.dtype.type(self.objective.scale)

    def squared_norms(self):
        """The squares of the rows of the table, summed in the same way."""
        return (self.objective.scale * self.objective.squared_norms(),)


def bytes_of(value):
    """The bytes of an array or of a CSR."""
    arrays = (value.data, value.indices, value.indptr) if hasattr(value, "indptr") else (value,)
    return sum(getattr(array, "nbytes", 0) for array in arrays)


def summed(results):
    """The sum of tuples of numbers and arrays, entry by entry; the first of them is not changed."""
    total = None
    for result in results:
        if total is None:
            total = [np.array(value) for value in result]
        else:
            for value, more in zip(total, result, strict=True):
                value += more
    return total
