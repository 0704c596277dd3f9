"""Metrics of sequences: against seqeval, scikit-learn and conlleval's rules by hand; containers, errors, scorers.

seqeval without a mode reads B, I, E and S as conlleval with its extension to IOBES does. It differs, and conlleval is
followed: a bare "B" has the type "" there and "_" in seqeval; seqeval only warns of labels of no scheme, to which L, U
and M belong, and fails in its averages where there is no entity at all. Hence neither occurs in what is compared with
it, and labels of BILOU and BMES are spelt as those of IOBES for it. It has no BMES with a mode either.
"""

import numpy as np
import pandas as pd
import pytest
import seqeval.metrics
import seqeval.scheme
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate

from skopt_solvers.metrics import (
    entity_f1,
    entity_f1_scorer,
    entity_report,
    make_sequence_scorer,
    sequence_accuracy,
    sequence_accuracy_scorer,
    token_f1,
    token_f1_scorer,
)
from skopt_solvers.sequence import SequenceKFold

AVERAGES = ["micro", "macro", "weighted", None]


@st.composite
def label_pairs(draw, labels):
    """True and predicted sequences of equal lengths over few labels, so that entities often match."""
    pairs = draw(
        st.lists(st.lists(st.tuples(st.sampled_from(labels), st.sampled_from(labels)), max_size=8), min_size=1)
    )
    return [[true for true, _ in pair] for pair in pairs], [[pred for _, pred in pair] for pair in pairs]


def tags(prefixes):
    return ["O"] + [f"{prefix}-{name}" for prefix in prefixes for name in ("PER", "x-y")]


def flat(sequences):
    return [label for sequence in sequences for label in sequence]


def ids_of(sequences):
    return [f"s{i}" for i, sequence in enumerate(sequences) for _ in sequence]


# Entities


@pytest.mark.parametrize("scheme, broken, meant", [
    ("iob2", "I-A I-A O", "B-A I-A O"),
    ("iob2", "O I-A B-A", "O B-A B-A"),
    ("iob2", "B-A I-B I-A", "B-A B-B B-A"),
    ("iob1", "I-A I-A B-A I-A I-B", "B-A I-A B-A I-A B-B"),
    ("iobes", "B-A I-A B-A O", "B-A E-A S-A O"),
    ("iobes", "I-A E-A E-A I-A", "B-A E-A S-A S-A"),
    ("iobes", "S-A I-A S-A E-A", "S-A S-A S-A S-A"),
    ("iobes", "B-A E-B O E-A", "S-A S-B O S-A"),
    ("iobes", "E-A B-A I-A S-A", "S-A B-A E-A S-A"),
    ("iobes", "B I E-A S", "B E S-A S"),
])  # fmt: skip
def test_broken_sequences_are_read_as_conlleval_reads_them(scheme, broken, meant):
    broken, meant = broken.split(), meant.split()
    assert entity_f1([broken], [meant], scheme=scheme) == 1.0
    record = entity_report([broken], [meant], scheme=scheme)[-1]
    begun = sum(label.startswith(("B", "S")) for label in meant)
    assert record["support"] == record["predicted"] == begun


def test_an_entity_ends_with_its_sequence():
    two, one = [["B-A"], ["I-A"]], [["B-A", "I-A"]]
    assert entity_report(two, two)[0]["support"] == 2
    assert entity_report(one, one)[0]["support"] == 1
    assert entity_report(flat(two), flat(two), lengths=[0, 1, 0, 1, 0])[0]["support"] == 2


def test_type_first_and_last_token_must_all_be_right():
    true = [["B-A", "I-A", "O", "B-B"]]
    assert entity_f1(true, [["B-A", "O", "O", "B-B"]]) == 0.5
    assert entity_f1(true, [["B-A", "I-A", "I-A", "B-B"]]) == 0.5
    assert entity_f1(true, [["O", "B-A", "O", "B-B"]]) == 0.5
    assert entity_f1(true, [["B-B", "I-B", "O", "B-B"]]) == 0.5


# the prefixes of a scheme, what they are called in IOBES, and the class of seqeval that reads them strictly
SCHEMES = {
    "iob1": ("BI", "BI", seqeval.scheme.IOB1),
    "iob2": ("BI", "BI", seqeval.scheme.IOB2),
    "ioe1": ("IE", "IE", seqeval.scheme.IOE1),
    "ioe2": ("IE", "IE", seqeval.scheme.IOE2),
    "iobes": ("BIES", "BIES", seqeval.scheme.IOBES),
    "bilou": ("BILU", "BIES", seqeval.scheme.IOBES),
    "bmes": ("BMES", "BIES", seqeval.scheme.IOBES),
}


def respelt(sequences, spell):
    return [[label if label == "O" else spell(*label.split("-", 1)) for label in sequence] for sequence in sequences]


def assert_equals_seqeval(pair, spelt, scheme, options, theirs):
    """F1 of a pair, and of the same pair as ours spells it, which differs from seqeval's only in its labels."""
    assume(len(seqeval.metrics.f1_score(*pair, average=None, zero_division=0, **theirs)))
    for average in AVERAGES:
        expected = seqeval.metrics.f1_score(*pair, average=average, zero_division=0, **theirs)
        got = entity_f1(*spelt, scheme=scheme, average=average, zero_division=0, **options)
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("mode", [None, "strict"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_entity_f1_equals_seqeval(scheme, mode):
    prefixes, known, strict = SCHEMES[scheme]
    theirs = {} if mode is None else dict(mode="strict", scheme=strict)

    @given(label_pairs(tags(prefixes)))
    @settings(max_examples=30)
    def check(pair):
        in_iobes = [respelt(y, lambda prefix, kind: f"{known[prefixes.index(prefix)]}-{kind}") for y in pair]
        assert_equals_seqeval(in_iobes, pair, scheme, dict(mode=mode), theirs)

    check()


def test_strict_bilou_equals_seqeval_with_its_own_letters():
    @given(label_pairs(tags("BILU")))
    @settings(max_examples=30)
    def check(pair):
        theirs = dict(mode="strict", scheme=seqeval.scheme.BILOU)
        assert_equals_seqeval(pair, pair, "bilou", dict(mode="strict"), theirs)

    check()


@pytest.mark.parametrize("mode", [None, "strict"])
@given(pair=label_pairs(tags("BIES")))
@settings(max_examples=30)
def test_suffixes_equal_seqeval_and_prefixes(mode, pair):
    theirs = {} if mode is None else dict(mode="strict", scheme=seqeval.scheme.IOBES)
    turned = [respelt(y, lambda prefix, kind: f"{kind}-{prefix}") for y in pair]
    assert_equals_seqeval(turned, turned, "iobes", dict(mode=mode, suffix=True), {**theirs, "suffix": True})
    assert_equals_seqeval(pair, turned, "iobes", dict(mode=mode, suffix=True), theirs)


@pytest.mark.parametrize("delimiter", ["_", "::", ".*"])
@pytest.mark.parametrize("suffix", [False, True])
@given(pair=label_pairs(tags("BI")))
@settings(max_examples=20)
def test_delimiters_change_nothing_else(delimiter, suffix, pair):
    spelt = [respelt(y, lambda *parts: delimiter.join(parts[::-1] if suffix else parts)) for y in pair]
    options = dict(delimiter=delimiter, suffix=suffix, zero_division=0)
    assert entity_report(*spelt, **options) == entity_report(*pair, zero_division=0)


@pytest.mark.parametrize("scheme, sequence, entities", [
    ("iob1", "I-A I-A B-A I-B O B-A", 3),  # B-A after O begins nothing
    ("iob1", "B-A I-A", 1),  # but the I after it does
    ("iob2", "I-A B-A I-B", 1),
    ("ioe1", "I-A E-A I-A O", 2),
    ("ioe1", "I-A E-A O", 0),  # an E where no entity of the type follows
    ("ioe2", "I-A E-A E-A I-A", 2),
    ("iobes", "B-A E-A S-A B-A O I-A E-A B-A E-B", 2),
    ("bilou", "B-A L-A U-A B-A O I-A L-A B-A L-B", 2),
    ("bmes", "B M E S B S M", 3),
])  # fmt: skip
def test_what_breaks_a_scheme_is_strictly_no_entity(scheme, sequence, entities):
    labels = [sequence.split()]
    record = entity_report(labels, labels, scheme=scheme, mode="strict", zero_division=0)[-1]
    assert record["support"] == record["predicted"] == entities


@pytest.mark.parametrize("alias, scheme", [("bio", "iob2"), ("bioes", "iobes")])
@pytest.mark.parametrize("mode", [None, "strict"])
def test_aliases(alias, scheme, mode):
    true, pred = [["B-A", "I-A", "O", "I-B", "B-A"]], [["I-A", "I-A", "O", "B-B", "B-A"]]
    options = dict(mode=mode, zero_division=0)
    assert entity_report(true, pred, scheme=alias, **options) == entity_report(true, pred, scheme=scheme, **options)


def test_a_type_without_entities_is_strictly_none():
    broken = [["I-A", "O", "B-B"]]
    assert [r["type"] for r in entity_report(broken, broken, mode="strict")][:-3] == ["B"]
    assert [r["type"] for r in entity_report(broken, broken)][:-3] == ["A", "B"]


@given(label_pairs(tags("BIES")), st.sampled_from([0, 1]))
def test_entity_report_equals_seqeval(pair, zero_division):
    true, pred = pair
    assume(any(label != "O" for label in flat(true) + flat(pred)))
    expected = seqeval.metrics.classification_report(true, pred, output_dict=True, zero_division=zero_division)
    got = entity_report(true, pred, scheme="iobes", zero_division=zero_division)
    assert [record["type"] for record in got] == list(expected)
    for record in got:
        values = [record[name] for name in ("precision", "recall", "f1", "support")]
        np.testing.assert_allclose(values, list(expected[record["type"]].values()), rtol=1e-12)


def test_report_is_plain_records():
    report = entity_report([["B-A", "B-B", "O"]], [["B-A", "O", "B-A"]], zero_division=0)
    assert report[0] == {"type": "A", "precision": 0.5, "recall": 1.0, "f1": 2 / 3, "support": 1, "predicted": 2}
    assert {type(value) for record in report for value in record.values()} == {str, float, int}
    frame = pd.DataFrame(report).set_index("type")
    assert list(frame.index) == ["A", "B", "micro avg", "macro avg", "weighted avg"]
    assert frame.loc["micro avg", "f1"] == 0.5 and frame.loc["macro avg", "predicted"] == 2


def test_chosen_types():
    true, pred = [["B-A", "B-B", "B-C"]], [["B-A", "O", "B-B"]]
    np.testing.assert_array_equal(entity_f1(true, pred, average=None), [1, 0, 0])
    np.testing.assert_array_equal(entity_f1(true, pred, average=None, types=["C", "A"]), [0, 1])
    assert entity_f1(true, pred, types=["A", "B"]) == 0.5
    assert entity_f1(true, pred, types=["A", "absent"], average="macro", zero_division=np.nan) == 1.0
    assert [record["type"] for record in entity_report(true, pred, types=["B"])][:2] == ["B", "micro avg"]


@pytest.mark.parametrize("label, scheme", [
    ("E-A", "iob2"), ("S-A", "iob1"), ("L-A", "iobes"), ("NN", "iob2"), ("O-A", "iob2"), ("BI-A", "iob2"),
    ("-A", "iob2"), ("", "iob2"), ("b-A", "iob2"), (3, "iob2"),
])  # fmt: skip
def test_labels_of_no_scheme_are_refused(label, scheme):
    with pytest.raises(ValueError, match=rf"scheme='{scheme}' has the labels O, B-TYPE, I-TYPE.*got {label!r}"):
        entity_f1([["O", "O"]], [["O", label]], scheme=scheme)


# Tokens and sequences


@given(label_pairs(["N", "V", "D", "é"]), st.sampled_from(AVERAGES), st.sampled_from([0, 1, np.nan]))
@example(([["N"]], [["V"]]), "weighted", np.nan)
def test_token_f1_equals_scikit_learn(pair, average, zero_division):
    true, pred = pair
    assume(flat(true))
    for labels in (None, ["V", "absent", "N"]):
        options = dict(average=average, labels=labels, zero_division=zero_division)
        with np.errstate(all="ignore"):
            expected = f1_score(flat(true), flat(pred), **options)
        np.testing.assert_allclose(token_f1(true, pred, **options), expected, rtol=1e-12)


@given(label_pairs([0, 1, 2]))
def test_sequence_accuracy_counts_equal_sequences(pair):
    true, pred = pair
    assert sequence_accuracy(true, pred) == np.mean([a == b for a, b in zip(true, pred, strict=True)])


# What goes in

TRUE = [["B-A", "I-A"], [], ["O", "B-B", "O"], ["B-A"]]
PRED = [["B-A", "I-A"], [], ["O", "B-B", "I-B"], ["B-B"]]
METRICS = [entity_f1, token_f1, sequence_accuracy]


def object_array(sequences):
    result = np.empty(len(sequences), dtype=object)
    result[:] = [np.array(sequence) for sequence in sequences]
    return result


@pytest.mark.parametrize("metric, expected", [(entity_f1, 1 / 3), (token_f1, 2 / 3), (sequence_accuracy, 0.5)])
def test_containers_give_one_value(metric, expected):
    options = {} if metric is sequence_accuracy else dict(average="micro")
    for container in (list, tuple, object_array, pd.Series, lambda y: [tuple(sequence) for sequence in y]):
        assert metric(container(TRUE), container(PRED), **options) == expected
        assert metric(container(TRUE), PRED, **options) == expected
    for container in (list, np.array, lambda y: np.array(y, dtype=object), pd.Series):
        true, pred = container(flat(TRUE)), container(flat(PRED))
        assert metric(true, pred, lengths=[2, 0, 3, 1], **options) == expected
        if metric is not sequence_accuracy:  # ids know nothing of empty sequences
            assert metric(true, pred, sequence_ids=ids_of(TRUE), **options) == expected
    assert sequence_accuracy(flat(TRUE), flat(PRED), sequence_ids=ids_of(TRUE)) == 1 / 3


def test_a_matrix_is_sequences_of_one_length():
    true = np.array([[0, 1], [1, 1], [2, 0]])
    assert sequence_accuracy(true, np.array([[0, 1], [1, 0], [2, 0]])) == 2 / 3


def test_only_token_f1_takes_flat_labels_alone():
    assert token_f1(flat(TRUE), flat(PRED), average="micro") == 2 / 3
    for metric in (entity_f1, sequence_accuracy, entity_report):
        with pytest.raises(ValueError, match="flat labels need lengths or sequence_ids"):
            metric(flat(TRUE), flat(PRED))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("true, pred, options, message", [
    (TRUE, [*PRED[:2], ["O", "O"], PRED[3]], {}, "sequence 2 .* has 3 labels in y_true and 2 in y_pred"),
    (TRUE, PRED[:3], {}, "y_true has 4 sequences, y_pred 3"),
    ("O O", PRED, {}, "y_true must be a list of label sequences or an array of labels, got str"),
    (TRUE, 3, {}, "y_pred must be .* got int"),
    (np.array(3), PRED, {}, "y_true must be .* got ndarray"),
    (TRUE, [["O"], "O"], {}, "y_pred holds sequences, but its item 1 is the label 'O'"),
    (TRUE, flat(PRED), {}, "y_true holds sequences, but the other one is for flat labels"),
    (TRUE, PRED, dict(lengths=[2, 0, 3, 1]), "y_true holds sequences, but lengths and sequence_ids are for flat"),
    (flat(TRUE), flat(PRED)[:4], dict(lengths=[4]), "y_true has 6 labels, y_pred 4"),
    (flat(TRUE), flat(PRED), dict(lengths=[2, 3]), "lengths must sum to the 6 tokens, got 5 in 2"),
    (flat(TRUE), flat(PRED), dict(lengths=[7, -1]), "lengths must be a 1-D array of non-negative integers"),
    (flat(TRUE), flat(PRED), dict(lengths=[2.5, 3.5]), "lengths must be a 1-D array of non-negative integers"),
    (flat(TRUE), flat(PRED), dict(sequence_ids=[1, 1]), "sequence_ids must have one id for each of the 6 .*, got 2"),
    (flat(TRUE), flat(PRED), dict(sequence_ids=[1, 1, 2, 2, 2, 1]), "id 1 comes back at token 5"),
    (flat(TRUE), flat(PRED), dict(lengths=[6], sequence_ids=[1] * 6), "one of the two, got both"),
    ([*TRUE[:3], [None]], PRED, {}, r"y_true has a missing label \(None\) in sequence 3"),
    (TRUE, [*PRED[:2], ["O", "O", float("nan")], ["O"]], {}, r"y_pred has a missing label \(nan\) in sequence 2"),
    ([[["O"]]], [["O"]], {}, "y_true: labels must be strings or integers, got .*'O'"),
])  # fmt: skip
def test_bad_input_is_refused(metric, true, pred, options, message):
    with pytest.raises(ValueError, match=message):
        metric(true, pred, **options)


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match=r"scheme must be one of iob1, .*got 'auto'"):
        entity_f1(TRUE, PRED, scheme="auto")
    with pytest.raises(ValueError, match="average must be one of micro, macro, weighted or None, got 'binary'"):
        token_f1(TRUE, PRED, average="binary")
    with pytest.raises(ValueError, match="zero_division must be 'warn', 0, 1 or nan, got 2"):
        entity_f1(TRUE, PRED, zero_division=2)
    with pytest.raises(ValueError, match="mode must be None or 'strict', got 'lenient'"):
        entity_f1(TRUE, PRED, mode="lenient")
    for delimiter in ("", None):
        with pytest.raises(ValueError, match=f"delimiter must be a string of one .* at least, got {delimiter!r}"):
            entity_report(TRUE, PRED, delimiter=delimiter)
    with pytest.raises(ValueError, match="suffix must be True or False, got 'B'"):
        entity_f1(TRUE, PRED, suffix="B")
    with pytest.raises(ValueError, match="has the labels O, TYPE_B, TYPE_M, TYPE_E, TYPE_S, got 'B-A'"):
        entity_f1(TRUE, PRED, scheme="bmes", delimiter="_", suffix=True)
    for types in ([], "A", ["A", "A"]):
        with pytest.raises(ValueError, match="types must be a list without repetitions"):
            entity_f1(TRUE, PRED, types=types)
    with pytest.raises(ValueError, match="mix labels of the types int, str"):
        token_f1([[0, 1]], [["0", "1"]])
    with pytest.raises(ValueError, match="needs one sequence at least"):
        sequence_accuracy([], [])


def test_zero_division():
    nothing = [["O", "O"]]
    with pytest.warns(UndefinedMetricWarning, match="f1 of 'micro avg' is undefined"):
        assert entity_f1(nothing, nothing) == 0.0
    with pytest.warns(UndefinedMetricWarning) as caught:
        report = entity_report([["B-A", "B-B"]], [["O", "B-B"]])
    assert [str(warning.message).split(" is")[0] for warning in caught] == ["precision of 'A'"]
    assert report[0]["precision"] == 0.0 and report[-2]["precision"] == 0.5
    for average in ("micro", "macro", "weighted"):
        assert entity_f1(nothing, nothing, average=average, zero_division=1) == 1.0
        assert np.isnan(entity_f1(nothing, nothing, average=average, zero_division=np.nan))
        assert entity_f1([], [], average=average, zero_division=0) == 0.0
    assert entity_f1(nothing, nothing, average=None).shape == (0,)
    assert entity_f1([["B-A"]], [["O"]]) == 0.0  # defined: no warning


# Scorers


class Chunker(ClassifierMixin, BaseEstimator):
    """Says that every sequence is one entity of the type `kind`; a flat token alone is a sequence."""

    def __init__(self, kind="A"):
        self.kind = kind

    def fit(self, X, y, sequence_ids=None):
        self.fitted_structure_ = sequence_ids is not None
        self.classes_ = np.array(["B-A", "I-A"])
        return self

    def predict(self, X, sequence_ids=None):
        if isinstance(X, list):
            return object_array([[f"{'I' if i else 'B'}-{self.kind}" for i in range(len(x))] for x in X])
        ids = np.arange(len(X)) if sequence_ids is None else np.asarray(sequence_ids)
        begins = np.concatenate([[True], ids[1:] != ids[:-1]])
        return np.where(begins, f"B-{self.kind}", f"I-{self.kind}")


LENGTHS = [2, 3, 1, 2, 4, 2]
SEQUENCES = [[["word"]] * length for length in LENGTHS]
CHUNKS = [["B-A"] + ["I-A"] * (length - 1) for length in LENGTHS]
FLAT_X, FLAT_Y, IDS = np.ones((sum(LENGTHS), 1)), np.array(flat(CHUNKS)), np.repeat(np.arange(6), LENGTHS)


@pytest.mark.parametrize("scoring", [
    entity_f1_scorer, token_f1_scorer, sequence_accuracy_scorer, make_sequence_scorer(entity_f1, average="macro"),
    make_scorer(entity_f1, average="macro"), make_scorer(sequence_accuracy),
])  # fmt: skip
def test_grid_search_over_sequences(scoring):
    search = GridSearchCV(Chunker(), {"kind": ["B", "A"]}, scoring=scoring, cv=KFold(3)).fit(SEQUENCES, CHUNKS)
    assert search.best_params_ == {"kind": "A"} and search.best_score_ == 1.0
    assert search.cv_results_["mean_test_score"][0] == 0.0
    assert search.score(SEQUENCES, CHUNKS) == 1.0
    cloned = clone(search).set_params(n_jobs=1)
    assert cloned.fit(SEQUENCES, CHUNKS).best_score_ == 1.0


def test_scorers_give_the_ids_to_predict():
    with config_context(enable_metadata_routing=True):
        chunker = Chunker().set_fit_request(sequence_ids=True)
        search = GridSearchCV(chunker, {"kind": ["B", "A"]}, scoring=entity_f1_scorer, cv=SequenceKFold(3))
        search.fit(FLAT_X, FLAT_Y, sequence_ids=IDS)
        assert search.best_params_ == {"kind": "A"} and search.best_score_ == 1.0
        assert search.best_estimator_.fitted_structure_
        assert search.score(FLAT_X, FLAT_Y, sequence_ids=IDS) == 1.0
        several = {"entity": entity_f1_scorer, "sequence": sequence_accuracy_scorer, "token": token_f1_scorer}
        scores = cross_validate(
            chunker, FLAT_X, FLAT_Y, scoring=several, cv=SequenceKFold(2), params={"sequence_ids": IDS}
        )
        assert all((scores[f"test_{name}"] == 1).all() for name in several)
        # what the scorer is there for: a plain one has predict take each token for a sequence
        plain = make_scorer(entity_f1).set_score_request(sequence_ids=True)
        scores = cross_val_score(
            chunker, FLAT_X, FLAT_Y, scoring=plain, cv=SequenceKFold(2), params={"sequence_ids": IDS}
        )
        assert (scores < 0.5).all()
