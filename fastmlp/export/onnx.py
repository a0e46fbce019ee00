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


class Graph:
    """Nodes and constants of an ONNX graph, in the order in which they are added. Values are identified by name."""

    def __init__(self, onnx: Any, dtype: str) -> None:
        self._onnx, self._dtype = onnx, dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: str, result: str | None = None, **attributes: Any) -> str:
        """Add a node; return the name of its result."""
        name = result or f"{operator}_{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def array(self, name: str, array: NDArray[Any], dtype: str | None = None) -> str:
        """Add a constant array, by default in the network's dtype; return its name."""
        array = np.asarray(array, dtype or self._dtype, order="C")
        self.constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def number(self, value: float) -> str:
        """Add a constant number, unless the graph has it already; return its name."""
        name = f"number_{value!r}"
        exists = any(constant.name == name for constant in self.constants)
        return name if exists else self.array(name, np.array(value))

    def type_of(self, dtype: str) -> int:
        """ONNX's code of a dtype."""
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


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
    graph = Graph(onnx, network_dtype)
    outputs = _add_output(graph, _add_layers(graph, _add_input(graph, model, input_type), model), model)
    info = onnx.helper.make_tensor_value_info
    onnx_graph = onnx.helper.make_graph(
        graph.nodes,
        "fastmlp",
        [info("X", graph.type_of(input_type), ["n_samples", model.params.sizes[0]])],
        [info(name, graph.type_of(dtype), shape) for name, dtype, shape in outputs],
        graph.constants,
    )
    opsets = [onnx.helper.make_opsetid("", OPSET)]
    proto = onnx.helper.make_model(onnx_graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="fastmlp")
    if model.class_names is not None:
        onnx.helper.set_model_props(proto, {"class_names": json.dumps(model.class_names)})
    content = proto.SerializeToString()
    write_atomic(path, "ONNX file", lambda file: file.write(content))


def _add_input(graph: Graph, model: Model, input_type: str) -> str:
    network_dtype, value = model.config.dtype, "X"
    if input_type != network_dtype:
        value = graph.add("Cast", value, to=graph.type_of(network_dtype))
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


def _add_output(graph: Graph, logits: str, model: Model) -> list[tuple[str, str, list[str | int]]]:
    """Add the output layer's activation; return name, dtype and shape of each output of the graph."""
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
