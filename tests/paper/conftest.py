"""Studies with made-up results: by default those that the paper reports."""

import pytest

from fastmlp.config import Config
from fastmlp.paper.figures import FIGURES
from fastmlp.study.plan import key_of, make_plan
from fastmlp.study.result import Study
from fastmlp.training.history import COLUMNS

ABOUT = {
    "versions": {"fastmlp": "1"},
    "machine": {"cpu": "a <fast> one"},
    "data": {
        "name": "pixels", "checksum": "abc", "n_train": 5000, "n_test": 1000, "n_features": 4, "n_classes": 10,
        "majority_accuracy": 0.1,
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

    It has two repeats of one epoch; the loss falls as the accuracy rises.
    """

    def make(number, changed_setting=None, changed_accuracy=None):
        plan = make_plan(Config(n_epochs=1), FIGURES[number].settings, 2)
        records = {}
        for setting in plan.settings:
            is_changed = setting == changed_setting
            for repeat in range(2):
                accuracy = (changed_accuracy if is_changed else accuracy_in_the_paper(setting)) + 0.001 * repeat
                row = [1, 0.3, 2.0, 3.0 - 2.0 * accuracy, accuracy, 1.0, 0.1]
                record = {"setting": setting, "repeat": repeat, "seed": repeat, "status": "finished", "seconds": 30.0}
                history = {name: [value] for name, value in zip(COLUMNS, row, strict=True)}
                records[key_of(setting, repeat)] = record | {"weights_sha256": "0", "history": history}
        return Study(plan, ABOUT, records)

    return make
