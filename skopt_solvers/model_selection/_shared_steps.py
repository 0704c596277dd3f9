"""Share what pipelines of one fold have in common: transformers that are set alike, and what they make of its rows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .._base.parameters_alike import set_alike
from .._base.sklearn_compat import MultimetricScorer, routing_enabled
from ..feature_extraction._shared_vectorizers import take_over


@dataclass
class _Step:
    """A transformer that has been fitted to the rows of a fold.

    Attributes
    ----------
    unfitted, fitted : transformer
    made : object, what `fit_transform` gave
    error : Exception, optional, that it raised
    trace : traceback of the error
    of_part : dict, what `transform` gave by the part of the fold
    """

    unfitted: Any
    fitted: Any = None
    made: Any = None
    error: Exception | None = None
    trace: TracebackType | None = None
    of_part: dict[str, Any] = field(default_factory=dict)

    def result(self) -> tuple[Any, Any]:
        """Return what was made and the fitted transformer, or raise the error: each time with the same traceback."""
        if self.error is not None:
            raise self.error.with_traceback(self.trace)
        return self.made, self.fitted


class SharedSteps:
    """The `memory` of the pipelines of one fold: it keeps the transformers of the pipeline before.

    It is right for pipelines that are fitted to the same rows and the same y, one after the other. They share their
    equal beginnings, so those of which the beginnings are alike should follow each other.

    Attributes
    ----------
    n_fitted, n_shared : int
        Transformers that were fitted, and those that were there already.
    """

    def __init__(self) -> None:
        self.chain: list[_Step] = []
        self.n_fitted = self.n_shared = 0

    def cache(self, function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        """Return what a pipeline is to call in the place of `function` to fit its transformers, one after the other.

        A pipeline asks for it at the beginning of each fit, as it would ask a ``joblib.Memory``.
        """
        level, shares = 0, True

        def fit_transform_one(transformer: Any, X: Any, y: Any, **kwargs: Any) -> tuple[Any, Any]:
            nonlocal level, shares
            shares = shares and not any((kwargs.get("params") or {}).values())  # metadata of this fit
            if not shares:
                return function(transformer, X, y, **kwargs)
            if level == len(self.chain) or not set_alike(self.chain[level].unfitted, transformer):
                del self.chain[level:]
                self.chain.append(_fitted(function, transformer, X, y, kwargs))
                self.n_fitted += 1
            else:
                _tell_callbacks(kwargs, X, y)
                self.n_shared += 1
            level += 1
            return self.chain[level - 1].result()

        return fit_transform_one

    def transformed(self, pipeline: Pipeline, X: Any, part: str) -> Any:
        """Return what the transformers of a fitted pipeline make of X, which is the same in all calls for a `part`.

        None where the transformers are not those of the last fit.
        """
        fitted = [step for _, step in pipeline.steps[:-1] if step is not None and step != "passthrough"]
        if list(map(id, fitted)) != [id(step.fitted) for step in self.chain]:
            return None
        for step in self.chain:
            if part not in step.of_part:
                step.of_part[part] = step.fitted.transform(X)
            X = step.of_part[part]
        return X

    def keeps(self, X: Any) -> bool:
        """Return whether X is what the last of the transformers made of a part of the fold."""
        return any(X is made for step in self.chain[-1:] for made in step.of_part.values())


def _fitted(function: Callable[..., Any], transformer: Any, X: Any, y: Any, kwargs: dict[str, Any]) -> _Step:
    step = _Step(clone(transformer))
    try:
        take_over(transformer)
        step.made, step.fitted = function(transformer, X, y, **kwargs)
    except Exception as error:
        step.error, step.trace = error, error.__traceback__
    return step


def _tell_callbacks(kwargs: dict[str, Any], X: Any, y: Any) -> None:
    context = kwargs.get("callback_ctx")  # from scikit-learn 1.9
    if context is not None:
        context.call_on_fit_task_begin(estimator=kwargs["caller"], X=X, y=y)
        context.call_on_fit_task_end(estimator=kwargs["caller"], X=X, y=y)


class SharedScorer:
    """A scorer of pipelines, by their last step alone where it asks for no more than predictions.

    Parameters
    ----------
    scorer : callable
    steps : SharedSteps
    """

    def __init__(self, scorer: Callable[..., Any], steps: SharedSteps) -> None:
        self.scorer, self.steps = scorer, steps
        self.parts = ["train", "test"]  # in the order in which scikit-learn asks, from the end

    def __repr__(self) -> str:
        return repr(self.scorer)

    def __call__(self, estimator: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        if estimator.memory is self.steps:
            estimator.memory = None
        part = self.parts.pop()
        if asks_for_predictions(self.scorer):
            transformed = self.steps.transformed(estimator, X, part)
            if transformed is not None:
                estimator, X = estimator.steps[-1][1], transformed
        return self.scorer(estimator, X, *args, **kwargs)


class SharedMultimetricScorer(SharedScorer, MultimetricScorer):
    """The same for several scorers at once."""

    def __init__(self, scorer: Any, steps: SharedSteps) -> None:
        vars(self).update(vars(scorer))
        super().__init__(scorer, steps)


def asks_for_predictions(scorer: Any) -> bool:
    """Return whether a scorer is one of scikit-learn's own, which ask an estimator for predictions alone."""
    if isinstance(scorer, MultimetricScorer):
        return all(map(asks_for_predictions, vars(scorer)["_scorers"].values()))
    return type(scorer).__module__ == "sklearn.metrics._scorer" and not routing_enabled()
