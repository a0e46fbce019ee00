"""Graph: nodes and constants of an ONNX graph, collected one by one."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Graph:
    """Nodes and constants of an ONNX graph, in the order in which they are added. Values are identified by name.

    Parameters
    ----------
    onnx : module
        The package onnx.
    dtype : str
        Dtype of the network.
    inputs : collection of str
        Names of the graph's inputs, which no other value gets.

    Attributes
    ----------
    network_type : int
        ONNX's code of the network's dtype.
    nodes, constants : list
        What was added so far.
    """

    def __init__(self, onnx: Any, dtype: str, inputs: Collection[str] = ("X",)) -> None:
        self._onnx, self._dtype, self._inputs = onnx, dtype, frozenset(inputs)
        self.network_type = self.type_of(dtype)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: str, result: str | None = None, **attributes: Any) -> str:
        """Add a node; return the name of its result."""
        name = result or self._unused(f"{operator}_{len(self.nodes)}")
        self.nodes.append(self._onnx.helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def array(self, name: str, array: NDArray[Any], dtype: str | None = None) -> str:
        """Add a constant array, by default in the network's dtype; return its name."""
        name, array = self._unused(name), np.asarray(array, dtype or self._dtype, order="C")
        self.constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def number(self, value: float, dtype: str | None = None) -> str:
        """Add a constant number, unless the graph has it already; return its name."""
        name = f"number_{value!r}" if dtype is None else f"{dtype}_{value!r}"
        exists = any(constant.name == self._unused(name) for constant in self.constants)
        return self._unused(name) if exists else self.array(name, np.array(value), dtype)

    def type_of(self, dtype: str) -> int:
        """ONNX's code of a dtype; strings are objects."""
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _unused(self, name: str) -> str:
        """The name, with apostrophes if it is that of an input."""
        while name in self._inputs:
            name += "'"
        return name
