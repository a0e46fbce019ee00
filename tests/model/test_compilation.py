"""Which kernels a network needs, and the line that says that they are compiled."""

import logging
import os
import re
import subprocess
import sys
import warnings
from importlib import import_module
from pkgutil import iter_modules

import numpy as np
import pytest

from fastmlp import kernels
from fastmlp.codegen.indirect import Implementation
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.model import compilation
from fastmlp.model.compilation import Kernel, all_kernels, announce, estimated_seconds, prepare, run_kernels, silent
from fastmlp.model.model import init_model
from fastmlp.training.loop import train

LINE = r"fastmlp compiles \d+ kernels for float32 \(about \d+ s, once per machine\)"


def names(some):
    return {kernel.name for kernel in some}


def kernel_of(name, ready=False, loaded=None):
    """A kernel that is not compiled here: compiling real ones takes seconds."""
    return Kernel(name, "float32", lambda _: ready, lambda _: loaded.append(name))


@pytest.fixture(autouse=True)
def nothing_announced(monkeypatch):
    monkeypatch.setattr(compilation, "_announced", set())
    monkeypatch.setattr(compilation, "_python_s", lambda _: compilation.PYTHON_S)


@pytest.fixture
def nothing_compiled(monkeypatch):
    """All kernels count as missing, though they are loaded from the cache."""
    monkeypatch.setattr(compilation, "missing", list)


def lines(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "fastmlp"]


# which kernels


def test_a_run_needs_the_kernels_of_its_settings_only():
    kernels = names(run_kernels(Config(), (64, 10), 64, ["uint8"]))
    assert {"update_sgd", "product_descent", "activation_sigmoid", "gather_rows_uint8", "train_chunk"} <= kernels
    assert kernels.isdisjoint({"update_adam", "clipped_update", "dropout_forward", "gather_rows_float32"})
    assert kernels.isdisjoint({"predict_chunk", "bits_differ", "scale_samples_uint8", "bf16_forward"})


def test_predictions_and_settings_add_their_kernels():
    config = Config(optimizer="adam", dropout=0.5, clip_norm=1.0, label_smoothing=0.1)
    kernels = names(run_kernels(config, (64, 10), 64, ["float32"], ["float64"]))
    added = {"update_adam", "clipped_update", "dropout_forward", "smoothing_forward", "gradient_store"}
    assert added | {"predict_chunk", "bits_differ", "scale_samples_float64"} <= kernels
    assert "scale_samples_float32" not in kernels


def test_kernels_of_bf16_products_are_needed_for_large_layers_only():
    config = Config(precision="bf16")
    assert "bf16_forward" in names(run_kernels(config, (784, 100, 10), 64, ["uint8"]))
    assert "bf16_forward" in names(run_kernels(config, None, 64, ["uint8"]))
    assert "bf16_forward" not in names(run_kernels(config, (64, 10), 64, ["uint8"]))


def test_all_kernels_are_those_that_the_modules_define():
    modules = [import_module(f"fastmlp.kernels.{entry.name}") for entry in iter_modules(kernels.__path__)]
    values = [value for module in modules for value in vars(module).values()]
    values += [value for table in values if isinstance(table, dict) for value in table.values()]
    entries = {"train_chunk", "predict_chunk", "bits_differ"}
    assert names(all_kernels(bf16=True)) == {v.name for v in values if isinstance(v, Implementation)} | entries


def test_estimates_are_those_of_existing_kernels():
    assert set(compilation.SECONDS) <= names(all_kernels(bf16=True))
    assert names(all_kernels(bf16=True)) - names(all_kernels(bf16=False)) == {
        "bf16_fused_update_forward", "bf16_forward", "bf16_backward", "bf16_update",
    }  # fmt: skip


def test_the_estimate_is_in_proportion_to_the_speed_of_python(monkeypatch):
    kernels = run_kernels(Config(), (64, 10), 64, ["uint8"])
    once = estimated_seconds(kernels)
    monkeypatch.setattr(compilation, "_python_s", lambda _: 2 * compilation.PYTHON_S)
    assert estimated_seconds(kernels) == pytest.approx(2 * once)


# the line


def test_kernels_are_announced_once_before_they_are_loaded(caplog):
    loaded = []
    kernels = [kernel_of("train_chunk", loaded=loaded), kernel_of("update_sgd", True, loaded)]
    prepare(kernels)
    announce(kernels)
    assert lines(caplog) == ["fastmlp compiles 1 kernel for float32 (about 2 s, once per machine)"]
    assert caplog.records[0].levelno == logging.WARNING
    assert loaded == ["train_chunk", "update_sgd"]


def test_what_takes_less_than_a_second_is_not_announced(caplog):
    announce([kernel_of("update_adam"), kernel_of("clipped_update"), kernel_of("train_chunk", ready=True)])
    assert lines(caplog) == []


def test_the_level_of_the_logger_silences_the_line(caplog):
    with caplog.at_level(logging.ERROR, "fastmlp"):
        announce([kernel_of("train_chunk")])
    assert lines(caplog) == []


def test_the_line_is_not_printed_where_warnings_are_ignored(caplog):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        announce([kernel_of("train_chunk")])
    assert lines(caplog) == []


@pytest.mark.parametrize("action", ["error", "always"])
def test_filters_for_some_warnings_do_not_silence_the_line(caplog, action):
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        warnings.filterwarnings("ignore", "batch_size", UserWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        announce([kernel_of("train_chunk")])
    assert len(lines(caplog)) == 1


def test_nothing_is_announced_in_a_silent_block(caplog):
    with silent():
        announce([kernel_of("train_chunk")])
    assert lines(caplog) == []


def test_a_network_whose_predictions_are_compiled_says_so(caplog, nothing_compiled):
    model = init_model(Config(hidden=()), n_features=1, n_classes=2)
    for _ in range(2):
        model.predict(np.zeros((1, 1)))
        model.weights[0] = [[1.0, 2.0]]  # which makes another predictor
    assert len(lines(caplog)) == 1


def test_training_and_evaluation_are_announced_together(caplog, nothing_compiled):
    dataset = Dataset([[0.0], [1.0]], [0, 1], [[0.5]], [1])
    model = train(dataset, Config(hidden=(), batch_size=2, n_epochs=2)).model
    model.predict(dataset.X_test)
    (line,) = lines(caplog)
    assert re.fullmatch(LINE, line)


def test_the_first_prediction_with_an_empty_cache_prints_one_line_to_stderr(tmp_path):
    code = """
import fastmlp
from fastmlp.model import compilation
compilation.ANNOUNCED_S = 0.1  # on a fast machine, the kernels of a prediction take less than the second
model = fastmlp.init_model(fastmlp.Config(hidden=()), n_features=1, n_classes=2)
print(model.predict([[1.0]]).shape, model.predict([[2]]).shape)
"""
    cache = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run([sys.executable, "-c", code], env=cache, capture_output=True, text=True, timeout=100)
        for _ in range(2)
    )
    assert (first.stdout, second.stdout) == ("(1,) (1,)\n", "(1,) (1,)\n")
    assert re.fullmatch(LINE + "\n", first.stderr)
    assert second.stderr == ""
