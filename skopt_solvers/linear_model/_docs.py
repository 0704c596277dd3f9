"""The docstrings that the linear classifiers share."""

from collections.abc import Callable
from typing import Any, TypeVar

_Method = TypeVar("_Method", bound=Callable[..., Any])

_FIT = """Fit the model.

        Parameters
        ----------
        X : array, sparse matrix, data frame or dask array of shape (n_samples, n_features)
            float32 stays float32 all the way; everything else becomes float64. Canonical CSR is not copied; any other
            form costs one canonical CSR. A CSR in memory maps is read from disk. The blocks of a dask array, CSR or
            dense, are rows; passes run where they are.
        y : array or dask array of shape (n_samples,), or array or sparse matrix of shape (n_samples, n_labels)
            The classes; or an indicator matrix of 0 and 1 (several labels for one sample), of which each column is a
            problem of two classes.
        sample_weight : array or dask array of shape (n_samples,), optional
            Weights >= 0. A sample of weight k counts as k equal samples, and one of weight 0 as none.
        X_val, y_val : optional
            Validation data. They are scored after each iteration (``history_[i]["validation_score"]``). With
            `early_stopping` they take the place of a part of X.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad input, before any work starts; a fitted estimator is left as it was.
        FloatingPointError
            Where a learning rate makes the objective overflow.
        """


_PARTIAL_FIT = """Make one epoch over X, and go on from the calls before.

        Parameters
        ----------
        X, y, sample_weight :
            As in `fit`.
        classes : array, optional
            All classes; needed at the first call, but not where y is an indicator matrix.
        n_samples : int, optional
            The number of samples of the whole data, where it is known. The penalty then weighs as in a fit on so many,
            from the first call on, and no chunk is looked for among those before. By default the samples so far are
            counted, each once.

        Returns
        -------
        self

        Notes
        -----
        The penalty's weight against the loss is that of all samples given so far, ``1 / (C sum s_i)``. A chunk of 32 or
        more samples that comes again, with the same labels and weights, is not counted again, so that several epochs
        over the same chunks, in any order, lead to the optimum of `fit`. After a `fit` by a stochastic solver its X is
        such a chunk too, as a whole: parts of it are new samples. A feature's part of the penalty goes by its count so
        far, a sample's weight is measured by their mean so far, and with ``class_weight="balanced"`` class k weighs
        ``sum_m S_m / (n_classes S_k)``, S_k being the weight of its samples so far. Time, for
        schedules, is the number of calls, and a length of None is `max_iter` calls.
        """


def _documented(text: str) -> Callable[[_Method], _Method]:
    def decorate(method: _Method) -> _Method:
        method.__doc__ = text
        return method

    return decorate
