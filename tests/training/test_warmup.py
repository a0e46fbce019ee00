import os
import re
import subprocess
import sys
from itertools import product
from typing import get_args

import numpy as np
import pytest
from numba.core import event

import fastmlp
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError
from fastmlp.model import compilation
from fastmlp.settings import ACTIVATIONS, LOSSES, OPTIMIZERS, Precision, Schedule
from fastmlp.study.worker import WorkerJob, execute_job
from fastmlp.training.loop import train
from fastmlp.training.precision import resolve
from fastmlp.training.warmup import is_warm, needed_kernels, prepare_run, warmup

#: The precisions that are available on this machine.
PRECISIONS = [
    name for name in get_args(Precision) if not resolve(Config(precision=name), np.zeros((1, 1), np.uint8))[1]
]


def n_compiled(run):
    """Number of functions that are compiled, not loaded from the cache, while a function runs."""
    with event.install_recorder("numba:compile") as recorder:
        run()
    return len(recorder.buffer)


@pytest.mark.parametrize("what", [*PRECISIONS, "all", Config(optimizer="adam", dropout=0.1)])
def test_after_warmup_is_warm_is_true(what):
    assert warmup(what) >= 0
    assert is_warm(what)
    assert n_compiled(lambda: warmup(what)) == 0


def test_all_kernels_include_those_of_every_precision_and_config():
    every = {kernel[:2] for kernel in needed_kernels("all")}
    for what in (*PRECISIONS, Config(loss="huber", activation="gelu", clip_norm=1.0, optimizer="nadam")):
        assert {kernel[:2] for kernel in needed_kernels(what)} < every


def test_a_dtype_of_the_samples_leaves_out_the_kernels_of_others():
    names = {kernel.name for kernel in needed_kernels("float32", sample_dtype="uint8")}
    assert {name for name in names if name.endswith(("8", "32", "64"))} == {
        "gather_rows_uint8", "gather_columns_uint8", "scale_samples_uint8",
    }  # fmt: skip


def test_a_config_with_precision_auto_is_resolved():
    assert {kernel.dtype for kernel in needed_kernels(Config(precision="auto"))} == {"float32"}


def test_the_dtype_of_samples_may_be_that_of_an_array():
    assert needed_kernels("float32", np.dtype("uint8")) == needed_kernels("float32", "uint8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fast",), r"^what: expected a precision, 'all' or a Config, got 'fast'$"),
        ((None,), r"^what: expected a precision, 'all' or a Config, got None$"),
        (("float32", "int8"), r"^sample_dtype: expected one of 'uint8', 'float32', 'float64', got 'int8'$"),
        (("float32", np.dtype("int8")), r"^sample_dtype: expected one of 'uint8', 'float32', 'float64', got 'int8'$"),
        (("all", "uint8"), r"^sample_dtype: expected none with 'all', which has all dtypes, got 'uint8'$"),
    ],
)
def test_other_arguments_are_refused(arguments, message):
    for function in (warmup, is_warm):
        with pytest.raises(ConfigError, match=message):
            function(*arguments)


def make_data(loss, make_blobs):
    """A small data set with a task that a loss can be used for."""
    blobs = make_blobs()
    if loss == "cross_entropy":
        return blobs
    task = "multilabel" if loss == "binary_cross_entropy" else "regression"
    train, test = (np.stack([y % 2, y > 1], axis=1).astype(int) for y in (blobs.y_train, blobs.y_test))
    return Dataset(blobs.X_train[:20], train[:20], blobs.X_test[:5], test[:5], task=task)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_run_compiles_anything_after_warmup(precision, make_blobs):
    warmup("all")
    common = {"precision": precision, "hidden": (3,), "batch_size": 7, "n_epochs": 1, "learning_rate": 1e-3}
    data = {loss: make_data(loss, make_blobs) for loss in LOSSES}

    def run():
        for loss, activation, optimizer, schedule in product(LOSSES, ACTIVATIONS, OPTIMIZERS, get_args(Schedule)):
            config = Config(loss=loss, activation=activation, optimizer=optimizer, schedule=schedule, **common)
            train(data[loss], config)
        for dtype in (np.uint8, np.float32, np.float64):
            config = Config(dropout=0.5, clip_norm=0.1, weight_decay=0.1, l2_scale="batch", **common)
            train(make_blobs(dtype=dtype), config.replace(label_smoothing=0.1))

    assert n_compiled(run) == 0


@pytest.mark.parametrize(("offset", "is_dense"), [(0.0, False), (0.5, True)])
def test_kernels_for_sparse_samples_depend_on_what_the_scaling_makes_of_zeros(
    offset, is_dense, make_sparse_and_dense, monkeypatch
):
    prepared, (data, _) = [], make_sparse_and_dense()
    monkeypatch.setattr(compilation, "prepare", prepared.extend)
    prepare_run(data, Config(precision="float64"), scaling=(np.ones(40), np.full(40, offset)))
    names = {kernel.name for kernel in prepared}
    # The windows are trained on in the dtype of the network, and predicted in that of the samples.
    of_windows, of_csr = {"gather_rows_float64", "scale_samples_float32"}, {"sparse_update_forward", "sparse_predict"}
    needed, others = (of_windows, of_csr) if is_dense else (of_csr, of_windows)
    assert needed < names
    assert not names & others


def test_a_second_warmup_is_fast():
    warmup("float32")
    assert warmup("float32") < 0.1


def test_training_with_an_empty_cache_prints_one_line_and_compiles_what_it_needs(tmp_path):
    code = """
import pathlib, sys
import fastmlp
data = fastmlp.Dataset([[0.0], [1.0]], [0, 1], [[0.5]], [1])
config = fastmlp.Config(hidden=(2,), batch_size=2, n_epochs=2)
model = fastmlp.train(data, config).model
print(model.predict([[1.0]]), *sorted(path.name for path in pathlib.Path(sys.argv[1]).rglob("*.pickle")))
"""
    command, cache = [sys.executable, "-c", code, str(tmp_path)], {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (subprocess.run(command, env=cache, capture_output=True, text=True, timeout=100) for _ in range(2))
    assert first.stdout == second.stdout
    needed = compilation.run_kernels(Config(), (1, 2, 2), 2, ["float64"], ["float64"])
    assert len(first.stdout.split("]")[1].split()) == len(needed)
    line = rf"fastmlp compiles {len(needed)} kernels for float32 \(about \d+ s, once per machine\)\n"
    assert re.fullmatch(line, first.stderr)
    assert second.stderr == ""


def test_a_study_announces_its_kernels_once_and_its_workers_do_not(monkeypatch, caplog):
    monkeypatch.setattr(compilation, "missing", list)
    monkeypatch.setattr(compilation, "_announced", set())
    digits, config = fastmlp.load_data("digits"), Config(hidden=(), n_epochs=1)
    fastmlp.sweep(digits, config, {"optimizer": ["sgd", "adam"]}, n_repeats=1, n_jobs=2)
    (line,) = [record.getMessage() for record in caplog.records]
    n_kernels = len(compilation.run_kernels(config, None, 64, ["float32"], ["float32"]))
    assert line.startswith(f"fastmlp compiles {n_kernels + 1} kernels for float32")
    monkeypatch.setattr(compilation, "_announced", set())
    (spec,) = fastmlp.study.plan.make_plan(config, [{}], 1).run_specs()
    execute_job(WorkerJob(fastmlp.__version__, digits.source, digits.class_names, digits.checksum()), spec)
    assert len(caplog.records) == 1
