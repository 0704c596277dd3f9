"""scikit-learn's own checks, for each estimator, every solver name and configured objects; none may fail."""

import pytest
from sklearn.exceptions import SkipTestWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from skopt_solvers import LinearChainCRF, LinearSVC, LogisticRegression
from skopt_solvers.schedules import CosineRestarts, Warmup
from skopt_solvers.solvers import LBFGS, Adam, AdamW, Momentum, RMSProp

from ..reference import CHAIN_NAMES, NAMES

CONFIGURED = [
    Momentum(nesterov=True, schedule=Warmup("cosine", epochs=3)),
    RMSProp(centered=True, clip_norm=10.0, schedule="cosine"),
    Adam(amsgrad=True, average=2, schedule=CosineRestarts(period=4)),
    AdamW(weight_decay=0.01, learning_rate=0.1),
]
FORMS = [("all", "flat"), ("observed", "auto")]  # "flat" is checked as a classifier too
ESTIMATORS = [Model(solver=s) for Model in (LogisticRegression, LinearSVC) for s in [*NAMES, *CONFIGURED]] + [
    LogisticRegression(solver=LBFGS(memory=3, precondition=False)),
    # scikit-learn's 1e-7 between weights and repetitions is met at convergence
    LinearSVC(solver=LBFGS(memory=3, precondition=False), max_iter=1000),
    LogisticRegression(l1_ratio=0.5, tol=1e-8, max_iter=300),
    *(LogisticRegression(multi_class="ovr", solver=s) for s in ("lbfgs", "sdca", "adam")),
    LinearSVC(loss="smoothed_hinge", multi_class="crammer_singer", tol=1e-8, max_iter=300),
    LinearSVC(loss="modified_huber"),
    LinearSVC(loss="hinge", solver="adagrad"),
    # likewise, without the Newton steps that smooth losses end with
    LinearSVC(loss="hinge", solver="sdca", tol=1e-15, max_iter=3000),
    *(LinearChainCRF(solver=s, state_features=form, input=i) for s in CHAIN_NAMES for form, i in FORMS),
    LinearChainCRF(transitions="observed", l1_ratio=0.5, tol=1e-8, max_iter=300, input="flat"),
]


# the checks fit tiny unscaled data with default settings, where not every solver gets to its tolerance
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings(f"ignore::{SkipTestWarning.__module__}.SkipTestWarning")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
