"""The benchmark of the first run: its programs, its times and tables, and the count of what is compiled."""

import os
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

# Last in the path, so that the installed fastmlp is the one that is tested.
sys.path.append(str(Path(__file__).parents[1]))

from typing import get_args

import fastmlp
from benchmarks import compilation, first_run, first_run_report, first_run_worker
from benchmarks.case import Case, make_workload
from fastmlp.codegen import cache, jit
from fastmlp.settings import ACTIVATIONS, LOSSES, OPTIMIZERS, Dtype

TINY = Case(sizes=(8, 5, 3), batch_size=16, n_samples=64)
#: The package that a program needs.
PACKAGES = {"estimator": "sklearn", "sklearn": "sklearn", "jax": "jax", "torch": "torch"}


@pytest.fixture(autouse=True)
def subnormal_numbers():
    """Undo what PyTorch's program sets in this process, which would flush subnormal numbers in later tests."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["fastmlp", *PACKAGES])  # without torch_compiled, which compiles for twelve seconds
def test_a_program_imports_trains_and_predicts(name):
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name])
    workload = make_workload(TINY, 1)[0]
    version, trained, probabilities = first_run_worker.PROGRAMS[name](lambda: workload)
    assert isinstance(version, str)
    assert trained is None
    assert probabilities.shape == (1, 3)
    np.testing.assert_allclose(probabilities.sum(), 1, rtol=1e-5)


def test_every_contender_has_a_program():
    assert {contender.program for contender in first_run.CONTENDERS.values()} == set(first_run_worker.PROGRAMS)
    assert set(first_run.OURS) <= set(first_run_worker.PROGRAMS)


@pytest.fixture
def side(tmp_path, monkeypatch):
    """fastmlp, copied as for the measurement, with the kernels that these tests have cached already."""
    monkeypatch.setattr(first_run, "NETWORKS", {"tiny": TINY})
    make_workload(TINY, 1)[0].save(tmp_path / "tiny")
    caches, kernels = tmp_path / "caches", cache.cache_dir().parents[1]
    caches.mkdir()
    (caches / "numba_cache_dir").symlink_to(kernels, target_is_directory=True)
    package = first_run._copy(Path(fastmlp.__file__).parents[1], tmp_path / "package")
    return first_run.Side(first_run.CONTENDERS["fastmlp_cached"], package, caches)


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege")
def test_the_parts_of_a_first_run_end_one_after_another(side, tmp_path):
    times = first_run.seconds(side, tmp_path, "tiny")
    assert 0 < times["import_s"] < times["train_s"] < times["predict_s"]
    assert times["cpu_s"] > 0


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege")
def test_fastmlp_of_another_folder_is_refused(side, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImportError, match=r"expected fastmlp in .*empty, got"):
        first_run.seconds(side._replace(package=tmp_path / "empty"), tmp_path, "tiny")


def test_other_checkouts_have_rows_for_the_programs_of_fastmlp(tmp_path):
    chosen = {name: first_run.CONTENDERS[name] for name in ("fastmlp", "sklearn")}
    sides = first_run._sides(chosen, {"": tmp_path / "now", "before": tmp_path / "then"})
    assert {key: (side.contender.label, side.package.name) for key, side in sides.items()} == {
        "fastmlp": ("**fastmlp**, nothing cached", "now"),
        "fastmlp: before": ("fastmlp, nothing cached: before", "then"),
        "sklearn": ("scikit-learn", "now"),
    }


def example_record(n_rounds=3, contenders=tuple(first_run.CONTENDERS)):
    times = {"import_s": [0.5, 0.25, 0.75], "train_s": [20.0, 22.0, 21.0], "predict_s": [20.5, 22.5, 21.5],
             "cpu_s": [19.0, 20.0, 21.0]}  # fmt: skip
    run = {part: values[:n_rounds] for part, values in times.items()}
    runs = {name: {"label": first_run.CONTENDERS[name].label, **run} for name in contenders}
    case = {"network": "8-5-3", "batch_size": 16, "n_samples": 5120, "runs": runs}
    machine = {"cpu": "a CPU", "microarchitecture": None, "instructions": "AVX2", "caches": {}, "limits": [],
               "limited_to": None, "date": "2026-01-02T03:04:05", "n_threads": 1, "versions": {"x": "1"}}  # fmt: skip
    counts = compilation.Counts(7, 130, 131, 3, 1_350_000, 23.25, [])._asdict()
    return {"machine": machine, "cases": {"tiny": case}, "compiled": {"": {"all_optimizers": counts}}}


def test_the_tables_show_medians_ranges_and_counts():
    lines = first_run_report.tables(example_record()).splitlines()
    times = (
        ("0.50", "0.25 to 0.75"),
        ("21.00", "20.00 to 22.00"),
        ("21.50", "20.50 to 22.50"),
        ("20.00", "19.00 to 21.00"),
    )
    cells = " | ".join(f"{middle} s<br>({ends})" for middle, ends in times)
    assert f"| **fastmlp**, nothing cached | {cells} |" in lines
    assert "| all optimizers | 7 | 130 | 131 | 3 | 1.35 MB | 23.2 s |" in lines
    assert sum("5,120 samples in batches of 16;" in line for line in lines) == 1


def test_a_record_of_the_first_run_is_complete_with_all_contenders_and_rounds():
    assert first_run_report.is_complete(example_record())
    assert not first_run_report.is_complete(example_record(n_rounds=2))
    assert not first_run_report.is_complete(example_record(contenders=("fastmlp", "sklearn")))


# What is compiled


def make_kernel(factor):
    @jit.kernel
    def scale(x):
        x[0] *= factor

    scale.py_func.__module__ = "fastmlp.example"
    return scale


def test_functions_and_modules_are_recorded():
    scale = make_kernel(2.0)
    with compilation.recorded() as (functions, modules):
        scale(np.ones(1))
        scale(np.ones(1))
    make_kernel(3.0)(np.ones(1))
    where = "fastmlp.example.make_kernel.<locals>.scale[2.0](float64[1],)"
    assert (functions, len(modules)) == ([where], 1)
    assert modules[0].endswith("scale")


def test_a_kernel_that_is_compiled_for_another_layout_is_compiled_twice():
    scale, read_only = make_kernel(2.0), np.ones((2, 2))
    with compilation.recorded() as (functions, _):
        make_kernel(4.0)(np.ones(1))  # another function of this name
        scale(np.ones(1, np.float32))
        scale(np.ones(1))
        scale(read_only[:, 0])
    name = "fastmlp.example.make_kernel.<locals>.scale[2.0](float64[1],)"
    assert compilation.repeated(functions) == [f"{name}: compiled 2 times"]


def test_the_layout_of_an_array_in_a_tuple_is_left_out():
    data = {"dispatcher": make_kernel(1.0), "args": ("Pair(array(float32, 1d, C) x 2)", "readonly array(int64, 2d, F)")}
    assert compilation.described(data).endswith("scale[1.0]('Pair(float32[1] x 2)', 'int64[2]')")


def test_the_engine_is_compiled_once_per_dtype():
    types = ["(float32[1], none)", "(float32[1], bool)", "(float64[1], none)"]
    functions = [f"{compilation.ENGINE[0]}{each}" for each in types]
    assert compilation.repeated(functions[1:]) == []
    assert compilation.repeated(functions) == [
        "fastmlp.kernels.epoch.train_chunk: compiled 3 times, expected once for each of float32, float64"
    ]
    assert all(callable(getattr(sys.modules[module], name)) for module, _, name in
               (entry.rpartition(".") for entry in compilation.ENGINE))  # fmt: skip


def test_a_module_is_emitted_and_cached_once_per_dtype():
    files = [Path(f"{name}.pickle") for name in ("update_sgd-1a", "update_sgd-2b", "fastmlp.kernels.epoch.chunk-3c")]
    assert compilation.emitted_again(["update_sgd", "update_sgd", "chunk", "impl", "impl"], files) == []
    assert compilation.emitted_again([], files) == []  # a filled cache
    (twice,) = compilation.emitted_again(["chunk", "chunk"], files)
    assert twice == "chunk: 2 modules emitted, 1 files cached, expected one of each per dtype"
    (thrice,) = compilation.emitted_again([], [*files, Path("update_sgd-4d.pickle")])
    assert thrice.startswith("update_sgd: 0 modules emitted, 3 files cached")


@pytest.fixture
def trained(monkeypatch):
    """Settings of the trainings, of which none is run."""
    runs = []
    monkeypatch.setattr(compilation, "train", lambda *given: runs.append(given) or 1)
    monkeypatch.setattr(compilation, "estimators", lambda: 0)
    return runs


def test_all_combinations_have_each_dtype(trained):
    n_runs = compilation.combinations()
    chosen = {(loss, dtype, *(settings[name] for name in ("activation", "optimizer", "precision", "dropout",
              "clip_norm"))) for loss, _, dtype, settings in trained}  # fmt: skip
    expected = product(LOSSES, compilation.INPUT_DTYPES, ACTIVATIONS, OPTIMIZERS, compilation.precisions(),
                       (0.0, 0.3), (0.0, 1.0))  # fmt: skip
    assert chosen == set(expected)
    schedules = {(loss, *(settings[name] for name in ("activation", "optimizer", "schedule")))
                 for loss, _, _, settings in trained}  # fmt: skip
    assert len(schedules) == 2205
    assert n_runs == len(trained)


def test_everything_has_each_value_in_each_precision(trained):
    compilation.everything()
    for precision in compilation.precisions():
        runs = [run for run in trained if run[3]["precision"] == precision]
        assert {run[0] for run in runs} == set(LOSSES)
        assert {run[2] for run in runs} == set(compilation.INPUT_DTYPES)
        assert {run[3]["activation"] for run in runs} == set(ACTIVATIONS)
        assert {run[3]["optimizer"] for run in runs} == set(OPTIMIZERS)
    assert set(get_args(Dtype)) <= set(compilation.precisions())


@pytest.mark.filterwarnings("ignore")
def test_each_of_the_other_settings_can_be_trained():
    for settings, (loss, record) in product(compilation.OTHER_SETTINGS, LOSSES.items()):
        for task in record.tasks:
            assert compilation.train(loss, task, "uint8", compilation._applicable(settings, loss)) == 1
