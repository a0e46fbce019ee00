import numpy as np
import pytest

from fastmlp.export.onnx_graph import Graph

onnx = pytest.importorskip("onnx", reason="onnx is not installed")


def test_no_value_has_the_name_of_an_input():
    graph = Graph(onnx, "float32", ["Relu_0", "number_1.0", "W"])
    names = [graph.add("Relu", "W"), graph.number(1.0), graph.array("W", np.ones(2))]
    assert names == ["Relu_0'", "number_1.0'", "W'"]
    assert [node.output[0] for node in graph.nodes] == names[:1]
    assert [constant.name for constant in graph.constants] == names[1:]


def test_a_number_is_added_once_per_dtype():
    graph = Graph(onnx, "float64", ["number_0.5"])
    assert graph.number(0.5) == graph.number(0.5) != graph.number(2, "int64") == graph.number(2, "int64")
    assert [onnx.numpy_helper.to_array(constant).dtype for constant in graph.constants] == ["float64", "int64"]
