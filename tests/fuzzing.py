"""What the fuzz tests share: how many examples, and what counts as a good answer to bad input."""

import copy
import re
import warnings

import numpy as np
import scipy.sparse as sp
from hypothesis import HealthCheck, settings
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, UndefinedMetricWarning

ERRORS = (ValueError, TypeError, FloatingPointError)
# words of a message: an argument, a parameter, or what scikit-learn says of X and y without their name
_ARGUMENTS = re.compile(
    r"The '\w+' parameter|prefixes|suffixes|window|affix_window|column_prefixes|bigrams|known_labels|"
    r"\b(X|y|X_val|y_val|Cs?|classes|class_weight|sample_weight|[Ss]ample weights?|lengths|sequence_ids|groups|labels?|"
    r"constraints|transition_features|schedule|learning_rate|batch_size|clip_norm|record|average|momentum|rho|epsilon|beta1|beta2|"
    r"memory|start_epochs|evaluate_every|newton|weight_decay|tol|max_iter|max_suboptimality|max_time|n_jobs|random_state|k|"
    r"coef_threshold|validation_fraction|n_iter_no_change|initial|cv|callback|solver|warm_start|early_stopping|scoring|"
    r"dtype|min_count|n_features|n_samples|vectors?|"
    r"y_true|y_pred|types|zero_division|scheme|path|columns|n_splits|matrix|path|line \d+|features?|samples?|array|"
    r"token|sequences?|data|target|estimator|separator|comment|encoding|gzip file)\b"
)
_CONVERSIONS = (
    "could not convert",
    "cannot convert",
    "number of folds",
    "Seed must",
    "to seed",
    "shuffle must",
    "Input contains",
    "setting an array element",
    "float()",
    "must be real number",
    "DType",
    "dtype",
)


def examples(n):
    """`n` examples in the suite; ``--hypothesis-profile=long`` multiplies them."""
    return settings(max_examples=max(1, n * settings().max_examples // 100), suppress_health_check=list(HealthCheck))


def snapshot(estimator):
    """The attributes of an estimator, and copies of what they hold."""
    fitted = {name for name in vars(estimator) if name.endswith("_") or name.startswith("_")}
    return {name: (value, copy.deepcopy(value) if name in fitted else value) for name, value in vars(estimator).items()}


def assert_unchanged(estimator, before):
    assert vars(estimator).keys() == before.keys()
    for name, (value, copied) in before.items():
        assert vars(estimator)[name] is value, name
        assert same(value, copied), f"{name} was changed in place"


def same(a, b):
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if sp.issparse(a):
        return a.shape == b.shape and (a != b).nnz == 0
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() if a.dtype != object else True
    return type(a) is type(b)


def attempt(call, *args, estimator=None, **kwargs):
    """What the call returns, or None where it refused its input by a message that names it.

    Anything else fails: other exceptions, warnings that are not about convergence or labels, and an estimator that is
    not as it was after an error.
    """
    before = None if estimator is None else snapshot(estimator)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for kind in (ConvergenceWarning, DataConversionWarning, UndefinedMetricWarning, sp.SparseEfficiencyWarning):
                warnings.simplefilter("ignore", kind)
            for message in (
                "The number of unique classes",
                "Data with input dtype",
                "A column-vector",
                "This model was fitted on sequences",
                ".*least populated",
                "labels that no sample has",
            ):
                warnings.filterwarnings("ignore", message)
            return call(*args, **kwargs)
    except ERRORS as error:
        text = str(error)
        assert "incompatible function arguments" not in text, f"only the binding refused it: {text}"
        assert _ARGUMENTS.search(text) or any(part in text for part in _CONVERSIONS), f"names no argument: {error!r}"
        if before is not None:
            assert_unchanged(estimator, before)
        return None


def assert_usable(estimator, X=None):
    """Weights are finite, and so is what is predicted from them."""
    for name in ("coef_", "intercept_", "transition_coef_", "start_coef_", "end_coef_"):
        value = getattr(estimator, name, np.zeros(1))
        assert np.isfinite(value.data if sp.issparse(value) else value).all(), name
    assert np.isfinite([record["objective"] or 0.0 for record in estimator.history_[-1:]]).all()
    if X is not None:
        labels = attempt(estimator.predict, X)
        if labels is not None:
            assert len(labels) == (X.shape[0] if hasattr(X, "shape") else len(X))
