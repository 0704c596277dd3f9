"""The part of an estimator that does not depend on its model: the fit, its monitor, memory, resuming, streams, dask."""
