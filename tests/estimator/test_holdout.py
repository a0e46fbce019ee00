"""The validation set of early stopping, compared with scikit-learn's; `test_sklearn_parity` compares whole fits."""

import numpy as np
import pytest
from sklearn import neural_network

from fastmlp import FastMLPError
from fastmlp.estimator.holdout import hold_out
from fastmlp.estimator.loop import Samples


def test_stratified_sets_have_the_same_share_of_each_class():
    y = np.arange(40, dtype=np.int32) % 4 // 3
    samples = Samples(np.arange(40.0)[:, None], y, np.ones(40))
    training, validation = hold_out(samples, 0.2, True, np.random.RandomState(0))
    assert [len(part.y) for part in (training, validation)] == [32, 8]
    assert [part.y.mean() for part in (training, validation)] == [0.25, 0.25]
    assert sorted(np.append(training.X, validation.X)) == list(range(40))


@pytest.mark.parametrize("labels", [["ash"] * 3 + ["beech"], ["ash", "beech"] * 2], ids=["class", "set"])
def test_what_is_too_small_gives_scikit_learns_message(make_classifier, labels):
    messages = []
    for network in (make_classifier(early_stopping=True), neural_network.MLPClassifier(early_stopping=True)):
        with pytest.raises(ValueError, match=r"only 1 member|should be greater or equal") as caught:
            network.fit(np.eye(4), labels)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_a_set_whose_weights_are_all_0_is_refused():
    samples = Samples(np.eye(20), np.ones((20, 1)), np.append(np.ones(1), np.zeros(19)))
    with pytest.raises(FastMLPError, match="positive weight in both"):
        hold_out(samples, 0.2, False, np.random.RandomState(0))
