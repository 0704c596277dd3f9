"""Take a fitted linear model apart: the steps before it, its weights, its classes, the names of its columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


@dataclass(frozen=True)
class LinearParts:
    """The parts of a fitted linear model that inspection needs.

    Attributes
    ----------
    steps : list of fitted transformers
        The steps of a pipeline before the model.
    model : estimator
    coef : ndarray, or canonical and sorted CSR, of shape (n_outputs, n_features)
        Two classes may have one output: it is the score of the second, and minus it that of the first.
    classes : list
    """

    steps: list[Any]
    model: Any
    coef: Any
    classes: list[Any]

    @property
    def one_output(self) -> bool:
        """True where two classes share one output."""
        return self.coef.shape[0] < len(self.classes)

    @property
    def several_labels(self) -> bool:
        """True where a sample may have any number of the classes, which are labels then."""
        return bool(getattr(self.model, "multilabel_", False))

    def signed_row(self, k: int) -> tuple[int, int]:
        """Return the row of `coef` that scores class k, and its sign."""
        return (0, 2 * k - 1) if self.one_output else (k, 1)

    def row(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns, increasing, and weights of class k: those stored in a sparse row, all of a dense one."""
        i, sign = self.signed_row(k)
        if not sp.issparse(self.coef):
            return np.arange(self.coef.shape[1]), sign * self.coef[i]
        stored, weights = self._stored(i)
        return stored, sign * weights

    def entries(self, k: int, columns: np.ndarray) -> np.ndarray:
        """Return the weights of class k at some columns, in float64."""
        i, sign = self.signed_row(k)
        if not sp.issparse(self.coef):
            return sign * self.coef[i, columns].astype(np.float64)
        # scipy's own indexing would make an array as long as the row
        stored, weights = self._stored(i)
        found = np.zeros(len(columns))
        if len(stored):
            at = np.minimum(np.searchsorted(stored, columns), len(stored) - 1)
            found = np.where(stored[at] == columns, weights[at], 0.0)
        return sign * found.astype(np.float64)

    def _stored(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        part = slice(self.coef.indptr[i], self.coef.indptr[i + 1])
        return self.coef.indices[part], self.coef.data[part]

    def indices_of(self, classes: Any) -> list[int]:
        """Return the numbers of some classes. None is all, or the second of two with one output."""
        if classes is None:
            return [1] if self.one_output else list(range(len(self.classes)))
        wanted = [classes] if np.ndim(classes) == 0 else list(classes)
        number = {label: k for k, label in enumerate(self.classes)}
        for label in wanted:
            if label not in number:
                raise ValueError(f"classes must be among {np.array(self.classes)}, got {label!r}")
        if not wanted:
            raise ValueError("classes must be one class at least or None, got none")
        return [number[label] for label in wanted]

    def feature_names(self, given: Any = None) -> np.ndarray | None:
        """Return the names of the columns, or those that are `given`; None where nothing names them."""
        n_features = self.coef.shape[1]
        if given is not None:
            if len(given) != n_features:
                raise ValueError(f"feature_names must have {n_features} names, got {len(given)}")
            return np.asarray(given, dtype=object)
        if hasattr(self.model, "vectorizer_"):
            return _names_out(self.model.vectorizer_, None)
        names = None
        for step in self.steps:
            names = _names_out(step, names)
        return getattr(self.model, "feature_names_in_", None) if names is None else names


def _names_out(step: Any, names: Any) -> Any:
    try:
        return step.get_feature_names_out(names)
    except AttributeError:
        return None  # hashes have no names, nor has a union with them


def linear_parts(estimator: Any) -> LinearParts:
    """Return the parts of a fitted linear classifier or CRF, also at the end of a pipeline or as the best of a search.

    Raises
    ------
    TypeError
        For any other estimator.
    NotFittedError
    """
    steps: list[Any] = []
    model = estimator
    while True:
        if isinstance(model, Pipeline):
            steps += [step for _, step in model.steps[:-1] if step is not None and step != "passthrough"]
            model = model.steps[-1][1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            break
    if hasattr(model, "fit"):
        check_is_fitted(model)
    coef, classes = getattr(model, "coef_", None), getattr(model, "classes_", None)
    if coef is None or classes is None or len(coef.shape) != 2 or coef.shape[0] not in {1, len(classes)}:
        raise TypeError(
            "estimator must be a fitted linear classifier or LinearChainCRF, with coef_ and classes_, or a Pipeline "
            f"that ends in one, got {type(model).__name__}"
        )
    if not sp.issparse(coef):
        coef = np.asarray(coef)
    elif coef.format != "csr" or not coef.has_canonical_format:
        coef = sp.csr_matrix(coef, copy=True)
        coef.sum_duplicates()
    return LinearParts(steps, model, coef, np.asarray(classes).tolist())


def name_of(names: Sequence[Any] | np.ndarray | None, column: int) -> Any:
    """Return the name of a column, ``x{column}`` where it has none."""
    return f"x{column}" if names is None else names[column]


def check_count(value: object, name: str) -> None:
    """Raise a ValueError with the name of an argument that is not an integer >= 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be an integer >= 1, got {value!r}")


def shown_name(name: object, length: int | None = None) -> str:
    """Make a feature's name readable: show invisible characters, and cut its middle where it is too long.

    Spaces at the ends, where n-grams of characters have them, and behind the name of a transformer become ``␣``, and
    control characters become their escapes.
    """
    text = re.sub(r"^ +| +$|(?<=__) +", lambda match: "␣" * len(match[0]), str(name))
    text = "".join(c if c.isprintable() or c == " " else c.encode("unicode_escape").decode() for c in text)
    if length is None or len(text) <= length:
        return text
    tail = (length - 1) // 3
    return text[: length - 1 - tail] + "…" + text[len(text) - tail :]
