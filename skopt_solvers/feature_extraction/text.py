"""Vectorizers of text with scikit-learn's exact results, compiled: some ten times as fast, on one thread."""

from collections.abc import Callable, Collection, Iterable
from numbers import Integral
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import DTypeLike
from sklearn.feature_extraction import text as sklearn_text
from sklearn.utils.validation import check_is_fitted

from .._base.inherited_docs import documented_like
from .._base.pickling import Persistent
from .._base.rollback import unchanged_on_failure
from .._base.threads import effective_threads
from .._kernels import _text
from ._text_counts import TermCounts, columns_of, is_compiled
from ._text_rules import plan
from ._text_vectorizer import CountsTerms, with_parameters_of

__all__ = ["CountVectorizer", "HashingVectorizer", "TfidfVectorizer"]

_N_JOBS = """n_jobs : int, default=None
        Threads, which give the same result; None is all that joblib and OMP_NUM_THREADS leave, -1 all cores."""


def _with_threads(cls: type) -> dict[str, Any]:
    """Return the constraints of a class's parameters with one for `n_jobs`."""
    return {**vars(cls)["_parameter_constraints"], "n_jobs": [Integral, None]}


@documented_like(
    sklearn_text.CountVectorizer,
    """>>> from skopt_solvers.feature_extraction.text import CountVectorizer
    >>> vectorizer = CountVectorizer(ngram_range=(1, 2))
    >>> vectorizer.fit_transform(["a good film", "a bad film"]).toarray().tolist()
    [[0, 0, 1, 1, 1], [1, 1, 1, 0, 0]]
    >>> vectorizer.get_feature_names_out().tolist()
    ['bad', 'bad film', 'film', 'good', 'good film']""",
    _N_JOBS,
)
class CountVectorizer(CountsTerms):
    """Count the terms of documents.

    A scikit-learn CountVectorizer with the same results, of which the rows come out sorted. What is not compiled, a
    callable say, goes scikit-learn's own way.
    """

    _parameter_constraints = _with_threads(sklearn_text.CountVectorizer)

    def __init__(
        self,
        *,
        input: str = "content",
        encoding: str = "utf-8",
        decode_error: str = "strict",
        strip_accents: str | Callable[[str], str] | None = None,
        lowercase: bool = True,
        preprocessor: Callable[[str], str] | None = None,
        tokenizer: Callable[[str], Any] | None = None,
        stop_words: str | Collection[str] | None = None,
        token_pattern: str | None = r"(?u)\b\w\w+\b",
        ngram_range: tuple[int, int] = (1, 1),
        analyzer: str | Callable[[Any], Any] = "word",
        max_df: float = 1.0,
        min_df: float = 1,
        max_features: int | None = None,
        vocabulary: Iterable[str] | None = None,
        binary: bool = False,
        dtype: DTypeLike = np.int64,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(
            input=input,
            encoding=encoding,
            decode_error=decode_error,
            strip_accents=strip_accents,
            lowercase=lowercase,
            preprocessor=preprocessor,
            tokenizer=tokenizer,
            stop_words=stop_words,
            token_pattern=token_pattern,
            ngram_range=ngram_range,
            analyzer=analyzer,
            max_df=max_df,
            min_df=min_df,
            max_features=max_features,
            vocabulary=vocabulary,
            binary=binary,
            dtype=dtype,
        )
        self.n_jobs = n_jobs

    def fit(self, raw_documents: Iterable[Any], y: Any = None) -> Self:
        """Learn the vocabulary of documents.

        Parameters
        ----------
        raw_documents : iterable of str, bytes, file names or files
            The documents, as `input` says: texts, names of files, or open files.
        y : ignored

        Returns
        -------
        self
        """
        self._scikit_fit(raw_documents)
        return self

    def fit_transform(self, raw_documents: Iterable[Any], y: Any = None) -> sp.csr_matrix:
        """Learn the vocabulary of documents and return their counts.

        Parameters
        ----------
        raw_documents : iterable of str, bytes, file names or files
            The documents, as `input` says: texts, names of files, or open files.
        y : ignored

        Returns
        -------
        CSR matrix of shape (n_documents, n_terms)
            Its rows are sorted.
        """
        return self._matrix(self._scikit_fit(raw_documents))

    def transform(self, raw_documents: Iterable[Any]) -> sp.csr_matrix:
        """Count the terms of the vocabulary in documents.

        Parameters
        ----------
        raw_documents : iterable of str, bytes, file names or files
            The documents, as `input` says: texts, names of files, or open files.

        Returns
        -------
        CSR matrix of shape (n_documents, n_terms)
            Its rows are sorted.
        """
        return self._matrix(self._scikit_transform(raw_documents))

    def __skopt_sklearn__(self) -> sklearn_text.CountVectorizer:
        return with_parameters_of(self, sklearn_text.CountVectorizer)


@documented_like(
    sklearn_text.TfidfVectorizer,
    """>>> from skopt_solvers.feature_extraction.text import TfidfVectorizer
    >>> vectorizer = TfidfVectorizer()
    >>> vectorizer.fit_transform(["a good film", "a bad film"]).toarray().round(3).tolist()
    [[0.0, 0.58, 0.815], [0.815, 0.58, 0.0]]
    >>> vectorizer.vocabulary_
    {'good': 2, 'film': 1, 'bad': 0}""",
    _N_JOBS,
)
class TfidfVectorizer(CountsTerms, sklearn_text.TfidfVectorizer):
    """Weigh the terms of documents by how rare they are.

    A scikit-learn TfidfVectorizer with the same results, of which the rows come out sorted. What is not compiled,
    a callable say, goes scikit-learn's own way.
    """

    _parameter_constraints = _with_threads(sklearn_text.TfidfVectorizer)

    def __init__(
        self,
        *,
        input: str = "content",
        encoding: str = "utf-8",
        decode_error: str = "strict",
        strip_accents: str | Callable[[str], str] | None = None,
        lowercase: bool = True,
        preprocessor: Callable[[str], str] | None = None,
        tokenizer: Callable[[str], Any] | None = None,
        analyzer: str | Callable[[Any], Any] = "word",
        stop_words: str | Collection[str] | None = None,
        token_pattern: str | None = r"(?u)\b\w\w+\b",
        ngram_range: tuple[int, int] = (1, 1),
        max_df: float = 1.0,
        min_df: float = 1,
        max_features: int | None = None,
        vocabulary: Iterable[str] | None = None,
        binary: bool = False,
        dtype: DTypeLike = np.float64,
        norm: str | None = "l2",
        use_idf: bool = True,
        smooth_idf: bool = True,
        sublinear_tf: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(
            input=input,
            encoding=encoding,
            decode_error=decode_error,
            strip_accents=strip_accents,
            lowercase=lowercase,
            preprocessor=preprocessor,
            tokenizer=tokenizer,
            analyzer=analyzer,
            stop_words=stop_words,
            token_pattern=token_pattern,
            ngram_range=ngram_range,
            max_df=max_df,
            min_df=min_df,
            max_features=max_features,
            vocabulary=vocabulary,
            binary=binary,
            dtype=dtype,
            norm=norm,
            use_idf=use_idf,
            smooth_idf=smooth_idf,
            sublinear_tf=sublinear_tf,
        )
        self.n_jobs = n_jobs

    def fit(self, raw_documents: Iterable[Any], y: Any = None) -> Self:
        """Learn the vocabulary and the weights of its terms.

        Parameters
        ----------
        raw_documents : iterable of str, bytes, file names or files
            The documents, as `input` says: texts, names of files, or open files.
        y : ignored

        Returns
        -------
        self
        """
        self._warn_for_unused_params()
        self._fit_weights(raw_documents)
        return self

    def fit_transform(self, raw_documents: Iterable[Any], y: Any = None) -> sp.csr_matrix:
        """Learn the vocabulary and the weights of its terms, and return the weighed counts.

        Parameters
        ----------
        raw_documents : iterable of str, bytes, file names or files
            The documents, as `input` says: texts, names of files, or open files.
        y : ignored

        Returns
        -------
        CSR matrix of shape (n_documents, n_terms)
            Its rows are sorted.
        """
        return self._weighed(self._fit_weights(raw_documents))

    def transform(self, raw_documents: Iterable[Any]) -> sp.csr_matrix:
        """Return the weighed counts of the terms of the vocabulary in documents.

        Parameters
        ----------
        raw_documents : iterable of str, bytes, file names or files
            The documents, as `input` says: texts, names of files, or open files.

        Returns
        -------
        CSR matrix of shape (n_documents, n_terms)
            Its rows are sorted.
        """
        if "_tfidf" not in vars(self):  # to ask scikit-learn first takes a tenth of a short document's time
            check_is_fitted(self, msg="The TF-IDF vectorizer is not fitted")
        return self._weighed(self._scikit_transform(raw_documents))

    def to_sklearn(self) -> sklearn_text.TfidfVectorizer:
        check_is_fitted(self, "_tfidf")
        return super().to_sklearn()

    def __skopt_sklearn__(self) -> sklearn_text.TfidfVectorizer:
        return with_parameters_of(self, sklearn_text.TfidfVectorizer)

    def _fit_weights(self, raw_documents: Iterable[Any]) -> Any:
        self._check_params()
        with unchanged_on_failure(self):
            X = self._scikit_fit(raw_documents)
            if not isinstance(X, TermCounts):
                counts = X
            elif self.fixed_vocabulary_:
                counts = X.matrix(self.dtype)
            else:
                counts = columns_of(X.document_frequencies(), X.shape[0], self.dtype)
            self._tfidf = sklearn_text.TfidfTransformer(
                norm=self.norm, use_idf=self.use_idf, smooth_idf=self.smooth_idf, sublinear_tf=self.sublinear_tf
            ).fit(counts)
        return X

    def _weighed(self, X: Any) -> Any:
        if not isinstance(X, TermCounts):
            return self._ordered(self._tfidf.transform(X, copy=False))
        weights, dtype = self._tfidf, np.dtype(self.dtype)
        idf = getattr(weights, "idf_", None)
        result = dtype if dtype.kind == "f" else np.dtype(np.float64)
        of_fit = getattr(weights, "n_features_in_", None) == X.shape[1]
        known = idf is None or (idf.dtype == result and idf.shape == X.shape[1:])
        if not (X.shape[0] and of_fit and known):
            return weights.transform(X.matrix(dtype), copy=False)
        return X.matrix(result, weights.sublinear_tf, idf, weights.norm)


@documented_like(
    sklearn_text.HashingVectorizer,
    """>>> from skopt_solvers.feature_extraction.text import HashingVectorizer
    >>> HashingVectorizer(n_features=2**4).transform(["a good film", "a bad film"]).shape
    (2, 16)""",
    _N_JOBS,
)
class HashingVectorizer(Persistent, sklearn_text.HashingVectorizer, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Count the terms of documents in columns that a hash gives them.

    A scikit-learn HashingVectorizer with the same results. What is not compiled, a callable say, goes scikit-learn's
    own way.
    """

    _parameter_constraints = _with_threads(sklearn_text.HashingVectorizer)

    def __init__(
        self,
        *,
        input: str = "content",
        encoding: str = "utf-8",
        decode_error: str = "strict",
        strip_accents: str | Callable[[str], str] | None = None,
        lowercase: bool = True,
        preprocessor: Callable[[str], str] | None = None,
        tokenizer: Callable[[str], Any] | None = None,
        stop_words: str | Collection[str] | None = None,
        token_pattern: str | None = r"(?u)\b\w\w+\b",
        ngram_range: tuple[int, int] = (1, 1),
        analyzer: str | Callable[[Any], Any] = "word",
        n_features: int = 2**20,
        binary: bool = False,
        norm: str | None = "l2",
        alternate_sign: bool = True,
        dtype: DTypeLike = np.float64,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(
            input=input,
            encoding=encoding,
            decode_error=decode_error,
            strip_accents=strip_accents,
            lowercase=lowercase,
            preprocessor=preprocessor,
            tokenizer=tokenizer,
            stop_words=stop_words,
            token_pattern=token_pattern,
            ngram_range=ngram_range,
            analyzer=analyzer,
            n_features=n_features,
            binary=binary,
            norm=norm,
            alternate_sign=alternate_sign,
            dtype=dtype,
        )
        self.n_jobs = n_jobs

    def transform(self, X: Iterable[Any]) -> sp.csr_matrix:
        """Count the terms of documents.

        Parameters
        ----------
        X : iterable of str, bytes, file names or files
            The documents, as `input` says: texts, names of files, or open files.

        Returns
        -------
        CSR matrix of shape (n_documents, n_features)
            Its rows are sorted. Terms whose signs cancel leave a stored zero.
        """
        n_threads = effective_threads(self.n_jobs)
        if not isinstance(self.n_features, Integral) or not 1 <= int(self.n_features) < 2**31:
            self._validate_params()  # scikit-learn's own transform divides by it
        if isinstance(X, str) or not self._is_compiled():
            return super().transform(X)
        self._validate_ngram_range()
        steps = plan(self, X, hashes=True)
        if steps is None:
            return super().transform(X)
        try:
            rows = _text.hashed_rows(
                X, steps.rules, steps.source, self.n_features, bool(self.alternate_sign), n_threads
            )
        except _text.NotStrings:
            return super().transform(X)
        if not rows.n_documents:
            return super().transform([])  # which says so
        return TermCounts(rows, n_threads, bool(self.binary)).matrix(self.dtype, norm=self.norm)

    def to_sklearn(self) -> sklearn_text.HashingVectorizer:
        """Return a vectorizer of scikit-learn's own with the same parameters, which gives the same rows.

        Returns
        -------
        sklearn.feature_extraction.text.HashingVectorizer
        """
        return self.__skopt_sklearn__()

    def __skopt_sklearn__(self) -> sklearn_text.HashingVectorizer:
        return with_parameters_of(self, sklearn_text.HashingVectorizer)

    def _is_compiled(self) -> bool:
        return is_compiled(self.dtype) and np.dtype(self.dtype).kind == "f" and self.norm in (None, "l1", "l2")
