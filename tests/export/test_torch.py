from typing import get_args

import numpy as np
import pytest

import fastmlp
from fastmlp.config import Config
from fastmlp.export.torch import make_module
from fastmlp.settings import ACTIVATIONS, Dtype

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


def run(module, X, precision):
    with torch.no_grad():
        return module(torch.from_numpy(X.astype(precision)))


@pytest.mark.parametrize("precision", get_args(Dtype))
@pytest.mark.parametrize("scaled", [False, True])
def test_every_activation_matches_numpy(precision, scaled, networks):
    X = networks.samples() if scaled else networks.samples() / 255
    for activation in networks.activations:
        network = networks.make(activation, precision=precision, scaled=scaled)
        got = run(make_module(network), X, precision).numpy()
        assert got.dtype == precision
        ref = networks.logits(network, X.astype(precision))
        np.testing.assert_allclose(got, ref, err_msg=activation, **networks.tolerance(precision))


def test_softplus_is_not_linear_at_25(networks):
    z = torch.tensor([25.0], dtype=torch.float64)
    network = networks.make("softplus", precision="float64", sizes=(1, 1, 1))
    assert make_module(network)[1](z).item() == np.logaddexp(0, 25.0) > 25


@pytest.mark.parametrize("precision", get_args(Dtype))
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_softmax_of_the_logits_equals_the_predicted_probabilities(activation, precision, blobs, networks):
    config = Config(hidden=(7, 6), activation=activation, precision=precision, n_epochs=2, learning_rate=0.01)
    model = fastmlp.train(blobs, config).model
    got = torch.softmax(run(model.to_torch(), blobs.X_test, precision), dim=1)
    np.testing.assert_allclose(got, model.predict_proba(blobs.X_test), **networks.tolerance(precision))


def test_a_network_without_hidden_layers_is_one_linear_layer(networks):
    assert [type(layer) for layer in make_module(networks.make(sizes=(6, 3)))] == [torch.nn.Linear]


def test_the_module_shares_no_memory_and_draws_no_random_numbers():
    model = fastmlp.init_model(Config(hidden=(4,), precision="float64"), 3, 2)
    before, state = model.params.theta.copy(), torch.get_rng_state()
    module = model.to_torch()
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        for parameter in module.parameters():
            assert parameter.requires_grad
            parameter.zero_()
    np.testing.assert_array_equal(model.params.theta, before)
