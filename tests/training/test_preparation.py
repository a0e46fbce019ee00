"""What precedes the first step; the tests of compatibility, standardisation and loop test its checks through train."""

import numpy as np
import pytest

import fastmlp
from fastmlp.config import Config
from fastmlp.training.preparation import prepare_training

SMALL = Config(hidden=(4,))


def test_a_new_network_has_classes_and_scaling_of_the_data(blobs):
    config, model, scaling = prepare_training(blobs, SMALL.replace(precision="auto"), None, 1)
    assert config.precision != "auto"
    assert model.classes.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(model.scaling, blobs.scaling())
    assert scaling.is_identity


def test_a_given_network_is_copied(blobs):
    given = fastmlp.init_model(SMALL, blobs.n_features, blobs.n_classes)
    _, model, _ = prepare_training(blobs, SMALL, given, 1)
    assert model is not given
    assert not np.shares_memory(model.params.theta, given.params.theta)
    assert given.scaling is None


def test_a_warning_about_targets_names_the_line_that_trains(make_regression):
    X, y = make_regression()
    data = fastmlp.Dataset(X, 1000 * y, X, y, task="regression", target_scale="none")
    with pytest.warns(UserWarning, match="y_train: expected targets of a root mean square near 1") as caught:
        fastmlp.train(data, SMALL.replace(loss="huber", n_epochs=1, learning_rate=1e-3))
    assert caught[0].filename == __file__
