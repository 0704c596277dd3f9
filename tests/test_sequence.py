"""Sequences over one matrix, folds of whole sequences, and CoNLL files."""

import gzip
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate, train_test_split
from sklearn.utils import _safe_indexing

from skopt_solvers.sequence import CSRSequences, SequenceKFold, flat_lengths, read_conll, run_lengths

# CSRSequences

LENGTHS = [3, 0, 1, 4, 2, 0]
MATRIX = sp.random(10, 5, density=0.6, format="csr", random_state=0)
PARTS = np.split(MATRIX.toarray(), np.cumsum(LENGTHS)[:-1])


def assert_holds(sequences, numbers):
    """`sequences` are those of MATRIX with these numbers."""
    assert isinstance(sequences, CSRSequences)
    assert sequences.lengths.tolist() == [LENGTHS[i] for i in numbers] and len(sequences) == len(numbers)
    assert sequences.matrix.shape == (sum(LENGTHS[i] for i in numbers), 5)
    for sequence, i in zip(sequences, numbers, strict=True):
        np.testing.assert_array_equal(sequence.toarray(), PARTS[i])


@pytest.fixture(params=[sp.csr_matrix, sp.csr_array])
def sequences(request):
    return CSRSequences(request.param(MATRIX), LENGTHS)


def test_is_a_list_of_csr_matrices(sequences):
    assert_holds(sequences, range(6))
    assert sequences.shape == (6,)
    assert repr(sequences) == "<CSRSequences: 6 sequences, 10 tokens, 5 features>"
    for i in (0, 5, -1, -6, np.int32(3), np.int64(-2)):
        assert sequences[i].format == "csr" and type(sequences[i]) is type(sequences.matrix)
        np.testing.assert_array_equal(sequences[i].toarray(), PARTS[i])
    for i in (6, -7):
        with pytest.raises(IndexError, match=f"sequence {i} of 6"):
            sequences[i]


@pytest.mark.parametrize("key", [
    slice(None), slice(1, 4), slice(4, 1), slice(-2, None), slice(2, 2), slice(0, 6, 2), slice(None, None, -1),
    [0, 3], [3, 3, -1], [], np.array([5, 4, 0], dtype=np.int32), np.array([], dtype=int),
    [True, False, True, True, False, False], np.zeros(6, dtype=bool), np.arange(6) % 2 == 1,
], ids=str)  # fmt: skip
def test_slices_index_arrays_and_masks(sequences, key):
    numbers = np.arange(6)[key]
    assert_holds(sequences[key], numbers)
    assert_holds(sequences[key, ...], numbers)
    assert_holds(_safe_indexing(sequences, key), numbers)


def test_wrong_keys_are_refused(sequences):
    for key in ([6], [True, False], [0.5]):
        with pytest.raises(IndexError):
            sequences[key]


def test_a_part_of_a_part(sequences):
    assert_holds(sequences[2:][[2, 0]][::-1], [2, 4])


def test_pickles(sequences):
    assert_holds(pickle.loads(pickle.dumps(sequences)), range(6))


def test_splitters_of_scikit_learn_cut_it(sequences):
    labels = [np.full(length, i) for i, length in enumerate(LENGTHS)]
    train, test, train_labels, test_labels = train_test_split(sequences, labels, test_size=2, random_state=0)
    for part, part_labels, size in ((train, train_labels, 4), (test, test_labels, 2)):
        assert len(part) == size and [len(x) for x in part_labels] == part.lengths.tolist()
    seen = []
    for train_numbers, test_numbers in KFold(3).split(sequences, labels):
        assert_holds(_safe_indexing(sequences, train_numbers), train_numbers)
        seen += test_numbers.tolist()
    assert seen == list(range(6))


def test_no_sequences_and_empty_ones():
    nothing = CSRSequences(sp.csr_matrix((0, 5)), [])
    assert len(nothing) == 0 and list(nothing) == [] and len(nothing[[]]) == 0 and len(nothing[:3]) == 0
    empty = CSRSequences(sp.csr_matrix((0, 5)), [0, 0])
    assert [sequence.shape for sequence in empty] == [(0, 5), (0, 5)]


@pytest.mark.parametrize("matrix, lengths, message", [
    (MATRIX.tocsc(), LENGTHS, "matrix must be a CSR matrix, got csc_matrix"),
    (MATRIX.toarray(), LENGTHS, "matrix must be a CSR matrix, got ndarray"),
    (MATRIX, [3, 4], "sum to the 10 rows of matrix, got 7 in 2 sequences"),
    (MATRIX, [11, -1], "lengths must be non-negative"),
    (MATRIX, [[5], [5]], "lengths must be"),
])  # fmt: skip
def test_malformed_sequences_are_refused(matrix, lengths, message):
    with pytest.raises(ValueError, match=message):
        CSRSequences(matrix, lengths)


# Ids and lengths


def test_run_lengths():
    assert run_lengths([7, 7, 3, 3, 3, 9]).tolist() == [2, 3, 1]
    assert run_lengths(["a", "b", "b"]).tolist() == [1, 2]
    assert run_lengths(np.array(["a", 1, 1], dtype=object)).tolist() == [1, 2]
    assert run_lengths([]).tolist() == []
    with pytest.raises(ValueError, match="id 'a' comes back at token 3, after another id"):
        run_lengths(["a", "a", "b", "a"])
    with pytest.raises(ValueError, match="got NaN for token 1"):
        run_lengths([1.0, np.nan])
    with pytest.raises(ValueError, match=r"1-D, one id a token, got shape \(2, 1\)"):
        run_lengths([[1], [2]])


def test_flat_lengths():
    assert flat_lengths(5, lengths=[2, 0, 3]).tolist() == [2, 0, 3]
    assert flat_lengths(0, lengths=[]).tolist() == []
    assert flat_lengths(5, sequence_ids=[1, 1, 4, 4, 4]).tolist() == [2, 3]
    with pytest.raises(ValueError, match="one of the two, got neither"):
        flat_lengths(5)


# SequenceKFold


@given(st.lists(st.integers(1, 30), min_size=2, max_size=40), st.integers(2, 7), st.booleans(), st.integers(0, 5))
def test_folds_are_whole_disjoint_and_balanced(lengths, n_splits, shuffle, seed):
    n_splits = min(n_splits, len(lengths))
    ids = np.repeat(np.arange(len(lengths))[::-1], lengths)
    splitter = SequenceKFold(n_splits, shuffle=shuffle, random_state=seed if shuffle else None)
    folds = list(splitter.split(np.zeros((len(ids), 1)), sequence_ids=ids))
    assert len(folds) == n_splits == splitter.get_n_splits()
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(len(ids)))
    for train, test in folds:
        assert len(test) and not set(ids[train]) & set(ids[test])
        np.testing.assert_array_equal(train, np.setdiff1d(np.arange(len(ids)), test))
        np.testing.assert_array_equal(test, np.sort(test))
    longest = max(lengths)
    if longest * n_splits <= len(ids):  # else a fold may have to take more to leave one for each other fold
        assert all(abs(len(test) - len(ids) / n_splits) <= longest for _, test in folds)


def test_unshuffled_folds_are_blocks_of_equal_tokens():
    ids = np.repeat(np.arange(6), [10, 1, 1, 8, 5, 5])
    tests = [np.unique(ids[test]).tolist() for _, test in SequenceKFold(3).split(ids, sequence_ids=ids)]
    assert tests == [[0], [1, 2, 3], [4, 5]]
    ids = np.repeat(np.arange(4), [100, 1, 1, 1])
    tests = [np.unique(ids[test]).tolist() for _, test in SequenceKFold(4).split(ids, sequence_ids=ids)]
    assert tests == [[0], [1], [2], [3]]


def test_shuffled_folds_depend_on_the_seed_alone():
    ids = np.repeat(np.arange(30), 3)

    def folds(seed):
        return [test.tolist() for _, test in SequenceKFold(5, shuffle=True, random_state=seed).split(ids, groups=ids)]

    assert folds(0) == folds(0) != folds(1)
    plain = [test.tolist() for _, test in SequenceKFold(5).split(ids, groups=ids)]
    assert folds(0) != plain and sorted(map(len, folds(0))) == [18] * 5


@pytest.mark.parametrize("options, message", [
    ({}, "give sequence_ids .* got neither; where X is a list of sequences, KFold"),
    (dict(groups=[1] * 6, sequence_ids=[1] * 6), "one of the two, got both"),
    (dict(sequence_ids=[1, 1, 2, 2, 1, 1]), "id 1 comes back at token 4"),
    (dict(sequence_ids=[1, 1, 2]), "inconsistent numbers of samples"),
    (dict(sequence_ids=[1, 1, 2, 2, 3, 3]), "n_splits=5 folds need as many sequences, got 3"),
])  # fmt: skip
def test_bad_ids_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        next(SequenceKFold().split(np.zeros((6, 1)), **options))


def test_bad_parameters_are_refused():
    with pytest.raises(ValueError, match="n_splits=2 or more"):
        SequenceKFold(1)
    with pytest.raises(ValueError, match="shuffle is False"):
        SequenceKFold(random_state=0)


class WholeSequences(ClassifierMixin, BaseEstimator):
    """Fits only where its ids are whole: token i of a sequence of n has the features (i, n)."""

    def __init__(self, offset=0):
        self.offset = offset

    def fit(self, X, y, sequence_ids):
        self.classes_ = np.unique(y)
        self.n_sequences_ = self.count(X, sequence_ids)
        return self

    def predict(self, X):
        return X[:, 0] + self.offset

    @staticmethod
    def count(X, sequence_ids):
        lengths = run_lengths(sequence_ids)
        expected = [(i, length) for length in lengths for i in range(length)]
        assert X.tolist() == [list(token) for token in expected]
        return len(lengths)


SIZES = [2, 5, 1, 3, 4, 2, 6, 3]
X = np.array([(i, size) for size in SIZES for i in range(size)])
Y = X[:, 0]
IDS = np.repeat([f"s{i}" for i in range(8)], SIZES)


def test_grid_search_with_metadata_routing():
    with config_context(enable_metadata_routing=True):
        model = WholeSequences().set_fit_request(sequence_ids=True)
        for cv in (SequenceKFold(3), SequenceKFold(3, shuffle=True, random_state=0)):
            search = GridSearchCV(model, {"offset": [1, 0]}, cv=cv, error_score="raise").fit(X, Y, sequence_ids=IDS)
            assert search.best_params_ == {"offset": 0} and search.best_score_ == 1.0 and search.n_splits_ == 3
            assert search.best_estimator_.n_sequences_ == 8
            found = cross_validate(model, X, Y, cv=cv, params={"sequence_ids": IDS}, return_estimator=True)
            assert sum(8 - estimator.n_sequences_ for estimator in found["estimator"]) == 8
        other_name = SequenceKFold(3).set_split_request(sequence_ids="sentence", groups=False)
        model = WholeSequences().set_fit_request(sequence_ids="sentence")
        assert (cross_val_score(model, X, Y, cv=other_name, params={"sentence": IDS}) == 1).all()
        model = WholeSequences().set_fit_request(sequence_ids="groups")
        assert (cross_val_score(model, X, Y, cv=SequenceKFold(3), params={"groups": IDS}) == 1).all()


def test_grid_search_with_groups():
    search = GridSearchCV(WholeSequences(), {"offset": [1, 0]}, cv=SequenceKFold(3), error_score="raise")
    search.fit(X, Y, groups=IDS, sequence_ids=IDS)
    assert search.best_score_ == 1.0
    scores = cross_val_score(
        WholeSequences(), X, Y, groups=IDS, cv=SequenceKFold(), params={"sequence_ids": IDS}, error_score="raise"
    )
    assert len(scores) == 5


# read_conll


@pytest.fixture
def write(tmp_path):
    def write(text, name="file.txt", encoding="utf-8"):
        data = text.encode(encoding)
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


CONLL2003 = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
# # I-NP O
rejects VBZ B-VP O

-DOCSTART- -X- O O

Peter NNP B-NP B-PER
"""


@pytest.mark.parametrize("name", ["train.txt", "train.txt.gz"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("as_path", [str, lambda path: path])
def test_conll_2003(write, name, newline, as_path):
    path = as_path(write(CONLL2003.replace("\n", newline), name))
    words, labels = read_conll(path)
    assert words == [["EU", "#", "rejects"], ["Peter"]]
    assert labels == [["B-ORG", "O", "O"], ["B-PER"]]
    assert read_conll(path, 1) == [["NNP", "#", "VBZ"], ["NNP"]]
    assert read_conll(path, [2]) == ([["B-NP", "I-NP", "B-VP"], ["B-NP"]],)
    assert read_conll(path, (-1, 0, 0)) == (labels, words, words)


def test_docstart_ends_a_sentence_without_empty_lines(write):
    path = write("-DOCSTART- O\nEl DA\n-DOCSTART- O\nla DA\n\n\n\n")
    assert read_conll(path, 0) == [["El"], ["la"]]


def test_odd_white_space_belongs_to_tokens(write):
    tokens = ["a\u00a0b", "\u2003", "\u2028", "x\x85y", "\u200b", "\ufeff", "two words", "", "#", "#tag", " ", "\x0c"]
    path = write("\t\n" + "".join(f"{token}\tO\n" for token in tokens) + "\t\n  \nlast\tB-x\n")
    words, labels = read_conll(path)
    assert words == [tokens, ["last"]]
    assert labels == [["O"] * len(tokens), ["B-x"]]


def test_spaces_around_columns(write):
    path = write("  He   PRP  B-NP \nran\u00a0off VB B-VP\n\u00a0 SP O\n")
    words, tags, chunks = read_conll(path, (0, 1, 2))
    assert words == [["He", "ran\u00a0off", "\u00a0"]]
    assert tags == [["PRP", "VB", "SP"]] and chunks == [["B-NP", "B-VP", "O"]]


def test_separator_and_comment(write):
    path = write("# id 1\tdomain=en\na|#|O\n# id 2\n#|b|\n")
    assert read_conll(path, (0, 1, 2), separator="|", comment="# id") == ([["a", "#"]], [["#", "b"]], [["O", ""]])


def test_byte_order_mark_and_encodings(write):
    assert read_conll(write("Él PP\n", encoding="utf-8-sig"), 0) == [["Él"]]
    assert read_conll(write("Él PP\n", encoding="latin-1"), 0, encoding="latin-1") == [["Él"]]
    with pytest.raises(ValueError, match=r"file.txt, line 3: not utf-8 .*; give its encoding"):
        read_conll(write("a O\n\nÉl PP\n", encoding="latin-1"))
    with pytest.raises(ValueError, match=r"file.txt: not punycode .*; give its encoding"):
        read_conll(write("a O\n"), encoding="punycode")


@pytest.mark.parametrize("encoding", ["hex", "rot13", "zlib", "undefined", "latin-99", "utf-8\0", None, 8])
def test_what_is_no_encoding_of_text(write, encoding):
    with pytest.raises(ValueError, match="encoding must be the name of an encoding of text, got"):
        read_conll(write("a O\n"), encoding=encoding)


def test_a_file_of_nothing(write):
    for text in ("", "\n\n", "-DOCSTART- -X-\n\n"):
        assert read_conll(write(text)) == ([], [])
        assert read_conll(write(text), 0) == []


CONLLU = """# newdoc id = d
# text = vámonos al #
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\tV\tMood=Imp|Number=Plur\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\tP\t_\t1\tobj\t_\t_
2.1\tfue\tir\tAUX\t_\t_\t_\t_\t0:x\t_
3\t#\t#\tSYM\tS\t_\t1\tobl\t_\tSpaceAfter=No

# sent_id = 2
1\ta b\ta b\tX\t_\t_\t0\troot\t_\t_
"""


@pytest.mark.parametrize("name, options", [
    ("es.conllu", {}), ("es.conllu.gz", {}), ("es.txt", {}), ("es.txt", dict(conllu=True)),
])  # fmt: skip
def test_conllu(write, name, options):
    path = write(CONLLU, name)
    forms, tags, features = read_conll(path, ("form", "upos", "feats"), **options)
    assert forms == [["vamos", "nos", "#"], ["a b"]]
    assert tags == [["VERB", "PRON", "SYM"], ["X"]]
    assert features == [["Mood=Imp|Number=Plur", "_", "_"], ["_"]]
    assert read_conll(path, "lemma", **options) == [["ir", "nosotros", "#"], ["a b"]]
    if options or ".conllu" in name:
        assert read_conll(path, (1, -1), **options) == (forms, [["_", "_", "SpaceAfter=No"], ["_"]])


@pytest.mark.parametrize("text, columns, options, message", [
    ("a O\n\nb\n", (0, 1), {}, r"file.txt, line 3: 1 columns, too few for columns 0, 1"),
    ("\na\n", (0, -2), {}, r"line 2: 1 columns, too few for columns 0, -2"),
    ("a x O\nb y z O\n", (0, -1), {}, r"line 2: 4 columns where line 1 has 3, .* \(-1\) would not be the same"),
    ("1\ta\n", 0, dict(conllu=True), r"line 1: 2 columns separated by tabs, CoNLL-U has 10"),
    (CONLLU.replace("3\t", "x\t"), "form", {}, r"line 7: 'x' is not the id of a CoNLL-U token"),
    ("a O\n", "word", {}, r"columns: 'word' is not a column; it must be one of id, form, lemma"),
    ("a O\n", "form", dict(conllu=False), r"it must be a number, as the file is not CoNLL-U"),
    ("a O\n", (0, 1.5), {}, r"columns must hold numbers or names, got 1.5"),
    ("a O\n", True, {}, r"columns must hold numbers or names, got True"),
    ("a O\n", (), {}, r"columns must name one column at least"),
])  # fmt: skip
def test_errors_name_the_line(write, text, columns, options, message):
    with pytest.raises(ValueError, match=message):
        read_conll(write(text), columns, **options)


def test_lines_of_several_widths_have_columns_from_the_left(write):
    assert read_conll(write("a x O\nb y z O\n"), (0, 1)) == ([["a", "b"]], [["x", "y"]])
