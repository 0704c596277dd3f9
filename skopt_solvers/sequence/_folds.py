"""Folds of flat tokens that keep sequences whole."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import KFold
from sklearn.utils import check_random_state, indexable

from .._base.typing import Seed
from ._lengths import run_lengths


class SequenceKFold(KFold):
    """Cut flat tokens into K folds that keep every sequence whole.

    The sequences, in their order or shuffled, are cut into `n_splits` blocks whose numbers of tokens are as equal as
    whole sequences allow: a sequence goes to the fold in which its middle falls, and each fold has one at least.
    Unshuffled, neighbouring sequences (of one document, say) stay in one fold.

    With metadata routing, ``GridSearchCV(crf, grid, cv=SequenceKFold()).fit(X, y, sequence_ids=ids)`` gives the ids to
    the splitter without a request of yours. Without routing pass them as `groups`.

    Parameters
    ----------
    n_splits : int, default=5
        Folds, >= 2.
    shuffle : bool, default=False
        Whether to shuffle the sequences before they are cut into blocks. The tokens of a fold keep their order.
    random_state : int, RandomState instance or None, default=None
        Orders the shuffle.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt_solvers.sequence import SequenceKFold
    >>> ids = np.array(["a", "a", "b", "b", "b", "c"])
    >>> for train, test in SequenceKFold(n_splits=2).split(np.zeros((6, 1)), sequence_ids=ids):
    ...     print(train, test)
    [2 3 4 5] [0 1]
    [0 1] [2 3 4 5]
    """

    __metadata_request__split = {"groups": True, "sequence_ids": True}

    def __init__(self, n_splits: int = 5, *, shuffle: bool = False, random_state: Seed = None) -> None:
        super().__init__(n_splits, shuffle=shuffle, random_state=random_state)

    def split(
        self, X: Any, y: Any = None, groups: ArrayLike | None = None, sequence_ids: ArrayLike | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the indices of the training and test tokens of each fold, both ascending.

        Parameters
        ----------
        X : array-like of shape (n_tokens, n_features)
            The tokens, of which only the number is read.
        y : array-like of shape (n_tokens,), default=None
            Not used.
        groups : array-like of shape (n_tokens,), default=None
            Another name for `sequence_ids`.
        sequence_ids : array-like of shape (n_tokens,), default=None
            The sequence of each token; the tokens of one sequence follow each other.

        Yields
        ------
        train, test : ndarray of int

        Raises
        ------
        ValueError
            If no ids are given or both names are used, an id comes back after another one, or there are fewer
            sequences than folds.
        """
        if (groups is None) == (sequence_ids is None):
            raise ValueError(
                "SequenceKFold needs the sequence of each token: give sequence_ids (or groups), one of the two, got "
                + ("neither; where X is a list of sequences, KFold keeps them whole" if groups is None else "both")
            )
        X, y, ids = indexable(X, y, groups if sequence_ids is None else sequence_ids)
        lengths = run_lengths(ids)
        if len(lengths) < self.n_splits:
            raise ValueError(f"n_splits={self.n_splits} folds need as many sequences, got {len(lengths)}")
        fold_of_token = np.repeat(self._folds(lengths), lengths)
        for fold in range(self.n_splits):
            yield np.flatnonzero(fold_of_token != fold), np.flatnonzero(fold_of_token == fold)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None, sequence_ids: Any = None) -> int:
        """Return the number of folds, which does not depend on the data."""
        return self.n_splits

    def _folds(self, lengths: np.ndarray) -> np.ndarray:
        """Return the fold of each sequence."""
        n_sequences = len(lengths)
        order = np.arange(n_sequences)
        if self.shuffle:
            order = check_random_state(self.random_state).permutation(n_sequences)
        ends = np.cumsum(lengths[order])
        middles = ends - lengths[order] / 2
        # the number of sequences before each fold, then moved by so much that no fold is empty
        folds = np.arange(self.n_splits)
        before = np.searchsorted(middles, ends[-1] * folds / self.n_splits)
        before = np.minimum(np.maximum.accumulate(before - folds), n_sequences - self.n_splits) + folds
        result = np.empty(n_sequences, dtype=np.int64)
        result[order] = np.repeat(folds, np.diff(before, append=n_sequences))
        return result
