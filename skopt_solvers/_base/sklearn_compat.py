"""Import the private parts of scikit-learn that this package uses, from all of its versions that are allowed.

scikit-learn has no types, so its decorators would hide those of the methods under them: here they get their own.
"""

from collections.abc import Callable
from inspect import signature, unwrap
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

from sklearn.linear_model._base import LinearClassifierMixin, SparseCoefMixin
from sklearn.metrics._scorer import _MultimetricScorer as MultimetricScorer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils._metadata_requests import _routing_enabled as routing_enabled
from sklearn.utils._param_validation import Interval, Options, StrOptions, validate_parameter_constraints
from sklearn.utils.metaestimators import _safe_split as rows_of
from sklearn.utils.parallel import Parallel, delayed

if TYPE_CHECKING:
    _Method = TypeVar("_Method", bound=Callable[..., Any])

    def _fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[_Method], _Method]: ...

    def available_if(check: Callable[[Any], Any]) -> Callable[[_Method], _Method]: ...

else:
    from sklearn.base import _fit_context
    from sklearn.utils.metaestimators import available_if

try:
    from sklearn.callback import CallbackSupportMixin

    SEARCHES_COUNT_FITS = False
except ImportError:  # before scikit-learn 1.9
    SEARCHES_COUNT_FITS = True  # and refuse other numbers than candidates times folds

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand in for the protocol of callbacks, which is not there: `set_callbacks` is missing."""


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

    def sparse_matmul_to_dense(A: Any, B: Any) -> Any:
        """Return A @ B as a dense array."""
        return (A @ B).toarray()


try:
    from sklearn.utils._sparse import _align_api_if_sparse as align_api_if_sparse
except ImportError:  # before scikit-learn 1.9

    def align_api_if_sparse(X: Any) -> Any:
        """Return X: sparse matrices have one form."""
        return X


def takes_sample_weight(scorer: Any) -> bool:
    """Return whether a scorer takes sample weights, as scikit-learn's searches ask: of its own the metric says."""
    ask = getattr(scorer, "_accept_sample_weight", None)
    if ask is not None:
        return ask()
    # scorers of scikit-learn before 1.7 do not say, and take any argument
    metric = getattr(scorer, "_score_func", None) or getattr(getattr(scorer, "_estimator", None), "score", scorer)
    return "sample_weight" in signature(metric).parameters


def with_names(function: Callable[..., Any], **names: Any) -> Callable[..., Any]:
    """Return a copy of a function in which some names of its module mean other objects."""
    function = unwrap(function)
    missing = [name for name in names if name not in function.__code__.co_names]
    if missing or function.__closure__:
        raise ImportError(f"{function.__qualname__} of this scikit-learn does not use the name {missing}")
    copy = FunctionType(function.__code__, {**function.__globals__, **names}, function.__name__, function.__defaults__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


__all__ = [
    "SEARCHES_COUNT_FITS",
    "BaseSearchCV",
    "CallbackSupportMixin",
    "Interval",
    "LinearClassifierMixin",
    "MultimetricScorer",
    "Options",
    "Parallel",
    "SparseCoefMixin",
    "StrOptions",
    "VisualBlock",
    "_fit_context",
    "align_api_if_sparse",
    "available_if",
    "delayed",
    "routing_enabled",
    "rows_of",
    "sparse_matmul_to_dense",
    "takes_sample_weight",
    "validate_parameter_constraints",
    "with_names",
]
