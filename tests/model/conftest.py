"""Networks that the tests of models and of model files share."""

import pytest

from fastmlp.config import Config
from fastmlp.model.model import init_model
from fastmlp.training.loop import train


@pytest.fixture
def model():
    return init_model(Config(hidden=(7, 6)), n_features=5, n_classes=3)


@pytest.fixture(scope="module")
def trained(blobs):
    return train(blobs, Config(hidden=(7, 6), n_epochs=2, batch_size=8)).model
