"""The epochs of a fit: learning rate schedules, state between calls of `partial_fit`, interrupts and warnings.

`test_sklearn_parity` compares the stopping rule with scikit-learn's.
"""

import pytest
from sklearn.exceptions import ConvergenceWarning

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


def test_the_warning_of_no_convergence_has_the_line_of_the_call(make_classifier, X, y):
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\)") as caught:
        make_classifier(max_iter=2).fit(X, y)
    assert caught[0].filename == __file__
