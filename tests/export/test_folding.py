import warnings

import numpy as np
import pytest

import fastmlp
from fastmlp.errors import DataError
from fastmlp.export.folding import as_dtype, folded_layers
from fastmlp.settings import ACTIVATIONS, LOSSES
from fastmlp.table.schema import Column, TableSchema


def test_every_activation_and_loss_has_a_numpy_implementation(networks):
    assert (set(networks.activations), set(networks.losses)) == (set(ACTIVATIONS), set(LOSSES))


def test_the_scaling_is_folded_into_the_first_layer_and_the_others_are_unchanged(networks):
    network, X = networks.make(), networks.samples()
    (W, b), *others = folded_layers(network)
    factor, offset = network.scaling
    ref = (X * factor + offset) @ network.params.weights[0].astype(float) + network.params.biases[0]
    np.testing.assert_allclose(X @ W + b, ref, rtol=1e-13, atol=1e-13)
    for (V, c), W, b in zip(others, network.params.weights[1:], network.params.biases[1:], strict=False):
        np.testing.assert_array_equal(V, W)
        np.testing.assert_array_equal(c, b)


def test_folding_does_not_modify_the_network(networks):
    network = networks.make(precision="float64")
    before = network.params.theta.copy()
    for W, b in folded_layers(network):
        W[:], b[:] = 0, 0
    np.testing.assert_array_equal(network.params.theta, before)


def test_a_weight_that_the_scaling_makes_too_large_is_refused():
    assert as_dtype(np.array([1e39]), "float64") == 1e39
    with pytest.raises(DataError, match="exceed the range of float32: use float64"):
        as_dtype(np.array([1e39]), "float32")


@pytest.mark.parametrize(("precision", "far"), [("float32", 2.0**18), ("float64", 2.0**47)])
def test_a_feature_too_far_from_zero_is_refused(precision, far, networks):
    network = networks.make(precision=precision)
    factor, offset = network.scaling
    network.scaling = factor, np.where(np.arange(6) == 2, far, offset)
    folded_layers(network)
    network.scaling = factor, np.where(np.arange(6) == 2, -2 * far, offset)
    with pytest.raises(
        DataError, match=r"feature 2 is .* standard deviations away from zero; expected at most .*to_onnx"
    ):
        folded_layers(network)


def test_layers_that_take_the_features_of_a_table_are_exported_with_a_warning():
    model = fastmlp.init_model(fastmlp.Config(hidden=(), loss="squared_error"), 2, 1)
    number, colour = Column(name="a", kind="number"), Column(name="b", kind="category", levels=("red",))
    model.table = TableSchema(columns=(number, colour), target="y", target_position=2, task="regression")
    with pytest.warns(UserWarning, match="takes features, not raw rows of the table; encode them by fastmlp"):
        folded_layers(model)
    other = Column(name="b", kind="number")
    model.table = TableSchema(columns=(number, other), target="y", target_position=2, task="regression")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(folded_layers(model)) == 1
