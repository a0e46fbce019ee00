"""Results of a study: statistics, tables, and final values."""

import json
import math

import numpy as np
import pytest

import fastmlp
from fastmlp.errors import ConfigError, StudyError
from fastmlp.io.manifest import add_checksum, remove_checksum
from fastmlp.study.result import summary_row


def read_records(folder):
    return [remove_checksum(json.loads(line)) for line in (folder / "runs.jsonl").read_text().splitlines()]


def write_records(folder, records):
    lines = [json.dumps(add_checksum(record)) + "\n" for record in records]
    (folder / "runs.jsonl").write_text("".join(lines))


def test_statistics_are_computed_from_the_histories(blobs, config):
    study = fastmlp.repeat(blobs, config, 3)
    last = [record["history"]["test_loss"][-1] for record in study.records()]
    got = study.statistics({}, "test_loss")
    assert (got.n[-1], got.min[-1], got.max[-1]) == (3, min(last), max(last))
    assert got.mean[-1] == pytest.approx(sum(last) / 3)
    assert got.std[-1] == pytest.approx((sum((x - sum(last) / 3) ** 2 for x in last) / 2) ** 0.5)


def test_an_infinite_loss_has_no_standard_deviation(folder):
    history = dict(fastmlp.load_study(folder).records()[0]["history"], test_loss=[1.0, math.inf])
    first, *rest = read_records(folder)
    write_records(folder, [first | {"history": history}, *rest])
    study = fastmlp.load_study(folder)
    assert math.isnan(study.statistics({"l2": 0.0}, "test_loss").std[1])


@pytest.mark.parametrize(
    ("values", "mean", "std"),
    [
        ([1.7e308, 1.7e308], math.inf, 0.0),
        ([1.7e308, -1.7e308], 0.0, math.inf),
        ([1e200, 3e200], 2e200, 2**0.5 * 1e200),
        ([math.inf, -math.inf], math.nan, math.nan),
        ([math.nan, 1.0], math.nan, math.nan),
        ([math.inf, 1.0], math.inf, math.nan),
    ],
)
def test_statistics_of_huge_values_and_of_values_that_are_not_finite(values, mean, std, folder):
    records = read_records(folder)
    of_setting = [record for record in records if record["setting"] == {"l2": 0.0}]
    for value, record in zip(values, of_setting, strict=True):
        for name in ("train_loss", "test_loss", "test_accuracy"):
            record["history"][name] = [value] * 2
    write_records(folder, records)
    study = fastmlp.load_study(folder)
    got = study.statistics({"l2": 0.0}, "test_loss")
    np.testing.assert_allclose([got.mean[1], got.std[1]], [mean, std], rtol=1e-15)
    assert study.best("test_loss") in study.settings
    assert study.best() == {"l2": 0.01} if math.isnan(mean) else study.best() in study.settings
    assert len(summary_row(study, {"l2": 0.0})) == 7
    study.summary()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_study_whose_monitored_loss_was_never_finite_has_a_best_setting(value, blobs, tmp_path):
    """Earlier versions did not count such a validation loss as divergence."""
    config = fastmlp.Config(hidden=(4,), n_epochs=2, early_stopping="loss")
    fastmlp.sweep(blobs, config, {"l2": [0.0, 0.01]}, 1, out=tmp_path)
    first, second = read_records(tmp_path)
    first["history"]["val_loss"] = [value] * 2
    write_records(tmp_path, [first, second])
    study = fastmlp.load_study(tmp_path)
    assert study.finals(first["setting"], "test_loss") == first["history"]["test_loss"][-1:]
    assert study.best() in study.settings


@pytest.mark.parametrize("rates", [[1e30], [1e30, 0.01]])
def test_a_regression_study_with_runs_that_diverged_in_their_first_epoch(rates, blobs, tmp_path):
    X = blobs.X_train
    data = fastmlp.Dataset(X[:90], X[:90, 0], X[90:], X[90:, 0], task="regression")
    config = fastmlp.Config(hidden=(3,), n_epochs=2, loss="squared_error", activation="relu")
    fastmlp.sweep(data, config, {"learning_rate": rates}, 2, out=tmp_path)
    study = fastmlp.load_study(tmp_path)
    assert (study.n_diverged({"learning_rate": 1e30}), study.finals({"learning_rate": 1e30})) == (2, [])
    assert study.statistics({"learning_rate": 1e30}).mean == []
    assert summary_row(study, {"learning_rate": 1e30})["test R2"] == "-"
    study.summary()
    study.plot()
    if len(rates) == 2:
        assert study.best() == {"learning_rate": 0.01}
    else:
        with pytest.raises(StudyError, match="no best setting: no run has finished an epoch"):
            study.best()


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
    for read in (study.statistics, study.finals):
        with pytest.raises(ConfigError, match=r"column: expected one of epoch, .*, got 'accuracy'"):
            read({"l2": 0.0}, "accuracy")
    with pytest.raises(ConfigError, match=r"column: expected one of train_loss, test_loss, test_accuracy, got 'epoch'"):
        study.best("epoch")
