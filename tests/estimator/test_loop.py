"""The epochs of a fit: learning rate schedules, state between calls of `partial_fit`, interrupts and warnings.

`test_sklearn_parity` compares the stopping rule with scikit-learn's.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from fastmlp.estimator.base import BaseMLP
from fastmlp.estimator.callbacks import CallbackRunner

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


def next_rate(network):
    """Learning rate of the next epoch."""
    return network._partial_fit_state.rate.current


# learning rate


@pytest.mark.parametrize(
    ("schedule", "ratio"), [("constant", 1.0), ({"schedule": "step", "step_epochs": 1, "step_factor": 0.5}, 1 / 8)]
)
def test_a_schedule_overrides_learning_rate(make_classifier, X, y, schedule, ratio):
    fitted = make_classifier(solver="adam", schedule=schedule, max_iter=3, learning_rate="adaptive").fit(X, y)
    assert next_rate(fitted) == pytest.approx(0.03 * ratio)


def test_plateau_lowers_the_rate_when_the_loss_does_not_improve(make_classifier, X, y):
    schedule = {"schedule": "plateau", "step_epochs": 2, "step_factor": 0.5}
    fitted = make_classifier(schedule=schedule, max_iter=5, tol=100.0, n_iter_no_change=50).fit(X, y)
    assert next_rate(fitted) == pytest.approx(0.03 / 4)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
def test_after_the_end_of_a_schedule_the_rate_is_constant(make_classifier, X, y, schedule, solver):
    make_classifier(solver=solver, schedule=schedule, max_iter=1).fit(X, y)
    network = make_classifier(solver=solver, schedule=schedule, max_iter=8)
    rates = [next_rate(network.partial_fit(X, y, classes=[0, 1, 2])) for _ in range(12)]
    assert len(set(rates[6:])) == 1
    assert 0 < rates[-1] == min(rates)


def test_a_schedule_without_an_end_continues_after_max_iter(make_classifier, X, y):
    network = make_classifier(schedule={"schedule": "step", "step_epochs": 1, "step_factor": 0.5}, max_iter=2)
    for _ in range(5):
        network.partial_fit(X, y, classes=[0, 1, 2])
    assert next_rate(network) == pytest.approx(0.03 / 32)


@pytest.mark.parametrize(("momentum", "next_momentum"), [(0.9, 0.0), (0.0, 0.9)])
def test_partial_fit_with_another_optimizer_starts_with_a_new_state(make_classifier, X, y, momentum, next_momentum):
    network = make_classifier(solver="sgd", momentum=momentum).partial_fit(X, y, classes=[0, 1, 2])
    network.set_params(momentum=next_momentum, learning_rate_init=0.01).partial_fit(X, y)
    assert network.t_ == 240
    assert next_rate(network) == 0.01


# the end of training


def test_an_interrupt_warns_and_keeps_the_weights(make_classifier, X, y):
    def interrupt(net):
        if net.n_iter_ == 30:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user."):
        network = make_classifier(callbacks=interrupt).fit(X, y)
    assert network.score(X, y) > 0.9


@pytest.fixture
def interrupt_epochs(monkeypatch):
    """Function that makes Ctrl-C interrupt the epochs of some numbers, counted from 1, before their first steps."""

    def install(*numbers):
        calls = []

        def begin_epoch(runner):
            calls.append(runner)
            if len(calls) in numbers:
                raise KeyboardInterrupt

        monkeypatch.setattr(CallbackRunner, "begin_epoch", begin_epoch)

    return install


def test_an_interrupt_before_the_first_step_is_raised(make_classifier, X, y, interrupt_epochs):
    interrupt_epochs(1, 2, 3)
    network = make_classifier(early_stopping=True)
    with pytest.raises(KeyboardInterrupt):
        network.fit(X, y)
    with pytest.raises(NotFittedError):
        network.predict(X)
    network.set_params(early_stopping=False)
    with pytest.raises(KeyboardInterrupt):
        network.partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(NotFittedError):
        network.predict(X)
    with pytest.raises(KeyboardInterrupt):
        network.fit(X, y)
    assert network.partial_fit(X, y, classes=[0, 1, 2]).t_ == 120


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_an_interrupt_before_the_first_further_step_keeps_the_weights(make_classifier, X, y, method, interrupt_epochs):
    network = make_classifier(max_iter=2, warm_start=True).fit(X, y)
    ref = network.predict_proba(X)
    interrupt_epochs(1)
    with pytest.raises(KeyboardInterrupt):
        getattr(network, method)(X, y)
    np.testing.assert_array_equal(network.predict_proba(X), ref)


def test_an_interrupt_before_the_second_epoch_warns_and_keeps_the_weights(make_classifier, X, y, interrupt_epochs):
    interrupt_epochs(2)
    with pytest.warns(UserWarning, match=r"Training interrupted by user\.") as caught:
        network = make_classifier().fit(X, y)
    assert network.n_iter_ == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize(("epoch", "n_repeats"), [(3, 0), (5, 1)])
def test_an_interrupt_before_the_first_step_of_a_repeat_warns(
    make_classifier, X, y, epoch, n_repeats, interrupt_epochs
):
    interrupt_epochs(epoch)
    with pytest.warns(UserWarning, match=r"Training interrupted by user\.") as caught:
        network = make_classifier(max_iter=2, n_repeats=4).fit(X, y)
    assert len(network.repeats_) == n_repeats
    assert [warning.filename for warning in caught if "interrupted" in str(warning.message)] == [__file__]
    assert np.isfinite(network.predict_proba(X)).all()


@pytest.mark.parametrize("index", [0, 1])
def test_an_interrupt_while_a_repeat_is_made_adds_no_network_twice(make_classifier, X, y, monkeypatch, index):
    make_repeat = BaseMLP._repeat

    def interrupt(network, i, seed):
        if i == index:
            raise KeyboardInterrupt
        return make_repeat(network, i, seed)

    monkeypatch.setattr(BaseMLP, "_repeat", interrupt)
    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        network = make_classifier(max_iter=2, n_repeats=4).fit(X, y)
    assert len(network.repeats_) == len({id(repeat) for repeat in network.repeats_} - {id(network)}) == index


PROGRAM = """
import os, signal, sys, warnings
import numpy as np
from fastmlp import MLPClassifier
from fastmlp.estimator.callbacks import CallbackRunner

def interrupt(*_):
    os.kill(os.getpid(), signal.SIGINT)

if sys.argv[1] == "before":
    CallbackRunner.begin_epoch = interrupt
X = np.random.default_rng(0).normal(size=(50, 3))
network = MLPClassifier((4,), callbacks=interrupt if sys.argv[1] == "after" else None)
warnings.simplefilter("ignore")
try:
    network.fit(X, X[:, 0] > 0)
    print("fitted", network.n_iter_)
except KeyboardInterrupt:
    print("interrupted", hasattr(network, "model_"))
"""


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize(("when", "ref"), [("before", "interrupted False\n"), ("after", "fitted 1\n")])
def test_a_signal_interrupts_before_or_after_the_first_step(when, ref):
    command = [sys.executable, "-c", PROGRAM, when]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout == ref


# losses that are not finite

FILL = 9.96921e36  # NetCDF's for a missing value


def test_a_validation_loss_that_is_not_finite_gives_a_warning(make_regressor, X, values):
    single = X.astype(np.float32)
    filled = np.where(np.arange(120) == 3, FILL, values)
    message = (
        r"^validation_losses_: expected a finite number in the last epoch, got inf; try a smaller learning_rate_init, "
        r"and look for extreme values in y_val \(9\.97e\+36\) and X_val \(\d.*\); the numbers are the largest"
    )
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        network = make_regressor(max_iter=2).fit(single, values, X_val=single, y_val=filled)
    assert [w.filename for w in caught if "expected" in str(w.message)] == [__file__]
    assert np.isfinite(network.validation_scores_).all()


def test_a_training_loss_that_is_not_finite_gives_a_warning(make_regressor, X, values):
    with pytest.warns(ConvergenceWarning, match=r"^loss_: expected .* got inf; .* in y \(\d\.?\d*e\+200\) and X \("):
        network = make_regressor(max_iter=2).fit(X, 1e200 * values)
    assert np.isfinite(network.coefs_[0]).all()


def test_the_warning_of_no_convergence_has_the_line_of_the_call(make_classifier, X, y):
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\)") as caught:
        make_classifier(max_iter=2).fit(X, y)
    assert caught[0].filename == __file__
