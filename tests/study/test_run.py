"""Single runs of a study, and their records."""

import numpy as np
import pytest

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


@pytest.mark.parametrize("early_stopping", ["none", "loss", "score"])
def test_runs_whose_losses_overflow_in_any_way_are_diverged_records(early_stopping):
    random = np.random.default_rng(0)
    X, y = random.normal(size=(60, 3)), random.poisson(2.0, 60)
    y_val = np.where(np.arange(20) == 3, 9.96921e36, y[:20])
    config = fastmlp.Config(hidden=(4,), n_epochs=3, batch_size=16, early_stopping=early_stopping, activation="relu")
    grid = {"learning_rate": [0.01, 1e10, 1e30, 1e300], "loss": ["poisson", "squared_error"]}
    for validation in ({}, {"X_val": X[:20], "y_val": y_val}):
        data = fastmlp.Dataset(X, y, X[:20], y[:20], task="regression", **validation)
        study = fastmlp.sweep(data, config.replace(precision="float64"), grid, 2)
        assert len(study.records()) == 16
        finished = [record for record in study.records() if record["status"] == "finished"]
        assert all(np.isfinite(column).all() for record in finished for column in record["history"].values())
        assert 0 < study.n_diverged({"learning_rate": 1e300, "loss": "squared_error"}) <= 2
        assert study.best() in study.settings
        assert len(study.settings) == 8
