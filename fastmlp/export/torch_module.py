"""A PyTorch module of a network: plain layers, nothing of ours."""

from collections.abc import Callable
from typing import Any

from fastmlp.errors import MissingExtraError
from fastmlp.export.trained import Trained, folded, held
from fastmlp.kernels.activation import LEAK

#: PyTorch's own threshold of softplus, 20, beyond which it is the identity, is felt in float64.
SOFTPLUS_THRESHOLD = 40.0
#: The layer for each activation, given torch.nn.
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": lambda nn: nn.Sigmoid(),
    "tanh": lambda nn: nn.Tanh(),
    "relu": lambda nn: nn.ReLU(),
    "identity": lambda nn: nn.Identity(),
    "leaky_relu": lambda nn: nn.LeakyReLU(LEAK),
    "elu": lambda nn: nn.ELU(),
    "gelu": lambda nn: nn.GELU(approximate="tanh"),
    "silu": lambda nn: nn.SiLU(),
    "softplus": lambda nn: nn.Softplus(threshold=SOFTPLUS_THRESHOLD),
}


def make_module(network: Trained) -> Any:
    """A Sequential that ends in logits; see `fastmlp.Model.to_torch`."""
    try:
        import torch
    except ImportError:
        raise MissingExtraError("torch", "torch", "to_torch") from None
    nn, precision, modules = torch.nn, network.config.dtype, []
    for W, b in folded(network):
        linear: Any = nn.utils.skip_init(nn.Linear, *W.shape, dtype=getattr(torch, precision))
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(held(W.T, precision)))
            linear.bias.copy_(torch.from_numpy(held(b, precision)))
        modules += [linear, ACTIVATIONS[network.config.activation](nn)]
    return nn.Sequential(*modules[:-1])
