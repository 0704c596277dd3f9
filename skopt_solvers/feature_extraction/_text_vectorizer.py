"""Run scikit-learn's fits of vectorizers of counts, with compiled counts in the place of a matrix."""

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils.validation import check_is_fitted

from .._base.pickling import Persistent
from .._base.rollback import unchanged_on_failure
from .._base.threads import effective_threads
from .._kernels import _text
from ._shared_counts import CountedDocuments, SharedVocabulary, shared_counts
from ._text_counts import TermCounts, count, count_known, is_compiled, sorted_rows
from ._text_rules import plan
from ._text_vocabulary import CompiledVocabulary


def with_parameters_of(vectorizer: Any, cls: type) -> Any:
    """Return a vectorizer of scikit-learn's with the parameters of one of ours, not fitted.

    Parameters
    ----------
    vectorizer : CountVectorizer, TfidfVectorizer or HashingVectorizer
    cls : type
        Its base in scikit-learn.
    """
    return cls(**{name: value for name, value in vectorizer.get_params(deep=False).items() if name != "n_jobs"})


class NewVocabulary:
    """Stands for the vocabulary of counts while scikit-learn's `fit_transform` works on it.

    Parameters
    ----------
    counts : _text.WordCounts, _text.StringCounts or _text.Selection
    kind : str
    numpy_columns : bool
    documents : CountedDocuments, optional
        Of which the counts are a selection.
    """

    def __init__(self, counts: Any, kind: str, numpy_columns: bool, documents: CountedDocuments | None = None) -> None:
        self.counts, self.kind, self.numpy_columns, self.documents = counts, kind, numpy_columns, documents

    def compiled(self) -> CompiledVocabulary:
        """Return the vocabulary; counts of their own keep none."""
        if self.documents is not None:
            return self.documents.vocabulary(self.counts, self.numpy_columns)
        n_columns = self.counts.n_columns
        return CompiledVocabulary(self.counts.take_vocabulary(), self.kind, n_columns, self.numpy_columns)


class CountsTerms(Persistent, CountVectorizer):
    """Overrides the steps of scikit-learn's CountVectorizer that take time."""

    _compiled: Any
    _as_met = False  # rows of `fit_transform` are sorted, not in scikit-learn's order

    @property
    def vocabulary_(self) -> Any:
        """The column of each term, a dict; made when it is first asked for."""
        state = self.__dict__
        if "vocabulary_" not in state:
            if "_compiled" not in state:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute 'vocabulary_'")
            terms = self._compiled.as_dict()
            self._compiled.made_of(terms)
            state["vocabulary_"] = terms
        return state["vocabulary_"]

    @vocabulary_.setter
    def vocabulary_(self, terms: Any) -> None:
        self._forget_vocabulary()
        if isinstance(terms, NewVocabulary):
            self._compiled = terms.compiled()
        else:
            self.__dict__["vocabulary_"] = terms

    @vocabulary_.deleter
    def vocabulary_(self) -> None:
        if "vocabulary_" not in self.__dict__ and "_compiled" not in self.__dict__:
            raise AttributeError("vocabulary_")
        self._forget_vocabulary()

    def _forget_vocabulary(self) -> None:
        self.__dict__.pop("vocabulary_", None)
        self.__dict__.pop("_compiled", None)

    def _has_no_dict(self) -> bool:
        """Return whether there is a vocabulary of which nobody has asked for the dict."""
        return "_compiled" in self.__dict__ and "vocabulary_" not in self.__dict__

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the terms in the order of their columns.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str objects
        """
        return self._compiled.names() if self._has_no_dict() else super().get_feature_names_out(input_features)

    def _check_vocabulary(self) -> None:
        if not self._has_no_dict():
            super()._check_vocabulary()

    def _known_terms(self, kind: str) -> CompiledVocabulary | None:
        """Return the compiled vocabulary that is fitted or was given, None where it cannot be compiled."""
        state = self.__dict__
        compiled, terms = state.get("_compiled"), state.get("vocabulary_")
        if terms is None or (compiled is not None and compiled.is_of(terms)):
            return compiled
        if type(terms) is not dict:
            return None
        state["_compiled"] = CompiledVocabulary.of_dict(terms, kind)
        return state["_compiled"]

    def _count_vocab(self, raw_documents: Iterable[Any], fixed_vocab: bool) -> tuple[Any, Any]:
        steps = plan(self, raw_documents) if is_compiled(self.dtype) else None
        n_threads = effective_threads(self.n_jobs)
        known = self._known_terms(steps.kind) if steps and fixed_vocab else None
        if steps is None or (fixed_vocab and known is None):
            return super()._count_vocab(raw_documents, fixed_vocab)
        shared = shared_counts() if known is None or isinstance(known, SharedVocabulary) else None
        counted = shared.counted(self, raw_documents, steps, n_threads) if shared else None
        try:
            if known is not None:
                if counted is not None and counted.knows(known):
                    return known, counted.known_counts(known, n_threads)
                return known, count_known(raw_documents, steps, known, n_threads)
            counts = count(raw_documents, steps, n_threads) if counted is None else counted.counts(n_threads)
            counts.as_met = self._as_met
        except _text.NotStrings:
            return super()._count_vocab(raw_documents, fixed_vocab)
        if not counts.counts.n_columns:
            return super()._count_vocab([], fixed_vocab)  # which says that there are no terms
        return NewVocabulary(counts.counts, steps.kind, self.max_features is not None, counted), counts

    def _sort_features(self, X: Any, vocabulary: Any) -> Any:
        if not isinstance(X, TermCounts):
            return super()._sort_features(X, vocabulary)
        X.counts.sort()
        return X

    def _limit_features(
        self, X: Any, vocabulary: Any, high: Any = None, low: Any = None, limit: int | None = None
    ) -> Any:
        if not isinstance(X, TermCounts):
            return super()._limit_features(X, vocabulary, high, low, limit)
        n_documents, n_terms = X.shape
        if (limit is None or n_terms <= limit) and low <= 1 and high >= n_documents:
            return X  # every term is in a document
        frequencies = X.document_frequencies()
        kept = (frequencies >= low) & (frequencies <= high)
        if limit is not None and kept.sum() > limit:
            # NumPy's order, which is not stable, decides between terms of one frequency
            most_frequent = (-X.term_frequencies(self.dtype)[kept]).argsort()[:limit]
            kept[np.setdiff1d(np.flatnonzero(kept), np.flatnonzero(kept)[most_frequent])] = False
        if not kept.any():  # scikit-learn says so
            return super()._limit_features(sp.csr_matrix((1, 0), dtype=np.int64), {}, high, low, limit)
        X.counts.keep(kept)
        return X

    def _matrix(self, X: Any) -> Any:
        """Return counts as the matrix that scikit-learn makes, in the order of its columns."""
        return X.matrix(self.dtype) if isinstance(X, TermCounts) else self._ordered(X)

    def _ordered(self, X: Any) -> Any:
        """Return a matrix of scikit-learn's own in the order that rows of this class have."""
        return X if self._as_met else sorted_rows(X)

    def _scikit_fit(self, raw_documents: Iterable[Any]) -> Any:
        """Return the counts of a fit by scikit-learn's CountVectorizer."""
        with unchanged_on_failure(self):
            return CountVectorizer.fit_transform(self, raw_documents)

    def _scikit_transform(self, raw_documents: Iterable[Any]) -> Any:
        return CountVectorizer.transform(self, raw_documents)

    def to_sklearn(self) -> Any:
        """Return a fitted vectorizer of scikit-learn's own, which gives the same rows.

        It holds a copy of the vocabulary, a dict, and what else was learned, and knows nothing of this package.

        Returns
        -------
        vectorizer
            ``sklearn.feature_extraction.text.CountVectorizer`` or ``TfidfVectorizer``, as the class is.

        Raises
        ------
        NotFittedError
            Before `fit`, where no vocabulary is given.
        """
        if self.vocabulary is None:
            check_is_fitted(self, "vocabulary_")
        result = self.__skopt_sklearn__()
        for name in ("vocabulary_", "fixed_vocabulary_", "_tfidf"):
            if hasattr(self, name):
                setattr(result, name, copy.deepcopy(getattr(self, name)))
        return result

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        compiled = state.pop("_compiled", None)
        if compiled is not None and "vocabulary_" not in state:
            state["_compiled"] = compiled.stored()
        return state

    def _check_stored(self) -> None:
        if "_compiled" in self.__dict__:
            self._compiled = CompiledVocabulary.loaded(self._compiled, self)
