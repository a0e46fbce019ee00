"""Studies with made-up results: by default those that the paper reports, with its numbers of repeats and epochs."""

import pytest

from fastmlp.config import Config
from fastmlp.paper.figures import CIFAR10_CHECKSUM, FIGURES, N_EPOCHS, N_REPEATS
from fastmlp.study.plan import key_of, make_plan
from fastmlp.study.result import Study
from fastmlp.training.history import COLUMNS

ABOUT = {
    "versions": {"fastmlp": "1"},
    "machine": {"cpu": "a <fast> one"},
    "data": {
        "name": "cifar10", "checksum": CIFAR10_CHECKSUM, "n_train": 5000, "n_test": 1000, "n_features": 4,
        "n_classes": 10, "majority_accuracy": 0.1,
    },
}  # fmt: skip
ACCURACY = {
    "l2": {0.01: 0.1, 0.001: 0.4, 0.0001: 0.47},
    "decay_rate": {0.1: 0.5, 0.01: 0.48, 0.001: 0.47, 0.0001: 0.47},
}
SGD = dict(zip((0.001, 0.01, 0.1, 0.2, 0.3, 0.5), (0.2, 0.35, 0.49, 0.48, 0.47, 0.45), strict=True))
ADAM = dict(zip(SGD, (0.47, 0.4, 0.1, 0.1, 0.1, 0.1), strict=True))


def accuracy_in_the_paper(setting):
    """Accuracy after the last epoch, read off the paper's figures."""
    if "optimizer" in setting:
        return {"sgd": SGD, "adam": ADAM}[setting["optimizer"]][setting["learning_rate"]]
    ((name, value),) = setting.items()
    return ACCURACY[name][value]


@pytest.fixture(scope="session")
def make_study():
    """Function that makes the study of a figure, optionally with another accuracy for one setting.

    Its other arguments change the data, or the numbers of repeats and epochs. The loss falls as the accuracy rises.
    """

    def make(number, changed=None, accuracy=None, data=None, n_repeats=N_REPEATS, n_epochs=N_EPOCHS):
        plan = make_plan(Config(n_epochs=n_epochs), FIGURES[number].settings, n_repeats)
        records = {}
        for setting in plan.settings:
            for repeat in range(n_repeats):
                got = (accuracy if setting == changed else accuracy_in_the_paper(setting)) + 0.001 * repeat / n_repeats
                row = [1, 0.3, 2.0, 3.0 - 2.0 * got, got, 1.0, 0.1]
                record = {"setting": setting, "repeat": repeat, "seed": repeat, "status": "finished", "seconds": 3.0}
                history = {name: [value] * n_epochs for name, value in zip(COLUMNS, row, strict=True)}
                records[key_of(setting, repeat)] = record | {"weights_sha256": "0", "history": history}
        return Study(plan, ABOUT | {"data": ABOUT["data"] | (data or {})}, records)

    return make


@pytest.fixture(scope="session")
def digits():
    """Name and checksum of other data than CIFAR-10."""
    return {"name": "digits", "checksum": "abc"}
