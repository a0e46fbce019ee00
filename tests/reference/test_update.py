"""Optimizers against the formulas of the papers, with their bias corrections, and against PyTorch's."""

import numpy as np
import pytest

from fastmlp.config import Config
from fastmlp.reference import update as reference_update
from fastmlp.reference.network import Network
from fastmlp.settings import OPTIMIZERS


@pytest.mark.parametrize("l2", [0.0, 0.125])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_ten_steps_equal_the_papers_formulas(plain_steps, optimizer, l2):
    random = np.random.default_rng(4)
    config = Config(optimizer=optimizer, learning_rate=0.05, l2=l2, beta1=0.8, beta2=0.95, precision="float64")
    W, gradients = random.normal(size=(3, 4)), random.normal(size=(10, 3, 4))
    network = Network(config, [W], [np.zeros(4)])
    w, m, v = W, np.zeros_like(W), np.zeros_like(W)
    for t, gradient in enumerate(gradients, 1):
        c = reference_update.coefficients_of_step(config, config.learning_rate, network.powers)
        network.update(0, gradient, c)
        w, m, v = plain_steps[optimizer](w, m, v, gradient + l2 * w, t, config)
    np.testing.assert_allclose(network.theta[0], w, rtol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weights_decay_apart_from_their_gradient_and_biases_do_not(optimizer):
    config = Config(optimizer=optimizer, learning_rate=0.05, weight_decay=0.25, precision="float64")
    W, gradients = np.full((2, 2), 3.0), np.zeros((4, 2, 2))
    network = Network(config, [W], [np.ones(2)])
    for gradient in gradients:
        c = reference_update.coefficients_of_step(config, config.learning_rate, network.powers)
        network.update(0, gradient, c)
        network.update(1, gradient[0], c)
    np.testing.assert_allclose(network.theta[0], W * (1 - 0.05 * 0.25) ** 4, rtol=1e-12)
    np.testing.assert_array_equal(network.theta[1], 1)


def test_ten_steps_equal_pytorch_s():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    random = np.random.default_rng(4)
    W, gradients = random.normal(size=(3, 4)), random.normal(size=(10, 3, 4))
    peers = {
        "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
        "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
        "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.05, alpha=0.95),
        "adam": lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.95)),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.8, 0.95), weight_decay=0.1),
        "nadam": lambda p: torch.optim.NAdam(p, lr=0.05, betas=(0.8, 0.95)),
    }
    for optimizer, make in peers.items():
        decay = 0.1 if optimizer == "adamw" else 0.0
        config = Config(
            optimizer=optimizer, learning_rate=0.05, beta1=0.8, beta2=0.95, weight_decay=decay, precision="float64"
        )  # fmt: skip
        network, weight = Network(config, [W], [np.zeros(4)]), torch.tensor(W, requires_grad=True)
        peer = make([weight])
        for gradient in gradients:
            network.update(0, gradient, reference_update.coefficients_of_step(config, 0.05, network.powers))
            weight.grad = torch.tensor(gradient)
            peer.step()
        rtol = 1e-5 if optimizer == "nadam" else 1e-12  # PyTorch keeps Nadam's product of momenta in float32
        np.testing.assert_allclose(network.theta[0], weight.detach().numpy(), rtol=rtol, err_msg=optimizer)
