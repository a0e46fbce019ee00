from itertools import pairwise

import numpy as np
import pytest

from fastmlp.settings import LOSSES


def make_problem(sizes, m, seed=0, loss="cross_entropy"):
    """Samples, targets such as the loss is for, weights and biases of layers of these sizes."""
    random = np.random.default_rng(seed)
    output = LOSSES[loss].output
    spread = 0.4 if output == "exp" else 1.0
    weights = [random.normal(0, spread, shape) for shape in pairwise(sizes)]
    biases = [random.normal(0, spread, n) for n in sizes[1:]]
    if output == "softmax":
        y = np.arange(m) % sizes[-1]
    else:
        y = random.integers(0, 2 if output == "sigmoid" else 4, (m, sizes[-1])).astype(float)
    return random.normal(size=(m, sizes[0])), y, weights, biases


@pytest.fixture(scope="session")
def random_problem():
    return make_problem
