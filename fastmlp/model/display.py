"""How a model shows itself in a notebook."""

from itertools import pairwise
from typing import TYPE_CHECKING

from fastmlp.data.label import list_labels
from fastmlp.notebook.html import card, table
from fastmlp.settings import LOSSES

if TYPE_CHECKING:
    from fastmlp.model.model import Model

#: Maximum number of layers that are listed.
MAX_LAYERS = 12


def model_html(model: "Model") -> str:
    """A model as HTML: its layers, and what it predicts.

    Parameters
    ----------
    model : Model
        The model; no weight is read.

    Returns
    -------
    str
        About 1 KB.

    Examples
    --------
    >>> import fastmlp
    >>> model = fastmlp.init_model(fastmlp.Config(hidden=(4,)), n_features=3, n_classes=2)
    >>> "<td>12&#160;+&#160;4</td>" in model_html(model)
    True
    """
    config, sizes = model.config, model.params.sizes
    activations = [config.activation] * len(config.hidden) + [LOSSES[config.loss].output]
    layers = [
        (f"layer {i}", f"{fan_in:,} to {fan_out:,}", activation, f"{fan_in * fan_out:,} + {fan_out:,}")
        for i, ((fan_in, fan_out), activation) in enumerate(zip(pairwise(sizes), activations, strict=True), 1)
    ]
    if len(layers) > MAX_LAYERS:
        layers[MAX_LAYERS - 2 : -1] = [(f"{len(layers) - MAX_LAYERS + 1} more layers", "", "", "")]
    n_parameters = sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))
    rows = [("task", model.task), ("parameters", f"{n_parameters:,} of {config.dtype}")]
    names = model.class_names if model.class_names is not None else model.classes
    if names is not None:
        rows.append(("labels" if model.task == "multilabel" else "classes", list_labels(names)))
    if model.table is not None:
        rows.append(("input", f"rows of a table with {len(model.table.inputs):,} columns"))
    rows.append(("scaling", "none" if model.scaling is None else "of each feature"))
    return card(repr(model).strip("<>"), table(layers, ("", "neurons", "activation", "weights + biases")), table(rows))
