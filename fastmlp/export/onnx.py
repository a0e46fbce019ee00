"""Export to ONNX: a graph of standard operators, in a file."""

import json
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.data.label import is_range
from fastmlp.errors import ConfigError, MissingExtraError, OutputError
from fastmlp.export.onnx_graph import Graph
from fastmlp.export.onnx_table import ML_DOMAIN, ML_OPSET, add_byte_table, add_table, input_names
from fastmlp.io.atomic import write_atomic
from fastmlp.model.model import Model
from fastmlp.model.parts import is_binary, output_of
from fastmlp.settings import ACTIVATIONS, LEAKY_SLOPE

#: Versions of the operators and of the file format. Opset 13 (2020) is the first whose Softmax is along a single axis,
#: and it has all operators that are used here; IR version 8 is of 2021. Fewer runtimes read newer versions.
OPSET, IR_VERSION = 13, 8
INPUT_TYPES = ("uint8", "float32", "float64")
#: Maximum size of the parameters: protobuf limits a file to 2**31 bytes, of which 2**20 are reserved for the graph.
MAX_BYTES = 2**31 - 2**20
#: Name, dtype and shape of an input or output of a graph.
Value = tuple[str, str, list[str | int]]


def _leaky_relu(graph: Graph, z: str) -> str:
    return graph.add("Max", z, graph.add("Mul", z, graph.number(LEAKY_SLOPE)))


def _elu(graph: Graph, z: str) -> str:
    """``max(z, 0) + exp(min(z, 0)) - 1``."""
    exponential = graph.add("Exp", graph.add("Min", z, graph.number(0.0)))
    return graph.add("Add", graph.add("Relu", z), graph.add("Sub", exponential, graph.number(1.0)))


def _gelu(graph: Graph, z: str) -> str:
    """``z / 2 * (1 + tanh(sqrt(2 / pi) * (z + 0.044715 z**3)))`` (Hendrycks and Gimpel 2016)."""
    square = graph.add("Mul", graph.add("Mul", z, z), graph.number(0.044715))
    cubic = graph.add("Mul", z, graph.add("Add", square, graph.number(1.0)))
    tanh = graph.add("Tanh", graph.add("Mul", cubic, graph.number(math.sqrt(2 / math.pi))))
    return graph.add("Mul", graph.add("Mul", z, graph.number(0.5)), graph.add("Add", tanh, graph.number(1.0)))


def _silu(graph: Graph, z: str) -> str:
    return graph.add("Mul", z, graph.add("Sigmoid", z))


def _softplus(graph: Graph, z: str) -> str:
    """``max(z, 0) + log(1 + exp(-abs(z)))``, which does not overflow."""
    exponential = graph.add("Exp", graph.add("Neg", graph.add("Abs", z)))
    return graph.add("Add", graph.add("Relu", z), graph.add("Log", graph.add("Add", exponential, graph.number(1.0))))


#: Activations that are composed of several operators, or of none. Each function takes the graph and the name of the
#: input, and returns the name of the output.
COMPOSED: dict[str, Callable[[Graph, str], str]] = {
    "identity": lambda _, z: z,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "gelu": _gelu,
    "silu": _silu,
    "softplus": _softplus,
}


def write_onnx(path: str | os.PathLike[str], model: Model, input_type: str | None = None) -> None:
    """Write an ONNX file; see `fastmlp.Model.to_onnx`."""
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("onnx", "onnx", "Writing an ONNX file") from None
    network_dtype = model.config.dtype
    input_type = network_dtype if input_type is None else input_type
    if input_type not in INPUT_TYPES:
        raise ConfigError(f"input_type: expected one of {', '.join(map(repr, INPUT_TYPES))}, got {input_type!r}")
    if model.params.read().nbytes > MAX_BYTES:
        raise OutputError(
            f"the ONNX file could not be written to {path}: expected at most {MAX_BYTES:,} bytes of parameters, got "
            f"{model.params.read().nbytes:,}; the format allows 2 GB per file: use Model.save with a .safetensors file"
        )
    inputs = _inputs(model, input_type)
    graph = Graph(onnx, network_dtype, [name for name, _, _ in inputs])
    features = _add_features(graph, model, [name for name, _, _ in inputs], input_type)
    outputs = _add_output(graph, _add_layers(graph, _add_scaling(graph, features, model), model), model)
    values_info = [
        [onnx.helper.make_tensor_value_info(name, graph.type_of(dtype), shape) for name, dtype, shape in values]
        for values in (inputs, outputs)
    ]
    onnx_graph = onnx.helper.make_graph(graph.nodes, "fastmlp", *values_info, graph.constants)
    opsets = [onnx.helper.make_opsetid("", OPSET)]
    if any(node.domain == ML_DOMAIN for node in graph.nodes):
        opsets.append(onnx.helper.make_opsetid(ML_DOMAIN, ML_OPSET))
    proto = onnx.helper.make_model(onnx_graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="fastmlp")
    onnx.helper.set_model_props(proto, _metadata(model))
    content = proto.SerializeToString()
    write_atomic(path, "ONNX file", lambda file: file.write(content))


def _metadata(model: Model) -> dict[str, str]:
    """Class names, the schema of the table, and the name of the input of each column, as JSON."""
    table, entries = model.table, {}
    if model.class_names is not None:
        entries["class_names"] = json.dumps(model.class_names)
    if table is not None:
        entries["table"] = json.dumps(table.to_json(), allow_nan=False)
    if table is not None and not table.as_bytes:
        entries["inputs"] = json.dumps(input_names(table))
    return entries


def _inputs(model: Model, input_type: str) -> list[Value]:
    """The inputs of the graph: one per column of a table, unless its columns are all bytes."""
    table = model.table
    if table is None or table.as_bytes:
        return [("X", input_type, ["n_samples", model.n_features])]
    dtypes = {"number": input_type, "category": "object", "date": "int64"}  # onnx: strings are objects
    names = input_names(table)
    return [(names[column.name], dtypes[column.kind], ["n_samples", 1]) for column in table.inputs]


def _add_features(graph: Graph, model: Model, inputs: list[str], input_type: str) -> str:
    """Add the conversion of the inputs to features in the network's dtype."""
    table = model.table
    if table is not None:
        add = add_byte_table if table.as_bytes else add_table
        return add(graph, table, inputs, input_type)
    return "X" if input_type == model.config.dtype else graph.add("Cast", "X", to=graph.network_type)


def _add_scaling(graph: Graph, value: str, model: Model) -> str:
    if model.scaling is not None:
        factor, offset = model.scaling
        value = graph.add("Mul", value, graph.array("factor", factor))
        value = graph.add("Add", value, graph.array("offset", offset))
    return value


def _add_layers(graph: Graph, value: str, model: Model) -> str:
    last = len(model.params.weights) - 1
    for i, (W, b) in enumerate(zip(model.params.weights.read(), model.params.biases.read(), strict=True)):
        value = graph.add("Gemm", value, graph.array(f"weights_{i}", W), graph.array(f"biases_{i}", b))
        if i < last:
            value = _add_activation(graph, value, model.config.activation)
    return value


def _add_activation(graph: Graph, value: str, name: str) -> str:
    operator = ACTIVATIONS[name].onnx
    return COMPOSED[name](graph, value) if operator is None else graph.add(operator, value)


def _add_output(graph: Graph, logits: str, model: Model) -> list[Value]:
    """Add the output layer's activation; return the outputs of the graph."""
    output, network_dtype, n_outputs = output_of(model.config), model.config.dtype, model.params.sizes[-1]
    shape: list[str | int] = ["n_samples", n_outputs]
    if output in ("identity", "exp"):
        graph.add("Exp" if output == "exp" else "Identity", logits, result="values")
        return [("values", network_dtype, shape)]
    if output == "sigmoid" and not is_binary(model.config, model.params):
        graph.add("Sigmoid", logits, result="probabilities")
        applies = graph.add("Greater", "probabilities", graph.number(0.5))
        graph.add("Cast", applies, result="label", to=graph.type_of("int64"))
        return [("probabilities", network_dtype, shape), ("label", "int64", shape)]
    if output == "sigmoid":
        second = graph.add("Sigmoid", logits)
        first = graph.add("Sub", graph.number(1.0), second)
        graph.add("Concat", first, second, result="probabilities", axis=1)
        shape[1] = 2
    else:
        graph.add("Softmax", logits, result="probabilities", axis=1)
    return [("probabilities", network_dtype, shape), ("label", _add_label(graph, model), shape[:1])]


def _add_label(graph: Graph, model: Model) -> str:
    """Add the class of the largest probability; return its dtype."""
    if model.classes is None or is_range(model.classes):
        graph.add("ArgMax", "probabilities", result="label", axis=1, keepdims=0)
        return "int64"
    dtype = _label_dtype(model.classes)
    classes = model.classes.astype(str) if dtype == "object" else model.classes
    code = graph.add("ArgMax", "probabilities", axis=1, keepdims=0)
    graph.add("Gather", graph.array("classes", np.resize(classes, model.n_classes), dtype), code, result="label")
    return dtype


def _label_dtype(classes: NDArray[Any]) -> str:
    """The dtype of the label output; onnx takes strings from arrays of objects. A duration is a number of its unit."""
    if classes.dtype.kind in "ium":
        return "uint64" if classes.dtype == np.uint64 and classes[-1] > np.iinfo(np.int64).max else "int64"
    if classes.dtype.kind == "f":
        return "float32" if classes.dtype.itemsize <= 4 else "float64"
    return "bool" if classes.dtype.kind == "b" else "object"
