from typing import get_args

import numpy as np
import pytest

from fastmlp.config import Config
from fastmlp.kernels.epoch import predict_stretch, train_stretch
from fastmlp.rules import Activation, Optimizer, Precision
from fastmlp.train import train
from fastmlp.warmup import is_warm, warmup


@pytest.mark.parametrize("precision", get_args(Precision))
def test_after_warming_up_it_is_warm(precision):
    assert warmup(precision) >= 0
    assert is_warm(precision)


@pytest.mark.parametrize("precision", get_args(Precision))
def test_nothing_is_compiled_after_warming_up(precision, make_blobs):
    warmup(precision)
    before = [set(door.overloads) for door in (train_stretch, predict_stretch)]
    for dtype in (np.uint8, np.float32, np.float64):
        for activation in get_args(Activation):
            for optimizer in get_args(Optimizer):
                config = Config(hidden=(3,), activation=activation, optimizer=optimizer, learning_rate=0.01, n_epochs=1)
                train(make_blobs(dtype=dtype), config.replace(precision=precision, batch_size=7))
    assert [set(door.overloads) for door in (train_stretch, predict_stretch)] == before


def test_a_second_time_takes_no_time():
    warmup("float32")
    assert warmup("float32") < 0.1
