"""Results of a study: statistics, tables, and final values."""

import json
import math

import numpy as np
import pytest

import fastmlp
from fastmlp.errors import ConfigError
from fastmlp.io.manifest import add_checksum, remove_checksum
from fastmlp.study.result import summary_row


def test_statistics_are_computed_from_the_histories(blobs, config):
    study = fastmlp.repeat(blobs, config, 3)
    last = [record["history"]["test_loss"][-1] for record in study.records()]
    got = study.statistics({}, "test_loss")
    assert (got.n[-1], got.min[-1], got.max[-1]) == (3, min(last), max(last))
    assert got.mean[-1] == pytest.approx(sum(last) / 3)
    assert got.std[-1] == pytest.approx((sum((x - sum(last) / 3) ** 2 for x in last) / 2) ** 0.5)


def test_an_infinite_loss_has_no_standard_deviation(folder):
    history = dict(fastmlp.load_study(folder).records()[0]["history"], test_loss=[1.0, math.inf])
    path = folder / "runs.jsonl"
    first, *lines = path.read_text().splitlines()
    record = add_checksum(remove_checksum(json.loads(first)) | {"history": history})
    path.write_text("\n".join([json.dumps(record), *lines]) + "\n")
    study = fastmlp.load_study(folder)
    assert math.isnan(study.statistics({"l2": 0.0}, "test_loss").std[1])


def test_the_table_has_one_row_per_run_and_epoch(blobs, config, grid):
    assert len(fastmlp.sweep(blobs, config, grid, 3).table()) == 2 * 3 * 2


def test_the_final_values_of_a_run_that_stopped_early_are_those_of_its_best_epoch(blobs):
    config = fastmlp.Config(hidden=(5,), early_stopping="loss", patience=1, tol=0.002, n_epochs=200, batch_size=16)
    study = fastmlp.sweep(blobs, config, {"learning_rate": [0.5, 1.5]}, n_repeats=4)
    for setting in study.settings:
        finals = study.finals(setting, "test_loss")
        configs = [config.replace(**setting, seed=record["seed"]) for record in study.records_of(setting)]
        runs = [fastmlp.train(blobs, one) for one in configs]
        assert finals == [run.model.evaluate(blobs.X_test, blobs.y_test).loss for run in runs]
        assert len({len(record["history"]["epoch"]) for record in study.records_of(setting)}) > 1
        assert summary_row(study, setting)["test loss"].startswith(f"{np.mean(finals):.4f} ±")


def test_a_study_of_regression_losses_is_scored_by_r2(blobs):
    X = blobs.X_train
    data = fastmlp.Dataset(X[:90], X[:90, 0], X[90:], X[90:, 0], task="regression")
    study = fastmlp.sweep(data, fastmlp.Config(hidden=(3,), n_epochs=2), {"loss": ["squared_error", "huber"]}, 2)
    assert study.score == "test_r2"
    assert "test R2" in summary_row(study, study.settings[1])
    assert study.best() in study.settings


def test_an_unknown_setting_or_column_is_refused(folder):
    study = fastmlp.load_study(folder)
    with pytest.raises(ConfigError, match=r"setting: expected one of this study \(l2 0; l2 0\.01\), got l2 1"):
        study.records_of({"l2": 1.0})
    with pytest.raises(ConfigError, match=r"column: expected one of epoch, .*, got 'accuracy'"):
        study.statistics({"l2": 0.0}, "accuracy")
    with pytest.raises(ConfigError, match=r"column: expected one of train_loss, test_loss, test_accuracy, got 'epoch'"):
        study.best("epoch")
