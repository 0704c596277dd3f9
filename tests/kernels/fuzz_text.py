"""Right and wrong arguments of the compiled module that counts the terms of texts, as `fuzz_kernels` wants them."""

import re
import warnings

import numpy as np

from skopt_solvers._kernels import _text

from ..estimator.fuzz_arguments import Arguments

ALPHABETS = (
    "aB c", "ab 1_-.", "é ß\xa0Ä", "Σσς Iİ", "a\ud800\udfff ", "\U0001f600 \U0010ffff\U00010400x", "\x00 \x85\u2003",
    "aaaa ",
)  # fmt: skip
PATTERNS = (r"\w+", r"\w+", r"[a-z-]+", r"\S+", r"\d+", r".*")
KINDS = {"Word": (_text.WordCounts, _text.WordVocabulary), "String": (_text.StringCounts, _text.StringVocabulary)}


class Shouted(str):
    """A string whose lower case is no string."""

    def lower(self):
        return 5


class OddRuns:
    """Finds runs as a compiled regular expression does, but anywhere."""

    def __init__(self, begin, end):
        self.start, self.end = (lambda: begin), (lambda: end)

    def finditer(self, text):
        return [self]


def reading(f):
    """Return a call of what reads documents, where to be told that tokens are no strings is a refusal."""

    def call(**arguments):
        try:
            return f(**arguments)
        except _text.NotStrings as error:
            raise ValueError(str(error)) from None

    return call


class TextArguments(Arguments):
    """Calls of everything that is bound in the module."""

    # Documents, and functions of Python's that read them

    def text(self):
        alphabet = self.r.choice(ALPHABETS)
        return "".join(self.r.choice(alphabet) for _ in range(self.r.choice([0, 1, 5, 40])))

    def odd(self):
        return self.r.choice([None, 3, b"a b", b"\xff", [], ["a", 3], ("a", "b c"), Shouted("İ B"), object()])

    def documents(self):
        """A container of documents, and what of it a function that reads them may change meanwhile."""
        self.share = self.r.choice([0, 0, 0, 0.02])
        items = [
            self.odd() if self.r.random() < self.share else self.text() for _ in range(self.r.choice([0, 1, 4, 600]))
        ]
        if self.large:
            items.append(self.r.choice(["ab Cd e ", "é\u0394 x ", "\U0001f600 a "]) * 9_000)
            items += items
        self.read = items
        kind = self.r.choice(["list", "list", "list", "tuple", "generator", "raises"])
        return {"list": items, "tuple": tuple(items)}.get(kind) or self.generated(items, kind == "raises")

    def generated(self, items, raises):
        yield from items
        if raises:
            raise ValueError("no more")

    def meddle(self):
        """Change the list that is being read."""
        if self.r.random() < 0.05:
            kind = self.r.choice(["clear", "pop", "append", "nothing"])
            if kind == "clear":
                self.read.clear()
            elif kind == "pop" and self.read:
                self.read.pop()
            elif kind == "append" and len(self.read) < 2000:
                self.read.append("x" * self.r.randrange(100))

    def decode(self, document):
        self.meddle()
        return self.odd() if self.r.random() < self.share else document

    def prepare(self, document):
        self.meddle()
        if self.r.random() < self.share:
            return self.odd()
        if self.way == 3:
            return str(document).split()
        return str(document).lower()

    # What they are read with

    def mostly(self, f, **arguments):
        """Call what all else needs, with right arguments in nine of ten cases."""
        return self.call(f, **arguments) if self.r.random() < 0.1 else self.call(lambda: f(**arguments))

    def characters(self, lower):
        odd = OddRuns(self.r.choice([0, 5, -1, 2**16]), self.r.choice([0, 5, 2**16, 2**16 + 1, 2**63]))
        runs = self.r.choice([*map(re.compile, PATTERNS * 3), odd, None])
        return self.mostly(_text.Characters, lower=lower, runs=runs)

    def token(self):
        least = self.r.choice([*[0, 1, 1, 2, 5] * 4, 2**31 - 1, 2**64 - 1])
        return least, self.r.random() < 0.5, self.r.random() < 0.5

    def rules(self, units):
        lower = self.r.random() < 0.5
        low = self.r.choice([1, 1, 2, 3])
        high = low + self.r.choice([0, 1] if self.large else [0, 1, 3, 10**6])
        limits = dict(low=low, high=high)
        others = dict(
            units=units, token=self.token(),
            lower=lower, characters=self.characters(lower), as_is=self.characters(False),
            stop_words=self.r.choice([*[None, None, [], ["a", "ab", "é", "\ud800", ""]] * 3, ["a", 3], "ab"]),
            seeks_surrogates=self.r.random() < 0.5,
        )  # fmt: skip
        if self.large:  # all n-grams of a long text do not fit into memory
            return self.mostly(lambda **rest: _text.Rules(**limits, **rest), **others)
        return self.mostly(_text.Rules, **limits, **others)

    def text_threads(self):
        return self.r.choice([1, 1, 2, 3, 10**6])

    def texts(self):
        with warnings.catch_warnings():
            # a second __init__, and objects without one, are warned of
            warnings.simplefilter("ignore", RuntimeWarning)
            self.calls_on_texts()
        self.means = None  # a source holds this object's methods, which the collector of garbage does not see

    def calls_on_texts(self):
        self.large = self.r.random() < 0.05
        kind = self.r.choice(list(KINDS))
        self.way = self.r.choice([0, 0, 1, 2, 3])
        units = 0 if kind == "Word" else self.r.choice([1, 2, 3])
        source = self.mostly(
            _text.Source, way=self.way, decodes=self.r.random() < 0.3, decode=self.decode, prepare=self.prepare
        )
        rules = self.rules(units)
        if rules is None or source is None:
            return
        self.means = dict(rules=rules, source=source, n_threads=self.text_threads())
        counts, vocabulary = KINDS[kind]
        self.several(
            [
                lambda: self.counts(counts),
                lambda: self.given(vocabulary),
                lambda: self.stored(vocabulary),
                lambda: self.matrices(
                    self.mostly(
                        reading(_text.hashed_rows), documents=self.documents(), n_features=self.r.choice([1, 8, 2**20]),
                        alternate_sign=self.r.random() < 0.5, **self.means,
                    )
                ),
                lambda: self.unmade(self.r.choice([counts, vocabulary, _text.Rows])),
            ]
        )  # fmt: skip

    def counts(self, make):
        counts = self.mostly(reading(make), documents=self.documents(), **self.means)
        if counts is None:
            return
        for _ in range(4):
            kept = self.rng.rand(counts.n_columns) < 0.7
            self.several(
                [
                    lambda: self.call(counts.totals, of_documents=self.r.random() < 0.5),
                    lambda kept=kept: self.call(counts.keep, kept=kept),
                    lambda: self.call(counts.sort),
                    lambda: self.matrices(counts),
                    lambda: self.call(reading(counts.add), documents=self.documents(), **self.means),
                    lambda: self.selected(counts),
                    lambda: self.known(self.call(counts.take_vocabulary)),
                ]
            )

    def selected(self, counts):
        """Call what gives the counts of some documents."""
        n = counts.n_documents
        some = self.integers(0, max(n, 1), self.r.choice([0, 1, n]) if n else 0, np.int32)
        low = self.r.choice([0, 1, 2, 2**40])
        selection = self.call(counts.select, documents=some, low=low, high=self.r.choice([1, 2, 2**31 - 1]))
        if selection is not None:
            self.several(
                [
                    lambda: self.call(selection.columns),
                    lambda: self.call(selection.totals, of_documents=True),
                    lambda: self.call(selection.keep, kept=self.rng.rand(selection.n_columns) < 0.7),
                    lambda: self.call(selection.sort),
                    lambda: self.matrices(selection),
                ]
            )
        n_ids = counts.n_ids
        columns = self.integers(-1, 9, self.r.choice([0, n_ids // 2, n_ids]), np.int32)
        self.matrices(
            self.call(counts.rows, documents=some, columns=columns, n_columns=self.r.choice([1, 9, 2**31 - 1]))
        )
        self.call(counts.terms, ids=self.integers(0, max(n_ids, 1), min(n_ids, 3), np.int32))

    def matrices(self, rows):
        """Call the four methods of counts or rows."""
        if rows is None:
            return
        dtype = self.r.choice([np.int32, np.int64, np.float32, np.float64])
        weighs = np.dtype(dtype).kind == "f" and self.r.random() < 0.7
        some = lambda size: self.numbers(size, dtype) if weighs and self.r.random() < 0.7 else None  # noqa: E731
        name = f"matrix{np.dtype(dtype).kind.upper()}{8 * np.dtype(dtype).itemsize}"
        made = self.call(
            getattr(rows, name), binary=self.r.random() < 0.3, tf=some(rows.largest + 1),
            idf=some(min(rows.n_columns, 10**6)), norm=self.r.choice([0, 1, 2]) if weighs else 0,
            n_threads=self.text_threads(),
        )  # fmt: skip
        if made is not None:
            data, indices, indptr = made
            assert len(indptr) == rows.n_documents + 1 and indptr[0] == 0 and indptr[-1] == len(data) == len(indices)
            assert not len(indices) or (indices.min() >= 0 and indices.max() < rows.n_columns)

    def known(self, vocabulary):
        """Call the methods of a vocabulary."""
        if vocabulary is None:
            return
        n_columns = int(np.max(vocabulary.items()[1], initial=-1)) + 1
        state = vocabulary.__getstate__()
        self.several(
            [
                lambda: self.call(vocabulary.items),
                lambda: self.call(lambda: len(vocabulary)),
                lambda: self.by_place(vocabulary.__setstate__, state=state),
                lambda: self.load(type(vocabulary), *state),
                lambda: self.matrices(
                    self.mostly(
                        reading(vocabulary.rows), documents=self.documents(), n_columns=n_columns, **self.means
                    )
                ),
            ]
        )  # fmt: skip

    def given(self, make):
        terms = sorted({self.text() for _ in range(self.r.choice([0, 1, 5, 30]))})
        columns = self.rng.permutation(len(terms)).astype(np.int32)
        self.known(self.call(make, terms=self.r.choice([terms, terms, terms * 2, [*terms, 3]]), columns=columns))

    def load(self, make, text, lengths, columns):
        vocabulary = make.__new__(make)
        loaded = lambda **state: vocabulary.__setstate__(tuple(state.values())) or vocabulary  # noqa: E731
        text = self.r.choice([text, text, text[:-1], text + b"x", b"\xff\xfe\x00\x01\x80", b"\xed\xa0\x80"])
        return self.call(loaded, text=text, lengths=lengths, columns=columns)

    def stored(self, make):
        terms = [self.text().encode("utf-8", "surrogatepass") for _ in range(self.r.choice([0, 1, 5]))]
        lengths = np.array([len(term) for term in terms], np.uint32)
        columns = self.rng.permutation(len(terms)).astype(np.int32)
        self.known(self.load(make, b"".join(terms), lengths, columns))

    def unmade(self, make):
        """Call what an object without __init__ has, and pass one as an argument."""
        bare = make.__new__(make)
        for name in ("sort", "take_vocabulary", "items", "__len__", "__getstate__", "n_columns", "largest"):
            if hasattr(make, name):
                self.call(lambda name=name: getattr(bare, name)())
        other = self.r.choice([_text.Rules, _text.Source])
        means = dict(self.means, **{other.__name__.lower(): other.__new__(other)})
        self.call(reading(_text.WordCounts), documents=self.documents(), **means)
