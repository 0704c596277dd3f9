"""Names for the types of arguments that many signatures share."""

import os
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix


class HasShape(Protocol):
    """An array or a table of any library, such as a data frame or a dask array."""

    @property
    def shape(self) -> Any:
        """Return the lengths of the axes."""


class DaskCollection(Protocol):
    """A collection of dask, such as an array or a bag."""

    def __dask_graph__(self) -> Any:
        """Return the graph of tasks that make the collection."""


# Without stubs for scipy, type checkers do not see that its matrices have a shape, hence their names.
Matrix: TypeAlias = ArrayLike | HasShape | sparray | spmatrix  # samples by features, dense or sparse
Sequences: TypeAlias = Sequence[Any] | HasShape | sparray | spmatrix  # one item a sequence, or flat tokens
Seed: TypeAlias = int | np.random.RandomState | None
FilePath: TypeAlias = str | os.PathLike[str]
History: TypeAlias = list[dict[str, Any]]  # `history_`: one record an iteration or epoch
