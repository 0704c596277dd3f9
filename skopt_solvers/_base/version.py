"""Name the version of the package, which a stored model holds."""

__version__ = "0.2.0"
