"""Refuse containers whose values cannot be taken as they lie, with what to do instead."""

from typing import Any

import numpy as np


def refuse_container(values: Any, name: str) -> None:
    """Raise ValueError for a plan that holds no data, as polars' LazyFrame, and for an array with masked values.

    NumPy's functions, and with them scikit-learn, read what is under a mask as if it were there.
    """
    kind = type(values).__name__
    if hasattr(values, "collect") and not hasattr(values, "__len__"):
        raise ValueError(f"{name} is a {kind}, which holds a plan and no data: pass {name}.collect()")
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        places = np.argwhere(np.ma.getmaskarray(values))
        first = places[0].tolist()
        raise ValueError(
            f"{name} is a MaskedArray with {len(places)} masked values, the first of them at {tuple(first)}: fill them "
            f"by {name}.filled(value), or leave out their rows"
        )


def refuse_labels(labels: Any, name: str) -> None:
    """Raise ValueError for labels that are bytes, or missing; for an error of scikit-learn's that does not say so."""
    values = np.asarray(labels, dtype=object).ravel()
    for number, label in enumerate(values):
        if isinstance(label, bytes):
            raise ValueError(
                f"{name} has labels of bytes, the first of them {label!r} at {number}: decode them, as by "
                f"[label.decode() for label in {name}]"
            )
        if type(label).__name__ == "NAType":
            raise ValueError(f"{name} has a missing label, pd.NA at {number}: leave out the samples without a label")
