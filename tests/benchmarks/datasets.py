"""The data sets of the benchmarks: real texts, vectorised once and kept, other features, and tagged sentences.

Nothing is downloaded: the files lie in one folder, and a set whose files are not there is skipped.
"""

import gzip
import os
import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import sklearn
from sklearn.datasets import fetch_20newsgroups, load_svmlight_file
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import MultiLabelBinarizer

from skopt_solvers.sequence import read_conll

from . import feature_sets

DEFAULT_DATA = Path(os.environ.get("SKOPT_SOLVERS_DATA") or Path(__file__).parents[2] / ".." / "shared" / "data")
LAYOUT = 2  # of what is kept in the cache
DEFAULT_CACHE = Path(tempfile.gettempdir()) / "skopt_solvers_benchmarks"


@dataclass
class Dataset:
    """Training rows, and test rows or None.

    Attributes
    ----------
    X, X_test : CSR or ndarray of shape (n_samples, n_features), float64
    y, y_test : ndarray of shape (n_samples,), class indices
    key : str that changes with the content
    """

    name: str
    X: sp.csr_matrix | np.ndarray
    y: np.ndarray
    key: str
    X_test: sp.csr_matrix | np.ndarray | None = None
    y_test: np.ndarray | None = None
    _values: dict = field(default_factory=dict)

    @property
    def n_classes(self):
        return int(self.y.max()) + 1

    def matrix(self, dtype):
        """X in `dtype`: a new object over the same arrays each time, so that no flag that scipy keeps is reused."""
        dtype, sparse = np.dtype(dtype), sp.issparse(self.X)
        if dtype not in self._values:
            self._values[dtype] = (self.X.data if sparse else self.X).astype(dtype, copy=False)
        if not sparse:
            return self._values[dtype].view()
        return sp.csr_matrix((self._values[dtype], self.X.indices, self.X.indptr), shape=self.X.shape)

    @property
    def n_nonzeros(self):
        return int(self.X.nnz if sp.issparse(self.X) else np.count_nonzero(self.X))

    def first(self, n_rows):
        """The first rows only, with the classes that they have, and the test rows of these classes."""
        classes, y = np.unique(self.y[:n_rows], return_inverse=True)
        rest = ()
        if self.X_test is not None:
            known = np.isin(self.y_test, classes)
            rest = self.X_test[known], np.searchsorted(classes, self.y_test[known])
        return Dataset(self.name, self.X[:n_rows], y, f"{self.key}-{n_rows}", *rest)


def _columns(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return list(zip(*(line.rstrip("\n").split("\t") for line in lines), strict=True))


def _vectorised(vectorizer, texts, labels, test_texts=None, test_labels=None):
    X = vectorizer.fit_transform(texts)
    return (X, labels) if test_texts is None else (X, labels, vectorizer.transform(test_texts), test_labels)


def _split(texts, labels):
    """Four fifths at random to train on, and the rest."""
    order = np.random.RandomState(0).permutation(len(texts))
    parts = np.split(order, [len(texts) * 4 // 5])
    labels = np.array(labels)
    return [part for rows in parts for part in ([texts[i] for i in rows], labels[rows])]


def _rcv1(data):
    parts = []
    for part in ("train", "test"):
        with gzip.open(data / f"rcv1_binary_{part}.svm.gz") as file:
            parts += load_svmlight_file(file, n_features=47236)
    return parts


def _newsgroups(data, **options):
    train, test = (
        fetch_20newsgroups(data_home=data / "sklearn", subset=part, download_if_missing=False)
        for part in ("train", "test")
    )
    vectorizer = TfidfVectorizer(sublinear_tf=True, **options)
    return _vectorised(vectorizer, train.data, train.target, test.data, test.target)


def _newsgroups_binary(data):
    X, y, X_test, y_test = _newsgroups(data)
    return X, y < 10, X_test, y_test < 10


def _newsgroups_embedded(data):
    return feature_sets.embedded(*_newsgroups(data))


def _newsgroups_bigrams(data):
    return _newsgroups(data, ngram_range=(1, 2))


def _nsmc(data):
    _, texts, labels = _columns(data / "nsmc_polarity_train.tsv.gz")
    _, *test = _columns(data / "nsmc_polarity_test.tsv.gz")
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True)
    return _vectorised(vectorizer, texts, labels, *test)


def _nsmc_embedded(data):
    return feature_sets.embedded(*_nsmc(data))


def _language_id(data):
    languages, _, texts = _columns(data / "language_id.tsv.gz")
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), min_df=5, sublinear_tf=True)
    return _vectorised(vectorizer, *_split(texts, languages))


def raw_texts(name, data):
    """Raw texts with labels, in their own parts: train texts, labels, test texts, labels."""
    if name == "20news":
        parts = (
            fetch_20newsgroups(data_home=data / "sklearn", subset=part, download_if_missing=False)
            for part in ("train", "test")
        )
        return [part for bunch in parts for part in (bunch.data, bunch.target)]
    if name == "nsmc":
        files = (_columns(data / f"nsmc_polarity_{part}.tsv.gz")[1:] for part in ("train", "test"))
        return [part for texts, labels in files for part in (list(texts), np.array(labels))]
    languages, _, texts = _columns(data / "language_id.tsv.gz")
    return _split(texts, languages)


def title_texts(data):
    """Job titles and their occupations, four fifths to train on and the rest: texts, labels, texts, labels."""
    codes, titles = _columns(data / "onet_titles.tsv.gz")
    return _split(titles, codes)


def reuters_topics(data):
    """Texts of Reuters-21578 and the indicator matrix of their topics, to train on and to test: X, Y, X, Y."""
    with gzip.open(data / "reuters_topics.tsv.gz", "rt") as lines:
        rows = [line.rstrip("\n").split("\t", 2) for line in lines]
    Y = MultiLabelBinarizer().fit_transform([topics.split(",") for _, topics, _ in rows])
    train = np.array([part == "train" for part, _, _ in rows])
    texts = np.array([text for *_, text in rows], dtype=object)
    return texts[train].tolist(), Y[train], texts[~train].tolist(), Y[~train]


def binary_texts(name, data):
    """Texts of two classes, their labels 0 and 1, and what a vectorizer is told: nsmc, sms or 20news2."""
    if name == "20news2":
        part = fetch_20newsgroups(data_home=data / "sklearn", subset="all", download_if_missing=False)
        return part.data, (part.target < 10).astype(int), {}
    file = {"nsmc": "nsmc_polarity_train.tsv.gz", "sms": "sms_spam.tsv.gz"}[name]
    columns = _columns(data / file)
    texts, labels = columns[1:] if name == "nsmc" else columns[::-1]
    options = dict(analyzer="char", ngram_range=(1, 3)) if name == "nsmc" else {}
    return texts, np.unique(labels, return_inverse=True)[1], options


def _onet(data):
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=2, sublinear_tf=True)
    return _vectorised(vectorizer, *title_texts(data))


def _sms(data):
    labels, texts = _columns(data / "sms_spam.tsv.gz")
    return _vectorised(TfidfVectorizer(sublinear_tf=True), *_split(texts, labels))


# name: (what it is, the file it needs or None, how to make X and y)
DATASETS = {
    "rcv1": ("RCV1-v2, TF-IDF of words, CCAT against the rest", "rcv1_binary_train.svm.gz", _rcv1),
    "20news2": (
        "20 Newsgroups, TF-IDF of words, the first ten groups by name against the others",
        "sklearn/20news-bydate_py3.pkz",
        _newsgroups_binary,
    ),
    "20news": ("20 Newsgroups, TF-IDF of words", "sklearn/20news-bydate_py3.pkz", _newsgroups),
    "20news_bigrams": (
        "20 Newsgroups, TF-IDF of words and pairs of words",
        "sklearn/20news-bydate_py3.pkz",
        _newsgroups_bigrams,
    ),
    "onet": (
        "Job titles, 1,016 occupations, TF-IDF of character 2-4-grams within words, 80 % of the titles",
        "onet_titles.tsv.gz",
        _onet,
    ),
    "nsmc": ("Korean film reviews, TF-IDF of character 1-3-grams", "nsmc_polarity_train.tsv.gz", _nsmc),
    "language_id": (
        "75 languages, TF-IDF of character 1-3-grams within words, 80 % of the texts",
        "language_id.tsv.gz",
        _language_id,
    ),
    "sms": ("SMS, spam or not, TF-IDF of words, 80 % of the messages; small", "sms_spam.tsv.gz", _sms),
    "20news_svd": (
        "20 Newsgroups, truncated SVD of the TF-IDF of words; dense",
        "sklearn/20news-bydate_py3.pkz",
        _newsgroups_embedded,
    ),
    "nsmc_svd": (
        "Korean film reviews, truncated SVD of the TF-IDF of character 1-3-grams; dense",
        "nsmc_polarity_train.tsv.gz",
        _nsmc_embedded,
    ),
    "digits": ("Images of digits, 8 x 8; dense", None, feature_sets.digits),
    "unscaled": ("make_classification, columns times 10^-2 to 10^2; dense", None, feature_sets.unscaled),
    "w8a": ("w8a, 300 columns of 0 and 1", "w8a.svm.gz", feature_sets.w8a),
    "categories": ("14 categories as columns of 0 and 1, made up in a9a's shape", None, feature_sets.many_categories),
}


def load(name, data, cache):
    """The data set `name`.

    Parameters
    ----------
    name : one of DATASETS
    data : folder of the raw files
    cache : folder where vectorised data are kept

    Raises
    ------
    FileNotFoundError
        Where its raw file is not in `data`.
    """
    _, file, make = DATASETS[name]
    data, cache = Path(data), Path(cache)
    stat = None if file is None else (data / file).stat()
    source = () if stat is None else (stat.st_size, stat.st_mtime_ns)
    key = f"{name}-{zlib.crc32(repr((sklearn.__version__, LAYOUT, *source)).encode()):08x}"
    kept = cache / f"{key}.npz"
    if not kept.exists():
        X, y, *test = make(data)
        classes, y = np.unique(y, return_inverse=True)
        arrays = {"y": y, **_parts_of(X, "train")}
        if test:
            X_test, y_test = test[0], np.asarray(test[1])
            places = np.searchsorted(classes, y_test).clip(max=len(classes) - 1)
            # a class without training rows is -1, which nobody predicts
            y_test = np.where(classes[places] == y_test, places, -1)
            arrays |= {"y_test": y_test, **_parts_of(X_test, "test")}
        cache.mkdir(parents=True, exist_ok=True)
        partial = cache / f"{key}.{os.getpid()}.npz"
        np.savez(partial, **arrays)
        partial.replace(kept)
    with np.load(kept) as arrays:
        test = (_matrix_of(arrays, "test"), arrays["y_test"]) if "y_test" in arrays else ()
        return Dataset(name, _matrix_of(arrays, "train"), arrays["y"], key, *test)


def _parts_of(X, prefix):
    if not sp.issparse(X):
        return {f"{prefix}_dense": X}
    X = X.tocsr()
    return {f"{prefix}_{name}": getattr(X, name) for name in ("data", "indices", "indptr", "shape")}


def _matrix_of(arrays, prefix):
    if f"{prefix}_dense" in arrays:
        return np.ascontiguousarray(arrays[f"{prefix}_dense"], dtype=np.float64)
    data, indices, indptr, shape = (arrays[f"{prefix}_{name}"] for name in ("data", "indices", "indptr", "shape"))
    X = sp.csr_matrix((data, indices, indptr), shape=tuple(shape))
    # some contenders sort rows in place, and the indices belong to the values in the other float type too
    X.sort_indices()
    return X


@dataclass
class TaggedSentences:
    """Sentences to train on and to test.

    Attributes
    ----------
    train, test : list of sentences, each a list of tokens, which are tuples (word,) or (word, part of speech)
    train_labels, test_labels : list of lists of str
    chunks : bool, whether the labels mark chunks, which are scored by their F1
    """

    name: str
    train: list
    train_labels: list
    test: list
    test_labels: list
    chunks: bool

    @property
    def n_tokens(self):
        return sum(map(len, self.train))

    def first(self, n_sentences):
        """The first sentences only, of both parts."""
        parts = (part[:n_sentences] for part in (self.train, self.train_labels, self.test, self.test_labels))
        return TaggedSentences(self.name, *parts, self.chunks)


_EWT = tuple(f"ud_english_ewt/en_ewt-ud-{part}.conllu.gz" for part in ("train", "test"))

# name: (what it is, its training and test files, the columns that make a token and last its label or the columns that
# make it, chunks or not)
TAGGING = {
    "conll2000": ("CoNLL-2000, chunks", ("conll2000/train.txt.gz", "conll2000/test.txt.gz"), (0, 1, 2), True),
    "upos": ("UD English EWT, universal parts of speech", _EWT, ("form", "upos"), False),
    "xpos": ("UD English EWT, its own parts of speech", _EWT, ("form", "xpos"), False),
    "upos_feats": (
        "UD English EWT, universal parts of speech with features; large",
        _EWT,
        ("form", ("upos", "feats")),
        False,
    ),
    "wnut17": ("WNUT-2017, entities; small", ("wnut17/train.conll.gz", "wnut17/test.conll.gz"), (0, 1), True),
    "icepahc": (
        "IcePaHC, Icelandic parts of speech; large",
        ("icepahc/train.txt.gz", "icepahc/test.txt.gz"),
        (0, 1),
        False,
    ),
}


def load_tagging(name, data):
    """The sentences of `name`, one of TAGGING; FileNotFoundError where its files are not in the folder `data`."""
    _, files, columns, chunks = TAGGING[name]
    *token_columns, label = columns
    label_columns = label if isinstance(label, tuple) else (label,)
    parts = []
    for file in files:
        values = read_conll(Path(data) / file, (*token_columns, *label_columns))
        tokens, labels = values[: len(token_columns)], values[len(token_columns) :]
        parts.append([list(zip(*sentence, strict=True)) for sentence in zip(*tokens, strict=True)])
        parts.append([list(map("|".join, zip(*sentence, strict=True))) for sentence in zip(*labels, strict=True)])
    return TaggedSentences(name, *parts, chunks)
