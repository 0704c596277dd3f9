"""An objective whose data lie in parts: sums over the parts, and one penalty."""

from functools import cached_property

import numpy as np
import scipy.sparse as sp

from ._defaults import ObjectiveDefaults
from ._position import EvaluatedPosition


class SummedObjective(ObjectiveDefaults):
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
        # facts of the model and its penalty, which no sample changes
        self.shape, self.dtype, self.n_penalised = like.shape, like.dtype, like.n_penalised
        self.coefficients, self.pairs, self.n_threads = like.coefficients, like.pairs, like.n_threads
        self.scale, self.l1, self.l2 = like.scale, like.l1, like.l2
        self.smooth, self.kinked_gradient, self.curvature = like.smooth, like.kinked_gradient, like.curvature
        self.smooth_losses = like.smooth_losses
        self.joint, self.structured, self.decrease_window = like.joint, like.structured, like.decrease_window
        self.table_bytes, self.margin_bytes, self.bound_bytes = like.table_bytes, like.margin_bytes, like.bound_bytes
        self.position_bytes, self.pass_bytes = like.position_bytes, like.pass_bytes

    def dual_obstacle(self):
        """Return what keeps dual coordinate ascent from this problem, in words."""
        return "samples that lie apart"

    @property
    def indicator(self):
        """That of `like`, whose labels that are constant are those of all parts."""
        return self.like.indicator

    def resized(self, n_features=None, dtype=None):
        """A copy that knows the bytes with so many features, or in another type, and can do no more."""
        return SummedObjective(
            self.parts, self.like.resized(n_features, dtype), self.weight, self.n_samples, self.gradient_unit
        )

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
        if self.pairs is not None:
            return self.like.untouched()
        return np.flatnonzero(self.squared_norms()[: self.coefficients[0]] == 0)

    def position(self, W):
        """A point that moves along lines; a trial costs a gradient."""
        return EvaluatedPosition(self, W)

    # The table of a chain

    @property
    def allowed(self):
        """The transitions that are possible."""
        return self.like.allowed

    @property
    def conditions(self):
        """The triples of features that transitions depend on."""
        return self.like.conditions

    def triple_weights(self, W):
        """The weights of the triples in W."""
        return self.like.triple_weights(W)

    def split(self, W):
        """W as state weights, transitions, start and end weights."""
        return self.like.split(W)

    def coef(self, state):
        """State weights as a matrix (labels, features)."""
        return self.like.coef(state)

    def join(self, state, transitions, start, end, triples=None):
        """The table W of the parts that `split` and `triple_weights` give."""
        return self.like.join(state, transitions, start, end, triples)


class Part:
    """A part of the data, and the objective over it alone.

    The objective is made where it is asked first and stays there: a pickle has the data only.

    Parameters
    ----------
    kind : LinearObjective or ChainObjective, the class
    data, model :
        Its arguments: first CSR and arrays, then what is no data, but for the vectors of a chain.
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
        vectors = self.model.get("vectors")
        return sum(map(bytes_of, self.data)) + (0 if vectors is None else vectors.nbytes)

    def sizes(self):
        """The weight of this part, the number of its samples, and the sum of their weights."""
        objective = self.objective
        return objective.scale, objective.n_samples, objective.scale / objective.tokens_per_sample

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
    arrays = (value.data, value.indices, value.indptr) if sp.issparse(value) else (value,)
    return sum(array.nbytes for array in arrays)


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
