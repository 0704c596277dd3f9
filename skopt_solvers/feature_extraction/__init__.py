"""Turn tokens into rows of one CSR matrix of features, from feature dicts or straight from words."""

from .._base.public_names import publish
from ._dicts import DictFeatures
from ._tokens import TokenFeatures

__all__ = ["DictFeatures", "TokenFeatures"]

publish(__name__)
