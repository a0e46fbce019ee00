import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmlp.config import Config
from fastmlp.settings import Schedule
from fastmlp.training.loop import train
from fastmlp.training.schedule import cosine, exponential, inverse_scaling, learning_rate_at, one_cycle, step_decay


@pytest.mark.parametrize(
    ("epoch", "ref"), [(0, 0.3), (1, 0.27145122541078788), (10, 0.11036383235143270), (19, 0.04487058576679051)]
)
def test_exponential_decay_is_equation_11(epoch, ref):
    assert exponential(0.3, 0.1, epoch) == pytest.approx(ref, rel=1e-13)


@given(st.floats(1e-300, 1e300), st.integers(0, 10**9))
def test_a_decay_rate_of_0_gives_exactly_the_base_learning_rate(learning_rate, epoch):
    assert exponential(learning_rate, 0.0, epoch) == learning_rate


@given(st.floats(1e-6, 10), st.integers(0, 1000))
def test_exponential_decay_has_a_constant_factor_per_epoch(decay_rate, epoch):
    ref = exponential(1.0, decay_rate, epoch) * math.exp(-decay_rate)
    assert exponential(1.0, decay_rate, epoch + 1) == pytest.approx(ref, rel=1e-10, abs=1e-300)


def test_a_learning_rate_below_the_smallest_float_is_0():
    assert exponential(0.3, 1.0, 10_000) == 0.0
    assert step_decay(0.3, 1, 1e-30, 10_000) == 0.0
    assert inverse_scaling(0.3, 1e30, 1) == 0.0


@pytest.mark.parametrize("epoch", range(25))
def test_step_decay_multiplies_by_a_factor_every_few_epochs(epoch):
    assert step_decay(0.3, 7, 0.1, epoch) == pytest.approx(0.3 * 0.1 ** (epoch // 7), rel=1e-14)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 1.7])
@pytest.mark.parametrize("epoch", [0, 1, 2, 19, 10**6])
def test_inverse_scaling_divides_by_a_power_of_the_epoch(epoch, power):
    assert inverse_scaling(0.3, power, epoch) == pytest.approx(0.3 / (epoch + 1) ** power, rel=1e-14)


@given(st.integers(1, 300), st.data())
def test_the_cosine_schedule_is_a_linear_warm_up_and_half_a_cosine_wave(n_epochs, data):
    warmup_epochs, epoch = (data.draw(st.integers(0, n_epochs - 1)) for _ in range(2))
    if epoch < warmup_epochs:
        ref = 0.3 * (epoch + 1) / (warmup_epochs + 1)
    else:
        ref = 0.3 * (1 + math.cos(math.pi * (epoch - warmup_epochs) / (n_epochs - warmup_epochs))) / 2
    assert cosine(0.3, warmup_epochs, n_epochs, epoch) == pytest.approx(ref, rel=1e-9)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n_epochs", [4, 5, 10, 20, 33, 100])
def test_one_cycle_equals_that_of_pytorch_with_epochs_as_steps(n_epochs):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.3, total_steps=n_epochs, cycle_momentum=False)
    for epoch in range(n_epochs):
        assert one_cycle(0.3, n_epochs, epoch) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        if epoch + 1 < n_epochs:
            scheduler.step()


@pytest.mark.parametrize("n_epochs", [1, 2, 3])
def test_a_short_cycle_starts_with_the_maximum(n_epochs):
    rates = [one_cycle(0.3, n_epochs, epoch) for epoch in range(n_epochs)]
    assert rates[0] == 0.3
    assert rates == sorted(rates, reverse=True)


@given(st.sampled_from(get_args(Schedule)), st.integers(2, 60))
def test_every_learning_rate_is_positive_and_at_most_the_base_learning_rate(schedule, n_epochs):
    config = Config(schedule=schedule, n_epochs=n_epochs, warmup_epochs=1)
    assert all(0 < learning_rate_at(config, epoch) <= 0.3 for epoch in range(n_epochs))


@pytest.mark.parametrize(
    ("settings", "ref"),
    [
        ({"schedule": "constant", "decay_rate": 1.0}, [0.3] * 5),
        ({"schedule": "exponential", "decay_rate": 1.0}, [exponential(0.3, 1.0, t) for t in range(5)]),
        ({"schedule": "step", "step_epochs": 2, "step_factor": 0.5}, [step_decay(0.3, 2, 0.5, t) for t in range(5)]),
        ({"schedule": "inverse", "power": 2.0}, [inverse_scaling(0.3, 2.0, t) for t in range(5)]),
        ({"schedule": "cosine", "warmup_epochs": 2}, [cosine(0.3, 2, 5, t) for t in range(5)]),
        ({"schedule": "one_cycle"}, [one_cycle(0.3, 5, t) for t in range(5)]),
    ],
    ids=lambda x: x["schedule"] if isinstance(x, dict) else "",
)
def test_training_follows_the_schedule(blobs, settings, ref):
    run = train(blobs, Config(hidden=(3,), n_epochs=5, **settings))
    assert run.history["learning_rate"] == ref
