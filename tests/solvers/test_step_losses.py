"""The losses of the steps: what a replay in numpy has, alone, in a stream, of a chain, and where a fit diverges."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skopt_solvers import LinearChainCRF, LogisticRegression
from skopt_solvers.solvers import AdaGrad, Adam, Momentum

from ..reference import LOSSES, STOCHASTIC, linear_objective, penalised, text_like, without_native
from .test_rules import Recorded, run


@pytest.mark.parametrize("name", STOCHASTIC)
@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-9), (np.float32, 2e-3)])
@pytest.mark.parametrize("n_classes, loss", [(2, "logistic"), (3, "softmax")])
def test_step_losses_are_those_of_a_replay_with_update(name, dtype, rtol, n_classes, loss):
    X, labels = text_like(n=90, n_classes=n_classes, dtype=dtype)
    weights = np.random.RandomState(1).randint(1, 4, size=90).astype(float)
    options = dict(n_outputs=1 if n_classes == 2 else 3, l1_ratio=0.3, C=0.2)
    recorded = Recorded(linear_objective(X, labels, weights, **options, loss=LOSSES[loss]))
    solver = clone(STOCHASTIC[name]).set_params(batch_size=16, record="step")
    compiled = run(solver, linear_objective(X, labels, weights, **options, loss=LOSSES[loss]), max_iter=3)
    run(without_native(clone(solver).set_params(record="epoch")), recorded, max_iter=3)
    model = dict(C=np.inf, l1_ratio=0.0, fit_intercept=True, loss=LOSSES[loss])
    expected = [
        penalised(W.astype(float), X[batch], labels[batch], weights[batch], **model) / len(batch) / weights.mean()
        for W, batch in zip(recorded.weights, recorded.batches, strict=True)
    ]
    got = np.concatenate([record["step_losses"] for record in compiled.history])
    assert got.dtype == np.float64 and [len(record["step_losses"]) for record in compiled.history] == [6, 6, 6]
    np.testing.assert_allclose(got, expected, rtol=rtol)
    slow = run(without_native(solver), linear_objective(X, labels, weights, **options, loss=LOSSES[loss]), max_iter=3)
    np.testing.assert_allclose(np.concatenate([record["step_losses"] for record in slow.history]), got, rtol=rtol)


@pytest.mark.parametrize("name", STOCHASTIC)
def test_recording_changes_nothing(name):
    X, labels = text_like(n=90)
    solver = clone(STOCHASTIC[name])
    plain, recording = (run(s, linear_objective(X, labels)) for s in (solver, clone(solver).set_params(record="step")))
    np.testing.assert_array_equal(plain.W, recording.W)
    assert "step_losses" not in plain.history[0]


def test_their_mean_is_what_a_stream_reports():
    X, labels = text_like(n=90)
    model = LogisticRegression(C=3.0, solver=AdaGrad(batch_size=16, record="step"), random_state=0)
    for order in (slice(None), slice(None, None, -1)):  # the same chunk again would not count again
        model.partial_fit(X[order], labels[order], classes=[0, 1])
    sizes = [16] * 5 + [10]
    for n_seen, record in zip([90, 180], model.history_, strict=True):
        mean = np.average(record["step_losses"], weights=sizes)
        np.testing.assert_allclose(record["objective"], 3.0 * n_seen * mean, rtol=1e-9)


def test_steps_of_a_chain_begin_with_the_log_of_the_number_of_labels():
    """The weights are zeros in the first step, so each of its tokens has the loss log 3."""
    X = [[{"a": 1.0}, {"b": 1.0}], [{"b": 1.0}], [{"c": 1.0}, {"a": 1.0}, {"b": 1.0}]]
    y = [["A", "B"], ["B"], ["C", "A", "B"]]
    model = LinearChainCRF(solver=Momentum(0.01, batch_size=3, record="step"), random_state=0, max_iter=5)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    losses = np.concatenate([record["step_losses"] for record in model.history_])
    np.testing.assert_allclose(losses[0], np.log(3), rtol=1e-6)
    assert losses.shape == (5,) and (np.diff(losses) < 0).all()


def test_a_printed_line_leaves_them_out(capsys):
    X, labels = text_like(n=90)
    solver = Adam(schedule="constant", record="step")
    with pytest.warns(ConvergenceWarning):
        LogisticRegression(solver=solver, max_iter=2, random_state=0, verbose=1).fit(X, labels)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and "objective" in lines[0] and "step_losses" not in lines[0]


def test_what_to_record_is_checked():
    X, labels = text_like(n=30)
    with pytest.raises(ValueError, match="Adam: record must be 'epoch' or 'step', got 'batch'"):
        LogisticRegression(solver=Adam(record="batch")).fit(X, labels)
