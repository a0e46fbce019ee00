"""One training step equals its reference implementation: networks of many shapes, batches of many sizes."""

import pytest

from fastmlp.config import Config
from fastmlp.settings import ACTIVATIONS, LOSSES, OPTIMIZERS

#: n_features, hidden, n_classes, batch: no hidden layer, one neuron, sizes about a vector, a tile and a panel.
NETWORKS = [
    (1, (), 2, 1),
    (5, (), 3, 7),
    (65, (), 17, 16),
    (3, (1,), 2, 1),
    (64, (16,), 10, 16),
    (63, (13,), 3, 17),
    (129, (12, 1), 2, 5),
    (17, (15, 16, 17), 5, 9),
    (33, (31, 1, 7), 11, 33),
]


def check_step(engine, same_bits, config, network, kind="float32"):
    n_features, hidden, n_classes, batch = network
    config = config.replace(hidden=hidden, batch_size=batch, shuffle=False)
    epoch_run = engine.EpochRun(config, engine.samples(kind, batch, n_features), n_classes)
    loss = epoch_run.train(0.25, state=0)
    assert loss == epoch_run.train_reference(0.25, state=0)
    for got, ref in zip(epoch_run.arrays(), epoch_run.network.theta, strict=True):
        same_bits(got, ref)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_a_step_of_any_network_equals_its_reference(engine, same_bits, dtype, network, optimizer):
    check_step(engine, same_bits, Config(precision=dtype.name, optimizer=optimizer, l2=0.01), network)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("whole", "more"), [(1, -1), (1, 0), (1, 1), (2, 1)])
def test_a_step_over_several_panels_equals_its_reference(engine, same_bits, dtype, whole, more, optimizer):
    network = whole * engine.panel(dtype) + more, (13,), 3, 5
    check_step(engine, same_bits, Config(precision=dtype.name, optimizer=optimizer, l2=0.01), network)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("l2", [0.0, 0.125])
def test_a_step_with_any_activation_equals_its_reference(engine, same_bits, dtype, activation, l2):
    check_step(engine, same_bits, Config(precision=dtype.name, activation=activation, l2=l2), NETWORKS[-2])


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64", "strided"])
def test_a_step_on_any_samples_equals_its_reference(engine, same_bits, dtype, kind):
    check_step(engine, same_bits, Config(precision=dtype.name), NETWORKS[5], kind)


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31])
def test_a_step_on_a_batch_of_any_length_equals_its_reference(engine, same_bits, dtype, batch):
    check_step(engine, same_bits, Config(precision=dtype.name), (20, (9,), 4, batch))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_a_step_with_any_loss_equals_its_reference(engine, same_bits, dtype, network, loss):
    check_step(engine, same_bits, Config(precision=dtype.name, loss=loss, huber_delta=0.75), network)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_a_step_with_smoothed_labels_equals_its_reference(engine, same_bits, dtype, loss):
    check_step(engine, same_bits, Config(precision=dtype.name, loss=loss, label_smoothing=0.1), NETWORKS[-1])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("batch", [1, 9, 33])
def test_a_step_with_dropout_equals_its_reference(engine, same_bits, dtype, activation, batch):
    config = Config(precision=dtype.name, activation=activation, dropout=0.3)
    check_step(engine, same_bits, config, (17, (15, 16, 17), 5, batch))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("clip_norm", [0.01, 100.0])
def test_a_step_with_clipped_gradients_equals_its_reference(engine, same_bits, dtype, optimizer, clip_norm):
    config = Config(precision=dtype.name, optimizer=optimizer, clip_norm=clip_norm, l2=0.01)
    check_step(engine, same_bits, config, (engine.panel(dtype) + 3, (13, 9), 3, 5))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_that_decays_weights_equals_its_reference(engine, same_bits, dtype, optimizer):
    config = Config(precision=dtype.name, optimizer=optimizer, weight_decay=0.125, l2=0.01)
    check_step(engine, same_bits, config, NETWORKS[-2])


@pytest.mark.parametrize("optimizer", ["adam", "nadam"])
def test_a_step_with_eps_before_the_bias_correction_equals_its_reference(engine, same_bits, dtype, optimizer):
    config = Config(precision=dtype.name, optimizer=optimizer, eps=0.1, eps_form="eps_hat")
    check_step(engine, same_bits, config, NETWORKS[-2])
