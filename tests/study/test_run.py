"""Single runs of a study, and their records."""

import fastmlp


def test_a_run_can_be_reproduced_from_its_seed(blobs, config):
    record = fastmlp.repeat(blobs, config, 2).records()[1]
    again = fastmlp.train(blobs, config.replace(seed=record["seed"]))
    assert again.history["test_loss"] == record["history"]["test_loss"]


def test_a_diverged_run_has_a_record_and_does_not_end_the_study(blobs, config):
    config = config.replace(activation="relu")
    study = fastmlp.sweep(blobs, config, {"learning_rate": [1e30, 0.1]}, 2)
    assert [record["status"] for record in study.records()] == ["diverged"] * 2 + ["finished"] * 2
    assert study.n_diverged({"learning_rate": 1e30}) == 2
    assert study.best() == {"learning_rate": 0.1}
