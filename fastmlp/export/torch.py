"""Export to PyTorch: a module of ``Linear`` layers and activations of ``torch.nn``."""

from typing import Any

from fastmlp.errors import MissingExtraError
from fastmlp.export.folding import as_dtype, folded_layers
from fastmlp.model.model import Model
from fastmlp.settings import ACTIVATIONS


def make_module(model: Model) -> Any:
    """Make a ``torch.nn.Sequential`` that returns logits; see `fastmlp.Model.to_torch`."""
    try:
        import torch
    except ImportError:
        raise MissingExtraError("torch", "torch", "to_torch") from None
    nn, dtype, modules = torch.nn, model.config.dtype, []
    activation = ACTIVATIONS[model.config.activation]
    for W, b in folded_layers(model):
        linear: Any = nn.utils.skip_init(nn.Linear, *W.shape, dtype=getattr(torch, dtype))
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(as_dtype(W.T, dtype)))
            linear.bias.copy_(torch.from_numpy(as_dtype(b, dtype)))
        modules += [linear, getattr(nn, activation.torch)(**dict(activation.torch_arguments))]
    return nn.Sequential(*modules[:-1])
