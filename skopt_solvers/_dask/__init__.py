"""Fits and predictions on collections of dask. The only importer of dask, and imported when there is a collection."""

from ._predict import predict_blocks
from ._rows import fit_rows
from ._sequences import fit_sequences

__all__ = ["fit_rows", "fit_sequences", "predict_blocks"]
