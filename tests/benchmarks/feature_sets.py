"""Data sets whose features are no words: embeddings, digits, columns without a common scale, categories."""

import numpy as np
import scipy.sparse as sp
from sklearn.datasets import load_digits, load_svmlight_file, make_classification
from sklearn.decomposition import TruncatedSVD

COMPONENTS = 384  # of a small sentence encoder
ROWS_OF_SVD = 20_000


def embedded(X, y, X_test, y_test):
    """Return rows of `COMPONENTS` dense float32 columns, which the first `ROWS_OF_SVD` rows of X have made."""
    svd = TruncatedSVD(COMPONENTS, random_state=0).fit(X[:ROWS_OF_SVD])
    return svd.transform(X).astype(np.float32), y, svd.transform(X_test).astype(np.float32), y_test


def digits(data):
    """Return scikit-learn's images of digits, 64 dense columns of which half are zeros."""
    return load_digits(return_X_y=True)


def unscaled(data, n=20_000, columns=30):
    """Return dense columns, the largest of which is some 10,000 times the least."""
    options = dict(n_informative=columns // 2, n_redundant=columns // 4, class_sep=0.5, flip_y=0.05, random_state=0)
    X, y = make_classification(n, columns, **options)
    return X * 10 ** np.random.RandomState(0).uniform(-2, 2, columns), y


def w8a(data):
    """Return rows of 12 of 300 columns of 0 and 1."""
    X, y = load_svmlight_file(str(data / "w8a.svm.gz"))
    # some solvers of scikit-learn ask for narrow indices
    return sp.csr_matrix((X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32)), shape=X.shape), y > 0


def categories(n=8000):
    """Return rows of 14 categories as 123 columns of 0 and 1, a9a's shape, with noise and one interaction."""
    rng = np.random.RandomState(0)
    sizes = [5, 8, 5, 16, 5, 7, 14, 6, 5, 2, 2, 2, 5, 41]
    columns = np.stack([rng.choice(size, n, p=rng.dirichlet(np.full(size, 0.6))) for size in sizes], axis=1)
    columns += np.cumsum([0, *sizes[:-1]])
    w = 1.2 * rng.randn(sum(sizes))
    margins = w[columns].sum(axis=1) + w[columns[:, 0]] * w[columns[:, 3]] - 2
    ends = np.arange(0, columns.size + 1, len(sizes))
    X = sp.csr_matrix((np.ones(columns.size), columns.ravel(), ends), shape=(n, sum(sizes)))
    return X, (rng.rand(n) < 1 / (1 + np.exp(-margins))).astype(int)


def many_categories(data):
    """Return as many rows of categories as a9a has."""
    return categories(30_000)
