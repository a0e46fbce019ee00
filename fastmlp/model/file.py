"""Model files: the parts of a network as ``.safetensors`` or ``.npz``, chosen by the suffix of the file name."""

import os
from itertools import pairwise
from pathlib import Path

from fastmlp.config import Config
from fastmlp.data.check import check_table
from fastmlp.data.label import classes_from_json, classes_to_json
from fastmlp.io.npz import Arrays, Npz, read_npz, write_npz
from fastmlp.io.safetensors import SUFFIX, read_safetensors, write_safetensors
from fastmlp.model.params import Params
from fastmlp.model.parts import (
    Parts,
    Scaling,
    check_class_names,
    check_n_epochs,
    check_scaling,
    classes_of,
    n_classes_of,
    task_of_network,
)
from fastmlp.table.schema import TableSchema

FILE_VERSION = 1


def write_model(path: str | os.PathLike[str], parts: Parts) -> None:
    """Write a model file; see `fastmlp.Model.save`."""
    header = {"config": parts.config.to_dict(), "class_names": parts.class_names, "n_epochs": parts.n_epochs}
    header["classes"] = None if parts.classes is None else classes_to_json(parts.classes)
    if parts.table is not None:
        header["table"] = parts.table.to_json()
    arrays = {f"weights_{i}": W for i, W in enumerate(parts.params.weights.read())}
    arrays |= {f"biases_{i}": b for i, b in enumerate(parts.params.biases.read())}
    if parts.scaling is not None:
        arrays["factor"], arrays["offset"] = parts.scaling
    write = write_safetensors if _is_safetensors(path) else write_npz
    write(path, "model", FILE_VERSION, header, arrays)


def read_model(path: str | os.PathLike[str]) -> Parts:
    """Read a model file; see `fastmlp.load_model`."""
    read = read_safetensors if _is_safetensors(path) else read_npz
    with read(path, "model", FILE_VERSION) as (header, arrays):
        config, n_epochs = Config.from_dict(header["config"]), check_n_epochs(header["n_epochs"])
        params = _read_params(arrays, config)
        scaling = _read_scaling(arrays, params)
        names = check_class_names(header["class_names"], n_classes_of(config, params))
        entry = header.get("classes")  # absent from older files
        classes = classes_of(config, params, None if entry is None else classes_from_json(entry))
        schema = TableSchema.from_json(header["table"]) if "table" in header else None
        table = check_table(schema, params.sizes[0], task_of_network(config, params))
        return Parts(config, params, scaling, names, n_epochs, classes, table)


def _is_safetensors(path: str | os.PathLike[str]) -> bool:
    return Path(path).suffix.lower() == SUFFIX


def _read_params(arrays: Arrays, config: Config) -> Params:
    """Read weights and biases; shapes are checked against the file before memory is allocated."""
    layers = range(len(config.hidden) + 1)
    names = [f"weights_{i}" for i in layers]
    heads = [arrays.header(name) if isinstance(arrays, Npz) else arrays[name] for name in names]
    shapes = [head.shape for head in heads]
    sizes = (shapes[0][0], *(shape[-1] for shape in shapes))
    if sizes[1:-1] != config.hidden:
        raise ValueError(f"its hidden layers are {sizes[1:-1]}; expected {config.hidden}, as in its config")
    if shapes != list(pairwise(sizes)) or any(head.dtype.kind != "f" for head in heads):
        dtypes = [str(head.dtype) for head in heads]
        raise ValueError(
            f"its weights have the shapes {shapes} and the dtypes {dtypes}; expected floating-point matrices, each "
            "with as many rows as the one before it has columns"
        )
    params = Params(sizes, config.dtype)
    for i, name in enumerate(names):
        params.weights[i] = arrays[name]
    params.biases.assign(arrays[f"biases_{i}"] for i in layers)
    return params


def _read_scaling(arrays: Arrays, params: Params) -> Scaling | None:
    if "factor" not in arrays and "offset" not in arrays:
        return None
    return check_scaling((arrays["factor"], arrays["offset"]), params)
