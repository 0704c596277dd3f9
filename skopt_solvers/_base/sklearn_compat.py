"""The private parts of scikit-learn that this package uses, for all of its versions that are allowed."""

from inspect import signature

from sklearn.base import _fit_context
from sklearn.linear_model._base import LinearClassifierMixin, SparseCoefMixin
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:
        """There is no protocol of callbacks: `set_callbacks` is missing."""


try:
    from sklearn.utils._repr_html.estimator import _VisualBlock as VisualBlock
except ImportError:
    try:
        from sklearn.utils._estimator_html_repr import _VisualBlock as VisualBlock  # scikit-learn 1.6
    except ImportError:
        VisualBlock = None  # HTML then shows an estimator without what is inside

try:
    from sklearn.utils.sparsefuncs import sparse_matmul_to_dense
except ImportError:  # before scikit-learn 1.9

    def sparse_matmul_to_dense(A, B):
        """Return A @ B as a dense array."""
        return (A @ B).toarray()


def takes_sample_weight(scorer):
    """Return whether a scorer takes sample weights, as scikit-learn's searches ask: of its own the metric says."""
    ask = getattr(scorer, "_accept_sample_weight", None)
    return "sample_weight" in signature(scorer).parameters if ask is None else ask()


__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "LinearClassifierMixin",
    "SparseCoefMixin",
    "StrOptions",
    "VisualBlock",
    "_fit_context",
    "sparse_matmul_to_dense",
    "takes_sample_weight",
]
